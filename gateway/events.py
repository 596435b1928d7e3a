"""The pages of events that are looked at, in memory.

A page is trusted for half a second after the catalog was asked about it; then it is held to the
catalog's stamp for everything that it shows, together with the other pages that are asked for at
the same moment: only what has changed is read and written anew. So an edit is seen within a second,
through whichever gateway. Who sells an event, and admins, make the catalog be asked each time: they
see their own edits at once. Drafts are never kept here.

Who sells an event is not the catalog's to tell: a page whose organizer has another name is written
anew, with another tag (`gateway/organizers.py` says how old a name may be).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import orjson
from cachetools import LRUCache
from parterre.catalog.v1 import catalog_pb2, catalog_pb2_grpc

from chassis.batching import Batch, Batcher, Limits
from chassis.context import current_identity
from chassis.errors import RemoteError
from chassis.identity import Role
from gateway.organizers import Organizers
from gateway.problems import AWAY, ProblemError
from gateway.services import Remote, is_unknown
from gateway.versions import tag_of
from presentation.views import catalog as views

# The catalog reads as many at once.
LIMITS = Limits(size=24, ahead=2, beside=16, at_once=None)
_TRUSTED_SECONDS = 0.5
# How long one waits for its turn.
_SECONDS = 5.0
_KEPT_BYTES = 64 * 1024 * 1024
_OVERHEAD_BYTES = 500


@dataclass(frozen=True, slots=True)
class EventPage:
    """What is shown of an event."""

    body: bytes  # JSON
    tag: str
    version: int
    organizer_id: str
    organizer_name: str  # empty: there is none, or it can't be told
    status: str
    stamp: str
    trusted_until: float  # by the clock of the pages
    compressed: dict[str, bytes] = field(default_factory=dict)  # by coding, once it is asked for

    @property
    def size(self) -> int:
        """Bytes it takes to keep, more or less."""
        return 2 * len(self.body) + _OVERHEAD_BYTES  # compressed, it is less than half in all


class Events:
    """The events that are looked at."""

    def __init__(
        self,
        catalog: Remote[catalog_pb2_grpc.CatalogServiceStub],
        organizers: Organizers,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._catalog = catalog
        self._organizers = organizers
        self._clock = clock
        self._pages: LRUCache[str, EventPage] = LRUCache(
            _KEPT_BYTES, getsizeof=lambda page: page.size
        )
        self._batcher: Batcher[str, str, EventPage | None] = Batcher(
            "events", self._read, LIMITS, did_nothing=_is_worth_another_try
        )

    async def page(self, event_id: str) -> EventPage:
        """The page of an event that the caller may know of.

        Raises:
            ProblemError: EVENT_NOT_FOUND.
            RemoteError: catalog_service failed, or did not answer in time.
            ServiceError: OVERLOADED, too many are waiting, or for too long.
        """
        page = self._pages.get(event_id)
        if page is not None and self._clock() < page.trusted_until and not _edits(page):
            return page
        try:
            page = await self._batcher.put("", event_id, seconds=_SECONDS)
        except RemoteError as error:
            if is_unknown(error):
                return await self._asked_by_caller(event_id)
            raise
        if page is None:
            identity = current_identity()
            if identity is None or identity.role is None or identity.role < Role.ORGANIZER:
                raise ProblemError("EVENT_NOT_FOUND")
            # It may be a draft of theirs.
            return await self._asked_by_caller(event_id)
        return page

    async def _asked_by_caller(self, event_id: str) -> EventPage:
        request = catalog_pb2.GetEventRequest(event_id=event_id)
        event = (await self._catalog(self._catalog.rpc.GetEvent, request)).event
        return _page(event, await self._organizers.name(event.organizer_id))

    async def _read(self, _key: str, batch: Batch[str, EventPage | None]) -> None:
        asked_at = self._clock()
        pages = await self._asked(list(dict.fromkeys(batch.items)), asked_at + _TRUSTED_SECONDS)
        batch.answer_all([pages[event_id] for event_id in batch.items])

    async def _asked(
        self, event_ids: Sequence[str], trusted_until: float
    ) -> dict[str, EventPage | None]:
        known = {event_id: self._pages.get(event_id) for event_id in event_ids}
        request = catalog_pb2.ReadEventsRequest()
        for event_id, page in known.items():
            request.items.add(event_id=event_id, known_stamp=page.stamp if page else "")
        reply = await self._catalog.as_gateway(self._catalog.rpc.ReadEvents, request)
        names = await self._organizers.names(
            {page.organizer_id for page in known.values() if page}
            | {result.event.organizer_id for result in reply.results if result.HasField("event")}
        )
        pages: dict[str, EventPage | None] = dict.fromkeys(event_ids)
        for event_id, result in zip(event_ids, reply.results, strict=False):
            page = known[event_id]
            if result.HasField("event"):
                name = names[result.event.organizer_id]
                page = _page(result.event, name, result.stamp, trusted_until)
            elif page is not None and page.stamp == result.stamp:
                page = _named(page, names[page.organizer_id], trusted_until)
            else:
                page = None
            pages[event_id] = page
            if page is None:
                self._pages.pop(event_id, None)
            elif page.size <= self._pages.maxsize:
                kept = self._pages.get(event_id)
                # An answer that took long says less than one that was asked for later.
                if kept is None or kept.trusted_until <= trusted_until:
                    self._pages[event_id] = page
        return pages


def _page(
    event: catalog_pb2.Event, organizer_name: str, stamp: str = "", trusted_until: float = 0
) -> EventPage:
    body = orjson.dumps(views.event(event, organizer_name))
    return EventPage(
        body=body,
        tag=tag_of(body, event.version),
        version=event.version,
        organizer_id=event.organizer_id,
        organizer_name=organizer_name,
        status=event.status,
        stamp=stamp,
        trusted_until=trusted_until,
    )


def _named(page: EventPage, organizer_name: str, trusted_until: float) -> EventPage:
    """The page, which is as it was but for the name of who sells."""
    if page.organizer_name == organizer_name:
        return replace(page, trusted_until=trusted_until)
    shown: views.Event = orjson.loads(page.body)
    shown["organizer"] = views.organizer(organizer_name)
    body = orjson.dumps(shown)
    return replace(
        page,
        body=body,
        tag=tag_of(body, page.version),
        organizer_name=organizer_name,
        trusted_until=trusted_until,
        compressed={},
    )


def _is_worth_another_try(error: Exception) -> bool:
    """Whether one event of many may be to blame: not where catalog is away, for whoever asks."""
    return isinstance(error, RemoteError) and error.code not in AWAY


def _edits(page: EventPage) -> bool:
    """Whether the caller may have changed the event a moment ago."""
    identity = current_identity()
    return identity is not None and (
        identity.subject == page.organizer_id or identity.role is Role.ADMIN
    )
