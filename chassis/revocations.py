"""Sessions that ended before their access tokens did: every process refuses those at once.

Each process listens to `session.revoked` on a queue of its own, which goes with its connection. At
the start, each time the queue is there anew, and now and then besides, it asks auth_service for
the whole list, so that what was said while nobody listened is not missed. While the broker is away
it asks every few seconds.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from typing import Any

import httpx
from cachetools import TTLCache
from google.protobuf.message import Message
from parterre.messages.v1 import messages_pb2

from chassis.broker import Broker
from chassis.identity import LEEWAY_SECONDS, LONGEST_ACCESS_SECONDS
from chassis.lifecycle import background
from chassis.listener import listen
from chassis.logs import get_logger

PATH = "/revocations"
_MOST_SESSIONS = 200_000
_KEPT_SECONDS = LONGEST_ACCESS_SECONDS + 2 * LEEWAY_SECONDS
_FIRST_FETCH_SECONDS = 2.0
_FETCH_SECONDS = 60.0
_FETCH_SECONDS_UNHEARD = 5.0

log = get_logger(__name__)

# The ids of the sessions that have ended while their access tokens may still be good.
Fetch = Callable[[], Awaitable[Iterable[str]]]


class Revocations:
    """The ended sessions, each kept until its last access token has expired."""

    def __init__(self) -> None:
        self._ended: TTLCache[str, None] = TTLCache(_MOST_SESSIONS, _KEPT_SECONDS)
        self._is_complete = False

    @property
    def is_complete(self) -> bool:
        """Whether the whole list was had once; until then nobody's access token is taken."""
        return self._is_complete

    def add(self, session_ids: Iterable[str]) -> None:
        """Refuses these from now on."""
        for id in session_ids:
            self._ended[id] = None

    def complete(self, session_ids: Iterable[str]) -> None:
        """Refuses these, which are all that auth_service knows of."""
        self.add(session_ids)
        self._is_complete = True

    async def check(self) -> None:
        """Raises until the whole list was had once: before, an ended session would pass."""
        if not self._is_complete:
            raise LookupError("the ended sessions are not known yet")

    def __contains__(self, session_id: object) -> bool:
        return session_id in self._ended


@asynccontextmanager
async def followed(fetch: Fetch, broker: Broker | None) -> AsyncIterator[Revocations]:
    """Revocations that are kept current for as long as the block runs.

    Without a broker, and while it is away, they are asked for every five seconds. What can't be
    had when the block begins is asked for again beside it.
    """
    ended = Revocations()
    follower = _Follower(ended, fetch)
    with suppress(Exception):
        async with asyncio.timeout(_FIRST_FETCH_SECONDS):
            ended.complete(await fetch())
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(background("revocations-fetch", follower.fetch))
        if broker is not None:
            listening = partial(
                listen, broker, [messages_pb2.SessionsRevoked], follower.take, follower.hears
            )
            await stack.enter_async_context(background("revocations", listening))
        yield ended


class _Follower:
    def __init__(self, ended: Revocations, fetch: Fetch) -> None:
        self._ended = ended
        self._fetch = fetch
        self._hears = False
        self._changed = asyncio.Event()

    async def fetch(self) -> None:
        """Asks for the list, for ever; a failure raises, to be tried again soon."""
        while True:
            self._changed.clear()
            self._ended.complete(await self._fetch())
            with suppress(TimeoutError):
                async with asyncio.timeout(
                    _FETCH_SECONDS if self._hears else _FETCH_SECONDS_UNHEARD
                ):
                    await self._changed.wait()

    def hears(self, now: bool) -> None:  # noqa: FBT001 - `listen` calls it
        """Whether what is said is heard has changed: what was said before is on the list."""
        self._hears = now
        self._changed.set()

    async def take(self, message: Message) -> None:
        if isinstance(message, messages_pb2.SessionsRevoked):
            self._ended.add(message.session_ids)


def _sessions_of(answer: Any) -> list[str]:
    if not isinstance(answer, list) or not all(isinstance(id, str) for id in answer):
        raise TypeError("session ids are a list of texts")
    return answer


def fetch_from(jwks_url: str, tls: ssl.SSLContext | None = None) -> Fetch:
    """Asks auth_service where its JWK set comes from; with `tls`, over it."""
    url = httpx.URL(jwks_url).join(PATH)

    async def fetch() -> Iterable[str]:
        async with httpx.AsyncClient(timeout=2.0, trust_env=False, verify=tls or True) as client:
            answer = (await client.get(url)).raise_for_status()
        return _sessions_of(answer.json()["sessions"])

    return fetch
