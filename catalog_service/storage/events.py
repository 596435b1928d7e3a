"""Tables `event`, `tier` and `tier_section`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any
from uuid import UUID

from catalog_service.domain import (
    Availability,
    Event,
    EventDraft,
    Image,
    Moved,
    Person,
    Rating,
    RefundPolicy,
    Tier,
    TierDraft,
    Venue,
    indexed,
    lowest_price,
    plain,
)
from catalog_service.storage.venues import FIND_VENUES, find_venue, venue_of_row
from chassis.database import Row as DatabaseRow
from chassis.database import Session
from chassis.ids import uuid7

_ADD_EVENT = """
INSERT INTO event (id, organizer_id, title, description, category, venue_id, location, starts_at,
                   ends_at, doors_at, timezone, currency, max_per_customer, sales_from, sales_to,
                   refund_until_hours, refund_percent, tax_basis_points, terms, min_price)
VALUES (:id, :organizer_id, :title, :description, :category, :venue_id, :location, :starts_at,
        :ends_at, :doors_at, :timezone, :currency, :max_per_customer, :sales_from, :sales_to,
        :refund_until_hours, :refund_percent, :tax_basis_points, :terms, :min_price)
"""
_UPDATE_EVENT = """
UPDATE event SET title = :title, description = :description, category = :category,
       venue_id = :venue_id, location = :location, starts_at = :starts_at, ends_at = :ends_at,
       doors_at = :doors_at, timezone = :timezone, currency = :currency,
       max_per_customer = :max_per_customer, sales_from = :sales_from, sales_to = :sales_to,
       refund_until_hours = :refund_until_hours, refund_percent = :refund_percent,
       tax_basis_points = :tax_basis_points, terms = :terms, min_price = :min_price,
       version = version + 1
 WHERE id = :id
"""
# What it is found by says the venue's name and city too.
_SAID = """
SELECT event.id, event.title, event.description, coalesce(hall.city, '') AS city,
       concat_ws(' ', event.location, hall.name, hall.city) AS place
  FROM event LEFT JOIN venue AS hall ON hall.id = event.venue_id
"""
_SAID_OF = _SAID + " WHERE event.id = ANY(:ids)"
_SAID_NEXT = _SAID + " WHERE event.id > :after ORDER BY event.id LIMIT :limit FOR UPDATE OF event"
_SET_WORDS = """
UPDATE event SET city = found_by.city, search = CAST(found_by.search AS tsvector)
  FROM unnest(CAST(:ids AS uuid[]), CAST(:cities AS text[]), CAST(:searches AS text[]))
    AS found_by (id, city, search)
 WHERE event.id = found_by.id
"""
# Who edits an event reads its venue as it is by now: only a move is still to be told.
_FOLLOWED_VENUE = "UPDATE event SET venue_changed = venue_moved WHERE id = :id AND venue_changed"
_LAST_REWORDED = "SELECT after FROM rewording FOR UPDATE SKIP LOCKED"
_REWORDED = "UPDATE rewording SET after = :after"
_ALL_REWORDED = "DELETE FROM rewording"
_ADD_AVAILABILITY = "INSERT INTO availability (event_id, status) VALUES (:id, 'DRAFT')"
_ADD_TIER = """
INSERT INTO tier (id, event_id, position, name, price, capacity)
VALUES (:id, :event_id, :position, :name, :price, :capacity)
"""
_ADD_TIER_SECTION = """
INSERT INTO tier_section (event_id, section_id, tier_id, venue_id)
VALUES (:event_id, :section_id, :tier_id, :venue_id)
"""
_DROP_TIER_SECTIONS = "DELETE FROM tier_section WHERE event_id = :id"
_DROP_TIERS = "DELETE FROM tier WHERE event_id = :id"
_UPDATE_TIER = """
UPDATE tier SET price = :price, capacity = :capacity WHERE id = :id AND event_id = :event_id
"""
# Each edit of capacities, and each question after them, has the next number. Looked into after 15
# seconds: an RPC is over by then, and one that was held up longer has no effect after the question.
_ASK_CAPACITY = """
UPDATE event SET capacity_asked = capacity_asked + 1,
       capacity_due_at = clock_timestamp() + interval '15 seconds'
 WHERE id = :id RETURNING capacity_asked
"""
# An older outcome that arrives late never overwrites a newer one; and while a newer edit is under
# way, its end is still waited for.
_NOTE_CAPACITY = """
UPDATE event SET capacity_version = :version,
       capacity = coalesce(CAST(:capacity AS integer), capacity),
       capacity_due_at = CASE WHEN capacity_asked > :version THEN capacity_due_at END
 WHERE id = :id AND capacity_version < :version
"""
_TAKE_UNSETTLED = """
UPDATE event SET capacity_asked = capacity_asked + 1,
       capacity_due_at = clock_timestamp() + interval '1 minute'
 WHERE id IN (SELECT id FROM event WHERE capacity_due_at <= clock_timestamp()
               ORDER BY capacity_due_at LIMIT :limit FOR UPDATE SKIP LOCKED)
RETURNING id, capacity_asked AS version
"""
_MOVE = """
UPDATE event SET moved_at = statement_timestamp(), moved_version = version,
       cancel_until = least(statement_timestamp() + make_interval(secs => :seconds), starts_at)
 WHERE id = :id
"""
_SET_CAPACITY = "UPDATE tier SET capacity = :capacity WHERE id = :id AND event_id = :event_id"
_NEWER = "UPDATE event SET version = version + 1 WHERE id = :id"
# Tiers come with the event in one statement, so that they are of the version it says. What is over
# shows as that at once, though the loop that writes it comes by a moment later.
_SALES_OPEN = """
       event.status = 'PUBLISHED' AND now() >= coalesce(event.sales_from, '-infinity')
           AND now() < coalesce(event.sales_to, event.starts_at)
"""
_SHOWN_STATUS = """
       CASE WHEN event.status = 'PUBLISHED' AND event.ends_at <= now() THEN 'COMPLETED'
            ELSE event.status END
"""
EVENT = f"""
SELECT event.id, event.organizer_id, event.title, event.description, event.category,
       event.venue_id, event.location, event.starts_at, event.ends_at, event.doors_at,
       event.timezone, event.currency, event.max_per_customer, event.sales_from, event.sales_to,
       event.refund_until_hours, event.refund_percent, event.tax_basis_points, event.terms,
       event.capacity, event.capacity_version, event.cancel_reason, event.version,
       event.created_at, event.updated_at, event.moved_at, event.moved_version,
       event.cancel_until, event.rating_sum, event.rating_count, availability.available,
       availability.capacity AS places,
       {_SALES_OPEN} AS sales_open, {_SHOWN_STATUS} AS shown_status,
       (SELECT json_agg(json_build_object(
                   'id', tier.id, 'name', tier.name, 'price', tier.price,
                   'capacity', tier.capacity,
                   'section_ids', ARRAY(SELECT section_id FROM tier_section
                                         WHERE tier_section.event_id = event.id
                                           AND tier_section.tier_id = tier.id
                                         ORDER BY section_id))
                   ORDER BY tier.position)
          FROM tier WHERE tier.event_id = event.id) AS tiers,
       (SELECT json_agg(json_build_object(
                   'id', image.id, 'role', image.role, 'widths', image.widths,
                   'width', image.width, 'height', image.height)
                   ORDER BY image.role, image.slot)
          FROM image WHERE image.event_id = event.id AND image.state = 'STORED') AS images
"""  # noqa: S608 - put together from constants
# Whatever EVENT and the venue show is in it: by its version, or by itself where that does not rise.
_STAMPS = f"""
SELECT event.id, md5(concat_ws(' ', event.version, hall.version, {_SHOWN_STATUS},
           {_SALES_OPEN}, availability.available, availability.capacity, event.capacity,
           event.rating_sum, event.rating_count,
           (SELECT string_agg(image.id::text, ' ' ORDER BY image.role, image.slot)
              FROM image WHERE image.event_id = event.id AND image.state = 'STORED'))) AS stamp
  FROM event JOIN availability ON event_id = event.id LEFT JOIN venue AS hall ON hall.id = venue_id
 WHERE event.id = ANY(:ids) AND event.status <> 'DRAFT'
"""  # noqa: S608 - put together from constants
_FIND_EVENT = EVENT + " FROM event JOIN availability ON event_id = event.id WHERE event.id = :id"
_FIND_EVENTS = (
    EVENT + " FROM event JOIN availability ON event_id = event.id WHERE event.id = ANY(:ids)"
)
_LOCK_EVENT = "SELECT version FROM event WHERE id = :id FOR UPDATE"
# Of any number who publish at once, one finds a draft; the others wait for it and find none.
_START_PUBLISHING = """
UPDATE event SET status = 'PUBLISHING', version = version + 1, open_tries = 1,
       open_due_at = clock_timestamp() + interval '15 seconds'
 WHERE id = :id AND status = 'DRAFT' AND organizer_id = :person
"""
# A cancellation that came first is not undone by inventory's late answer.
_FINISH_PUBLISHING = """
UPDATE event SET status = 'PUBLISHED', version = version + 1, open_due_at = NULL,
       capacity = told.capacity
  FROM unnest(CAST(:ids AS uuid[]), CAST(:capacities AS integer[])) AS told (id, capacity)
 WHERE event.id = told.id AND status = 'PUBLISHING'
RETURNING event.id
"""
# Leased by pushing the next time into the future, later each time: another process passes it by.
_TAKE_UNOPENED = """
UPDATE event SET open_tries = open_tries + 1,
       open_due_at = clock_timestamp()
           + least(interval '15 seconds' * 2 ^ least(open_tries, 10), interval '1 hour')
 WHERE id = (SELECT id FROM event WHERE status = 'PUBLISHING' AND open_due_at <= clock_timestamp()
              ORDER BY open_due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id
"""
_CANCEL_EVENT = """
UPDATE event SET status = 'CANCELLED', version = version + 1, open_due_at = NULL,
       cancel_reason = :reason
 WHERE id = :id AND (organizer_id = :person OR :is_admin)
   AND (status = 'PUBLISHING' OR (status = 'PUBLISHED' AND ends_at > clock_timestamp()))
"""
_COMPLETE_EVENTS = """
UPDATE event SET status = 'COMPLETED', version = version + 1
 WHERE id IN (SELECT id FROM event WHERE status = 'PUBLISHED' AND ends_at <= clock_timestamp()
               ORDER BY ends_at LIMIT :limit FOR UPDATE SKIP LOCKED)
"""
# Which of them are still on sale and moved with it is seen before that is forgotten.
_FOLLOW_VENUES = """
WITH taken AS MATERIALIZED (
    SELECT id, venue_moved AND status = 'PUBLISHED' AND starts_at > clock_timestamp() AS is_moved
      FROM event WHERE venue_changed ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED
)
UPDATE event SET venue_changed = false, venue_moved = false, version = event.version + 1
  FROM taken
 WHERE event.id = taken.id
RETURNING event.id, event.status, taken.is_moved
"""
_DROP_IMAGES = """
UPDATE image SET state = 'DELETED', slot = NULL, event_id = NULL WHERE event_id = :id
"""
_DROP_EVENT = "DELETE FROM event WHERE id = :id"  # and what is told of it, by its key
_COUNT_EVENTS = """
SELECT count(*) AS total,
       count(*) FILTER (WHERE status = 'PUBLISHED' AND ends_at > now()) AS active
  FROM event WHERE organizer_id = coalesce(CAST(:organizer_id AS uuid), organizer_id)
"""


async def add_event(
    session: Session, organizer_id: UUID, draft: EventDraft, tiers: Sequence[TierDraft]
) -> UUID:
    """Stores a draft with its tiers; gives its id."""
    id = uuid7()
    await session.execute(_ADD_EVENT, id=id, organizer_id=organizer_id, **_facts(draft, tiers))
    session.defer(_ADD_AVAILABILITY, id=id)
    await _set_words(session, [id])
    await _add_tiers(session, id, draft.venue_id, tiers)
    return id


def lock_event(session: Session, id: UUID) -> None:
    """Lets nobody else change the event until the transaction ends."""
    session.defer(_LOCK_EVENT, id=id)


async def update_draft(
    session: Session, id: UUID, draft: EventDraft, tiers: Sequence[TierDraft]
) -> None:
    """Stores a locked draft as it shall be; tiers that were there keep their ids."""
    session.defer(_DROP_TIER_SECTIONS, id=id)
    session.defer(_DROP_TIERS, id=id)
    await session.execute(_UPDATE_EVENT, id=id, **_facts(draft, tiers))
    session.defer(_FOLLOWED_VENUE, id=id)
    await _set_words(session, [id])
    await _add_tiers(session, id, draft.venue_id, tiers)


async def update_on_sale(
    session: Session, id: UUID, draft: EventDraft, tiers: Sequence[TierDraft]
) -> None:
    """Stores a locked event on sale as it shall be."""
    await session.execute(_UPDATE_EVENT, id=id, **_facts(draft, tiers))
    session.defer(_FOLLOWED_VENUE, id=id)
    await _set_words(session, [id])
    await session.execute_many(
        _UPDATE_TIER,
        [
            {"id": tier.id, "event_id": id, "price": tier.price, "capacity": tier.capacity}
            for tier in tiers
        ],
    )


async def ask_capacity(session: Session, id: UUID) -> int:
    """Notes that inventory is asked for an edit of capacities; gives the edit's number."""
    return int(await session.scalar(_ASK_CAPACITY, id=id))


async def note_capacity(session: Session, id: UUID, version: int, whole: int | None) -> None:
    """Notes how an edit of capacities ended, and what there is in `whole`; None: as it was."""
    await session.execute(_NOTE_CAPACITY, id=id, version=version, capacity=whole)


async def set_capacities(session: Session, id: UUID, capacities: Mapping[UUID, int]) -> None:
    """Stores what tiers of a locked event have."""
    session.defer(_NEWER, id=id)
    await session.execute_many(
        _SET_CAPACITY,
        [
            {"id": tier_id, "event_id": id, "capacity": capacity}
            for tier_id, capacity in capacities.items()
        ],
    )


async def take_unsettled(session: Session, limit: int) -> Mapping[UUID, int]:
    """Events an edit of whose capacities may have ended unseen, with the question's number."""
    rows = await session.all(_TAKE_UNSETTLED, limit=limit)
    return {row.id: row.version for row in rows}


async def move(session: Session, id: UUID, released_for: timedelta) -> None:
    """Notes of a locked event, stored as it is now, that its time or place changed."""
    await session.execute(_MOVE, id=id, seconds=released_for.total_seconds())


async def drop_draft(session: Session, id: UUID) -> None:
    """Deletes a locked draft and what belongs to it; its pictures wait for their files to go."""
    for statement in (_DROP_TIER_SECTIONS, _DROP_TIERS, _DROP_IMAGES):
        session.defer(statement, id=id)
    await session.execute(_DROP_EVENT, id=id)


async def _set_words(session: Session, ids: Sequence[UUID]) -> None:
    """Lets locked events be found by what they and their venues say now."""
    if ids:
        _store_words(session, await session.all(_SAID_OF, ids=ids))


async def reword_some(session: Session, limit: int) -> int:
    """Lets the next events, at most `limit`, be found by the rule of now; how many those were.

    0: all are, or somebody else goes on.
    """
    after: UUID | None = await session.scalar(_LAST_REWORDED)
    if after is None:
        return 0
    rows = await session.all(_SAID_NEXT, after=after, limit=limit)
    if rows:
        _store_words(session, rows)
        session.defer(_REWORDED, after=rows[-1].id)
    else:
        session.defer(_ALL_REWORDED)
    return len(rows)


def _store_words(session: Session, said: Sequence[DatabaseRow]) -> None:
    session.defer(
        _SET_WORDS,
        ids=[row.id for row in said],
        cities=[plain(row.city) for row in said],
        searches=[indexed(row.title, row.place, row.description) for row in said],
    )


def _facts(draft: EventDraft, tiers: Sequence[TierDraft]) -> Mapping[str, Any]:
    facts = asdict(draft)
    policy = facts.pop("refund_policy")
    return {
        **facts,
        "refund_until_hours": policy["until_hours_before"],
        "refund_percent": policy["percent"],
        "min_price": lowest_price(tiers),
    }


async def _add_tiers(
    session: Session, event_id: UUID, venue_id: UUID | None, tiers: Sequence[TierDraft]
) -> None:
    stored = [(tier.id or uuid7(), tier) for tier in tiers]
    await session.execute_many(
        _ADD_TIER,
        [
            {
                "id": tier_id,
                "event_id": event_id,
                "position": position,
                "name": tier.name,
                "price": tier.price,
                "capacity": tier.capacity,
            }
            for position, (tier_id, tier) in enumerate(stored)
        ],
    )
    await session.execute_many(
        _ADD_TIER_SECTION,
        [
            {
                "event_id": event_id,
                "section_id": section_id,
                "tier_id": tier_id,
                "venue_id": venue_id,
            }
            for tier_id, tier in stored
            for section_id in tier.section_ids
        ],
    )


async def find_event(session: Session, id: UUID) -> Event | None:
    """The event with its venue, whose sections come without their rows."""
    row = await session.first(_FIND_EVENT, id=id)
    if row is None:
        return None
    return event_of_row(row, row.venue_id and await find_venue(session, row.venue_id))


async def stamps(session: Session, ids: Sequence[UUID]) -> Mapping[UUID, str]:
    """What stands for everything that is shown of those events, drafts left out."""
    return {row.id: row.stamp for row in await session.all(_STAMPS, ids=ids)}


async def find_events(session: Session, ids: Sequence[UUID]) -> Sequence[Event]:
    """Those events, in any order; their venues without sections."""
    return await with_venues(session, await session.all(_FIND_EVENTS, ids=ids))


async def with_venues(session: Session, rows: Sequence[DatabaseRow]) -> Sequence[Event]:
    """The events of rows of `EVENT`, their venues without sections."""
    venue_ids = list({row.venue_id for row in rows if row.venue_id})
    found = await session.all(FIND_VENUES, ids=venue_ids) if venue_ids else ()
    venues = {row.id: venue_of_row(row, ()) for row in found}
    return [event_of_row(row, venues.get(row.venue_id)) for row in rows]


async def start_publishing(session: Session, id: UUID, person: Person) -> bool:
    """Takes the person's own event from DRAFT to PUBLISHING; False where it is no such draft."""
    result = await session.execute(_START_PUBLISHING, id=id, person=person.id)
    return result.rowcount == 1


async def finish_publishing(session: Session, capacities: Mapping[UUID, int]) -> Sequence[UUID]:
    """Takes events from PUBLISHING to PUBLISHED; those that were PUBLISHING."""
    rows = await session.all(
        _FINISH_PUBLISHING, ids=list(capacities), capacities=list(capacities.values())
    )
    return [row.id for row in rows]


async def take_unopened(session: Session) -> UUID | None:
    """An event that inventory was asked to open and has not answered for in time."""
    id: UUID | None = await session.scalar(_TAKE_UNOPENED)
    return id


async def cancel_event(session: Session, id: UUID, person: Person, reason: str) -> bool:
    """Calls off an event on sale; False where it is none, or not the person's to call off."""
    result = await session.execute(
        _CANCEL_EVENT, id=id, person=person.id, is_admin=person.is_admin, reason=reason
    )
    return result.rowcount == 1


async def complete_events(session: Session, limit: int) -> int:
    """Writes of events that are over that they are, at most `limit`; gives how many."""
    return (await session.execute(_COMPLETE_EVENTS, limit=limit)).rowcount


async def follow_venues(session: Session, limit: int) -> Mapping[UUID, tuple[str, bool]]:
    """Lets events be found by their venue's new name, at most `limit`.

    Gives each one's status, and whether it was moved with the venue while it was on sale.
    """
    rows = await session.all(_FOLLOW_VENUES, limit=limit)
    await _set_words(session, [row.id for row in rows])
    return {row.id: (row.status, row.is_moved) for row in rows}


async def count_events(session: Session, organizer_id: UUID | None) -> tuple[int, int]:
    """How many are on sale and not over, and how many there are; of one person, or of all."""
    row = await session.one(_COUNT_EVENTS, organizer_id=organizer_id)
    return row.active, row.total


def event_of_row(row: DatabaseRow, venue: Venue | None) -> Event:
    """The event that a row of `EVENT` tells of."""
    draft = EventDraft(
        title=row.title,
        description=row.description,
        category=row.category,
        venue_id=row.venue_id,
        location=row.location,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        doors_at=row.doors_at,
        timezone=row.timezone,
        currency=row.currency,
        max_per_customer=row.max_per_customer,
        sales_from=row.sales_from,
        sales_to=row.sales_to,
        refund_policy=RefundPolicy(row.refund_until_hours, row.refund_percent),
        tax_basis_points=row.tax_basis_points,
        terms=row.terms,
    )
    tiers = [
        Tier(
            UUID(tier["id"]),
            tier["name"],
            tier["price"],
            [UUID(id) for id in tier["section_ids"]],
            tier["capacity"],
        )
        for tier in row.tiers or ()
    ]
    was_opened = row.capacity > 0
    return Event(
        id=row.id,
        organizer_id=row.organizer_id,
        status=row.shown_status,
        draft=draft,
        tiers=tiers,
        venue=venue,
        capacity=row.capacity,
        cancel_reason=row.cancel_reason,
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
        capacity_version=row.capacity_version,
        moved=Moved(row.moved_at, row.cancel_until, row.moved_version)
        if row.moved_version
        else None,
        availability=Availability(row.available, row.places, row.sales_open)
        if was_opened
        else None,
        rating=Rating(row.rating_sum, row.rating_count) if row.rating_count else None,
        images=[Image(**{**image, "id": UUID(image["id"])}) for image in row.images or ()],
    )
