"""What is shown of the holds."""

from __future__ import annotations

from prometheus_client import Gauge

from chassis.database import Session
from chassis.figures import MOST_COUNTED
from inventory_service.storage import holds

HOLDS = Gauge(
    "parterre_holds",
    f"Holds that are not reserved: live, or over and not swept yet; {MOST_COUNTED} at most of each",
    ["state"],
)
_LIVE, _OVER = HOLDS.labels("live"), HOLDS.labels("over")


async def read_holds(session: Session) -> None:
    """How many holds there are."""
    row = await holds.counted(session, MOST_COUNTED)
    _LIVE.set(row.live)
    _OVER.set(row.over)
