"""The names of the businesses that sell, for everybody to see.

auth_service has them. Nobody's look at an event depends on it: a name that is not known is waited
for a moment, and left out where it does not come. A name is at most a minute old while auth_service
answers, and an hour while it does not; that there is none is asked again after ten seconds.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from contextvars import Context
from dataclasses import dataclass

import grpc
from cachetools import LRUCache
from parterre.auth.v1 import auth_pb2, auth_pb2_grpc

from chassis.errors import RemoteError
from chassis.logs import get_logger
from gateway.services import Remote

# A name of this age is asked for again, beside whoever is shown it.
_FRESH_SECONDS = 30.0
_FRESH_SECONDS_OF_NONE = 10.0
# One of this age is waited for, and shown only where no newer one comes.
_OLD_SECONDS = 60.0
# One of this age is not shown any more.
_KEPT_SECONDS = 3600.0
# How long an event's page waits for names, and how long auth_service may take to tell one.
_PATIENCE_SECONDS = 0.1
_SECONDS = 1.0
# After auth_service failed or was late nobody waits for it, and who failed is not asked again.
_AWAY_SECONDS = 5.0
_MOST_KEPT = 10_000
_MOST_ASKED = 64  # at the same time

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Heard:
    """A name as auth_service told it; times by the clock of the names."""

    name: str  # "": there is none
    at: float
    ask_at: float


class Organizers:
    """The names of the businesses that sell."""

    def __init__(
        self,
        auth: Remote[auth_pb2_grpc.AuthServiceStub],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._auth = auth
        self._clock = clock
        self._heard: LRUCache[str, _Heard] = LRUCache(_MOST_KEPT)
        self._asked: dict[str, asyncio.Task[None]] = {}
        self._away_until = clock()

    @property
    def under_way(self) -> int:
        """How many names auth_service is asked for."""
        return len(self._asked)

    async def name(self, organizer_id: str) -> str:
        """The name of one of them; empty: there is none, or it can't be told now."""
        return (await self.names((organizer_id,)))[organizer_id]

    async def names(self, organizer_ids: Iterable[str]) -> Mapping[str, str]:
        """The names by the organizers' ids; empty: there is none, or it can't be told now."""
        ids = set(organizer_ids)
        waited_for = {task for id in ids if (task := self._sought(id))}
        if waited_for and self._clock() >= self._away_until:
            _done, late = await asyncio.wait(waited_for, timeout=_PATIENCE_SECONDS)
            if late:
                self._is_away("it is late")
        return {id: self._known(id) for id in ids}

    def _sought(self, id: str) -> asyncio.Task[None] | None:
        """Has the name asked for where it is time to; the task, where it is worth waiting for."""
        now, heard = self._clock(), self._heard.get(id)
        if heard is not None and now < heard.ask_at:
            return None
        task = self._asked.get(id)
        if task is None:
            if len(self._asked) >= _MOST_ASKED:
                return None
            # Whoever looks first may be gone before the answer comes.
            task = asyncio.create_task(self._ask(id), context=Context())
            self._asked[id] = task
        is_old = heard is None or now >= heard.at + _OLD_SECONDS
        return task if is_old else None

    def _known(self, id: str) -> str:
        heard = self._heard.get(id)
        return heard.name if heard and self._clock() < heard.at + _KEPT_SECONDS else ""

    async def _ask(self, id: str) -> None:
        try:
            name = await self._told(id)
        except RemoteError as error:
            self._is_away(str(error))
            kept, now = self._heard.get(id), self._clock()
            name, at = (kept.name, kept.at) if kept else ("", now)
            self._heard[id] = _Heard(name, at, now + _AWAY_SECONDS)
        else:
            now = self._clock()
            fresh = _FRESH_SECONDS if name else _FRESH_SECONDS_OF_NONE
            self._heard[id] = _Heard(name, now, now + fresh)
        finally:
            del self._asked[id]

    async def _told(self, id: str) -> str:
        request = auth_pb2.GetOrganizerRequest(user_id=id)
        try:
            reply = await self._auth.as_gateway(self._auth.rpc.GetOrganizer, request, _SECONDS)
        except RemoteError as error:
            if error.code is grpc.StatusCode.NOT_FOUND:
                return ""  # they sell nothing any more
            raise
        return reply.business_name

    def _is_away(self, why: str) -> None:
        now = self._clock()
        if now >= self._away_until:
            log.warning("events do not say who sells them", error=why)
        self._away_until = now + _AWAY_SECONDS
