"""The events that the first page begins with."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from parterre.catalog.v1 import catalog_pb2, catalog_pb2_grpc

from chassis.errors import RemoteError
from gateway.representations import to_json
from gateway.services import Remote
from gateway.site.kept import Kept
from gateway.versions import tag_of
from presentation.views import base
from presentation.views import catalog as views

# As many as the page shows before somebody asks for more (web/pages/discover/page.js).
EVENTS = 24
# What is left of an event is told that late at most; a crowd makes the catalog be asked as seldom.
_KEPT_SECONDS = 2.0
# A document is not held up for longer: without the events its scripts ask for them.
_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Listing:
    """What `GET /api/v1/events` answers; `tag` changes with it."""

    page: base.Page[views.Event]
    tag: str


class Programme:
    """The next events on sale, read from the catalog every two seconds at most."""

    def __init__(
        self,
        catalog: Remote[catalog_pb2_grpc.CatalogServiceStub],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._catalog = catalog
        self._listing = Kept(self._read, _KEPT_SECONDS, clock)

    async def next(self) -> Listing | None:
        """The next events; None: the catalog does not answer, and is not asked again at once."""
        return await self._listing.get()

    async def _read(self) -> Listing | None:
        request = catalog_pb2.ListEventsRequest(sort="starts_at", limit=EVENTS)
        try:
            reply = await self._catalog.as_gateway(
                self._catalog.rpc.ListEvents, request, seconds=_SECONDS
            )
        except RemoteError:
            return None
        page = base.page(map(views.event, reply.events), reply.next_cursor)
        return Listing(page, tag_of(to_json(page)))
