"""The keys that sign access tokens, and the tokens.

At least two are live: the oldest signs, the next is published already, so that whoever fetched the
JWK set before a rotation can verify what is signed after it. A retired key is published for
another hour; it signs on for as long as those behind it are too new for everybody to have them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from auth_service import storage
from auth_service.domain import Account, KeyInUse
from chassis.database import Database, Row, Session
from chassis.identity import (
    ACCESS_TYPE,
    ALGORITHM,
    AUDIENCE,
    CONFINED_CLAIM,
    ISSUER,
    KEY_TYPE,
    encode_key,
)
from chassis.ids import uuid7

_LIVE_KEYS = 2
# How soon a rotation made elsewhere is noticed.
_REREAD_SECONDS = 5.0
# How often tokens that name unknown keys may make us look.
_UNKNOWN_KEY_SECONDS = 5.0


class KeyRing:
    """The published keys, as last read from the database. A `chassis.identity.KeySource`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._keys: Mapping[str, Ed25519PrivateKey] = {}
        self._signer = ""
        self._read_at = 0.0
        self._lock = asyncio.Lock()

    async def open(self) -> None:
        """Makes the keys that are missing, and reads them all."""
        await self._database.run(_make_missing)
        await self._read()

    async def keep_fresh(self) -> None:
        """Reads the keys anew every few seconds, for ever."""
        while True:
            await asyncio.sleep(_REREAD_SECONDS)
            await self._read()

    async def key(self, key_id: str) -> Ed25519PublicKey | None:
        if key_id not in self._keys:
            async with self._lock:
                if time.monotonic() - self._read_at >= _UNKNOWN_KEY_SECONDS:
                    await self._read()
        key = self._keys.get(key_id)
        return key.public_key() if key else None

    def jwk_set(self) -> Mapping[str, Any]:
        """The public keys (RFC 7517, RFC 8037)."""
        return {
            "keys": [
                {
                    "kty": "OKP",
                    "crv": "Ed25519",
                    "use": "sig",
                    "alg": ALGORITHM,
                    "kid": kid,
                    "x": encode_key(key.public_key().public_bytes_raw()),
                }
                for kid, key in self._keys.items()
            ]
        }

    def access_token(
        self, account: Account, session_id: UUID, issued_at: datetime, seconds: int
    ) -> str:
        """A signed access token (RFC 9068); `issued_at` is the database's time."""
        return self._sign(
            ACCESS_TYPE, _claims(account.id, account.role, session_id, issued_at, seconds)
        )

    def api_key_token(self, key: KeyInUse, seconds: int) -> str:
        """A signed token that is good for what the key is good for, as its owner."""
        claims = _claims(key.owner_id, key.role, key.id, key.at, seconds)
        claims["scope"] = " ".join(key.scopes)
        if key.event_id is not None:
            claims[CONFINED_CLAIM] = str(key.event_id)
        return self._sign(KEY_TYPE, claims)

    def _sign(self, kind: str, claims: Mapping[str, Any]) -> str:
        headers = {"typ": kind, "kid": self._signer}
        return jwt.encode(
            dict(claims), self._keys[self._signer], algorithm=ALGORITHM, headers=headers
        )

    async def _read(self) -> None:
        self._read_at = time.monotonic()
        async with self._database.transaction() as session:
            rows = await storage.list_keys(session)
        self._keys = {
            str(row.kid): Ed25519PrivateKey.from_private_bytes(row.private_key) for row in rows
        }
        self._signer = str(_signer(rows).kid)


def _claims(
    account_id: UUID, role: str, session_id: UUID, issued_at: datetime, seconds: int
) -> dict[str, Any]:
    now = int(issued_at.timestamp())
    return {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": str(account_id),
        "role": role,
        "sid": str(session_id),
        "iat": now,
        "nbf": now,
        "exp": now + seconds,
        "jti": str(uuid7()),
    }


def _signer(rows: Sequence[Row]) -> Row:
    settled = [row for row in rows if row.settled]  # the oldest is among them
    return next((row for row in settled if row.live), settled[-1])


@dataclass(frozen=True, slots=True)
class PublishedKey:
    """A key that tokens are verified by."""

    id: str
    state: str  # SIGNS; NEXT: signs after a rotation; RETIRED: signs no more
    made_at: datetime
    verifies_until: datetime | None  # None: until an hour after its retirement, which is to come


async def published(database: Database) -> Sequence[PublishedKey]:
    """The keys that are published, oldest first; none before auth_service ran once."""
    async with database.transaction() as session:
        rows = await storage.list_keys(session)
    signer = _signer(rows).kid if rows else None

    def state(row: Row) -> str:
        return "SIGNS" if row.kid == signer else "NEXT" if row.live else "RETIRED"

    return [
        PublishedKey(str(row.kid), state(row), row.created_at, row.verifies_until) for row in rows
    ]


@dataclass(frozen=True, slots=True)
class Rotation:
    """What a rotation did, by the keys' ids."""

    retired: str
    next: str
    added: str


async def rotate(database: Database) -> Rotation:
    """Retires the oldest live key, for the next one to sign, and adds one behind it.

    Nobody is logged out: what the retired key signed is accepted until it expires.
    """

    async def work(session: Session) -> Rotation:
        await _make_missing(session)
        retired = await storage.retire_oldest_key(session)
        await _make_missing(session)
        live = [str(row.kid) for row in await storage.list_keys(session) if row.live]
        made = Rotation(str(retired), live[0], live[-1])
        storage.audit(
            session,
            "KEYS_ROTATED",
            None,
            None,
            retired=made.retired,
            next=made.next,
            added=made.added,
        )
        return made

    return await database.run(work)


async def _make_missing(session: Session) -> None:
    for _ in range(await storage.lock_keys(session), _LIVE_KEYS):
        await storage.add_key(session, uuid7(), Ed25519PrivateKey.generate().private_bytes_raw())
