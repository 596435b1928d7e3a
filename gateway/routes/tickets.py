"""Tickets in the forms people keep them in."""

from __future__ import annotations

from functools import partial

from parterre.booking.v1 import booking_pb2
from starlette.responses import Response

from chassis.context import caller
from gateway.answers import Calendar, Json, Pdf, Png, Svg
from gateway.backend import Backend
from gateway.bodies.bookings import Reference
from gateway.bodies.tickets import TicketId
from gateway.problems import ProblemError
from gateway.routing import (
    ANYONE,
    CUSTOMER,
    PREFIX,
    Behind,
    Routes,
)
from presentation import paper
from presentation.views import base
from presentation.views import tickets as views

TICKETS = Routes("Bookings and tickets")


@TICKETS.route(
    "GET",
    "/bookings/{reference}/tickets",
    CUSTOMER,
    answers=list[views.Ticket],
    refuses=["BOOKING_NOT_FOUND"],
)
async def list_tickets(reference: Reference, behind: Behind) -> Response:
    """The tickets of a booking; none until it is CONFIRMED."""
    tickets = await _tickets(behind, reference)
    return Json([views.ticket(each, f"{PREFIX}/tickets/{each.id}/qr.png") for each in tickets])


@TICKETS.route(
    "GET",
    "/bookings/{reference}/tickets.pdf",
    CUSTOMER,
    media_type="application/pdf",
    refuses=["BOOKING_NOT_FOUND", "BOOKING_STATE"],
)
async def print_tickets(reference: Reference, behind: Behind) -> Response:
    """The tickets of a booking to print, a page each; revoked ones are left out."""
    good = [each for each in await _tickets(behind, reference) if each.status != "REVOKED"]
    if not good:
        raise ProblemError("BOOKING_STATE", "The booking has no tickets that are good.")
    return Pdf(
        await behind.pages.make(
            caller().subject, paper.fingerprint(good), partial(paper.tickets_pdf, good)
        ),
        headers={"Content-Disposition": f'inline; filename="{reference}.pdf"'},
    )


@TICKETS.route(
    "GET",
    "/bookings/{reference}/calendar.ics",
    CUSTOMER,
    media_type="text/calendar",
    refuses=["BOOKING_NOT_FOUND", "BOOKING_STATE"],
)
async def save_the_date(reference: Reference, behind: Behind) -> Response:
    """The event as a date for a calendar (RFC 5545)."""
    reply = await behind.booking(
        behind.booking.rpc.GetBooking, booking_pb2.GetBookingRequest(reference=reference)
    )
    if not paper.has_date(reply.booking):
        raise ProblemError("BOOKING_STATE", "The booking is not confirmed.")
    return Calendar(
        paper.calendar_file(reply.booking),
        headers={"Content-Disposition": f'attachment; filename="{reference}.ics"'},
    )


@TICKETS.route("GET", "/tickets/keys.json", ANYONE, answers=base.KeySet)
async def ticket_keys(behind: Behind) -> Response:
    """The keys that verify tickets without asking anybody."""
    reply = await behind.booking(
        behind.booking.rpc.ListTicketKeys, booking_pb2.ListTicketKeysRequest()
    )
    return Json(views.key_set(reply.keys), headers={"Cache-Control": "public, max-age=300"})


@TICKETS.route(
    "GET",
    "/tickets/{ticket_id}/qr.png",
    CUSTOMER,
    media_type="image/png",
    refuses=["TICKET_NOT_FOUND"],
)
async def ticket_qr_png(ticket_id: TicketId, behind: Behind) -> Response:
    """The QR code of a ticket, as a picture."""
    token = await _token(behind, ticket_id)
    return Png(
        await behind.codes.make(
            caller().subject, b"png:" + token.encode(), lambda _: paper.qr_png(token)
        )
    )


@TICKETS.route(
    "GET",
    "/tickets/{ticket_id}/qr.svg",
    CUSTOMER,
    media_type="image/svg+xml",
    refuses=["TICKET_NOT_FOUND"],
)
async def ticket_qr_svg(ticket_id: TicketId, behind: Behind) -> Response:
    """The QR code of a ticket, as a drawing."""
    token = await _token(behind, ticket_id)
    return Svg(
        await behind.codes.make(
            caller().subject, b"svg:" + token.encode(), lambda _: paper.qr_svg(token)
        )
    )


async def _tickets(behind: Backend, reference: str) -> list[booking_pb2.Ticket]:
    reply = await behind.booking(
        behind.booking.rpc.ListTickets, booking_pb2.ListTicketsRequest(reference=reference)
    )
    return list(reply.tickets)


async def _token(behind: Backend, ticket_id: str) -> str:
    reply = await behind.booking(
        behind.booking.rpc.GetTicket, booking_pb2.GetTicketRequest(ticket_id=ticket_id)
    )
    return reply.ticket.token
