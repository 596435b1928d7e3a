"""Use cases: one transaction each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from catalog_service import domain, opening, storage
from catalog_service.domain import (
    Event,
    EventDraft,
    EventNotFoundError,
    EventSearch,
    EventStateError,
    Person,
    Section,
    SectionDraft,
    SectionNameTakenError,
    TierDraft,
    Venue,
    VenueDraft,
    VenueFullError,
    VenueNotFoundError,
)
from chassis.database import Session


async def create_venue(session: Session, person: Person, draft: VenueDraft) -> Venue:
    """Makes a venue of the person's.

    Raises:
        InvalidVenueError: it can't be like that.
    """
    domain.check_venue(draft)
    return await get_venue(session, await storage.add_venue(session, person.id, draft))


async def add_section(
    session: Session, person: Person, venue_id: UUID, draft: SectionDraft
) -> Section:
    """Adds a section to a venue; to another's only as an admin.

    Raises:
        InvalidSectionError, VenueNotFoundError, VenueFullError, SectionNameTakenError
    """
    domain.check_section(draft)
    if not await storage.make_room(session, venue_id, person, draft):
        venue = await storage.find_venue(session, venue_id)
        if venue is None or not (person.is_admin or venue.owner_id == person.id):
            raise VenueNotFoundError
        raise VenueFullError(
            f"A venue has at most {domain.MAX_SECTIONS} sections and {domain.MAX_SEATS:,} seats."
        )
    section = await storage.add_section(session, venue_id, draft)
    if section is None:
        raise SectionNameTakenError("The venue has a section of that name.")
    return section


async def get_venue(session: Session, venue_id: UUID) -> Venue:
    """A venue with its sections and their rows.

    Raises:
        VenueNotFoundError: there is none.
    """
    venue = await storage.find_venue(session, venue_id, with_rows=True)
    if venue is None:
        raise VenueNotFoundError
    return venue


async def list_venues(session: Session, limit: int, cursor: str) -> tuple[Sequence[Venue], str]:
    """A page of venues, newest first, and the cursor of the next; empty on the last.

    Raises:
        InvalidFilterError, InvalidCursorError
    """
    limit = domain.page_size(limit)
    venues = await storage.list_venues(session, domain.venue_of(cursor), limit + 1)
    page = venues[:limit]
    return page, domain.venue_after(page[-1]) if len(venues) > limit else ""


async def create_event(
    session: Session, person: Person, draft: EventDraft, tiers: Sequence[TierDraft]
) -> Event:
    """Makes a draft of the person's, at a venue of their own (an admin's: at any) or at none.

    Raises:
        InvalidEventError, VenueNotFoundError, SectionNotFoundError
    """
    domain.check_event(draft, tiers, await storage.now(session))
    timezone = draft.timezone or "UTC"
    if draft.venue_id is not None:
        venue = await storage.find_venue(session, draft.venue_id)
        if venue is None or not (person.is_admin or venue.owner_id == person.id):
            raise VenueNotFoundError
        domain.check_sections(tiers, venue.sections)
        timezone = draft.timezone or venue.draft.timezone
    id = await storage.add_event(session, person.id, replace(draft, timezone=timezone), tiers)
    return await get_event(session, person, id)


async def publish_event(session: Session, person: Person, event_id: UUID) -> Event:
    """Puts the person's own draft on sale; one that is on sale is answered as it is.

    Raises:
        EventNotFoundError, EventNotPublishableError
        EventStateError: it was called off.
    """
    claimed = await storage.start_publishing(session, event_id, person)
    event = await storage.find_event(session, event_id)
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
    event_id = await storage.take_unopened(session)
    event = event_id and await storage.find_event(session, event_id)
    if not event:
        return None
    await _ask_to_open(session, event, is_new=False)
    return event_id


async def _ask_to_open(session: Session, event: Event, *, is_new: bool) -> None:
    venue_id = event.draft.venue_id
    sections = await storage.list_sections(session, venue_id, with_rows=True) if venue_id else ()
    if is_new:
        domain.check_publishable(event, sections, await storage.now(session))
    session.send(opening.opening(event, sections))


async def event_opened(session: Session, event_id: UUID, capacity: int) -> None:
    """The event's places are on sale, so it is published; unless it was called off meanwhile."""
    if await storage.finish_publishing(session, event_id, capacity):
        event = await storage.find_event(session, event_id)
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
    cancelled = await storage.cancel_event(session, event_id, person, reason)
    event = await storage.find_event(session, event_id)
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
    event = await storage.find_event(session, event_id)
    if event is None or not event.is_seen_by(viewer):
        raise EventNotFoundError
    return event


async def list_events(
    session: Session, search: EventSearch, limit: int, cursor: str
) -> tuple[Sequence[Event], str]:
    """A page of events' summaries, and the cursor of the next; empty on the last.

    Raises:
        InvalidFilterError, InvalidCursorError
    """
    domain.check_filter(search)
    limit = domain.page_size(limit)
    after = domain.position_of(cursor, search.sort)
    events = await storage.list_events(session, search, after, limit + 1)
    page = [event.summary() for event in events[:limit]]
    return page, domain.position_after(page[-1], search.sort) if len(events) > limit else ""
