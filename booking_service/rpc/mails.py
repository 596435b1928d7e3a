"""What notification_service prints in mails, and whom it tells of an event's change."""

from __future__ import annotations

from uuid import UUID

from parterre.booking.v1 import booking_pb2

from booking_service.domain import (
    BookingNotFoundError,
    EventNotFoundError,
    InvalidCursorError,
    InvalidFilterError,
)
from booking_service.rpc import shapes
from booking_service.rpc.servicer import Call, Servicer, event_id_of
from booking_service.storage import bookings, events, tickets
from chassis.ids import parse_uuid

_MAX_AUDIENCE = 500
_NOBODY = UUID(int=0)
_Audience = booking_pb2.ListAudienceRequest


class Mails(Servicer):
    """What notification_service asks for."""

    async def ShowBooking(  # noqa: N802 - the proto's name
        self,
        request: booking_pb2.ShowBookingRequest,
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> booking_pb2.ShowBookingResponse:
        booking_id = parse_uuid(request.booking_id)
        async with self._database.transaction() as session:
            view = await bookings.find_by_id(session, booking_id) if booking_id else None
            if view is None:
                raise BookingNotFoundError("There is no such booking.")
            rows = await tickets.of_booking(session, view.booking.id)
        return booking_pb2.ShowBookingResponse(
            booking=shapes.booking(view, reader=_NOBODY),
            tickets=[shapes.ticket(row, self._keys) for row in rows],
        )

    async def ListAudience(  # noqa: N802 - the proto's name
        self,
        request: booking_pb2.ListAudienceRequest,
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> booking_pb2.ListAudienceResponse:
        event_id = event_id_of(request.event_id)
        if request.audience == _Audience.AUDIENCE_UNSPECIFIED:
            raise InvalidFilterError("No such audience.", audience="must be given")
        if not 1 <= request.limit <= _MAX_AUDIENCE:
            raise InvalidFilterError("No such page.", limit=f"must be 1-{_MAX_AUDIENCE}")
        after = parse_uuid(request.after) if request.after else None
        if request.after and after is None:
            raise InvalidCursorError("Not a cursor of ours.", after="is not valid")
        async with self._database.transaction() as session:
            found = await events.find(session, event_id)
            if found is None:
                raise EventNotFoundError("There is no such event.")
            rows, size = await bookings.audience(
                session,
                event_id,
                called_off=request.audience == _Audience.AUDIENCE_CALLED_OFF,
                after=after,
                limit=request.limit,
            )
        reply = booking_pb2.ListAudienceResponse(
            event=shapes.booked_event(found.event),
            organizer_id=str(found.event.organizer_id),
            bookings=size,
        )
        for row in rows:
            reply.items.add(
                booking_id=str(row.booking_id),
                reference=row.reference,
                customer_id=str(row.customer_id),
                emails=row.emails,
            )
        return reply
