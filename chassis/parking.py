"""Messages that this version does not know yet are parked until one that does takes them.

While two versions run side by side the newer one sends what the older one has never heard of: a
new type, or a known type with a new value of an enumeration. Such a message is no dead letter. It
waits in the table `parked` of the consumer's schema, and whichever process knows it, at once when
it starts or a little later, sends it to its queue again: there it is taken as any other message,
with the tries and the inbox that all have (ADR 0031).

Both are bounded: where too many wait, and after a week, a message goes to the dead letters.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message
from prometheus_client import Gauge

from chassis.broker import Broker
from chassis.database import Database, Session
from chassis.logs import get_logger
from chassis.payloads import JSON, PROTOBUF
from chassis.telemetry import alert
from chassis.topology import DEAD
from chassis.wire import Delivery, Parcel

# So many messages of one queue are parked at most, each of so many bytes, for so long.
MOST_PARKED = 100_000
MAX_BYTES = 1 << 20
MOST_DAYS = 7
_BATCH = 100
_CONFIRM_SECONDS = 10.0
# How often a process looks whether something waits that it knows.
_LOOK_SECONDS = 15.0
# A message that is being sent to its queue is left alone by others for so long; one that came back,
# since an older process took it, for less.
_LEASE_SECONDS = 30.0
_AGAIN_SECONDS = 5.0
# What a message can be waiting for: more is not looked at in one go.
_MOST_AWAITED = 1000
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,199}")

# One statement, so that the bound holds but for what is parked in the same moment. A message that
# is parked already was sent to its queue, and taken by a process that does not know it either: its
# number rises, so that whoever sent it does not delete it.
_PARK_SQL = """
INSERT INTO parked (queue, message_id, awaits, type, content_type, headers, payload)
SELECT :queue, id, awaits, type, content_type, headers, payload
  FROM unnest(CAST(:ids AS uuid[]), CAST(:awaits AS text[]), CAST(:types AS text[]),
              CAST(:content_types AS text[]), CAST(:headers AS text[]), CAST(:payloads AS bytea[]))
       AS each (id, awaits, type, content_type, headers, payload)
 WHERE (SELECT count(*) FROM (SELECT 1 FROM parked WHERE queue = :queue LIMIT :most) AS few) < :most
    ON CONFLICT (queue, message_id) DO UPDATE SET sendings = parked.sendings + 1,
       due_at = clock_timestamp() + make_interval(secs => :again_seconds)
RETURNING message_id
"""
_AWAITED_SQL = """
SELECT DISTINCT awaits FROM parked WHERE queue = :queue LIMIT :most
"""
# Leased rather than locked: the broker is asked outside of any transaction.
_LEASE_SQL = """
UPDATE parked SET sendings = sendings + 1,
       due_at = clock_timestamp() + make_interval(secs => :lease_seconds)
 WHERE queue = :queue AND message_id IN (
       SELECT message_id FROM parked
        WHERE queue = :queue AND due_at <= clock_timestamp()
          AND (awaits = ANY(:known) OR parked_at < clock_timestamp() - make_interval(days => :days))
        ORDER BY message_id LIMIT :limit FOR UPDATE SKIP LOCKED)
RETURNING message_id, type, content_type, headers, payload, sendings, awaits,
          awaits = ANY(:known) AS is_known
"""
# One that was parked again meanwhile has another number.
_DELETE_SQL = """
DELETE FROM parked USING unnest(CAST(:ids AS uuid[]), CAST(:sendings AS integer[]))
       AS sent (id, sendings)
 WHERE queue = :queue AND message_id = sent.id AND parked.sendings = sent.sendings
"""
_FIGURES_SQL = """
SELECT count(*) AS waiting, coalesce(extract(epoch FROM max(age)), 0) AS oldest
  FROM (SELECT clock_timestamp() - parked_at AS age FROM parked WHERE queue = :queue LIMIT :most)
       AS few
"""

PARKED = Gauge(
    "parterre_messages_parked",
    "Messages of a queue that wait for a version which knows them",
    ["queue"],
)
PARKED_OLDEST_SECONDS = Gauge(
    "parterre_messages_parked_oldest_seconds",
    "Age of the oldest message that waits for a version which knows it, seconds; 0: none",
    ["queue"],
)
_DEAD_LETTER = alert("dead_letter")

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Stranger:
    """A delivery that this version does not know, and what it waits for.

    That is a type's full name, or what `unknown_value` gives.
    """

    id: UUID
    awaits: str
    delivery: Delivery


def can_be_parked(delivery: Delivery) -> bool:
    """Whether it looks like a message of another version, rather than like no message of ours."""
    return (
        _NAME.fullmatch(delivery.type or "") is not None
        and delivery.content_type in {PROTOBUF, JSON}
        and len(delivery.body) <= MAX_BYTES
    )


def unknown_value(message: Message) -> str | None:
    """The first value in it of an enumeration that does not have it here; None: there is none.

    As it is kept: `parterre.messages.v1.PaymentReply.Outcome=9`.
    """
    for field in _fields_with_enums(message.DESCRIPTOR):
        for value in _values(message, field):
            if field.enum_type is None:
                found = unknown_value(value)
                if found is not None:
                    return found
            elif value not in field.enum_type.values_by_number:
                return f"{field.enum_type.full_name}={value}"
    return None


def _values(message: Message, field: FieldDescriptor) -> Sequence[Any]:
    if field.is_repeated:
        found = getattr(message, field.name)
        return list(found.values()) if hasattr(found, "values") else found
    if field.message_type is not None and not message.HasField(field.name):
        return ()
    return (getattr(message, field.name),)


@cache
def _fields_with_enums(kind: Descriptor) -> tuple[FieldDescriptor, ...]:
    """The fields that are enumerations, or have some in them at any depth."""
    return tuple(field for field in kind.fields if any(_enums(field, set())))


def _enums(field: Any, seen: set[str]) -> Iterator[EnumDescriptor]:
    if field.enum_type is not None:
        yield field.enum_type
    kind = field.message_type
    if kind is not None and kind.full_name not in seen:
        seen.add(kind.full_name)
        for part in kind.fields:
            yield from _enums(part, seen)


class Parking:
    """The messages of one queue that no process took yet which knows them."""

    def __init__(
        self, queue: str, types: Mapping[str, type[Message]], database: Database, broker: Broker
    ) -> None:
        self._queue = queue
        self._types = types
        self._enums = {
            enum.full_name: enum
            for kind in types.values()
            for field in kind.DESCRIPTOR.fields
            for enum in _enums(field, set())
        }
        self._database = database
        self._broker = broker
        PARKED.labels(queue)
        PARKED_OLDEST_SECONDS.labels(queue)

    def knows(self, awaited: str) -> bool:
        """Whether this version has the type, or the enumeration's value, that a message awaits."""
        name, _, number = awaited.partition("=")
        if not number:
            return name in self._types
        enum = self._enums.get(name)
        return enum is not None and int(number) in enum.values_by_number

    async def park(self, strangers: Sequence[Stranger]) -> set[UUID]:
        """Keeps messages; gives the ids of those that were kept: there may be no more room."""
        # In one order everywhere, so that nobody waits for one another; each once.
        ordered = sorted({each.id: each for each in strangers}.values(), key=lambda each: each.id)
        async with self._database.transaction() as session:
            rows = await session.all(
                _PARK_SQL,
                queue=self._queue,
                ids=[each.id for each in ordered],
                awaits=[each.awaits for each in ordered],
                types=[each.delivery.type for each in ordered],
                content_types=[each.delivery.content_type for each in ordered],
                headers=[_as_text(each.delivery.headers) for each in ordered],
                payloads=[each.delivery.body for each in ordered],
                most=MOST_PARKED,
                again_seconds=_AGAIN_SECONDS,
            )
        return {row.message_id for row in rows}

    async def run(self) -> None:
        """Sends what this version knows to its queue again, for ever; at the start first of all."""
        while True:
            while await self.release() == _BATCH:
                pass
            await asyncio.sleep(_LOOK_SECONDS * random.uniform(0.8, 1.0))  # noqa: S311 - jitter

    async def release(self) -> int:
        """Sends some messages to their queue, too old ones to the dead letters; how many.

        A crash in between leaves them parked as well: taken twice, their effect is once.

        Raises:
            ConnectionError, TimeoutError, OSError, aio_pika.exceptions.AMQPError: nobody knows
                which were sent; all of them are still parked.
        """
        async with self._database.transaction() as session:
            rows = await session.all(_AWAITED_SQL, queue=self._queue, most=_MOST_AWAITED)
            if not rows:
                return 0
            leased = await session.all(
                _LEASE_SQL,
                queue=self._queue,
                known=[row.awaits for row in rows if self.knows(row.awaits)],
                days=MOST_DAYS,
                limit=_BATCH,
                lease_seconds=_LEASE_SECONDS,
            )
        if not leased:
            return 0
        async with self._broker.wire() as wire, asyncio.timeout(_CONFIRM_SECONDS):
            refused = await wire.publish([self._parcel(row) for row in leased])
        sent = [row for place, row in enumerate(leased) if place not in refused]
        for row in sent:
            self._tell(row)
        async with self._database.transaction() as session:
            await session.execute(
                _DELETE_SQL,
                queue=self._queue,
                ids=[row.message_id for row in sent],
                sendings=[row.sendings for row in sent],
            )
        return len(leased)

    def _parcel(self, row: Any) -> Parcel:
        return Parcel(
            exchange="" if row.is_known else DEAD,
            routing_key=self._queue,
            mandatory=True,
            message_id=str(row.message_id),
            type=row.type,
            content_type=row.content_type,
            headers=json.loads(row.headers),
            body=row.payload,
        )

    def _tell(self, row: Any) -> None:
        told = {"queue": self._queue, "type": row.type, "id": row.message_id}
        if row.is_known:
            log.info("parked message sent to its queue", **told)
        else:
            _DEAD_LETTER.inc()
            log.error("parked message given up", **told, awaits=row.awaits, days=MOST_DAYS)

    async def figures(self, session: Session) -> None:
        """Reads how many wait, and for how long."""
        row = await session.one(_FIGURES_SQL, queue=self._queue, most=MOST_PARKED)
        PARKED.labels(self._queue).set(row.waiting)
        PARKED_OLDEST_SECONDS.labels(self._queue).set(float(row.oldest))


def _as_text(headers: Mapping[str, Any]) -> str:
    """The headers that are text or numbers: nothing else is ours."""
    return json.dumps(
        {key: value for key, value in headers.items() if isinstance(value, str | int)}
    )
