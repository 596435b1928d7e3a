"""Events as bookings know them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

from booking_service.domain import Event, RefundPolicy
from booking_service.storage import outages
from chassis import records
from chassis.database import Result, Row, Session, Statement

# An older version that arrives late never overwrites a newer one.
_SAVE = """
INSERT INTO event (event_id, organizer_id, title, place, starts_at, ends_at, timezone, currency,
                   tax_basis_points, until_hours_before, percent, version, moved_at,
                   moved_version, cancel_until)
VALUES (:event_id, :organizer_id, :title, :place, :starts_at, :ends_at, :timezone, :currency,
        :tax_basis_points, :until_hours_before, :percent, :version, :moved_at, :moved_version,
        :cancel_until)
    ON CONFLICT (event_id) DO UPDATE
   SET organizer_id = excluded.organizer_id, title = excluded.title, place = excluded.place,
       starts_at = excluded.starts_at, ends_at = excluded.ends_at, timezone = excluded.timezone,
       currency = excluded.currency, tax_basis_points = excluded.tax_basis_points,
       percent = excluded.percent, until_hours_before = excluded.until_hours_before,
       version = excluded.version, moved_at = excluded.moved_at,
       moved_version = excluded.moved_version, cancel_until = excluded.cancel_until,
       changed_at = clock_timestamp()
 WHERE event.version < excluded.version
"""
_CANCEL = """
INSERT INTO cancelled_event (event_id, reason) VALUES (:event_id, :reason) ON CONFLICT DO NOTHING
"""
COLUMNS = """
       event.event_id, event.organizer_id, event.title, event.place, event.starts_at,
       event.ends_at, event.timezone, event.currency AS event_currency, event.tax_basis_points,
       event.version AS event_version, event.until_hours_before AS event_hours,
       event.percent AS event_percent, event.moved_at, event.moved_version, event.cancel_until,
       event.changed_at
"""
_FIND = f"""
SELECT {COLUMNS}, cancelled_event.event_id IS NOT NULL AS off, {outages.IS_ON},
       clock_timestamp() AS now
  FROM event LEFT JOIN cancelled_event USING (event_id)
 WHERE event_id = ANY(ARRAY(SELECT unnest(CAST(:event_ids AS uuid[]))))
"""  # noqa: S608 - put together from constants
_SOLD_BY = """
SELECT currency, timezone FROM event
 WHERE event_id = :event_id AND (organizer_id = :caller_id OR CAST(:sees_all AS boolean))
"""
_KNOWS = "SELECT EXISTS (SELECT FROM event WHERE event_id = :event_id)"
_UNSETTLED = """
SELECT event_id FROM cancelled_event WHERE settled_at IS NULL ORDER BY cancelled_at LIMIT :limit
"""
# Five minutes are far longer than any transaction that did not see the cancellation may live.
_SETTLE = """
UPDATE cancelled_event SET settled_at = clock_timestamp()
 WHERE event_id = :event_id AND settled_at IS NULL
   AND cancelled_at < clock_timestamp() - interval '5 minutes'
   AND NOT EXISTS (SELECT FROM saga WHERE saga.event_id = :event_id AND NOT event_off
                                      AND state NOT IN ('FAILED', 'EXPIRED', 'CANCELLED'))
"""


@dataclass(frozen=True, slots=True)
class Found:
    """An event, and what holds for it now."""

    event: Event
    off: bool  # it was called off
    provider_is_out: bool
    now: datetime


async def save(session: Session, event: Event) -> None:
    """Remembers an event, unless something newer is known."""
    policy = event.refund_policy
    facts = asdict(event) | asdict(policy)
    del facts["refund_policy"], facts["id"], facts["changed_at"]
    await session.execute(_SAVE, event_id=event.id, **facts)


async def cancel(session: Session, event_id: UUID, reason: str) -> None:
    """Notes that an event was called off."""
    await session.execute(_CANCEL, event_id=event_id, reason=reason)


async def find(session: Session, event_id: UUID) -> Found | None:
    """The event, with what else a booking of it depends on."""
    return found((await session.together(finding([event_id])))[0]).get(event_id)


def finding(event_ids: Collection[UUID]) -> Statement:
    """Reads events, with what else bookings of them depend on; `found` reads the result."""
    return _FIND, {"event_ids": list(event_ids)}


def found(result: Result) -> Mapping[UUID, Found]:
    """The events by their ids."""
    return {
        row.event_id: Found(event_of(row), row.off, row.provider_is_out, row.now) for row in result
    }


async def sold_by(
    session: Session, event_id: UUID, caller_id: UUID, *, sees_all: bool
) -> tuple[str, str] | None:
    """Currency and time zone of an event the caller sells, or of any if they see all."""
    row = await session.first(_SOLD_BY, event_id=event_id, caller_id=caller_id, sees_all=sees_all)
    return (row.currency, row.timezone) if row else None


async def knows(session: Session, event_id: UUID) -> bool:
    """Whether anything is known of the event."""
    return bool(await session.scalar(_KNOWS, event_id=event_id))


async def unsettled(session: Session, limit: int) -> Sequence[UUID]:
    """Events that were called off and may have bookings that were not told, oldest first."""
    return [row.event_id for row in await session.all(_UNSETTLED, limit=limit)]


async def settle(session: Session, event_id: UUID) -> None:
    """Notes that no booking is left to be told, once that can't change any more."""
    await session.execute(_SETTLE, event_id=event_id)


def event_of(row: Row) -> Event:
    """The event a row has among its columns."""
    return records.read(
        Event,
        row,
        id=row.event_id,
        currency=row.event_currency,
        refund_policy=RefundPolicy(row.event_hours, row.event_percent),
        version=row.event_version,
    )
