"""Wakes whoever waits in this process for a booking to come to rest."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class Wakeups:
    """Waiters by the booking's reference.

    One that comes to rest in another process wakes nobody here: poll too.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, set[asyncio.Event]] = {}

    def wake(self, reference: str) -> None:
        """Sets the events of all who wait for the booking."""
        for event in self._waiting.get(reference, ()):
            event.set()

    @contextmanager
    def of(self, reference: str) -> Iterator[asyncio.Event]:
        """An event that is set whenever the booking comes to rest, while the block runs."""
        event = asyncio.Event()
        self._waiting.setdefault(reference, set()).add(event)
        try:
            yield event
        finally:
            self._waiting[reference].discard(event)
            if not self._waiting[reference]:
                del self._waiting[reference]
