"""The transactional outbox: messages commit with the state they speak of; a relay publishes them.

Each row is published at least once; the consumer's inbox makes that once. The relay claims a
batch (`FOR UPDATE SKIP LOCKED`, so replicas share the work), publishes it persistent and mandatory
with confirms, deletes what was confirmed, commits. It wakes on a local signal, with a one-second
poll behind it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

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
    from chassis.database import Database

BATCH = 200
_POLL_SECONDS = 1.0
_CONFIRM_SECONDS = 10.0
_PERSISTENT = 2
# A message the broker would not take waits before it is tried again, so that it never holds up
# the others: 1 s, doubling, five minutes at most.
_BACK_OFF_SQL = """
UPDATE outbox SET attempts = attempts + 1,
       due_at = clock_timestamp() + least(interval '1 second' * 2 ^ least(attempts, 9), '5 minutes')
 WHERE id = ANY(:ids)
"""
_STORE_SQL = (
    "INSERT INTO outbox (id, type, body, headers)"
    " SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:types AS text[]),"
    " CAST(:bodies AS text[]), CAST(:headers AS jsonb[]))"
)
_CLAIM_SQL = (
    "SELECT id, type, body, headers FROM outbox WHERE due_at <= clock_timestamp()"
    " ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED"
)
_DELETE_SQL = "DELETE FROM outbox WHERE id = ANY(:ids)"
# Were the deletion lost in a crash, the messages would be published twice, as is always possible:
# no reason to wait for the disk.
_LAZY_SQL = "SET LOCAL synchronous_commit = off"

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message as the outbox keeps it."""

    type: str  # the proto message's full name
    body: str  # proto-JSON


Encode = Callable[[object], Outgoing]


def encoded(message: Message) -> Outgoing:
    """The outbox's form of a proto message."""
    return Outgoing(message.DESCRIPTOR.full_name, proto_json.dumps(message))


def outbox_command(messages: Sequence[Outgoing], request_ids: Sequence[str]) -> Command:
    """The statement that writes messages to the outbox, each with its request's id."""
    return command(
        _STORE_SQL,
        {
            "ids": [uuid7() for _ in messages],
            "types": [message.type for message in messages],
            "bodies": [message.body for message in messages],
            "headers": [json.dumps({"request_id": id}) for id in request_ids],
        },
    )


class Relay:
    """Publishes one service's outbox."""

    def __init__(self, database: Database, broker: Broker) -> None:
        self._database = database
        self._broker = broker

    async def run(self) -> None:
        """Publishes until cancelled or the broker's connection is lost (which raises)."""
        async with self._broker.channel(confirms=True) as channel:
            while not channel.is_closed:
                self._database.outbox_filled.clear()
                if await self.publish_batch(channel) < BATCH:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(_POLL_SECONDS):
                            await self._database.outbox_filled.wait()
        raise ConnectionError("the channel to the broker was closed")

    async def publish_batch(self, channel: AbstractChannel) -> int:
        """Publishes up to BATCH due rows; returns how many it claimed.

        The rows stay locked while the broker confirms: the one place where a transaction waits for
        the network, bounded by the confirm's deadline. A crash leaves them for another relay.
        """
        async with self._database.transaction() as session:
            rows = await session.all(_CLAIM_SQL, limit=BATCH)
            OUTBOX_WAITING.set(len(rows))
            if not rows:
                return 0
            async with asyncio.timeout(_CONFIRM_SECONDS):
                wire = cast("Channel", await channel.get_underlay_channel())
                results = await asyncio.gather(
                    *(self._publish(wire, *row) for row in rows), return_exceptions=True
                )
            if channel.is_closed:
                raise ConnectionError("the channel to the broker was closed while publishing")
            self._database.failpoint(AFTER_PUBLISH)
            done: list[UUID] = []
            refused: list[UUID] = []
            for row, result in zip(rows, results, strict=True):
                (done if result is None else refused).append(row.id)
            if done:
                session.defer(_LAZY_SQL)
                session.defer(_DELETE_SQL, ids=done)
            if refused:
                ALERTS.labels("message_refused_by_broker").inc(len(refused))
                why = next(result for result in results if result is not None)
                log.error("messages refused", count=len(refused), first=refused[0], why=repr(why))
                session.defer(_BACK_OFF_SQL, ids=refused)
            return len(rows)

    async def _publish(
        self,
        channel: Channel,
        id: UUID,
        type: str,
        body: str,
        headers: dict[str, Any],
    ) -> None:
        """Publishes a message, and waits for its confirm.

        Not for its bytes to have left (`wait`): the messages of a batch leave together, instead of
        each when the one before it is gone. A batch bounds what is buffered.
        """
        address = self._broker.topology.addresses[type]
        await channel.basic_publish(
            body.encode(),
            exchange=address.exchange,
            routing_key=address.routing_key,
            properties=spec.Basic.Properties(
                message_id=str(id),
                message_type=type,
                headers=headers,
                content_type="application/json",
                delivery_mode=_PERSISTENT,
            ),
            mandatory=address.mandatory,
            wait=False,
        )
        MESSAGES_PUBLISHED.labels(type).inc()
