"""What goes on beside the requests, round after round."""

from __future__ import annotations

import asyncio

from chassis.database import Database, Session
from inventory_service.handlers.expiring import expire_due
from inventory_service.handlers.reserving import ask_due

BATCH = 200


async def sweep(database: Database, pause_seconds: float) -> None:
    """Expires due holds, and asks after bookings that were not heard of, batch by batch, for ever.

    Any number of processes share the work. Nothing waits for an expiry: whoever wants the places
    of a due hold expires it too. A reservation without a booking is asked after by this alone.
    """

    async def batch(session: Session) -> int:
        return max(await expire_due(session, limit=BATCH), await ask_due(session, limit=BATCH))

    while True:
        while await database.run(batch) == BATCH:
            pass
        await asyncio.sleep(pause_seconds)
