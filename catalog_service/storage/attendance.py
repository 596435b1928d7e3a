"""Table `attendance`: how each booking stands, as it was told last."""

from __future__ import annotations

from uuid import UUID

from chassis.database import Session

# Whatever the status, as an old message may come after a newer one, and must find it.
_SET = """
INSERT INTO attendance (booking_id, event_id, customer_id, status, tickets, version)
VALUES (:booking_id, :event_id, :customer_id, :status, :tickets, :version)
    ON CONFLICT (booking_id) DO UPDATE
   SET status = excluded.status, tickets = excluded.tickets, version = excluded.version
 WHERE attendance.version < excluded.version
"""


def set_attendance(
    session: Session,
    booking_id: UUID,
    *,
    event_id: UUID,
    customer_id: UUID,
    status: str,
    tickets: int,
    version: int,
) -> None:
    """Keeps how a booking ended, unless something newer is known."""
    session.defer(
        _SET,
        booking_id=booking_id,
        event_id=event_id,
        customer_id=customer_id,
        status=status,
        tickets=tickets,
        version=version,
    )
