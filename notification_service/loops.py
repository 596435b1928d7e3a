"""Forgetting mails that are of no use any more."""

from __future__ import annotations

import asyncio

from chassis.database import Database
from notification_service import storage

_BATCH = 1000
_PAUSE_SECONDS = 15.0


async def forget_expired(database: Database) -> None:
    """Deletes mails whose code is too old to be used, in batches, for ever."""
    while True:
        deleted = _BATCH
        while deleted == _BATCH:
            async with database.transaction() as session:
                deleted = await storage.forget_expired(session, _BATCH)
        await asyncio.sleep(_PAUSE_SECONDS)
