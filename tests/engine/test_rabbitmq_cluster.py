"""Three RabbitMQ nodes: one dies, and a booking is confirmed all the same."""

from __future__ import annotations

import json
import logging
import secrets
import time
from collections.abc import Iterator
from typing import Any

import pytest

from ops.client import Client

from .conftest import Containers, running

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

log = logging.getLogger(__name__)
NODES = ("rabbitmq", "rabbitmq-2", "rabbitmq-3")
_SECONDS = 90.0


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Containers]:
    with running(tmp_path_factory.mktemp("cluster"), "rabbitmq-cluster") as system:
        system.script("demo")
        yield system


def queues(cluster: Containers, node: str) -> list[dict[str, Any]]:
    """Each queue's members and leader, as a node tells; it may be busy with another's death."""
    columns = ("name", "type", "members", "online", "leader")
    command = ("exec", "-T", node, "rabbitmqctl", "--quiet", "--formatter", "json")
    deadline = time.monotonic() + _SECONDS
    while not (told := cluster.compose(*command, "list_queues", *columns, check=False)):
        if time.monotonic() > deadline:
            pytest.fail(cluster.compose("logs", "--tail", "30", node))
        time.sleep(1)
    found: list[dict[str, Any]] = json.loads(told)
    return [queue for queue in found if queue["type"] == "quorum"]


def test_a_node_is_killed_and_a_booking_is_confirmed(cluster: Containers) -> None:
    there = queues(cluster, "rabbitmq")
    assert there
    assert all(len(queue["members"]) == len(NODES) for queue in there)
    # The node that leads the queue of payments' commands.
    leader = next(queue["leader"] for queue in there if queue["name"] == "payment.commands")
    killed = leader.partition("@")[2]
    survivor = next(node for node in NODES if node != killed)
    with cluster.somebody("CUSTOMER") as customer:
        cluster.compose("kill", "--signal", "SIGKILL", killed)
        began = time.monotonic()
        assert _buys(customer) == "CONFIRMED"
        log.info("%s died; confirmed %.1f s later", killed, time.monotonic() - began)
    left = queues(cluster, survivor)
    assert left
    assert all(len(queue["online"]) == 2 for queue in left)
    cluster.compose("up", "--detach", "--wait", "--no-recreate", killed)
    cluster.operator("fsck")


def _buys(customer: Client) -> str:
    event = next(one for one in customer.get("/events", limit=50)["items"] if one["venue"] is None)
    tier = customer.get(f"/events/{event['id']}")["tiers"][0]["id"]
    wanted = {"event_id": event["id"], "general": [{"tier_id": tier, "quantity": 1}]}
    hold = customer.patiently(lambda: customer.post("/holds", wanted), seconds=_SECONDS)
    body = {"hold_id": hold["id"], "payment_method": "CARD", "payment_token": "tok_ok"}
    key = secrets.token_hex(8)
    booking = customer.patiently(
        lambda: customer.post("/bookings", body, key=key), seconds=_SECONDS
    )
    ended = customer.wait_for(
        f"/bookings/{booking['reference']}",
        lambda found: found["status"] != "PENDING",
        seconds=_SECONDS,
    )
    return str(ended["status"])
