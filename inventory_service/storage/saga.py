"""Holds, as the commands of bookings' sagas find and leave them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from chassis.database import Session
from inventory_service.domain import HoldState, HoldStatus, SeatsOrder
from inventory_service.storage.holds import hold_state

Key = tuple[UUID, UUID]  # event, hold

# In the order of the key, as everybody locks holds who waits for them.
_LOCK = """
SELECT event_id, hold_id, customer_id, status, version, seats, tickets, booking_id, saga_step,
       expires_at <= clock_timestamp() AS due
  FROM unnest(CAST(:event_ids AS uuid[]), CAST(:hold_ids AS uuid[])) AS each (event_id, hold_id)
  JOIN hold USING (event_id, hold_id)
 ORDER BY event_id, hold_id FOR UPDATE OF hold
"""

# A command for a hold that never was leaves one that has ended.
_BURY = """
INSERT INTO hold (event_id, hold_id, status, seats, tickets, created_at, expires_at,
                  extendable_until)
SELECT event_id, hold_id, 'RELEASED', 0, 0, clock_timestamp(), clock_timestamp(), clock_timestamp()
  FROM unnest(CAST(:event_ids AS uuid[]), CAST(:hold_ids AS uuid[])) AS each (event_id, hold_id)
 ORDER BY event_id, hold_id
    ON CONFLICT (event_id, hold_id) DO NOTHING
"""

# Under the rows' locks. The newest step that was asked of a hold, and whose it is: a booking's
# alone, and never back to an older step, whatever was judged before. Its status with it: as it
# stands, or the one it goes to. An active hold is reserved only while its time lasts, by the time
# it is now, not when the lock was asked for; `late` is judged once, so that status and expiry
# agree.
_CARRY = """
WITH late AS MATERIALIZED (
    SELECT event_id, hold_id FROM hold
      JOIN unnest(CAST(:event_ids AS uuid[]), CAST(:hold_ids AS uuid[]),
                  CAST(:statuses AS text[])) AS each (event_id, hold_id, status)
     USING (event_id, hold_id)
     WHERE hold.status = 'ACTIVE' AND each.status = 'RESERVED' AND expires_at <= clock_timestamp()
)
UPDATE hold
   SET booking_id = each.booking_id, saga_step = each.saga_step,
       status = CASE WHEN late.hold_id IS NULL THEN each.status ELSE hold.status END,
       expires_at = CASE WHEN late.hold_id IS NULL THEN coalesce(each.expires_at, hold.expires_at)
                         ELSE hold.expires_at END
  FROM unnest(CAST(:event_ids AS uuid[]), CAST(:hold_ids AS uuid[]), CAST(:booking_ids AS uuid[]),
              CAST(:saga_steps AS integer[]), CAST(:was AS text[]), CAST(:statuses AS text[]),
              CAST(:expires_ats AS timestamptz[]))
       AS each (event_id, hold_id, booking_id, saga_step, was, status, expires_at)
  LEFT JOIN late USING (event_id, hold_id)
 WHERE hold.event_id = each.event_id AND hold.hold_id = each.hold_id AND hold.status = each.was
   AND coalesce(hold.booking_id, each.booking_id) = each.booking_id
   AND hold.saga_step <= each.saga_step
RETURNING hold.event_id, hold.hold_id, hold.status
"""


async def lock_or_bury(session: Session, keys: Iterable[Key]) -> dict[Key, HoldState]:
    """Locks holds; one that never was is made, ended, so that it can never begin."""
    wanted = sorted(set(keys))
    locked = await _lock(session, wanted)
    missing = [key for key in wanted if key not in locked]
    if missing:
        await session.execute(_BURY, **_columns(missing))
        locked |= await _lock(session, missing)
    return locked


async def _lock(session: Session, keys: Sequence[Key]) -> dict[Key, HoldState]:
    rows = await session.all(_LOCK, **_columns(keys))
    return {(state.event_id, state.hold_id): state for state in map(hold_state, rows) if state}


def _columns(keys: Sequence[Key]) -> dict[str, list[UUID]]:
    return {
        "event_ids": [event_id for event_id, _hold_id in keys],
        "hold_ids": [hold_id for _event_id, hold_id in keys],
    }


async def carry(
    session: Session, steps: Sequence[tuple[SeatsOrder, HoldState, HoldStatus]]
) -> Mapping[Key, HoldStatus]:
    """Notes steps of locked holds, and lets each go to the status beside it.

    Returns the statuses they are in then: an active one whose time has passed stays active instead
    of being reserved.
    """
    if not steps:
        return {}
    rows = await session.all(
        _CARRY,
        event_ids=[hold.event_id for _order, hold, _to in steps],
        hold_ids=[hold.hold_id for _order, hold, _to in steps],
        booking_ids=[order.booking_id for order, _hold, _to in steps],
        saga_steps=[order.saga_step for order, _hold, _to in steps],
        was=[hold.status.value for _order, hold, _to in steps],
        statuses=[to.value for _order, _hold, to in steps],
        expires_ats=[None if to is hold.status else order.expires_at for order, hold, to in steps],
    )
    return {(row.event_id, row.hold_id): HoldStatus(row.status) for row in rows}
