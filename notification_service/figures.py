"""What is shown of the mails that wait."""

from __future__ import annotations

from prometheus_client import Gauge

from chassis.database import Session
from chassis.figures import MOST_COUNTED
from notification_service.storage import mails

WAITING = Gauge("parterre_mails_waiting", f"Mails that are to be sent, {MOST_COUNTED} at most")


async def read_mails(session: Session) -> None:
    """How many mails wait."""
    WAITING.set(await mails.count_waiting(session, MOST_COUNTED))
