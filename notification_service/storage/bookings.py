"""Table `ending`: which ending of a booking was told last."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from chassis.database import Session
from notification_service.domain import EndedBooking

_TAKE_ENDINGS = """
INSERT INTO ending (booking_id, version)
SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:versions AS integer[])) AS told (id)
 ORDER BY id
    ON CONFLICT (booking_id) DO UPDATE SET version = excluded.version
 WHERE ending.version < excluded.version
RETURNING booking_id
"""


async def take_endings(session: Session, bookings: Sequence[EndedBooking]) -> Sequence[UUID]:
    """Notes endings as told, one for each booking; gives the bookings whose were newer."""
    if not bookings:
        return ()
    rows = await session.all(
        _TAKE_ENDINGS,
        ids=[booking.booking_id for booking in bookings],
        versions=[booking.version for booking in bookings],
    )
    return [row.booking_id for row in rows]
