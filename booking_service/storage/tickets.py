"""Tickets, and their admission."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import orjson

from booking_service.domain import Booking, Line, Ticket
from booking_service.storage import events
from chassis.database import Row, Session

_ADD = """
INSERT INTO ticket (ticket_id, booking_id, line_no, event_id, seat_id, attendee_name)
SELECT ticket_id, booking_id, line_no, event_id, seat_id, attendee_name
  FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS fresh (
           ticket_id uuid, booking_id uuid, line_no smallint, event_id uuid, seat_id text,
           attendee_name text)
"""
# In the same transaction as the saga's step out of CONFIRMED: a ticket that is VALID is one of a
# booking that is CONFIRMED, and the gate needs to ask about nothing else.
_REVOKE = """
UPDATE ticket SET status = 'REVOKED', version = version + 1
 WHERE booking_id = ANY(CAST(:ids AS uuid[])) AND status <> 'REVOKED'
"""
# Holds off the gate until the transaction ends; a scan that came first is seen.
_LOCK = "SELECT status FROM ticket WHERE booking_id = :booking_id ORDER BY ticket_id FOR UPDATE"
# Of simultaneous scans one changes the row; the others wait for it, and then find it ADMITTED, as
# they would find it REVOKED after a cancellation that came first.
_ADMIT = """
UPDATE ticket SET status = 'ADMITTED', admitted_at = clock_timestamp(), gate = :gate
 WHERE ticket_id = :ticket_id AND event_id = :event_id AND version = :version AND status = 'VALID'
"""
_COLUMNS = f"""
SELECT ticket.ticket_id, ticket.booking_id, ticket.version, ticket.status, ticket.attendee_name,
       ticket.seat_id, ticket.admitted_at, ticket.gate, line.section_id, line.section, line.row,
       line.number, line.tier_id, line.tier, 1 AS quantity, line.price, booking.currency,
       booking.reference, clock_timestamp() AS now, {events.COLUMNS}
  FROM ticket JOIN booking_line AS line USING (booking_id, line_no) JOIN booking USING (booking_id)
  JOIN event ON event.event_id = ticket.event_id
"""  # noqa: S608 - put together from constants
_OF_BOOKING = _COLUMNS + " WHERE ticket.booking_id = :booking_id ORDER BY ticket.ticket_id"
_OF_BOOKINGS = (
    _COLUMNS + " WHERE ticket.booking_id = ANY(CAST(:booking_ids AS uuid[]))"
    " ORDER BY ticket.booking_id, ticket.ticket_id"
)
_OF_CUSTOMER = (
    _COLUMNS + " WHERE ticket.ticket_id = :ticket_id AND booking.customer_id = :customer_id"
)
# Read from the index `ticket_admissions` alone.
ADMISSIONS = """
SELECT date_trunc('minute', admitted_at) AS minute, count(*) AS tickets FROM ticket
 WHERE event_id = :event_id AND admitted_at IS NOT NULL
 GROUP BY minute ORDER BY minute DESC LIMIT :limit
"""
_OF_EVENT = _COLUMNS + " WHERE ticket.ticket_id = :ticket_id AND ticket.event_id = :event_id"


def add(session: Session, minted: Sequence[tuple[Booking, Sequence[Ticket]]]) -> None:
    """Adds valid tickets, with the next statement."""
    rows = [
        {
            "ticket_id": ticket.id,
            "booking_id": booking.id,
            "line_no": ticket.line_no,
            "event_id": booking.event.id,
            "seat_id": ticket.seat_id,
            "attendee_name": ticket.attendee_name,
        }
        for booking, tickets in minted
        for ticket in tickets
    ]
    if rows:
        session.defer(_ADD, rows=orjson.dumps(rows).decode())


def revoke(session: Session, booking_ids: Sequence[UUID]) -> None:
    """Makes every ticket of the bookings admit nobody any more, with the next statement."""
    if booking_ids:
        session.defer(_REVOKE, ids=list(booking_ids))


async def lock(session: Session, booking_id: UUID) -> Sequence[str]:
    """The statuses of a booking's tickets, which stay so until the transaction ends."""
    return [row.status for row in await session.all(_LOCK, booking_id=booking_id)]


async def admit(
    session: Session, ticket_id: UUID, event_id: UUID, version: int, gate: str
) -> tuple[bool, Row | None]:
    """Admits a valid ticket of this version; whether this did it, and the ticket as it is now."""
    result = await session.execute(
        _ADMIT, ticket_id=ticket_id, event_id=event_id, version=version, gate=gate
    )
    row = await session.first(_OF_EVENT, ticket_id=ticket_id, event_id=event_id)
    return bool(result.rowcount), row


async def of_booking(session: Session, booking_id: UUID) -> Sequence[Row]:
    """A booking's tickets, each with its line, its event and the booking's currency.

    The transaction ends with it.
    """
    return (await session.finish(_OF_BOOKING, booking_id=booking_id)).rows


async def of_bookings(session: Session, booking_ids: Sequence[UUID]) -> Sequence[Row]:
    """Bookings' tickets as `of_booking` gives them, each with its `booking_id`."""
    return await session.all(_OF_BOOKINGS, booking_ids=list(booking_ids)) if booking_ids else ()


async def find(session: Session, ticket_id: UUID, customer_id: UUID) -> Row | None:
    """The customer's own ticket, as `of_booking` gives it; the transaction ends with it."""
    return (
        await session.finish(_OF_CUSTOMER, ticket_id=ticket_id, customer_id=customer_id)
    ).first()


async def admissions(
    session: Session, event_id: UUID, limit: int
) -> Sequence[tuple[datetime, int]]:
    """The newest minutes in which tickets were admitted, the first one first, and how many."""
    rows = await session.all(ADMISSIONS, event_id=event_id, limit=limit)
    return [(row.minute, row.tickets) for row in reversed(rows)]


def line_of(row: Row) -> Line:
    """The line a row has among its columns."""
    names: Mapping[str, object] = row._asdict()
    return Line(**{name: names[name] for name in Line.__slots__})  # type: ignore[arg-type]
