"""The documents of the pages, each kept until what it shows has changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import orjson
from cachetools import LRUCache

from gateway.events import EventPage
from gateway.site.assets import Assets
from gateway.site.pages import Page
from gateway.site.programme import Listing
from gateway.site.shell import Head, document, event_head, head_of, without_rows
from gateway.versions import tag_of
from presentation.views.catalog import Event

API = "/api/v1"
_KEPT_BYTES = 16 * 1024 * 1024
_OVERHEAD_BYTES = 500
# A draft is seen by whoever writes it, in the organizer's pages.
_SEEN_BY_EVERYBODY = frozenset({"PUBLISHED", "CANCELLED", "COMPLETED"})


@dataclass(frozen=True, slots=True)
class Document:
    """A page's document."""

    body: bytes
    tag: str
    compressed: dict[str, bytes] = field(default_factory=dict)  # by coding, once it is asked for

    @property
    def size(self) -> int:
        """Bytes it takes to keep, more or less: compressed, it is less than half in all."""
        return 2 * len(self.body) + _OVERHEAD_BYTES


class Documents:
    """The documents that were asked for."""

    def __init__(
        self,
        assets: Assets,
        *,
        is_local: bool,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._assets = assets
        self._is_local = is_local
        self._clock = clock
        # Strangers choose the host and the event: what was not asked for longest goes first.
        self._made: LRUCache[tuple[str, ...], Document] = LRUCache(
            _KEPT_BYTES, getsizeof=lambda document: document.size
        )

    def of(
        self,
        page: Page,
        site: str,
        event: EventPage | None = None,
        listing: Listing | None = None,
    ) -> Document:
        """The document of a page, about that event where it is an event's.

        `site` is the host's address without a slash at the end, empty where it is unknown.
        `listing` has the events that the page begins with.
        """
        key = (
            page.path,
            self._assets.tree.version,
            site,
            event.tag if event else "",
            listing.tag if listing else "",
        )
        made = self._made.get(key)
        if made is None:
            made = self._make(page, site, event, listing)
            if made.size <= self._made.maxsize:
                self._made[key] = made
        return made

    def _make(
        self, page: Page, site: str, event: EventPage | None, listing: Listing | None
    ) -> Document:
        boot: dict[str, object] = {"local": self._is_local}
        early: Sequence[str] = ()
        head: Head
        if event is None:
            head = head_of(page, site, listing.page["items"] if listing else ())
            if listing is not None:
                boot["events"] = listing.page
        else:
            shown = _view(event)
            head = event_head(page, shown, site, self._clock())
            boot["event"] = without_rows(shown)
            if page.early and shown["status"] == "PUBLISHED":
                early = (API + page.early.format(event_id=shown["id"]),)
        body = document(head, self._assets.tree, page, early=early, boot=boot)
        return Document(body, tag_of(body))


def may_be_seen(event: EventPage) -> bool:
    """Whether everybody may see it, and not only who sells it."""
    return event.status in _SEEN_BY_EVERYBODY


def _view(event: EventPage) -> Event:
    view: Event = orjson.loads(event.body)
    return view
