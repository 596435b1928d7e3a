"""What admins search by, and the trail of what was done."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from auth_service.domain.accounts import ROLES, STATUSES
from auth_service.domain.errors import InvalidCursorError, InvalidFilterError

MAX_QUERY = 100  # characters
MAX_PAGE = 100
_ACTION = re.compile(r"([A-Z_]{1,50})?")
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
        wrong["q"] = "A search has 100 characters at most."
    if role and role not in ROLES:
        wrong["role"] = "This is neither CUSTOMER, ORGANIZER nor ADMIN."
    if status and status not in STATUSES:
        wrong["status"] = "This is neither ACTIVE, DISABLED nor ORGANIZER_REQUESTED."
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
        wrong["user_id"] = "This is no account's id."
    if not _ACTION.fullmatch(action):
        wrong["action"] = "An action is written in capitals."
    if wrong:
        raise InvalidFilterError("Some filters are not right.", **wrong)
    return person


def _limit_faults(limit: int) -> dict[str, str]:
    return {} if 1 <= limit <= MAX_PAGE else {"limit": "A page has 1 to 100 entries."}


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
