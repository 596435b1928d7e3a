"""Tells what changed of the places: each seat to whoever shows it live, counts to the catalog.

What transactions noted is gathered in memory and published beside them: a hold waits for none of
it and writes nothing for it. Seats: soon, not persistent; what is lost with this process is found
by whoever compares versions. Counts: every two seconds, through the outbox; what was not said any
more is found by looking at every event now and then (ADR 0015).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from uuid import UUID

import aio_pika
from aio_pika.abc import AbstractExchange

from chassis.broker import Broker
from chassis.database import Database
from chassis.logs import get_logger
from chassis.payloads import PROTOBUF
from chassis.telemetry import MESSAGES_PUBLISHED, alert
from chassis.topology import EVENTS
from inventory_service.changes import PlacesChange, PoolChange, SeatChange
from inventory_service.handlers import announcing
from inventory_service.messaging import encode

# The pause after an announcement grows with what it said: a single change is told within
# milliseconds, a rush ten times a second.
_GATHER_SECONDS = 0.002
_LEAST_PAUSE_SECONDS = 0.01
_PAUSE_SECONDS_A_CHANGE = 0.001
_MOST_PAUSE_SECONDS = 0.1
# So many changes of one event are told at once, whatever the pause; so many are kept in all while
# the broker is away.
_MAX_CHANGES = 2_000
_MAX_KEPT = 100_000
_COUNTS_PAUSE_SECONDS = 2.0
_COUNTS_AT_ONCE = 50
_LOOK_PAUSE = timedelta(seconds=60)
_LOOKS_AT_ONCE = 10

_DROPPED = alert("seat_changes_dropped")

log = get_logger(__name__)


@dataclass(slots=True)
class _Gathered:
    """What is to be told of one event."""

    due_at: float
    seats: dict[int, SeatChange] = field(default_factory=dict)
    pools: dict[UUID, PoolChange] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.seats) + len(self.pools)

    def add(self, change: PlacesChange) -> None:
        """Keeps the newest of each place."""
        for seat in change.seats:
            known = self.seats.get(seat.seat_no)
            if known is None or known.version < seat.version:
                self.seats[seat.seat_no] = seat
        for pool in change.pools:
            known_pool = self.pools.get(pool.section_id)
            if known_pool is None or known_pool.version < pool.version:
                self.pools[pool.section_id] = pool


class Announcer:
    """Gathers what one process's transactions noted, and tells it."""

    def __init__(self, database: Database, broker: Broker) -> None:
        self._database = database
        self._broker = broker
        self._gathered: dict[UUID, _Gathered] = {}
        self._kept = 0
        self._not_before: dict[UUID, float] = {}
        self._earlier = asyncio.Event()
        self._uncounted: set[UUID] = set()

    def take(self, facts: Sequence[object]) -> None:
        """Takes what a transaction noted and committed; `Database.when_noted`."""
        for fact in facts:
            if isinstance(fact, PlacesChange):
                self._uncounted.add(fact.event_id)
                self._gather(fact)

    def _gather(self, change: PlacesChange) -> None:
        now = asyncio.get_running_loop().time()
        gathered = self._gathered.get(change.event_id)
        if gathered is None:
            due_at = max(now + _GATHER_SECONDS, self._not_before.get(change.event_id, 0.0))
            gathered = self._gathered[change.event_id] = _Gathered(due_at)
            self._earlier.set()
        before = len(gathered)
        gathered.add(change)
        self._kept += len(gathered) - before
        if len(gathered) >= _MAX_CHANGES and gathered.due_at > now:
            gathered.due_at = now
            self._earlier.set()
        if self._kept > _MAX_KEPT:
            log.warning("changes of seats dropped", changes=self._kept)
            _DROPPED.inc()
            self._gathered.clear()
            self._kept = 0

    async def tell(self) -> None:
        """Publishes what is due, until the broker's connection is lost (which raises)."""
        loop = asyncio.get_running_loop()
        async with self._broker.channel(confirms=False) as channel:
            exchange = await channel.get_exchange(EVENTS, ensure=False)
            while not channel.is_closed:
                self._earlier.clear()
                now = loop.time()
                due = [id for id, each in self._gathered.items() if each.due_at <= now]
                for event_id in due:
                    await self._publish(exchange, event_id)
                self._not_before = {
                    id: moment for id, moment in self._not_before.items() if moment > now
                }
                next_at = min((each.due_at for each in self._gathered.values()), default=None)
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(next_at):
                        await self._earlier.wait()
        raise ConnectionError("the channel to the broker was closed")

    async def _publish(self, exchange: AbstractExchange, event_id: UUID) -> None:
        gathered = self._gathered.pop(event_id)
        self._kept -= len(gathered)
        pause = min(
            _MOST_PAUSE_SECONDS, max(_LEAST_PAUSE_SECONDS, _PAUSE_SECONDS_A_CHANGE * len(gathered))
        )
        self._not_before[event_id] = asyncio.get_running_loop().time() + pause
        change = PlacesChange(
            event_id, list(gathered.seats.values()), list(gathered.pools.values())
        )
        outgoing = encode(change)
        message = aio_pika.Message(
            outgoing.body,
            type=outgoing.type,
            content_type=PROTOBUF,
            delivery_mode=aio_pika.DeliveryMode.NOT_PERSISTENT,
        )
        address = self._broker.topology.addresses[outgoing.type]
        try:
            await exchange.publish(message, address.routing_key, mandatory=False)
        except Exception:
            self._gather(change)  # told again when the broker is back
            raise
        MESSAGES_PUBLISHED.labels(outgoing.type).inc()

    async def count(self) -> None:
        """Says how much is left of the events that changed, for ever."""
        while True:
            while self._uncounted:
                event_ids = [
                    self._uncounted.pop() for _ in range(min(_COUNTS_AT_ONCE, len(self._uncounted)))
                ]
                try:
                    await self._database.run(partial(announcing.announce, event_ids=event_ids))
                except Exception:
                    self._uncounted.update(event_ids)
                    raise
            await self._database.run(
                partial(announcing.announce_unchecked, pause=_LOOK_PAUSE, limit=_LOOKS_AT_ONCE)
            )
            await asyncio.sleep(_COUNTS_PAUSE_SECONDS)
