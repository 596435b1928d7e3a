"""Asks inventory again for what it has not answered: the broker may have lost it."""

from __future__ import annotations

import asyncio

from catalog_service.handlers import events
from chassis.database import Database
from chassis.logs import get_logger
from chassis.telemetry import ALERTS

_POLL_SECONDS = 5.0

log = get_logger(__name__)


async def run(database: Database) -> None:
    """Asks until cancelled; one event a transaction, as one may have 100,000 seats."""
    while True:
        while event_id := await database.run(events.ask_again):
            ALERTS.labels("event_not_opened").inc()
            log.warning("event still not open, asked again", event_id=event_id)
        await asyncio.sleep(_POLL_SECONDS)
