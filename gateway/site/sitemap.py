"""The list of events for those who index them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from xml.sax.saxutils import escape

from parterre.catalog.v1 import catalog_pb2, catalog_pb2_grpc

from gateway.services import Remote

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
        self._clock = clock
        self._events: list[tuple[str, str]] = []  # id, and when it was last changed
        self._good_until = 0.0
        self._reading = asyncio.Lock()

    async def of(self, site: str) -> bytes:
        """The list with addresses of that site, which has no slash at the end.

        Raises:
            RemoteError: catalog_service failed, or did not answer in time.
        """
        async with self._reading:  # of many who come together, one asks
            if self._clock() >= self._good_until:
                self._events = await self._read()
                self._good_until = self._clock() + _KEPT_SECONDS
        places = [f"<url><loc>{escape(site)}/</loc></url>"]
        places += [
            f"<url><loc>{escape(site)}/events/{id}</loc><lastmod>{changed}</lastmod></url>"
            for id, changed in self._events
        ]
        head = '<?xml version="1.0" encoding="UTF-8"?>'
        names = "http://www.sitemaps.org/schemas/sitemap/0.9"
        return f'{head}<urlset xmlns="{names}">{"".join(places)}</urlset>'.encode()

    async def _read(self) -> list[tuple[str, str]]:
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
