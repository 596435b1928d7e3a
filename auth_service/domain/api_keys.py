"""API keys: what programs sign in with in their owner's name."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from auth_service.domain.accounts import ADMIN, ORGANIZER
from auth_service.domain.errors import InvalidApiKeyWishError
from chassis.text import flaw_in_line, line

# Whose programs there are keys for.
KEY_OWNERS = frozenset({ORGANIZER, ADMIN})
NAME_LENGTH = range(1, 101)


@dataclass(frozen=True, slots=True)
class ApiKeyWish:
    """A key that somebody wants; every field is as it will be stored."""

    name: str
    scopes: Sequence[str]
    event_id: UUID | None  # the one it is confined to
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key, as its owner sees it."""

    id: UUID
    name: str
    prefix: str
    scopes: Sequence[str]
    event_id: UUID | None
    status: str  # ACTIVE, EXPIRED or REVOKED
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class KeyInUse:
    """A key that is good, and whose it is."""

    id: UUID
    owner_id: UUID
    role: str  # the owner's
    scopes: Sequence[str]
    event_id: UUID | None
    at: datetime  # now
    seconds_left: float | None  # None: it does not expire


def parse_api_key_wish(
    *,
    name: str,
    scopes: Sequence[str],
    event_id: str,
    expires_at: datetime | None,
    known_scopes: Collection[str],
) -> ApiKeyWish:
    """A key that somebody wants.

    Raises:
        InvalidApiKeyWishError: something is malformed; every such field is named.
    """
    wrong: dict[str, str] = {}
    name = line(name)
    flaw = flaw_in_line(name)
    if len(name) not in NAME_LENGTH:
        wrong["name"] = "Must have 1 to 100 characters."
    elif flaw:
        wrong["name"] = f"{flaw.capitalize()}."
    if not scopes:
        wrong["scopes"] = "Must name one at least."
    elif not set(scopes) <= set(known_scopes):
        wrong["scopes"] = f"Must be of {', '.join(known_scopes)}."
    event: UUID | None = None
    try:
        event = UUID(event_id) if event_id else None
    except ValueError:
        wrong["event_id"] = "Must be an event's id."
    if wrong:
        raise InvalidApiKeyWishError(**wrong)
    return ApiKeyWish(name, tuple(dict.fromkeys(scopes)), event, expires_at)


def api_key_digest(key: str) -> bytes:
    """A key's stored form; 190 random bits need no salt, and no hash that is slow."""
    return hashlib.sha256(key.encode()).digest()
