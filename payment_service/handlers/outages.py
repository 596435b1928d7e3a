"""What others are told of providers that do not answer."""

from __future__ import annotations

from collections.abc import Sequence

from chassis.database import Session
from chassis.logs import get_logger
from payment_service.domain import ProviderState

log = get_logger(__name__)


async def tell(session: Session, provider: str, methods: Sequence[str], *, available: bool) -> None:
    """Tells the bookings whether a provider answers, and which methods go by it."""
    told_at = await session.now()
    session.send(ProviderState(provider, tuple(methods), available, told_at))
    if available:
        log.info("the provider answers again, new payments are taken", provider=provider)
    else:
        log.warning("the provider does not answer, new payments are refused", provider=provider)
