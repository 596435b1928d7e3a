"""What operators tell, and see."""

from __future__ import annotations

from booking_service.domain import Verdict
from booking_service.storage import verdicts
from chassis.database import Session


async def keep_verdict(session: Session, verdict: Verdict) -> None:
    """Keeps what a check of the invariants found, unless a newer one is known."""
    await verdicts.keep(session, verdict)


async def last_verdict(session: Session) -> Verdict | None:
    """What the newest check found; None: nobody has checked yet."""
    return await verdicts.find(session)
