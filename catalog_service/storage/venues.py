"""Tables `venue` and `section`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

from catalog_service.domain import (
    MAX_SEATS,
    MAX_SECTIONS,
    AreaDraft,
    Extent,
    Layout,
    Person,
    Point,
    Row,
    Section,
    SectionDraft,
    Venue,
    VenueDraft,
)
from chassis.database import Row as DatabaseRow
from chassis.database import Session
from chassis.ids import uuid7

_ADD_VENUE = """
INSERT INTO venue (id, owner_id, name, address, city, country, timezone, said_capacity, amenities,
                   focal_x, focal_y)
VALUES (:id, :owner_id, :name, :address, :city, :country, :timezone, :capacity, :amenities,
        :focal_x, :focal_y)
"""
_VENUE = """
SELECT id, owner_id, name, address, city, country, timezone, said_capacity, amenities,
       coalesce(said_capacity, seats + standing) AS capacity, focal_x, focal_y, version, created_at
  FROM venue
"""
FIND_VENUES = _VENUE + " WHERE id = ANY(:ids)"
_LIST_VENUES = _VENUE + " WHERE id < :before ORDER BY id DESC LIMIT :limit"
# Whoever changes a venue or its sections takes this lock first, so that what they then read stays.
_LOCK_VENUE = "SELECT version FROM venue WHERE id = :id FOR UPDATE"
# Whoever makes, edits or publishes an event there takes this one, before the event's own lock: name
# and sections do not change under them.
_KEEP_VENUE = "SELECT version FROM venue WHERE id = :id FOR SHARE"
_KEEP_VENUE_OF_EVENT = """
SELECT version FROM venue WHERE id = (SELECT venue_id FROM event WHERE id = :id) FOR SHARE
"""
_UPDATE_VENUE = """
UPDATE venue SET name = :name, address = :address, city = :city, country = :country,
       timezone = :timezone, said_capacity = :capacity, amenities = :amenities,
       focal_x = :focal_x, focal_y = :focal_y, version = version + 1
 WHERE id = :id
"""
# Its events are found by its name and city, and say them: a loop goes through them afterwards.
# Where its address is another, those on sale are moved.
_MARK_EVENTS = """
UPDATE event SET venue_changed = true, venue_moved = venue_moved OR (:is_moved
                                                                     AND status = 'PUBLISHED')
 WHERE venue_id = :id
"""
# The row's lock lets one section in at a time, and the conditions count what is there by then.
_MAKE_ROOM = """
UPDATE venue SET sections = sections + :sections, seats = seats + :seats,
       standing = standing + :standing, version = version + 1
 WHERE id = :id AND (owner_id = :person OR :is_admin)
   AND sections + :sections <= :max_sections AND seats + :seats <= :max_seats
"""
_ADD_SECTION = """
INSERT INTO section (id, venue_id, name, kind, rows, capacity,
                     origin_x, origin_y, row_spacing, seat_spacing, curve, xs, ys,
                     area_x, area_y, area_width, area_height)
VALUES (:id, :venue_id, :name, :kind, CAST(:rows AS jsonb), :capacity,
        :origin_x, :origin_y, :row_spacing, :seat_spacing, :curve, :xs, :ys,
        :area_x, :area_y, :area_width, :area_height)
    ON CONFLICT (venue_id, lower(name)) DO NOTHING
"""
# A section's id is a UUIDv7, so that this is the order in which they were added. How far seats
# reach is asked for only where people stand whose area nobody said: that is found out once for all
# sections, and otherwise no seat is looked at.
_LIST_SECTIONS = """
SELECT id, name, kind, capacity, origin_x, origin_y, row_spacing, seat_spacing, curve,
       area_x, area_y, area_width, area_height, extent.*,
       CASE WHEN :with_rows THEN rows ELSE '[]' END AS rows,
       CASE WHEN :with_rows THEN xs ELSE '{}' END AS xs,
       CASE WHEN :with_rows THEN ys ELSE '{}' END AS ys
  FROM section
  LEFT JOIN LATERAL (
       SELECT min(place.x) AS "left", max(place.x) AS "right", max(place.y) AS back
         FROM unnest(xs, ys) AS place (x, y)
        WHERE EXISTS (SELECT FROM section AS other
                       WHERE other.venue_id = :venue_id AND other.kind = 'STANDING'
                         AND num_nulls(other.area_x, other.area_y, other.area_width,
                                       other.area_height) > 0)
       ) AS extent ON true
 WHERE venue_id = :venue_id ORDER BY id
"""
# With the venue's lock in hand nobody else takes the name between the question and the answer.
_UPDATE_SECTION = """
UPDATE section SET name = :name, rows = CAST(:rows AS jsonb), capacity = :capacity,
       origin_x = :origin_x, origin_y = :origin_y, row_spacing = :row_spacing,
       seat_spacing = :seat_spacing, curve = :curve, xs = :xs, ys = :ys,
       area_x = :area_x, area_y = :area_y, area_width = :area_width, area_height = :area_height
 WHERE id = :id
   AND NOT EXISTS (SELECT FROM section AS other
                    WHERE other.venue_id = section.venue_id AND other.id <> section.id
                      AND lower(other.name) = lower(:name))
"""
_LESS_ROOM = """
UPDATE venue SET sections = sections - 1, seats = seats - :seats, standing = standing - :standing,
       version = version + 1
 WHERE id = :id
"""
# With the venue's lock in hand nobody puts an event there on sale meanwhile. What drafts say of it
# goes too, so that whoever edits one hears of it.
_DRAFTS_LOSE_SECTION = """
UPDATE event SET version = version + 1
 WHERE status = 'DRAFT'
   AND id IN (SELECT event_id FROM tier_section WHERE section_id = :id)
"""
_DROP_TIERS_OF_SECTION = "DELETE FROM tier_section WHERE section_id = :id"
_DELETE_SECTION = "DELETE FROM section WHERE id = :id"
_IS_SOLD = """
SELECT EXISTS (SELECT FROM tier_section JOIN event ON event.id = tier_section.event_id
                WHERE tier_section.section_id = :id
                  AND (event.status = 'PUBLISHING'
                       OR (event.status = 'PUBLISHED' AND event.ends_at > clock_timestamp())))
"""


async def add_venue(session: Session, owner_id: UUID, draft: VenueDraft) -> UUID:
    """Stores a venue; gives its id."""
    id = uuid7()
    await session.execute(_ADD_VENUE, id=id, owner_id=owner_id, **_facts(draft))
    return id


async def find_venue(session: Session, id: UUID, *, with_rows: bool = False) -> Venue | None:
    """The venue with its sections, and their rows only where they are asked for."""
    row = await session.first(FIND_VENUES, ids=[id])
    if row is None:
        return None
    return venue_of_row(row, await list_sections(session, id, with_rows=with_rows))


def lock_venue(session: Session, id: UUID) -> None:
    """Lets nobody else change the venue or its sections until the transaction ends."""
    session.defer(_LOCK_VENUE, id=id)


def keep_venue(session: Session, id: UUID) -> None:
    """Lets nobody change the venue or its sections until the transaction ends."""
    session.defer(_KEEP_VENUE, id=id)


def keep_venue_of_event(session: Session, event_id: UUID) -> None:
    """Lets nobody change the event's venue or its sections until the transaction ends."""
    session.defer(_KEEP_VENUE_OF_EVENT, id=event_id)


async def update_venue(session: Session, before: Venue, draft: VenueDraft) -> None:
    """Stores a locked venue as it shall be; its events follow."""
    await session.execute(_UPDATE_VENUE, id=before.id, **_facts(draft))
    was = before.draft
    is_moved = (draft.address, draft.city, draft.country) != (was.address, was.city, was.country)
    if is_moved or draft.name != was.name:
        await session.execute(_MARK_EVENTS, id=before.id, is_moved=is_moved)


async def list_venues(session: Session, before: UUID, limit: int) -> Sequence[Venue]:
    """Venues older than `before`, newest first, without their sections."""
    rows = await session.all(_LIST_VENUES, before=before, limit=limit)
    return [venue_of_row(row, ()) for row in rows]


async def make_room(
    session: Session,
    venue_id: UUID,
    person: Person,
    draft: SectionDraft,
    instead_of: SectionDraft | None = None,
) -> bool:
    """Counts a section into a venue, instead of another or on top.

    False where the person may not, or there is no room.
    """
    result = await session.execute(
        _MAKE_ROOM,
        id=venue_id,
        person=person.id,
        is_admin=person.is_admin,
        sections=0 if instead_of else 1,
        seats=draft.seats - (instead_of.seats if instead_of else 0),
        standing=draft.capacity - (instead_of.capacity if instead_of else 0),
        max_sections=MAX_SECTIONS,
        max_seats=MAX_SEATS,
    )
    return result.rowcount == 1


async def add_section(session: Session, venue_id: UUID, draft: SectionDraft) -> Section | None:
    """Stores a section; None where the venue has one of that name."""
    id = uuid7()
    result = await session.execute(
        _ADD_SECTION, id=id, venue_id=venue_id, kind=draft.kind, **_section_facts(draft)
    )
    return _section(id, draft) if result.rowcount == 1 else None


async def update_section(session: Session, id: UUID, draft: SectionDraft) -> Section | None:
    """Stores a section of a locked venue as it shall be; None where another has its name."""
    result = await session.execute(_UPDATE_SECTION, id=id, **_section_facts(draft))
    return _section(id, draft) if result.rowcount == 1 else None


async def delete_section(session: Session, venue_id: UUID, section: Section) -> None:
    """Deletes a section of a locked venue that no event sells."""
    draft = section.draft
    await session.execute(_LESS_ROOM, id=venue_id, seats=draft.seats, standing=draft.capacity)
    await session.execute(_DRAFTS_LOSE_SECTION, id=section.id)
    await session.execute(_DROP_TIERS_OF_SECTION, id=section.id)
    await session.execute(_DELETE_SECTION, id=section.id)


async def is_sold(session: Session, section_id: UUID) -> bool:
    """Whether an event that is on sale, or about to be, and not over sells the section."""
    return bool(await session.scalar(_IS_SOLD, id=section_id))


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
            list(_rows(row)),
            row.capacity,
            Layout(row.origin_x, row.origin_y, row.row_spacing, row.seat_spacing, row.curve),
            AreaDraft(row.area_x, row.area_y, row.area_width, row.area_height),
            None if row.back is None else Extent(row.left, row.right, row.back),
        )
        for row in rows
    ]


def _facts(draft: VenueDraft) -> dict[str, Any]:
    facts = asdict(draft) | {"amenities": list(draft.amenities)}
    focal = facts.pop("focal") or {"x": None, "y": None}
    return {**facts, "focal_x": focal["x"], "focal_y": focal["y"]}


def _section_facts(draft: SectionDraft) -> dict[str, Any]:
    return {
        "name": draft.name,
        "rows": json.dumps([{"label": row.label, "seats": list(row.seats)} for row in draft.rows]),
        "capacity": draft.places,
        "xs": [x for row in draft.rows for x in row.xs],
        "ys": [y for row in draft.rows for y in row.ys],
        **asdict(draft.layout),
        **{f"area_{field}": value for field, value in asdict(draft.area).items()},
    }


def _section(id: UUID, draft: SectionDraft) -> Section:
    return Section(id, draft.name, draft.kind, draft.rows, draft.places, draft.layout, draft.area)


def _rows(row: DatabaseRow) -> Iterator[Row]:
    begin = 0
    for part in row.rows:
        end = begin + len(part["seats"])
        yield Row(part["label"], part["seats"], row.xs[begin:end], row.ys[begin:end])
        begin = end


def venue_of_row(row: DatabaseRow, sections: Sequence[Section]) -> Venue:
    """The venue that a row of `FIND_VENUES` tells of."""
    draft = VenueDraft(
        row.name,
        row.address,
        row.city,
        row.country,
        row.timezone,
        row.said_capacity,
        row.amenities,
        None if row.focal_x is None else Point(row.focal_x, row.focal_y),
    )
    return Venue(row.id, row.owner_id, draft, row.capacity, sections, row.version, row.created_at)
