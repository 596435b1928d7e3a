"""Lists of events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from catalog_service.domain import EventSearch, Listed, Position, asked, plain
from catalog_service.storage.events import EVENT, with_venues
from chassis.database import Session

# A plan for what is asked this time: which index is best depends on the words and the filters, and
# those that are not used fall out of the plan. A list is short work: parallel workers would only be
# late for it.
_PLAN_FOR_THIS = """
SELECT set_config('plan_cache_mode', 'force_custom_plan', true),
       set_config('max_parallel_workers_per_gather', '0', true)
"""

# One constant statement for each scope and sort. The page is found first, by what its rows are
# narrow for, and then read whole.
_SCOPES: Mapping[str, str] = {
    "PUBLISHED": "event.status = 'PUBLISHED' AND event.ends_at > now()",
    "COMPLETED": "event.status = 'COMPLETED'",
    "CANCELLED": "event.status = 'CANCELLED'",
    "PUBLIC": "event.status IN ('PUBLISHED', 'CANCELLED', 'COMPLETED')",
    "OWN": "event.organizer_id = :owner_id AND :status IN ('', CASE WHEN event.status = 'PUBLISHED'"
    " AND event.ends_at <= now() THEN 'COMPLETED' ELSE event.status END)",
}
_NARROWED = """
   AND (CAST(:category AS text) = '' OR event.category = :category)
   AND (CAST(:city AS text) IS NULL OR event.city = :city)
   AND event.starts_at >= coalesce(CAST(:starts_from AS timestamptz), '-infinity')
   AND event.starts_at < coalesce(CAST(:starts_before AS timestamptz), 'infinity')
   AND event.min_price >= coalesce(CAST(:min_price AS bigint), 0)
   AND event.min_price <= coalesce(CAST(:max_price AS bigint), 9223372036854775807)
   AND (CAST(:organizer_id AS uuid) IS NULL OR event.organizer_id = :organizer_id)
   AND (CAST(:asked AS text) IS NULL OR event.search @@ CAST(CAST(:asked AS text) AS tsquery))
"""
# Of each sort: its keys, where the page begins, and its order.
_SORTS: Mapping[str, tuple[str, str, str]] = {
    "starts_at": (
        "event.starts_at AS key",
        "(event.starts_at, event.id) > (CAST(:key AS timestamptz), :id)",
        "event.starts_at, event.id",
    ),
    "-starts_at": (
        "event.starts_at AS key",
        "(event.starts_at, event.id) < (CAST(:key AS timestamptz), :id)",
        "event.starts_at DESC, event.id DESC",
    ),
    "price": (
        "event.min_price AS key",
        "(event.min_price, event.id) > (CAST(:key AS bigint), :id)",
        "event.min_price, event.id",
    ),
    "-price": (
        "event.min_price AS key",
        "(event.min_price, event.id) < (CAST(:key AS bigint), :id)",
        "event.min_price DESC, event.id DESC",
    ),
    "popularity": (
        "ranked.sold AS key",
        "(ranked.sold, ranked.event_id) < (CAST(:key AS integer), :id)",
        "ranked.sold DESC, ranked.event_id DESC",
    ),
    # What is not settled yet is left out, lest an older one show up behind it.
    "updated_at": (
        "event.updated_at AS key",
        "(event.updated_at, event.id) > (CAST(:key AS timestamptz), :id)"
        " AND event.updated_at < CAST(:settled AS timestamptz)",
        "event.updated_at, event.id",
    ),
}
# Words that half of all events have say little of any, and to rank all those would take long: the
# soonest of them are ranked.
_RANKED_MOST = 500


def _page(scope: str, sort: str) -> str:
    if sort == "relevance":
        return _most_relevant(scope)
    keys, beyond, order = _SORTS[sort]
    of_popular = ""
    if sort == "popularity":
        # Its status is the event's own: saying so again finds the popular ones side by side.
        of_status = "" if scope in {"OWN", "PUBLIC"} else f" AND ranked.status = '{scope}'"
        of_popular = f"JOIN availability AS ranked ON ranked.event_id = event.id{of_status}"
    down = " DESC" if order.endswith("DESC") else ""
    return _whole(
        f"SELECT event.id, {keys} FROM event {of_popular} WHERE {_SCOPES[scope]}"  # noqa: S608 - of constants
        f" {_NARROWED} AND {beyond} ORDER BY {order} LIMIT :limit",
        f"page.key{down}, id{down}",
    )


def _most_relevant(scope: str) -> str:
    matching = (
        f"SELECT event.id, event.starts_at, event.search FROM event WHERE {_SCOPES[scope]}"  # noqa: S608 - of constants
        f" {_NARROWED} ORDER BY event.starts_at, event.id LIMIT {_RANKED_MOST}"
    )
    # OFFSET 0 lets each be ranked once.
    ranked = (
        "SELECT id, starts_at AS then_key,"  # noqa: S608 - of constants
        " -CAST(ts_rank(search, CAST(CAST(:asked AS text) AS tsquery)) AS float8) AS key"
        f" FROM ({matching}) AS matching OFFSET 0"
    )
    return _whole(
        f"SELECT id, key, then_key FROM ({ranked}) AS ranked"  # noqa: S608 - of constants
        " WHERE (key, then_key, id) > (CAST(:key AS float8), CAST(:then_key AS timestamptz), :id)"
        " ORDER BY key, then_key, id LIMIT :limit",
        "page.key, page.then_key, id",
        ", page.then_key",
    )


def _whole(page: str, order: str, also: str = "") -> str:
    """The events of a page, which is some ids with what they are sorted by, to be shown."""
    return (
        f"WITH page AS MATERIALIZED ({page}) {EVENT}, page.key{also}"
        " FROM page JOIN event USING (id) JOIN availability ON availability.event_id = id"
        f" ORDER BY {order}"
    )


PAGES: Mapping[tuple[str, str], str] = {
    (scope, sort): _page(scope, sort) for scope in _SCOPES for sort in (*_SORTS, "relevance")
}


async def list_events(
    session: Session, search: EventSearch, after: Position, limit: int
) -> Sequence[Listed]:
    """The events after a position, in the search's order; their venues without sections."""
    follows = search.sort == "updated_at"
    # Who follows what changes hears of what was called off, too.
    in_public = search.status or ("PUBLIC" if follows else "PUBLISHED")
    scope = "OWN" if search.owner_id else in_public
    settled = await session.settled() if follows else None
    session.defer(_PLAN_FOR_THIS)
    rows = await session.all(
        PAGES[scope, search.sort], **parameters(search, after), limit=limit, settled=settled
    )
    has_two = search.sort == "relevance"
    return [
        Listed(event, [row.key, row.then_key] if has_two else [row.key])
        for event, row in zip(await with_venues(session, rows), rows, strict=True)
    ]


def parameters(search: EventSearch, after: Position) -> Mapping[str, object]:
    """What a page's statement is told, but how many."""
    return {
        "owner_id": search.owner_id,
        "status": search.status,
        "category": search.category,
        "city": plain(search.city) or search.city or None,
        "starts_from": search.starts_from,
        "starts_before": search.starts_before,
        "min_price": search.min_price,
        "max_price": search.max_price,
        "organizer_id": search.organizer_id,
        "asked": asked(search.query) if search.query else None,
        "key": after.keys[0],
        "then_key": after.keys[-1],
        "id": after.id,
    }
