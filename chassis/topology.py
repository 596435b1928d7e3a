"""The broker's topology, read from the messages' own `route` options.

Two exchanges: `parterre.commands` (direct) takes commands and replies, each to the one queue it
names; `parterre.events` (topic) takes facts. Every consumer queue is a quorum queue with an
explicit delivery limit; what it gives up on goes, at least once, through `parterre.dead` to the
queue `<queue>.dead`, from where an operator replays it. `<queue>.retry` holds a message for a
while and lets it come back.

Works alike on RabbitMQ 3.10 and 4.x.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aio_pika
from aio_pika.abc import AbstractChannel
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from parterre.options.v1 import options_pb2

COMMANDS = "parterre.commands"
EVENTS = "parterre.events"
DEAD = "parterre.dead"
# How often the broker hands a message out before it gives up on it: each time a consumer dies
# with it in hand counts.
DELIVERY_LIMIT = 10
# RabbitMQ 4 drops a message after 20 deliveries where nothing else is said.
DEAD_LOOKS = 1_000_000
RETRY_DELAY_MS = 2_000
MAX_QUEUE_LENGTH = 1_000_000


@dataclass(frozen=True, slots=True)
class Address:
    """Where a message is published."""

    exchange: str
    routing_key: str
    mandatory: bool  # a fact nobody subscribes to is fine; a command nobody takes is not


@dataclass(frozen=True)
class Topology:
    """Every message by its full name, and every queue with what it takes."""

    types: Mapping[str, type[Message]]
    addresses: Mapping[str, Address]
    queues: Mapping[str, tuple[Address, ...]]

    @classmethod
    def of(cls, file: FileDescriptor) -> Topology:
        """The topology that the messages of a proto file declare.

        Raises:
            ValueError: a route names both a queue and a topic.
        """
        types: dict[str, type[Message]] = {}
        addresses: dict[str, Address] = {}
        queues: dict[str, list[Address]] = {}
        for descriptor in file.message_types_by_name.values():
            route = descriptor.GetOptions().Extensions[options_pb2.route]
            if not (route.queue or route.topic):
                continue  # a part of other messages
            if route.queue and route.topic:
                raise ValueError(f"{descriptor.full_name}: a message has a queue or a topic")
            if route.queue:
                address = Address(COMMANDS, route.queue, mandatory=True)
                takers = [route.queue]
            else:
                takers = list(route.subscribers)
                address = Address(EVENTS, route.topic, mandatory=bool(takers))
            types[descriptor.full_name] = GetMessageClass(descriptor)
            addresses[descriptor.full_name] = address
            for queue in takers:
                bound = queues.setdefault(queue, [])
                if address not in bound:
                    bound.append(address)
        return cls(types, addresses, {name: tuple(bound) for name, bound in queues.items()})


def is_fenced(kind: type[Message]) -> bool:
    """Whether taking such a message twice does what taking it once does, by its step."""
    fenced: bool = kind.DESCRIPTOR.GetOptions().Extensions[options_pb2.route].fenced
    return fenced


def topic_of(kind: type[Message]) -> str:
    """The topic of a fact; empty for what is none."""
    topic: str = kind.DESCRIPTOR.GetOptions().Extensions[options_pb2.route].topic
    return topic


def queue_arguments(name: str) -> Mapping[str, Any]:
    """The arguments of a consumer's queue."""
    return {
        "x-queue-type": "quorum",
        "x-delivery-limit": DELIVERY_LIMIT,
        "x-overflow": "reject-publish",
        "x-max-length": MAX_QUEUE_LENGTH,
        "x-dead-letter-exchange": DEAD,
        "x-dead-letter-routing-key": name,
        "x-dead-letter-strategy": "at-least-once",
    }


def retry_arguments(name: str) -> Mapping[str, Any]:
    """The arguments of the queue where a message waits before it comes back to `name`."""
    return {
        "x-queue-type": "quorum",
        "x-message-ttl": RETRY_DELAY_MS,
        "x-overflow": "reject-publish",
        "x-max-length": MAX_QUEUE_LENGTH,
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": name,
        "x-dead-letter-strategy": "at-least-once",
    }


def dead_arguments() -> Mapping[str, Any]:
    """The arguments of a queue of dead letters: looking at them must not use them up."""
    return {"x-queue-type": "quorum", "x-delivery-limit": DEAD_LOOKS}


async def declare(channel: AbstractChannel, topology: Topology) -> None:
    """Declares every exchange, queue and binding; declaring them again changes nothing."""
    exchanges = {
        COMMANDS: await channel.declare_exchange(
            COMMANDS, aio_pika.ExchangeType.DIRECT, durable=True
        ),
        EVENTS: await channel.declare_exchange(EVENTS, aio_pika.ExchangeType.TOPIC, durable=True),
    }
    dead = await channel.declare_exchange(DEAD, aio_pika.ExchangeType.DIRECT, durable=True)
    for name, addresses in topology.queues.items():
        buried = await channel.declare_queue(
            f"{name}.dead", durable=True, arguments=dict(dead_arguments())
        )
        await buried.bind(dead, name)
        await channel.declare_queue(
            f"{name}.retry", durable=True, arguments=dict(retry_arguments(name))
        )
        queue = await channel.declare_queue(
            name, durable=True, arguments=dict(queue_arguments(name))
        )
        for address in addresses:
            await queue.bind(exchanges[address.exchange], address.routing_key)
