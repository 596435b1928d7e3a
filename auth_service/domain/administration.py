"""What admins search by, and the trail of what was done."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args
from uuid import UUID

from auth_service.domain.accounts import ROLES, STATUSES
from auth_service.domain.errors import InvalidCursorError, InvalidFilterError

MAX_QUERY = 100  # characters
MAX_PAGE = 100
# All that the trail has.
Action = Literal[
    "API_KEY_CREATED",
    "API_KEY_REVOKED",
    "BUSINESS_NAMED",
    "CODE_REFUSED",
    "DISABLED",
    "ENABLED",
    "KEYS_ROTATED",
    "LOGGED_IN",
    "LOGGED_OUT",
    "LOG_IN_FAILED",
    "LOG_IN_REFUSED",
    "ORGANIZER_DECLINED",
    "ORGANIZER_REQUESTED",
    "PASSWORD_CHANGED",
    "PASSWORD_CHANGE_FAILED",
    "PASSWORD_RESET",
    "PROFILE_CHANGED",
    "REFRESH_REUSED",
    "REGISTERED",
    "ROLE_CHANGED",
    "SESSION_REVOKED",
]
ACTIONS: Sequence[str] = get_args(Action)
_LAST_ID = UUID(int=2**128 - 1)


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Something that was done."""

    id: UUID
    at: datetime
    action: str
    actor_id: UUID | None
    subject_id: UUID | None
    detail: Mapping[str, str]


def check_user_filter(query: str, role: str, status: str, limit: int) -> None:
    """Refuses what accounts can't be searched by; empty filters are none.

    Raises:
        InvalidFilterError: every such filter is named.
    """
    wrong = _limit_faults(limit)
    if len(query) > MAX_QUERY or "\0" in query:
        wrong["q"] = f"Must have at most {MAX_QUERY} characters"
    if role and role not in ROLES:
        wrong["role"] = "Must be one of CUSTOMER, ORGANIZER, ADMIN"
    if status and status not in STATUSES:
        wrong["status"] = f"Must be one of {', '.join(STATUSES)}"
    if wrong:
        raise InvalidFilterError("Some filters are not right.", **wrong)


def check_limit(limit: int) -> None:
    """Refuses a page of no size, or of too many entries.

    Raises:
        InvalidFilterError: it is one.
    """
    wrong = _limit_faults(limit)
    if wrong:
        raise InvalidFilterError("Some filters are not right.", **wrong)


def parse_audit_filter(user_id: str, action: str, limit: int) -> UUID | None:
    """Whom the entries are to be about; None: everybody.

    Raises:
        InvalidFilterError: every filter that is not right is named.
    """
    wrong = _limit_faults(limit)
    person: UUID | None = None
    try:
        person = UUID(user_id) if user_id else None
    except ValueError:
        wrong["user_id"] = "Must be an account's id"
    if action and action not in ACTIONS:
        wrong["action"] = f"Must be one of {', '.join(ACTIONS)}"
    if wrong:
        raise InvalidFilterError("Some filters are not right.", **wrong)
    return person


def _limit_faults(limit: int) -> dict[str, str]:
    return {} if 1 <= limit <= MAX_PAGE else {"limit": f"Must be 1 to {MAX_PAGE}"}


def to_cursor(id: UUID) -> str:
    """The opaque form of the last id of a page."""
    return base64.urlsafe_b64encode(id.bytes).rstrip(b"=").decode()


def from_cursor(cursor: str) -> UUID:
    """The id that the page of `cursor` (empty: the first) comes after, in falling order.

    Raises:
        InvalidCursorError: it is none.
    """
    if not cursor:
        return _LAST_ID
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        return UUID(bytes=raw)
    except (binascii.Error, ValueError):
        raise InvalidCursorError from None
