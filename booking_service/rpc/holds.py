"""Inventory's holds: shown in the caller's own name, reserved in booking_service's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from parterre.inventory.v1 import inventory_pb2, inventory_pb2_grpc
from parterre.types.v1 import types_pb2

from booking_service.domain import BookingError, Hold, HoldNotFoundError, Line, Reservation
from chassis import context
from chassis.context import Origin
from chassis.errors import RemoteError
from chassis.grpc_client import GrpcClient
from chassis.refusals import read_refusal


@dataclass(frozen=True, slots=True)
class Wish:
    """A hold that is to be reserved for a booking."""

    token: str  # the person's own
    origin: Origin
    hold_id: UUID
    booking_id: UUID  # that will be made of it, if no other asked first


@dataclass(frozen=True, slots=True)
class Places:
    """Places of an event that nobody has to hold yet."""

    event_id: str
    seat_ids: Sequence[str]
    general: Sequence[tuple[str, int]]  # tier, how many


@dataclass(frozen=True, slots=True)
class Offer:
    """What places cost now, and whether they were free a moment ago."""

    lines: Sequence[Line]
    currency: str
    unavailable_seat_ids: Sequence[str]
    available: bool


class Holds(Protocol):
    """What bookings need of inventory."""

    async def quote(self, places: Places) -> Offer:
        """What the caller could hold.

        Raises:
            RemoteError: inventory refuses, or does not answer.
        """

    async def fetch(self, hold_id: UUID) -> Hold:
        """The caller's hold as it stands by inventory's clock.

        Raises:
            HoldNotFoundError: there is none, or it is not the caller's.
            RemoteError: inventory does not answer.
        """

    async def reserve(self, wishes: Sequence[Wish]) -> Sequence[Hold | BookingError | RemoteError]:
        """Reserves holds; each as it stands then, or why it can't be told."""

    async def cancel(self, reservations: Sequence[Reservation]) -> None:
        """Gives reservations back whose bookings will never be.

        Raises:
            RemoteError: inventory does not answer; it will ask for them.
        """


class Inventory:
    """Inventory, asked for holds."""

    def __init__(self, client: GrpcClient) -> None:
        self._client = client
        self._stub = inventory_pb2_grpc.InventoryServiceStub(client.channel)

    async def quote(self, places: Places) -> Offer:
        request = inventory_pb2.QuotePlacesRequest(
            event_id=places.event_id, seat_ids=places.seat_ids
        )
        for tier_id, quantity in places.general:
            request.general.add(tier_id=tier_id, quantity=quantity)
        reply = await self._client.call(self._stub.QuotePlaces, request)
        return Offer(
            [_line(line) for line in reply.lines],
            reply.currency,
            reply.unavailable_seat_ids,
            reply.available,
        )

    async def fetch(self, hold_id: UUID) -> Hold:
        request = inventory_pb2.GetHoldRequest(hold_id=str(hold_id))
        try:
            reply = await self._client.call(self._stub.GetHold, request)
        except RemoteError as error:
            raise _translated(error) from error
        return _hold(reply.hold)

    async def reserve(self, wishes: Sequence[Wish]) -> Sequence[Hold | BookingError | RemoteError]:
        request = inventory_pb2.ReserveHoldsRequest()
        for wish in wishes:
            request.items.add(
                token=wish.token,
                request_id=wish.origin.request_id,
                hold_id=str(wish.hold_id),
                booking_id=str(wish.booking_id),
                traceparent=wish.origin.traceparent,
            )
        with context.request(seconds=context.seconds_left()):
            try:
                reply = await self._client.call(self._stub.ReserveHolds, request)
            except RemoteError as error:
                return [error] * len(wishes)
        return [_reserved(result) for result in reply.results]

    async def cancel(self, reservations: Sequence[Reservation]) -> None:
        request = inventory_pb2.CancelReservationsRequest()
        for each in reservations:
            request.items.add(hold_id=str(each.hold_id), booking_id=str(each.booking_id))
        with context.request(seconds=context.seconds_left()):
            await self._client.call(self._stub.CancelReservations, request)


def _reserved(
    result: inventory_pb2.ReserveHoldsResponse.Result,
) -> Hold | BookingError | RemoteError:
    if result.HasField("refusal"):
        return _translated(read_refusal(result.refusal))
    booking_id = UUID(result.booking_id) if result.booking_id else None
    return _hold(result.hold, booking_id, event_open=result.event_open)


def _translated(error: RemoteError) -> BookingError | RemoteError:
    if error.reason == "HOLD_NOT_FOUND":
        return HoldNotFoundError("There is no such hold.")
    return error


def _hold(
    shown: inventory_pb2.Hold, booking_id: UUID | None = None, *, event_open: bool = True
) -> Hold:
    return Hold(
        id=UUID(shown.id),
        event_id=UUID(shown.event_id),
        customer_id=UUID(shown.customer_id),
        status=shown.status,
        version=shown.version,
        currency=shown.total.currency,
        lines=[_line(line) for line in shown.lines],
        booking_id=booking_id,
        event_open=event_open,
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
