"""Who is calling: signed tokens, verified by every process for itself.

Three kinds, all EdDSA JWTs (RFC 8037), told apart by the header's `typ`:

- `at+jwt` (RFC 9068): a person's access token, signed by auth_service, keys from its JWK set;
- `ak+jwt`: what the gateway is given for a person's API key, signed by auth_service too. It says
  which scopes it is good for, so whoever does not know the kind takes it for none;
- `svc+jwt`: a process's own token for calls that no person makes, signed with its own key, naming
  the callee as audience. Each process knows the public keys of the peers that may call it.

`jku`, `jwk`, `x5u` and every algorithm but EdDSA are ignored or refused.
"""

from __future__ import annotations

import asyncio
import base64
import ssl
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

import httpx
import jwt
from cachetools import LRUCache
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from chassis.callers import Identity, Role
from chassis.errors import ServiceError, unavailable
from chassis.ids import uuid7
from chassis.logs import get_logger

__all__ = [
    "ACCESS_TYPE",
    "ALGORITHM",
    "AUDIENCE",
    "CONFINED_CLAIM",
    "ISSUER",
    "KEY_TYPE",
    "LEEWAY_SECONDS",
    "LONGEST_ACCESS_SECONDS",
    "SERVICE_TYPE",
    "EndedSessions",
    "Identity",
    "Jwks",
    "KeySource",
    "Role",
    "ServiceTokens",
    "TokenVerifier",
    "decode_key",
    "encode_key",
    "forbidden",
    "unauthenticated",
]

ACCESS_TYPE = "at+jwt"
KEY_TYPE = "ak+jwt"
SERVICE_TYPE = "svc+jwt"
ISSUER = "parterre-auth"
AUDIENCE = "parterre"
ALGORITHM = "EdDSA"
# The one object that a key's token is confined to; beside it `scope` (RFC 8693, 4.2).
CONFINED_CLAIM = "confined_to"
LEEWAY_SECONDS = 30
LONGEST_ACCESS_SECONDS = 600
_SERVICE_TOKEN_SECONDS = 60
_REFETCH_SECONDS = 60
_RETRY_SECONDS = 1
_CACHE_SIZE = 50_000
_HEADERS = 64

log = get_logger(__name__)


def unauthenticated(detail: str) -> ServiceError:
    """The refusal of a call whose token is missing or not good."""
    return ServiceError("UNAUTHENTICATED", "INVALID_TOKEN", detail)


def forbidden() -> ServiceError:
    """The refusal of a call that is not the caller's to make."""
    return ServiceError("FORBIDDEN", "FORBIDDEN", "You may not do this.")


class EndedSessions(Protocol):
    """Whose access tokens are refused before they expire: `chassis.revocations` keeps them."""

    @property
    def is_complete(self) -> bool:
        """Whether the whole list was had once: before, an ended session would pass."""

    def __contains__(self, session_id: object, /) -> bool: ...


class _NoneEnded:
    """For verifiers that are told of no sessions."""

    is_complete = True

    def __contains__(self, session_id: object, /) -> bool:
        return False


class KeySource(Protocol):
    """Where access tokens' keys come from."""

    async def key(self, key_id: str) -> Ed25519PublicKey | None:
        """The key named so, or None where there is none."""


class Jwks:
    """The JWK set (RFC 7517) of auth_service, fetched when a key is unknown, once a minute at most.

    Raises (from `key`):
        ServiceError: the set has never been fetched and auth_service does not answer.
    """

    def __init__(self, url: str, tls: ssl.SSLContext | None = None) -> None:
        """From `url`; with `tls`, over it."""
        self._url = url
        self._tls: ssl.SSLContext | bool = tls or True
        self._keys: dict[str, Ed25519PublicKey] = {}
        self._fetch_again_at = -float("inf")
        self._lock = asyncio.Lock()
        self.document: Mapping[str, Any] = {"keys": []}

    async def key(self, key_id: str) -> Ed25519PublicKey | None:
        if key_id not in self._keys:
            await self.refresh()
        return self._keys.get(key_id)

    async def refresh(self) -> None:
        """Fetches the set, unless that was done in the last minute, or failed in the last second.

        Raises:
            ServiceError: the set has never been fetched and auth_service does not answer.
        """
        async with self._lock:
            if time.monotonic() < self._fetch_again_at:
                if not self._keys:
                    raise unavailable()
                return
            self._fetch_again_at = time.monotonic() + _RETRY_SECONDS
            try:
                async with httpx.AsyncClient(
                    timeout=2.0, trust_env=False, verify=self._tls
                ) as client:
                    answer = (await client.get(self._url)).raise_for_status()
                document = answer.json()
                self._keys = {key["kid"]: _public_key(key) for key in document["keys"]}
            except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
                log.warning("signing keys could not be fetched", error=repr(error))
                if not self._keys:
                    raise unavailable() from error
                return
            self.document = document
            self._fetch_again_at = time.monotonic() + _REFETCH_SECONDS


def _public_key(jwk: Mapping[str, str]) -> Ed25519PublicKey:
    if jwk.get("kty") != "OKP" or jwk.get("crv") != "Ed25519":
        raise ValueError("not an Ed25519 key")
    return Ed25519PublicKey.from_public_bytes(decode_key(jwk["x"]))


def decode_key(text: str) -> bytes:
    """The 32 bytes of a base64url key.

    Raises:
        ValueError: it is not base64url, or not 32 bytes.
    """
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if len(raw) != 32:
        raise ValueError("a key has 32 bytes")
    return raw


def encode_key(raw: bytes) -> str:
    """The base64url form of a key, unpadded."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class TokenVerifier:
    """Verifies tokens, each once: it is remembered until it expires.

    A token of a session that is in `ended` is refused, remembered or not. While that list is not
    known no person's token is good or bad: whoever has logged out must not be served meanwhile.
    """

    def __init__(
        self,
        process: str,
        keys: KeySource,
        peers: Mapping[str, str],
        ended: EndedSessions | None = None,
    ) -> None:
        self._process = process
        self._keys = keys
        self._ended = _NoneEnded() if ended is None else ended
        self._peers = {
            name: Ed25519PublicKey.from_public_bytes(decode_key(key)) for name, key in peers.items()
        }
        self._known: LRUCache[str, Identity] = LRUCache(_CACHE_SIZE)
        # Of tokens that were good, by how they begin: as many as there are keys.
        self._headers: LRUCache[str, dict[str, Any]] = LRUCache(_HEADERS)

    async def verify(self, token: str) -> Identity:
        """Who `token` speaks for.

        Raises:
            ServiceError: UNAUTHENTICATED when the token is not good; UNAVAILABLE when that can't
                be told because auth_service has not answered yet: with its keys, or with the
                sessions that have ended.
        """
        known = self._known.get(token)
        if known is None:
            known = await self._verify(token)
            self._known[token] = known
        elif known.expires_at + LEEWAY_SECONDS <= time.time():
            del self._known[token]
            raise unauthenticated("The token has expired.")
        if known.role is not None and not self._ended.is_complete:
            raise unavailable()
        if known.session_id in self._ended:
            raise unauthenticated("The session has ended.")
        return known

    async def _verify(self, token: str) -> Identity:
        try:
            start = token.partition(".")[0]
            header = self._headers.get(start) or jwt.get_unverified_header(token)
            if header.get("alg") != ALGORITHM:
                raise unauthenticated("The token's algorithm is not accepted.")
            key_id = str(header.get("kid", ""))
            identity = None
            if header.get("typ") == ACCESS_TYPE:
                identity = await self._access(token, key_id)
            elif header.get("typ") == KEY_TYPE:
                identity = await self._access(token, key_id, is_for_key=True)
            elif header.get("typ") == SERVICE_TYPE:
                identity = self._service(token, key_id)
            if identity is not None:
                self._headers[start] = header
                return identity
        except jwt.ExpiredSignatureError as error:
            raise unauthenticated("The token has expired.") from error
        except (jwt.InvalidTokenError, KeyError, ValueError) as error:
            raise unauthenticated("The token is not valid.") from error
        raise unauthenticated("The token is not an access token.")

    async def _access(self, token: str, key_id: str, *, is_for_key: bool = False) -> Identity:
        key = await self._keys.key(key_id)
        if key is None:
            raise unauthenticated("The token's key is unknown.")
        claims = _decode(token, key, audience=AUDIENCE, issuer=ISSUER)
        identity = Identity(
            str(claims["sub"]), Role[claims["role"]], str(claims["sid"]), token, claims["exp"]
        )
        if not is_for_key:
            return identity
        scopes = frozenset(str(claims["scope"]).split())
        return replace(
            identity, scopes=scopes, confined_to=str(claims.get(CONFINED_CLAIM, "")).lower()
        )

    def _service(self, token: str, peer: str) -> Identity:
        key = self._peers.get(peer)
        if key is None:
            raise unauthenticated("The calling process is unknown.")
        claims = _decode(token, key, audience=self._process, issuer=peer)
        return Identity(peer, None, "", token, claims["exp"])


def _decode(token: str, key: Ed25519PublicKey, *, audience: str, issuer: str) -> dict[str, Any]:
    return jwt.decode(
        token,
        key,
        algorithms=[ALGORITHM],
        audience=audience,
        issuer=issuer,
        leeway=LEEWAY_SECONDS,
        options={"require": ["exp", "nbf", "iss", "aud", "sub"]},
    )


class ServiceTokens:
    """Makes this process's own short-lived tokens, one per callee, reused while fresh."""

    def __init__(self, process: str, key: str) -> None:
        self._process = process
        self._key = Ed25519PrivateKey.from_private_bytes(decode_key(key))
        self._made: dict[str, tuple[str, float]] = {}

    def token(self, callee: str) -> str:
        """A token good for calls to `callee` for at least half a minute."""
        made = self._made.get(callee)
        now = time.time()
        if made is None or made[1] - now < _SERVICE_TOKEN_SECONDS / 2:
            made = (self._sign(callee, now), now + _SERVICE_TOKEN_SECONDS)
            self._made[callee] = made
        return made[0]

    def _sign(self, callee: str, now: float) -> str:
        claims = {
            "iss": self._process,
            "sub": self._process,
            "aud": callee,
            "nbf": int(now),
            "exp": int(now + _SERVICE_TOKEN_SECONDS),
            "jti": str(uuid7()),
        }
        headers = {"typ": SERVICE_TYPE, "kid": self._process}
        return jwt.encode(claims, self._key, algorithm=ALGORITHM, headers=headers)
