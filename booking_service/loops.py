"""What happens by itself: deadlines, bookings told that their event was called off, totals."""

from __future__ import annotations

import asyncio

from booking_service.handlers import sagas
from booking_service.storage import events, sales
from booking_service.wakeups import Wakeups
from chassis.database import Database

_BATCH = 50
_EVENTS = 20
_ENTRIES = 1000
_DEADLINE_SECONDS = 1.0
_TELL_SECONDS = 2.0
# Reading adds what is not folded yet, so it may gather.
_FOLD_SECONDS = 5.0
# Between batches of one event's bookings, so that a full house's refunds do not crowd out sales.
_PACE_SECONDS = 0.2


async def keep_deadlines(database: Database, wakeups: Wakeups) -> None:
    """Applies DEADLINE to sagas that are due, for ever; any number of processes may."""
    while True:
        if await meet_deadlines(database, wakeups) < _BATCH:
            await asyncio.sleep(_DEADLINE_SECONDS)


async def meet_deadlines(database: Database, wakeups: Wakeups) -> int:
    """Applies DEADLINE to one batch of sagas that are due; returns to how many."""
    async with database.transaction() as session:
        return await sagas.meet_deadlines(session, wakeups, _BATCH)


async def keep_telling(database: Database, wakeups: Wakeups) -> None:
    """Tells the bookings of events that were called off, for ever; goes on where it stopped."""
    while True:
        if not await tell_once(database, wakeups):
            await asyncio.sleep(_TELL_SECONDS)


async def tell_once(database: Database, wakeups: Wakeups) -> int:
    """One batch for each of the events that were called off first; returns how many it told."""
    async with database.transaction() as session:
        off = await events.unsettled(session, _EVENTS)
    told = 0
    for event_id in off:
        async with database.transaction() as session:
            told += await sagas.tell_event_off(session, wakeups, event_id, _BATCH)
        await asyncio.sleep(_PACE_SECONDS)
    return told


async def keep_folding(database: Database) -> None:
    """Folds what was sold into the totals, for ever; any number of processes may."""
    while True:
        if await fold_once(database) < _ENTRIES:
            await asyncio.sleep(_FOLD_SECONDS)


async def fold_once(database: Database) -> int:
    """Folds one batch of entries into the totals; returns how many."""
    async with database.transaction() as session:
        return await sales.fold(session, _ENTRIES)
