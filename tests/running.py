"""The whole system, as `make up DETACH=1` starts it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg

from chassis import failpoints
from deploy.plan import DATABASE
from deploy.postgres import Postgres
from deploy.processes import free_port
from ops.client import Client

_UP_SECONDS = 240


@dataclass(frozen=True)
class System:
    """A running system."""

    home: Path
    environment: Mapping[str, str]

    @property
    def run(self) -> dict[str, Any]:
        """What `run.json` says now."""
        run: dict[str, Any] = json.loads((self.home / "run.json").read_text())
        return run

    @property
    def gateway(self) -> str:
        return str(self.run["gateway"])

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Runs one of the commands of `python -m deploy`."""
        return subprocess.run(
            [sys.executable, "-m", "deploy", *words],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=_UP_SECONDS,
            check=False,
        )

    def client(self, role: str) -> Client:
        """Somebody of the printed accounts, logged in."""
        account = next(one for one in self.run["accounts"] if one["role"] == role)
        return Client(self.gateway).log_in(account["email"], account["password"])

    def event(self, kind: str) -> str:
        """The id of the demo event of that kind."""
        return next(event["id"] for event in self.run["events"] if event["kind"] == kind)

    def database(self, name: str = DATABASE) -> str:
        """Where the superuser connects."""
        port = psycopg.conninfo.conninfo_to_dict(self.run["database"]["reader"])["port"]
        server = Postgres(self.home / "postgres", port=int(str(port)))
        return server.admin_url.removesuffix("postgres") + name

    def sql(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Asks, or changes, anything."""
        with psycopg.connect(self.database(), autocommit=True) as connection:
            cursor = connection.execute(query.encode(), values)
            return cursor.fetchall() if cursor.description else []

    def deadline_passes(self, reference: str) -> None:
        """Nobody waits for the clock: the deadline is moved instead."""
        self.sql(
            "UPDATE booking.saga SET deadline_at = clock_timestamp() FROM booking.booking"
            " WHERE booking.booking_id = saga.booking_id AND reference = %s",
            reference,
        )


@dataclass(frozen=True)
class Breakable(System):
    """A running system whose processes can be made to die, or to stand still."""

    points: Path

    def arm(self, process: str, failpoint: str) -> Path:
        """Makes the process die once, when it comes to the failpoint; the file goes with it."""
        file = self.points / f"{process}.{failpoint}"
        file.touch()
        return file

    def pause(self, process: str, failpoint: str) -> Path:
        """Makes the process stand still (SIGSTOP) once, when it comes to the failpoint."""
        file = self.points / f"{process}.{failpoint}"
        made = file.with_name(f"new.{file.name}")
        made.write_text(failpoints.STAND_STILL)
        made.rename(file)  # whole, or not there
        return file

    def kill(self, process: str) -> None:
        """As kill -9; the supervisor starts it again."""
        os.kill(self.run["pids"][process], signal.SIGKILL)

    @contextmanager
    def standing_still(self, process: str) -> Iterator[None]:
        """The process does nothing, and answers nobody, until the end of the block."""
        pid = self.run["pids"][process]
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    @contextmanager
    def provider(self, mode: str, *, latency_ms: int = 0) -> Iterator[None]:
        """The payment provider misbehaves until the end of the block."""

        def say(**fault: Any) -> None:
            run = self.run
            httpx.put(
                f"{run['sandbox']}/v1/faults",
                json=fault,
                headers={"Authorization": f"Bearer {run['provider']['api_key']}"},
            ).raise_for_status()

        say(mode=mode, latency_ms=latency_ms)
        try:
            yield
        finally:
            say(mode="none")

    def state(self, reference: str) -> str:
        """Where a booking's saga stands."""
        ((found,),) = self.sql(
            "SELECT state FROM booking.saga JOIN booking.booking USING (booking_id)"
            " WHERE reference = %s",
            reference,
        )
        return str(found)

    def money(self, reference: str) -> tuple[int, int]:
        """What was taken for a booking, and what of it went back, minor units."""
        ((captured, refunded),) = self.sql(
            "SELECT coalesce(sum(captured), 0)::int, coalesce(sum(refunded), 0)::int"
            "  FROM payment.attempt JOIN booking.booking USING (payment_id) WHERE reference = %s",
            reference,
        )
        return captured, refunded


def new_system(folder: Path) -> System:
    """A system not started yet, with its state in `folder` and a gateway port of its own."""
    environment = {
        **os.environ,
        "PARTERRE_HOME": str(folder / "state"),
        "PARTERRE_PORT": str(free_port()),
        "COLUMNS": "200",
        "PARTERRE_PROGRAMME": "0",  # nothing happens there but what a test does
    }
    return System(folder / "state", environment)
