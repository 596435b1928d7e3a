"""The transactional inbox: each message takes effect once, however often it is delivered.

A batch of messages is one transaction: first the inbox rows of (consumer, message id), which drop
the duplicates, then the effects, the outgoing rows with them; the ack comes after the commit. When
a batch fails its messages are tried one by one, so that a poison message stops only itself: it
waits in the retry queue, and after `TRIES` goes to the dead letters.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from google.protobuf import json_format
from google.protobuf.message import Message

from chassis import proto_json
from chassis.broker import Broker
from chassis.context import accept_request_id, requests
from chassis.database import (
    Database,
    DatabaseError,
    PoolTimeoutError,
    Session,
    is_lost,
    is_overload,
    is_transient,
)
from chassis.failpoints import AFTER_CONSUME, BEFORE_ACK
from chassis.ids import parse_uuid
from chassis.logs import get_logger
from chassis.telemetry import ALERTS, MESSAGES_CONSUMED
from chassis.topology import DEAD

BATCH = 100
PREFETCH = 2 * BATCH
# How often a message that fails is tried before it is given up as a dead letter.
TRIES = 5
_TRIES_HEADER = "x-parterre-tries"
_BATCH_SECONDS = 30.0
# Of the event loop: a delivery goes through the client library's tasks before it is here.
_TURNS = 4

_INBOX_SQL = """
INSERT INTO inbox (consumer, message_id)
SELECT :consumer, id FROM unnest(CAST(:ids AS uuid[])) AS id
    ON CONFLICT DO NOTHING
RETURNING message_id
"""

log = get_logger(__name__)

Handle = Callable[[Session, Any], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Together:
    """Handles many messages at once, in the order they arrived; one that comes alone, too.

    Given for several types it takes them mixed, as they come, up to the next message that is
    handled otherwise.
    """

    handle: Callable[[Session, Sequence[Any]], Awaitable[None]]


# What a consumer does with each type of message, by the proto class.
Handlers = Mapping[type[Message], Handle | Together]


class UnreadableMessageError(Exception):
    """No id, an unknown type, or a body that is not that type's JSON: trying again won't help."""


@dataclass(frozen=True, slots=True)
class Received:
    """A delivery, read."""

    id: UUID
    type: str
    request_id: str
    content: Message
    delivery: AbstractIncomingMessage


def read(delivery: AbstractIncomingMessage, types: Mapping[str, type[Message]]) -> Received:
    """The message that was delivered.

    Raises:
        UnreadableMessageError: it is none of ours.
    """
    id = parse_uuid(delivery.message_id or "")
    if id is None:
        raise UnreadableMessageError("no message id")
    content_type = types.get(delivery.type or "")
    if content_type is None:
        raise UnreadableMessageError(f"unknown type {delivery.type}")
    try:
        content = proto_json.loads(delivery.body, content_type)
    except (json_format.ParseError, UnicodeDecodeError) as error:
        raise UnreadableMessageError(f"not a {delivery.type}: {error}") from error
    origin = accept_request_id(str(delivery.headers.get("request_id", "")))
    return Received(id, str(delivery.type), origin, content, delivery)


class Consumer:
    """Takes one queue's messages, batch by batch."""

    def __init__(self, queue: str, handlers: Handlers, database: Database, broker: Broker) -> None:
        self._queue = queue
        self._database = database
        self._broker = broker
        self._types = {kind.DESCRIPTOR.full_name: kind for kind in handlers}
        self._handlers = {kind.DESCRIPTOR.full_name: handle for kind, handle in handlers.items()}

    async def run(self) -> None:
        """Consumes until cancelled or the broker's connection is lost (which raises)."""
        async with self._broker.channel(confirms=True) as channel:
            await channel.set_qos(prefetch_count=PREFETCH)
            queue = await channel.get_queue(self._queue, ensure=False)
            waiting: asyncio.Queue[AbstractIncomingMessage | None] = asyncio.Queue()
            # A closed channel or connection wakes the loop below with None.
            channel.close_callbacks.add(lambda *_: waiting.put_nowait(None))
            await queue.consume(waiting.put)
            while True:
                batch = [await waiting.get()]
                for _ in range(_TURNS):  # what came over the wire together is still being unpacked
                    await asyncio.sleep(0)
                while len(batch) < BATCH and not waiting.empty():
                    batch.append(waiting.get_nowait())
                deliveries = [delivery for delivery in batch if delivery is not None]
                if len(deliveries) < len(batch):
                    raise ConnectionError("the channel to the broker was closed")
                await self._take(channel, deliveries)

    async def _take(
        self, channel: AbstractChannel, deliveries: Sequence[AbstractIncomingMessage]
    ) -> None:
        readable: list[Received] = []
        for delivery in deliveries:
            try:
                readable.append(read(delivery, self._types))
            except UnreadableMessageError as error:
                self._bury(delivery, str(error))
                await delivery.reject(requeue=False)
        if len(readable) > 1:
            try:
                async with asyncio.timeout(_BATCH_SECONDS):
                    await self.apply(readable)
            except Exception as error:  # noqa: BLE001 - one by one tells whose it is
                log.warning("batch failed, trying one by one", error=repr(error))
            else:
                # Deliveries are taken in order, so the last tag covers all before it.
                await readable[-1].delivery.ack(multiple=True)
                return
        for received in readable:
            await self._take_alone(channel, received)

    async def _take_alone(self, channel: AbstractChannel, received: Received) -> None:
        pause = 0.1
        while True:
            try:
                async with asyncio.timeout(_BATCH_SECONDS):
                    await self.apply([received])
            except (DatabaseError, PoolTimeoutError, TimeoutError) as error:
                if not _is_the_databases(error):
                    await self._try_later(channel, received, error)
                    return
                # The database is away or busy: no fault of the message. Wait with it in hand; the
                # broker keeps the rest.
                log.warning("database unavailable, waiting", error=repr(error), pause=pause)
                await asyncio.sleep(pause)
                pause = min(pause * 2, 5.0)
            except Exception as error:  # noqa: BLE001 - a poison message stops only itself
                await self._try_later(channel, received, error)
                return
            else:
                await received.delivery.ack()
                return

    async def apply(self, batch: Sequence[Received]) -> None:
        """Takes messages in one transaction; duplicates, here or from before, have no effect."""
        async with self._database.transaction() as session:
            rows = await session.all(
                _INBOX_SQL, consumer=self._queue, ids=[received.id for received in batch]
            )
            fresh = {row.message_id for row in rows}
            gathered: list[Received] = []
            for received in batch:
                if received.id in fresh:
                    fresh.discard(received.id)
                    handler = self._handlers[received.type]
                    if gathered and handler is not self._handlers[gathered[0].type]:
                        await self._handle(session, gathered)
                        gathered = []
                    gathered.append(received)
                    if not isinstance(handler, Together):
                        await self._handle(session, gathered)
                        gathered = []
                    outcome = "applied"
                else:
                    outcome = "duplicate"
                MESSAGES_CONSUMED.labels(self._queue, received.type, outcome).inc()
            if gathered:
                await self._handle(session, gathered)
            self._database.failpoint(AFTER_CONSUME)
        self._database.failpoint(BEFORE_ACK)

    async def _handle(self, session: Session, batch: Sequence[Received]) -> None:
        handler = self._handlers[batch[0].type]
        with requests([received.request_id for received in batch]):
            if isinstance(handler, Together):
                await handler.handle(session, [received.content for received in batch])
            else:
                await handler(session, batch[0].content)

    async def _try_later(
        self, channel: AbstractChannel, received: Received, error: Exception
    ) -> None:
        delivery = received.delivery
        tries = int(str(delivery.headers.get(_TRIES_HEADER, 0))) + 1
        if tries >= TRIES:
            self._bury(delivery, repr(error), error)
            await delivery.reject(requeue=False)
            return
        MESSAGES_CONSUMED.labels(self._queue, received.type, "failed").inc()
        log.warning(
            "message failed, will be tried again",
            type=received.type,
            id=received.id,
            tries=tries,
            exc_info=error,
        )
        again = aio_pika.Message(
            delivery.body,
            message_id=delivery.message_id,
            type=delivery.type,
            content_type=delivery.content_type,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            headers={**delivery.headers, _TRIES_HEADER: tries},
        )
        # Confirmed before the ack: a crash between the two makes a duplicate, never a loss.
        await channel.default_exchange.publish(again, f"{self._queue}.retry", timeout=10)
        await delivery.ack()

    def _bury(
        self, delivery: AbstractIncomingMessage, why: str, error: Exception | None = None
    ) -> None:
        ALERTS.labels("dead_letter").inc()
        MESSAGES_CONSUMED.labels(self._queue, delivery.type or "?", "dead").inc()
        log.error(
            "message given up",
            queue=self._queue,
            type=delivery.type,
            id=delivery.message_id,
            to=DEAD,
            why=why,
            exc_info=error,
        )


def _is_the_databases(error: Exception) -> bool:
    if isinstance(error, DatabaseError):
        return is_lost(error) or is_transient(error) or is_overload(error)
    return isinstance(error, PoolTimeoutError | TimeoutError)
