"""Start, run until told to stop, drain.

SIGTERM and SIGINT ask for a stop once; the second one ends the process at once.
"""

from __future__ import annotations

import asyncio
import gc
import random
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress

import uvloop

from chassis import tracing
from chassis.logs import get_logger

# So many more objects are there before the youngest are looked through for garbage; by default 700.
_NEW_OBJECTS = 10_000

log = get_logger(__name__)


def run(service: AbstractAsyncContextManager[object]) -> None:
    """Opens `service`, keeps it open until a signal asks for a stop, closes it."""
    try:
        uvloop.run(_until_stopped(service))
    finally:
        tracing.close()


async def _until_stopped(service: AbstractAsyncContextManager[object]) -> None:
    stop = asyncio.Event()

    def ask() -> None:
        if stop.is_set():
            sys.exit(1)
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ask)
    async with service:
        _spare_what_stays()
        log.info("started")
        await stop.wait()
        log.info("draining")
    log.info("stopped")


def _spare_what_stays() -> None:
    """Keeps the garbage collector from looking at what was made at the start again and again.

    It is never garbage, and there is so much of it that each full collection held the loop up for
    0.2 s under load. What comes after is looked at less often than by default, too: almost all of
    it is freed by counting references.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS, 10, 10)


@asynccontextmanager
async def background(name: str, work: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Runs `work` beside the block; when it fails it is started again, later each time.

    The pause grows from 0.2 s to 5 s with jitter, and is forgotten after a minute without failure.
    """
    task = asyncio.create_task(_forever(name, work), name=name)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _forever(name: str, work: Callable[[], Awaitable[None]]) -> None:
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    pause = 0.2
    while True:
        began = loop.time()
        try:
            await work()
        except (Exception, asyncio.CancelledError) as error:
            if task is not None and task.cancelling():
                if isinstance(error, asyncio.CancelledError):
                    raise
                return  # at closing something that was gone already: it is over all the same
            # Else it outlives whatever it meets; what it waited for may have been cancelled, too.
            log.warning("background work failed", work=name, error=repr(error), pause=pause)
        if loop.time() - began > 60:
            pause = 0.2
        await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
        pause = min(pause * 2, 5.0)
