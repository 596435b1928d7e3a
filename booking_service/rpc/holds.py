"""Inventory's holds, asked for in the caller's own name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from uuid import UUID

from parterre.inventory.v1 import inventory_pb2, inventory_pb2_grpc
from parterre.types.v1 import types_pb2

from booking_service.domain import Hold, HoldNotFoundError, Line
from chassis.errors import RemoteError
from chassis.grpc_client import GrpcClient

FetchHold = Callable[[UUID], Awaitable[Hold]]


class Holds:
    """Inventory, asked for holds."""

    def __init__(self, client: GrpcClient) -> None:
        self._client = client
        self._stub = inventory_pb2_grpc.InventoryServiceStub(client.channel)

    async def fetch(self, hold_id: UUID) -> Hold:
        """The caller's hold as it stands by inventory's clock.

        Raises:
            HoldNotFoundError: there is none, or it is not the caller's.
            RemoteError: inventory does not answer.
        """
        request = inventory_pb2.GetHoldRequest(hold_id=str(hold_id))
        try:
            reply = await self._client.call(self._stub.GetHold, request)
        except RemoteError as error:
            if error.reason == "HOLD_NOT_FOUND":
                raise HoldNotFoundError("There is no such hold.") from error
            raise
        hold = reply.hold
        return Hold(
            id=hold_id,
            event_id=UUID(hold.event_id),
            customer_id=UUID(hold.customer_id),
            status=hold.status,
            version=hold.version,
            currency=hold.total.currency,
            lines=[_line(line) for line in hold.lines],
        )


def _line(line: types_pb2.Line) -> Line:
    return Line(
        line.seat_id,
        line.section_id,
        line.section,
        line.row,
        line.number,
        line.tier_id,
        line.tier,
        line.quantity,
        line.price.amount,
    )
