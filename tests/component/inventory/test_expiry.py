"""inventory_service: holds whose time is over."""

from __future__ import annotations

import asyncio
from collections import Counter
from uuid import UUID

from parterre.inventory.v1 import inventory_pb2

from chassis.database import Session
from chassis.ids import uuid7
from chassis.lifecycle import background
from inventory_service.handlers.expiring import expire_due
from inventory_service.loops import sweep
from tests.component.conftest import Until

from .box import Box, Saga, reason


async def test_a_due_hold_loses_its_seats_whole_to_whoever_asks(box: Box) -> None:
    event = await box.opened()
    person = str(uuid7())
    hold = await box.hold(event, person, seats=[1, 2], tickets=2)
    await box.let_expire(hold.id)
    get = inventory_pb2.GetHoldRequest(hold_id=hold.id)
    assert (await box.call(person, "GetHold", get)).hold.status == "EXPIRED"
    reasons = Counter(
        await asyncio.gather(*(reason(box.hold(event, seats=[2, 3])) for _ in range(20)))
    )
    assert reasons == {"": 1, "SEATS_UNAVAILABLE": 19}
    assert await box.statuses(event) == {2: "HELD", 3: "HELD"}
    assert await box.pool(event) == (0, 0, 0)
    assert (await box.call(person, "GetHold", get)).hold.status == "EXPIRED"


async def test_extending_and_taking_over_never_both_succeed(box: Box) -> None:
    event = await box.opened(rows=1, seats=40)
    person_of = {seat: str(uuid7()) for seat in range(40)}
    holds = {seat: await box.hold(event, person_of[seat], seats=[seat]) for seat in person_of}
    # Their time ends while the race is on: some extend before it, some after.
    for seat, hold in holds.items():
        for table in ("hold", "live_hold"):
            await box.sql(
                f"UPDATE {table} SET expires_at = clock_timestamp()"
                " + make_interval(secs => CAST(:late AS double precision)) WHERE hold_id = :id",
                id=UUID(hold.id),
                late=seat * 0.004,
            )

    async def race(seat: int) -> tuple[str, str]:
        extend = inventory_pb2.ExtendHoldRequest(hold_id=holds[seat].id)
        ours, theirs = await asyncio.gather(
            reason(box.call(person_of[seat], "ExtendHold", extend)),
            reason(box.hold(event, seats=[seat])),
        )
        return ours, theirs

    outcomes = await asyncio.gather(*(race(seat) for seat in person_of))
    for seat, (ours, theirs) in enumerate(outcomes):
        get = inventory_pb2.GetHoldRequest(hold_id=holds[seat].id)
        status = (await box.call(person_of[seat], "GetHold", get)).hold.status
        assert (ours, theirs, status) in {
            ("", "SEATS_UNAVAILABLE", "ACTIVE"),
            ("HOLD_EXPIRED", "", "EXPIRED"),
            # Not yet due for the one, due already for the other: it stays the first one's.
            ("HOLD_EXPIRED", "SEATS_UNAVAILABLE", "EXPIRED"),
        }


async def test_an_expiry_that_waited_for_an_extension_leaves_the_hold_alone(box: Box) -> None:
    event = await box.opened()
    person = str(uuid7())
    hold = await box.hold(event, person, seats=[1])
    await box.let_expire(hold.id)
    async with box.database.transaction() as session:
        # As an extension that is about to commit.
        await session.execute(
            "UPDATE hold SET expires_at = extendable_until WHERE hold_id = :id", id=UUID(hold.id)
        )
        await session.execute(
            "UPDATE live_hold SET expires_at ="
            " (SELECT extendable_until FROM hold WHERE hold.hold_id = live_hold.hold_id)"
        )
        thief = asyncio.create_task(reason(box.hold(event, seats=[1])))
        await waiting_for_a_lock(box)
    assert await thief == "SEATS_UNAVAILABLE"
    assert await box.statuses(event) == {1: "HELD"}


async def waiting_for_a_lock(box: Box) -> None:
    async with asyncio.timeout(20):
        while not (
            await box.sql(
                "SELECT FROM pg_stat_activity WHERE datname = current_database()"
                " AND wait_event_type = 'Lock'"
            )
        ):
            await asyncio.sleep(0.01)


async def test_reserving_and_taking_over_never_both_succeed(box: Box) -> None:
    event = await box.opened(rows=1, seats=30)
    sagas = [await Saga.begun(box, event, str(uuid7()), seats=[seat]) for seat in range(30)]
    for seat, saga in enumerate(sagas):
        for table in ("hold", "live_hold"):
            await box.sql(
                f"UPDATE {table} SET expires_at = clock_timestamp()"
                " + make_interval(secs => CAST(:late AS double precision)) WHERE hold_id = :id",
                id=UUID(saga.hold.id),
                late=seat * 0.004,
            )
    thefts = await asyncio.gather(
        *(reason(box.hold(event, seats=[seat])) for seat in range(30)),
        *(saga.send("Reserve") for saga in sagas),
    )
    statuses = await box.statuses(event)
    for seat, saga in enumerate(sagas):
        (row,) = await box.sql("SELECT status FROM hold WHERE hold_id = :id", id=UUID(saga.hold.id))
        stolen = thefts[seat] == ""
        assert not (stolen and row.status == "RESERVED")
        if row.status == "RESERVED":
            assert statuses[seat] == "HELD"


async def test_sweepers_tidy_up_together_and_leave_bookings_alone(box: Box, until: Until) -> None:
    event = await box.opened(rows=5, seats=20, pools=(500,))
    holds = await asyncio.gather(*(box.hold(event, seats=[seat], tickets=2) for seat in range(60)))
    booked = await Saga.begun(box, event, str(uuid7()), seats=[99])
    live = await box.hold(event, seats=[98])
    await booked.send("Reserve")
    await box.sql(
        "UPDATE hold SET expires_at = clock_timestamp() - interval '1 hour' WHERE hold_id = :id",
        id=UUID(booked.hold.id),
    )
    await box.let_expire(*(hold.id for hold in holds))

    async def tidy() -> bool:
        return len(await box.statuses(event)) == 2

    async with (
        background("first", lambda: sweep(box.databases[0], 0.05)),
        background("second", lambda: sweep(box.databases[1], 0.05)),
    ):
        await until(tidy)
    assert await box.statuses(event) == {98: "HELD", 99: "HELD"}
    assert await box.pool(event) == (0, 0, 0)
    assert live.status == "ACTIVE"


async def test_a_batch_of_the_sweeper_is_bounded(box: Box) -> None:
    event = await box.opened()
    holds = [await box.hold(event, seats=[seat]) for seat in range(5)]
    await box.let_expire(*(hold.id for hold in holds))

    async def batch(session: Session) -> int:
        return await expire_due(session, limit=2)

    assert [await box.database.run(batch) for _ in range(4)] == [2, 2, 1, 0]
