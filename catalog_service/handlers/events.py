"""Events, from draft to cancellation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from catalog_service import domain, opening
from catalog_service.domain import (
    Event,
    EventDraft,
    EventNotFoundError,
    EventStateError,
    Person,
    TierDraft,
    VenueNotFoundError,
)
from catalog_service.storage import clock, events, venues
from chassis.database import Session


async def create_event(
    session: Session, person: Person, draft: EventDraft, tiers: Sequence[TierDraft]
) -> Event:
    """Makes a draft of the person's, at a venue of their own (an admin's: at any) or at none.

    Raises:
        InvalidEventError, VenueNotFoundError, SectionNotFoundError
    """
    domain.check_event(draft, tiers, await clock.now(session))
    timezone = draft.timezone or "UTC"
    if draft.venue_id is not None:
        venue = await venues.find_venue(session, draft.venue_id)
        if venue is None or not (person.is_admin or venue.owner_id == person.id):
            raise VenueNotFoundError
        domain.check_sections(tiers, venue.sections)
        timezone = draft.timezone or venue.draft.timezone
    id = await events.add_event(session, person.id, replace(draft, timezone=timezone), tiers)
    return await get_event(session, person, id)


async def publish_event(session: Session, person: Person, event_id: UUID) -> Event:
    """Puts the person's own draft on sale; one that is on sale is answered as it is.

    Raises:
        EventNotFoundError, EventNotPublishableError
        EventStateError: it was called off.
    """
    claimed = await events.start_publishing(session, event_id, person)
    event = await events.find_event(session, event_id)
    if event is None or event.organizer_id != person.id:
        raise EventNotFoundError
    if claimed:
        # Checked with the row in hand: a refusal rolls the claim back.
        await _ask_to_open(session, event, is_new=True)
    elif event.status == "CANCELLED":
        raise EventStateError("The event was called off.", status=event.status)
    return event


async def ask_again(session: Session) -> UUID | None:
    """Sends inventory's command once more for an event it has not answered for; gives its id."""
    event_id = await events.take_unopened(session)
    event = event_id and await events.find_event(session, event_id)
    if not event:
        return None
    await _ask_to_open(session, event, is_new=False)
    return event_id


async def _ask_to_open(session: Session, event: Event, *, is_new: bool) -> None:
    venue_id = event.draft.venue_id
    sections = await venues.list_sections(session, venue_id, with_rows=True) if venue_id else ()
    if is_new:
        domain.check_publishable(event, sections, await clock.now(session))
    session.send(opening.opening(event, sections))


async def event_opened(session: Session, event_id: UUID, capacity: int) -> None:
    """The event's places are on sale, so it is published; unless it was called off meanwhile."""
    if await events.finish_publishing(session, event_id, capacity):
        event = await events.find_event(session, event_id)
        assert event is not None  # noqa: S101 - narrows the type: its row is locked
        session.send(opening.announcement(event))


async def cancel_event(session: Session, person: Person, event_id: UUID, reason: str) -> Event:
    """Calls off the person's own event (an admin's: any); one called off is answered as it is.

    Raises:
        InvalidEventError: no reason is given.
        EventNotFoundError: there is none, or it is another's.
        EventStateError: it is not on sale, or over.
    """
    domain.check_cancel_reason(reason)
    cancelled = await events.cancel_event(session, event_id, person, reason)
    event = await events.find_event(session, event_id)
    if event is None or not event.is_run_by(person):
        raise EventNotFoundError
    if cancelled:
        session.send(opening.Cancellation(event_id, reason))
    elif event.status != "CANCELLED":
        raise EventStateError("Only an event on sale can be called off.", status=event.status)
    return event


async def get_event(session: Session, viewer: Person | None, event_id: UUID) -> Event:
    """An event with its venue.

    Raises:
        EventNotFoundError: there is none the viewer may know of.
    """
    event = await events.find_event(session, event_id)
    if event is None or not event.is_seen_by(viewer):
        raise EventNotFoundError
    return event
