"""What other services tell of events, kept to be shown with them."""

from __future__ import annotations

from collections.abc import Iterable

from catalog_service.domain import Attendance, EventCounts, newest
from catalog_service.storage import attendance, availability
from chassis.database import Session


async def availability_changed(session: Session, told: Iterable[EventCounts]) -> None:
    """Inventory tells how much is left of events."""
    availability.set_availability(session, newest(told, lambda counts: counts.event_id))


async def bookings_ended(session: Session, told: Iterable[Attendance]) -> None:
    """Bookings were confirmed, cancelled, or came to nothing."""
    attendance.set_attendance(session, newest(told, lambda booking: booking.booking_id))
