"""Lists of events."""

from __future__ import annotations

from parterre.catalog.v1 import catalog_pb2

from catalog_service import domain
from catalog_service.domain import (
    EventSearch,
    InvalidFilterError,
)
from catalog_service.handlers import listing as handlers
from catalog_service.rpc.calls import (
    Call,
    Rpcs,
    instant,
    who_looks,
)
from catalog_service.rpc.events import event_message
from chassis.ids import parse_uuid
from chassis.text import line


class ListingRpcs(Rpcs):
    """Lists of events."""

    async def ListEvents(  # noqa: N802
        self, request: catalog_pb2.ListEventsRequest, _context: Call
    ) -> catalog_pb2.ListEventsResponse:
        search = _event_search(request)
        events, cursor = await self._database.run(
            lambda session: handlers.list_events(session, search, request.limit, request.cursor)
        )
        return catalog_pb2.ListEventsResponse(
            events=[event_message(event) for event in events], next_cursor=cursor
        )


def _event_search(request: catalog_pb2.ListEventsRequest) -> EventSearch:
    organizer_id = parse_uuid(request.organizer_id) if request.organizer_id else None
    if request.organizer_id and organizer_id is None:
        raise InvalidFilterError("organizer_id is no id.", organizer_id="must be an id")
    viewer = who_looks()
    if request.own_only and viewer is None:
        raise InvalidFilterError("Nobody in particular has no events of their own.")
    return EventSearch(
        query=line(request.query),
        category=request.category,
        city=line(request.city),
        starts_from=instant(request.starts_from, "from", InvalidFilterError)
        if request.HasField("starts_from")
        else None,
        starts_before=instant(request.starts_before, "to", InvalidFilterError)
        if request.HasField("starts_before")
        else None,
        min_price=request.min_price if request.HasField("min_price") else None,
        max_price=request.max_price if request.HasField("max_price") else None,
        status=request.status,
        organizer_id=organizer_id,
        sort=request.sort or domain.SORTS[0],
        owner_id=viewer.id if viewer and request.own_only else None,
        updated_since=instant(request.updated_since, "updated_since", InvalidFilterError)
        if request.HasField("updated_since")
        else None,
    )
