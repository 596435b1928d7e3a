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

    @property
    def is_process(self) -> bool:
        """True for a process's own token."""
        return self.role is None
