"""Tidies up expired holds. Nothing depends on it: whoever wants the places expires them too."""

from __future__ import annotations

import asyncio

from chassis.database import Database, Session
from inventory_service.handlers.expiring import expire_due

BATCH = 200


async def sweep(database: Database, pause_seconds: float) -> None:
    """Expires due holds, batch by batch, for ever; any number of sweepers share the work."""

    async def batch(session: Session) -> int:
        return await expire_due(session, limit=BATCH)

    while True:
        while await database.run(batch) == BATCH:
            pass
        await asyncio.sleep(pause_seconds)
