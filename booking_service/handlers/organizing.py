"""What organizers see of their events, and the gate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from booking_service.domain import (
    EventNotFoundError,
    ForbiddenError,
    InvalidTicketError,
    Sale,
    TicketAdmitted,
    admissions_over_time,
    check_gate,
    check_query,
    day_of,
)
from booking_service.saga import State
from booking_service.storage import bookings, events, sales, tickets
from booking_service.storage.bookings import BookingView, Position
from booking_service.tickets import TicketKeys
from chassis.database import Row, Session

# Of a door that is never closed three and a half days.
_MOST_MINUTES = 5000


@dataclass(frozen=True, slots=True)
class Admission:
    """What came of a scan; `ticket` is None where it is of another event."""

    result: str  # ADMITTED, ALREADY_ADMITTED, REVOKED, WRONG_EVENT
    ticket: Row | None


@dataclass(frozen=True, slots=True)
class Sales:
    """An event's figures: by day and tier, and how many were let in when."""

    currency: str
    rows: Sequence[Row]
    admission_minutes: int  # how long each of `admissions` is
    admissions: Sequence[tuple[datetime, int]]  # when it begins, and tickets


async def sold_by(
    session: Session, event_id: UUID, caller_id: UUID, *, is_admin: bool
) -> tuple[str, str]:
    """Currency and time zone of an event that is the caller's to manage.

    Raises:
        EventNotFoundError: there is none on sale, or it is not theirs.
    """
    found = await events.sold_by(session, event_id, caller_id, sees_all=is_admin)
    if found is None:
        raise EventNotFoundError("There is no such event.")
    return found


async def attendees(
    session: Session,
    event_id: UUID,
    caller_id: UUID,
    *,
    is_admin: bool,
    states: Sequence[State] | None,
    query: str,
    position: Position,
    limit: int,
) -> Sequence[BookingView]:
    """An event's bookings with their buyers, from a position on.

    Of a `query` those of that reference, or whose buyer's name and address have each of its words.

    Raises:
        EventNotFoundError: there is none, or it is not the caller's.
        InvalidFilterError: the query can't be one.
    """
    check_query(query)
    await sold_by(session, event_id, caller_id, is_admin=is_admin)
    return await bookings.of_event(
        session, event_id, states=states, query=query, position=position, limit=limit
    )


async def sales_of(session: Session, event_id: UUID, caller_id: UUID, *, is_admin: bool) -> Sales:
    """An event's figures.

    Raises:
        EventNotFoundError: there is none, or it is not the caller's.
    """
    currency, timezone = await sold_by(session, event_id, caller_id, is_admin=is_admin)
    rows = await sales.by_tier_and_day(session, event_id)
    minutes = await tickets.admissions(session, event_id, _MOST_MINUTES)
    return Sales(currency, rows, *admissions_over_time(minutes, timezone))


async def dashboard(
    session: Session, caller_id: UUID, *, own_only: bool, is_admin: bool
) -> tuple[Sequence[Row], Sequence[Row]]:
    """Figures by currency, and how many sagas wait in which state.

    Raises:
        ForbiddenError: all events are for admins.
    """
    if not own_only and not is_admin:
        raise ForbiddenError("Only admins may see all events together.")
    organizer_id = caller_id if own_only else None
    figures = await sales.by_currency(session, organizer_id)
    return figures, await sales.live_sagas(session, organizer_id)


async def check_in(
    session: Session,
    keys: TicketKeys,
    event_id: UUID,
    caller_id: UUID,
    *,
    is_admin: bool,
    token: str,
    gate: str,
) -> Admission:
    """Admits the ticket that a token says; of simultaneous scans one does.

    Raises:
        EventNotFoundError: there is none, or it is not the caller's;
        InvalidTicketError: the token is not as it was signed; or the gate's name is too long.
    """
    _, timezone = await sold_by(session, event_id, caller_id, is_admin=is_admin)
    check_gate(gate)
    claims = keys.verify(token)
    if claims.event_id != event_id:
        return Admission("WRONG_EVENT", None)
    admitted, row = await tickets.admit(session, claims.ticket_id, event_id, claims.version, gate)
    if row is None:
        raise InvalidTicketError("There is no such ticket.")
    if admitted:
        day = day_of(row.admitted_at, timezone)
        sales.add(session, [Sale(event_id, day, row.tier_id, row.tier, admitted=1)])
        session.send(
            TicketAdmitted(
                row.ticket_id,
                row.booking_id,
                row.reference,
                event_id,
                row.organizer_id,
                row.gate,
                row.admitted_at,
            )
        )
        return Admission("ADMITTED", row)
    # An older version of a ticket that is good now can't be: a version ends by being revoked.
    return Admission("ALREADY_ADMITTED" if row.status == "ADMITTED" else "REVOKED", row)
