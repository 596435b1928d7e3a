"""What must hold whoever is faster: two processes of inventory_service, one database.

Each test ends with I2 and I10 checked over everything that happened so far, as those of the box
do: seats against holds, pools against holds, what people have against what is counted of them.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import cast
from uuid import UUID

import pytest
from parterre.inventory.v1 import inventory_pb2

from chassis.broker import Broker
from chassis.consumer import Consumer
from chassis.errors import RemoteError
from chassis.ids import uuid7
from deploy.postgres import Postgres
from deploy.processes import free_port
from deploy.rabbitmq import RabbitMQ
from inventory_service.messaging import QUEUES, encode
from tests.component.conftest import TestKeys, databases, emptied

from .box import Box, Place, reason
from .processes import auth, inventory_process

_ROUNDS = [pytest.param(1, id="once"), pytest.param(20, id="often", marks=pytest.mark.slow)]


@pytest.fixture(scope="module")
async def two_processes(
    postgres: Postgres,
    rabbitmq: RabbitMQ,
    template: Callable[[str], str],
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Box]:
    """The callers are two processes'; only events are opened, and tables read, from here."""
    keys, folder = TestKeys(), tmp_path_factory.mktemp("races")
    amqp_url = await emptied(rabbitmq)
    async with AsyncExitStack() as stack:
        make_database = await stack.enter_async_context(databases(postgres, template))
        database = await make_database("inventory", encode=encode)
        jwks_url = await stack.enter_async_context(auth(keys, free_port()))
        processes = (
            inventory_process(database, amqp_url, keys, jwks_url, folder / f"{n}.log")
            for n in range(2)
        )
        callers = await asyncio.gather(*map(stack.enter_async_context, processes))
        handlers = {kind: handle for queue in QUEUES.values() for kind, handle in queue.items()}
        consumer = Consumer("inventory.commands", handlers, database, cast("Broker", None))
        yield Box([database], callers, [consumer])


@pytest.fixture
async def box(two_processes: Box) -> AsyncIterator[Box]:
    yield two_processes
    await two_processes.check()


@pytest.mark.parametrize("rounds", [3, pytest.param(20, marks=pytest.mark.slow)])
async def test_two_hundred_buyers_one_seat_one_wins(box: Box, rounds: int) -> None:
    event = await box.opened(rows=1, seats=rounds)
    for seat in range(rounds):
        said = Counter(
            await asyncio.gather(*(reason(box.hold(event, seats=[seat])) for _ in range(200)))
        )
        assert said == {"": 1, "SEATS_UNAVAILABLE": 199}


@pytest.mark.parametrize("rounds", _ROUNDS)
async def test_overlapping_holds_are_all_or_nothing_and_nobody_is_refused_what_is_free(
    box: Box, rounds: int
) -> None:
    pick = random.Random(20261120)

    async def buy(event: Place) -> tuple[set[int], set[int]]:
        """The seats it got, and those it was refused for."""
        seats = pick.sample(range(12), pick.randint(2, 6))
        try:
            hold = await box.hold(event, seats=seats)
        except RemoteError as error:
            if error.reason != "SEATS_UNAVAILABLE":  # a deadlock, say
                raise
            taken = {int(seat) for seat in json.loads(error.metadata["seat_ids"])}
            assert taken
            assert taken <= set(seats)
            return set(), taken
        assert [int(line.seat_id) for line in hold.lines] == seats
        return set(seats), set()

    for _ in range(rounds):
        event = await box.opened(rows=1, seats=12)
        ends = await asyncio.gather(*(buy(event) for _ in range(150)))
        got = [seat for seats, _taken in ends for seat in seats]
        assert got
        assert len(got) == len(set(got))
        assert await box.statuses(event) == dict.fromkeys(got, "HELD")
        # Nothing was given back, so whatever stood in anybody's way still stands.
        assert set().union(*(taken for _seats, taken in ends)) <= set(got)


@pytest.mark.parametrize("rounds", _ROUNDS)
async def test_seats_taken_and_given_back_in_any_order_never_deadlock(
    box: Box, rounds: int
) -> None:
    event = await box.opened(rows=1, seats=12)
    pick = random.Random(20261121)

    async def client() -> Counter[str]:
        person, said = str(uuid7()), Counter[str]()
        for _ in range(5 * rounds):
            seats = pick.sample(range(12), pick.randint(2, 6))
            try:
                hold = await box.hold(event, person, seats=seats)
            except RemoteError as error:
                said[error.reason] += 1
                continue
            await box.call(person, "ReleaseHold", inventory_pb2.ReleaseHoldRequest(hold_id=hold.id))
            said["released"] += 1
        return said

    said = sum(await asyncio.gather(*(client() for _ in range(40))), Counter[str]())
    assert said.keys() == {"released", "SEATS_UNAVAILABLE"}
    assert await box.statuses(event) == {}


@pytest.mark.parametrize(
    "capacity", [pytest.param(2000, id="some"), pytest.param(10_000, marks=pytest.mark.slow)]
)
async def test_a_crowd_of_64_buys_a_floor_out_exactly(box: Box, capacity: int) -> None:
    event = await box.opened(rows=0, pools=(capacity,))
    left = iter(range(capacity + 100))

    async def client() -> Counter[str]:
        return Counter([await reason(box.hold(event, tickets=1)) for _ in left])

    said = sum(await asyncio.gather(*(client() for _ in range(64))), Counter[str]())
    assert said == {"": capacity, "NOT_ENOUGH_CAPACITY": 100}
    assert await box.pool(event) == (capacity, 0, 0)


@pytest.mark.parametrize("rounds", _ROUNDS)
@pytest.mark.parametrize("most", [3, 5])
async def test_parallel_holds_never_beat_the_limit_of_a_person(
    box: Box, most: int, rounds: int
) -> None:
    # Who has two holds, as with a limit of 5, may hear of that limit instead.
    refusals = {"CUSTOMER_LIMIT"} if most == 3 else {"CUSTOMER_LIMIT", "HOLD_LIMIT"}
    for _ in range(rounds):
        event = await box.opened(rows=10, seats=20, most=most)

        async def buy(person: int, event: Place = event) -> Counter[str]:
            name, row = str(uuid7()), 20 * person
            holds = [box.hold(event, name, seats=[row + n, row + n + 1]) for n in range(0, 14, 2)]
            holds += [box.hold(event, name, tickets=2) for _ in range(5)]
            return Counter(await asyncio.gather(*map(reason, holds)))

        for said in await asyncio.gather(*(buy(person) for person in range(10))):
            assert said.pop("") == most // 2
            assert said.keys() <= refusals


@pytest.mark.parametrize("rounds", _ROUNDS)
async def test_a_person_has_two_live_holds_however_many_events_they_ask_for_at_once(
    box: Box, rounds: int
) -> None:
    events = [await box.opened(most=100, pools=(1000,)) for _ in range(4)]

    async def buy() -> Counter[str]:
        person = str(uuid7())
        holds = [box.hold(event, person, tickets=1) for event in events for _ in range(2)]
        return Counter(await asyncio.gather(*map(reason, holds)))

    for said in await asyncio.gather(*(buy() for _ in range(5 * rounds))):
        assert said == {"": 2, "HOLD_LIMIT": 6}


@pytest.mark.parametrize("rounds", _ROUNDS)
async def test_of_reserving_releasing_expiring_and_another_booking_one_has_the_hold(
    box: Box, rounds: int
) -> None:
    for _ in range(rounds):
        event = await box.opened(rows=1, seats=40)
        people = [str(uuid7()) for _ in range(40)]
        holds = [await box.hold(event, person, seats=[n]) for n, person in enumerate(people)]
        # Their time ends while the race is on, but for some that are released instead.
        for n, hold in enumerate(holds):
            for table in ("hold", "live_hold"):
                await box.sql(
                    f"UPDATE {table} SET expires_at = clock_timestamp()"
                    " + make_interval(secs => CAST(:late AS double precision))"
                    " WHERE hold_id = :id",
                    id=UUID(hold.id),
                    late=n * 0.004 if n % 2 else 60.0,
                )

        async def race(
            n: int,
            event: Place = event,
            people: list[str] = people,
            holds: list[inventory_pb2.Hold] = holds,
        ) -> tuple[list[str], list[str], str, str]:
            bookings = [str(uuid7()) for _ in range(4)]
            release = inventory_pb2.ReleaseHoldRequest(hold_id=holds[n].id)
            *asked, released, stolen = await asyncio.gather(
                *(box.reserve((people[n], holds[n].id, booking)) for booking in bookings),
                reason(box.call(people[n], "ReleaseHold", release)),
                reason(box.hold(event, seats=[n])),
            )
            return bookings, [result.booking_id for (result,) in asked], released, stolen

        ends = await asyncio.gather(*map(race, range(40)))
        for hold, (bookings, told, released, stolen) in zip(holds, ends, strict=True):
            kept = await box.kept(hold.id)
            if kept.status == "RESERVED":
                # Everybody who asked was told the same one, and nobody else got anything.
                assert told == [str(kept.booking_id)] * 4
                assert set(told) <= set(bookings)
                assert released in {"HOLD_NOT_ACTIVE", "HOLD_EXPIRED"}
                assert stolen == "SEATS_UNAVAILABLE"
            else:
                assert told == [""] * 4
                assert kept.booking_id is None
        assert {(await box.kept(hold.id)).status for hold in holds} >= {"RESERVED"}


@pytest.mark.parametrize("rounds", _ROUNDS)
async def test_a_hold_that_shrinks_while_it_is_reserved_is_told_with_the_seats_it_has(
    box: Box, rounds: int
) -> None:
    for _ in range(rounds):
        event = await box.opened(rows=20, seats=3)

        async def race(n: int, event: Place = event) -> None:
            person, seats = str(uuid7()), [3 * n, 3 * n + 1, 3 * n + 2]
            hold = await box.hold(event, person, seats=seats)
            part = inventory_pb2.ReleaseHoldRequest(hold_id=hold.id, seat_ids=[str(seats[0])])
            released, (result,) = await asyncio.gather(
                reason(box.call(person, "ReleaseHold", part)),
                box.reserve((person, hold.id, str(uuid7()))),
            )
            told = [int(line.seat_id) for line in result.hold.lines]
            assert told == (seats if released else seats[1:])
            assert released in {"", "HOLD_NOT_ACTIVE"}
            assert result.hold.version == (1 if released else 2)

        await asyncio.gather(*map(race, range(20)))


@pytest.mark.parametrize("rounds", _ROUNDS)
async def test_holds_that_grow_into_each_other_and_are_reserved_share_no_seat(
    box: Box, rounds: int
) -> None:
    for _ in range(rounds):
        event = await box.opened(rows=20, seats=3, pools=(30,))

        async def race(n: int, event: Place = event) -> None:
            person, seats = str(uuid7()), [3 * n, 3 * n + 1, (3 * n + 4) % 60]
            hold = await box.hold(event, person, seats=seats[:1])
            more = inventory_pb2.AddToHoldRequest(hold_id=hold.id, seat_ids=map(str, seats[1:]))
            more.general.add(tier_id=event.standing_tier, quantity=1)
            added, (result,) = await asyncio.gather(
                reason(box.call(person, "AddToHold", more)),
                box.reserve((person, hold.id, str(uuid7()))),
            )
            told = [int(line.seat_id) for line in result.hold.lines if line.seat_id]
            assert added in {"", "HOLD_NOT_ACTIVE", "SEATS_UNAVAILABLE"}
            assert sorted(told) == sorted(seats[:1] if added else seats)

        await asyncio.gather(*map(race, range(20)))


@pytest.mark.parametrize("rounds", _ROUNDS)
async def test_who_gets_a_reservation_back_never_has_three_live_holds(
    box: Box, rounds: int
) -> None:
    for _ in range(rounds):
        event = await box.opened(most=100, pools=(1000,))

        async def person(event: Place = event) -> None:
            name = str(uuid7())
            reservations = []
            for _ in range(3):
                hold, booking = await box.hold(event, name, tickets=1), str(uuid7())
                await box.reserve((name, hold.id, booking))
                reservations.append((hold.id, booking))
            said = await asyncio.gather(
                *(box.cancel(each) for each in reservations),
                box.cancel(*reservations),
                *(reason(box.hold(event, name, tickets=1)) for _ in range(3)),
            )
            assert set(said) <= {None, "", "HOLD_LIMIT"}
            live = await box.sql(
                "SELECT FROM hold WHERE customer_id = :id AND status = 'ACTIVE'", id=UUID(name)
            )
            assert len(live) == 2

        await asyncio.gather(*(person() for _ in range(10)))
