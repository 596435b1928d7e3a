"""Tables `venue`, `section`, `event`, `tier`, `tier_section`, and every query on them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from catalog_service.domain import (
    MAX_SEATS,
    MAX_SECTIONS,
    Event,
    EventDraft,
    EventSearch,
    Layout,
    Person,
    Position,
    RefundPolicy,
    Row,
    Section,
    SectionDraft,
    Tier,
    TierDraft,
    Venue,
    VenueDraft,
    lowest_price,
)
from chassis.database import Row as DatabaseRow
from chassis.database import Session
from chassis.ids import uuid7

# --- venues ------------------------------------------------------------------------------------

_ADD_VENUE = """
INSERT INTO venue (id, owner_id, name, address, city, country, timezone, said_capacity, amenities)
VALUES (:id, :owner_id, :name, :address, :city, :country, :timezone, :capacity, :amenities)
"""
_VENUE = """
SELECT id, owner_id, name, address, city, country, timezone, said_capacity, amenities,
       coalesce(said_capacity, seats + standing) AS capacity, version, created_at
  FROM venue
"""
_FIND_VENUES = _VENUE + " WHERE id = ANY(:ids)"
_LIST_VENUES = _VENUE + " WHERE id < :before ORDER BY id DESC LIMIT :limit"
# The row's lock lets one section in at a time, and the conditions count what is there by then.
_MAKE_ROOM = """
UPDATE venue SET sections = sections + 1, seats = seats + :seats, standing = standing + :standing,
       version = version + 1
 WHERE id = :id AND (owner_id = :person OR :is_admin)
   AND sections < :max_sections AND seats + :seats <= :max_seats
"""
_ADD_SECTION = """
INSERT INTO section (id, venue_id, name, kind, rows, capacity,
                     origin_x, origin_y, row_spacing, seat_spacing, curve)
VALUES (:id, :venue_id, :name, :kind, CAST(:rows AS jsonb), :capacity,
        :origin_x, :origin_y, :row_spacing, :seat_spacing, :curve)
    ON CONFLICT (venue_id, lower(name)) DO NOTHING
"""
# A section's id is a UUIDv7, so that this is the order in which they were added.
_LIST_SECTIONS = """
SELECT id, name, kind, CASE WHEN :with_rows THEN rows ELSE '[]' END AS rows, capacity,
       origin_x, origin_y, row_spacing, seat_spacing, curve
  FROM section WHERE venue_id = :venue_id ORDER BY id
"""


async def now(session: Session) -> datetime:
    """The database's clock, the only one that decides anything."""
    moment: datetime = await session.scalar("SELECT clock_timestamp()")
    return moment


async def add_venue(session: Session, owner_id: UUID, draft: VenueDraft) -> UUID:
    """Stores a venue; gives its id."""
    id = uuid7()
    facts = asdict(draft) | {"amenities": list(draft.amenities)}
    await session.execute(_ADD_VENUE, id=id, owner_id=owner_id, **facts)
    return id


async def find_venue(session: Session, id: UUID, *, with_rows: bool = False) -> Venue | None:
    """The venue with its sections, and their rows only where they are asked for."""
    row = await session.first(_FIND_VENUES, ids=[id])
    if row is None:
        return None
    return _venue(row, await list_sections(session, id, with_rows=with_rows))


async def list_venues(session: Session, before: UUID, limit: int) -> Sequence[Venue]:
    """Venues older than `before`, newest first, without their sections."""
    rows = await session.all(_LIST_VENUES, before=before, limit=limit)
    return [_venue(row, ()) for row in rows]


async def make_room(session: Session, venue_id: UUID, person: Person, draft: SectionDraft) -> bool:
    """Counts another section into a venue; False where the person may not, or there is no room."""
    result = await session.execute(
        _MAKE_ROOM,
        id=venue_id,
        person=person.id,
        is_admin=person.is_admin,
        seats=draft.places if draft.rows else 0,
        standing=0 if draft.rows else draft.places,
        max_sections=MAX_SECTIONS,
        max_seats=MAX_SEATS,
    )
    return result.rowcount == 1


async def add_section(session: Session, venue_id: UUID, draft: SectionDraft) -> Section | None:
    """Stores a section; None where the venue has one of that name."""
    section = Section(uuid7(), draft.name, draft.kind, draft.rows, draft.places, draft.layout)
    result = await session.execute(
        _ADD_SECTION,
        id=section.id,
        venue_id=venue_id,
        name=section.name,
        kind=section.kind,
        rows=json.dumps([{"label": row.label, "seats": list(row.seats)} for row in section.rows]),
        capacity=section.capacity,
        **asdict(section.layout),
    )
    return section if result.rowcount == 1 else None


async def list_sections(
    session: Session, venue_id: UUID, *, with_rows: bool = False
) -> Sequence[Section]:
    """A venue's sections in the order they were added."""
    rows = await session.all(_LIST_SECTIONS, venue_id=venue_id, with_rows=with_rows)
    return [
        Section(
            row.id,
            row.name,
            row.kind,
            [Row(part["label"], part["seats"]) for part in row.rows],
            row.capacity,
            Layout(row.origin_x, row.origin_y, row.row_spacing, row.seat_spacing, row.curve),
        )
        for row in rows
    ]


def _venue(row: DatabaseRow, sections: Sequence[Section]) -> Venue:
    draft = VenueDraft(
        row.name,
        row.address,
        row.city,
        row.country,
        row.timezone,
        row.said_capacity,
        row.amenities,
    )
    return Venue(row.id, row.owner_id, draft, row.capacity, sections, row.version, row.created_at)


# --- events ------------------------------------------------------------------------------------

_ADD_EVENT = """
INSERT INTO event (id, organizer_id, title, description, category, venue_id, location, starts_at,
                   ends_at, doors_at, timezone, currency, max_per_customer, sales_from, sales_to,
                   refund_until_hours, refund_percent, tax_basis_points, terms, min_price)
VALUES (:id, :organizer_id, :title, :description, :category, :venue_id, :location, :starts_at,
        :ends_at, :doors_at, :timezone, :currency, :max_per_customer, :sales_from, :sales_to,
        :refund_until_hours, :refund_percent, :tax_basis_points, :terms, :min_price)
"""
_ADD_TIER = """
INSERT INTO tier (id, event_id, position, name, price, capacity)
VALUES (:id, :event_id, :position, :name, :price, :capacity)
"""
_ADD_TIER_SECTION = """
INSERT INTO tier_section (event_id, section_id, tier_id, venue_id)
VALUES (:event_id, :section_id, :tier_id, :venue_id)
"""
_SHOWN_STATUS = """
CASE WHEN event.status = 'PUBLISHED' AND event.ends_at <= now() THEN 'COMPLETED'
     ELSE event.status END
"""
# Tiers come with the event in one statement, so that they are of the version it says.
_EVENT = (
    "SELECT event.*, "  # noqa: S608 - of constants alone
    + _SHOWN_STATUS
    + """ AS shown_status,
       (SELECT json_agg(json_build_object(
                   'id', tier.id, 'name', tier.name, 'price', tier.price,
                   'capacity', tier.capacity,
                   'section_ids', ARRAY(SELECT section_id FROM tier_section
                                         WHERE tier_section.event_id = event.id
                                           AND tier_section.tier_id = tier.id
                                         ORDER BY section_id))
                   ORDER BY tier.position)
          FROM tier WHERE tier.event_id = event.id) AS tiers
  FROM event LEFT JOIN venue ON venue.id = event.venue_id
"""
)
_FIND_EVENT = _EVENT + " WHERE event.id = :id"
# Of any number who publish at once, one finds a draft; the others wait for it and find none.
_START_PUBLISHING = """
UPDATE event SET status = 'PUBLISHING', version = version + 1, open_tries = 1,
       open_due_at = clock_timestamp() + interval '15 seconds'
 WHERE id = :id AND status = 'DRAFT' AND organizer_id = :person
"""
# A cancellation that came first is not undone by inventory's late answer.
_FINISH_PUBLISHING = """
UPDATE event SET status = 'PUBLISHED', version = version + 1, open_due_at = NULL,
       capacity = :capacity
 WHERE id = :id AND status = 'PUBLISHING'
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

# Lists: one constant statement for each scope and sort, so that a prepared plan walks the index of
# its sort from the cursor on.
_SCOPES: Mapping[str, str] = {
    # No event is longer than 366 days: the walk does not begin in the years before.
    "PUBLISHED": "event.status = 'PUBLISHED' AND event.ends_at > now()"
    " AND event.starts_at > now() - interval '8784 hours'",
    "COMPLETED": "event.status = 'PUBLISHED' AND event.ends_at <= now()",
    "CANCELLED": "event.status = 'CANCELLED'",
    "OWN": "event.organizer_id = :owner_id AND :status IN ('', " + _SHOWN_STATUS + ")",
}
_NARROWED = """
   AND (CAST(:category AS text) = '' OR event.category = :category)
   AND (CAST(:city AS text) = '' OR lower(venue.city) = lower(:city))
   AND event.starts_at >= coalesce(CAST(:starts_from AS timestamptz), '-infinity')
   AND event.starts_at < coalesce(CAST(:starts_before AS timestamptz), 'infinity')
   AND event.min_price >= coalesce(CAST(:min_price AS bigint), 0)
   AND event.min_price <= coalesce(CAST(:max_price AS bigint), 9223372036854775807)
   AND (CAST(:organizer_id AS uuid) IS NULL OR event.organizer_id = :organizer_id)
   AND concat_ws(' ', event.title, event.description, event.location, venue.name, venue.city)
       ILIKE ALL (CAST(:patterns AS text[]))
"""
_ORDERS: Mapping[str, str] = {
    "starts_at": "AND (event.starts_at, event.id) > (CAST(:key AS timestamptz), :id)"
    " ORDER BY event.starts_at, event.id",
    "-starts_at": "AND (event.starts_at, event.id) < (CAST(:key AS timestamptz), :id)"
    " ORDER BY event.starts_at DESC, event.id DESC",
    "price": "AND (event.min_price, event.id) > (CAST(:key AS bigint), :id)"
    " ORDER BY event.min_price, event.id",
    "-price": "AND (event.min_price, event.id) < (CAST(:key AS bigint), :id)"
    " ORDER BY event.min_price DESC, event.id DESC",
}
_PAGES: Mapping[tuple[str, str], str] = {
    (scope, sort): f"{_EVENT} WHERE {condition} {_NARROWED} {order} LIMIT :limit"
    for scope, condition in _SCOPES.items()
    for sort, order in _ORDERS.items()
}


async def add_event(
    session: Session, organizer_id: UUID, draft: EventDraft, tiers: Sequence[TierDraft]
) -> UUID:
    """Stores a draft with its tiers; gives its id."""
    id = uuid7()
    facts = asdict(draft)
    policy = facts.pop("refund_policy")
    await session.execute(
        _ADD_EVENT,
        id=id,
        organizer_id=organizer_id,
        refund_until_hours=policy["until_hours_before"],
        refund_percent=policy["percent"],
        min_price=lowest_price(tiers),
        **facts,
    )
    stored = [(uuid7(), tier) for tier in tiers]
    await session.execute_many(
        _ADD_TIER,
        [
            {
                "id": tier_id,
                "event_id": id,
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
                "event_id": id,
                "section_id": section_id,
                "tier_id": tier_id,
                "venue_id": draft.venue_id,
            }
            for tier_id, tier in stored
            for section_id in tier.section_ids
        ],
    )
    return id


async def find_event(session: Session, id: UUID) -> Event | None:
    """The event with its venue, whose sections come without their rows."""
    row = await session.first(_FIND_EVENT, id=id)
    if row is None:
        return None
    return _event(row, row.venue_id and await find_venue(session, row.venue_id))


async def list_events(
    session: Session, search: EventSearch, after: Position, limit: int
) -> Sequence[Event]:
    """The events after a position, in the search's order; their venues without sections."""
    scope = "OWN" if search.owner_id else search.status or "PUBLISHED"
    rows = await session.all(
        _PAGES[scope, search.sort],
        owner_id=search.owner_id,
        status=search.status,
        category=search.category,
        city=search.city,
        starts_from=search.starts_from,
        starts_before=search.starts_before,
        min_price=search.min_price,
        max_price=search.max_price,
        organizer_id=search.organizer_id,
        patterns=[f"%{_escaped(word)}%" for word in search.words],
        key=after.key,
        id=after.id,
        limit=limit,
    )
    venue_ids = list({row.venue_id for row in rows if row.venue_id})
    venues = {row.id: _venue(row, ()) for row in await session.all(_FIND_VENUES, ids=venue_ids)}
    return [_event(row, venues.get(row.venue_id)) for row in rows]


def _escaped(word: str) -> str:
    """A word without LIKE's wildcards, as its default escape character has it."""
    return word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


async def start_publishing(session: Session, id: UUID, person: Person) -> bool:
    """Takes the person's own event from DRAFT to PUBLISHING; False where it is no such draft."""
    result = await session.execute(_START_PUBLISHING, id=id, person=person.id)
    return result.rowcount == 1


async def finish_publishing(session: Session, id: UUID, capacity: int) -> bool:
    """Takes an event from PUBLISHING to PUBLISHED; False where it is not PUBLISHING."""
    result = await session.execute(_FINISH_PUBLISHING, id=id, capacity=capacity)
    return result.rowcount == 1


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


def _event(row: DatabaseRow, venue: Venue | None) -> Event:
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
    )
