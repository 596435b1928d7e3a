"""What is shown whole with bookings where a client asks for it: their events, and their tickets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import orjson
from parterre.booking.v1 import booking_pb2

from gateway.backend import Backend
from gateway.events import EventPage
from gateway.problems import ProblemError
from gateway.routing import PREFIX
from presentation.views.tickets import booking_ticket

EVENT = "event"
TICKETS = "tickets"


def wants(expand: str | None, what: str) -> bool:
    """Whether the client asks for that."""
    return expand is not None and what in expand.split(",")


async def shown(
    behind: Backend,
    bookings: Sequence[booking_pb2.Booking],
    view: Callable[[booking_pb2.Booking], Any],
    expand: str | None,
) -> list[dict[str, Any]]:
    """The bookings' views with what is asked for; tickets come with the bookings.

    Raises:
        RemoteError: catalog_service failed, or did not answer in time.
    """
    views: list[dict[str, Any]] = [view(booking) for booking in bookings]
    if wants(expand, TICKETS):
        for each, booking in zip(views, bookings, strict=True):
            each[TICKETS] = [
                booking_ticket(ticket, f"{PREFIX}/tickets/{ticket.id}/qr.png")
                for ticket in booking.tickets
            ]
    if wants(expand, EVENT):
        ids = list(dict.fromkeys(booking.event.id for booking in bookings))
        found = await asyncio.gather(*(_page(behind, id) for id in ids))
        pages = dict(zip(ids, found, strict=True))
        for each, booking in zip(views, bookings, strict=True):
            if page := pages[booking.event.id]:
                each[EVENT] = _whole(page, booking.event.place)
    return views


async def _page(behind: Backend, event_id: str) -> EventPage | None:
    try:
        return await behind.events.page(event_id)
    except ProblemError:
        return None  # it is shown as the booking knows it


def _whole(page: EventPage, place: str) -> orjson.Fragment:
    """The page, which is JSON already, with the one thing that only the booking says."""
    return orjson.Fragment(b'{"place":%s,%s' % (orjson.dumps(place), page.body[1:]))
