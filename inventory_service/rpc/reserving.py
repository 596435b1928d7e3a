"""Reserving holds for bookings: a part of the gRPC servicer, for booking_service alone."""

from __future__ import annotations

from parterre.inventory.v1 import inventory_pb2, inventory_pb2_grpc

from chassis import tracing
from chassis.database import Database
from chassis.grpc_server import customer_of
from chassis.identity import TokenVerifier
from chassis.ids import parse_uuid
from chassis.refusals import write_refusal
from inventory_service.domain import (
    HoldNotFoundError,
    Reservation,
    ReservationOrder,
    Wanted,
    invalid_hold,
)
from inventory_service.handlers import reserving
from inventory_service.rpc.shapes import Call, check_items, write_hold
from inventory_service.storage.events import Layouts

_NAME = "parterre.inventory.v1.InventoryService/ReserveHolds"


class ReservingServicer(inventory_pb2_grpc.InventoryServiceServicer):
    """What bookings do with the holds that they are made of."""

    _database: Database
    _verifier: TokenVerifier
    _layouts: Layouts

    async def ReserveHolds(  # noqa: N802 - the proto's name
        self,
        request: inventory_pb2.ReserveHoldsRequest,
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> inventory_pb2.ReserveHoldsResponse:
        check_items(len(request.items))
        wanted: list[Wanted | Exception] = []
        for item in request.items:
            try:
                wanted.append(await self._wanted(item))
            except Exception as error:  # noqa: BLE001 - it is this one's
                wanted.append(error)
        came = [tracing.origin_of(item.request_id, item.traceparent) for item in request.items]
        with tracing.parts(_NAME, came):
            found = await reserving.reserve(
                self._database, self._layouts, [each for each in wanted if isinstance(each, Wanted)]
            )
        reply = inventory_pb2.ReserveHoldsResponse()
        for item, each in zip(request.items, wanted, strict=True):
            answer = found[each.hold_id, each.customer_id] if isinstance(each, Wanted) else each
            _add_result(reply.results.add(), item.request_id, answer)
        return reply

    async def _wanted(self, item: inventory_pb2.ReserveHoldsRequest.Item) -> Wanted:
        customer_id = await customer_of(self._verifier, item.token)
        hold_id, booking_id = parse_uuid(item.hold_id), parse_uuid(item.booking_id)
        if hold_id is None:
            raise HoldNotFoundError("You have no such hold.")
        if booking_id is None:
            raise invalid_hold("booking_id", "Not a UUID.")
        return Wanted(hold_id, customer_id, booking_id)

    async def CancelReservations(  # noqa: N802 - the proto's name
        self,
        request: inventory_pb2.CancelReservationsRequest,
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> inventory_pb2.CancelReservationsResponse:
        check_items(len(request.items))
        orders = [
            ReservationOrder(booking_id, hold_id, exists=False)
            for item in request.items
            if (booking_id := parse_uuid(item.booking_id)) and (hold_id := parse_uuid(item.hold_id))
        ]
        await self._database.run(lambda session: reserving.settle(session, orders))
        return inventory_pb2.CancelReservationsResponse()


def _add_result(
    result: inventory_pb2.ReserveHoldsResponse.Result,
    request_id: str,
    answer: Reservation | Exception,
) -> None:
    if isinstance(answer, Exception):
        write_refusal(result.refusal, answer, method="ReserveHolds", request_id=request_id)
        return
    write_hold(answer.hold, result.hold)
    result.booking_id = str(answer.booking_id or "")
    result.event_open = answer.event_open
