"""What time it is."""

from __future__ import annotations

from datetime import datetime

from chassis.database import Session


async def now(session: Session) -> datetime:
    """The database's clock, which every process of the service shares."""
    moment: datetime = await session.scalar("SELECT clock_timestamp()")
    return moment
