"""Tables `venue` and `section`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from uuid import UUID

from catalog_service.domain import (
    MAX_SEATS,
    MAX_SECTIONS,
    Layout,
    Person,
    Row,
    Section,
    SectionDraft,
    Venue,
    VenueDraft,
)
from catalog_service.opening import placed
from chassis.database import Row as DatabaseRow
from chassis.database import Session
from chassis.ids import uuid7

_ADD_VENUE = """
INSERT INTO venue (id, owner_id, name, address, city, country, timezone, said_capacity, amenities)
VALUES (:id, :owner_id, :name, :address, :city, :country, :timezone, :capacity, :amenities)
"""
_VENUE = """
SELECT id, owner_id, name, address, city, country, timezone, said_capacity, amenities,
       coalesce(said_capacity, seats + standing) AS capacity, version, created_at
  FROM venue
"""
FIND_VENUES = _VENUE + " WHERE id = ANY(:ids)"
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
                     origin_x, origin_y, row_spacing, seat_spacing, curve, xs, ys)
VALUES (:id, :venue_id, :name, :kind, CAST(:rows AS jsonb), :capacity,
        :origin_x, :origin_y, :row_spacing, :seat_spacing, :curve, :xs, :ys)
    ON CONFLICT (venue_id, lower(name)) DO NOTHING
"""
# A section's id is a UUIDv7, so that this is the order in which they were added.
_LIST_SECTIONS = """
SELECT id, name, kind, CASE WHEN :with_rows THEN rows ELSE '[]' END AS rows, capacity,
       origin_x, origin_y, row_spacing, seat_spacing, curve
  FROM section WHERE venue_id = :venue_id ORDER BY id
"""


async def add_venue(session: Session, owner_id: UUID, draft: VenueDraft) -> UUID:
    """Stores a venue; gives its id."""
    id = uuid7()
    facts = asdict(draft) | {"amenities": list(draft.amenities)}
    await session.execute(_ADD_VENUE, id=id, owner_id=owner_id, **facts)
    return id


async def find_venue(session: Session, id: UUID, *, with_rows: bool = False) -> Venue | None:
    """The venue with its sections, and their rows only where they are asked for."""
    row = await session.first(FIND_VENUES, ids=[id])
    if row is None:
        return None
    return venue_of_row(row, await list_sections(session, id, with_rows=with_rows))


async def list_venues(session: Session, before: UUID, limit: int) -> Sequence[Venue]:
    """Venues older than `before`, newest first, without their sections."""
    rows = await session.all(_LIST_VENUES, before=before, limit=limit)
    return [venue_of_row(row, ()) for row in rows]


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
    places = placed(section.rows, section.layout)
    result = await session.execute(
        _ADD_SECTION,
        id=section.id,
        venue_id=venue_id,
        name=section.name,
        kind=section.kind,
        rows=json.dumps([{"label": row.label, "seats": list(row.seats)} for row in section.rows]),
        capacity=section.capacity,
        xs=[x for row in places for x in row.xs],
        ys=[y for row in places for y in row.ys],
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


def venue_of_row(row: DatabaseRow, sections: Sequence[Section]) -> Venue:
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
