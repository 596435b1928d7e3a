"""The box office of the tests: inventory_service twice over on one real database.

Two servicers with pools of their own in the tests' process; in test_races.py two processes.

Every test that uses it ends with the invariants I2 and I10 checked on what it left behind.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar, cast
from uuid import UUID

import pytest
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from parterre.inventory.v1 import inventory_pb2
from parterre.messages.v1 import messages_pb2

from chassis.consumer import Consumer, Received
from chassis.context import Origin
from chassis.database import Database, DatabaseError, Session, is_transient
from chassis.errors import RemoteError
from chassis.identity import Role
from chassis.ids import uuid7
from inventory_service.domain import HoldTerms
from tests.component.conftest import Caller

M = TypeVar("M", bound=Message)

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
    SELECT coalesce(sum(quantity) FILTER (WHERE status IN ('ACTIVE', 'RESERVED')), 0) AS held,
           coalesce(sum(quantity) FILTER (WHERE status = 'SOLD'), 0) AS sold
      FROM hold JOIN hold_line USING (event_id, hold_id)
     WHERE hold_line.event_id = pool.event_id AND hold_line.section_id = pool.section_id
       AND seat_no IS NULL) AS counted ON true
 WHERE (pool.held, pool.reserved, pool.sold) IS DISTINCT FROM
       (counted.held, 0, counted.sold)
UNION ALL
SELECT 'seat and hold disagree', seat_no::text
  FROM (SELECT event_id, seat_no, hold_id, CASE
               WHEN status IN ('ACTIVE', 'RESERVED') THEN 'HELD' ELSE 'SOLD' END AS status
          FROM hold JOIN hold_line USING (event_id, hold_id)
         WHERE seat_no IS NOT NULL
           AND status IN ('ACTIVE', 'RESERVED', 'SOLD')) AS claimed
  FULL JOIN (SELECT event_id, seat_no, hold_id, status FROM seat
              WHERE status NOT IN ('AVAILABLE', 'BLOCKED')) AS stands
 USING (event_id, seat_no, hold_id, status)
 WHERE claimed IS NULL OR stands IS NULL
UNION ALL
SELECT 'blocked in no block, or the other way round', seat_no::text
  FROM (SELECT event_id, seat_no FROM seat WHERE status = 'BLOCKED') AS kept
  FULL JOIN block_seat USING (event_id, seat_no)
 WHERE kept IS NULL OR block_seat IS NULL
UNION ALL
SELECT 'capacity', event_id::text FROM event
 WHERE organizer_id IS NOT NULL AND capacity <> (
    SELECT sum(capacity) FROM section WHERE section.event_id = event.event_id)
UNION ALL
SELECT 'capacity of a pool', pool.section_id::text FROM pool JOIN section USING (section_id)
 WHERE pool.capacity <> section.capacity OR held + reserved + sold > pool.capacity
UNION ALL
SELECT 'quota', customer_id::text FROM customer_quota
  FULL JOIN (SELECT event_id, customer_id, sum(seats + tickets) AS places FROM hold
              WHERE status IN ('ACTIVE', 'RESERVED', 'SOLD')
              GROUP BY event_id, customer_id) AS counted
 USING (event_id, customer_id)
 WHERE coalesce(customer_quota.seats, 0) <> coalesce(places, 0)
UNION ALL
SELECT 'a live hold without its slot', hold_id::text FROM hold
 WHERE status = 'ACTIVE' AND expires_at > clock_timestamp() AND NOT EXISTS (
    SELECT FROM live_hold WHERE live_hold.customer_id = hold.customer_id
       AND live_hold.hold_id = hold.hold_id AND live_hold.expires_at = hold.expires_at)
UNION ALL
SELECT 'a slot of a hold that is not live', live_hold.hold_id::text FROM live_hold
  JOIN hold USING (event_id, hold_id)
 WHERE live_hold.expires_at > clock_timestamp() AND hold.status <> 'ACTIVE'
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
    OR (seat.hold_id IS NOT NULL AND seat.hold_id IS DISTINCT FROM seat_journal.hold_id)
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
            section_id=section_id, name="Floor", tier_id=standing_tier, capacity=capacity,
            area={"x": 5, "y": 20, "width": 12, "height": 6},
        )  # fmt: skip
    return Place(event_id, seated_tier, seated, standing_tier, standing, message)


@dataclass
class Box:
    """The service twice over, on one database."""

    databases: Sequence[Database]
    callers: Sequence[Caller]
    consumers: Sequence[Consumer]
    _turn: int = field(default=0)

    @property
    def database(self) -> Database:
        return self.databases[0]

    async def tell(self, *messages: Message) -> None:
        """Delivers messages, each in a transaction of its own, to either consumer in turn."""
        for message in messages:
            await self.tell_together(message)

    async def tell_together(self, *messages: Message) -> None:
        """Delivers messages to one consumer, in one transaction."""
        self._turn += 1
        received = [
            Received(
                uuid7(), message.DESCRIPTOR.full_name, Origin("test"), message, cast("Any", None)
            )
            for message in messages
        ]
        consumer = self.consumers[self._turn % len(self.consumers)]
        for attempt in range(10):
            try:
                await consumer.apply(received)
            except DatabaseError as error:  # as a consumer tries again what deadlocked
                if not is_transient(error) or attempt == 9:
                    raise
            else:
                return

    async def opened(self, **kinds: Any) -> Place:
        event = place(**kinds)
        await self.tell(event.message)
        return event

    async def call(
        self, person: str, method: str, request: Message, role: Role = Role.CUSTOMER
    ) -> Any:
        self._turn += 1
        return await self.callers[self._turn % len(self.callers)].as_person(
            person, method, request, role
        )

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
        async def work(session: Session) -> Sequence[Any]:
            result = await session.execute(statement, **parameters)
            return result.rows

        return await self.database.run(work)

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
        name = messages_pb2.SeatsReply.Outcome.Name
        replies = await self.sent(messages_pb2.SeatsReply)
        return [(name(r.outcome).removeprefix("OUTCOME_"), r.reason) for r in replies]

    async def sent(self, kind: type[M]) -> list[M]:
        """Every message of a type that was sent so far, in order; then forgets them."""
        rows = await self.sql(
            "WITH gone AS (DELETE FROM outbox WHERE type = :type RETURNING id, payload)"
            " SELECT payload FROM gone ORDER BY id",
            type=kind.DESCRIPTOR.full_name,
        )
        return [kind.FromString(row.payload) for row in rows]

    async def reserve(
        self, *wanted: tuple[str, str, str]
    ) -> list[inventory_pb2.ReserveHoldsResponse.Result]:
        """Reserves holds by one call of booking's: person, hold, booking of each."""
        self._turn += 1
        caller = self.callers[self._turn % len(self.callers)]
        request = inventory_pb2.ReserveHoldsRequest()
        for person, hold_id, booking_id in wanted:
            token = caller.keys.access(person, Role.CUSTOMER)
            request.items.add(
                token=token, request_id="test", hold_id=hold_id, booking_id=booking_id
            )
        return list((await caller.as_booking("ReserveHolds", request)).results)

    async def cancel(self, *reservations: tuple[str, str]) -> None:
        """Gives reservations back by one call of booking's: hold and booking of each."""
        self._turn += 1
        request = inventory_pb2.CancelReservationsRequest()
        for hold_id, booking_id in reservations:
            request.items.add(hold_id=hold_id, booking_id=booking_id)
        await self.callers[self._turn % len(self.callers)].as_booking("CancelReservations", request)

    async def kept(self, hold_id: str) -> Any:
        """The hold's row."""
        (row,) = await self.sql("SELECT * FROM hold WHERE hold_id = :id", id=UUID(hold_id))
        return row

    async def check(self) -> None:
        async with self.database.transaction() as session:
            # There are no statistics of rows this young, and a plan for few is slow for many.
            await session.execute("SET LOCAL enable_nestloop = off")
            broken = [*await session.all(I2), *await session.all(I10)]
        assert [tuple(row) for row in broken] == []


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
            return messages_pb2.ReserveSeats(seats=seats, hold_version=version)
        kind: Callable[..., Message] = getattr(messages_pb2, f"{name}Seats")
        return kind(seats=seats)

    async def send(self, *names: str) -> None:
        await self.box.tell(*(self.message(name) for name in names))

    async def send_again(self, name: str, step: int | None = None) -> None:
        """The newest step once more, or an older one that was under way for long."""
        await self.box.tell(self.message(name, step=self.step if step is None else step))
