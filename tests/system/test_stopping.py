"""Processes that are told to stop while people buy, as any roll-out tells them."""

from __future__ import annotations

import logging
import os
import signal
from collections import Counter

import httpx
import pytest

from deploy.plan import SERVICES
from tests.engine.crowd import BOOKINGS, crowd

from .beside import beside, is_ready
from .conftest import Breakable
from .link import Link
from .patience import until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.usefixtures("nothing_is_wrong_afterwards"),
]

log = logging.getLogger(__name__)


def test_each_process_is_stopped_in_turn_and_customers_are_told_to_come_again(
    breakable: Breakable,
) -> None:
    """One of each runs, and the supervisor starts it again; of gateways there are two.

    In front of those is what a load balancer does: whoever is refused by one gets the other.
    """
    own = httpx.URL(breakable.gateway).port or 0
    with (
        beside(breakable, "gateway") as other,
        Link(own, int(other.address.rpartition(":")[2])) as balancer,
        crowd(f"http://{balancer.address}", 4, keep_alive=False) as seen,
    ):
        for name in (*SERVICES, "gateway"):
            pid = breakable.run["pids"][name]
            os.kill(pid, signal.SIGTERM)
            until(lambda name=name, pid=pid: breakable.run["pids"][name] != pid)
            until(lambda: all(map(is_ready, breakable.run["internal"].values())))
    told = [again for _request, status, again in seen.answers if status == 503]
    log.info("answers: %s", Counter(status for _request, status, _again in seen.answers))
    assert seen.wrong == []
    assert told != []
    assert all(1 <= int(again or 0) <= 60 for again in told)
    assert len(seen.bookings) == 4 * BOOKINGS
    assert {breakable.state(reference) for _client, reference in seen.bookings} == {"CONFIRMED"}
