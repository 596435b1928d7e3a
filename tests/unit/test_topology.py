"""The topology that the messages declare."""

from __future__ import annotations

from typing import cast

from parterre.messages.v1 import messages_pb2

from booking_service import messaging as booking
from booking_service.wakeups import Wakeups
from catalog_service import messaging as catalog
from chassis.consumer import Handlers
from chassis.topology import COMMANDS, EVENTS, Address, Topology, is_fenced, queue_arguments
from inventory_service import messaging as inventory
from notification_service import messaging as notification
from payment_service import messaging as payment
from payment_service.loops import Workers

TOPOLOGY = Topology.of(messages_pb2.DESCRIPTOR)
CONSUMERS: dict[str, Handlers] = {
    **booking.queues(Wakeups()),
    **catalog.QUEUES,
    **inventory.QUEUES,
    **notification.QUEUES,
    payment.QUEUE: payment.commands(cast("Workers", None)),
}


def test_every_queue_has_a_consumer_that_handles_every_message_routed_to_it() -> None:
    assert set(CONSUMERS) == set(TOPOLOGY.queues)
    for queue, bound in TOPOLOGY.queues.items():
        routed = {name for name, address in TOPOLOGY.addresses.items() if address in bound}
        handled = {kind.DESCRIPTOR.full_name for kind in CONSUMERS[queue]}
        assert handled == routed, queue


def test_commands_go_to_their_queue_and_must_arrive() -> None:
    address = TOPOLOGY.addresses["parterre.messages.v1.ReserveSeats"]
    assert address == Address(COMMANDS, "inventory.commands", mandatory=True)


def test_a_fact_goes_to_everybody_who_subscribed() -> None:
    address = TOPOLOGY.addresses["parterre.messages.v1.EventCancelled"]
    assert address == Address(EVENTS, "event.cancelled", mandatory=True)
    takers = {queue for queue, bound in TOPOLOGY.queues.items() if address in bound}
    assert takers == {"inventory.events", "booking.events"}


def test_queues_are_quorum_queues_with_limits_and_dead_letters() -> None:
    arguments = queue_arguments("inventory.commands")
    assert arguments["x-queue-type"] == "quorum"
    assert arguments["x-delivery-limit"] > 0
    assert arguments["x-max-length"] > 0
    assert arguments["x-dead-letter-strategy"] == "at-least-once"
    assert arguments["x-overflow"] == "reject-publish"


def test_commands_and_replies_of_the_saga_are_fenced_and_nothing_else_is() -> None:
    fenced = {name for name, kind in TOPOLOGY.types.items() if is_fenced(kind)}
    queues = {TOPOLOGY.addresses[name].routing_key for name in fenced}
    assert queues == {"inventory.commands", "payment.commands", "booking.replies"}
    others = {name for name in TOPOLOGY.types if name not in fenced}
    assert queues.isdisjoint(TOPOLOGY.addresses[name].routing_key for name in others)
