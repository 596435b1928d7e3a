"""Forgetting what is no longer needed, a little at a time."""

from __future__ import annotations

import asyncio

from chassis.database import Database

_BATCH = 5000
_PAUSE_SECONDS = 60.0
# An inbox row must outlive every redelivery of its message; an idempotency key lives 24 h at least.
_STATEMENTS = (
    "DELETE FROM inbox WHERE ctid IN (SELECT ctid FROM inbox"
    " WHERE received_at < clock_timestamp() - interval '7 days' LIMIT :batch)",
    "DELETE FROM idempotency WHERE ctid IN (SELECT ctid FROM idempotency"
    " WHERE created_at < clock_timestamp() - interval '48 hours' LIMIT :batch)",
)


async def forget(database: Database) -> None:
    """Deletes old inbox rows and idempotency keys, in batches, for ever."""
    while True:
        for statement in _STATEMENTS:
            deleted = _BATCH
            while deleted == _BATCH:
                async with database.transaction() as session:
                    deleted = (await session.execute(statement, batch=_BATCH)).rowcount
        await asyncio.sleep(_PAUSE_SECONDS)
