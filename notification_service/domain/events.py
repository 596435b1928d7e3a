"""Events, as far as people are told of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Event:
    """An event on sale."""

    id: UUID
    organizer_id: UUID
    title: str
    place: str
    starts_at: datetime
    timezone: str  # IANA name
    version: int  # rises with every change
