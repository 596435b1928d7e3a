"""This version and the last release at work together, as during a roll-out.

The system is this version's, on its new schema. Beside it run the last release's services, on the
same schemas and queues, and each version's gateway calls the other version's services.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import psycopg
import pytest

from deploy.plan import SERVICES
from tests.engine.crowd import BOOKINGS, crowd
from tests.system.beside import Process, beside
from tests.system.conftest import Breakable, breakable, nothing_is_wrong_afterwards
from tests.system.patience import until

__all__ = ["breakable", "nothing_is_wrong_afterwards"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.usefixtures("nothing_is_wrong_afterwards"),
]

log = logging.getLogger(__name__)
_SECONDS = 15.0


@pytest.fixture
def old(breakable: Breakable, release: Path) -> Iterator[dict[str, Process]]:
    """The last release's services and its gateway, which calls this version's services."""
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(beside(breakable, name, code=release))
            for name in (*SERVICES, "gateway")
        }


@pytest.fixture
def calling_the_old(breakable: Breakable, old: dict[str, Process]) -> Iterator[Process]:
    """A gateway of this version that calls the last release's services.

    But for booking: that is of this version, and calls the last release's inventory.
    """
    inventory = {"BOOKING_INVENTORY_ADDRESS": old["inventory"].address}
    with beside(breakable, "booking", otherwise=inventory) as booking:
        called = {name: old[name].address for name in SERVICES} | {"booking": booking.address}
        addresses = {f"GATEWAY_{name.upper()}_ADDRESS": where for name, where in called.items()}
        with beside(breakable, "gateway", otherwise=addresses) as gateway:
            yield gateway


def test_both_versions_sell_together_whoever_calls_whom(
    breakable: Breakable, old: dict[str, Process], calling_the_old: Process
) -> None:
    with (
        crowd(old["gateway"].gateway, 2) as through_the_old,
        crowd(calling_the_old.gateway, 2) as through_the_new,
    ):
        time.sleep(_SECONDS)
    for seen in (through_the_old, through_the_new):
        log.info("answers: %s", Counter(status for _request, status, _again in seen.answers))
        assert seen.wrong == []
        assert [answer for answer in seen.answers if answer[1] >= 500] == []
        assert len(seen.bookings) == 2 * BOOKINGS
    references = [
        reference
        for seen in (through_the_old, through_the_new)
        for _client, reference in seen.bookings
    ]
    assert {breakable.state(reference) for reference in references} == {"CONFIRMED"}
    # Both took messages, so that neither was merely there.
    for booking in (breakable.run["internal"]["booking"], old["booking"].internal):
        assert taken(booking, "booking.replies") > 0
    until(lambda: nothing_under_way(breakable))


def test_the_release_goes_under_load_and_nothing_is_lost(
    breakable: Breakable, old: dict[str, Process]
) -> None:
    with crowd(breakable.gateway, 3) as seen:
        for name in (*SERVICES, "gateway"):
            old[name].end()
            time.sleep(1)
    assert seen.wrong == []
    assert len(seen.bookings) == 3 * BOOKINGS
    until(lambda: nothing_under_way(breakable))


def taken(internal: str, queue: str) -> float:
    """How many messages of a queue a process applied."""
    lines = httpx.get(f"{internal}/metrics").text.splitlines()
    return sum(
        float(line.rpartition(" ")[2])
        for line in lines
        if line.startswith("parterre_messages_consumed_total")
        and f'queue="{queue}"' in line
        and 'outcome="applied"' in line
    )


def nothing_under_way(system: Breakable) -> bool:
    """Whether every outbox is empty, and nothing is parked."""
    try:
        return not any(
            system.sql(f"SELECT 1 FROM {schema}.{table} LIMIT 1")
            for schema in SERVICES
            for table in ("outbox", "parked")
        )
    except psycopg.Error:
        return False
