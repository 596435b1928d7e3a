"""How many a person may have: places of an event, and live holds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from operator import itemgetter
from uuid import UUID

from chassis.database import Session
from inventory_service.storage.by_event import by_event

# The condition is judged on the row as it is once its lock is had.
_COUNT = """
INSERT INTO customer_quota (event_id, customer_id, seats)
SELECT CAST(:event_id AS uuid), CAST(:customer_id AS uuid), CAST(:count AS integer)
 WHERE CAST(:count AS integer) <= :most
    ON CONFLICT (event_id, customer_id) DO UPDATE
   SET seats = customer_quota.seats + excluded.seats
 WHERE customer_quota.seats + excluded.seats <= :most
"""

_PLACES = """
SELECT seats FROM customer_quota WHERE event_id = :event_id AND customer_id = :customer_id
"""

_UNCOUNT = """
WITH back AS MATERIALIZED (
    SELECT quota.customer_id, given.n
      FROM (SELECT customer_id, sum(n)::integer AS n
              FROM unnest(CAST(:customer_ids AS uuid[]), CAST(:counts AS integer[]))
                   AS each (customer_id, n)
             GROUP BY customer_id) AS given
      JOIN customer_quota AS quota USING (customer_id)
     WHERE quota.event_id = :event_id
       AND quota.customer_id = ANY(CAST(:customer_ids AS uuid[]))
     ORDER BY quota.customer_id FOR UPDATE OF quota
)
UPDATE customer_quota AS quota SET seats = quota.seats - back.n FROM back
 WHERE quota.event_id = :event_id AND quota.customer_id = back.customer_id
   AND quota.customer_id = ANY(CAST(:customer_ids AS uuid[]))
"""

_FREE_SLOTS = """
WITH ended AS MATERIALIZED (
    SELECT customer_id, slot, hold_id
      FROM unnest(CAST(:customer_ids AS uuid[]), CAST(:hold_ids AS uuid[]))
           AS each (customer_id, hold_id)
      JOIN live_hold USING (customer_id, hold_id)
     ORDER BY customer_id, slot FOR UPDATE OF live_hold
)
DELETE FROM live_hold USING ended
 WHERE live_hold.customer_id = ended.customer_id AND live_hold.slot = ended.slot
   AND live_hold.hold_id = ended.hold_id
"""

_EXTEND_SLOT = """
UPDATE live_hold SET expires_at = :expires_at
 WHERE customer_id = :customer_id AND hold_id = :hold_id
"""


async def count_places(
    session: Session, event_id: UUID, customer_id: UUID, count: int, *, most: int
) -> bool:
    """Counts places for a person; False where they would have more than `most` of the event."""
    counted = await session.execute(
        _COUNT, event_id=event_id, customer_id=customer_id, count=count, most=most
    )
    return counted.rowcount == 1


async def places_of(session: Session, event_id: UUID, customer_id: UUID) -> int:
    """How many places of an event a person has, held and bought together."""
    rows = await session.all(_PLACES, event_id=event_id, customer_id=customer_id)
    return rows[0].seats if rows else 0


def uncount_places(session: Session, given_back: Sequence[tuple[UUID, UUID | None, int]]) -> None:
    """Gives back places counted for people: event, person, how many."""
    for event_id, those in by_event(given_back, itemgetter(0)):
        session.defer(
            _UNCOUNT,
            event_id=event_id,
            customer_ids=[customer_id for _event_id, customer_id, _count in those],
            counts=[count for _event_id, _customer_id, count in those],
        )


def free_slots(session: Session, live: Sequence[tuple[UUID, UUID]]) -> None:
    """Holds are no longer live ones: person, hold."""
    if live:
        session.defer(
            _FREE_SLOTS,
            customer_ids=[customer_id for customer_id, _hold_id in live],
            hold_ids=[hold_id for _customer_id, hold_id in live],
        )


async def extend_slot(
    session: Session, customer_id: UUID, hold_id: UUID, expires_at: datetime
) -> bool:
    """Lets a live hold's slot be taken as long as the hold lives; False where it has none."""
    extended = await session.execute(
        _EXTEND_SLOT, customer_id=customer_id, hold_id=hold_id, expires_at=expires_at
    )
    return extended.rowcount == 1
