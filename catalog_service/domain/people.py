"""Who asks."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks."""

    id: UUID
    is_admin: bool

    def runs(self, owner_id: UUID) -> bool:
        """Whether what that person owns is theirs to run: their own, or anybody's as an admin."""
        return self.is_admin or self.id == owner_id
