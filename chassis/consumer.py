"""The transactional inbox: each message takes effect once, however often it is delivered.

A batch of messages is one transaction: first the inbox rows of (consumer, message id), which drop
the duplicates, then the effects, the outgoing rows with them; the ack comes after the commit.
Messages whose type is fenced have no inbox row: a duplicate of theirs names a step that is over, or
asks for what is done, and has no effect of its own (ADR 0017; the simulation delivers every message
more than once, and at any time).

When a batch fails its messages are tried one by one, so that a poison message stops only itself: it
waits in the retry queue, and after `TRIES` goes to the dead letters; one that is always too slow,
after `SLOW_TRIES`. One that kills its process comes again marked as redelivered: those are taken
one at a time, with nothing else in hand, until they are through, so that the broker counts the next
death against that message alone.

A message of a type, or with a value, that this version does not know is parked until one knows it
(`chassis.parking`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any, TypeVar
from uuid import UUID

from google.protobuf.message import Message
from prometheus_client import Counter

from chassis import tracing
from chassis.broker import Broker
from chassis.context import Origin, part_of, requests
from chassis.database import (
    Database,
    DatabaseError,
    PoolTimeoutError,
    Session,
    is_lost,
    is_overload,
    is_timeout,
    is_transient,
)
from chassis.failpoints import AFTER_CONSUME, BEFORE_ACK
from chassis.ids import parse_uuid
from chassis.logs import get_logger
from chassis.parking import Parking, Stranger, can_be_parked, unknown_value
from chassis.payloads import UnreadablePayloadError, read_payload
from chassis.retrying import persistently
from chassis.subjects import subject_of
from chassis.telemetry import MESSAGES_CONSUMED, alert
from chassis.topology import DEAD, is_fenced
from chassis.tracing import Span, SpanKind
from chassis.wire import Delivery, Parcel, Wire

BATCH = 100
PREFETCH = 2 * BATCH
# How often a message that fails is tried before it is given up as a dead letter; and one that
# takes longer than it may while the database is well.
TRIES = 5
SLOW_TRIES = 10
_TRIES_HEADER = "x-parterre-tries"
_SLOW_TRIES_HEADER = "x-parterre-slow-tries"
_BATCH_SECONDS = 30.0
_CONFIRM_SECONDS = 10.0
_HEALTH_SECONDS = 2.0

_INBOX_SQL = """
INSERT INTO inbox (consumer, message_id)
SELECT :consumer, id FROM unnest(CAST(:ids AS uuid[])) AS id
    ON CONFLICT DO NOTHING
RETURNING message_id
"""

_CONSUMER = SpanKind.CONSUMER
_OUTCOMES = "applied", "duplicate", "failed", "dead", "parked"
_UNKNOWN = "unknown"
_DEAD_LETTER = alert("dead_letter")

log = get_logger(__name__)

T = TypeVar("T")
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
    """No id, or a body that is none of its type: trying again won't help."""


class UnknownMessageError(Exception):
    """Its type, or a value in it, is not known here."""

    def __init__(self, stranger: Stranger) -> None:
        super().__init__(stranger.awaits)
        self.stranger = stranger


@dataclass(frozen=True, slots=True)
class Received:
    """A delivery, read."""

    id: UUID
    type: str
    origin: Origin  # that led to it
    content: Message
    delivery: Delivery


def read(delivery: Delivery, types: Mapping[str, type[Message]]) -> Received:
    """The message that was delivered.

    Raises:
        UnreadableMessageError: it is none of ours.
        UnknownMessageError: it may be one of another version.
    """
    id = parse_uuid(delivery.message_id or "")
    if id is None:
        raise UnreadableMessageError("no message id")
    content_type = types.get(delivery.type or "")
    if content_type is None:
        if can_be_parked(delivery):
            raise UnknownMessageError(Stranger(id, str(delivery.type), delivery))
        raise UnreadableMessageError(f"unknown type {delivery.type}")
    try:
        content = read_payload(delivery.body, delivery.content_type, content_type)
    except UnreadablePayloadError as error:
        raise UnreadableMessageError(str(error)) from error
    awaited = unknown_value(content)
    if awaited is not None:
        raise UnknownMessageError(Stranger(id, awaited, delivery))
    return Received(id, str(delivery.type), _origin(delivery), content, delivery)


def _origin(delivery: Delivery) -> Origin:
    """The request that led to the message."""
    headers = delivery.headers
    return tracing.origin_of(
        str(headers.get("request_id", "")), str(headers.get("traceparent", ""))
    )


class Consumer:
    """Takes one queue's messages, batch by batch."""

    def __init__(self, queue: str, handlers: Handlers, database: Database, broker: Broker) -> None:
        self._queue = queue
        self._database = database
        self._broker = broker
        self._types = {kind.DESCRIPTOR.full_name: kind for kind in handlers}
        self._handlers = {kind.DESCRIPTOR.full_name: handle for kind, handle in handlers.items()}
        self.parking = Parking(queue, self._types, database, broker)
        # Shown from 0 on; a stranger's types are counted together.
        for type in (*self._types, _UNKNOWN):
            for outcome in _OUTCOMES:
                _consumed(queue, type, outcome)
        self._fenced = {kind.DESCRIPTOR.full_name for kind in handlers if is_fenced(kind)}

    async def run(self) -> None:
        """Consumes until cancelled or the broker's connection is lost (which raises)."""
        async with self._broker.wire() as wire:
            # Whether the last process died of a message is seen by the first that comes.
            await wire.consume(self._queue, prefetch=1)
            alone = True
            while True:
                deliveries = await wire.receive(BATCH)
                suspects = [delivery for delivery in deliveries if delivery.redelivered]
                if suspects and not alone:
                    # Nothing more is handed out; what was is taken before them.
                    await wire.cancel()
                    deliveries += wire.arrived(PREFETCH)
                    suspects = [delivery for delivery in deliveries if delivery.redelivered]
                for start in range(0, len(deliveries), BATCH):
                    await self._take(
                        wire, [each for each in deliveries[start:][:BATCH] if not each.redelivered]
                    )
                for suspect in suspects:
                    await self._take(wire, [suspect])
                if bool(suspects) is not alone:
                    alone = bool(suspects)
                    await wire.consume(self._queue, prefetch=1 if alone else PREFETCH)

    async def _take(self, wire: Wire, deliveries: Iterable[Delivery]) -> None:
        readable: list[Received] = []
        strangers: list[Stranger] = []
        for delivery in deliveries:
            try:
                readable.append(read(delivery, self._types))
            except UnknownMessageError as unknown:
                strangers.append(unknown.stranger)
            except UnreadableMessageError as error:
                with part_of(_origin(delivery)):
                    self._bury(wire, delivery, str(error))
        if strangers:
            await self._park(wire, strangers)
        if len(readable) > 1:
            try:
                await self._apply_in_time(readable)
            except Exception as error:  # noqa: BLE001 - one by one tells whose it is
                log.warning("batch failed, trying one by one", error=repr(error))
            else:
                wire.ack([received.delivery for received in readable])
                return
        for received in readable:
            with part_of(received.origin):
                await self._take_alone(wire, received)

    async def _park(self, wire: Wire, strangers: Sequence[Stranger]) -> None:
        kept: set[UUID] = set()
        why = "no more messages can be parked"
        cause: Exception | None = None
        try:
            kept = await _once_the_database_answers(partial(self.parking.park, strangers))
        except Exception as error:  # noqa: BLE001 - what can't be parked stops only itself
            why, cause = repr(error), error
        for stranger in strangers:
            delivery = stranger.delivery
            with part_of(_origin(delivery)):
                if stranger.id not in kept:
                    self._bury(wire, delivery, why, cause)
                    continue
                _consumed(self._queue, self._name(delivery), "parked").inc()
                log.warning(
                    "message of another version parked",
                    queue=self._queue,
                    type=delivery.type,
                    id=stranger.id,
                    awaits=stranger.awaits,
                )
                wire.ack([delivery])

    async def _take_alone(self, wire: Wire, received: Received) -> None:
        try:
            await _once_the_database_answers(partial(self._apply_in_time, [received]))
        except Exception as error:  # noqa: BLE001 - a poison message stops only itself
            await self._try_later(wire, received, error)
        else:
            wire.ack([received.delivery])

    async def _apply_in_time(self, batch: Sequence[Received]) -> None:
        """Takes messages in one transaction.

        Raises:
            TooSlowError: it took too long, and the database is well.
        """
        try:
            async with asyncio.timeout(_BATCH_SECONDS):
                await self.apply(batch)
        except (TimeoutError, DatabaseError) as error:
            if isinstance(error, TimeoutError) or is_timeout(error):
                async with asyncio.timeout(_HEALTH_SECONDS):
                    await self._database.check()
                raise TooSlowError(repr(error)) from error
            raise

    async def apply(self, batch: Sequence[Received]) -> None:
        """Takes messages in one transaction; duplicates, here or from before, have no effect."""
        began = time.perf_counter()
        spans = [tracing.start(each.type, each.origin.traceparent, _CONSUMER) for each in batch]
        try:
            outcomes = await self._apply(list(map(_within, batch, spans)))
        except BaseException as error:
            for span in spans:
                tracing.end(span, failed=type(error).__name__)
            raise
        self._tell(batch, spans, outcomes, time.perf_counter() - began)

    async def _apply(self, batch: Sequence[Received]) -> Sequence[str]:
        """Takes them; what became of each."""
        fenced = self._fenced
        outcomes: list[str] = []
        async with self._database.transaction() as session:
            once = [received.id for received in batch if received.type not in fenced]
            fresh: set[UUID] = set()
            if once:
                rows = await session.all(_INBOX_SQL, consumer=self._queue, ids=once)
                fresh = {row.message_id for row in rows}
            gathered: list[Received] = []
            for received in batch:
                if received.type in fenced or received.id in fresh:
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
                _consumed(self._queue, received.type, outcome).inc()
                outcomes.append(outcome)
            if gathered:
                await self._handle(session, gathered)
            self._database.failpoint(AFTER_CONSUME)
        self._database.failpoint(BEFORE_ACK)
        return outcomes

    def _tell(
        self,
        batch: Sequence[Received],
        spans: Sequence[Span | None],
        outcomes: Sequence[str],
        seconds: float,
    ) -> None:
        """A line in the log for each message, and the end of its span."""
        now = time.time() * 1000
        for received, span, outcome in zip(batch, spans, outcomes, strict=True):
            id, traceparent = received.origin
            told = {
                "queue": self._queue,
                "id": received.id,
                "outcome": outcome,
                # An id is a UUIDv7: it begins with the milliseconds of its making.
                "waited_milliseconds": round(now - (received.id.int >> 80) - seconds * 1000, 1),
                **subject_of(received.content),
            }
            log.info(
                "message",
                type=received.type,
                request_id=id,
                trace_id=tracing.trace_id_of(traceparent),
                milliseconds=round(seconds * 1000, 1),
                together=len(batch),
                **told,
            )
            if span is not None:
                tracing.end(span, {"request_id": id, "together": len(batch), **told})

    async def _handle(self, session: Session, batch: Sequence[Received]) -> None:
        handler = self._handlers[batch[0].type]
        with requests([received.origin for received in batch]):
            if isinstance(handler, Together):
                await handler.handle(session, [received.content for received in batch])
            else:
                await handler(session, batch[0].content)

    async def _try_later(self, wire: Wire, received: Received, error: Exception) -> None:
        delivery = received.delivery
        header, most = (
            (_SLOW_TRIES_HEADER, SLOW_TRIES)
            if isinstance(error, TooSlowError)
            else (_TRIES_HEADER, TRIES)
        )
        tries = int(str(delivery.headers.get(header, 0))) + 1
        if tries >= most:
            self._bury(wire, delivery, repr(error), error)
            return
        _consumed(self._queue, received.type, "failed").inc()
        log.warning(
            "message failed, will be tried again",
            type=received.type,
            id=received.id,
            tries=tries,
            exc_info=error,
        )
        again = Parcel(
            exchange="",
            routing_key=f"{self._queue}.retry",
            mandatory=True,
            message_id=str(received.id),
            type=received.type,
            content_type=delivery.content_type or "",
            headers={**delivery.headers, header: tries},
            body=delivery.body,
        )
        # Confirmed before the ack: a crash between the two makes a duplicate, never a loss.
        async with asyncio.timeout(_CONFIRM_SECONDS):
            refused = await wire.publish([again])
        if refused:
            raise ConnectionError(f"the retry queue refuses: {refused[0]}")
        wire.ack([delivery])

    def _bury(
        self, wire: Wire, delivery: Delivery, why: str, error: Exception | None = None
    ) -> None:
        _DEAD_LETTER.inc()
        _consumed(self._queue, self._name(delivery), "dead").inc()
        log.error(
            "message given up",
            queue=self._queue,
            type=delivery.type,
            id=delivery.message_id,
            to=DEAD,
            why=why,
            exc_info=error,
        )
        wire.bury(delivery)

    def _name(self, delivery: Delivery) -> str:
        """The type as it is counted."""
        return str(delivery.type) if delivery.type in self._types else _UNKNOWN


class TooSlowError(Exception):
    """A message took longer than it may, and the database is well."""


def _within(received: Received, span: Span | None) -> Received:
    """The message as it is seen from within its span."""
    if span is None:
        return received
    id, traceparent = received.origin
    return replace(received, origin=Origin(id, tracing.within(span, traceparent)))


@cache
def _consumed(queue: str, type: str, outcome: str) -> Counter:
    return MESSAGES_CONSUMED.labels(queue, type, outcome)


async def _once_the_database_answers(work: Callable[[], Awaitable[T]]) -> T:
    """Does the work, again while the database is away or busy: no fault of the message.

    It waits in hand; the broker keeps the rest.
    """

    def tell(error: BaseException, pause: float) -> None:
        log.warning("database unavailable, waiting", error=repr(error), pause=pause)

    return await persistently(
        work, _is_the_databases, first_seconds=0.1, most_seconds=5.0, before_pause=tell
    )


def _is_the_databases(error: BaseException) -> bool:
    if isinstance(error, DatabaseError):
        return is_lost(error) or is_transient(error) or is_overload(error)
    return isinstance(error, PoolTimeoutError | TimeoutError)
