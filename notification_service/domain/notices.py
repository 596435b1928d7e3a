"""News in the app: what people see when they look, and how many they have not read."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class NoticesChanged:
    """Message: the unread notices of some people became more or fewer."""

    person_ids: Collection[UUID]
