"""What is shown of the holds."""

from __future__ import annotations

from prometheus_client import Gauge

from chassis.database import Session
from chassis.figures import MOST_COUNTED
from inventory_service.storage import holds

HOLDS = Gauge(
    "parterre_holds",
    "Holds: live, over and not swept yet, or asked (reserved, and the booking has not said yet that"
    f" it exists); {MOST_COUNTED} at most of each",
    ["state"],
)
_LIVE, _OVER, _ASKED = map(HOLDS.labels, ("live", "over", "asked"))


async def read_holds(session: Session) -> None:
    """How many holds there are."""
    row = await holds.counted(session, MOST_COUNTED)
    _LIVE.set(row.live)
    _OVER.set(row.over)
    _ASKED.set(row.asked)
