"""Database, migrations and idempotency keys on a real PostgreSQL."""

from __future__ import annotations

import asyncio
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import psycopg
import pytest
from parterre.booking.v1 import booking_pb2
from sqlalchemy.exc import DBAPIError

import chassis.migrate
from chassis import idempotency
from chassis.context import request
from chassis.database import (
    Database,
    DatabaseError,
    PoolTimeoutError,
    Session,
    is_lost,
    is_overload,
)
from chassis.errors import ServiceError
from chassis.identity import Identity, Role
from chassis.migrate import migrate
from deploy.postgres import Postgres
from deploy.provision import MIGRATOR, SCHEMAS, migrate_all, provision, role_of, url_for

from .conftest import PASSWORDS, MakeDatabase

CANCEL = booking_pb2.CancelBookingRequest
REPLY = booking_pb2.CancelBookingResponse


async def test_a_server_that_does_not_answer_is_given_up_and_the_next_transaction_goes_on(
    make_database: MakeDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = await make_database("notification", statement_seconds=60)
    monkeypatch.setattr("chassis.postgres._LOOK_SECONDS", 0.1)
    with pytest.raises(DatabaseError) as refused:
        async with database.transaction() as session:
            await session.execute("SELECT pg_sleep(60)")
    assert is_lost(refused.value)
    await database.check()


async def test_a_service_sees_its_own_schema_only_and_may_not_change_tables(
    make_database: MakeDatabase,
) -> None:
    database = await make_database("notification")
    for statement in (
        "CREATE TABLE notification.mine (id int)",
        "ALTER TABLE mail ADD COLUMN x int",
        "DROP TABLE mail",
        "CREATE SCHEMA mine",
        "CREATE TABLE public.mine (id int)",
    ):
        with pytest.raises(DatabaseError) as refused:
            async with database.transaction() as session:
                await session.execute(statement)
        assert refused.value.sqlstate in {"42501", "3F000"}, statement


def test_a_server_is_prepared_and_every_schema_migrates_from_nothing_twice_at_once(
    postgres: Postgres,
) -> None:
    as_migrator = url_for(postgres.admin_url, "migrating", MIGRATOR, PASSWORDS[MIGRATOR])
    # Two deployments are two processes; and alembic keeps its context in the module.
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        for done in [
            pool.submit(provision, postgres.admin_url, "migrating", PASSWORDS) for _ in range(2)
        ]:
            done.result()
        for done in [pool.submit(migrate_all, as_migrator) for _ in range(2)]:
            done.result()
    with psycopg.connect(postgres.admin_url, dbname="migrating") as connection:
        for schema in SCHEMAS:
            query = f"SELECT count(*) FROM {schema}.alembic_version"
            assert connection.execute(query).fetchone() == (1,)
    # One service's role has nothing to do in another's schema.
    role = role_of("booking")
    own = url_for(postgres.admin_url, "migrating", role, PASSWORDS[role])
    with (
        psycopg.connect(own) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("SELECT 1 FROM inventory.outbox")


def test_a_failed_migration_leaves_nothing_behind(
    postgres: Postgres, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "broken_service"
    (package / "migrations").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "migrations" / "0001_broken.py").write_text(
        "from alembic import op\nrevision = '0001'\ndown_revision = None\n"
        "def upgrade():\n    op.execute('CREATE TABLE half (id int)')\n    op.execute('nonsense')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    provision(postgres.admin_url, "broken", PASSWORDS)
    url = url_for(postgres.admin_url, "broken", MIGRATOR, PASSWORDS[MIGRATOR])
    with pytest.raises(DBAPIError):
        migrate(url, "broken_service", "notification")
    with psycopg.connect(postgres.admin_url, dbname="broken") as connection:
        found = connection.execute("SELECT to_regclass('notification.half')").fetchone()
    assert found == (None,)


def _migrate_slowly(url: str, folder: str) -> None:
    sys.path.insert(0, folder)
    chassis.migrate._LOCK_MS = 300
    migrate(url, "slow_service", "notification")


def test_a_second_migration_waits_for_the_first_beyond_the_time_for_locks(
    postgres: Postgres, tmp_path: Path
) -> None:
    package = tmp_path / "slow_service"
    (package / "migrations").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "migrations" / "0001_slow.py").write_text(
        "from alembic import op\nrevision = '0001'\ndown_revision = None\n"
        "def upgrade():\n"
        "    op.execute('CREATE TABLE slow (id int)')\n"
        "    op.execute('SELECT pg_sleep(1)')\n"
    )
    provision(postgres.admin_url, "slow", PASSWORDS)
    url = url_for(postgres.admin_url, "slow", MIGRATOR, PASSWORDS[MIGRATOR])
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        both = [pool.submit(_migrate_slowly, url, str(tmp_path)) for _ in range(2)]
        for done in both:
            done.result()
    with psycopg.connect(postgres.admin_url, dbname="slow") as connection:
        query = "SELECT count(*) FROM notification.alembic_version"
        assert connection.execute(query).fetchone() == (1,)


async def test_a_deadlock_is_retried_until_both_succeed(make_database: MakeDatabase) -> None:
    database = await make_database("notification")
    async with database.transaction() as session:
        for id in (1, 2):
            await session.execute(
                "INSERT INTO person (user_id, email, name, version)"
                " VALUES (CAST(:id AS uuid), 'x', 'x', 0)",
                id=f"00000000-0000-7000-8000-00000000000{id}",
            )
    both_have_one = asyncio.Barrier(2)
    tries = 0

    async def update(first: int, second: int) -> None:
        meets = True

        async def work(session: Session) -> None:
            nonlocal meets, tries
            tries += 1
            for id in (first, second):
                await session.execute(
                    "UPDATE person SET version = version + 1 WHERE user_id = CAST(:id AS uuid)",
                    id=f"00000000-0000-7000-8000-00000000000{id}",
                )
                if meets:
                    meets = False
                    await both_have_one.wait()

        await database.run(work)

    await asyncio.gather(update(1, 2), update(2, 1))
    async with database.transaction() as session:
        assert await session.scalar("SELECT array_agg(version) FROM person") == [2, 2]
    assert tries == 3


async def test_an_exhausted_pool_refuses_in_time(make_database: MakeDatabase) -> None:
    database = await make_database("notification", pool_size=1, acquire_seconds=0.05)
    async with database.transaction() as session:
        await session.execute("SELECT 1")
        with pytest.raises(PoolTimeoutError):
            await database.check()


async def test_a_statement_that_takes_too_long_is_overload(make_database: MakeDatabase) -> None:
    database = await make_database("notification", statement_seconds=0.05)
    with pytest.raises(DatabaseError) as ended:
        async with database.transaction() as session:
            await session.execute("SELECT pg_sleep(30)")
    assert is_overload(ended.value)


# --- idempotency keys ----------------------------------------------------------------------------


class Call:
    """What of a gRPC call the keys touch."""

    def __init__(self) -> None:
        self.trailers: tuple[tuple[str, str], ...] = ()

    def set_trailing_metadata(self, trailers: tuple[tuple[str, str], ...]) -> None:
        self.trailers = trailers


class Counter:
    """Work that counts itself, and refuses when told to."""

    def __init__(self, refusal: Exception | None = None) -> None:
        self.runs = 0
        self._refusal = refusal

    async def __call__(self, session: Session) -> booking_pb2.CancelBookingResponse:
        self.runs += 1
        await session.execute(
            "INSERT INTO mail (id, recipient, kind, subject, body)"
            " VALUES (gen_random_uuid(), 'x', 'x', 'x', 'x')"
        )
        if self._refusal:
            raise self._refusal
        return REPLY(booking=booking_pb2.Booking(reference=f"PT-{self.runs}"))


async def once(
    database: Database, work: Counter, message: booking_pb2.CancelBookingRequest, who: str = "asha"
) -> tuple[Any, Call]:
    call = Call()
    identity = Identity(who, Role.CUSTOMER, "", "", 0)
    with request(id="test", identity=identity):
        reply = await idempotency.once(database, message, REPLY, work, call)  # type: ignore[arg-type]
    return reply, call


async def mails(database: Database) -> int:
    async with database.transaction() as session:
        return await session.scalar("SELECT count(*) FROM mail")


async def test_the_same_key_and_body_give_the_same_reply_without_running_again(
    make_database: MakeDatabase,
) -> None:
    database = await make_database("notification")
    work, message = Counter(), CANCEL(reference="PT-1", idempotency_key="k")
    first, call = await once(database, work, message)
    again, replayed = await once(database, work, message)
    assert (work.runs, again) == (1, first)
    assert (call.trailers, replayed.trailers) == ((), (idempotency.REPLAYED,))


async def test_another_body_under_the_same_key_is_refused(make_database: MakeDatabase) -> None:
    database = await make_database("notification")
    work = Counter()
    await once(database, work, CANCEL(reference="PT-1", idempotency_key="k"))
    with pytest.raises(ServiceError) as refused:
        await once(database, work, CANCEL(reference="PT-2", idempotency_key="k"))
    assert (refused.value.reason, work.runs) == ("IDEMPOTENCY_KEY_REUSED", 1)


async def test_keys_are_each_persons_own_and_without_one_everything_runs(
    make_database: MakeDatabase,
) -> None:
    database = await make_database("notification")
    work = Counter()
    await once(database, work, CANCEL(reference="PT-1", idempotency_key="k"))
    await once(database, work, CANCEL(reference="PT-1", idempotency_key="k"), who="bikram")
    await once(database, work, CANCEL(reference="PT-1"))
    await once(database, work, CANCEL(reference="PT-1"))
    assert work.runs == 4


async def test_a_refusal_is_replayed_and_what_it_wrote_is_undone(
    make_database: MakeDatabase,
) -> None:
    database = await make_database("notification")
    work = Counter(ServiceError("STATE", "CANCELLATION_CLOSED", "Too late.", until="noon"))
    message = CANCEL(reference="PT-1", idempotency_key="k")
    for _ in range(2):
        with pytest.raises(ServiceError) as refused:
            await once(database, work, message)
        assert (refused.value.reason, str(refused.value)) == ("CANCELLATION_CLOSED", "Too late.")
        assert refused.value.metadata == {"until": "noon"}
    assert (work.runs, await mails(database)) == (1, 0)


async def test_a_failure_that_says_nothing_of_the_request_is_not_kept(
    make_database: MakeDatabase,
) -> None:
    database = await make_database("notification")
    message = CANCEL(reference="PT-1", idempotency_key="k")
    for error in (ServiceError("UNAVAILABLE", "OVERLOADED", "Busy."), ValueError("bug")):
        with pytest.raises(type(error)):
            await once(database, Counter(error), message)
    work = Counter()
    await once(database, work, message)
    assert work.runs == 1


async def test_many_at_once_with_one_key_run_once(make_database: MakeDatabase) -> None:
    database = await make_database("notification")
    work, message = Counter(), CANCEL(reference="PT-1", idempotency_key="k")
    outcomes = await asyncio.gather(
        *(once(database, work, message) for _ in range(20)), return_exceptions=True
    )
    replies = [outcome[0] for outcome in outcomes if not isinstance(outcome, BaseException)]
    reasons = {outcome.reason for outcome in outcomes if isinstance(outcome, ServiceError)}
    assert (work.runs, await mails(database)) == (1, 1)
    assert reasons <= {"IDEMPOTENCY_IN_PROGRESS"}
    assert {reply.booking.reference for reply in replies} == {"PT-1"}


async def test_what_was_noted_is_told_once_it_has_committed(make_database: MakeDatabase) -> None:
    database = await make_database("notification")
    told: list[object] = []
    database.when_noted = told.extend
    async with database.transaction() as session:
        await session.scalar("SELECT 1")
        session.note("kept")
        assert told == []

    async def notes_and_fails() -> None:
        async with database.transaction() as session:
            session.note("lost")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await notes_and_fails()
    assert told == ["kept"]
