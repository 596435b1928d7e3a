"""What nobody asks for: openings and capacities asked after, events over, venues renamed, words."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import partial

from catalog_service.domain import RELEASED_FOR
from catalog_service.handlers import events
from chassis.database import Database
from chassis.logs import get_logger
from chassis.telemetry import alert

_POLL_SECONDS = 5.0
# Between two batches of events that are indexed anew, so that nobody waits for that; and between
# two looks whether there are any, which only an upgrade makes.
_REWORD_SECONDS = 0.1
_REWORD_IDLE_SECONDS = 60.0

_NOT_OPENED = alert("event_not_opened")

log = get_logger(__name__)


async def take_care(database: Database, released_for: timedelta = RELEASED_FOR) -> None:
    """Takes care until cancelled, a bounded batch a transaction; any number may."""
    follow_venues = partial(events.follow_venues, released_for=released_for)
    while True:
        await ask_again(database)
        while await database.run(events.settle_capacities):
            pass
        while await database.run(events.complete_events):
            pass
        while await database.run(follow_venues):
            pass
        await asyncio.sleep(_POLL_SECONDS)


async def reword(database: Database) -> None:
    """Indexes events anew that were indexed by another rule, a bounded batch a transaction."""
    while True:
        some = await database.run(events.reword_some)
        await asyncio.sleep(_REWORD_SECONDS if some else _REWORD_IDLE_SECONDS)


async def ask_again(database: Database) -> None:
    """Asks inventory for what it has not answered: the broker may have lost it.

    One event a transaction, as one may have 100,000 seats.
    """
    while event_id := await database.run(events.ask_again):
        _NOT_OPENED.inc()
        log.warning("event still not open, asked again", event_id=event_id)
