"""What was free of each event's seats when somebody last looked, less what was chosen since.

A hint, so that choosing the best seats does not read the whole hall for every batch: what is chosen
is locked and judged in the database as ever, and nobody is refused on the word of a hint. It is
shared by the batches of a process, so those that run beside each other choose different seats.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from uuid import UUID

from cachetools import LRUCache

# Seats that came free elsewhere are seen after this at the latest.
_GOOD_SECONDS = 0.5
_EVENTS = 64


@dataclass(frozen=True, slots=True)
class _Seen:
    mask: bytearray
    until: float


class Vacancies:
    """The masks of the events that were chosen from last, as `seating.choose` takes them."""

    def __init__(self) -> None:
        self._seen: LRUCache[UUID, _Seen] = LRUCache(_EVENTS)

    def recall(self, event_id: UUID) -> bytearray | None:
        """What is left of the last look, if that was a moment ago; whoever chooses marks it."""
        seen = self._seen.get(event_id)
        return seen.mask if seen and time.monotonic() < seen.until else None

    def remember(self, event_id: UUID, mask: bytearray) -> None:
        """Keeps a look for those who come next."""
        self._seen[event_id] = _Seen(mask, time.monotonic() + _GOOD_SECONDS)
