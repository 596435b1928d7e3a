"""Lists of events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from catalog_service.domain import Event, EventSearch, Position
from catalog_service.storage.events import EVENT, SHOWN_STATUS, event_of_row
from catalog_service.storage.venues import FIND_VENUES, venue_of_row
from chassis.database import Session

# Lists: one constant statement for each scope and sort, so that a prepared plan walks the index of
# its sort from the cursor on.
_SCOPES: Mapping[str, str] = {
    # No event is longer than 366 days: the walk does not begin in the years before.
    "PUBLISHED": "event.status = 'PUBLISHED' AND event.ends_at > now()"
    " AND event.starts_at > now() - interval '8784 hours'",
    "COMPLETED": "event.status = 'PUBLISHED' AND event.ends_at <= now()",
    "CANCELLED": "event.status = 'CANCELLED'",
    "OWN": "event.organizer_id = :owner_id AND :status IN ('', " + SHOWN_STATUS + ")",
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
    (scope, sort): f"{EVENT} WHERE {condition} {_NARROWED} {order} LIMIT :limit"
    for scope, condition in _SCOPES.items()
    for sort, order in _ORDERS.items()
}


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
    venues = {
        row.id: venue_of_row(row, ()) for row in await session.all(FIND_VENUES, ids=venue_ids)
    }
    return [event_of_row(row, venues.get(row.venue_id)) for row in rows]


def _escaped(word: str) -> str:
    """A word without LIKE's wildcards, as its default escape character has it."""
    return word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
