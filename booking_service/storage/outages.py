"""Payment providers that do not answer, as payment_service tells."""

from __future__ import annotations

from datetime import datetime

from chassis.database import Session

# Payment tells every ten seconds while it lasts: were it to die, sales go on without its word.
_TELL = """
INSERT INTO provider_outage (provider, told_at, until)
VALUES (:provider, :told_at, CASE WHEN NOT CAST(:available AS boolean)
                                  THEN clock_timestamp() + interval '30 seconds' END)
    ON CONFLICT (provider) DO UPDATE SET told_at = excluded.told_at, until = excluded.until
 WHERE provider_outage.told_at < excluded.told_at
"""
# A column for whoever reads something anyway. Of any provider: all methods go by the one there is.
IS_ON = """
       EXISTS (SELECT FROM provider_outage WHERE until > clock_timestamp()) AS provider_is_out
"""


async def tell(session: Session, provider: str, *, available: bool, told_at: datetime) -> None:
    """Notes whether a provider answers, unless something newer is known."""
    await session.execute(_TELL, provider=provider, available=available, told_at=told_at)
