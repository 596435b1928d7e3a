"""The RPCs of organizers, a part of the gRPC servicer."""

from __future__ import annotations

from uuid import UUID

from parterre.inventory.v1 import inventory_pb2, inventory_pb2_grpc

from chassis.context import caller
from chassis.database import Database, Session
from chassis.idempotency import once
from chassis.identity import Role
from chassis.ids import parse_uuid
from chassis.text import line
from inventory_service.domain import (
    Person,
)
from inventory_service.handlers import organizing
from inventory_service.rpc.due import past_due_holds
from inventory_service.rpc.shapes import (
    MAX_PAGE,
    PAGE,
    Call,
    after_cursor,
    cursor,
    read_capacity_edit,
    write_block,
)
from inventory_service.storage.events import Layouts


class OrganizerServicer(inventory_pb2_grpc.InventoryServiceServicer):
    """What organizers and admins may do."""

    _database: Database
    _layouts: Layouts

    async def BlockSeats(  # noqa: N802 - the proto's name
        self,
        request: inventory_pb2.BlockSeatsRequest,
        context: Call,
    ) -> inventory_pb2.BlockSeatsResponse:
        person, event_id = _person(), parse_uuid(request.event_id)

        async def work(session: Session) -> inventory_pb2.BlockSeatsResponse:
            block = await organizing.block_seats(
                session,
                self._layouts,
                person,
                event_id,
                seat_ids=request.seat_ids,
                note=line(request.note),
            )
            return inventory_pb2.BlockSeatsResponse(block=write_block(block))

        reply_type = inventory_pb2.BlockSeatsResponse
        return await past_due_holds(
            self._database, lambda: once(self._database, request, reply_type, work, context)
        )

    async def UnblockSeats(  # noqa: N802 - the proto's name
        self,
        request: inventory_pb2.UnblockSeatsRequest,
        context: Call,
    ) -> inventory_pb2.UnblockSeatsResponse:
        person, event_id = _person(), parse_uuid(request.event_id)

        async def work(session: Session) -> inventory_pb2.UnblockSeatsResponse:
            await organizing.unblock_seats(
                session, self._layouts, person, event_id, request.seat_ids
            )
            return inventory_pb2.UnblockSeatsResponse()

        reply_type = inventory_pb2.UnblockSeatsResponse
        return await once(self._database, request, reply_type, work, context)

    async def ListBlocks(  # noqa: N802 - the proto's name
        self,
        request: inventory_pb2.ListBlocksRequest,
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> inventory_pb2.ListBlocksResponse:
        limit = max(1, min(request.limit or PAGE, MAX_PAGE))
        async with self._database.transaction() as session:
            found = await organizing.list_blocks(
                session,
                _person(),
                parse_uuid(request.event_id),
                before=after_cursor(request.cursor),
                limit=limit + 1,
            )
        page = found[:limit]
        return inventory_pb2.ListBlocksResponse(
            blocks=map(write_block, page),
            next_cursor=cursor(page[-1].id) if len(found) > limit else "",
        )

    async def SetCapacity(  # noqa: N802 - the proto's name
        self,
        request: inventory_pb2.SetCapacityRequest,
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> inventory_pb2.SetCapacityResponse:
        person, event_id = _person(), parse_uuid(request.event_id)
        edit = read_capacity_edit(request)
        capacity, version = await past_due_holds(
            self._database,
            lambda: self._database.run(
                lambda session: organizing.set_capacity(session, person, event_id, edit)
            ),
        )
        return inventory_pb2.SetCapacityResponse(event_capacity=capacity, version=version)

    async def CountHolds(  # noqa: N802 - the proto's name
        self,
        request: inventory_pb2.CountHoldsRequest,
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> inventory_pb2.CountHoldsResponse:
        async with self._database.transaction() as session:
            counted = await organizing.count_holds(session, _person(), own_only=request.own_only)
        return inventory_pb2.CountHoldsResponse(holds=counted.holds, places=counted.places)


def _person() -> Person:
    identity = caller()
    return Person(UUID(identity.subject), identity.role is Role.ADMIN)
