"""Table `attendance`: how each booking stands, as it was told last."""

from __future__ import annotations

from collections.abc import Sequence

from catalog_service.domain import Attendance
from chassis.database import Session

# Whatever the status, as an old message may come after a newer one, and must find it. In one order,
# so that two processes never wait for one another.
_SET = """
INSERT INTO attendance (booking_id, event_id, customer_id, status, tickets, version)
SELECT * FROM unnest(CAST(:booking_ids AS uuid[]), CAST(:event_ids AS uuid[]),
                     CAST(:customer_ids AS uuid[]), CAST(:statuses AS text[]),
                     CAST(:tickets AS integer[]), CAST(:versions AS integer[])) AS told (id)
 ORDER BY id
    ON CONFLICT (booking_id) DO UPDATE
   SET status = excluded.status, tickets = excluded.tickets, version = excluded.version
 WHERE attendance.version < excluded.version
"""


def set_attendance(session: Session, told: Sequence[Attendance]) -> None:
    """Keeps how bookings ended, one entry for each, unless something newer is known."""
    if told:
        session.defer(
            _SET,
            booking_ids=[each.booking_id for each in told],
            event_ids=[each.event_id for each in told],
            customer_ids=[each.customer_id for each in told],
            statuses=[each.status for each in told],
            tickets=[each.tickets for each in told],
            versions=[each.version for each in told],
        )
