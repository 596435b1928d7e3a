"""What documents are made of, kept for a while: a crowd asks no more often than one does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Kept(Generic[T]):
    """Something that is read anew once it is `seconds` old, by the given clock.

    Of many who come together one reads it. What reading raises is raised to whoever read, and the
    next one reads again.
    """

    def __init__(
        self, read: Callable[[], Awaitable[T]], seconds: float, clock: Callable[[], float]
    ) -> None:
        self._read = read
        self._seconds = seconds
        self._clock = clock
        self._found: tuple[T, float] | None = None  # and until when it is good
        self._reading = asyncio.Lock()

    async def get(self) -> T:
        """What is kept, or read now."""
        async with self._reading:
            if self._found is None or self._clock() >= self._found[1]:
                value = await self._read()
                self._found = (value, self._clock() + self._seconds)
            return self._found[0]
