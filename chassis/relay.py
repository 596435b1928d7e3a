"""The relay: publishes a service's outbox, persistent and mandatory with confirms.

Each message is published at least once; the consumer makes that once. What this process's own
transactions send is published from memory when they have committed, and its rows are deleted in
batches once the broker has confirmed. What is due in the table is claimed (`FOR UPDATE SKIP
LOCKED`, so that replicas share the work): the relay wakes for it on a local signal, and looks now
and then for what a process left that died, or the broker would not take.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache, partial
from uuid import UUID

from prometheus_client import Counter

from chassis.broker import Broker
from chassis.context import Origin
from chassis.database import Database, Session
from chassis.failpoints import AFTER_PUBLISH
from chassis.lifecycle import background
from chassis.logs import get_logger
from chassis.outbox import Entry
from chassis.telemetry import MESSAGES_PUBLISHED, alert
from chassis.wire import Parcel, Wire

BATCH = 200
# Messages that a relay has in memory at most; what is beyond waits in the table.
_ROOM = 1000
# How long the table is left alone where nothing is known to wait in it; after a refusal the first
# look comes early, and the next ones later each time. A row that another process left is leased to
# it for longer than this.
_FIRST_POLL_SECONDS = 1.0
_POLL_SECONDS = 8.0
_CONFIRM_SECONDS = 10.0
# How long confirmed messages gather before their rows are deleted together.
_GATHER_SECONDS = 0.2
# A message the broker would not take waits before it is tried again, so that it never holds up
# the others: 1 s, doubling, five minutes at most.
_BACK_OFF_SQL = """
UPDATE outbox SET attempts = attempts + 1,
       due_at = clock_timestamp() + least(interval '1 second' * 2 ^ least(attempts, 9), '5 minutes')
 WHERE id = ANY(:ids)
"""
# A row that was written before payloads were binary has its JSON in `body`. One of a type that is
# not known here was written by a newer version beside this one, and is left to that.
_CLAIM_SQL = """
SELECT id, type, coalesce(payload, convert_to(body, 'UTF8')) AS body,
       coalesce(headers->>'request_id', '') AS request_id,
       coalesce(headers->>'traceparent', '') AS traceparent,
       CASE WHEN payload IS NULL THEN 'application/json' ELSE 'application/x-protobuf' END
           AS content_type
  FROM outbox
 WHERE type = ANY(:types)
   AND (due_at <= clock_timestamp() OR (CAST(:leased_too AS boolean) AND attempts = 0))
 ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED
"""
# The same plan however many there are: ADR 0008, "plans are kept".
_DELETE_SQL = "DELETE FROM outbox WHERE id = ANY(ARRAY(SELECT unnest(CAST(:ids AS uuid[]))))"
# Were the deletion lost in a crash, the messages would be published twice, as is always possible:
# no reason to wait for the disk.
_LAZY_SQL = "SET LOCAL synchronous_commit = off"

_REFUSED = alert("message_refused_by_broker")

log = get_logger(__name__)


class Relay:
    """Publishes one service's outbox."""

    def __init__(self, database: Database, broker: Broker) -> None:
        self._database = database
        self._broker = broker
        self._types = list(broker.topology.types)
        self._wire: Wire | None = None  # while it publishes from memory
        self._in_memory = 0
        # Leased messages whose rows are to be deleted or put off.
        self._confirmed: list[UUID] = []
        self._refused: list[UUID] = []
        self._to_settle = asyncio.Event()
        self._pause = _FIRST_POLL_SECONDS
        for type in self._types:
            _published(type)
        database.relay = self

    def has_room(self, count: int) -> bool:
        """Whether it takes so many messages from memory."""
        return self._wire is not None and self._in_memory + count <= _ROOM

    def take(self, entries: Sequence[Entry]) -> None:
        """Publishes messages whose rows were leased to this process, and have been committed.

        Where it has stopped meanwhile their leases run out, as if it had died. So do those of
        messages that are not confirmed in time.
        """
        if self._wire is None:
            return
        self._in_memory += len(entries)
        answer = self._publish(self._wire, entries)
        overdue = asyncio.get_running_loop().call_later(
            _CONFIRM_SECONDS, partial(_give_up, answer, len(entries))
        )

        def settle(answer: asyncio.Future[Mapping[int, str]]) -> None:
            overdue.cancel()
            self._in_memory -= len(entries)
            if answer.cancelled():
                return
            error = answer.exception()
            if error is not None:
                log.warning("messages not confirmed", count=len(entries), error=repr(error))
                return
            confirmed, refused = self._sorted(entries, answer.result())
            self._confirmed += confirmed
            self._refused += refused
            self._to_settle.set()

        answer.add_done_callback(settle)

    async def run(self) -> None:
        """Publishes until cancelled or the broker's connection is lost (which raises)."""
        async with self._broker.wire() as wire:
            wire.when_lost(self._database.outbox_filled.set)
            await self._settle()
            # What a predecessor had in memory has nobody any more. It comes first: nothing is
            # published from the table and from memory at once.
            while await self.publish_batch(wire, leased_too=True) == BATCH:
                pass
            self._wire = wire
            try:
                async with background("outbox-settling", self._settle_for_ever):
                    await self._claim_until_lost(wire)
            finally:
                self._wire = None
        raise ConnectionError("the channel to the broker was closed")

    async def _claim_until_lost(self, wire: Wire) -> None:
        while not wire.is_closed:
            self._database.outbox_filled.clear()
            found = await self.publish_batch(wire)
            if found == BATCH:
                continue
            self._pause = _FIRST_POLL_SECONDS if found else min(2 * self._pause, _POLL_SECONDS)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pause * random.uniform(0.8, 1.0)):  # noqa: S311 - jitter
                    await self._database.outbox_filled.wait()

    async def _settle_for_ever(self) -> None:
        while True:
            await self._to_settle.wait()
            await asyncio.sleep(_GATHER_SECONDS)
            self._to_settle.clear()
            await self._settle()

    async def _settle(self) -> None:
        """Deletes the rows of what was published from memory; puts off what was refused."""
        confirmed, self._confirmed = self._confirmed, []
        refused, self._refused = self._refused, []
        try:
            async with self._database.transaction() as session:
                _settle(session, confirmed, refused)
        except BaseException:
            self._confirmed += confirmed
            self._refused += refused
            self._to_settle.set()
            raise
        if refused:
            # To look again about when they are due.
            self._pause = _FIRST_POLL_SECONDS / 2
            self._database.outbox_filled.set()

    async def publish_batch(self, wire: Wire, *, leased_too: bool = False) -> int:
        """Publishes up to BATCH due rows; how many.

        The rows stay locked while the broker confirms: the one place where a transaction waits for
        the network, bounded by the confirm's deadline. A crash leaves them for another relay.

        Raises:
            ConnectionError, TimeoutError: nobody knows which were published.
        """
        async with self._database.transaction() as session:
            rows = await session.all(
                _CLAIM_SQL, types=self._types, limit=BATCH, leased_too=leased_too
            )
            if rows:
                entries = [
                    Entry(
                        row.id,
                        row.type,
                        row.body,
                        Origin(row.request_id, row.traceparent),
                        row.content_type,
                    )
                    for row in rows
                ]
                async with asyncio.timeout(_CONFIRM_SECONDS):
                    answer = await self._publish(wire, entries)
                _settle(session, *self._sorted(entries, answer))
        return len(rows)

    def _publish(self, wire: Wire, entries: Sequence[Entry]) -> asyncio.Future[Mapping[int, str]]:
        """Publishes messages; gives those that the broker refused, by place."""
        addresses = self._broker.topology.addresses
        return wire.publish(
            [
                Parcel(
                    (address := addresses[entry.type]).exchange,
                    address.routing_key,
                    address.mandatory,
                    str(entry.id),
                    entry.type,
                    entry.content_type,
                    entry.headers,
                    entry.body,
                )
                for entry in entries
            ]
        )

    def _sorted(
        self, entries: Sequence[Entry], refusals: Mapping[int, str]
    ) -> tuple[list[UUID], list[UUID]]:
        """The ids of messages that the broker confirmed, and of those it refused."""
        self._database.failpoint(AFTER_PUBLISH)
        confirmed: list[UUID] = []
        refused: list[UUID] = []
        for place, entry in enumerate(entries):
            if place in refusals:
                refused.append(entry.id)
            else:
                confirmed.append(entry.id)
                _published(entry.type).inc()
        if refused:
            _REFUSED.inc(len(refused))
            why = next(iter(refusals.values()))
            log.error("messages refused", count=len(refused), first=refused[0], why=why)
        return confirmed, refused


@cache
def _published(type: str) -> Counter:
    return MESSAGES_PUBLISHED.labels(type)


def _give_up(answer: asyncio.Future[Mapping[int, str]], count: int) -> None:
    if not answer.done():
        log.warning("messages not confirmed in time", count=count)
        answer.cancel()


def _settle(session: Session, confirmed: Sequence[UUID], refused: Sequence[UUID]) -> None:
    if confirmed:
        session.defer(_LAZY_SQL)
        session.defer(_DELETE_SQL, ids=list(confirmed))
    if refused:
        session.defer(_BACK_OFF_SQL, ids=list(refused))
