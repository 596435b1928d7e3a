"""Bookings with their sagas, locked: whoever moves one holds it until the transaction ends.

Who comes second waits, and then sees what the first one made of the saga (the row is read again
after the wait). Several are locked in the order of their ids.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from booking_service.domain import Booking, Instrument, Method
from booking_service.saga import Saga
from booking_service.storage import bookings, events, outages, sagas
from booking_service.storage.bookings import Parts
from chassis.database import Row, Session, Statement

_LOCK = f"""
SELECT {bookings.COLUMNS}, {events.COLUMNS}, {sagas.COLUMNS}, clock_timestamp() AS now,
       EXISTS (SELECT FROM cancelled_event WHERE event_id = booking.event_id) AS off,
       {outages.IS_ON}
  FROM saga JOIN booking USING (booking_id) JOIN event ON event.event_id = booking.event_id
"""  # noqa: S608 - put together from constants
_BY_REFERENCE = _LOCK + " WHERE booking.reference = :reference FOR UPDATE OF saga"
# By any set with the same plan: ADR 0008, "plans are kept".
_BY_IDS = (
    _LOCK + " WHERE saga.booking_id = ANY(ARRAY(SELECT unnest(CAST(:ids AS uuid[]))))"
    " ORDER BY saga.booking_id FOR UPDATE OF saga"
)
# A saga somebody else is working on is passed by: it comes again if it is still due then. The
# condition is checked once more under the lock, so an answer that came meanwhile wins.
_DUE = (
    _LOCK + " WHERE saga.deadline_at <= clock_timestamp()"
    " ORDER BY saga.deadline_at LIMIT :limit FOR UPDATE OF saga SKIP LOCKED"
)
# What is left is what is not marked: the work goes on where it stopped, by anybody.
_OF_EVENT = (
    _LOCK + " WHERE saga.event_id = :event_id AND NOT saga.event_off"
    " AND saga.state NOT IN ('FAILED', 'EXPIRED', 'CANCELLED')"
    " LIMIT :limit FOR UPDATE OF saga SKIP LOCKED"
)


@dataclass(frozen=True, slots=True)
class Underway:
    """A booking with its saga, locked until the transaction ends."""

    booking: Booking
    saga: Saga
    instrument: Instrument  # of the last attempt; a card's token only until it was passed on
    now: datetime
    event_off: bool
    provider_is_out: bool


async def lock_by_reference(session: Session, reference: str) -> Underway | None:
    """The booking, locked."""
    row = await session.first(_BY_REFERENCE, reference=reference)
    return _underway(row) if row else None


async def lock_by_ids(
    session: Session, ids: Collection[UUID], with_parts: Collection[UUID]
) -> tuple[Mapping[UUID, Underway], Parts]:
    """The bookings there are of these, locked; lines and attendees of those `with_parts`."""
    statements: list[Statement] = [(_BY_IDS, {"ids": list(ids)})]
    if with_parts:
        statements.append(bookings.reading_parts(with_parts))
    rows, *read = await session.together(*statements)
    parts = bookings.parts_of(read[0]) if read else {}
    return {row.booking_id: _underway(row) for row in rows}, parts


async def lock_due(session: Session, limit: int) -> Sequence[Underway]:
    """Up to `limit` bookings whose deadline has passed, locked; those in use are passed by."""
    return [_underway(row) for row in await session.all(_DUE, limit=limit)]


async def lock_of_event(session: Session, event_id: UUID, limit: int) -> Sequence[Underway]:
    """Up to `limit` bookings not yet told that their event was called off, locked."""
    return [_underway(row) for row in await session.all(_OF_EVENT, event_id=event_id, limit=limit)]


def _underway(row: Row) -> Underway:
    return Underway(
        bookings.booking_of(row),
        sagas.saga_of(row),
        Instrument(Method(row.method) if row.method else None, row.token),
        row.now,
        row.off,
        row.provider_is_out,
    )
