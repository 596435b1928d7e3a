"""Bookings, asked for when mails about them are written; in this process's own name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Protocol
from uuid import UUID

from parterre.booking.v1 import booking_pb2, booking_pb2_grpc

from chassis.errors import RemoteError
from chassis.grpc_client import GrpcClient
from notification_service.domain import Event, EventNotFoundError, Guest

# Whoever waits for the answer tries again by itself.
_SECONDS = 5.0
_Request = booking_pb2.ListAudienceRequest


@dataclass(frozen=True, slots=True)
class Audience:
    """A page of the bookings whose people are told of their event's change."""

    event: Event
    guests: Sequence[Guest]
    bookings: int  # on all pages


class Bookings(Protocol):
    """What mails need of bookings."""

    async def show(self, booking_id: str) -> booking_pb2.ShowBookingResponse | None:
        """A booking with its tickets; None: there is no such booking.

        Raises:
            RemoteError: booking_service does not answer.
        """

    async def audience(
        self, event_id: UUID, *, called_off: bool, after: UUID | None, limit: int
    ) -> Audience:
        """Bookings of an event made after `after`; `called_off`: also those that ended with it.

        Raises:
            EventNotFoundError: there is none on sale.
            RemoteError: booking_service does not answer.
        """


class RemoteBookings:
    """booking_service, asked."""

    def __init__(self, client: GrpcClient) -> None:
        self._client = client
        self._stub = booking_pb2_grpc.BookingServiceStub(client.channel)

    async def show(self, booking_id: str) -> booking_pb2.ShowBookingResponse | None:
        request = booking_pb2.ShowBookingRequest(booking_id=booking_id)
        try:
            return await self._client.call(self._stub.ShowBooking, request, seconds=_SECONDS)
        except RemoteError as error:
            if error.reason == "BOOKING_NOT_FOUND":
                return None
            raise

    async def audience(
        self, event_id: UUID, *, called_off: bool, after: UUID | None, limit: int
    ) -> Audience:
        request = _Request(
            event_id=str(event_id),
            audience=_Request.AUDIENCE_CALLED_OFF if called_off else _Request.AUDIENCE_GOING,
            after=str(after or ""),
            limit=limit,
        )
        try:
            reply = await self._client.call(self._stub.ListAudience, request, seconds=_SECONDS)
        except RemoteError as error:
            if error.reason == "EVENT_NOT_FOUND":
                raise EventNotFoundError("There is no such event.") from error
            raise
        event = reply.event
        return Audience(
            Event(
                UUID(event.id),
                UUID(reply.organizer_id),
                event.title,
                event.place,
                event.starts_at.ToDatetime(UTC),
                event.timezone,
                0,
            ),
            [
                Guest(
                    UUID(item.booking_id), item.reference, UUID(item.customer_id), list(item.emails)
                )
                for item in reply.items
            ],
            reply.bookings,
        )
