"""Wakes whoever waits in this process for a booking to come to rest."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import NamedTuple

from booking_service.saga import Saga


class Rest(NamedTuple):
    """A saga that has ended or needs the customer, the method it is paid by, and since when."""

    saga: Saga
    method: str
    at: datetime


class Waiting:
    """One who waits for a booking."""

    def __init__(self) -> None:
        self._news = asyncio.Event()
        self._rest: Rest | None = None

    def tell(self, rest: Rest) -> None:
        """The booking has come to rest."""
        self._rest = rest
        self._news.set()

    async def wait(self, seconds: float) -> Rest | None:
        """What it was told, within `seconds`; None: nothing."""
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return None
        self._news.clear()
        return self._rest


class Wakeups:
    """Waiters by the booking's reference.

    One that comes to rest in another process wakes nobody here: look too.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, set[Waiting]] = {}

    def wake(self, reference: str, rest: Rest) -> None:
        """Tells all who wait for the booking how it has come to rest."""
        for waiting in self._waiting.get(reference, ()):
            waiting.tell(rest)

    @contextmanager
    def of(self, reference: str) -> Iterator[Waiting]:
        """Waits for the booking while the block runs."""
        waiting = Waiting()
        self._waiting.setdefault(reference, set()).add(waiting)
        try:
            yield waiting
        finally:
            self._waiting[reference].discard(waiting)
            if not self._waiting[reference]:
                del self._waiting[reference]
