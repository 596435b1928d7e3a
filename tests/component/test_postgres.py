"""The connection and its pool on a real PostgreSQL: values, trips, failures, interruptions."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
import uvloop

from chassis.database import (
    Database,
    DatabaseError,
    IntegrityError,
    NotOneRowError,
    PoolTimeoutError,
    Session,
    is_lost,
    is_overload,
)
from chassis.ids import uuid7
from chassis.postgres import Connection, placed
from chassis.telemetry import DATABASE_ANSWERS_OVERDUE
from deploy.postgres import Postgres

from .conftest import MakeDatabase

INSERT = (
    "INSERT INTO person (user_id, email, name, version)"
    " VALUES (CAST(:id AS uuid), :email, 'x', :version)"
)


class Colour(StrEnum):
    RED = "red"


async def value(database: Database, sql: str, **parameters: Any) -> Any:
    async with database.transaction() as session:
        return await session.scalar(sql, **parameters)


async def people(database: Database) -> int:
    count: int = await value(database, "SELECT count(*) FROM person")
    return count


# --- statements ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "sent", "names"),
    [
        ("SELECT :a, :b, :a", "SELECT $1, $2, $1", ("a", "b")),
        ("SELECT :a::text, '10:b', x[1:n]", "SELECT $1::text, '10:b', x[1:n]", ("a",)),
        ("SELECT ':a', 'it''s :b', E'\\':c', :d", "SELECT ':a', 'it''s :b', E'\\':c', $1", ("d",)),
        ('SELECT ":a" -- :b\n, :c /* :d */', 'SELECT ":a" -- :b\n, $1 /* :d */', ("c",)),
        ("SELECT $$ :a $$, $q$ :b $$ $q$, :c", "SELECT $$ :a $$, $q$ :b $$ $q$, $1", ("c",)),
        ("SELECT '%' LIKE :a, 7 % 2", "SELECT '%' LIKE $1, 7 % 2", ("a",)),
    ],
)
def test_only_parameters_are_replaced(sql: str, sent: str, names: tuple[str, ...]) -> None:
    assert placed(sql) == (sent.encode(), names)


@pytest.mark.parametrize(
    ("type", "given", "expected"),
    [
        ("uuid", UUID(int=7), UUID(int=7)),
        ("text", Colour.RED, "red"),
        ("text", "a 'quoted' % : ü", "a 'quoted' % : ü"),
        ("bytea", b"\0\xff", b"\0\xff"),
        ("bigint", 2**40, 2**40),
        ("numeric", Decimal("1.50"), Decimal("1.50")),
        ("boolean", True, True),
        ("interval", timedelta(seconds=90), timedelta(seconds=90)),
        ("timestamptz", datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)),
        ("jsonb", json.dumps({"a": [1, None]}), {"a": [1, None]}),
        ("uuid[]", [UUID(int=1), UUID(int=2)], [UUID(int=1), UUID(int=2)]),
        ("text[]", ["a", None, 'b"c,'], ["a", None, 'b"c,']),
        ("integer[]", [1, 70_000, None], [1, 70_000, None]),
        ("bigint[]", [], []),
        ("jsonb[]", ['{"a": 1}', None], [{"a": 1}, None]),
        ("text", None, None),
    ],
)
async def test_values_come_back_as_they_went(
    make_database: MakeDatabase, type: str, given: Any, expected: Any
) -> None:
    database = await make_database("notification")
    for _ in range(3):  # plain, prepared, from the prepared statement
        back = await value(database, f"SELECT CAST(:given AS {type})", given=given)
        assert back == expected
    if isinstance(back, datetime):
        assert back.utcoffset() == timedelta(0)


async def test_rows_are_read_by_name_by_place_and_unpacked(make_database: MakeDatabase) -> None:
    database = await make_database("notification")
    async with database.transaction() as session:
        row = await session.one("SELECT 1 AS id, 'x' AS count, 2, 3 AS id")
        assert (row.id, row[0], row.count, row[2], row[3]) == (1, 1, "x", 2, 3)
        assert [*row] == [1, "x", 2, 3]
        with pytest.raises(AttributeError):
            _ = row.absent
        for sql in ("SELECT 1 WHERE false", "SELECT generate_series(1, 2)"):
            with pytest.raises(NotOneRowError):
                await session.one(sql)
        assert await session.first("SELECT 1 WHERE false") is None


# --- transactions --------------------------------------------------------------------------------


async def test_what_was_deferred_commits_with_the_rest(make_database: MakeDatabase) -> None:
    database = await make_database("notification")
    async with database.transaction() as session:
        session.defer(INSERT, id=str(uuid7()), email="a", version=0)
    async with database.transaction() as session:
        session.defer(INSERT, id=str(uuid7()), email="b", version=0)
        assert await session.scalar("SELECT count(*) FROM person") == 2
        ended = await session.finish("UPDATE person SET version = 7 RETURNING email")
        assert sorted(row.email for row in ended) == ["a", "b"]
        with pytest.raises(RuntimeError, match="ended"):
            await session.execute("SELECT 1")
    assert await value(database, "SELECT min(version) FROM person") == 7


async def test_a_deferred_statement_that_fails_undoes_the_transaction(
    make_database: MakeDatabase,
) -> None:
    database = await make_database("notification")
    id = str(uuid7())

    async def work(session: Session) -> None:
        await session.execute(INSERT, id=id, email="a", version=0)
        session.defer(INSERT, id=id, email="a", version=0)

    with pytest.raises(IntegrityError):
        await database.run(work)
    assert await people(database) == 0


async def test_a_failure_that_was_swallowed_does_not_pass_for_a_commit(
    make_database: MakeDatabase,
) -> None:
    database = await make_database("notification")

    async def work(session: Session) -> None:
        await session.execute(INSERT, id=str(uuid7()), email="a", version=0)
        with pytest.raises(DatabaseError):
            await session.execute("SELECT 1/0")

    with pytest.raises(DatabaseError, match="rolled back"):
        await database.run(work)
    assert await people(database) == 0


async def test_a_savepoint_is_undone_alone(make_database: MakeDatabase) -> None:
    database = await make_database("notification")
    first, second, third = (str(uuid7()) for _ in range(3))

    async def twice(session: Session) -> None:
        async with session.savepoint():
            await session.execute(INSERT, id=second, email="b", version=0)
            await session.execute(INSERT, id=first, email="a", version=0)

    async with database.transaction() as session:
        with pytest.raises(ValueError, match="nothing ran"):
            async with session.savepoint():
                raise ValueError("nothing ran")
        await session.execute(INSERT, id=first, email="a", version=0)
        with pytest.raises(IntegrityError):
            await twice(session)
        savepoint = session.savepoint()
        await session.execute(INSERT, id=second, email="c", version=0)
        session.defer(INSERT, id=third, email="d", version=0)
        savepoint.rollback()
        async with session.savepoint():
            await session.execute(INSERT, id=third, email="e", version=0)
    assert await value(database, "SELECT array_agg(email ORDER BY email) FROM person") == ["a", "e"]


async def test_a_value_that_cannot_be_sent_leaves_the_transaction_whole(
    make_database: MakeDatabase,
) -> None:
    database = await make_database("notification", pool_size=1)
    with pytest.raises(DatabaseError):
        async with database.transaction() as session:
            await session.execute(INSERT, id=str(uuid7()), email="nul \0", version=0)

    async def work(session: Session) -> None:
        with pytest.raises(DatabaseError):
            await session.execute(INSERT, id=str(uuid7()), email="nul \0", version=0)
        await session.execute(INSERT, id=str(uuid7()), email="a", version=0)
        raise ValueError("after it")

    with pytest.raises(ValueError, match="after it"):
        await database.run(work)
    assert await people(database) == 0


async def test_an_errors_text_shows_no_values(make_database: MakeDatabase) -> None:
    database = await make_database("notification")
    id = str(uuid7())

    async def twice(session: Session) -> None:
        for _ in range(2):
            await session.execute(INSERT, id=id, email="secret", version=0)

    with pytest.raises(IntegrityError) as refused:
        await database.run(twice)
    assert id not in str(refused.value)
    assert "secret" not in repr(refused.value)
    assert refused.value.diag.constraint_name == "person_pkey"


# --- connections ---------------------------------------------------------------------------------


async def test_a_prepared_statement_that_no_longer_fits_is_prepared_anew(
    make_database: MakeDatabase, postgres: Postgres
) -> None:
    database = await make_database("notification", pool_size=3)
    both = "SELECT * FROM person"

    async def read() -> None:
        for _ in range(3):
            async with database.transaction() as session:
                await session.all(both)
                await asyncio.sleep(0)

    async with database.transaction() as session:
        await session.execute(INSERT, id=str(uuid7()), email="a", version=0)
    await asyncio.gather(*(read() for _ in range(3)))
    name = psycopg.conninfo.conninfo_to_dict(database.url)["dbname"]
    with psycopg.connect(postgres.admin_url, dbname=name, autocommit=True) as admin:
        admin.execute("ALTER TABLE notification.person ADD COLUMN extra int")
    row = await database.run(lambda session: session.one(both))
    assert row.extra is None


async def test_a_refusal_leaves_prepared_statements_in_place(make_database: MakeDatabase) -> None:
    database = await make_database("notification", pool_size=1)
    asked = "SELECT count(*) FROM person"
    mine = "SELECT count(*) FROM pg_prepared_statements WHERE statement = :asked"

    async def refuse(session: Session) -> None:
        await session.scalar(asked)
        raise ValueError("refused")

    for _ in range(3):
        with pytest.raises(ValueError, match="refused"):
            await database.run(refuse)
    assert await value(database, mine, asked=asked) == 1


async def test_a_plan_made_for_an_empty_table_does_not_outlive_its_growth(
    make_database: MakeDatabase, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = await make_database("notification", pool_size=1)
    name = psycopg.conninfo.conninfo_to_dict(database.url)["dbname"]
    asked = "SELECT email FROM person WHERE user_id = :id"
    add = (
        "INSERT INTO notification.person (user_id, email, name, version)"
        " SELECT gen_random_uuid(), 'x', 'x', 0 FROM generate_series(1, %s)"
    )

    async def plan() -> str:
        async with database.transaction() as session:
            mine = await session.scalar(
                "SELECT name FROM pg_prepared_statements WHERE statement LIKE :asked",
                asked=asked.replace(":id", "$1"),
            )
            lines = await session.all(f"EXPLAIN EXECUTE {mine}('{uuid7()}')")
            return "\n".join(line[0] for line in lines)

    with psycopg.connect(postgres.admin_url, dbname=name, autocommit=True) as admin:
        admin.execute("ALTER TABLE notification.person SET (autovacuum_enabled = off)")
        admin.execute(add, (20,))
        admin.execute("ANALYZE notification.person")
        for _ in range(10):
            await value(database, asked, id=uuid7())
        assert "Seq Scan" in await plan()
        admin.execute(add, (5000,))
        assert "Seq Scan" in await plan()
    moment = asyncio.get_running_loop().time
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: moment() + 11)
    assert "Index Scan" in await plan()


async def test_an_interrupted_transaction_is_undone_and_its_connection_used_again(
    make_database: MakeDatabase,
) -> None:
    database = await make_database("notification", pool_size=1)
    pid = await value(database, "SELECT pg_backend_pid()")

    async def in_the_server(session: Session) -> None:
        await session.execute(INSERT, id=str(uuid7()), email="a", version=0)
        await session.execute("SELECT pg_sleep(30)")

    async def between_statements(session: Session) -> None:
        await session.execute(INSERT, id=str(uuid7()), email="a", version=0)
        await asyncio.Event().wait()

    for work in (in_the_server, between_statements):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(database.run(work), 0.05)
        assert await people(database) == 0
        assert await value(database, "SELECT pg_backend_pid()") == pid


async def test_a_connection_that_the_server_ended_is_noticed_in_the_pool_and_in_use(
    make_database: MakeDatabase, postgres: Postgres
) -> None:
    database = await make_database("notification", pool_size=2)
    end = "SELECT pg_terminate_backend(%s, 5000)"
    pid = await value(database, "SELECT pg_backend_pid()")
    with psycopg.connect(postgres.admin_url, autocommit=True) as admin:
        admin.execute(end, (pid,))
        for _ in range(10):
            await asyncio.sleep(0)  # the loop sees the socket
        assert await value(database, "SELECT 1") == 1

        async def ended_within(session: Session) -> None:
            admin.execute(end, (await session.scalar("SELECT pg_backend_pid()"),))
            await session.scalar("SELECT 1")

        with pytest.raises(DatabaseError) as lost:
            await database.run(ended_within)
        assert is_lost(lost.value)
    assert await value(database, "SELECT 1") == 1


def _pause(seconds: float) -> None:
    """Blocks the whole thread, as SIGSTOP would."""
    time.sleep(seconds)


def test_a_server_that_is_killed_with_a_query_unread_is_missed_at_once(tmp_path: Path) -> None:
    """It leaves a last notice and a reset connection, of which uvloop tells only once."""
    tmp_path.chmod(0o755)

    async def scenario(url: str) -> float:
        connection = await Connection.open(url)
        pid = (await connection.run(connection.bind("SELECT pg_backend_pid()", {})))[0].scalar()
        os.kill(pid, signal.SIGSTOP)
        asked = asyncio.create_task(connection.run(connection.bind("SELECT 1", {})))
        await asyncio.sleep(0)
        os.kill(pid, signal.SIGQUIT)
        os.kill(pid, signal.SIGCONT)
        _pause(0.3)  # the loop is busy meanwhile, and finds notice and reset together
        free_at = asyncio.get_running_loop().time()
        with pytest.raises(psycopg.OperationalError) as lost:
            await asyncio.wait_for(asked, 10)
        assert is_lost(lost.value)
        assert connection.lost
        return asyncio.get_running_loop().time() - free_at

    overdue = DATABASE_ANSWERS_OVERDUE._value.get()
    with Postgres(tmp_path / "own") as own:
        assert uvloop.run(scenario(own.admin_url)) < 1
        own.kill()  # asked politely while it recovers, it takes its time
    assert DATABASE_ANSWERS_OVERDUE._value.get() == overdue


@pytest.mark.parametrize("has_arrived", [True, False])
def test_a_process_that_was_paused_does_not_give_up_an_answer(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch, *, has_arrived: bool
) -> None:
    """The watchdog's timer comes before the socket in uvloop's round, and both are due."""
    monkeypatch.setattr("chassis.postgres._LOOK_SECONDS", 0.1)
    monkeypatch.setattr("chassis.postgres._LATE_SECONDS", 1.0 if has_arrived else 0.2)

    async def scenario() -> Any:
        connection = await Connection.open(postgres.admin_url)
        pid = (await connection.run(connection.bind("SELECT pg_backend_pid()", {})))[0].scalar()
        os.kill(pid, signal.SIGSTOP)
        asked = asyncio.create_task(connection.run(connection.bind("SELECT 7", {})))
        await asyncio.sleep(0.15)  # a first look, that found nothing
        if has_arrived:
            os.kill(pid, signal.SIGCONT)
        _pause(0.4)  # until the second look is due
        if not has_arrived:
            asyncio.get_running_loop().call_later(0.05, os.kill, pid, signal.SIGCONT)
        try:
            return (await asked)[0].scalar()
        finally:
            os.kill(pid, signal.SIGCONT)
            connection.close()

    assert uvloop.run(scenario()) == 7


def test_a_server_that_gives_no_answer_is_given_up_and_counted(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.postgres._LOOK_SECONDS", 0.05)
    overdue = DATABASE_ANSWERS_OVERDUE._value.get()

    async def scenario() -> None:
        connection = await Connection.open(postgres.admin_url)
        with pytest.raises(psycopg.OperationalError, match="in time"):
            await connection.run(connection.bind("SELECT pg_sleep(30)", {}))
        assert connection.lost

    uvloop.run(scenario())
    assert DATABASE_ANSWERS_OVERDUE._value.get() == overdue + 1


async def test_a_server_that_cannot_be_reached_is_told_apart() -> None:
    database = Database("postgresql://nobody@127.0.0.1:9/nothing", "notification")
    with pytest.raises(DatabaseError) as lost:
        await database.check()
    assert is_lost(lost.value)
    assert not is_overload(lost.value)


async def test_a_connection_to_a_standby_is_given_up_and_the_next_one_looks_for_the_primary(
    make_database: MakeDatabase,
) -> None:
    database = await make_database("notification", pool_size=1)
    # As a standby answers, of which this one server has none.
    await value(database, "SELECT set_config('default_transaction_read_only', 'on', false)")
    person = {"id": uuid7(), "email": "a@example.org", "version": 1}
    with pytest.raises(DatabaseError) as refused:
        async with database.transaction() as session:
            await session.execute(INSERT, **person)
    assert is_lost(refused.value)
    async with database.transaction() as session:
        await session.execute(INSERT, **person)
    assert await people(database) == 1


async def test_those_who_wait_for_a_connection_are_served_in_turn_and_lose_none(
    make_database: MakeDatabase,
) -> None:
    database = await make_database("notification", pool_size=2, acquire_seconds=5)
    order: list[int] = []

    async def one(number: int) -> None:
        async with database.transaction() as session:
            order.append(number)
            await session.scalar("SELECT 1")

    async with database.transaction() as held, database.transaction() as other:
        await held.scalar("SELECT 1")
        await other.scalar("SELECT 1")
        tasks = [asyncio.create_task(one(number)) for number in range(20)]
        await asyncio.sleep(0)
        for task in tasks[::3]:
            task.cancel()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert order == sorted(number for number in range(20) if number % 3)
    assert sum(isinstance(outcome, asyncio.CancelledError) for outcome in ended) == 7
    async with database.transaction() as held, database.transaction() as other:
        pids = {await session.scalar("SELECT pg_backend_pid()") for session in (held, other)}
    assert len(pids) == 2


async def test_waiting_for_a_connection_ends(make_database: MakeDatabase) -> None:
    database = await make_database("notification", pool_size=1, acquire_seconds=0.02)
    async with database.transaction() as session:
        await session.scalar("SELECT 1")
        outcomes = await asyncio.gather(
            *(people(database) for _ in range(5)), return_exceptions=True
        )
    assert {type(outcome) for outcome in outcomes} == {PoolTimeoutError}
    assert await people(database) == 0
