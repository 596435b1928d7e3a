"""Wakes whoever waits in this process for a booking to come to rest."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID


class Wakeups:
    """Waiters by booking. One that comes to rest in another process wakes nobody here: poll too."""

    def __init__(self) -> None:
        self._waiting: dict[UUID, set[asyncio.Event]] = {}

    def wake(self, booking_id: UUID) -> None:
        """Sets the events of all who wait for the booking."""
        for event in self._waiting.get(booking_id, ()):
            event.set()

    @contextmanager
    def of(self, booking_id: UUID) -> Iterator[asyncio.Event]:
        """An event that is set whenever the booking comes to rest, while the block runs."""
        event = asyncio.Event()
        self._waiting.setdefault(booking_id, set()).add(event)
        try:
            yield event
        finally:
            self._waiting[booking_id].discard(event)
            if not self._waiting[booking_id]:
                del self._waiting[booking_id]
