"""The transactional outbox: messages commit with the state they speak of; a relay publishes them.

Each row is published at least once; the consumer's inbox makes that once. A row is leased from the
start to the process that writes it: its relay has the message in memory when the transaction has
committed, publishes it at once, persistent and mandatory with confirms, and deletes in batches what
was confirmed. Rows whose lease has run out, because their process died or the broker would not take
them, and rows that no relay had room for, are claimed from the table (`FOR UPDATE SKIP LOCKED`, so
replicas share the work); the relay wakes for those on a local signal, with a one-second poll behind
it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast
from uuid import UUID

import orjson
from aio_pika.abc import AbstractChannel
from aiormq import Channel, spec
from google.protobuf.message import Message

from chassis import proto_json
from chassis.failpoints import AFTER_PUBLISH
from chassis.ids import uuid7
from chassis.logs import get_logger
from chassis.postgres import Command, command
from chassis.telemetry import ALERTS, MESSAGES_PUBLISHED, OUTBOX_WAITING

if TYPE_CHECKING:
    from chassis.broker import Broker
    from chassis.database import Database, Session

BATCH = 200
# Messages that a relay has in memory at most; what is beyond waits in the table.
_ROOM = 1000
_POLL_SECONDS = 1.0
_CONFIRM_SECONDS = 10.0
# Longer than a confirm is waited for, so that a slow broker is not sent everything twice.
_LEASE_SECONDS = 15.0
# How long confirmed messages gather before their rows are deleted together.
_GATHER_SECONDS = 0.05
_PERSISTENT = 2
# A message the broker would not take waits before it is tried again, so that it never holds up
# the others: 1 s, doubling, five minutes at most.
_BACK_OFF_SQL = """
UPDATE outbox SET attempts = attempts + 1,
       due_at = clock_timestamp() + least(interval '1 second' * 2 ^ least(attempts, 9), '5 minutes')
 WHERE id = ANY(:ids)
"""
_STORE_SQL = """
INSERT INTO outbox (id, type, body, headers, due_at)
SELECT id, type, body, jsonb_build_object('request_id', request_id),
       clock_timestamp() + make_interval(secs => :lease_seconds)
  FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS each (id uuid, type text, body text,
                                                         request_id text)
"""
_CLAIM_SQL = """
SELECT id, type, body, headers->>'request_id' AS request_id FROM outbox
 WHERE due_at <= clock_timestamp() OR (CAST(:leased_too AS boolean) AND attempts = 0)
 ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED
"""
_DELETE_SQL = "DELETE FROM outbox WHERE id = ANY(:ids)"
# Were the deletion lost in a crash, the messages would be published twice, as is always possible:
# no reason to wait for the disk.
_LAZY_SQL = "SET LOCAL synchronous_commit = off"

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message, written."""

    type: str  # the proto message's full name
    body: str  # proto-JSON


@dataclass(frozen=True, slots=True)
class Entry:
    """A message as the outbox keeps it."""

    id: UUID
    type: str
    body: str
    request_id: str

    @classmethod
    def of(cls, message: Outgoing, request_id: str) -> Entry:
        """The message under an id of its own."""
        return cls(uuid7(), message.type, message.body, request_id)


Encode = Callable[[object], Outgoing]


def encoded(message: Message) -> Outgoing:
    """The outbox's form of a proto message."""
    return Outgoing(message.DESCRIPTOR.full_name, proto_json.dumps(message))


def outbox_command(entries: Sequence[Entry], *, leased: bool) -> Command:
    """The statement that writes messages to the outbox; `leased` to this process's relay."""
    return command(
        _STORE_SQL,
        {
            "rows": orjson.dumps(entries).decode(),
            "lease_seconds": _LEASE_SECONDS if leased else 0.0,
        },
    )


class Relay:
    """Publishes one service's outbox."""

    def __init__(self, database: Database, broker: Broker) -> None:
        self._database = database
        self._broker = broker
        self._channel: AbstractChannel | None = None  # while it runs
        self._publishing: set[asyncio.Task[None]] = set()
        self._in_memory = 0
        # Leased messages, to be deleted or put off by the next pass.
        self._confirmed: list[UUID] = []
        self._refused: list[UUID] = []
        database.relay = self

    def has_room(self, count: int) -> bool:
        """Whether it takes so many messages from memory."""
        return self._channel is not None and self._in_memory + count <= _ROOM

    def take(self, entries: Sequence[Entry]) -> None:
        """Publishes messages whose rows were leased to this process, and have been committed.

        Where it has stopped meanwhile their leases run out, as if it had died.
        """
        if self._channel is not None:
            task = asyncio.create_task(self._publish_leased(self._channel, entries))
            self._publishing.add(task)
            self._in_memory += len(entries)

            def done(task: asyncio.Task[None]) -> None:
                self._publishing.discard(task)
                self._in_memory -= len(entries)

            task.add_done_callback(done)

    async def run(self) -> None:
        """Publishes until cancelled or the broker's connection is lost (which raises)."""
        async with self._broker.channel(confirms=True) as channel:
            try:
                # What a predecessor had in memory has nobody any more. It comes first: nothing is
                # published from the table and from memory at once.
                while await self.publish_batch(channel, leased_too=True) == BATCH:
                    pass
                self._channel = channel
                while not channel.is_closed:
                    self._database.outbox_filled.clear()
                    if await self.publish_batch(channel) < BATCH:
                        with suppress(TimeoutError):
                            async with asyncio.timeout(_POLL_SECONDS):
                                await self._database.outbox_filled.wait()
            finally:
                self._channel = None
                for task in self._publishing:
                    task.cancel()
        raise ConnectionError("the channel to the broker was closed")

    async def publish_batch(self, channel: AbstractChannel, *, leased_too: bool = False) -> int:
        """Settles what was published from memory, and publishes up to BATCH due rows; how many.

        The rows stay locked while the broker confirms: the one place where a transaction waits for
        the network, bounded by the confirm's deadline. A crash leaves them for another relay.
        """
        confirmed, refused = len(self._confirmed), len(self._refused)
        async with self._database.transaction() as session:
            _settle(session, self._confirmed, self._refused)
            rows = await session.all(_CLAIM_SQL, limit=BATCH, leased_too=leased_too)
            OUTBOX_WAITING.set(len(rows))
            if rows:
                entries = [Entry(*row) for row in rows]
                _settle(session, *await self._publish_all(channel, entries))
        del self._confirmed[:confirmed], self._refused[:refused]
        return len(rows)

    async def _publish_leased(self, channel: AbstractChannel, entries: Sequence[Entry]) -> None:
        """What is not confirmed stays in the table until its lease runs out."""
        try:
            confirmed, refused = await self._publish_all(channel, entries)
        except Exception as error:  # noqa: BLE001 - a lost channel has many names
            log.warning("messages not confirmed", count=len(entries), error=repr(error))
        else:
            if not (self._confirmed or self._refused):
                loop = asyncio.get_running_loop()
                loop.call_later(_GATHER_SECONDS, self._database.outbox_filled.set)
            self._confirmed += confirmed
            self._refused += refused

    async def _publish_all(
        self, channel: AbstractChannel, entries: Sequence[Entry]
    ) -> tuple[list[UUID], list[UUID]]:
        """Publishes messages; returns those that were confirmed, and those that were refused.

        Raises:
            ConnectionError, TimeoutError: nobody knows which were.
        """
        async with asyncio.timeout(_CONFIRM_SECONDS):
            wire = cast("Channel", await channel.get_underlay_channel())
            results = await asyncio.gather(
                *(self._publish(wire, entry) for entry in entries), return_exceptions=True
            )
        if channel.is_closed:
            raise ConnectionError("the channel to the broker was closed while publishing")
        self._database.failpoint(AFTER_PUBLISH)
        confirmed: list[UUID] = []
        refused: list[UUID] = []
        for entry, result in zip(entries, results, strict=True):
            (confirmed if result is None else refused).append(entry.id)
        if refused:
            ALERTS.labels("message_refused_by_broker").inc(len(refused))
            why = next(result for result in results if result is not None)
            log.error("messages refused", count=len(refused), first=refused[0], why=repr(why))
        return confirmed, refused

    async def _publish(self, channel: Channel, entry: Entry) -> None:
        """Publishes a message, and waits for its confirm.

        Not for its bytes to have left (`wait`): the messages of a batch leave together, instead of
        each when the one before it is gone. A batch bounds what is buffered.
        """
        address = self._broker.topology.addresses[entry.type]
        await channel.basic_publish(
            entry.body.encode(),
            exchange=address.exchange,
            routing_key=address.routing_key,
            properties=spec.Basic.Properties(
                message_id=str(entry.id),
                message_type=entry.type,
                headers={"request_id": entry.request_id},
                content_type="application/json",
                delivery_mode=_PERSISTENT,
            ),
            mandatory=address.mandatory,
            wait=False,
        )
        MESSAGES_PUBLISHED.labels(entry.type).inc()


def _settle(session: Session, confirmed: Sequence[UUID], refused: Sequence[UUID]) -> None:
    if confirmed:
        session.defer(_LAZY_SQL)
        session.defer(_DELETE_SQL, ids=list(confirmed))
    if refused:
        session.defer(_BACK_OFF_SQL, ids=list(refused))
