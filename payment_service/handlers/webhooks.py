"""What providers tell without being asked."""

from __future__ import annotations

from collections.abc import Sequence

from chassis.database import Session
from chassis.logs import get_logger
from payment_service.storage import webhooks
from payment_service.storage.webhooks import Received, Told

_FORGET_BATCH = 5000

log = get_logger(__name__)


async def receive(session: Session, told: Sequence[Told]) -> Sequence[Received]:
    """Stores providers' events, each once, and has charges looked up that may have moved."""
    received = await webhooks.receive(session, told)
    for each, what in zip(told, received, strict=True):
        if what.fresh and not what.ours:
            log.warning("webhook of a charge that is not ours", event_id=each.event.id)
    return received


async def forget(session: Session) -> bool:
    """Deletes old webhooks; True: there are more."""
    return await webhooks.forget(session, limit=_FORGET_BATCH) == _FORGET_BATCH
