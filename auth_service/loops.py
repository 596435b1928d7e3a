"""Forgetting codes, throttles, tokens and sessions that are over."""

from __future__ import annotations

import asyncio

from auth_service import storage
from auth_service.domain import Limits
from chassis.database import Database

_BATCH = 1000
_PAUSE_SECONDS = 60.0


async def forget(database: Database, limits: Limits) -> None:
    """Deletes what is no longer needed, in batches, for ever."""
    while True:
        deleted = _BATCH
        while deleted == _BATCH:
            async with database.transaction() as session:
                deleted = await storage.forget(session, limits, _BATCH)
        await asyncio.sleep(_PAUSE_SECONDS)
