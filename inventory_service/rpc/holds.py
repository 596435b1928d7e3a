"""Making holds, and what people do with theirs: a part of the gRPC servicer."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

from parterre.inventory.v1 import inventory_pb2, inventory_pb2_grpc

from chassis import tracing
from chassis.context import caller_id, seconds_left
from chassis.database import Database, Session
from chassis.grpc_server import customer_of
from chassis.idempotency import REPLAYED, claim, once
from chassis.identity import TokenVerifier
from chassis.ids import parse_uuid
from chassis.refusals import write_refusal
from inventory_service.domain import Hold, invalid_hold
from inventory_service.handlers import owning
from inventory_service.holding import adding, quoting
from inventory_service.holding.batch import Replayed
from inventory_service.holding.desk import Desk
from inventory_service.rpc.due import past_due_holds
from inventory_service.rpc.shapes import (
    MAX_PAGE,
    PAGE,
    Call,
    after_cursor,
    check_items,
    cursor,
    read_general,
    read_order,
    write_hold,
    write_lines,
)
from inventory_service.storage import holds
from inventory_service.storage.events import Layouts

_NAME = "parterre.inventory.v1.InventoryService/CreateHolds"
# How long a hold waits for its turn, where the caller does not say.
_SECONDS = 5.0
# What a hold is extended by where the caller does not say.
_MORE = timedelta(seconds=300)


class HoldsServicer(inventory_pb2_grpc.InventoryServiceServicer):
    """Holds, for those who have them."""

    _database: Database
    _verifier: TokenVerifier
    _layouts: Layouts
    _desk: Desk

    async def CreateHold(  # noqa: N802 - the proto's name
        self, request: inventory_pb2.CreateHoldRequest, context: Call
    ) -> inventory_pb2.CreateHoldResponse:
        answer = await self._put(request, caller_id())
        if isinstance(answer, Hold):
            return inventory_pb2.CreateHoldResponse(hold=write_hold(answer))
        context.set_trailing_metadata((REPLAYED,))
        if isinstance(answer.answer, Exception):
            raise answer.answer
        return inventory_pb2.CreateHoldResponse.FromString(answer.answer)

    async def CreateHolds(  # noqa: N802 - the proto's name
        self,
        request: inventory_pb2.CreateHoldsRequest,
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> inventory_pb2.CreateHoldsResponse:
        check_items(len(request.items))
        answers: list[asyncio.Future[Hold | Replayed] | Exception] = []
        for item in request.items:
            try:
                answers.append(self._put(item.order, await customer_of(self._verifier, item.token)))
            except Exception as error:  # noqa: BLE001 - it is this one's
                answers.append(error)
        waiting = [answer for answer in answers if isinstance(answer, asyncio.Future)]
        came = [tracing.origin_of(item.request_id, item.traceparent) for item in request.items]
        try:
            if waiting:
                with tracing.parts(_NAME, came):
                    await asyncio.wait(waiting)
        except asyncio.CancelledError:
            for future in waiting:
                future.cancel()
            raise
        reply = inventory_pb2.CreateHoldsResponse()
        for item, answer in zip(request.items, answers, strict=True):
            _add_result(reply.results.add(), item.request_id, answer)
        return reply

    def _put(
        self, request: inventory_pb2.CreateHoldRequest, person: UUID
    ) -> asyncio.Future[Hold | Replayed]:
        order = read_order(request, person)
        left = seconds_left()
        return self._desk.put(
            order,
            claim(request, str(person)) if request.idempotency_key else None,
            seconds=_SECONDS if left is None else left,
        )

    async def GetHold(  # noqa: N802 - the proto's name
        self,
        request: inventory_pb2.GetHoldRequest,
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> inventory_pb2.GetHoldResponse:
        async with self._database.transaction() as session:
            hold = await owning.get_hold(
                session, self._layouts, caller_id(), parse_uuid(request.hold_id)
            )
        return inventory_pb2.GetHoldResponse(hold=write_hold(hold))

    async def QuotePlaces(  # noqa: N802 - the proto's name
        self,
        request: inventory_pb2.QuotePlacesRequest,
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> inventory_pb2.QuotePlacesResponse:
        wish = inventory_pb2.CreateHoldRequest(
            event_id=request.event_id, seat_ids=request.seat_ids, general=request.general
        )
        order = read_order(wish, caller_id())
        async with self._database.transaction() as session:
            layout, quoted = await quoting.quote(session, self._layouts, order)
        reply = inventory_pb2.QuotePlacesResponse(
            currency=layout.currency,
            unavailable_seat_ids=map(str, quoted.unavailable),
            available=quoted.available,
        )
        write_lines(layout, quoted.lines, reply)
        return reply

    async def ListHolds(  # noqa: N802 - the proto's name
        self,
        request: inventory_pb2.ListHoldsRequest,
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> inventory_pb2.ListHoldsResponse:
        limit = max(1, min(request.limit or PAGE, MAX_PAGE))
        event_id = parse_uuid(request.event_id)
        if request.event_id and event_id is None:
            return inventory_pb2.ListHoldsResponse()
        async with self._database.transaction() as session:
            found = await holds.find_holds(
                session,
                self._layouts,
                caller_id(),
                event_id=event_id,
                before=after_cursor(request.cursor),
                limit=limit + 1,
            )
        page = found[:limit]
        return inventory_pb2.ListHoldsResponse(
            holds=[write_hold(hold) for hold in page],
            next_cursor=cursor(page[-1].id) if len(found) > limit else "",
        )

    async def ExtendHold(  # noqa: N802 - the proto's name
        self,
        request: inventory_pb2.ExtendHoldRequest,
        context: Call,
    ) -> inventory_pb2.ExtendHoldResponse:
        if request.seconds < 0:
            raise invalid_hold("seconds", "At least 1.")
        person = caller_id()
        more = timedelta(seconds=request.seconds) if request.seconds else _MORE

        async def work(session: Session) -> inventory_pb2.ExtendHoldResponse:
            hold = await owning.extend_hold(
                session, self._layouts, person, parse_uuid(request.hold_id), more
            )
            return inventory_pb2.ExtendHoldResponse(hold=write_hold(hold))

        return await once(self._database, request, inventory_pb2.ExtendHoldResponse, work, context)

    async def AddToHold(  # noqa: N802 - the proto's name
        self,
        request: inventory_pb2.AddToHoldRequest,
        context: Call,
    ) -> inventory_pb2.AddToHoldResponse:
        person, hold_id = caller_id(), parse_uuid(request.hold_id)
        general = read_general(request.general)

        async def work(session: Session) -> inventory_pb2.AddToHoldResponse:
            hold = await adding.add_to_hold(
                session, self._layouts, person, hold_id, seat_ids=request.seat_ids, general=general
            )
            return inventory_pb2.AddToHoldResponse(hold=write_hold(hold))

        reply_type = inventory_pb2.AddToHoldResponse
        return await past_due_holds(
            self._database, lambda: once(self._database, request, reply_type, work, context)
        )

    async def ReleaseHold(  # noqa: N802 - the proto's name
        self,
        request: inventory_pb2.ReleaseHoldRequest,
        context: Call,
    ) -> inventory_pb2.ReleaseHoldResponse:
        person, hold_id = caller_id(), parse_uuid(request.hold_id)
        general = read_general(request.general)

        async def work(session: Session) -> inventory_pb2.ReleaseHoldResponse:
            hold = await owning.release_hold(
                session, self._layouts, person, hold_id, seat_ids=request.seat_ids, general=general
            )
            return inventory_pb2.ReleaseHoldResponse(hold=write_hold(hold))

        return await once(self._database, request, inventory_pb2.ReleaseHoldResponse, work, context)


def _add_result(
    result: inventory_pb2.CreateHoldsResponse.Result,
    request_id: str,
    answer: asyncio.Future[Hold | Replayed] | Exception,
) -> None:
    """Writes down what became of one of several."""
    error: BaseException | None
    if isinstance(answer, Exception):
        error = answer
    else:
        error = answer.exception()
        if error is None:
            made = answer.result()
            if isinstance(made, Hold):
                write_hold(made, result.hold)
                return
            result.replayed = True
            if isinstance(made.answer, bytes):
                result.hold.CopyFrom(inventory_pb2.CreateHoldResponse.FromString(made.answer).hold)
                return
            error = made.answer
    assert isinstance(error, Exception)  # noqa: S101 - narrows the type; nobody cancels these
    write_refusal(result.refusal, error, method="CreateHolds", request_id=request_id)


def written(hold: Hold) -> bytes:
    """The reply, serialized, as it is kept under an idempotency key."""
    return inventory_pb2.CreateHoldResponse(hold=write_hold(hold)).SerializeToString()
