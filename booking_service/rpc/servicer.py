"""What every part of the servicer has."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import grpc
from google.protobuf.timestamp_pb2 import Timestamp
from parterre.booking.v1 import booking_pb2, booking_pb2_grpc

from booking_service import saga
from booking_service.domain import (
    MAX_PAGE,
    BookingNotFoundError,
    EventNotFoundError,
    Fees,
    InvalidCursorError,
    InvalidFilterError,
)
from booking_service.rpc import shapes
from booking_service.rpc.holds import Holds
from booking_service.saga import moves_by_itself
from booking_service.storage import bookings, tickets
from booking_service.storage.bookings import BookingView, Newest, Position, Updated
from booking_service.tickets import Claims, TicketKeys
from booking_service.wakeups import Wakeups
from chassis.context import caller, caller_id
from chassis.database import Database, Session
from chassis.identity import Role, TokenVerifier
from chassis.ids import parse_uuid

# Kept back of the caller's deadline, so that a booking that did not move is still answered.
MARGIN_SECONDS = 0.5
# How often a booking that somebody waits for is looked at.
_FIRST_LOOK_SECONDS = 0.5
_SLOWEST_LOOK_SECONDS = 2.0

# A booking may have a hundred tickets, each of them signed.
_MAX_WITH_TICKETS = 20
# A list of what was updated goes on behind a moment, in microseconds since then, and an id.
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Call = grpc.aio.ServicerContext[Any, Any]


class Servicer(booking_pb2_grpc.BookingServiceServicer):
    """Holds what the RPCs need."""

    def __init__(
        self,
        database: Database,
        wakeups: Wakeups,
        holds: Holds,
        *,
        keys: TicketKeys,
        fees: Fees,
        verifier: TokenVerifier,
    ) -> None:
        self._database = database
        self._wakeups = wakeups
        self._holds = holds
        self._keys = keys
        self._fees = fees
        self._verifier = verifier

    async def _find(self, session: Session, reference: str) -> BookingView:
        """The booking, if the caller may see it.

        Raises:
            BookingNotFoundError: there is none for them.
        """
        view = await bookings.find(session, reference, caller_id=caller_id(), sees_all=is_admin())
        if view is None:
            raise BookingNotFoundError("There is no such booking.")
        return view

    async def _add_tickets(self, session: Session, shown: Sequence[booking_pb2.Booking]) -> None:
        """Adds to bookings their tickets, with tokens where the caller may get in with them."""
        of = {UUID(booking.id): booking for booking in shown}
        identity = caller()
        for row in await tickets.of_bookings(session, list(of)):
            booking = of[row.booking_id]
            ticket = shapes.bare_ticket(row)
            if booking.customer_id == identity.subject and not identity.is_key:
                claims = Claims(row.ticket_id, row.event_id, row.seat_id, row.version)
                ticket.token = self._keys.sign(claims)
            booking.tickets.append(ticket)

    async def _until_rest(
        self, view: BookingView, seconds: float, *, past_page: str = ""
    ) -> BookingView:
        """The booking once it has come to rest, or as it is when the time is over.

        That it needs its customer on the page `past_page` is no rest: they have been there.

        No transaction is open while it moves. Who moves it in this process tells how it stands; for
        the case that another process does, it is looked at now and then.
        """
        loop = asyncio.get_running_loop()
        ends = loop.time() + seconds
        pause = _FIRST_LOOK_SECONDS
        reference = view.booking.reference
        with self._wakeups.of(reference) as waiting:
            while moves_by_itself(view.saga) or (past_page and view.saga.action_url == past_page):
                left = ends - loop.time()
                if left <= 0:
                    return view
                rest = await waiting.wait(min(pause, left))
                if rest is None:
                    view = await self._look(view)
                    pause = min(pause * 2, _SLOWEST_LOOK_SECONDS)
                elif rest.saga.version > view.saga.version:
                    view = replace(view, saga=rest.saga, method=rest.method, updated_at=rest.at)
        return view

    async def _look(self, view: BookingView) -> BookingView:
        async with self._database.transaction() as session:
            found = await bookings.find(
                session, view.booking.reference, caller_id=view.booking.customer_id, sees_all=False
            )
        return found or view


def is_admin() -> bool:
    """Whether an admin calls."""
    return caller().role is Role.ADMIN


def event_id_of(text: str) -> UUID:
    """An event's id.

    Raises:
        EventNotFoundError: it can't be one.
    """
    event_id = parse_uuid(text)
    if event_id is None:
        raise EventNotFoundError("There is no such event.")
    return event_id


def check_limit(limit: int, *, with_tickets: bool = False) -> int:
    """A page's size.

    Raises:
        InvalidFilterError: it is not 1-100, or 1-20 of bookings with their tickets.
    """
    most = _MAX_WITH_TICKETS if with_tickets else MAX_PAGE
    if not 1 <= limit <= most:
        tickets_too = " with tickets" if with_tickets else ""
        raise InvalidFilterError("No such page.", limit=f"must be 1-{most}{tickets_too}")
    return limit


def states_of(status: str) -> list[saga.State] | None:
    """The states a public status stands for; None: any.

    Raises:
        InvalidFilterError: there is no such status.
    """
    if not status:
        return None
    states = list(saga.states_of(status))
    if not states:
        raise InvalidFilterError("No such status.", status="must be a booking's status")
    return states


def position_of(updated_since: Timestamp | None, cursor: str) -> Position:
    """Where a page of bookings begins; without `updated_since` they are listed newest first.

    Raises:
        InvalidCursorError: it is none of ours, or of another list.
        InvalidFilterError: `updated_since` is no time.
    """
    if updated_since is None:
        return Newest(from_cursor(cursor))
    if cursor:
        return _updated_behind(cursor)
    try:
        return Updated(updated_since.ToDatetime(UTC), UUID(int=0))
    except (ValueError, OverflowError) as error:
        raise InvalidFilterError("No such time.", updated_since="is not a time") from error


def _updated_behind(cursor: str) -> Updated:
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        moment = timedelta(microseconds=int.from_bytes(raw[:8], "big"))
        return Updated(_EPOCH + moment, UUID(bytes=raw[8:]))
    except (ValueError, OverflowError) as error:
        raise InvalidCursorError("Not a cursor of ours.", cursor="is not valid") from error


def cursor_after(view: BookingView, position: Position) -> str:
    """The cursor of a page behind a booking, in a list that was begun at a position."""
    if isinstance(position, Newest):
        return to_cursor(view.booking.id)
    microseconds = (view.updated_at - _EPOCH) // timedelta(microseconds=1)
    raw = microseconds.to_bytes(8, "big") + view.booking.id.bytes
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def from_cursor(cursor: str) -> UUID | None:
    """The id that a cursor stands for.

    Raises:
        InvalidCursorError: it is none of ours.
    """
    if not cursor:
        return None
    try:
        return UUID(bytes=base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except ValueError as error:
        raise InvalidCursorError(
            "Not a cursor of ours.", cursor="must be the next_cursor of a page of this list"
        ) from error


def to_cursor(id: UUID) -> str:
    """A cursor that stands for an id."""
    return base64.urlsafe_b64encode(id.bytes).rstrip(b"=").decode()
