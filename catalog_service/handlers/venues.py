"""Venues and their sections."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from catalog_service import domain
from catalog_service.domain import (
    Person,
    Section,
    SectionDraft,
    SectionNameTakenError,
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


async def add_section(
    session: Session, person: Person, venue_id: UUID, draft: SectionDraft
) -> Section:
    """Adds a section to a venue; to another's only as an admin.

    Raises:
        InvalidSectionError, VenueNotFoundError, VenueFullError, SectionNameTakenError
    """
    domain.check_section(draft)
    if not await venues.make_room(session, venue_id, person, draft):
        venue = await venues.find_venue(session, venue_id)
        if venue is None or not (person.is_admin or venue.owner_id == person.id):
            raise VenueNotFoundError
        raise VenueFullError(
            f"A venue has at most {domain.MAX_SECTIONS} sections and {domain.MAX_SEATS:,} seats."
        )
    section = await venues.add_section(session, venue_id, draft)
    if section is None:
        raise SectionNameTakenError("The venue has a section of that name.")
    return section


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
    found = await venues.list_venues(session, domain.venue_of(cursor), limit + 1)
    page = found[:limit]
    return page, domain.venue_after(page[-1]) if len(found) > limit else ""
