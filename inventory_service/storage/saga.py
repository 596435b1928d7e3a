"""Holds, as the commands of bookings' sagas find and leave them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from chassis.database import Session
from inventory_service.domain import (
    HoldState,
    SeatsOrder,
)
from inventory_service.storage.holds import hold_state

_LOCK = """
SELECT event_id, hold_id, customer_id, status, version, seats, tickets, booking_id, saga_step,
       expires_at <= clock_timestamp() AS due
  FROM hold WHERE event_id = :event_id AND hold_id = :hold_id FOR UPDATE
"""

# A command for a hold that never was leaves one that has ended.
_BURY = """
INSERT INTO hold (event_id, hold_id, status, seats, tickets, created_at, expires_at,
                  extendable_until)
VALUES (:event_id, :hold_id, 'RELEASED', 0, 0, clock_timestamp(), clock_timestamp(),
        clock_timestamp())
    ON CONFLICT (event_id, hold_id) DO NOTHING
"""

# A booking's alone, and never back to an older step, whatever was judged before.
_NOTE_STEP = """
UPDATE hold SET booking_id = :booking_id, saga_step = :saga_step
 WHERE event_id = :event_id AND hold_id = :hold_id
   AND coalesce(booking_id, :booking_id) = :booking_id AND saga_step < :saga_step
"""

# Under the row's lock. An active hold is moved on by its booking only while its time lasts, by
# the time it is now, not when the lock was asked for.
_RESERVE = """
UPDATE hold SET status = 'RESERVED', expires_at = :expires_at
 WHERE event_id = :event_id AND hold_id = :hold_id
   AND status = 'ACTIVE' AND expires_at > clock_timestamp()
"""


async def lock_or_bury(session: Session, event_id: UUID, hold_id: UUID) -> HoldState:
    """Locks the hold; one that never was is made, ended, so that it can never begin."""
    row = await session.first(_LOCK, event_id=event_id, hold_id=hold_id)
    if row is None:
        await session.execute(_BURY, event_id=event_id, hold_id=hold_id)
        row = await session.one(_LOCK, event_id=event_id, hold_id=hold_id)
    state = hold_state(row)
    assert state is not None  # noqa: S101 - narrows the type; the row is there
    return state


async def note_step(session: Session, hold: HoldState, order: SeatsOrder) -> None:
    """Notes the newest step asked of a locked hold, and whose it is."""
    await session.execute(
        _NOTE_STEP,
        event_id=hold.event_id,
        hold_id=hold.hold_id,
        booking_id=order.booking_id,
        saga_step=order.saga_step,
    )


async def reserve_hold(session: Session, hold: HoldState, expires_at: datetime | None) -> bool:
    """Gives a locked, active hold to its booking; False where its time has just passed."""
    reserved = await session.execute(
        _RESERVE,
        event_id=hold.event_id,
        hold_id=hold.hold_id,
        expires_at=expires_at,
    )
    return reserved.rowcount == 1
