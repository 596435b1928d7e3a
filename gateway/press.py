"""Work for the processor, off the event loop: a few at a time, and no endless queue before it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from gateway.problems import ProblemError

AT_ONCE = 2
MOST_WAITING = 50

T = TypeVar("T")


class Press:
    """Draws and prints."""

    def __init__(self, at_once: int = AT_ONCE, most_waiting: int = MOST_WAITING) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._room = at_once + most_waiting

    async def make(self, work: Callable[[], T]) -> T:
        """What `work` returns, from a thread.

        Raises:
            ProblemError: OVERLOADED, too many wait already.
        """
        if not self._room:
            raise ProblemError("OVERLOADED", "Try again in a moment.")
        self._room -= 1
        try:
            async with self._free:
                return await asyncio.to_thread(work)
        finally:
            self._room += 1
