"""Tickets of their buyers, and the keys that verify them."""

from __future__ import annotations

from parterre.booking.v1 import booking_pb2

from booking_service.domain import BookingNotFoundError, TicketNotFoundError
from booking_service.rpc import shapes
from booking_service.rpc.servicer import Call, Servicer
from booking_service.storage import bookings, tickets
from chassis.context import caller_id
from chassis.ids import parse_uuid


class Tickets(Servicer):
    """Tickets."""

    async def ListTickets(  # noqa: N802 - the proto's name
        self,
        request: booking_pb2.ListTicketsRequest,
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> booking_pb2.ListTicketsResponse:
        async with self._database.transaction() as session:
            booking_id = await bookings.own(session, request.reference, caller_id())
            if booking_id is None:
                raise BookingNotFoundError("There is no such booking.")
            rows = await tickets.of_booking(session, booking_id)
        return booking_pb2.ListTicketsResponse(
            tickets=[shapes.ticket(row, self._keys) for row in rows]
        )

    async def GetTicket(  # noqa: N802 - the proto's name
        self,
        request: booking_pb2.GetTicketRequest,
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> booking_pb2.GetTicketResponse:
        ticket_id = parse_uuid(request.ticket_id)
        row = None
        if ticket_id is not None:
            async with self._database.transaction() as session:
                row = await tickets.find(session, ticket_id, caller_id())
        if row is None:
            raise TicketNotFoundError("There is no such ticket.")
        return booking_pb2.GetTicketResponse(ticket=shapes.ticket(row, self._keys))

    async def ListTicketKeys(  # noqa: N802 - the proto's name
        self,
        request: booking_pb2.ListTicketKeysRequest,  # noqa: ARG002 - gRPC's signature
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> booking_pb2.ListTicketKeysResponse:
        reply = booking_pb2.ListTicketKeysResponse()
        for key_id, public_key in self._keys.public_keys.items():
            reply.keys.add(key_id=key_id, public_key=public_key)
        return reply
