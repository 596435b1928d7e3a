"""What the use cases work with."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import UUID
from weakref import WeakValueDictionary

from auth_service import storage
from auth_service.domain import Action, AuthError, Limits
from auth_service.keys import KeyRing
from auth_service.passwords import HashingPool
from chassis.database import Database, Session
from chassis.identity import LEEWAY_SECONDS

T = TypeVar("T")
MAX_ADDRESS = 64


@dataclass(frozen=True)
class Auth:
    """What the use cases work with."""

    database: Database
    keys: KeyRing
    passwords: HashingPool
    code_pepper: bytes
    organizer_signup_open: bool
    limits: Limits
    # One log-in at a time per address and process: several good ones at once must not meet the
    # throttle because each counts as failed until it has succeeded.
    turns: WeakValueDictionary[str, asyncio.Lock] = field(default_factory=WeakValueDictionary)

    @property
    def token_seconds(self) -> int:
        """How long after its session's last use an access token may still be taken for good."""
        return self.limits.access_seconds + 2 * LEEWAY_SECONDS


def audit_own(session: Session, action: Action, account_id: UUID, **detail: str) -> None:
    """Notes what somebody did to their own account."""
    storage.audit(session, action, account_id, account_id, **detail)


def unless_refused(outcome: T | AuthError) -> T:
    """What a transaction came to, or the refusal that it had to commit."""
    if isinstance(outcome, AuthError):
        raise outcome
    return outcome
