"""Events: what all who go are told of them."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from chassis.database import Session
from notification_service.domain import (
    Event,
    Guest,
    Lane,
    MovedEvent,
    TooManyMessagesError,
    cancellation,
    drafts,
    message,
    move,
    remind_at,
    reminder,
)
from notification_service.domain.webhooks import calling_off, listing
from notification_service.handlers import news
from notification_service.storage import announcements, events, mails, people, webhooks
from notification_service.storage.announcements import Leased


async def remember(session: Session, event: Event) -> None:
    """Remembers an event on sale, unless something newer is known; its organizer's systems hear."""
    is_new = await events.save(session, event, remind_at(event.starts_at, event.timezone))
    if is_new is not None:
        await webhooks.add(session, [listing(event, is_new=is_new)])


async def tell_move(session: Session, moved: MovedEvent) -> None:
    """Has all who go told that the event's time or place changed."""
    announcements.add(session, move(moved))


async def tell_cancellation(
    session: Session, event_id: UUID, reason: str, organizer_id: UUID | None
) -> None:
    """Has all who were to go told that the event is called off, and nobody reminded of it."""
    events.call_off(session, event_id)
    announcements.add(session, cancellation(event_id, reason))
    # A version before did not say whose it is.
    organizer_id = organizer_id or await events.organizer_of(session, event_id)
    if organizer_id is not None:
        await webhooks.add(session, [calling_off(event_id, organizer_id, reason)])


async def remind(session: Session, limit: int) -> int:
    """Has those who go reminded of up to `limit` events that are on the next day: how many."""
    due, taken = await events.take_due(session, limit)
    now = await session.now()
    for event in due:
        announcements.add(session, reminder(event, now))
    return taken


async def send_message(
    session: Session, id: UUID, event_id: UUID, *, subject: str, text: str, daily_limit: int
) -> None:
    """Has all who go told an organizer's own words.

    Raises:
        TooManyMessagesError: today's are used up.
    """
    if not await announcements.count_message(session, event_id, daily_limit):
        raise TooManyMessagesError(
            f"An event's people can be written to {daily_limit} times a day; try again tomorrow.",
            retry_after="3600",
        )
    announcements.add(session, message(id, event_id, subject, text))


async def next_announcement(
    session: Session, *, most_waiting: int, lease_seconds: float
) -> Leased | None:
    """An announcement to go on with; None: there is none, or enough mails wait already."""
    if await mails.waiting(session, Lane.MANY, most_waiting) >= most_waiting:
        return None
    return await announcements.lease(session, lease_seconds=lease_seconds)


async def tell_slice(
    session: Session, leased: Leased, event: Event, guests: Sequence[Guest], *, is_last: bool
) -> None:
    """Writes to a slice of those who go, and notes how far that has come, in one commit."""
    known = await people.find(session, {guest.customer_id for guest in guests})
    own = {id: person.email for id, person in known.items()}
    written = drafts(leased.announcement, event, guests, own)
    last = guests[-1].booking_id if guests else leased.after
    if await announcements.advance(session, leased, last=last, told=len(written), done=is_last):
        news.tell(session, written)
