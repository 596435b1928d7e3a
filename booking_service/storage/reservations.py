"""The claims on the ids of bookings: either a booking is made under one, or it never will be.

Inventory reserves a hold for a booking's id before the booking is written. Whoever finds the
reservation without its booking writes the timeline's first line in the booking's stead; the
timeline's key lets only one of the two be.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from chassis.database import Session

_DISOWN = """
INSERT INTO timeline (booking_id, entry_no, at, state, step, outcome, attempt, detail)
SELECT booking_id, 1, clock_timestamp(), 'FAILED', 'DISOWNED', 'DONE', 1, ''
  FROM unnest(CAST(:ids AS uuid[])) AS booking_id ORDER BY booking_id
    ON CONFLICT (booking_id, entry_no) DO NOTHING
"""
# A statement of its own: it sees what the first one waited for.
_DISOWNED = """
SELECT booking_id FROM timeline
 WHERE booking_id = ANY(CAST(:ids AS uuid[])) AND entry_no = 1 AND step = 'DISOWNED'
"""


async def disown(session: Session, booking_ids: Sequence[UUID]) -> set[UUID]:
    """Keeps bookings that do not exist from ever being made; gives the ids of those.

    Waits for whoever is just making one of them.
    """
    ids = sorted(set(booking_ids))
    _added, disowned = await session.together((_DISOWN, {"ids": ids}), (_DISOWNED, {"ids": ids}))
    return {row.booking_id for row in disowned}


async def disowned(session: Session, booking_ids: Sequence[UUID]) -> set[UUID]:
    """Those of the bookings that will never be made."""
    rows = await session.all(_DISOWNED, ids=list(booking_ids))
    return {row.booking_id for row in rows}
