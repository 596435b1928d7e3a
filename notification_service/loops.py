"""What the service does by itself: telling all who go, reminding, forgetting."""

from __future__ import annotations

import asyncio
from uuid import UUID

from chassis.database import Database
from chassis.errors import RemoteError
from chassis.logs import get_logger
from notification_service.domain import Announcement, EventNotFoundError
from notification_service.handlers import events
from notification_service.rpc.bookings import Audience, Bookings
from notification_service.storage import announcements, mails, notices, webhooks

_BATCH = 1000
_PAUSE_SECONDS = 15.0
_KEPT_DAYS = 90
_DELIVERIES_KEPT_DAYS = 30
_SLICE = 100  # bookings
# So many mails may wait to be sent before the next slice is written.
_MOST_WAITING = 300
_SPREAD_PAUSE_SECONDS = 0.5
_ANNOUNCEMENT_SECONDS = 30.0
_REMIND_BATCH = 50
_REMIND_PAUSE_SECONDS = 20.0

log = get_logger(__name__)


async def forget(database: Database) -> None:
    """Forgets codes that are too old to be used, and news of long ago, in batches, for ever."""
    while True:
        expired = old = shown = sent = unsent = _BATCH
        while _BATCH in {expired, old, shown, sent, unsent}:
            async with database.transaction() as session:
                expired = await mails.purge_expired(session, _BATCH)
                old = await mails.forget_old(session, _BATCH, days=_KEPT_DAYS)
                shown = await notices.forget_old(session, _BATCH, days=_KEPT_DAYS)
                await announcements.forget_old(session, days=_KEPT_DAYS)
                sent = await webhooks.forget_old(session, _BATCH, days=_DELIVERIES_KEPT_DAYS)
                unsent = await webhooks.forget_deleted(session, _BATCH)
        await asyncio.sleep(_PAUSE_SECONDS)


async def remind(database: Database) -> None:
    """Has those reminded who go to an event on the next day, for ever."""
    while True:
        taken = _REMIND_BATCH
        while taken == _REMIND_BATCH:
            async with database.transaction() as session:
                taken = await events.remind(session, _REMIND_BATCH)
        await asyncio.sleep(_REMIND_PAUSE_SECONDS)


async def announce(database: Database, bookings: Bookings) -> None:
    """Tells all who go what there is to tell, slice by slice, for ever."""
    while True:
        try:
            went_on = await announce_slice(database, bookings)
        except RemoteError as error:
            log.warning("no audience, will be asked again", error=repr(error))
            went_on = False
        if not went_on:
            await asyncio.sleep(_SPREAD_PAUSE_SECONDS)


async def announce_slice(database: Database, bookings: Bookings) -> bool:
    """Writes the mails of one slice; False: nothing is to be told, or enough waits to be sent.

    A process that dies leaves the slice to another, which begins it again: whoever was written to
    is not written to twice.

    Raises:
        RemoteError: booking_service does not answer; it is tried again in half a minute.
    """
    async with database.transaction() as session:
        leased = await events.next_announcement(
            session, most_waiting=_MOST_WAITING, lease_seconds=_ANNOUNCEMENT_SECONDS
        )
    if leased is None:
        return False
    audience = await _audience(bookings, leased.announcement, after=leased.after)
    async with database.transaction() as session:
        if audience is None:
            await announcements.advance(session, leased, last=leased.after, told=0, done=True)
        else:
            await events.tell_slice(
                session,
                leased,
                audience.event,
                audience.guests,
                is_last=len(audience.guests) < _SLICE,
            )
    return True


async def _audience(
    bookings: Bookings, announcement: Announcement, *, after: UUID | None
) -> Audience | None:
    """The next slice; None: nobody ever booked."""
    try:
        return await bookings.audience(
            announcement.event_id,
            called_off=announcement.is_of_called_off,
            after=after,
            limit=_SLICE,
        )
    except EventNotFoundError:
        return None
