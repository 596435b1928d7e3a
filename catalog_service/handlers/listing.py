"""Lists of events."""

from __future__ import annotations

from collections.abc import Sequence

from catalog_service import domain
from catalog_service.domain import Event, EventSearch
from catalog_service.storage import listing
from chassis.database import Session


async def list_events(
    session: Session, search: EventSearch, limit: int, cursor: str
) -> tuple[Sequence[Event], str]:
    """A page of events' summaries, and the cursor of the next; empty on the last.

    Raises:
        InvalidFilterError, InvalidCursorError
    """
    domain.check_filter(search)
    limit = domain.page_size(limit)
    after = domain.position_of(cursor, search.sort) if cursor else domain.first_position(search)
    found = await listing.list_events(session, search, after, limit + 1)
    page = [listed.event.summary() for listed in found[:limit]]
    last = found[limit - 1] if len(found) > limit else None
    return page, domain.position_after(last, search.sort) if last else ""
