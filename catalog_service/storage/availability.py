"""Table `availability`: what inventory told last of each event."""

from __future__ import annotations

from uuid import UUID

from chassis.database import Session

# The version says which of two messages is the newer; one that comes late or twice changes nothing.
_SET = """
UPDATE availability SET available = :available, capacity = :capacity, sold = :sold,
       version = :version
 WHERE event_id = :event_id AND version < :version
"""
_OPEN = """
UPDATE availability SET available = :capacity, capacity = :capacity
 WHERE event_id = :event_id AND version < 0
"""


def set_availability(
    session: Session, event_id: UUID, *, available: int, capacity: int, sold: int, version: int
) -> None:
    """Keeps what is left of an event, unless something newer is known."""
    session.defer(
        _SET,
        event_id=event_id,
        available=available,
        capacity=capacity,
        sold=sold,
        version=version,
    )


def open_all(session: Session, event_id: UUID, capacity: int) -> None:
    """Everything is left of an event that was just opened, until inventory tells otherwise."""
    session.defer(_OPEN, event_id=event_id, capacity=capacity)
