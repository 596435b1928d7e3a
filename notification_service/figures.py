"""What is shown of the mails and webhooks that wait."""

from __future__ import annotations

from prometheus_client import Gauge

from chassis.database import Session
from chassis.figures import MOST_COUNTED
from notification_service.storage import mails, webhooks

WAITING = Gauge("parterre_mails_waiting", f"Mails that are to be sent, {MOST_COUNTED} at most")
WEBHOOKS_WAITING = Gauge(
    "parterre_webhooks_waiting",
    "Webhooks that are to be delivered to endpoints that are not switched off,"
    f" {MOST_COUNTED} at most",
)
WEBHOOKS_OVERDUE_SECONDS = Gauge(
    "parterre_webhooks_overdue_seconds",
    "How long ago the one was due that waits longest of those whose endpoint does not rest,"
    " seconds; 0: none",
)


async def read_mails(session: Session) -> None:
    """How many mails wait."""
    WAITING.set(await mails.count_waiting(session, MOST_COUNTED))


async def read_webhooks(session: Session) -> None:
    """How many webhooks wait, and how late they are."""
    row = await webhooks.count_waiting(session, MOST_COUNTED)
    WEBHOOKS_WAITING.set(row.waiting)
    WEBHOOKS_OVERDUE_SECONDS.set(row.overdue_seconds)
