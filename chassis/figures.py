"""Figures that nobody counts as they change: read when somebody asks for the metrics.

So they cost nothing where nobody does. The figures of this module are those that every process has;
a service adds its own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from prometheus_client import Counter, Gauge

from chassis.broker import Broker
from chassis.database import Database, Session
from chassis.logs import get_logger

# So long they are good: whoever asks sooner is shown what was read last.
FRESH_SECONDS = 15.0
_READ_SECONDS = 2.0
# More rows than that are shown as so many: what is counted has to be looked at.
MOST_COUNTED = 10_000

UNREAD = Counter(
    "parterre_figures_unread",
    "Figures that could not be read, and show what was read last",
    ["figure"],
)
OUTBOX_WAITING = Gauge(
    "parterre_outbox_waiting",
    f"Rows of the outbox, {MOST_COUNTED} at most; those in this process's hands are among them",
)
OUTBOX_OLDEST_SECONDS = Gauge(
    "parterre_outbox_oldest_seconds", "Age of the oldest row of the outbox, seconds; 0: none"
)
QUEUE_MESSAGES = Gauge(
    "parterre_queue_messages",
    "Messages that wait in a queue of this service's; .retry: for another try, .dead: given up",
    ["queue"],
)
QUEUE_CONSUMERS = Gauge(
    "parterre_queue_consumers",
    "Processes that take a queue's messages, as the broker counts them; .retry and .dead have none",
    ["queue"],
)

# A row's id is a UUIDv7: it begins with the milliseconds of its making.
_OUTBOX_SQL = """
SELECT (SELECT count(*) FROM (SELECT 1 FROM outbox LIMIT :most) AS few) AS waiting,
       greatest(0, extract(epoch FROM clock_timestamp())
           - ('x' || substr(replace(CAST((SELECT id FROM outbox ORDER BY id LIMIT 1) AS text),
                                    '-', ''), 1, 12))::bit(48)::bigint / 1000.0) AS oldest
"""

log = get_logger(__name__)

Read = Callable[[], Awaitable[None]]


class Figures:
    """What is read for whoever asks, at most every 15 seconds and once at a time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._reads: dict[str, Read] = {}
        self._clock = clock
        self._read_at = 0.0
        self._reading: asyncio.Task[None] | None = None

    def add(self, name: str, read: Read) -> None:
        """Reads it too; `read` sets gauges, or raises."""
        UNREAD.labels(name)
        self._reads[name] = read
        self._reading = None

    def add_from(
        self, database: Database, name: str, read: Callable[[Session], Awaitable[None]]
    ) -> None:
        """Reads it too, in a transaction of its own."""

        async def in_transaction() -> None:
            async with database.transaction() as session:
                await read(session)

        self.add(name, in_transaction)

    async def refresh(self) -> None:
        """Reads what is older than it may be, each figure within two seconds; never raises."""
        now = self._clock()
        reading = self._reading
        if reading is None or (reading.done() and now - self._read_at >= FRESH_SECONDS):
            self._read_at = now
            reading = self._reading = asyncio.create_task(self._read_all(), name="figures")
        await asyncio.shield(reading)  # who goes away takes it from nobody else

    async def _read_all(self) -> None:
        await asyncio.gather(*(self._read(name, read) for name, read in self._reads.items()))

    @staticmethod
    async def _read(name: str, read: Read) -> None:
        try:
            async with asyncio.timeout(_READ_SECONDS):
                await read()
        except Exception as error:  # noqa: BLE001 - the others are shown all the same
            UNREAD.labels(name).inc()
            log.warning("figure not read", figure=name, error=repr(error))


async def read_outbox(session: Session) -> None:
    """How much waits in the outbox, and for how long."""
    (row,) = await session.all(_OUTBOX_SQL, most=MOST_COUNTED)
    OUTBOX_WAITING.set(row.waiting)
    OUTBOX_OLDEST_SECONDS.set(row.oldest or 0)


async def read_queue(broker: Broker, name: str) -> None:
    """How much waits in a consumer's queue and the two beside it.

    Raises:
        ConnectionError: there is no connection to the broker at present.
    """
    await broker.check()
    async with broker.channel(confirms=False) as channel:
        for queue in (name, f"{name}.retry", f"{name}.dead"):
            declared = await channel.declare_queue(queue, passive=True)
            told = declared.declaration_result
            QUEUE_MESSAGES.labels(queue).set(told.message_count or 0)
            if queue == name:
                QUEUE_CONSUMERS.labels(queue).set(told.consumer_count or 0)
