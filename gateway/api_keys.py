"""API keys that come as Bearer tokens, each exchanged for a token that every service verifies.

The token is auth_service's, good for ten minutes at most, and kept here until shortly before; a key
that is asked for by several requests at once is exchanged once. What is kept is the key's digest.
A key that was revoked is refused at once all the same: its token's session has ended.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from cachetools import LRUCache, TTLCache
from parterre.auth.v1 import auth_pb2, auth_pb2_grpc

from chassis import api_keys
from chassis.errors import RemoteError, ServiceError
from chassis.http_protocol import network_of
from chassis.identity import Identity, TokenVerifier
from gateway.problems import ProblemError, from_remote_error
from gateway.rates import RateLimiter
from gateway.services import Remote

_INVALID = "INVALID_API_KEY"
_MOST_KEYS = 10_000
# Keys that auth_service is asked about at once.
_MOST_ASKED = 200
# A wrong key that comes again and again is not asked about each time.
_WRONG_SECONDS = 1.0
# Of a token's life, so that none expires between here and a service.
_KEPT = 0.9


@dataclass(frozen=True, slots=True)
class _Token:
    token: str
    until: float  # of the clock


class ApiKeys:
    """The tokens of the keys that were used lately."""

    def __init__(
        self,
        auth: Remote[auth_pb2_grpc.AuthServiceStub],
        verifier: TokenVerifier,
        addresses: RateLimiter,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._auth = auth
        self._verifier = verifier
        self._addresses = addresses
        self._clock = clock
        self._tokens: LRUCache[bytes, _Token] = LRUCache(_MOST_KEYS)
        self._wrong: TTLCache[bytes, None] = TTLCache(_MOST_KEYS, _WRONG_SECONDS, clock)
        self._asked: dict[bytes, asyncio.Task[_Token]] = {}

    async def verify(self, key: str, address: str) -> Identity:
        """Who the key speaks for, and what it is good for; `address` is the client's.

        Raises:
            ProblemError: INVALID_API_KEY, or why auth_service is not asked or does not say:
                RATE_LIMITED, OVERLOADED, ADDRESS_THROTTLED, SERVICE_UNAVAILABLE.
            ServiceError: UNAVAILABLE where a token can't be verified yet.
        """
        digest = hashlib.sha256(key.encode()).digest()
        kept = self._tokens.get(digest)
        if kept is None or kept.until <= self._clock():
            kept = await self._exchanged(digest, key, address)
        try:
            return await self._verifier.verify(kept.token)
        except ServiceError as error:
            if error.kind != "UNAUTHENTICATED":
                raise
            self._tokens.pop(digest, None)
            raise _invalid() from error

    async def _exchanged(self, digest: bytes, key: str, address: str) -> _Token:
        if digest in self._wrong or not api_keys.is_whole(key):
            raise _invalid()
        asked = self._asked.get(digest)
        if asked is None:
            self._require_room(address)
            asked = self._asked[digest] = asyncio.create_task(self._exchange(digest, key, address))
            asked.add_done_callback(partial(self._forget, digest))
        try:
            # Others wait for it too: it goes on when this client has gone.
            return await asyncio.shield(asked)
        except RemoteError as error:
            raise from_remote_error(error) from error

    def _require_room(self, address: str) -> None:
        """Whoever sends keys that are not known here is nobody yet, and counts as an address."""
        verdict = self._addresses.hit(network_of(address), self._clock())
        if not verdict.allowed:
            raise ProblemError(
                "RATE_LIMITED", "Slow down.", headers={"Retry-After": str(verdict.retry_seconds)}
            )
        if len(self._asked) >= _MOST_ASKED:
            raise ProblemError("OVERLOADED", "Try again in a moment.")

    def _forget(self, digest: bytes, asked: asyncio.Task[_Token]) -> None:
        del self._asked[digest]
        if not asked.cancelled():
            asked.exception()  # it is nobody's loss where all who waited have gone

    async def _exchange(self, digest: bytes, key: str, address: str) -> _Token:
        began = self._clock()
        try:
            reply = await self._auth.as_gateway(
                self._auth.rpc.ExchangeApiKey,
                auth_pb2.ExchangeApiKeyRequest(key=key, address=address),
            )
        except RemoteError as error:
            if error.reason == _INVALID:
                self._wrong[digest] = None
                self._tokens.pop(digest, None)
            raise
        made = _Token(reply.access_token, began + reply.expires_in * _KEPT)
        self._tokens[digest] = made
        return made


def _invalid() -> ProblemError:
    return ProblemError(_INVALID, "This API key is not known, was revoked, or has expired.")
