"""Statements on sets of ids: one plan serves sets of every size (ADR 0008)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from booking_service.storage import events as booked_events
from booking_service.storage import underway
from chassis.database import Session
from chassis.ids import uuid7
from inventory_service.storage import by_event
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
