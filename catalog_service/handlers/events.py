"""Events, from draft to cancellation or end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from catalog_service import domain, opening
from catalog_service.domain import (
    CapacityEdit,
    EditedEvent,
    Event,
    EventChange,
    EventDraft,
    EventNotFoundError,
    EventStateError,
    ForbiddenError,
    OvertakenError,
    Person,
    TierDraft,
    VenueNotFoundError,
)
from catalog_service.storage import availability, events, venues
from chassis.database import Session
from chassis.logs import get_logger

log = get_logger(__name__)

# How many events a transaction of the caretaker's takes.
_BATCH = 100


async def create_event(
    session: Session, person: Person, draft: EventDraft, tiers: Sequence[TierDraft]
) -> Event:
    """Makes a draft of the person's, at a venue of their own (an admin's: at any) or at none.

    Raises:
        InvalidEventError, VenueNotFoundError, SectionNotFoundError
    """
    domain.check_event(draft, tiers, await session.now())
    draft = await _at_venue(session, person, draft, tiers)
    event_id = await events.add_event(session, person.id, draft, tiers)
    event = await get_event(session, person, event_id)
    session.send(opening.drafting(event))
    return event


async def _at_venue(
    session: Session, person: Person, draft: EventDraft, tiers: Sequence[TierDraft]
) -> EventDraft:
    """The draft with the time zone of where it is, if that is a venue of the person's."""
    if draft.venue_id is None:
        return draft
    venues.keep_venue(session, draft.venue_id)
    venue = await venues.find_venue(session, draft.venue_id)
    if venue is None or not person.runs(venue.owner_id):
        raise VenueNotFoundError
    domain.check_sections(tiers, venue.sections)
    return replace(draft, timezone=draft.timezone or venue.draft.timezone)


async def plan_edit(
    session: Session, person: Person, event_id: UUID, change: EventChange
) -> tuple[Event, EditedEvent]:
    """The event, and as the change would have it; changes nothing.

    Raises:
        EventNotFoundError: there is none, or it is another's.
        StaleVersionError, EventStateError, InvalidEventError
    """
    event = await events.find_event(session, event_id)
    if event is None or not event.is_run_by(person):
        raise EventNotFoundError
    return event, domain.edited(event, change, await session.now())


async def ask_capacity(
    session: Session, person: Person, event_id: UUID, change: EventChange
) -> CapacityEdit | None:
    """What inventory must be asked to have before the event can be changed; None: nothing.

    Commit it before asking. Where the end of it is never written down, the caretaker looks into it.

    Raises:
        EventNotFoundError, StaleVersionError, EventStateError, InvalidEventError
    """
    events.lock_event(session, event_id)
    _event, edited = await plan_edit(session, person, event_id, change)
    if not edited.capacities:
        return None
    version = await events.ask_capacity(session, event_id)
    return CapacityEdit(event_id, edited.capacities, version)


async def edit_event(
    session: Session,
    person: Person,
    event_id: UUID,
    change: EventChange,
    *,
    made: CapacityEdit | None = None,
    whole: int = 0,
    released_for: timedelta = domain.RELEASED_FOR,
) -> Event:
    """Changes an own event (an admin: any); everybody is told of one on sale.

    `made` is what `ask_capacity` gave once inventory has it, which has the `whole` then. For so
    long whoever had bought is `released_for` where the start changes.

    Raises:
        EventNotFoundError, StaleVersionError, EventStateError, InvalidEventError,
        VenueNotFoundError, SectionNotFoundError
        OvertakenError: inventory is still to be asked, or a later edit has had its word.
    """
    venues.keep_venue_of_event(session, event_id)
    events.lock_event(session, event_id)
    event, edited = await plan_edit(session, person, event_id, change)
    if edited.capacities and (made is None or made.version <= event.capacity_version):
        raise OvertakenError
    draft, tiers = edited.draft, edited.tiers
    if event.status == "DRAFT":
        draft = await _at_venue(session, person, draft, tiers)
    if made:
        await events.note_capacity(session, event_id, made.version, whole)
    is_same = (draft, tiers) == (event.draft, [tier.draft for tier in event.tiers])
    if is_same and (made is None or whole == event.capacity):
        return event
    if event.status == "DRAFT":
        await events.update_draft(session, event_id, draft, tiers)
        changed = await get_event(session, person, event_id)
        session.send(opening.drafting(changed))
        return changed
    await events.update_on_sale(session, event_id, draft, tiers)
    is_moved = draft.starts_at != event.draft.starts_at
    if is_moved:
        await events.move(session, event_id, released_for)
    changed = await get_event(session, person, event_id)
    session.send(opening.announcement(changed))
    if is_moved:
        session.send(opening.Move(changed, event.draft.starts_at))
    return changed


async def take_back_capacity(session: Session, made: CapacityEdit) -> CapacityEdit | None:
    """The edit that undoes one that inventory carried out, for the event was not changed so.

    None where a later one has had its word.
    """
    events.lock_event(session, made.event_id)
    event = await events.find_event(session, made.event_id)
    if event is None or event.capacity_version >= made.version:
        return None
    said = {tier.id: tier.capacity for tier in event.tiers}
    version = await events.ask_capacity(session, made.event_id)
    return CapacityEdit(made.event_id, said, version, instead_of=made.version)


async def capacity_settled(session: Session, has: CapacityEdit, whole: int) -> None:
    """Inventory says what counted tiers have; a `whole` of 0: it never opened the event."""
    events.lock_event(session, has.event_id)
    event = await events.find_event(session, has.event_id)
    if event is None or has.version <= event.capacity_version:
        return
    await events.note_capacity(session, has.event_id, has.version, whole or None)
    other = {
        tier.id: has.capacities[tier.id]
        for tier in event.tiers
        if has.capacities.get(tier.id, tier.capacity) != tier.capacity
    }
    if other:
        log.warning("capacities follow inventory's", event_id=has.event_id, version=has.version)
        await events.set_capacities(session, has.event_id, other)


async def delete_event(session: Session, person: Person, event_id: UUID, expected: int) -> None:
    """Deletes an own draft (an admin: any) with its tiers and pictures.

    Raises:
        EventNotFoundError: there is none, or it is another's.
        StaleVersionError: it is not the version `expected` (0: whichever).
        EventStateError: it is no draft.
    """
    events.lock_event(session, event_id)
    event = await events.find_event(session, event_id)
    if event is None or not event.is_run_by(person):
        raise EventNotFoundError
    domain.check_version(event.version, expected)
    if event.status != "DRAFT":
        raise EventStateError(
            "Only a draft can be deleted; what is on sale can be called off.", status=event.status
        )
    await events.drop_draft(session, event_id)


async def publish_event(session: Session, person: Person, event_id: UUID) -> Event:
    """Puts the person's own draft on sale; one that is on sale is answered as it is.

    Raises:
        EventNotFoundError, EventNotPublishableError
        EventStateError: it was called off.
    """
    venues.keep_venue_of_event(session, event_id)
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


async def _ask_to_open(session: Session, event: Event, *, is_new: bool) -> None:
    venue_id = event.draft.venue_id
    if venue_id:
        venues.keep_venue(session, venue_id)
    sections = await venues.list_sections(session, venue_id, with_rows=True) if venue_id else ()
    if is_new:
        domain.check_publishable(event, sections, await session.now())
    session.send(opening.opening(event, sections))


async def events_opened(session: Session, capacities: Mapping[UUID, int]) -> None:
    """Events' places are on sale, so they are published; unless they were called off meanwhile."""
    published = await events.finish_publishing(session, capacities)
    if published:
        availability.open_all(session, {id: capacities[id] for id in published})
        for event in await events.find_events(session, published):
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
        session.send(opening.Cancellation(event_id, event.organizer_id, reason))
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


async def read_events(
    session: Session, known: Mapping[UUID, str]
) -> Mapping[UUID, tuple[str, Event | None]]:
    """The stamps of those of the events that anybody may know of; with what has another than known.

    What changes between a stamp and its event is seen the next time, for then the stamp differs.
    """
    found: dict[UUID, tuple[str, Event | None]] = {}
    for event_id, stamp in (await events.stamps(session, list(known))).items():
        is_known = known[event_id] == stamp
        found[event_id] = (stamp, None if is_known else await events.find_event(session, event_id))
    return found


async def count_events(session: Session, person: Person, *, own_only: bool) -> tuple[int, int]:
    """How many of one's own events are on sale and how many there are; an admin: of all.

    Raises:
        ForbiddenError: all of them are for admins.
    """
    if not (own_only or person.is_admin):
        raise ForbiddenError("Only an admin counts everybody's events.")
    return await events.count_events(session, person.id if own_only else None)


# --- what the caretaker does -------------------------------------------------------------------


async def settle_capacities(session: Session) -> bool:
    """Asks inventory what some events have whose edits may have ended unseen; whether more may."""
    taken = await events.take_unsettled(session, _BATCH)
    for event_id, version in taken.items():
        session.send(opening.CapacityQuestion(event_id, version))
    return len(taken) == _BATCH


async def ask_again(session: Session) -> UUID | None:
    """Sends inventory's command once more for an event it has not answered for; gives its id."""
    event_id = await events.take_unopened(session)
    event = event_id and await events.find_event(session, event_id)
    if not event:
        return None
    await _ask_to_open(session, event, is_new=False)
    return event_id


async def complete_events(session: Session) -> bool:
    """Writes of some events that are over that they are; says whether more may be."""
    return await events.complete_events(session, _BATCH) == _BATCH


async def reword_some(session: Session) -> bool:
    """Lets some events be found by the rule of now; whether more may still be to do."""
    return bool(await events.reword_some(session, _BATCH))


async def follow_venues(session: Session, *, released_for: timedelta = domain.RELEASED_FOR) -> bool:
    """Tells again of some events whose venue has another name or address; whether more may have."""
    followed = await events.follow_venues(session, _BATCH)
    on_sale = [event_id for event_id, (status, _) in followed.items() if status == "PUBLISHED"]
    for event_id, (_, is_moved) in followed.items():
        if is_moved:
            await events.move(session, event_id, released_for)
    for event in await events.find_events(session, on_sale) if on_sale else ():
        session.send(opening.announcement(event))
        if followed[event.id][1]:
            session.send(opening.Move(event))
    return len(followed) == _BATCH
