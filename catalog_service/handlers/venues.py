"""Venues and their sections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from catalog_service import domain
from catalog_service.domain import (
    Area,
    Person,
    Section,
    SectionDraft,
    SectionInUseError,
    SectionNameTakenError,
    SectionNotFoundError,
    Venue,
    VenueDraft,
    VenueFullError,
    VenueNotFoundError,
)
from catalog_service.storage import venues
from chassis.database import Session


async def create_venue(session: Session, person: Person, draft: VenueDraft) -> Venue:
    """Makes a venue of the person's.

    Raises:
        InvalidVenueError: it can't be like that.
    """
    domain.check_venue(draft)
    return await get_venue(session, await venues.add_venue(session, person.id, draft))


async def update_venue(
    session: Session, person: Person, venue_id: UUID, change: Mapping[str, Any], *, expected: int
) -> Venue:
    """Changes fields of a venue that was read at the version `expected` (0: whichever).

    Raises:
        VenueNotFoundError, StaleVersionError, InvalidVenueError
    """
    venue = await _locked(session, person, venue_id, expected)
    draft = domain.changed_venue(venue.draft, change)
    if draft != venue.draft:
        await venues.update_venue(session, venue, draft)
    return await get_venue(session, venue_id)


async def add_section(
    session: Session, person: Person, venue_id: UUID, draft: SectionDraft
) -> tuple[Section, Area | None]:
    """Adds a section to a venue; to another's only as an admin. Gives also where people stand.

    Raises:
        InvalidSectionError, VenueNotFoundError, VenueFullError, SectionNameTakenError
    """
    domain.check_section(draft)
    draft = replace(draft, rows=domain.placed(draft.rows, draft.layout))
    if not await venues.make_room(session, venue_id, person, draft):
        venue = await venues.find_venue(session, venue_id)
        if venue is None or not person.runs(venue.owner_id):
            raise VenueNotFoundError
        raise _full()
    section = await venues.add_section(session, venue_id, draft)
    if section is None:
        raise _name_taken()
    return section, await _area_of(session, venue_id, section)


async def update_section(
    session: Session,
    person: Person,
    venue_id: UUID,
    section_id: UUID,
    change: Mapping[str, Any],
    *,
    expected: int,
) -> tuple[Section, Area | None, int]:
    """Changes fields of a section of a venue that was read at the version `expected`.

    Gives it, where people stand, and the venue's new version.

    Raises:
        VenueNotFoundError, StaleVersionError, SectionNotFoundError, InvalidSectionError,
        SectionInUseError, VenueFullError, SectionNameTakenError
    """
    venue = await _locked(session, person, venue_id, expected)
    found = _section_of(venue, section_id)
    before = found.draft
    draft = domain.changed_section(before, change)
    if draft == before:
        return found, await _area_of(session, venue_id, found), venue.version
    if await venues.is_sold(session, section_id):
        domain.check_nothing_is_lost(before, draft)
    if not await venues.make_room(session, venue_id, person, draft, before):
        raise _full()
    section = await venues.update_section(session, section_id, draft)
    if section is None:
        raise _name_taken()
    return section, await _area_of(session, venue_id, section), venue.version + 1


async def delete_section(
    session: Session, person: Person, venue_id: UUID, section_id: UUID, *, expected: int
) -> int:
    """Deletes a section of a venue that was read at the version `expected`; drafts lose it.

    Gives the venue's new version.

    Raises:
        VenueNotFoundError, StaleVersionError, SectionNotFoundError, SectionInUseError
    """
    venue = await _locked(session, person, venue_id, expected)
    section = _section_of(venue, section_id)
    if await venues.is_sold(session, section_id):
        raise SectionInUseError(
            f"An event on sale sells {section.capacity:,} places of it: it can't go.",
            lost=str(section.capacity),
        )
    await venues.delete_section(session, venue_id, section)
    return venue.version + 1


async def get_venue(session: Session, venue_id: UUID) -> Venue:
    """A venue with its sections and their rows.

    Raises:
        VenueNotFoundError: there is none.
    """
    venue = await venues.find_venue(session, venue_id, with_rows=True)
    if venue is None:
        raise VenueNotFoundError
    return venue


async def list_venues(session: Session, limit: int, cursor: str) -> tuple[Sequence[Venue], str]:
    """A page of venues, newest first, and the cursor of the next; empty on the last.

    Raises:
        InvalidFilterError, InvalidCursorError
    """
    limit = domain.page_size(limit)
    found = await venues.list_venues(session, domain.before_id(cursor, "venues"), limit + 1)
    page = found[:limit]
    return page, domain.to_cursor("venues", str(page[-1].id)) if len(found) > limit else ""


async def _locked(session: Session, person: Person, venue_id: UUID, expected: int) -> Venue:
    """The venue, whole, which nobody else changes from now on."""
    venues.lock_venue(session, venue_id)
    venue = await venues.find_venue(session, venue_id, with_rows=True)
    if venue is None or not person.runs(venue.owner_id):
        raise VenueNotFoundError
    domain.check_version(venue.version, expected)
    return venue


async def _area_of(session: Session, venue_id: UUID, section: Section) -> Area | None:
    """Where people stand, which may depend on all sections of the venue; None where they sit."""
    if section.kind != "STANDING":
        return None
    venue = await venues.find_venue(session, venue_id)
    if venue is None:
        raise VenueNotFoundError
    return domain.areas(venue.sections, venue.draft.focal)[section.id]


def _section_of(venue: Venue, section_id: UUID) -> Section:
    for section in venue.sections:
        if section.id == section_id:
            return section
    raise SectionNotFoundError("The venue has no such section.")


def _full() -> VenueFullError:
    return VenueFullError(
        f"A venue has at most {domain.MAX_SECTIONS} sections and {domain.MAX_SEATS:,} seats."
    )


def _name_taken() -> SectionNameTakenError:
    return SectionNameTakenError("The venue has a section of that name.")
