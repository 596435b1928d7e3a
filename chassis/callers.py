"""Who may be calling: a person in a role, or a process."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Role(IntEnum):
    """What a person may do; cumulative, so they compare."""

    CUSTOMER = 1
    ORGANIZER = 2
    ADMIN = 3


@dataclass(frozen=True, slots=True)
class Identity:
    """A verified caller: a person (`role` set) or a process (`role` None)."""

    subject: str  # the person's id, or the process's name
    role: Role | None
    session_id: str
    token: str  # as received, to be passed on
    expires_at: float  # Unix seconds
    # Of a token that was made for an API key: what it is good for, and the one object (its id, in
    # lower case) that it is confined to, where it is. Everybody else is limited to no scopes.
    scopes: frozenset[str] | None = None
    confined_to: str = ""

    @property
    def is_process(self) -> bool:
        """True for a process's own token."""
        return self.role is None

    @property
    def is_key(self) -> bool:
        """True for a person's API key, which is good for less than the person is."""
        return self.scopes is not None

    @property
    def account(self) -> str:
        """Whose requests and idempotency keys are kept apart: the person's, or the API key's."""
        return self.session_id if self.is_key else self.subject
