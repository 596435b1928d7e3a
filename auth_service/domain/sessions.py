"""Sessions, and the tokens that carry them on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from auth_service.domain.accounts import Account


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A device somebody is logged in on."""

    id: UUID
    address: str
    user_agent: str
    created_at: datetime
    last_used_at: datetime


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a session is carried on with."""

    access_token: str
    expires_in: int  # seconds
    refresh_token: str
    refresh_expires_in: int  # seconds
    account: Account


@dataclass(frozen=True, slots=True)
class NewDeviceSignedIn:
    """Message: somebody logged in from a device that their account did not know."""

    user_id: UUID
    session_id: UUID
    user_agent: str
    address: str
    at: datetime


@dataclass(frozen=True, slots=True)
class SessionsRevoked:
    """Message: sessions ended; their access tokens are no longer good."""

    session_ids: tuple[UUID, ...]


def token_digest(token: str) -> bytes:
    """A refresh token's stored form; 256 random bits need no salt."""
    return hashlib.sha256(token.encode()).digest()
