"""Work for the processor, off the event loop: a few at a time, and no endless queue before it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from cachetools import LRUCache

from gateway.problems import ProblemError
from gateway.rates import UnderWay

Work = Callable[[], bytes]


class Press:
    """Draws and prints; what was made is kept a while, by what it was made of."""

    def __init__(
        self,
        *,
        at_once: int,
        most_waiting: int,
        of_a_person: int,
        seconds: float,
        kept_bytes: int,
    ) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._room = at_once + most_waiting
        self._of_a_person = UnderWay(of_a_person)
        self._seconds = seconds
        self._kept: LRUCache[bytes, bytes] = LRUCache(kept_bytes, getsizeof=len)

    async def make(self, person: str, of: bytes, work: Work) -> bytes:
        """What `work` makes of `of`, from a thread, or what it made before.

        Raises:
            ProblemError: TOO_MANY_AT_ONCE of this person; OVERLOADED, too many wait already, or it
                took too long.
        """
        kept = self._kept.get(of)
        if kept is not None:
            return kept
        with self._of_a_person.one(person):
            if not self._room:
                raise ProblemError("OVERLOADED", "Try again in a moment.")
            self._room -= 1
            try:
                async with asyncio.timeout(self._seconds):
                    made = await self._made(work)
            except TimeoutError as error:
                raise ProblemError("OVERLOADED", "It took too long. Try again later.") from error
            finally:
                self._room += 1
        if len(made) <= self._kept.maxsize:
            self._kept[of] = made
        return made

    async def _made(self, work: Work) -> bytes:
        await self._free.acquire()
        job = asyncio.create_task(asyncio.to_thread(work))
        job.add_done_callback(self._ended)
        return await asyncio.shield(job)

    def _ended(self, job: asyncio.Task[bytes]) -> None:
        """A place is free when its thread is, not when nobody waits for it any more."""
        self._free.release()
        if not job.cancelled():
            job.exception()  # nobody else may be there to see it


def code_press() -> Press:
    """For QR codes: many and small, and somebody stands before a door with each."""
    return Press(
        at_once=2, most_waiting=100, of_a_person=10, seconds=10, kept_bytes=4 * 1024 * 1024
    )


def page_press() -> Press:
    """For PDFs: one of a person at a time, so that nobody keeps the others waiting."""
    return Press(at_once=1, most_waiting=20, of_a_person=1, seconds=15, kept_bytes=16 * 1024 * 1024)
