"""A standby of the database: the operator reads on it, and it takes over.

Every process is given both addresses at once, as docs/growing.md says.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from deploy.local import read_run
from deploy.plan import DATABASE
from deploy.postgres import Postgres
from deploy.processes import free_port
from ops.client import ProblemError
from ops.fsck import check_all

from .beside import is_ready
from .conftest import Breakable, new_system
from .patience import book, ends, publish_an_event, somebody, surely, tickets_of, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

_BUYERS = 4
_ENOUGH = 12  # purchases that were confirmed
ONE = {"quantity": 1}


@dataclass(frozen=True)
class House:
    """A system on a primary that a standby follows."""

    system: Breakable
    primary: Postgres
    standby: Postgres

    def parterre(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Runs the operator's command, which reads on the standby."""
        run = self.system.run
        return subprocess.run(
            [sys.executable, "-m", "ops", *words],
            env={
                **self.system.environment,
                "READER_DATABASE_URL": only(run["database"]["reader"], self.standby),
                "AMQP_URL": run["amqp"],
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


def only(address: str, server: Postgres) -> str:
    """An address with this server as its one host."""
    host = {"host": "127.0.0.1", "port": str(server.port), "target_session_attrs": "any"}
    return psycopg.conninfo.make_conninfo(address, **host)


def sql(server: Postgres, statement: str) -> Any:
    """The first column of what the superuser is answered."""
    address = psycopg.conninfo.make_conninfo(server.admin_url, dbname=DATABASE)
    with psycopg.connect(address, autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        row = cursor.fetchone() if cursor.description else None
    return row and row[0]


def follows(house: House) -> bool:
    """Whether the standby has all that the primary has written by now."""
    written = sql(house.primary, "SELECT pg_current_wal_lsn()")
    return bool(sql(house.standby, f"SELECT pg_last_wal_replay_lsn() >= '{written}'"))


def violated(house: House, server: Postgres) -> set[str]:
    """What fsck finds wrong there."""
    found = check_all(only(house.system.run["database"]["reader"], server))
    return {one.check.title for one in found if one.violations}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("standby")
    made = new_system(folder)
    made.home.mkdir(mode=0o700)
    other_port = free_port()
    with ExitStack() as stack:
        primary = stack.enter_context(Postgres(made.home / "postgres"))
        hosts = f"127.0.0.1:{primary.port},127.0.0.1:{other_port}"
        address = primary.admin_url.replace(f"127.0.0.1:{primary.port}", hosts)
        environment = {
            **made.environment,
            "DATABASE_URL": f"{address}?target_session_attrs=read-write",
        }
        system = Breakable(made.home, environment, folder)
        up = system.command("up", "--detach")
        assert up.returncode == 0, up.stdout + up.stderr
        stack.callback(_down, system)
        standby = Postgres(made.home / "standby", port=other_port, primary=primary)
        yield House(system, primary, stack.enter_context(standby))


def _down(system: Breakable) -> None:
    if read_run(system.home):
        down = system.command("down")
        assert down.returncode == 0, down.stdout + down.stderr


@contextmanager
def buyers(house: House) -> Iterator[list[str]]:
    """People who buy again and again until the block ends; the references that are confirmed."""
    gateway = house.system.gateway
    confirmed: list[str] = []
    over = threading.Event()
    with somebody(gateway, "ORGANIZER") as organizer:
        wanted = tickets_of(
            publish_an_event(
                organizer,
                max_per_customer=100,
                tiers=[{"name": "Floor", "price": 50_000, "capacity": 10_000}],
            )
        )

    def buy() -> None:
        with somebody(gateway) as person:
            while not over.is_set():
                reference = book(person, wanted)
                if ends(person, reference, "CONFIRMED", "FAILED")["status"] == "CONFIRMED":
                    confirmed.append(reference)

    with ThreadPoolExecutor(_BUYERS) as pool:
        buying = [pool.submit(buy) for _ in range(_BUYERS)]
        try:
            yield confirmed
        finally:
            over.set()
        for each in buying:
            each.result()


def test_the_operator_reads_on_a_standby_while_people_buy(house: House) -> None:
    with buyers(house) as confirmed:
        until(lambda: len(confirmed) >= _ENOUGH)
        until(lambda: follows(house))
        newest = confirmed[-1]
        checked = house.parterre("fsck", "--json")
        assert checked.returncode == 0, checked.stdout + checked.stderr
        assert json.loads(checked.stdout)["standby_as_of"]
        balance = house.parterre("ledger")
        assert balance.returncode == 0, balance.stdout + balance.stderr
        told = house.parterre("timeline", newest)
        assert told.returncode == 0, told.stdout + told.stderr
        assert "CONFIRMED" in told.stdout


def test_what_a_standby_does_not_know_yet_is_no_violation(house: House) -> None:
    system = house.system
    with somebody(system.gateway) as person:
        surely(person, "/holds", {"event_id": system.event("SEATED"), "best_available": ONE})
    with system.standing_still("inventory"):  # so that nobody ends the hold
        sql(
            house.primary,
            "UPDATE inventory.hold SET expires_at = clock_timestamp() - interval '57 seconds'"
            " WHERE status = 'ACTIVE'",
        )
        until(lambda: follows(house))
        sql(house.standby, "SELECT pg_wal_replay_pause()")
        until(lambda: "no hold outlives its expiry" in violated(house, house.primary))
        assert violated(house, house.standby) == set()
        sql(house.standby, "SELECT pg_wal_replay_resume()")


def wait_for_standbys(house: House, names: str) -> None:
    """Has each commit wait for one of these; without names for none."""
    sql(house.primary, f"ALTER SYSTEM SET synchronous_standby_names = '{names}'")
    sql(house.primary, "SELECT pg_reload_conf()")
    until(lambda: sql(house.primary, "SHOW synchronous_standby_names") == names)


def test_a_commit_that_has_no_standby_to_wait_for_is_answered_once_it_has(house: House) -> None:
    system = house.system
    with somebody(system.gateway) as person:
        wanted = {"event_id": system.event("SEATED"), "best_available": ONE}
        wait_for_standbys(house, "ANY 1 (*)")
        house.standby.stop()
        with pytest.raises(ProblemError) as refused:
            person.post("/holds", wanted, key="the same")
        assert refused.value.status == 503
        house.standby.start()
        hold = surely(person, "/holds", wanted, key="the same")
        assert [each["id"] for each in person.get("/holds")["items"]] == [hold["id"]]
    until(lambda: follows(house))
    assert violated(house, house.standby) == set()


def test_a_standby_that_takes_over_has_every_confirmed_booking(house: House) -> None:
    wait_for_standbys(house, "ANY 1 (*)")
    quorum = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'quorum'"
    until(lambda: sql(house.primary, quorum))
    with buyers(house) as confirmed:
        until(lambda: len(confirmed) >= _ENOUGH)
        house.primary.kill()
        before = len(confirmed)
        house.standby.promote()
        until(lambda: len(confirmed) >= before + _ENOUGH)
    until(lambda: all(map(is_ready, house.system.run["internal"].values())))
    known = sql(
        house.standby,
        "SELECT array_agg(reference) FROM booking.saga JOIN booking.booking USING (booking_id)"
        " WHERE state = 'CONFIRMED'",
    )
    assert set(confirmed) <= set(known)
    assert violated(house, house.standby) == set()
