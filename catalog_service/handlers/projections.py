"""What other services tell of events, kept to be shown with them."""

from __future__ import annotations

from uuid import UUID

from catalog_service.storage import attendance, availability
from chassis.database import Session


async def availability_changed(
    session: Session, event_id: UUID, *, available: int, capacity: int, sold: int, version: int
) -> None:
    """Inventory tells how much is left of an event."""
    availability.set_availability(
        session, event_id, available=available, capacity=capacity, sold=sold, version=version
    )


async def booking_ended(
    session: Session,
    booking_id: UUID,
    *,
    event_id: UUID,
    customer_id: UUID,
    status: str,
    tickets: int,
    version: int,
) -> None:
    """A booking was confirmed, cancelled, or came to nothing."""
    attendance.set_attendance(
        session,
        booking_id,
        event_id=event_id,
        customer_id=customer_id,
        status=status,
        tickets=tickets,
        version=version,
    )
