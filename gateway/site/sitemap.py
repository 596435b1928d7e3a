"""The list of events for those who index them."""

from __future__ import annotations

import time
from collections.abc import Callable
from xml.sax.saxutils import escape

from parterre.catalog.v1 import catalog_pb2, catalog_pb2_grpc

from gateway.services import Remote
from gateway.site.kept import Kept

_KEPT_SECONDS = 300.0
_PAGE = 100
# The next two thousand events: more are found by the list itself.
_MOST_PAGES = 20


class Sitemap:
    """The events on sale, read from the catalog now and then."""

    def __init__(
        self,
        catalog: Remote[catalog_pb2_grpc.CatalogServiceStub],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._catalog = catalog
        self._events = Kept(self._read, _KEPT_SECONDS, clock)

    async def of(self, site: str) -> bytes:
        """The list with addresses of that site, which has no slash at the end.

        Raises:
            RemoteError: catalog_service failed, or did not answer in time.
        """
        events = await self._events.get()
        places = [f"<url><loc>{escape(site)}/</loc></url>"]
        places += [
            f"<url><loc>{escape(site)}/events/{id}</loc><lastmod>{changed}</lastmod></url>"
            for id, changed in events
        ]
        head = '<?xml version="1.0" encoding="UTF-8"?>'
        names = "http://www.sitemaps.org/schemas/sitemap/0.9"
        return f'{head}<urlset xmlns="{names}">{"".join(places)}</urlset>'.encode()

    async def _read(self) -> list[tuple[str, str]]:
        """Their ids, and when each was last changed."""
        found: list[tuple[str, str]] = []
        cursor = ""
        for _page in range(_MOST_PAGES):
            request = catalog_pb2.ListEventsRequest(
                status="PUBLISHED", sort="starts_at", limit=_PAGE, cursor=cursor
            )
            reply = await self._catalog.as_gateway(self._catalog.rpc.ListEvents, request)
            found += [
                (event.id, event.updated_at.ToJsonString().partition("T")[0])
                for event in reply.events
            ]
            cursor = reply.next_cursor
            if not cursor:
                break
        return found
