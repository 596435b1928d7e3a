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
# What a version before may have left in a queue.
ROUTED_BEFORE = {"inventory.commands": {"parterre.messages.v1.OpenEvent"}}


def test_every_queue_has_a_consumer_that_handles_every_message_routed_to_it() -> None:
    assert set(CONSUMERS) == set(TOPOLOGY.queues)
    for queue, bound in TOPOLOGY.queues.items():
        routed = {name for name, address in TOPOLOGY.addresses.items() if address in bound}
        handled = {kind.DESCRIPTOR.full_name for kind in CONSUMERS[queue]}
        assert handled == routed | ROUTED_BEFORE.get(queue, set()), queue


def test_commands_go_to_their_queue_and_must_arrive() -> None:
    address = TOPOLOGY.addresses["parterre.messages.v1.ReserveSeats"]
    assert address == Address(COMMANDS, "inventory.commands", mandatory=True)


def test_a_fact_goes_to_everybody_who_subscribed() -> None:
    address = TOPOLOGY.addresses["parterre.messages.v1.EventCancelled"]
    assert address == Address(EVENTS, "event.cancelled", mandatory=True)
    takers = {queue for queue, bound in TOPOLOGY.queues.items() if address in bound}
    assert takers == {"inventory.events", "booking.events", "notification.events"}


def test_queues_are_quorum_queues_with_limits_and_dead_letters() -> None:
    arguments = queue_arguments("inventory.commands")
    assert arguments["x-queue-type"] == "quorum"
    assert arguments["x-delivery-limit"] > 0
    assert arguments["x-max-length"] > 0
    assert arguments["x-dead-letter-strategy"] == "at-least-once"
    assert arguments["x-overflow"] == "reject-publish"


def test_what_is_to_be_done_once_and_every_fact_has_an_inbox_row() -> None:
    """A type that is not among these is fenced: the simulation has to deliver it twice."""
    commands = {
        name.rpartition(".")[2]
        for name, kind in TOPOLOGY.types.items()
        if TOPOLOGY.addresses[name].exchange == COMMANDS and not is_fenced(kind)
    }
    assert commands == {"OpenEvent", "EventOpened", "DeliverCode"}
    facts = [name for name, address in TOPOLOGY.addresses.items() if address.exchange == EVENTS]
    assert not [name for name in facts if is_fenced(TOPOLOGY.types[name])]
