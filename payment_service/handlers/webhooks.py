"""What providers tell without being asked."""

from __future__ import annotations

from chassis.database import Session
from chassis.logs import get_logger
from payment_service.domain import WebhookEvent
from payment_service.storage import webhooks

_FORGET_BATCH = 5000

log = get_logger(__name__)


async def receive(session: Session, event: WebhookEvent, body: str, *, provider: str) -> bool:
    """Stores a provider's event, once; True: it may be news, and its charge will be looked up."""
    fresh, ours, nudged = await webhooks.receive(session, provider, event, body)
    if fresh and not ours:
        log.warning("webhook of a charge that is not ours", event_id=event.id)
    return nudged


async def forget(session: Session) -> bool:
    """Deletes old webhooks; True: there are more."""
    return await webhooks.forget(session, limit=_FORGET_BATCH) == _FORGET_BATCH
