"""Tells booking_service what fsck found, by message: the operator's page shows it, alerts go by it.

So whoever checks needs no right to write anywhere, and nobody who shows it has to read all schemas.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime

import aio_pika
from parterre.messages.v1 import messages_pb2

from chassis.ids import uuid7
from chassis.payloads import PROTOBUF
from chassis.timestamps import timestamp
from chassis.topology import Topology
from chassis.version import VERSION
from ops.fsck import Finding

_SECONDS = 10.0
_MOST_FINDINGS = 100


def checked(
    findings: Sequence[Finding], began_at: datetime, seconds: float
) -> messages_pb2.InvariantsChecked:
    """The message that tells of them; not which rows they found: those may name people."""
    return messages_pb2.InvariantsChecked(
        began_at=timestamp(began_at),
        milliseconds=round(seconds * 1000),
        version=VERSION,
        checks=len(findings),
        findings=[
            messages_pb2.InvariantsChecked.Finding(
                invariant=finding.check.invariant,
                title=finding.check.title,
                violations=finding.violations,
            )
            for finding in findings
            if finding.violations
        ][:_MOST_FINDINGS],
    )


async def record(url: str, message: messages_pb2.InvariantsChecked) -> None:
    """Sends it; returns once the broker has it.

    Raises:
        OSError, aio_pika.exceptions.AMQPError, TimeoutError: the broker can't be had, or no queue
            takes it: booking_service has never run there.
    """
    name = message.DESCRIPTOR.full_name
    address = Topology.of(messages_pb2.DESCRIPTOR).addresses[name]
    message_id = str(uuid7())
    async with (
        asyncio.timeout(_SECONDS),
        await aio_pika.connect(url) as connection,
        connection.channel(on_return_raises=True) as channel,
    ):
        exchange = await channel.get_exchange(address.exchange, ensure=False)
        await exchange.publish(
            aio_pika.Message(
                message.SerializeToString(),
                message_id=message_id,
                type=name,
                content_type=PROTOBUF,
                delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
                headers={"request_id": f"fsck-{message_id}"},
            ),
            address.routing_key,
            mandatory=True,
        )
