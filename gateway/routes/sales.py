"""What organizers and admins see of bookings: attendees, figures."""

from __future__ import annotations

import asyncio
import csv
import io
import re
from collections.abc import AsyncIterator, Awaitable, Iterator, Sequence
from typing import Annotated, TypeVar

import grpc
from fastapi import Query
from parterre.booking.v1 import booking_pb2
from parterre.catalog.v1 import catalog_pb2
from parterre.inventory.v1 import inventory_pb2
from starlette.responses import Response, StreamingResponse

from chassis.errors import RemoteError
from chassis.logs import get_logger
from chassis.timestamps import timestamp
from gateway import expansions
from gateway.answers import Json
from gateway.backend import Backend
from gateway.bodies.catalog import EventId
from gateway.bodies.sales import AttendeeQuery, ExportQuery
from gateway.problems import AWAY
from gateway.routing import (
    ADMIN,
    ORGANIZER,
    Behind,
    Routes,
)
from gateway.scopes import Scope
from presentation.amounts import major_units
from presentation.views import base, bookings
from presentation.views import sales as views

SALES = Routes("Sales")

_EXPORT_PAGE = 100
# A booking may have a hundred places: others have their turn between so many bookings.
_EXPORT_SLICE = 10
# A dashboard is not worth waiting for a part that is slow.
_PART_SECONDS = 2.0
# A part that fails like this is shown as missing; a refusal is still a refusal.
_MISSING = frozenset(
    {
        *AWAY,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
    }
)
_COLUMNS = (
    "reference",
    "status",
    "booked_at",
    "buyer",
    "buyer_email",
    "section",
    "row",
    "number",
    "tier",
    "price",
    "attendee",
    "attendee_email",
    "coupon_code",
    "booking_total",
    "booking_refunded",
    "currency",
)
# What a spreadsheet takes for the beginning of a formula, the full-width forms too, as some read
# them; and what may end a cell, so that a formula begins the next one (OWASP, CSV injection).
_FORMULA = "=+-@\uff1d\uff0b\uff0d\uff20"
_SEPARATORS = ',;|"\t\r\n'
_BLANKS = " \u00a0\u3000"
_BEGINS = tuple(_FORMULA + _SEPARATORS)
_BEGINS_WITHIN = re.compile(f"([{_SEPARATORS}][{_BLANKS}]*)(?=[{re.escape(_FORMULA)}])")
# Excel takes a table for UTF-8 only with this before it.
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

T = TypeVar("T")

log = get_logger(__name__)


@SALES.route(
    "GET",
    "/organizer/events/{event_id}/bookings",
    ORGANIZER,
    answers=base.Page[bookings.SoldBooking],
    refuses=["EVENT_NOT_FOUND", "INVALID_CURSOR", "INVALID_FILTER"],
    scope=Scope.BOOKINGS_READ,
)
async def list_event_bookings(
    event_id: EventId, query: Annotated[AttendeeQuery, Query()], behind: Behind
) -> Response:
    """The bookings of one's own event, newest first, with who bought and who goes.

    With `updated_since` those that changed, in the order in which they did.
    """
    request = booking_pb2.ListEventBookingsRequest(
        event_id=event_id,
        status=query.status or "",
        query=query.q or "",
        limit=query.limit,
        cursor=query.cursor or "",
        updated_since=timestamp(query.updated_since),
        with_tickets=expansions.wants(query.expand, expansions.TICKETS),
    )
    reply = await behind.booking(behind.booking.rpc.ListEventBookings, request)
    shown = await expansions.shown(behind, reply.bookings, bookings.sold_booking, query.expand)
    return Json(base.page(shown, reply.next_cursor))


@SALES.route(
    "GET",
    "/organizer/events/{event_id}/bookings.csv",
    ORGANIZER,
    media_type="text/csv",
    refuses=["EVENT_NOT_FOUND", "INVALID_FILTER"],
    scope=Scope.BOOKINGS_READ,
    headers=["Content-Disposition"],
)
async def export_event_bookings(
    event_id: EventId, query: Annotated[ExportQuery, Query()], behind: Behind
) -> Response:
    """The bookings of one's own event as a table, a row for each place; newest first.

    What the booking as a whole cost and got back stands in the first of its rows alone, so that a
    column can be added up.
    """
    request = booking_pb2.ListEventBookingsRequest(
        event_id=event_id, status=query.status or "", query=query.q or "", limit=_EXPORT_PAGE
    )
    # The first page before the answer begins: a refusal is a problem, not half a table.
    first = await behind.booking(behind.booking.rpc.ListEventBookings, request)
    return StreamingResponse(
        _table(behind, request, first),
        media_type="text/csv",
        headers={"Content-Disposition": f'attachment; filename="bookings-{event_id}.csv"'},
    )


@SALES.route(
    "GET",
    "/organizer/events/{event_id}/sales",
    ORGANIZER,
    answers=views.EventSales,
    refuses=["EVENT_NOT_FOUND"],
    scope=Scope.SALES_READ,
)
async def get_sales(event_id: EventId, behind: Behind) -> Response:
    """What one's own event has sold: revenue, by tier, by day, refunds, check-ins."""
    reply = await behind.booking(
        behind.booking.rpc.GetSales, booking_pb2.GetSalesRequest(event_id=event_id)
    )
    return Json(views.event_sales(event_id, reply))


@SALES.route(
    "GET", "/organizer/dashboard", ORGANIZER, answers=views.Dashboard, scope=Scope.SALES_READ
)
async def organizer_dashboard(behind: Behind) -> Response:
    """Figures over one's own events; null is what could not be had just now."""
    parts = await _parts(behind, own_only=True)
    return Json(views.dashboard(*parts))


@SALES.route("GET", "/admin/dashboard", ADMIN, answers=views.AdminDashboard)
async def admin_dashboard(behind: Behind) -> Response:
    """Figures over all events; null is what could not be had just now."""
    parts = await _parts(behind, own_only=False)
    sold = parts[0]
    return Json({**views.dashboard(*parts), "sagas": dict(sold.sagas) if sold else None})


async def _table(
    behind: Backend,
    request: booking_pb2.ListEventBookingsRequest,
    page: booking_pb2.ListEventBookingsResponse,
) -> AsyncIterator[bytes]:
    """The table page by page; where a page can't be had it breaks off, so as not to look whole."""
    yield _BYTE_ORDER_MARK + _rows([_COLUMNS])
    while True:
        for start in range(0, len(page.bookings), _EXPORT_SLICE):
            some = page.bookings[start : start + _EXPORT_SLICE]
            yield _rows([row for booking in some for row in _places(booking)])
            await asyncio.sleep(0)
        if not page.next_cursor:
            return
        request.cursor = page.next_cursor
        page = await behind.booking(behind.booking.rpc.ListEventBookings, request)


def _places(booking: booking_pb2.Booking) -> Iterator[Sequence[str]]:
    """A row for each place; who goes where is said as tickets are minted."""
    seated = {who.seat_id: who for who in booking.attendees if who.seat_id}
    standing = iter([who for who in booking.attendees if not who.seat_id])
    nobody = booking_pb2.Attendee()
    currency = booking.price.currency
    amounts = [
        major_units(booking.price.total, currency),
        major_units(booking.refunded_amount, currency),
    ]
    for line in booking.lines:
        for _ in range(line.quantity):
            who = seated.get(line.seat_id, nobody) if line.seat_id else next(standing, nobody)
            yield (
                booking.reference,
                booking.status,
                booking.created_at.ToJsonString(),
                booking.buyer.name,
                booking.buyer.email,
                line.section,
                line.row,
                line.number,
                line.tier,
                major_units(line.price.amount, currency),
                who.name,
                who.email,
                booking.coupon_code,
                *amounts,
                currency,
            )
            amounts = ["", ""]


def _rows(rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerows([[_harmless(cell) for cell in row] for row in rows])
    return text.getvalue().encode()


def _harmless(cell: str) -> str:
    """The cell as no spreadsheet takes it, or a part of it, for a formula.

    What counts is the first character that is no blank: some trim a cell before they read it. A
    spreadsheet that splits at another separator than ours sees a cell begin after it, quoted or
    not.
    """
    within = _BEGINS_WITHIN.sub(r"\1'", cell)
    return f"'{within}" if within.lstrip(_BLANKS).startswith(_BEGINS) else within


async def _parts(
    behind: Backend, *, own_only: bool
) -> tuple[
    booking_pb2.GetDashboardResponse | None,
    catalog_pb2.CountEventsResponse | None,
    inventory_pb2.CountHoldsResponse | None,
]:
    return await asyncio.gather(
        _if_there(
            behind.booking(
                behind.booking.rpc.GetDashboard,
                booking_pb2.GetDashboardRequest(own_only=own_only),
                _PART_SECONDS,
            )
        ),
        _if_there(
            behind.catalog(
                behind.catalog.rpc.CountEvents,
                catalog_pb2.CountEventsRequest(own_only=own_only),
                _PART_SECONDS,
            )
        ),
        _if_there(
            behind.inventory(
                behind.inventory.rpc.CountHolds,
                inventory_pb2.CountHoldsRequest(own_only=own_only),
                _PART_SECONDS,
            )
        ),
    )


async def _if_there(part: Awaitable[T]) -> T | None:
    try:
        return await part
    except RemoteError as error:
        if error.code not in _MISSING:
            raise
        log.warning("a part of the dashboard is missing", error=str(error))
        return None
