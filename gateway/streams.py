"""Streams of seats: Server-Sent Events (WHATWG HTML, 9.2), made once for all who listen.

A stream holds a socket, a task and a number, how far it has come in the ring of deltas it shares
with the others: nothing queues for it. While a client does not read, the socket's buffer fills,
this stream waits, and the ring goes on; what it then finds gone is replaced by a snapshot.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from random import randrange

from starlette.types import Receive, Scope, Send

from chassis.http_protocol import network_of
from chassis.identity import Identity
from chassis.revocations import Revocations
from gateway.answers import EventStream
from gateway.edge import BODILESS, STREAM_BEGINS, address_of
from gateway.live import Live, Places
from gateway.problems import ProblemError
from gateway.settings import Settings

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

    def __init__(self, live: Live, ended: Revocations, terms: StreamTerms) -> None:
        self.live = live
        self.ended = ended
        self.terms = terms
        self._open = 0
        self._of: Counter[str] = Counter()

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


class SeatStream(EventStream):
    """A snapshot, then deltas, and a comment now and then."""

    def __init__(
        self, streams: Streams, places: Places, identity: Identity | None, last_event_id: str
    ) -> None:
        super().__init__()
        self._streams = streams
        self._places = places
        self._identity = identity
        self._last_event_id = last_event_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        streams, places = self._streams, self._places
        terms = streams.terms
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + terms.life_seconds
        with (
            streams.admitted(self._identity, address_of(scope)),
            places.listened(self._last_event_id) as listener,
        ):
            await send({"type": "http.response.start", "status": 200, "headers": list(_HEADERS)})
            if BODILESS in scope:
                await send({"type": "http.response.body", "body": b""})
                return
            scope[STREAM_BEGINS]()
            gone = asyncio.create_task(_left(receive))
            gone.add_done_callback(lambda _: listener.wake.set())
            try:
                # Not all at once when this gateway goes.
                await _write(send, b"retry: %d\n\n" % randrange(200, 1200))  # noqa: S311 - jitter
                while loop.time() < ends_at and not (gone.done() or self._is_over()):
                    if news := places.news(listener):
                        await _write(send, news)
                        continue
                    listener.wake.clear()
                    try:
                        async with asyncio.timeout(terms.heartbeat_seconds):
                            await listener.wake.wait()
                    except TimeoutError:
                        await _write(send, b":\n\n")
                with suppress(TimeoutError):
                    async with asyncio.timeout(_END_SECONDS):
                        await send({"type": "http.response.body", "body": b""})
            finally:
                gone.cancel()

    def _is_over(self) -> bool:
        """Whether the event, the gateway's work or the person's session has ended."""
        streams, places, identity = self._streams, self._places, self._identity
        return (
            streams.live.closing
            or places.closed
            or (identity is not None and identity.session_id in streams.ended)
        )


async def _write(send: Send, body: bytes) -> None:
    """Waits while the client does not read."""
    await send({"type": "http.response.body", "body": body, "more_body": True})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
