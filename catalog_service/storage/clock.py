"""The database's clock, the only one that decides anything."""

from __future__ import annotations

from datetime import datetime

from chassis.database import Session


async def now(session: Session) -> datetime:
    """What it says now."""
    moment: datetime = await session.scalar("SELECT clock_timestamp()")
    return moment
