"""Everything that can be done to an event's places, in any order, against a simple model.

Two processes on one real database. After every step the tables say what the model says, and the
invariants hold: I1 (no seat with two owners), I2 (sums and bounds), I4 (no overdue hold after a
sweep), I10 (a legal journal without gaps, fenced by its holds).

Whether a hold whose time is over has been expired already is the one thing the model does not
foretell: whoever wants its places may have done that, and need not have.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

import psycopg
import pytest
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from parterre.inventory.v1 import inventory_pb2
from parterre.messages.v1 import messages_pb2

from chassis.database import Session
from chassis.errors import RemoteError
from chassis.identity import Role
from chassis.ids import uuid7
from deploy.postgres import Postgres
from inventory_service.domain import (
    SEATS_OF,
    Command,
    HoldState,
    HoldStatus,
    Outcome,
    SeatsOrder,
    Step,
    shown_status,
    step,
)
from inventory_service.handlers.expiring import expire_due

from .box import FAR, Box, Place, Saga

T = TypeVar("T")

ROWS, SEATS, PLACES, MOST = 2, 6, 8, 4
PEOPLE = [str(uuid7()) for _ in range(3)]
LIVE = ("HELD", "RESERVED", "SOLD")
TABLES = (
    "event, tier, section, seat_place, seat, pool, hold, hold_line, seat_journal, customer_quota,"
    " live_hold, block, block_seat, outbox, inbox, idempotency"
)
TWICE_OWNED = """
SELECT seat_no FROM hold JOIN hold_line USING (event_id, hold_id)
 WHERE seat_no IS NOT NULL AND status IN ('ACTIVE', 'RESERVED', 'SOLD')
 GROUP BY event_id, seat_no HAVING count(*) > 1
"""


@dataclass
class Held:
    """A hold as the model knows it."""

    id: str
    person: str
    seats: set[int]
    tickets: int
    prices: dict[int, int]  # of its seats, when it got them
    status: HoldStatus = HoldStatus.ACTIVE
    due: bool = False
    version: int = 1
    seconds_left: int = 600  # by which it can be extended
    saga: Saga | None = None
    booking: str | None = None
    step: int = 0

    @property
    def places(self) -> int:
        return len(self.seats) + self.tickets

    @property
    def keeps(self) -> bool:
        """Whether nobody else can have its places."""
        return SEATS_OF[self.status] in LIVE and not (self.status is HoldStatus.ACTIVE and self.due)

    def expire(self) -> None:
        if self.status is HoldStatus.ACTIVE and self.due:
            self.status = HoldStatus.EXPIRED

    def state(self) -> HoldState:
        return HoldState(
            UUID(int=0),
            UUID(self.id),
            UUID(self.person),
            self.status,
            self.due,
            self.version,
            len(self.seats),
            self.tickets,
            UUID(self.booking) if self.booking else None,
            self.step,
        )


@dataclass
class Model:
    """What has become of the places of one event."""

    event: Place
    holds: dict[str, Held] = field(default_factory=dict)
    blocked: set[int] = field(default_factory=set)
    capacity: int = PLACES
    price: int = 125000
    terms: int = 1

    def free(self, but: Held | None = None) -> set[int]:
        taken = {s for h in self.holds.values() if h.keeps and h is not but for s in h.seats}
        return set(range(ROWS * SEATS)) - taken - self.blocked

    def left(self, but: Held | None = None) -> int:
        kept = sum(h.tickets for h in self.holds.values() if h.keeps and h is not but)
        return self.capacity - kept

    def counted(self, person: str) -> int:
        return sum(h.places for h in self.holds.values() if h.keeps and h.person == person)

    def live(self, person: str) -> int:
        return sum(
            h.status is HoldStatus.ACTIVE and not h.due
            for h in self.holds.values()
            if h.person == person
        )

    def refusals(self, person: str, quantity: int, tickets: int) -> set[str]:
        """Why the person can't have so many more places, so many of them tickets."""
        return {
            *(["CUSTOMER_LIMIT"] if self.counted(person) + quantity > MOST else []),
            *(["HOLD_LIMIT"] if self.live(person) >= 2 else []),
            *(["NOT_ENOUGH_CAPACITY"] if tickets > self.left() else []),
        }


class Places(RuleBasedStateMachine):
    """Rules as people, sagas, the sweeper and the organizer go by them."""

    box: Box
    run: Callable[[Awaitable[Any]], Any]
    forget: Callable[[], None]
    edits = 0

    holds = Bundle("holds")
    seats = st.sets(st.integers(0, ROWS * SEATS - 1), min_size=1, max_size=3)
    person = st.sampled_from(PEOPLE)

    @initialize()
    def opens(self) -> None:
        self.forget()
        event = self.run(self.box.opened(rows=ROWS, seats=SEATS, pools=(PLACES,), most=MOST))
        self.model = Model(event)

    # --- people ----------------------------------------------------------------------------------

    @rule(target=holds, person=person, seats=seats | st.just(set()), tickets=st.integers(0, 2))
    def hold(self, person: str, seats: set[int], tickets: int) -> Any:
        if not seats and not tickets:
            return multiple()
        model = self.model
        expected = model.refusals(person, len(seats) + tickets, tickets)
        if not seats <= model.free():
            expected.add("SEATS_UNAVAILABLE")
        return self._held(person, expected, seats=seats, tickets=tickets)

    @rule(target=holds, person=person, quantity=st.integers(1, 4))
    def hold_the_best(self, person: str, quantity: int) -> Any:
        expected = self.model.refusals(person, quantity, 0)
        free = self.model.free()
        runs = [
            set(range(first, first + quantity))
            for first in range(ROWS * SEATS)
            if first % SEATS + quantity <= SEATS
        ]
        if not any(run <= free for run in runs):
            expected.add("NO_ADJACENT_SEATS")
        best = inventory_pb2.CreateHoldRequest.BestAvailable(quantity=quantity)
        return self._held(person, expected, best_available=best)

    def _held(self, person: str, expected: set[str], **asked: Any) -> Any:
        free = self.model.free()
        try:
            made = self.run(self.box.hold(self.model.event, person, **asked))
        except RemoteError as error:
            refusal = error
        else:
            assert not expected
            return self._made(made, person, free, asked)
        assert refusal.reason in expected
        if refusal.reason == "SEATS_UNAVAILABLE":
            named = set(map(int, json.loads(refusal.metadata["seat_ids"])))
            assert named == asked["seats"] - free
        return multiple()

    def _made(
        self, made: inventory_pb2.Hold, person: str, free: set[int], asked: dict[str, Any]
    ) -> str:
        seats = {int(line.seat_id) for line in made.lines if line.seat_id}
        tickets = sum(line.quantity for line in made.lines if not line.seat_id)
        assert seats <= free
        if "seats" in asked:
            assert (seats, tickets) == (set(asked["seats"]), asked["tickets"])
        prices = dict.fromkeys(seats, self.model.price)
        self.model.holds[made.id] = Held(made.id, person, seats, tickets, prices)
        return made.id

    @rule(id=holds, seconds=st.sampled_from([0, 1, 3600]))
    def extend(self, id: str, seconds: int) -> None:
        hold = self.model.holds[id]
        request = inventory_pb2.ExtendHoldRequest(hold_id=id, seconds=seconds)
        reason = self._asked(hold.person, "ExtendHold", request)
        at_cap = "HOLD_EXTENSION_LIMIT" if hold.seconds_left == 0 else ""
        assert reason == (self._not_active(hold) or at_cap)
        if not reason:
            hold.seconds_left = max(0, hold.seconds_left - (seconds or 300))

    @rule(id=holds, pick=st.data())
    def release(self, id: str, pick: st.DataObject) -> None:
        hold = self.model.holds[id]
        part = pick.draw(st.sets(st.sampled_from(sorted(hold.seats)))) if hold.seats else set()
        tickets = pick.draw(st.integers(0, hold.tickets))
        request = inventory_pb2.ReleaseHoldRequest(hold_id=id, seat_ids=map(str, part))
        if tickets:
            request.general.add(tier_id=self.model.event.standing_tier, quantity=tickets)
        reason = self._asked(hold.person, "ReleaseHold", request)
        if not (part or tickets) and hold.status is HoldStatus.RELEASED:
            assert reason == ""
            return
        assert reason == self._not_active(hold)
        if reason:
            return
        if 0 < len(part) + tickets < hold.places:
            hold.seats -= part
            hold.tickets -= tickets
            hold.version += bool(part) + bool(tickets)
        else:
            hold.status = HoldStatus.RELEASED

    @rule(id=holds, seats=seats | st.just(set()), tickets=st.integers(0, 2))
    def add(self, id: str, seats: set[int], tickets: int) -> None:
        hold, model = self.model.holds[id], self.model
        request = inventory_pb2.AddToHoldRequest(hold_id=id, seat_ids=map(str, seats))
        if tickets:
            request.general.add(tier_id=model.event.standing_tier, quantity=tickets)
        reason = self._asked(hold.person, "AddToHold", request)
        new = seats - hold.seats
        expected = model.refusals(hold.person, len(new) + tickets, tickets) - {"HOLD_LIMIT"}
        if not new <= model.free():
            expected.add("SEATS_UNAVAILABLE")
        if not seats and not tickets:
            expected = {"INVALID_HOLD"}
        if not_active := self._not_active(hold):
            expected = {not_active}
        assert reason in expected if expected else not reason
        if reason:
            return
        hold.version += bool(tickets and hold.tickets) + bool(new or (tickets and not hold.tickets))
        hold.seats |= new
        hold.tickets += tickets
        hold.prices |= dict.fromkeys(new, model.price)

    def _not_active(self, hold: Held) -> str:
        if hold.status is HoldStatus.EXPIRED or (hold.status is HoldStatus.ACTIVE and hold.due):
            return "HOLD_EXPIRED"
        return "" if hold.status is HoldStatus.ACTIVE else "HOLD_NOT_ACTIVE"

    def _asked(self, person: str, method: str, request: Message, role: Role = Role.CUSTOMER) -> str:
        try:
            self.run(self.box.call(person, method, request, role))
        except RemoteError as refusal:
            return refusal.reason
        return ""

    # --- time ------------------------------------------------------------------------------------

    @rule(id=holds, swept=st.booleans())
    def its_time_is_over(self, id: str, *, swept: bool) -> None:
        hold = self.model.holds[id]
        if hold.status in {HoldStatus.ACTIVE, HoldStatus.RESERVED}:
            self.run(self.box.let_expire(id))
            hold.due = True
            if swept:
                self.sweep(limit=100)

    @rule(limit=st.sampled_from([1, 100]))
    def sweep(self, limit: int) -> None:
        async def swept() -> None:
            def batch(session: Session) -> Awaitable[int]:
                return expire_due(session, limit=limit)

            for database in self.box.databases:
                while await database.run(batch) == limit:
                    pass

        self.run(swept())
        for hold in self.model.holds.values():
            if hold.status is HoldStatus.ACTIVE and hold.due:
                hold.status = HoldStatus.EXPIRED
        assert (
            self._rows("SELECT 1 FROM hold WHERE status = 'ACTIVE' AND expires_at <= now()") == []
        )

    # --- bookings --------------------------------------------------------------------------------

    @rule(ids=st.lists(holds, min_size=1, max_size=4), stranger=st.booleans())
    def reserve(self, ids: list[str], *, stranger: bool) -> None:
        """A set of bookings, as one call; a hold may be asked for twice."""
        asked = [(self.model.holds[id], str(uuid7())) for id in ids]
        wanted = [(hold.person, hold.id, booking) for hold, booking in asked]
        if stranger:
            wanted.append((str(uuid7()), ids[0], str(uuid7())))
        results = self.run(self.box.reserve(*wanted))
        for (hold, booking), result in zip(asked, results, strict=False):
            if hold.status is HoldStatus.ACTIVE and not hold.due:
                hold.status, hold.booking, hold.step = HoldStatus.RESERVED, booking, 1
                hold.saga = self._saga(hold, booking)
                hold.saga.step = 1
            is_reserved = hold.status in {HoldStatus.RESERVED, HoldStatus.SOLD}
            assert result.booking_id == (hold.booking if is_reserved else "")
            assert result.hold.status == shown_status(hold.status, due=hold.due)
            assert result.event_open
            seats = {int(line.seat_id) for line in result.hold.lines if line.seat_id}
            assert seats == hold.seats
        if stranger:
            assert results[-1].refusal.reason == "HOLD_NOT_FOUND"

    @rule(
        ids=st.lists(holds, min_size=1, max_size=4, unique=True),
        how=st.sampled_from(["called", "told", "of another", "kept"]),
    )
    def give_back(self, ids: list[str], how: str) -> None:
        """Bookings never were, or (`kept`) they are."""
        holds = [self.model.holds[id] for id in ids]
        ids = [uuid7().hex if how == "of another" else hold.booking or "x" for hold in holds]
        if how in {"called", "of another"}:
            self.run(self.box.cancel(*((h.id, id) for h, id in zip(holds, ids, strict=True))))
        else:
            answers = [
                messages_pb2.Reservation(booking_id=id, hold_id=hold.id, exists=how == "kept")
                for hold, id in zip(holds, ids, strict=True)
                if hold.booking
            ]
            self.run(self.box.tell_together(*answers) if answers else self.box.tell())
        if how in {"kept", "of another"}:
            return
        # Of one person's holds only two can be live ones: those that came first.
        for hold in sorted(holds, key=lambda hold: (hold.person, hold.id)):
            if hold.status is HoldStatus.RESERVED:
                hold.booking, hold.step = None, 0
                is_live = self.model.live(hold.person) < 2
                hold.status = HoldStatus.ACTIVE if is_live else HoldStatus.RELEASED
                if hold.due:
                    hold.status = HoldStatus.EXPIRED

    # --- sagas -----------------------------------------------------------------------------------

    @rule(
        orders=st.lists(
            st.tuples(
                holds,
                st.sampled_from(Command),
                st.sampled_from(["next"] * 5 + ["again", "stale", "foreign", "changed"]),
            ),
            min_size=1,
            max_size=4,
        )
    )
    def command(self, orders: list[tuple[str, Command, str]]) -> None:
        """A batch of commands, as one delivery of a consumer."""
        messages = []
        waves: list[list[tuple[Held, SeatsOrder]]] = []
        count = Counter[str]()
        for id, verb, how in orders:
            hold = self.model.holds[id]
            message, order = self._order(hold, verb, how)
            messages.append(message)
            if count[id] == len(waves):
                waves.append([])
            waves[count[id]].append((hold, order))
            count[id] += 1
        answers = []
        for wave in waves:  # what takes places back comes last, and expires what is in its way
            for hold, order in sorted(wave, key=lambda each: self._takes_back(*each)):
                planned = self._carried(hold, order)
                if planned is not None and planned.outcome is not None:
                    answers.append((planned.outcome.value, planned.reason))
        self.run(self.box.tell_together(*messages))
        # Those of one hold in their order; which hold comes first is nobody's business.
        assert sorted(self.run(self.box.answers())) == sorted(answers)

    @rule(
        id=holds,
        verbs=st.sampled_from(
            [
                [Command.RESERVE, Command.SELL],
                [Command.SELL],
                [Command.RESERVE, Command.RELEASE],
                [Command.RESERVE, Command.RELEASE, Command.RECLAIM],
                [Command.RESERVE, Command.SELL, Command.RESTOCK],
            ]
        ),
    )
    def usual_course(self, id: str, verbs: list[Command]) -> None:
        for verb in verbs:
            self.command([(id, verb, "next")])

    @rule(verb=st.sampled_from(Command))
    def command_for_a_hold_that_never_was(self, verb: Command) -> None:
        saga = Saga(self.box, self.model.event, inventory_pb2.Hold(id=str(uuid7())), str(uuid7()))
        self.run(self.box.tell(saga.message(verb.title()), saga.message("Reserve")))
        # A Sell is an alert, and an Unsell nothing at all.
        answers = self.run(self.box.answers())
        assert answers[-1] == ("RESERVE_REFUSED", "HOLD_RELEASED")
        assert not {outcome for outcome, _ in answers} & {"RESERVED", "SOLD", "RECLAIMED"}

    def _order(self, hold: Held, verb: Command, how: str) -> tuple[Message, SeatsOrder]:
        saga = hold.saga = hold.saga or self._saga(hold, str(uuid7()))
        at = {"again": saga.step, "stale": saga.step - 1}.get(how)
        booking = str(uuid7()) if how == "foreign" else saga.booking_id
        version = hold.version + (how == "changed")
        message = saga.message(verb.title(), version, booking, at)
        asked = saga.step if at is None else at
        ids = UUID(booking), UUID(int=0), UUID(hold.id)
        return message, SeatsOrder(verb, *ids, asked, version)

    def _saga(self, hold: Held, booking: str) -> Saga:
        return Saga(self.box, self.model.event, inventory_pb2.Hold(id=hold.id), booking)

    def _takes_back(self, hold: Held, order: SeatsOrder) -> bool:
        return order.command is Command.RECLAIM and SEATS_OF[hold.status] == "AVAILABLE"

    def _carried(self, hold: Held, order: SeatsOrder) -> Step | None:
        """What comes of a command, by the rules that are tried on their own, and its effects."""
        planned = step(order, hold.state(), event_open=True)
        if (
            planned is None
            or planned.outcome is None
            or hold.booking not in (None, str(order.booking_id))
        ):
            return planned
        hold.booking, hold.step = str(order.booking_id), order.saga_step
        if planned.to is HoldStatus.SOLD and not hold.keeps:
            refusal = self._refused_again(hold)
            if refusal:
                return Step(None, Outcome.RECLAIM_REFUSED, refusal)
        hold.status = planned.to or hold.status
        return planned

    def _refused_again(self, hold: Held) -> str:
        """Why a hold can't have its places once more."""
        model = self.model
        for each in model.holds.values():
            in_the_way = each.person == hold.person or each.seats & hold.seats
            if in_the_way or (each.tickets and hold.tickets):
                each.expire()
        if not hold.seats <= model.free(hold):
            return "SEATS_UNAVAILABLE"
        if model.counted(hold.person) + hold.places > MOST:
            return "CUSTOMER_LIMIT"
        return "" if hold.tickets <= model.left(hold) else "SEATS_UNAVAILABLE"

    # --- the organizer ---------------------------------------------------------------------------

    @rule(seats=seats)
    def block(self, seats: set[int]) -> None:
        request = inventory_pb2.BlockSeatsRequest(
            event_id=self.model.event.event_id, seat_ids=map(str, seats)
        )
        free = seats <= self.model.free()
        assert self._organized("BlockSeats", request) == ("" if free else "SEATS_UNAVAILABLE")
        if free:
            self.model.blocked |= seats

    @rule(seats=seats)
    def unblock(self, seats: set[int]) -> None:
        request = inventory_pb2.UnblockSeatsRequest(
            event_id=self.model.event.event_id, seat_ids=map(str, seats)
        )
        kept = seats <= self.model.blocked
        assert self._organized("UnblockSeats", request) == ("" if kept else "SEATS_NOT_BLOCKED")
        if kept:
            self.model.blocked -= seats

    @rule(capacity=st.integers(1, 2 * PLACES))
    def set_capacity(self, capacity: int) -> None:
        event = self.model.event
        self.edits += 1
        request = inventory_pb2.SetCapacityRequest(
            event_id=event.event_id,
            sections=[
                inventory_pb2.SectionCapacity(section_id=event.standing[0], capacity=capacity)
            ],
            version=self.edits,
        )
        fits = capacity >= self.model.capacity - self.model.left()
        assert self._organized("SetCapacity", request) == ("" if fits else "CAPACITY_BELOW_SOLD")
        if fits:
            self.model.capacity = capacity

    @rule(price=st.integers(0, 1000), newer=st.booleans())
    def set_price(self, price: int, newer: bool) -> None:
        event, model = self.model.event, self.model
        newer = newer or model.terms == 1
        model.terms += newer
        message = messages_pb2.EventPublished(
            event_id=event.event_id,
            version=model.terms if newer else max(model.terms - 1, 1),
            starts_at=Timestamp(seconds=FAR),
            max_per_customer=MOST,
            tiers=[
                {"tier_id": event.seated_tier, "name": "Stalls", "price": price},
                {"tier_id": event.standing_tier, "name": "Floor", "price": 50000},
            ],
        )
        self.run(self.box.tell(message))
        if newer:
            model.price = price

    def _organized(self, method: str, request: Message) -> str:
        owner = self.model.event.message.organizer_id
        return self._asked(owner, method, request, Role.ORGANIZER)

    # --- what always holds -----------------------------------------------------------------------

    def _rows(self, sql: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self.run(self.box.sql(sql))]

    @invariant()
    def tables_say_what_the_model_says(self) -> None:
        if not hasattr(self, "model"):
            return
        self.run(self.box.check())  # I2 and I10
        assert self._rows(TWICE_OWNED) == []
        model = self.model
        rows = self._rows(
            "SELECT hold_id::text, status, saga_step, version FROM hold"
            " WHERE customer_id IS NOT NULL"
        )
        assert len(rows) == len(model.holds)
        for id, status, saga_step, version in rows:
            hold = model.holds[id]
            if status == "EXPIRED" and hold.status is HoldStatus.ACTIVE and hold.due:
                hold.status = HoldStatus.EXPIRED
            assert (status, saga_step, version) == (hold.status, hold.step, hold.version), id
        kept = {
            seat: SEATS_OF[hold.status]
            for hold in model.holds.values()
            if SEATS_OF[hold.status] in LIVE
            for seat in hold.seats
        }
        statuses = self.run(self.box.statuses(model.event))
        assert statuses == kept | dict.fromkeys(model.blocked, "BLOCKED")
        counts = [
            sum(h.tickets for h in model.holds.values() if SEATS_OF[h.status] == status)
            for status in LIVE
        ]
        assert list(self.run(self.box.pool(model.event))) == counts
        prices = self._rows(
            "SELECT hold_id::text, seat_no, price FROM hold_line WHERE seat_no IS NOT NULL"
        )
        assert set(map(tuple, prices)) == {
            (hold.id, seat, hold.prices[seat])
            for hold in model.holds.values()
            for seat in hold.seats
        }
        offered = self._rows("SELECT terms_version, price FROM event JOIN tier USING (event_id)")
        assert (model.terms if model.terms > 1 else 0, model.price) in offered


async def _played(box: Box, postgres: Postgres, *, examples: int, steps: int) -> None:
    loop = asyncio.get_running_loop()
    name = psycopg.conninfo.conninfo_to_dict(box.database.url)["dbname"]

    def run(work: Awaitable[T]) -> T:
        async def awaited() -> T:
            return await work

        return asyncio.run_coroutine_threadsafe(awaited(), loop).result(60)

    with psycopg.connect(postgres.admin_url, dbname=name, autocommit=True) as owner:
        owner.execute("SET search_path = inventory")

        def forget() -> None:
            owner.execute(f"TRUNCATE {TABLES}")

        machine = type(
            "Machine",
            (Places,),
            {"box": box, "run": staticmethod(run), "forget": staticmethod(forget)},
        )
        await asyncio.to_thread(
            run_state_machine_as_test,
            machine,
            settings=settings(
                max_examples=examples,
                stateful_step_count=steps,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )


@pytest.mark.timeout(400)  # a failing story is told as short as it can be, which takes a while
async def test_whatever_is_done_to_places_the_tables_say_what_the_model_says(
    box: Box, postgres: Postgres
) -> None:
    await _played(box, postgres, examples=25, steps=30)


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_whatever_is_done_to_places_for_long(box: Box, postgres: Postgres) -> None:
    await _played(box, postgres, examples=300, steps=60)
