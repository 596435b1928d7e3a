"""Streams: Server-Sent Events (WHATWG HTML, 9.2), of seats and of how many notices are unread.

A stream holds a socket, a task and how far it has come: nothing queues for it. While a client does
not read, the socket's buffer fills and this stream waits. Deltas of seats are made once for all who
listen, in a ring; what a stream then finds gone is replaced by a snapshot.
"""

from __future__ import annotations

import abc
import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from random import randrange

from starlette.types import Receive, Scope, Send

from chassis.http_protocol import network_of
from chassis.identity import Identity
from chassis.revocations import Revocations
from gateway.answers import EventStream
from gateway.edge import BODILESS, STREAM_BEGINS, address_of
from gateway.live import Live, Places
from gateway.notices import Notices
from gateway.problems import ProblemError
from gateway.settings import Settings

# What there is to tell now, as events; empty: nothing.
News = Callable[[], Awaitable[bytes]]

_END_SECONDS = 1.0
_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # nginx would keep it back
]


@dataclass(frozen=True, slots=True)
class StreamTerms:
    """How many streams there may be, and how long one lives."""

    most: int
    of_a_person: int
    of_an_address: int
    heartbeat_seconds: float
    life_seconds: float

    @classmethod
    def of(cls, settings: Settings) -> StreamTerms:
        """As configured."""
        return cls(
            settings.max_streams,
            settings.person_streams,
            settings.address_streams * settings.address_factor,
            settings.stream_heartbeat_seconds,
            settings.stream_life_seconds,
        )


class Streams:
    """The streams that are open."""

    def __init__(
        self, live: Live, notices: Notices, ended: Revocations, terms: StreamTerms
    ) -> None:
        self.live = live
        self.notices = notices
        self.ended = ended
        self.terms = terms
        self._open = 0
        self._of: Counter[str] = Counter()

    def end(self) -> None:
        """Ends every stream; their clients come again, elsewhere."""
        self.live.end_streams()
        self.notices.wake()

    @contextmanager
    def admitted(self, identity: Identity | None, address: str) -> Iterator[None]:
        """Counts one stream for as long as the block runs.

        Raises:
            ProblemError: TOO_MANY_STREAMS of this person or address, or OVERLOADED.
        """
        if self.live.closing or self._open >= self.terms.most:
            raise ProblemError("OVERLOADED", "Too many streams are open.")
        if identity is not None:
            who, most = identity.subject, self.terms.of_a_person
        else:
            who, most = network_of(address), self.terms.of_an_address
        if self._of[who] >= most:
            raise ProblemError("TOO_MANY_STREAMS", f"At most {most} at once.")
        self._open += 1
        self._of[who] += 1
        try:
            yield
        finally:
            self._open -= 1
            self._of[who] -= 1
            if not self._of[who]:
                del self._of[who]


class _Stream(EventStream):
    """News as they come, and a comment now and then."""

    def __init__(self, streams: Streams, identity: Identity | None) -> None:
        super().__init__()
        self._streams = streams
        self._identity = identity

    @abc.abstractmethod
    def _listened(self) -> AbstractContextManager[tuple[asyncio.Event, News]]:
        """Listens while the block runs: what wakes the stream, and gives what it has to tell."""

    def _is_over(self) -> bool:
        """Whether the gateway's work or the person's session has ended."""
        streams, identity = self._streams, self._identity
        return streams.live.closing or (
            identity is not None and identity.session_id in streams.ended
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        streams = self._streams
        terms = streams.terms
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + terms.life_seconds
        with (
            streams.admitted(self._identity, address_of(scope)),
            self._listened() as (wake, news),
        ):
            await send({"type": "http.response.start", "status": 200, "headers": list(_HEADERS)})
            if BODILESS in scope:
                await send({"type": "http.response.body", "body": b""})
                return
            scope[STREAM_BEGINS]()
            gone = asyncio.create_task(_left(receive))
            gone.add_done_callback(lambda _: wake.set())
            try:
                # Not all at once when this gateway goes.
                await _write(send, b"retry: %d\n\n" % randrange(200, 1200))  # noqa: S311 - jitter
                while loop.time() < ends_at and not (gone.done() or self._is_over()):
                    wake.clear()
                    if told := await news():
                        await _write(send, told)
                        continue
                    try:
                        async with asyncio.timeout(terms.heartbeat_seconds):
                            await wake.wait()
                    except TimeoutError:
                        await _write(send, b":\n\n")
                with suppress(TimeoutError):
                    async with asyncio.timeout(_END_SECONDS):
                        await send({"type": "http.response.body", "body": b""})
            finally:
                gone.cancel()


class SeatStream(_Stream):
    """A snapshot of an event's seats, then deltas."""

    def __init__(
        self, streams: Streams, places: Places, identity: Identity | None, last_event_id: str
    ) -> None:
        super().__init__(streams, identity)
        self._places = places
        self._last_event_id = last_event_id

    @contextmanager
    def _listened(self) -> Iterator[tuple[asyncio.Event, News]]:
        places = self._places
        with places.listened(self._last_event_id) as listener:

            async def news() -> bytes:
                return places.news(listener) or b""

            yield listener.wake, news

    def _is_over(self) -> bool:
        """Whether the event has left the sale, besides."""
        return self._places.closed or super()._is_over()


class NoticeStream(_Stream):
    """How many notices a person has not read, each time that it changes."""

    def __init__(self, streams: Streams, identity: Identity) -> None:
        super().__init__(streams, identity)
        self._person = identity.subject

    @contextmanager
    def _listened(self) -> Iterator[tuple[asyncio.Event, News]]:
        notices = self._streams.notices
        with notices.listened(self._person) as listener:
            yield listener.wake, partial(notices.news, self._person, listener)


async def _write(send: Send, body: bytes) -> None:
    """Waits while the client does not read."""
    await send({"type": "http.response.body", "body": body, "more_body": True})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
