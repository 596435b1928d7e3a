"""Tickets in the forms people keep them in."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from functools import partial

from parterre.auth.v1 import auth_pb2
from parterre.booking.v1 import booking_pb2
from parterre.catalog.v1 import catalog_pb2
from starlette.responses import Response

from chassis.context import caller
from chassis.errors import RemoteError
from chassis.logs import get_logger
from gateway.answers import Calendar, Json, Pdf, Png, Svg
from gateway.backend import Backend
from gateway.bodies.base import Reference
from gateway.bodies.catalog import EventId
from gateway.bodies.tickets import TicketId
from gateway.preferences import AcceptLanguage, language_of
from gateway.problems import ProblemError
from gateway.routing import (
    ANYONE,
    CUSTOMER,
    PREFIX,
    Behind,
    Routes,
)
from gateway.scopes import Scope
from gateway.versions import IfNoneMatch, etag, held, tag_of
from presentation import calendar, pdf
from presentation.qr import qr_png, qr_svg
from presentation.views import base
from presentation.views import tickets as views

TICKETS = Routes("Bookings and tickets")

# A ticket is not worth waiting for what only adds to it.
_PART_SECONDS = 2.0

log = get_logger(__name__)


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
    headers=["Content-Disposition", "Content-Language"],
)
async def print_tickets(
    reference: Reference, behind: Behind, accept_language: AcceptLanguage = ()
) -> Response:
    """The tickets of a booking to print, a page each; one that is revoked says so.

    A page says the address, the doors, the terms and the organizer, too, as far as they can be had
    just now: a ticket is printed without them rather than not at all.
    """
    tickets, booking = await asyncio.gather(
        _tickets(behind, reference), _booking(behind, reference)
    )
    if all(each.status == "REVOKED" for each in tickets):
        raise ProblemError("BOOKING_STATE", "The booking has no tickets that are good.")
    event = await _event(behind, booking.event.id)
    organizer = await _organizer(behind, event) if event is not None else ""
    language = language_of(accept_language)
    said = await asyncio.to_thread(pdf.compose, tickets, booking, event, organizer, language)
    return Pdf(
        await behind.pages.make(
            caller().subject, hashlib.sha256(said).digest(), partial(pdf.typeset, said)
        ),
        headers={
            "Content-Disposition": f'inline; filename="{reference}.pdf"',
            "Content-Language": language,
        },
    )


@TICKETS.route(
    "GET",
    "/bookings/{reference}/calendar.ics",
    CUSTOMER,
    media_type="text/calendar",
    refuses=["BOOKING_NOT_FOUND", "BOOKING_STATE"],
    headers=["Content-Disposition"],
)
async def save_the_date(
    reference: Reference, behind: Behind, if_none_match: IfNoneMatch = ()
) -> Response:
    """The booking's event as a date for a calendar (RFC 5545).

    Saved again after a change, it takes the place of the date that was saved before; of a cancelled
    booking it says that it is off.
    """
    booking = await _booking(behind, reference)
    if not calendar.has_date(booking):
        raise ProblemError("BOOKING_STATE", "The booking is not confirmed.")
    event = await _event(behind, booking.event.id)
    return _calendar(calendar.booking_calendar(booking, event), reference, if_none_match)


@TICKETS.route(
    "GET",
    "/events/{event_id}/calendar.ics",
    ANYONE,
    media_type="text/calendar",
    refuses=["EVENT_NOT_FOUND"],
    scope=Scope.EVENTS_READ,
    headers=["Content-Disposition"],
)
async def save_the_events_date(
    event_id: EventId, behind: Behind, if_none_match: IfNoneMatch = ()
) -> Response:
    """An event as a date for a calendar (RFC 5545), for whoever may come."""
    reply = await behind.catalog(
        behind.catalog.rpc.GetEvent, catalog_pb2.GetEventRequest(event_id=event_id)
    )
    return _calendar(calendar.event_calendar(reply.event), event_id, if_none_match)


@TICKETS.route(
    "GET",
    "/tickets/keys.json",
    ANYONE,
    answers=base.KeySet,
    headers=["Cache-Control"],
)
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
        await behind.codes.make(caller().subject, b"png:" + token.encode(), partial(qr_png, token))
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
        await behind.codes.make(caller().subject, b"svg:" + token.encode(), partial(qr_svg, token))
    )


def _calendar(file: bytes, name: str, if_none_match: Sequence[str]) -> Response:
    """The file, or that the client has it: calendars that are subscribed to ask again and again."""
    tag = tag_of(file)
    if held(if_none_match, tag):
        return Response(status_code=304, headers=etag(tag))
    disposition = f'attachment; filename="{name}.ics"'
    return Calendar(file, headers={**etag(tag), "Content-Disposition": disposition})


async def _tickets(behind: Backend, reference: str) -> list[booking_pb2.Ticket]:
    reply = await behind.booking(
        behind.booking.rpc.ListTickets, booking_pb2.ListTicketsRequest(reference=reference)
    )
    return list(reply.tickets)


async def _booking(behind: Backend, reference: str) -> booking_pb2.Booking:
    reply = await behind.booking(
        behind.booking.rpc.GetBooking, booking_pb2.GetBookingRequest(reference=reference)
    )
    return reply.booking


async def _event(behind: Backend, event_id: str) -> catalog_pb2.Event | None:
    try:
        reply = await behind.catalog(
            behind.catalog.rpc.GetEvent,
            catalog_pb2.GetEventRequest(event_id=event_id),
            _PART_SECONDS,
        )
    except RemoteError as error:
        log.warning("a ticket says less of its event", error=str(error))
        return None
    return reply.event


async def _organizer(behind: Backend, event: catalog_pb2.Event) -> str:
    try:
        reply = await behind.auth.as_gateway(
            behind.auth.rpc.GetOrganizer,
            auth_pb2.GetOrganizerRequest(user_id=event.organizer_id),
            _PART_SECONDS,
        )
    except RemoteError as error:
        log.warning("a ticket does not say who sells it", error=str(error))
        return ""
    return reply.business_name or reply.name


async def _token(behind: Backend, ticket_id: str) -> str:
    reply = await behind.booking(
        behind.booking.rpc.GetTicket, booking_pb2.GetTicketRequest(ticket_id=ticket_id)
    )
    return reply.ticket.token
