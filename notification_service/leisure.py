"""Work for the processor that has time until others have none to do."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

# How many times as long as a piece of work waited for a processor the next one is put off. A rush
# on two cores makes one that takes 10 ms wait for 10 to 30; on an idle machine it waits for
# nothing.
_YIELDS = 4.0
# However busy the machine is: what is put off must not be put off for ever.
_LONGEST_SECONDS = 0.125
_MORE_PATIENT = 10

T = TypeVar("T")


def be_patient() -> None:
    """Has this thread go after others (nice(2), which Linux has by thread)."""
    with suppress(PermissionError):
        os.nice(_MORE_PATIENT)


class AtLeisure:
    """Does pieces of work one after the other; leaves processors to others where they are short.

    Niceness alone does not: it counts between the threads of a process, and neither between
    sessions (sched(7), the autogroup feature) nor between containers.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.perf_counter,
        worked: Callable[[], float] = time.thread_time,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """`worked`: for how many seconds the thread has had a processor."""
        self._clock = clock
        self._worked = worked
        self._sleep = sleep
        self._rests_until = clock()

    def do(self, work: Callable[[], T]) -> T:
        """Does a piece of work, after a rest where the one before had to wait for a processor."""
        began = self._clock()
        if began < self._rests_until:
            self._sleep(self._rests_until - began)
            began = self._clock()
        worked = self._worked()
        try:
            return work()
        finally:
            ended = self._clock()
            waited = ended - began - (self._worked() - worked)
            self._rests_until = ended + min(_LONGEST_SECONDS, max(0.0, waited * _YIELDS))
