"""Plans of statements on sets: one serves sets of every size (ADR 0008), and reads these alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import psycopg
import pytest

from booking_service.storage import events as booked_events
from booking_service.storage import underway
from chassis.database import Session
from chassis.ids import uuid7
from deploy.postgres import Postgres
from inventory_service.domain import Wanted
from inventory_service.storage import by_event, holds, reservations
from notification_service.storage import people
from payment_service.storage import payments

from .conftest import MakeDatabase

Work = Callable[[Session], Awaitable[object]]
# PostgreSQL plans a statement anew five times before it weighs whether one plan would do.
TIMES = 12
SETS: dict[str, tuple[str, int, Work]] = {
    "sagas": ("booking", 2, lambda session: underway.lock_by_ids(session, [uuid7()], [uuid7()])),
    "booked events": ("booking", 1, lambda session: booked_events.find(session, uuid7())),
    "payments": ("payment", 2, lambda session: session.together(*payments.locking([uuid7()]))),
    "holds": ("inventory", 1, lambda session: by_event.events_of(session, [uuid7()])),
    "people": ("notification", 1, lambda session: people.find(session, [uuid7()])),
}


@pytest.mark.parametrize("name", SETS)
async def test_a_statement_on_a_set_is_not_planned_at_every_turn(
    make_database: MakeDatabase, name: str
) -> None:
    schema, statements, work = SETS[name]
    database = await make_database(schema, pool_size=1)
    for _ in range(TIMES):
        async with database.transaction() as session:
            await work(session)
    async with database.transaction() as session:
        kept = await session.all(
            "SELECT generic_plans, custom_plans FROM pg_prepared_statements"
            " WHERE statement LIKE '%ARRAY(SELECT unnest(%'"
            "   AND statement NOT LIKE '%pg_prepared_statements%'"
        )
    assert [(row.generic_plans, row.custom_plans) for row in kept] == [(7, 5)] * statements


async def test_who_reserves_or_expires_a_hold_does_not_read_all_that_are_held(
    make_database: MakeDatabase, postgres: Postgres
) -> None:
    database = await make_database("inventory", pool_size=1)
    name = psycopg.conninfo.conninfo_to_dict(database.url)["dbname"]
    with psycopg.connect(postgres.admin_url, dbname=name, autocommit=True) as admin:
        admin.execute(
            "INSERT INTO inventory.hold (event_id, hold_id, customer_id, status, seats, tickets,"
            " created_at, expires_at, extendable_until)"
            " SELECT %s, gen_random_uuid(), gen_random_uuid(), 'ACTIVE', 1, 0, now(),"
            "        now() + interval '10 minutes', now() + interval '20 minutes'"
            "   FROM generate_series(1, 2000)",
            [uuid7()],
        )
        held = admin.execute("SELECT hold_id, customer_id FROM inventory.hold LIMIT 12").fetchall()
    for hold_id, customer_id in held:
        async with database.transaction() as session:
            await reservations.reserve(session, [Wanted(hold_id, customer_id, uuid7())])
        async with database.transaction() as session:
            await holds.expire_holds(session, uuid7(), [hold_id])
    ids = f"ARRAY['{uuid7()}'::uuid]"
    for changed, arguments in {
        "RESERVED": f"{ids}, {ids}, {ids}, '{uuid7()}', '30 s'",
        "EXPIRED": f"'{uuid7()}', {ids}",
    }.items():
        async with database.transaction() as session:
            statement = await session.scalar(
                "SELECT name FROM pg_prepared_statements WHERE statement LIKE :asked",
                asked=f"%UPDATE hold SET status = '{changed}'%",
            )
            lines = await session.all(f"EXPLAIN EXECUTE {statement}({arguments})")
        plan = "\n".join(line[0] for line in lines)
        assert "Update on hold" in plan
        assert "hold_due" not in plan
        assert "Seq Scan on hold" not in plan
