"""Forgetting what is over, and telling again of people where somebody did not hear of them."""

from __future__ import annotations

import asyncio

from auth_service import storage
from auth_service.domain import Limits
from auth_service.handlers.accounts import announce_some
from chassis.database import Database

_BATCH = 1000
_PAUSE_SECONDS = 60.0
# Between two batches, so that codes and sessions do not wait behind them at the broker.
_ANNOUNCE_SECONDS = 0.5


async def forget(database: Database, limits: Limits) -> None:
    """Deletes what is no longer needed, in batches, for ever."""
    while True:
        deleted = _BATCH
        while deleted == _BATCH:
            async with database.transaction() as session:
                deleted = await storage.forget(session, limits, _BATCH)
        await asyncio.sleep(_PAUSE_SECONDS)


async def announce(database: Database) -> None:
    """Tells again of all accounts once after an upgrade that asks for it, a batch a transaction.

    For services that know people by what they are told, and have begun to.
    """
    while True:
        more = await database.run(announce_some)
        await asyncio.sleep(_ANNOUNCE_SECONDS if more else _PAUSE_SECONDS)
