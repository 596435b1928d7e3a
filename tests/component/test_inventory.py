"""inventory_service on a real database: holds, races, the saga's commands, expiry.

Every test ends with the invariants I2 and I10 checked on what it left behind.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import aio_pika
import pytest
from google.protobuf import json_format
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from parterre.inventory.v1 import inventory_pb2, inventory_pb2_grpc
from parterre.messages.v1 import messages_pb2
from pydantic import SecretStr

from chassis.database import Database, Session
from chassis.errors import RemoteError
from chassis.identity import encode_key
from chassis.ids import uuid7
from chassis.lifecycle import background
from chassis.topology import COMMANDS, Topology, declare
from deploy.processes import free_port
from inventory_service import messaging
from inventory_service.domain import HoldTerms
from inventory_service.handlers.expiring import expire_due
from inventory_service.rpc import SERVICE, InventoryServicer
from inventory_service.service import inventory_service
from inventory_service.settings import Settings
from inventory_service.sweeper import sweep

from .conftest import Caller, MakeDatabase, Serve, Until

TERMS = HoldTerms(life=timedelta(minutes=10), limit=timedelta(minutes=20))
FAR = 4_000_000_000

# Each row is a place where what the tables say does not add up.
I2 = """
SELECT 'seats' AS broken, section_id::text AS what FROM section
 WHERE kind = 'SEATED' AND capacity <> (
    SELECT count(*) FROM seat JOIN seat_place USING (event_id, seat_no)
     WHERE seat_place.event_id = section.event_id AND seat_place.section_id = section.section_id)
UNION ALL
SELECT 'pool', section_id::text FROM pool JOIN LATERAL (
    SELECT coalesce(sum(quantity) FILTER (WHERE status = 'ACTIVE'), 0) AS held,
           coalesce(sum(quantity) FILTER (WHERE status = 'RESERVED'), 0) AS reserved,
           coalesce(sum(quantity) FILTER (WHERE status = 'SOLD'), 0) AS sold
      FROM hold JOIN hold_line USING (event_id, hold_id)
     WHERE hold_line.event_id = pool.event_id AND hold_line.section_id = pool.section_id
       AND seat_no IS NULL) AS counted ON true
 WHERE (pool.held, pool.reserved, pool.sold) IS DISTINCT FROM
       (counted.held, counted.reserved, counted.sold)
UNION ALL
SELECT 'seat and hold disagree', seat_no::text
  FROM (SELECT event_id, seat_no, hold_id, CASE
               WHEN status = 'ACTIVE' THEN 'HELD'
               WHEN status = 'RESERVED' THEN 'RESERVED' ELSE 'SOLD' END AS status
          FROM hold JOIN hold_line USING (event_id, hold_id)
         WHERE seat_no IS NOT NULL
           AND status IN ('ACTIVE', 'RESERVED', 'SOLD')) AS claimed
  FULL JOIN (SELECT event_id, seat_no, hold_id, status FROM seat
              WHERE status NOT IN ('AVAILABLE', 'BLOCKED')) AS stands
 USING (event_id, seat_no, hold_id, status)
 WHERE claimed IS NULL OR stands IS NULL
UNION ALL
SELECT 'quota', customer_id::text FROM customer_quota WHERE seats <> (
    SELECT coalesce(sum(hold.seats + tickets), 0) FROM hold
     WHERE hold.event_id = customer_quota.event_id
       AND hold.customer_id = customer_quota.customer_id
       AND status IN ('ACTIVE', 'RESERVED', 'SOLD'))
UNION ALL
SELECT 'a live hold without its slot', hold_id::text FROM hold
 WHERE status = 'ACTIVE' AND expires_at > clock_timestamp() AND NOT EXISTS (
    SELECT FROM live_hold WHERE live_hold.customer_id = hold.customer_id
       AND live_hold.hold_id = hold.hold_id AND live_hold.expires_at = hold.expires_at)
"""
I10 = """
WITH entry AS (
    SELECT *, lag(version, 1, 0) OVER seats AS version_before,
           lag(to_status, 1, 'AVAILABLE') OVER seats AS status_before,
           lag(hold_id) OVER seats AS hold_before
      FROM seat_journal WINDOW seats AS (PARTITION BY event_id, seat_no ORDER BY version)
)
SELECT 'journal' AS broken, seat_no::text || ' v' || version AS what FROM entry
 WHERE version <> version_before + 1 OR from_status <> status_before
    OR (from_status <> 'AVAILABLE' AND hold_id <> hold_before)
UNION ALL
SELECT 'end of journal', seat.seat_no::text FROM seat
  LEFT JOIN seat_journal USING (event_id, seat_no, version)
 WHERE (seat.version > 0 AND seat_journal.version IS NULL)
    OR (seat.version = 0 AND seat.status <> 'AVAILABLE')
    OR seat_journal.to_status <> seat.status
    OR (seat.hold_id IS NOT NULL AND seat.hold_id <> seat_journal.hold_id)
"""


@dataclass
class Place:
    """An event on sale: rows of seats in one tier, standing room in another."""

    event_id: str
    seated_tier: str
    seated: str
    standing_tier: str
    standing: Sequence[str]
    message: messages_pb2.OpenEvent


def place(
    *, rows: int = 2, seats: int = 10, pools: Sequence[int] = (50,), most: int = 10, **fields: Any
) -> Place:
    event_id, seated_tier, seated, standing_tier = (str(uuid7()) for _ in range(4))
    standing = [str(uuid7()) for _ in pools]
    message = messages_pb2.OpenEvent(
        event_id=event_id,
        organizer_id=str(uuid7()),
        currency="NPR",
        max_per_customer=most,
        starts_at=Timestamp(seconds=FAR),
        tiers=[
            {"tier_id": seated_tier, "name": "Stalls", "price": 125000},
            {"tier_id": standing_tier, "name": "Floor", "price": 50000},
        ],
        focal_x=(seats - 1) / 2,
        focal_y=0,
        **fields,
    )
    if rows:
        message.sections.add(section_id=seated, name="Parquet", tier_id=seated_tier)
    for row in range(rows):
        message.sections[0].rows.add(
            label=chr(65 + row),
            numbers=[str(n + 1) for n in range(seats)],
            xs=[float(n) for n in range(seats)],
            ys=[10.0 + 10 * row] * seats,
        )
    for section_id, capacity in zip(standing, pools, strict=True):
        message.sections.add(
            section_id=section_id, name="Floor", tier_id=standing_tier, capacity=capacity
        )
    return Place(event_id, seated_tier, seated, standing_tier, standing, message)


@dataclass
class Box:
    """The service twice over, as two processes on one database."""

    databases: Sequence[Database]
    callers: Sequence[Caller]
    _turn: int = field(default=0)

    @property
    def database(self) -> Database:
        return self.databases[0]

    async def tell(self, *messages: Message) -> None:
        """Delivers messages, each in a transaction of its own, to either process in turn."""
        table = {
            kind: handle
            for handlers_ in messaging.QUEUES.values()
            for kind, handle in handlers_.items()
        }
        for message in messages:
            self._turn += 1

            async def work(session: Session, message: Message = message) -> None:
                await table[type(message)](session, message)

            await self.databases[self._turn % 2].run(work)

    async def opened(self, **kinds: Any) -> Place:
        event = place(**kinds)
        await self.tell(event.message)
        return event

    async def call(self, person: str, method: str, request: Message) -> Any:
        self._turn += 1
        return await self.callers[self._turn % 2].as_person(person, method, request)

    async def hold(
        self,
        event: Place,
        person: str | None = None,
        seats: Sequence[int] = (),
        tickets: int = 0,
        **fields: Any,
    ) -> inventory_pb2.Hold:
        request = inventory_pb2.CreateHoldRequest(
            event_id=event.event_id, seat_ids=[str(seat) for seat in seats], **fields
        )
        if tickets:
            request.general.add(tier_id=event.standing_tier, quantity=tickets)
        return (await self.call(person or str(uuid7()), "CreateHold", request)).hold

    async def best(
        self, event: Place, quantity: int, person: str | None = None, **where: str
    ) -> list[int]:
        asked = inventory_pb2.CreateHoldRequest.BestAvailable(quantity=quantity, **where)
        hold = await self.hold(event, person, best_available=asked)
        return [int(line.seat_id) for line in hold.lines]

    async def sql(self, statement: str, **parameters: Any) -> Sequence[Any]:
        async with self.database.transaction() as session:
            result = await session.execute(statement, **parameters)
            return result.all() if result.returns_rows else ()

    async def let_expire(self, *hold_ids: str) -> None:
        """Makes the holds' time be over, as if they had been made long ago."""
        ids = [UUID(id) for id in hold_ids]
        for table in ("hold", "live_hold"):
            await self.sql(
                f"UPDATE {table} SET expires_at = clock_timestamp() - interval '1 second'"
                " WHERE hold_id = ANY(:ids)",
                ids=ids,
            )

    async def statuses(self, event: Place) -> dict[int, str]:
        rows = await self.sql(
            "SELECT seat_no, status FROM seat WHERE event_id = :id AND status <> 'AVAILABLE'",
            id=UUID(event.event_id),
        )
        return {row.seat_no: row.status for row in rows}

    async def pool(self, event: Place) -> tuple[int, int, int]:
        """Held, reserved and sold tickets, over all pools."""
        (row,) = await self.sql(
            "SELECT sum(held), sum(reserved), sum(sold) FROM pool WHERE event_id = :id",
            id=UUID(event.event_id),
        )
        return int(row[0]), int(row[1]), int(row[2])

    async def answers(self) -> list[tuple[str, str]]:
        """Outcome and reason of every answer sent so far, in order; then forgets them."""
        rows = await self.sql(
            "WITH gone AS (DELETE FROM outbox WHERE type LIKE '%SeatsReply' RETURNING id, body)"
            " SELECT body FROM gone ORDER BY id"
        )
        replies = [json_format.Parse(row.body, messages_pb2.SeatsReply()) for row in rows]
        name = messages_pb2.SeatsReply.Outcome.Name
        return [(name(r.outcome).removeprefix("OUTCOME_"), r.reason) for r in replies]

    async def check(self) -> None:
        assert [tuple(row) for row in await self.sql(I2)] == []
        assert [tuple(row) for row in await self.sql(I10)] == []


@pytest.fixture
async def box(make_database: MakeDatabase, serve: Serve) -> AsyncIterator[Box]:
    first = await make_database("inventory", encode=messaging.encode, acquire_seconds=20)
    second = await make_database(
        "inventory", encode=messaging.encode, like=first, acquire_seconds=20
    )
    callers = [
        await serve(
            "inventory",
            SERVICE,
            InventoryServicer(database, TERMS),
            inventory_pb2_grpc.InventoryServiceStub,
        )
        for database in (first, second)
    ]
    box = Box([first, second], callers)
    yield box
    await box.check()


async def reason(work: Awaitable[Any]) -> str:
    """Why it was refused; empty: it was not."""
    try:
        await work
    except RemoteError as error:
        return error.reason or repr(error)
    return ""


async def refusal(work: Awaitable[Any]) -> RemoteError:
    with pytest.raises(RemoteError) as error:
        await work
    return error.value


# --- opening ---------------------------------------------------------------------------------


async def test_opening_twice_is_opening_once_and_answered_twice(box: Box) -> None:
    event = place(rows=3, seats=5, pools=(7, 8))
    await asyncio.gather(*(box.tell(event.message) for _ in range(4)))
    rows = await box.sql("SELECT body FROM outbox WHERE type LIKE '%EventOpened'")
    opened = [json_format.Parse(row.body, messages_pb2.EventOpened()) for row in rows]
    assert [(o.event_id, o.capacity) for o in opened] == [(event.event_id, 30)] * 4
    assert (await box.sql("SELECT count(*) FROM seat"))[0][0] == 15


async def test_an_event_of_fifty_thousand_seats_opens(box: Box) -> None:
    event = await box.opened(rows=500, seats=100)
    (counted,) = await box.sql("SELECT count(*), max(seat_no) FROM seat")
    assert tuple(counted) == (50_000, 49_999)
    assert await box.best(event, 2) == [49, 50]
    reply = await box.call(
        str(uuid7()), "GetSeatMap", inventory_pb2.GetSeatMapRequest(event_id=event.event_id)
    )
    assert sum(len(row.seats) for row in reply.seat_map.sections[0].rows) == 50_000


async def test_a_cancelled_event_takes_no_holds_even_if_it_is_cancelled_first(box: Box) -> None:
    early, late = place(), await box.opened()
    await box.tell(
        messages_pb2.EventCancelled(event_id=late.event_id),
        messages_pb2.EventCancelled(event_id=early.event_id),
        early.message,
    )
    for event, why in (
        (early, "EVENT_NOT_ON_SALE"),
        (late, "EVENT_NOT_ON_SALE"),
        (place(), "EVENT_NOT_FOUND"),
    ):
        assert await reason(box.hold(event, seats=[1])) == why
        request = inventory_pb2.GetSeatMapRequest(event_id=event.event_id)
        assert await reason(box.call(str(uuid7()), "GetSeatMap", request)) == why


async def test_sales_open_and_close_by_the_databases_clock(box: Box) -> None:
    early = await box.opened(sales_from=Timestamp(seconds=FAR - 10))
    over = await box.opened(sales_to=Timestamp(seconds=1_000_000))
    for event in (early, over):
        assert await reason(box.hold(event, seats=[1])) == "SALES_CLOSED"
    request = inventory_pb2.GetAvailabilityRequest(event_ids=[early.event_id, "nonsense"])
    (told,) = (await box.call(str(uuid7()), "GetAvailability", request)).events
    assert (told.sales_open, told.available, told.capacity) == (False, 70, 70)


# --- making a hold ---------------------------------------------------------------------------


async def test_a_hold_shows_what_it_has_and_what_it_costs(box: Box) -> None:
    event = await box.opened()
    person = str(uuid7())
    hold = await box.hold(event, person, seats=[11, 2], tickets=3)
    assert (hold.status, hold.customer_id, hold.version) == ("ACTIVE", person, 1)
    assert [
        (line.seat_id, line.section, line.row, line.number, line.tier, line.quantity)
        for line in hold.lines
    ] == [
        ("11", "Parquet", "B", "2", "Stalls", 1),
        ("2", "Parquet", "A", "3", "Stalls", 1),
        ("", "Floor", "", "", "Floor", 3),
    ]
    assert (hold.total.amount, hold.total.currency) == (2 * 125000 + 3 * 50000, "NPR")
    assert hold.extendable_until.seconds - hold.expires_at.seconds == 600
    got = await box.call(person, "GetHold", inventory_pb2.GetHoldRequest(hold_id=hold.id))
    assert got.hold == hold


@pytest.mark.parametrize("wrong", ["20", "-1", "01", "x", "99999999999999999999"])
async def test_a_seat_that_is_not_there_refuses_the_whole_hold(box: Box, wrong: str) -> None:
    event = await box.opened()
    request = inventory_pb2.CreateHoldRequest(event_id=event.event_id, seat_ids=["1", wrong])
    error = await refusal(box.call(str(uuid7()), "CreateHold", request))
    assert error.reason == "UNKNOWN_SEATS"
    assert wrong[:20] in error.metadata["seat_ids"]
    assert await box.statuses(event) == {}


async def test_a_hold_that_cannot_be_meant_is_refused(box: Box) -> None:
    event = await box.opened()
    best = inventory_pb2.CreateHoldRequest.BestAvailable

    def general(tier_id: str) -> list[Any]:
        return [inventory_pb2.CreateHoldRequest.General(tier_id=tier_id, quantity=1)]

    cases: list[tuple[Awaitable[Any], str]] = [
        (box.hold(event), "INVALID_HOLD"),
        (box.hold(event, seats=[1, 1]), "INVALID_HOLD"),
        (box.hold(event, tickets=-1), "INVALID_HOLD"),
        (box.hold(event, general=general(event.seated_tier)), "INVALID_HOLD"),
        (box.hold(event, general=general(str(uuid7()))), "UNKNOWN_TIER"),
        (box.hold(event, general=general("x")), "UNKNOWN_TIER"),
        (box.hold(event, best_available=best(quantity=1, tier_id=str(uuid7()))), "UNKNOWN_TIER"),
        (
            box.hold(event, best_available=best(quantity=1, section_id=str(uuid7()))),
            "UNKNOWN_SECTION",
        ),
        (box.best(event, 2, section_id=event.standing[0]), "NO_ADJACENT_SEATS"),
        (box.hold(event, tickets=11), "CUSTOMER_LIMIT"),
    ]
    assert [await reason(work) for work, _expected in cases] == [why for _work, why in cases]
    assert await box.statuses(event) == {}


async def test_a_taken_seat_refuses_the_whole_hold_and_is_named(box: Box) -> None:
    event = await box.opened()
    await box.hold(event, seats=[3, 4])
    error = await refusal(box.hold(event, seats=[2, 3, 4, 5]))
    assert error.reason == "SEATS_UNAVAILABLE"
    assert json.loads(error.metadata["seat_ids"]) == ["3", "4"]
    assert await box.statuses(event) == {3: "HELD", 4: "HELD"}


async def test_a_hold_that_fails_at_its_last_part_leaves_nothing_behind(box: Box) -> None:
    event = await box.opened(pools=(3,))
    person = str(uuid7())
    assert await reason(box.hold(event, person, seats=[1], tickets=4)) == "NOT_ENOUGH_CAPACITY"
    assert await box.statuses(event) == {}
    assert await box.pool(event) == (0, 0, 0)
    await box.hold(event, person, seats=[1], tickets=3)


async def test_the_same_key_gives_the_same_hold_and_the_same_refusal(box: Box) -> None:
    event = await box.opened()
    person = str(uuid7())
    first = await box.hold(event, person, seats=[1], idempotency_key="k")
    assert await box.hold(event, person, seats=[1], idempotency_key="k") == first
    reused = box.hold(event, person, seats=[2], idempotency_key="k")
    assert await reason(reused) == "IDEMPOTENCY_KEY_REUSED"
    other = str(uuid7())
    assert await reason(box.hold(event, other, seats=[1], idempotency_key="k")) == (
        "SEATS_UNAVAILABLE"
    )
    await box.call(person, "ReleaseHold", inventory_pb2.ReleaseHoldRequest(hold_id=first.id))
    assert await reason(box.hold(event, other, seats=[1], idempotency_key="k")) == (
        "SEATS_UNAVAILABLE"
    )
    assert await box.statuses(event) == {}


async def test_two_hundred_buyers_one_seat_one_wins(box: Box) -> None:
    event = await box.opened()
    reasons = Counter(
        await asyncio.gather(*(reason(box.hold(event, seats=[7])) for _ in range(200)))
    )
    assert reasons == {"": 1, "SEATS_UNAVAILABLE": 199}


async def test_overlapping_holds_are_all_or_nothing_and_never_deadlock(box: Box) -> None:
    event = await box.opened(rows=1, seats=12)
    pick = random.Random(20261120)

    async def buy() -> str:
        seats = pick.sample(range(12), pick.randint(2, 6))
        try:
            hold = await box.hold(event, seats=seats)
        except RemoteError as error:
            return error.reason
        assert sorted(int(line.seat_id) for line in hold.lines) == sorted(seats)
        return ""

    reasons = Counter(await asyncio.gather(*(buy() for _ in range(150))))
    assert set(reasons) == {"", "SEATS_UNAVAILABLE"}


async def test_a_pool_is_sold_out_exactly_without_a_false_refusal(box: Box) -> None:
    event = await box.opened(rows=0, pools=(300,))

    async def worker() -> Counter[str]:
        return Counter([await reason(box.hold(event, tickets=1)) for _ in range(5)])

    reasons = sum(await asyncio.gather(*(worker() for _ in range(64))), Counter[str]())
    assert reasons == {"": 300, "NOT_ENOUGH_CAPACITY": 20}
    assert await box.pool(event) == (300, 0, 0)


async def test_tickets_are_taken_of_several_pools_only_where_none_has_enough(box: Box) -> None:
    event = await box.opened(rows=0, pools=(2, 3, 4))
    counts = [
        sorted(line.quantity for line in (await box.hold(event, tickets=tickets)).lines)
        for tickets in (4, 4)
    ]
    assert counts == [[4], [1, 3]]
    assert await reason(box.hold(event, tickets=2)) == "NOT_ENOUGH_CAPACITY"
    await box.hold(event, tickets=1)


async def test_tickets_of_due_holds_are_sold_before_anybody_is_refused(box: Box) -> None:
    event = await box.opened(rows=0, pools=(40, 24))
    holds = await asyncio.gather(*(box.hold(event, tickets=1) for _ in range(64)))
    assert await reason(box.hold(event, tickets=1)) == "NOT_ENOUGH_CAPACITY"
    await box.let_expire(*(hold.id for hold in holds))
    reasons = Counter(
        await asyncio.gather(*(reason(box.hold(event, tickets=1)) for _ in range(80)))
    )
    assert reasons == {"": 64, "NOT_ENOUGH_CAPACITY": 16}


async def test_parallel_holds_never_beat_the_limit_of_a_person(box: Box) -> None:
    event = await box.opened(most=3)
    person = str(uuid7())
    reasons = Counter(
        await asyncio.gather(
            *(reason(box.hold(event, person, seats=[2 * n, 2 * n + 1])) for n in range(10))
        )
    )
    assert reasons == {"": 1, "CUSTOMER_LIMIT": 9}
    error = await refusal(box.hold(event, person, tickets=2))
    assert (error.metadata["limit"], error.metadata["held"]) == ("3", "2")


async def test_bought_seats_count_towards_the_limit(box: Box) -> None:
    event = await box.opened(most=2)
    person = str(uuid7())
    saga = await Saga.begun(box, event, person, seats=[1, 2])
    await saga.send("Reserve", "Sell")
    assert await reason(box.hold(event, person, tickets=1)) == "CUSTOMER_LIMIT"
    await saga.send("Restock")
    await box.hold(event, person, tickets=1)


async def test_a_persons_own_due_hold_does_not_count(box: Box) -> None:
    event = await box.opened(most=2)
    person = str(uuid7())
    hold = await box.hold(event, person, seats=[1, 2])
    await box.let_expire(hold.id)
    await box.hold(event, person, seats=[3, 4])
    assert await box.statuses(event) == {3: "HELD", 4: "HELD"}


async def test_a_person_has_two_live_holds_over_all_events(box: Box) -> None:
    events = [await box.opened() for _ in range(4)]
    person = str(uuid7())
    reasons = Counter(
        await asyncio.gather(
            *(reason(box.hold(e, person, seats=[n])) for e in events for n in (1, 2))
        )
    )
    assert reasons == {"": 2, "HOLD_LIMIT": 6}
    held = await box.call(person, "ListHolds", inventory_pb2.ListHoldsRequest())
    await box.let_expire(held.holds[0].id)
    reasons = Counter(
        await asyncio.gather(
            *(reason(box.hold(e, person, seats=[n])) for e in events for n in (3, 4))
        )
    )
    assert reasons == {"": 1, "HOLD_LIMIT": 7}


# --- best available --------------------------------------------------------------------------


async def test_the_best_seats_are_side_by_side_and_leave_no_orphan(box: Box) -> None:
    event = await box.opened(rows=2, seats=5)
    # The middle of the front row would leave two orphans; either end leaves none.
    assert await box.best(event, 3) == [0, 1, 2]
    assert await box.best(event, 2) == [3, 4]
    assert await box.best(event, 3) == [5, 6, 7]


async def test_best_available_under_contention_never_splits_or_shares_a_run(box: Box) -> None:
    event = await box.opened(rows=6, seats=20)
    runs = await asyncio.gather(*(box.best(event, 2) for _ in range(40)))
    assert all(b == a + 1 and a // 20 == b // 20 for a, b in runs)
    assert len({seat for run in runs for seat in run}) == 80


async def test_the_last_runs_are_all_found_and_then_there_are_none(box: Box) -> None:
    event = await box.opened(rows=4, seats=8)
    reasons = Counter(await asyncio.gather(*(reason(box.best(event, 4)) for _ in range(30))))
    assert set(reasons) == {"", "NO_ADJACENT_SEATS"}
    assert reasons[""] >= 4  # one in each row at least, however the races fell
    assert await reason(box.best(event, 4)) == "NO_ADJACENT_SEATS"


async def test_seats_of_due_holds_are_found_for_best_available(box: Box) -> None:
    event = await box.opened(rows=1, seats=4)
    hold = await box.hold(event, seats=[1, 3])
    assert await reason(box.best(event, 2)) == "NO_ADJACENT_SEATS"
    await box.let_expire(hold.id)
    assert await box.best(event, 2, section_id=event.seated) == [0, 1]
    assert await box.best(event, 2, tier_id=event.seated_tier) == [2, 3]


# --- expiry ----------------------------------------------------------------------------------


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
            assert statuses[seat] == "RESERVED"


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
    assert await box.statuses(event) == {98: "HELD", 99: "RESERVED"}
    assert await box.pool(event) == (0, 0, 0)
    assert live.status == "ACTIVE"


async def test_a_batch_of_the_sweeper_is_bounded(box: Box) -> None:
    event = await box.opened()
    holds = [await box.hold(event, seats=[seat]) for seat in range(5)]
    await box.let_expire(*(hold.id for hold in holds))

    async def batch(session: Session) -> int:
        return await expire_due(session, limit=2)

    assert [await box.database.run(batch) for _ in range(4)] == [2, 2, 1, 0]


# --- one's own holds -------------------------------------------------------------------------


async def test_another_persons_hold_is_not_there(box: Box) -> None:
    event = await box.opened()
    hold = await box.hold(event, seats=[1])
    stranger = str(uuid7())
    for id in (hold.id, str(uuid7()), "x"):
        for method, request in (
            ("GetHold", inventory_pb2.GetHoldRequest(hold_id=id)),
            ("ExtendHold", inventory_pb2.ExtendHoldRequest(hold_id=id)),
            ("ReleaseHold", inventory_pb2.ReleaseHoldRequest(hold_id=id)),
        ):
            assert await reason(box.call(stranger, method, request)) == "HOLD_NOT_FOUND"
    listed = await box.call(stranger, "ListHolds", inventory_pb2.ListHoldsRequest())
    assert not listed.holds
    assert await box.statuses(event) == {1: "HELD"}


async def test_holds_are_listed_newest_first_page_by_page(box: Box) -> None:
    events = [await box.opened() for _ in range(2)]
    person = str(uuid7())
    made = []
    for n in range(5):
        hold = await box.hold(events[n % 2], person, seats=[n])
        made.append(hold.id)
        await box.call(person, "ReleaseHold", inventory_pb2.ReleaseHoldRequest(hold_id=hold.id))
    seen: list[str] = []
    cursor = ""
    while True:
        page = await box.call(
            person, "ListHolds", inventory_pb2.ListHoldsRequest(limit=2, cursor=cursor)
        )
        assert len(page.holds) <= 2
        seen += [hold.id for hold in page.holds]
        cursor = page.next_cursor
        if not cursor:
            break
    assert seen == made[::-1]
    one = inventory_pb2.ListHoldsRequest(event_id=events[0].event_id, limit=100)
    assert [h.id for h in (await box.call(person, "ListHolds", one)).holds] == made[::2][::-1]
    bad = inventory_pb2.ListHoldsRequest(cursor="ä?")
    assert await reason(box.call(person, "ListHolds", bad)) == "INVALID_CURSOR"


async def test_a_hold_is_extended_up_to_its_cap(box: Box) -> None:
    event = await box.opened()
    person = str(uuid7())
    hold = await box.hold(event, person, seats=[1])

    async def extend(seconds: int) -> inventory_pb2.Hold:
        request = inventory_pb2.ExtendHoldRequest(hold_id=hold.id, seconds=seconds)
        return (await box.call(person, "ExtendHold", request)).hold

    assert await reason(extend(60)) == "HOLD_EXTENSION_LIMIT"  # less than it has
    assert await reason(extend(-1)) == "INVALID_HOLD"
    longer = await extend(700)
    assert longer.expires_at.ToDatetime() > hold.expires_at.ToDatetime()
    longest = await extend(100_000)
    assert longest.expires_at == hold.extendable_until
    assert await reason(extend(0)) == "HOLD_EXTENSION_LIMIT"
    await box.let_expire(hold.id)
    assert await reason(extend(0)) == "HOLD_EXPIRED"


async def test_a_hold_is_released_in_part_and_then_whole(box: Box) -> None:
    event = await box.opened(most=4)
    person = str(uuid7())
    hold = await box.hold(event, person, seats=[1, 2, 3], tickets=1)

    async def release(*seats: str) -> inventory_pb2.Hold:
        request = inventory_pb2.ReleaseHoldRequest(hold_id=hold.id, seat_ids=seats)
        return (await box.call(person, "ReleaseHold", request)).hold

    assert await reason(release("1", "4")) == "UNKNOWN_SEATS"
    left = await release("1", "3")
    assert (left.status, left.version, [line.seat_id for line in left.lines]) == (
        "ACTIVE",
        2,
        ["2", ""],
    )
    assert await reason(release("1")) == "UNKNOWN_SEATS"
    await box.hold(event, person, seats=[1, 3])
    await box.check()
    assert (await release()).status == "RELEASED"
    assert (await release()).status == "RELEASED"
    assert await reason(release("2")) == "HOLD_NOT_ACTIVE"
    assert await box.pool(event) == (0, 0, 0)
    assert await box.statuses(event) == {1: "HELD", 3: "HELD"}


async def test_releasing_every_seat_one_by_one_releases_the_hold(box: Box) -> None:
    event = await box.opened()
    person = str(uuid7())
    hold = await box.hold(event, person, seats=[1, 2])
    for seat, status in (("1", "ACTIVE"), ("2", "RELEASED")):
        request = inventory_pb2.ReleaseHoldRequest(hold_id=hold.id, seat_ids=[seat])
        assert (await box.call(person, "ReleaseHold", request)).hold.status == status
    assert await box.statuses(event) == {}


async def test_a_booked_or_expired_hold_is_no_longer_its_owners_to_change(box: Box) -> None:
    event = await box.opened()
    person = str(uuid7())
    saga = await Saga.begun(box, event, person, seats=[1])
    due = await box.hold(event, person, seats=[2])
    await box.let_expire(due.id)
    await saga.send("Reserve")
    for method, kind in (
        ("ExtendHold", inventory_pb2.ExtendHoldRequest),
        ("ReleaseHold", inventory_pb2.ReleaseHoldRequest),
    ):
        booked = box.call(person, method, kind(hold_id=saga.hold.id))
        assert await reason(booked) == "HOLD_NOT_ACTIVE"
        assert await reason(box.call(person, method, kind(hold_id=due.id))) == "HOLD_EXPIRED"


# --- what is free ----------------------------------------------------------------------------


async def test_the_seat_map_has_a_new_version_just_when_something_changed(box: Box) -> None:
    event = await box.opened()
    person = str(uuid7())

    async def seat_map(known: int) -> inventory_pb2.GetSeatMapResponse:
        request = inventory_pb2.GetSeatMapRequest(event_id=event.event_id, known_version=known)
        return await box.call(person, "GetSeatMap", request)

    first = (await seat_map(0)).seat_map
    assert [row.label for row in first.sections[0].rows] == ["A", "B"]
    assert (first.sections[1].capacity, first.sections[1].available) == (50, 50)
    assert not first.taken
    assert (await seat_map(first.version)).unchanged
    saga = await Saga.begun(box, event, person, seats=[5], tickets=2)
    second = (await seat_map(first.version)).seat_map
    assert second.version > first.version
    assert [(t.status, list(t.seat_ids)) for t in second.taken] == [("HELD", ["5"])]
    assert second.sections[1].available == 48
    await saga.send("Reserve", "Sell")
    third = (await seat_map(second.version)).seat_map
    assert [(t.status, list(t.seat_ids)) for t in third.taken] == [("SOLD", ["5"])]
    await saga.send("Restock")
    fourth = (await seat_map(third.version)).seat_map
    assert fourth.version > third.version
    assert not fourth.taken
    assert person not in str(fourth)
    assert (await seat_map(fourth.version)).unchanged


async def test_availability_counts_due_holds_as_free(box: Box) -> None:
    event, other = await box.opened(), await box.opened(rows=0, pools=(5,))
    hold = await box.hold(event, seats=[1, 2], tickets=3)
    await box.hold(event, seats=[3])
    request = inventory_pb2.GetAvailabilityRequest(
        event_ids=[event.event_id, other.event_id, str(uuid7())]
    )

    async def told() -> dict[str, int]:
        reply = await box.callers[0].as_gateway("GetAvailability", request)
        return {e.event_id: e.available for e in reply.events}

    assert await told() == {event.event_id: 64, other.event_id: 5}
    await box.let_expire(hold.id)
    assert await told() == {event.event_id: 69, other.event_id: 5}
    many = inventory_pb2.GetAvailabilityRequest(event_ids=[event.event_id] * 101)
    assert await reason(box.callers[0].as_gateway("GetAvailability", many)) == "TOO_MANY_EVENTS"


# --- the saga's commands ---------------------------------------------------------------------


@dataclass
class Saga:
    """A booking that sends its commands, each a step of its own."""

    box: Box
    event: Place
    hold: inventory_pb2.Hold
    booking_id: str
    step: int = 0

    @classmethod
    async def begun(
        cls, box: Box, event: Place, person: str, seats: Sequence[int] = (), tickets: int = 0
    ) -> Saga:
        hold = await box.hold(event, person, seats=seats, tickets=tickets)
        return cls(box, event, hold, str(uuid7()))

    def message(
        self, name: str, version: int = 1, booking_id: str = "", step: int | None = None
    ) -> Message:
        """The command as the next step, unless told which."""
        self.step = self.step + 1 if step is None else self.step
        seats = messages_pb2.SeatsCommand(
            step=self.step if step is None else step,
            booking_id=booking_id or self.booking_id,
            event_id=self.event.event_id,
            hold_id=self.hold.id,
        )
        if name == "Reserve":
            return messages_pb2.ReserveSeats(
                seats=seats, hold_version=version, expires_at=Timestamp(seconds=FAR)
            )
        kind: Callable[..., Message] = getattr(messages_pb2, f"{name}Seats")
        return kind(seats=seats)

    async def send(self, *names: str) -> None:
        await self.box.tell(*(self.message(name) for name in names))

    async def send_again(self, name: str, step: int | None = None) -> None:
        """The newest step once more, or an older one that was under way for long."""
        await self.box.tell(self.message(name, step=self.step if step is None else step))


async def test_a_sale_from_hold_to_sold_and_back(box: Box) -> None:
    event = await box.opened()
    person = str(uuid7())
    saga = await Saga.begun(box, event, person, seats=[1, 2], tickets=3)
    stages = [
        ("Reserve", "RESERVED", {1: "RESERVED", 2: "RESERVED"}, (0, 3, 0), "BOOKED"),
        ("Sell", "SOLD", {1: "SOLD", 2: "SOLD"}, (0, 0, 3), "BOOKED"),
        ("Restock", "RESTOCKED", {}, (0, 0, 0), "RELEASED"),
    ]
    for command, outcome, seats, pool, status in stages:
        for send in (saga.send, saga.send_again):  # sent again: answered again, done once
            await send(command)
            assert await box.answers() == [(outcome, "")]
            assert await box.statuses(event) == seats
            assert await box.pool(event) == pool
            await box.check()
        get = inventory_pb2.GetHoldRequest(hold_id=saga.hold.id)
        assert (await box.call(person, "GetHold", get)).hold.status == status


async def test_a_reserved_hold_leaves_room_for_another_live_one(box: Box) -> None:
    event = await box.opened()
    person = str(uuid7())
    sagas = [await Saga.begun(box, event, person, seats=[n]) for n in range(2)]
    assert await reason(box.hold(event, person, seats=[5])) == "HOLD_LIMIT"
    await sagas[0].send("Reserve")
    await box.hold(event, person, seats=[5])


async def test_a_refused_capture_gives_everything_back_and_an_old_sell_comes_too_late(
    box: Box,
) -> None:
    event = await box.opened()
    saga = await Saga.begun(box, event, str(uuid7()), seats=[1], tickets=1)
    await saga.send("Reserve", "Sell", "Unsell")
    await saga.send_again("Unsell")
    assert await box.statuses(event) == {1: "RESERVED"}
    await saga.send_again("Sell", step=2)
    assert await box.statuses(event) == {1: "RESERVED"}
    await saga.send("Release")
    await saga.send_again("Release")
    await saga.send_again("Sell", step=2)
    await saga.send_again("Reserve", step=1)
    assert await box.statuses(event) == {}
    assert await box.answers() == [
        ("RESERVED", ""),
        ("SOLD", ""),
        ("UNSOLD", ""),
        ("UNSOLD", ""),
        ("RELEASED", ""),
        ("RELEASED", ""),
    ]


async def test_an_answer_says_which_step_it_answers(box: Box) -> None:
    event = await box.opened()
    saga = await Saga.begun(box, event, str(uuid7()), seats=[1])
    await box.tell(saga.message("Reserve", step=1), saga.message("Sell", step=3))
    rows = await box.sql(
        "SELECT body::jsonb->>'step' AS step FROM outbox WHERE type LIKE '%SeatsReply' ORDER BY id"
    )
    assert [row.step for row in rows] == ["1", "3"]


async def test_a_release_that_overtakes_its_reserve_blocks_it(box: Box) -> None:
    event = await box.opened()
    saga = await Saga.begun(box, event, str(uuid7()), seats=[1])
    await box.tell(saga.message("Release", step=2), saga.message("Reserve", step=1))
    never = Saga(box, event, inventory_pb2.Hold(id=str(uuid7())), str(uuid7()))
    await box.tell(never.message("Release", step=2), never.message("Reserve", step=1))
    assert await box.answers() == [("RELEASED", "")] * 2
    # Whatever is asked of a hold that never was: it has nothing to give.
    never.step = 2
    await never.send("Reserve", "Sell", "Unsell", "Restock", "Reclaim")
    assert await box.answers() == [
        ("RESERVE_REFUSED", "HOLD_RELEASED"),
        ("SELL_REFUSED", "HOLD_RELEASED"),
        ("UNSOLD", ""),
        ("RESTOCKED", ""),
        ("RECLAIM_REFUSED", "SEATS_UNAVAILABLE"),
    ]
    assert await box.statuses(event) == {}


async def test_of_two_steps_at_once_in_any_order_the_newer_has_its_way(box: Box) -> None:
    event = await box.opened(rows=1, seats=10, most=2)
    sagas = [await Saga.begun(box, event, str(uuid7()), seats=[n]) for n in range(10)]
    await asyncio.gather(
        *(
            box.tell(saga.message(name, step=step))
            for saga in sagas
            for name, step in (("Release", 2), ("Reserve", 1))
        )
    )
    assert await box.statuses(event) == {}
    assert Counter(outcome for outcome, _ in await box.answers())["RELEASED"] == 10


async def test_a_reserve_is_refused_when_the_hold_changed_or_expired(box: Box) -> None:
    event = await box.opened()
    person = str(uuid7())
    changed = await Saga.begun(box, event, person, seats=[1, 2])
    part = inventory_pb2.ReleaseHoldRequest(hold_id=changed.hold.id, seat_ids=["2"])
    await box.call(person, "ReleaseHold", part)
    await changed.send("Reserve")
    await box.tell(changed.message("Reserve", version=2))
    late = await Saga.begun(box, event, person, seats=[3])
    await box.let_expire(late.hold.id)
    await late.send("Reserve")
    closed = await Saga.begun(box, event, str(uuid7()), seats=[4])
    await box.tell(messages_pb2.EventCancelled(event_id=event.event_id))
    await closed.send("Reserve")
    assert await box.answers() == [
        ("RESERVE_REFUSED", "HOLD_CHANGED"),
        ("RESERVED", ""),
        ("RESERVE_REFUSED", "HOLD_EXPIRED"),
        ("RESERVE_REFUSED", "EVENT_NOT_ON_SALE"),
    ]


async def test_another_booking_can_neither_take_nor_free_the_seats(box: Box) -> None:
    event = await box.opened()
    saga = await Saga.begun(box, event, str(uuid7()), seats=[1])
    await saga.send("Reserve", "Sell")
    await box.answers()
    names = ("Reserve", "Sell", "Unsell", "Release", "Restock", "Reclaim")
    await box.tell(*(saga.message(name, booking_id=str(uuid7())) for name in names))
    assert [outcome for outcome, _reason in await box.answers()] == [
        "RESERVE_REFUSED",
        "SELL_REFUSED",
        "UNSOLD",
        "RELEASED",
        "RESTOCKED",
        "RECLAIM_REFUSED",
    ]
    assert await box.statuses(event) == {1: "SOLD"}


async def test_a_late_payment_takes_the_same_seats_back(box: Box) -> None:
    event = await box.opened(most=3)
    person = str(uuid7())
    saga = await Saga.begun(box, event, person, seats=[1, 2], tickets=1)
    await saga.send("Reserve", "Release")
    await box.hold(event, person, seats=[8, 9], tickets=1)  # up to the limit, meanwhile
    await saga.send("Reclaim")
    await saga.send_again("Reclaim")
    await saga.send_again("Release", step=2)  # comes too late
    assert (await box.answers())[2:] == [("RECLAIMED", "")] * 2
    assert await box.statuses(event) == {1: "SOLD", 2: "SOLD", 8: "HELD", 9: "HELD"}
    assert await box.pool(event) == (1, 0, 1)
    await saga.send("Restock")
    await saga.send_again("Reclaim", step=3)
    assert await box.answers() == [("RESTOCKED", "")]
    assert await box.statuses(event) == {8: "HELD", 9: "HELD"}


async def test_a_late_payment_for_resold_places_changes_nothing(box: Box) -> None:
    event = await box.opened(pools=(2,))
    saga = await Saga.begun(box, event, str(uuid7()), seats=[1, 2])
    crowd = await Saga.begun(box, event, str(uuid7()), seats=[5], tickets=2)
    for each in (saga, crowd):
        await each.send("Reserve", "Release")
    thief = await box.hold(event, seats=[2], tickets=1)
    await box.answers()
    await saga.send("Reclaim")
    await crowd.send("Reclaim")
    assert await box.answers() == [("RECLAIM_REFUSED", "SEATS_UNAVAILABLE")] * 2
    assert await box.statuses(event) == {2: "HELD"}
    await box.let_expire(thief.id)  # a due hold is not in the way
    # The same step once more succeeds now; as it had been refused, what follows is a Release.
    await saga.send_again("Reclaim")
    await crowd.send_again("Reclaim")
    assert await box.answers() == [("RECLAIMED", "")] * 2
    assert await box.statuses(event) == {1: "SOLD", 2: "SOLD", 5: "SOLD"}
    for each in (saga, crowd):
        await each.send("Release")
        await each.send_again("Reclaim", step=3)
    assert await box.answers() == [("RELEASED", "")] * 2
    assert await box.statuses(event) == {}


async def test_commands_in_any_order_and_number_leave_a_legal_history(box: Box) -> None:
    event = await box.opened(rows=1, seats=6, pools=(6,), most=6)
    pick = random.Random(7)
    names = ("Reserve", "Sell", "Unsell", "Release", "Restock", "Reclaim")
    sagas = [
        await Saga.begun(box, event, str(uuid7()), seats=[2 * n, 2 * n + 1], tickets=2)
        for n in range(3)
    ]

    async def buyer() -> None:
        for _ in range(15):
            await reason(box.hold(event, seats=pick.sample(range(6), 2), tickets=1))

    async def harass(saga: Saga) -> None:
        for _ in range(40):
            name, newest = pick.choice(names), saga.step
            await (saga.send(name) if pick.random() < 0.7 else saga.send_again(name, newest - 1))

    async def expire() -> None:
        for _ in range(15):
            await box.sql(
                "WITH due AS (UPDATE hold SET expires_at = clock_timestamp() - interval '1 s'"
                " WHERE status = 'ACTIVE' RETURNING hold_id) UPDATE live_hold"
                " SET expires_at = clock_timestamp() - interval '1 s' FROM due"
                " WHERE due.hold_id = live_hold.hold_id"
            )
            await asyncio.sleep(0)

    await asyncio.gather(*(harass(saga) for saga in sagas), buyer(), buyer(), expire())
    await box.check()


async def test_the_journal_can_only_grow(box: Box) -> None:
    event = await box.opened()
    await box.hold(event, seats=[1])
    for statement in ("DELETE FROM seat_journal", "UPDATE seat_journal SET version = 9"):
        with pytest.raises(Exception, match="permission denied"):
            await box.sql(statement)


# --- the whole service -----------------------------------------------------------------------


async def test_the_running_service_opens_an_event_that_is_asked_for_by_message(
    make_database: MakeDatabase, broker_url: str
) -> None:
    database = await make_database("inventory")
    settings = Settings(
        profile="local",
        internal_port=free_port(),
        grpc_port=free_port(),
        jwks_url="http://127.0.0.1:1/",
        service_key=SecretStr(encode_key(bytes(32))),
        database_url=SecretStr(database.url),
        amqp_url=SecretStr(broker_url),
    )
    event = place()
    body = json_format.MessageToJson(event.message, preserving_proto_field_name=True)
    message = aio_pika.Message(
        body.encode(), type="parterre.messages.v1.OpenEvent", message_id=str(uuid7())
    )
    async with inventory_service(settings):
        connection = await aio_pika.connect(broker_url)
        async with connection, connection.channel() as channel:
            await declare(channel, Topology.of(messages_pb2.DESCRIPTOR))
            exchange = await channel.get_exchange(COMMANDS)
            for _ in range(3):  # the same message, delivered three times
                await exchange.publish(message, "inventory.commands")
            replies = await channel.get_queue("catalog.replies")
            async with asyncio.timeout(30), replies.iterator() as arrived:
                reply = await anext(arrived)
                await reply.ack()
    opened = json_format.Parse(reply.body, messages_pb2.EventOpened())
    assert (opened.event_id, opened.capacity) == (event.event_id, 70)
    async with database.transaction() as session:
        assert await session.scalar("SELECT count(*) FROM seat") == 20
