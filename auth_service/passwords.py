"""Hashing passwords with argon2id (RFC 9106), off the event loop, as many at a time as there is
room for."""

from __future__ import annotations

import asyncio
import math
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.resources import files
from types import TracebackType
from typing import Self, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from prometheus_client import Counter

from chassis.errors import overloaded

T = TypeVar("T")

HASHING_CPU_SECONDS = Counter(
    "parterre_password_hashing_cpu_seconds", "CPU used to hash passwords, seconds"
)

# Case-folded passwords of eight characters and more; shorter ones are refused for their length.
COMMON = frozenset(
    files("auth_service").joinpath("common_passwords.txt").read_text("utf-8").splitlines()
)
# OWASP's second choice of equal strength, the one that takes the least time.
_MEMORY_KIB = 19_456
_PASSES = 2
_LANES = 1
# What takes 25 ms at a time makes room for what takes one: this process's event loop, and sales.
_NICENESS = 5
# Over about so many of the last hashes.
_AVERAGED = 16


def _yield_to_others() -> None:
    if sys.platform == "linux":  # where a thread has a niceness of its own: setpriority(2)
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


class HashingPool:
    """A few threads, and a bounded queue before them. A context: at its end the threads stop.

    No more than `waiting` wait, and nobody who would wait for longer than `wait_seconds`, as long
    as hashes take just now.
    """

    def __init__(
        self,
        threads: int,
        waiting: int,
        *,
        wait_seconds: float = 2.5,
        memory_kib: int = _MEMORY_KIB,
    ) -> None:
        self._count = threads
        self._most = threads + waiting
        self._wait_seconds = wait_seconds
        self._taken = 0
        self._threads = ThreadPoolExecutor(threads, "argon2", initializer=_yield_to_others)
        self._hashing = Hashing(self._threads, PasswordHasher(_PASSES, memory_kib, _LANES))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._threads.shutdown(cancel_futures=True)

    @contextmanager
    def place(self) -> Iterator[Hashing]:
        """A place in the queue, kept for the block.

        Raises:
            ServiceError: OVERLOADED, the queue is full or too slow; `retry_after` is when those who
                are in it now have had their turn.
        """
        ahead = self._taken
        wait = ahead * self._hashing.seconds / self._count if ahead >= self._count else 0.0
        if ahead >= self._most or wait > self._wait_seconds:
            raise overloaded(retry_after_seconds=math.ceil(wait))
        self._taken += 1
        try:
            yield self._hashing
        finally:
            self._taken -= 1


class Hashing:
    """What may be done in a place of the queue."""

    def __init__(self, threads: ThreadPoolExecutor, hasher: PasswordHasher) -> None:
        self._threads = threads
        self._hasher = hasher
        began = time.perf_counter()
        # What an unknown address's password is compared with, so that it takes as long.
        self._nobodys = hasher.hash("nobody's")
        self.seconds = time.perf_counter() - began  # that a hash takes just now, about

    async def hash(self, password: str) -> str:
        """The password's stored form, salt and parameters included."""
        return await self._apart(lambda: self._hasher.hash(password))

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether the password is the hashed one; None takes as long, and is False."""

        def matches() -> bool:
            try:
                self._hasher.verify(password_hash or self._nobodys, password)
            except VerifyMismatchError:
                return False
            return password_hash is not None

        return await self._apart(matches)

    def outdated(self, password_hash: str) -> bool:
        """Whether it was hashed with other parameters than today's."""
        # The parameters stand before the salt.
        return password_hash.split("$")[:-2] != self._nobodys.split("$")[:-2]

    async def _apart(self, work: Callable[[], T]) -> T:
        def timed() -> tuple[T, float]:
            began, cpu = time.perf_counter(), time.thread_time()
            done = work()
            HASHING_CPU_SECONDS.inc(time.thread_time() - cpu)
            return done, time.perf_counter() - began

        done, seconds = await asyncio.get_running_loop().run_in_executor(self._threads, timed)
        self.seconds += (seconds - self.seconds) / _AVERAGED
        return done
