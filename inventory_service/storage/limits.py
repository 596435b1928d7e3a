"""How many a person may have: places of an event, and live holds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from chassis.database import Session

# Of two at once the second waits for the first, and its condition is judged on what that left.
# The first row of a person is within the limit because the caller looked at the count itself.
_COUNT = """
INSERT INTO customer_quota (event_id, customer_id, seats)
VALUES (:event_id, :customer_id, :count)
    ON CONFLICT (event_id, customer_id) DO UPDATE
   SET seats = customer_quota.seats + excluded.seats
 WHERE customer_quota.seats + excluded.seats <= :most
"""

_COUNTED = """
SELECT coalesce((SELECT seats FROM customer_quota
                  WHERE event_id = :event_id AND customer_id = :customer_id), 0) AS counted,
       ARRAY(SELECT hold_id FROM hold
              WHERE customer_id = :customer_id AND event_id = :event_id AND status = 'ACTIVE'
                AND expires_at <= statement_timestamp()) AS due
"""

_UNCOUNT = """
WITH back AS MATERIALIZED (
    SELECT quota.event_id, quota.customer_id, given.n
      FROM (SELECT event_id, customer_id, sum(n)::integer AS n
              FROM unnest(CAST(:event_ids AS uuid[]), CAST(:customer_ids AS uuid[]),
                          CAST(:counts AS integer[])) AS each (event_id, customer_id, n)
             GROUP BY event_id, customer_id) AS given
      JOIN customer_quota AS quota USING (event_id, customer_id)
     ORDER BY quota.event_id, quota.customer_id FOR UPDATE OF quota
)
UPDATE customer_quota AS quota SET seats = quota.seats - back.n FROM back
 WHERE quota.event_id = back.event_id AND quota.customer_id = back.customer_id
"""

# A slot is free once its time has passed. As above, the condition is judged after the wait.
_TAKE_SLOT = """
INSERT INTO live_hold (customer_id, slot, event_id, hold_id, expires_at)
VALUES (:customer_id, :slot, :event_id, :hold_id, :expires_at)
    ON CONFLICT (customer_id, slot) DO UPDATE
   SET event_id = excluded.event_id, hold_id = excluded.hold_id, expires_at = excluded.expires_at
 WHERE live_hold.expires_at <= clock_timestamp()
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

_SLOTS = (1, 2)

_NO_LIMIT = 2**31 - 1


async def count_places(
    session: Session, event_id: UUID, customer_id: UUID, count: int, *, most: int | None
) -> bool:
    """Counts places for a person, unless they would have more than `most` (None: no limit)."""
    most = _NO_LIMIT if most is None else most
    if count > most:
        return False
    counted = await session.execute(
        _COUNT, event_id=event_id, customer_id=customer_id, count=count, most=most
    )
    return counted.rowcount == 1


async def counted_places(
    session: Session, event_id: UUID, customer_id: UUID
) -> tuple[int, list[UUID]]:
    """How many places a person has, and the person's due holds among them."""
    row = await session.one(_COUNTED, event_id=event_id, customer_id=customer_id)
    return row.counted, row.due


def uncount_places(session: Session, given_back: Sequence[tuple[UUID, UUID | None, int]]) -> None:
    """Gives back places counted for people: event, person, how many."""
    if given_back:
        session.defer(
            _UNCOUNT,
            event_ids=[event_id for event_id, _customer_id, _count in given_back],
            customer_ids=[customer_id for _event_id, customer_id, _count in given_back],
            counts=[count for _event_id, _customer_id, count in given_back],
        )


async def take_slot(
    session: Session, customer_id: UUID, event_id: UUID, hold_id: UUID, expires_at: datetime
) -> bool:
    """Makes the hold one of the person's two live ones; False where they have two."""
    for slot in _SLOTS:
        taken = await session.execute(
            _TAKE_SLOT,
            customer_id=customer_id,
            slot=slot,
            event_id=event_id,
            hold_id=hold_id,
            expires_at=expires_at,
        )
        if taken.rowcount:
            return True
    return False


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
