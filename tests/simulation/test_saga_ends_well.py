"""The saga against unkind neighbours: one seed is one schedule, and every schedule ends well.

Virtual time; messages are delayed, reordered, duplicated and lost; inventory and payment are pure
models of what their contracts promise. The saga is the very one that production runs. A lost
message is one that no retry brings back (a broker whose data was wiped), and therefore worse than
what the outbox allows.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random

import pytest

from booking_service.saga import (
    DEADLINES,
    ENDINGS,
    Command,
    Deadline,
    Facts,
    Happening,
    State,
    Step,
    begin,
    knowing,
    step,
)

SEEDS = 5000
AMOUNT = 1000
START = datetime(2027, 1, 1, tzinfo=UTC)
# Until then neighbours are unkind; afterwards what is sent arrives, and everything must end.
UNKIND = timedelta(minutes=30)
LONGEST = timedelta(hours=3)
MOST_EVENTS = 5_000

Reply = tuple[Happening, Facts]


@dataclass
class Inventory:
    """One hold's seats. Answers a repeated command as its effect stands."""

    random: Random
    status: str = "HELD"  # HELD, RESERVED, SOLD, FREE, TAKEN (by somebody else)
    unsold: bool = False
    sells: bool = True  # a refusal is as lasting as an acceptance

    def __post_init__(self) -> None:
        self.sells = self.random.random() < 0.95

    def take(self, command: Command) -> Reply | None:  # noqa: C901 - a contract, case by case
        facts = Facts(reason="SEATS_UNAVAILABLE")
        match command:
            case Command.RESERVE:
                if self.status == "HELD":
                    self.status = "RESERVED" if self.random.random() < 0.9 else "FREE"
                if self.status in {"RESERVED", "SOLD"}:
                    return Happening.RESERVED, Facts()
                return Happening.RESERVE_REFUSED, facts
            case Command.SELL:
                # After an Unsell a Sell that was overtaken must not sell again.
                if self.status == "RESERVED" and not self.unsold and self.sells:
                    self.status = "SOLD"
                sold = self.status == "SOLD"
                return (Happening.SOLD, Facts()) if sold else (Happening.SELL_REFUSED, facts)
            case Command.UNSELL:
                self.unsold = True
                if self.status == "SOLD":
                    self.status = "RESERVED"
                return Happening.UNSOLD, Facts()
            case Command.RELEASE:
                # A tombstone for a Reserve that comes later; what is sold is not released.
                if self.status in {"HELD", "RESERVED"}:
                    self.status = "FREE"
                return Happening.RELEASED, Facts()
            case Command.RESTOCK:
                if self.status == "SOLD":
                    self.status = "FREE"
                return Happening.RESTOCKED, Facts()
            case Command.RECLAIM:
                # Nor must a Reclaim that was overtaken.
                if self.status == "FREE" and not self.unsold:
                    self.status = self.random.choice(["SOLD", "TAKEN"])
                sold = self.status == "SOLD"
                return (
                    (Happening.RECLAIMED, Facts()) if sold else (Happening.RECLAIM_REFUSED, facts)
                )
        raise AssertionError(command)


@dataclass
class Payment:
    """One payment, by card (authorized, then captured) or by wallet (charged at once, late too)."""

    random: Random
    status: str = "NEW"  # NEW, ASKED (the customer), AUTHORIZED, CAPTURED, VOIDED
    attempt: int = 0
    charged: int = 0
    refunded: int = 0
    capture_answered: bool = False
    captures: bool = True
    walked_away: bool = False  # from the wallet's page, which can't be recalled

    def __post_init__(self) -> None:
        self.captures = self.random.random() < 0.9

    def take(self, command: Command, attempt: int, refund: int) -> Reply | None:
        match command:
            case Command.AUTHORIZE:
                return self._authorize(attempt)
            case Command.CAPTURE:
                if self.status == "AUTHORIZED" and self.captures:
                    self.status, self.charged = "CAPTURED", AMOUNT
                if self.status != "CAPTURED" or self.refunded:
                    return Happening.CAPTURE_REFUSED, Facts(reason="CAPTURE_FAILED")
                self.capture_answered = True
                return Happening.CAPTURED, Facts()
            case Command.VOID:
                # Overtaken by a Capture that was answered: from then on only a Refund gives back.
                self.walked_away |= self.status == "ASKED"
                if not self.capture_answered:
                    self.status, self.refunded = "VOIDED", self.charged
                return Happening.VOIDED, Facts()
            case Command.REFUND:
                assert self.refunded in {0, refund}
                self.refunded = refund
                return Happening.REFUNDED, Facts()
        raise AssertionError(command)

    def _authorize(self, attempt: int) -> Reply | None:
        if self.status == "VOIDED":
            return Happening.AUTHORIZATION_REFUSED, Facts(attempt, "VOIDED")
        if attempt > self.attempt:
            self.attempt = attempt
            self.status = self.random.choice(["AUTHORIZED", "AUTHORIZED", "REFUSED", "ASKED"])
        facts = Facts(attempt, action_url="https://wallet.example")
        match self.status:
            case "ASKED":
                return Happening.ACTION_REQUIRED, facts
            case "REFUSED":
                return Happening.AUTHORIZATION_REFUSED, Facts(attempt, "CARD_DECLINED")
        return Happening.AUTHORIZED, Facts(attempt)

    def customer_pays(self) -> Reply | None:
        """At the wallet's page, when it suits them: perhaps after all was given up."""
        if self.status == "ASKED":
            self.status, self.charged = "CAPTURED", AMOUNT
            return Happening.AUTHORIZED, Facts(self.attempt)
        if self.status == "VOIDED" and self.walked_away and not self.charged:
            self.status, self.charged = "CAPTURED", AMOUNT
            return Happening.PAID_LATE, Facts()
        return None


@dataclass(order=True)
class Planned:
    at: datetime
    number: int
    run: Callable[[], None] = field(compare=False)


class World:
    """One booking, its neighbours, and what happens to it."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.now = START
        self.free = self.random.random() < 0.1
        self.unkindness = self.random.choice([0.0, 0.1, 0.3])
        self.inventory = Inventory(self.random)
        self.payment = Payment(self.random)
        self.plan: list[Planned] = []
        self.count = 0
        self.event_off = False
        self.valid_tickets = False
        self.history: list[str] = []
        self.sent: set[Command] = set()
        self.saga = begin(0, self.now).saga
        self.follow(begin(0 if self.free else AMOUNT, self.now))
        self.plan_people()

    def plan_people(self) -> None:
        def minutes(most: float) -> timedelta:
            return timedelta(minutes=self.random.uniform(0, most))

        for _ in range(self.random.randint(0, 4)):
            self.later(minutes(11), lambda: self.happens(Happening.NEW_ATTEMPT, Facts()))
        if self.random.random() < 0.3:
            self.later(minutes(12), lambda: self.happens(Happening.GIVE_UP, Facts()))
        for _ in range(self.random.choice([0, 0, 1, 5])):
            refund = self.random.choice([0, AMOUNT // 2, AMOUNT]) if not self.free else 0
            cancellation = Facts(refund=refund)
            self.later(minutes(25), partial(self.happens, Happening.CANCEL, cancellation))
        if self.random.random() < 0.2:
            self.later(minutes(self.random.choice([0.05, 25])), self.calls_event_off)
        for _ in range(self.random.randint(0, 2)):
            self.later(minutes(25), self.customer_pays)

    # --- time and the broker ---------------------------------------------------------------

    def later(self, after: timedelta, run: Callable[[], None]) -> None:
        self.count += 1
        heapq.heappush(self.plan, Planned(self.now + after, self.count, run))

    def deliver(self, run: Callable[[], None], *, may_be_lost: bool) -> None:
        unkind = self.now < START + UNKIND
        if unkind and may_be_lost and self.random.random() < self.unkindness / 2:
            return
        copies = 1 + (unkind and self.random.random() < self.unkindness)
        for _ in range(copies):
            slow = unkind and self.random.random() < self.unkindness
            self.later(timedelta(seconds=self.random.uniform(0.001, 12 if slow else 0.1)), run)

    # --- what happens ----------------------------------------------------------------------

    def happens(self, happening: Happening, facts: Facts) -> None:
        saga = knowing(self.saga, event_off=self.event_off)
        self.follow(step(saga, happening, self.now, facts, self.random.uniform(0.8, 1.2)))

    def follow(self, result: Step) -> None:
        self.saga = result.saga
        if result.refusal:
            return
        self.history.append(f"{self.now - START} {result.entry}")
        if result.leaves(State.CONFIRMED):
            self.valid_tickets = False
        if result.enters(State.CONFIRMED):
            self.valid_tickets = True
        for command in result.commands:
            self.send(command)
        due = self.saga.deadline_at
        if due is not None and (result.before is None or result.before.deadline_at != due):
            self.later(due - self.now, lambda: self.meet(due))
        self.check()

    def meet(self, due: datetime) -> None:
        if self.saga.deadline_at == due:
            self.happens(Happening.DEADLINE, Facts())

    def send(self, command: Command) -> None:
        attempt, refund = self.saga.attempt, self.saga.refund

        def arrive() -> None:
            if command.startswith("inventory."):
                reply = self.inventory.take(command)
            else:
                reply = self.payment.take(command, attempt, refund)
            self.answer(reply, may_be_lost=True)
            if command is Command.VOID and self.random.random() < 0.3:
                # The worst moment: just after it was given up, while the answer is under way.
                worst = self.random.uniform(0, self.random.choice([1, 15]))
                self.later(timedelta(seconds=worst), self.customer_pays)

        # Only the first of its kind: an answer does not say which sending it answers, so a stale
        # one may stand for a second Void that a wiped broker swallowed. The outbox loses none.
        self.deliver(arrive, may_be_lost=command not in self.sent)
        self.sent.add(command)

    def answer(self, reply: Reply | None, *, may_be_lost: bool) -> None:
        if reply is not None:
            happening, facts = reply
            self.deliver(lambda: self.happens(happening, facts), may_be_lost=may_be_lost)

    def customer_pays(self) -> None:
        # Nobody asks again for this one, so only an outbox that keeps its word brings it.
        self.answer(self.payment.customer_pays(), may_be_lost=False)

    def calls_event_off(self) -> None:
        self.event_off = True
        self.happens(Happening.EVENT_CANCELLED, Facts())

    # --- what must hold --------------------------------------------------------------------

    def check(self) -> None:
        """After every step."""
        saga, payment = self.saga, self.payment
        assert (saga.deadline_at is None) == (DEADLINES[saga.state] is Deadline.NONE)
        assert payment.refunded <= payment.charged, "more given back than taken"
        assert saga.attempt <= 3
        if self.valid_tickets:
            assert saga.state is State.CONFIRMED
            assert self.inventory.status == "SOLD", "a ticket for a seat that is not sold"
            assert self.free or payment.charged == AMOUNT, "a ticket that nobody paid"
            assert payment.refunded == 0, "a ticket whose money went back"

    def check_end(self) -> None:
        """When nothing is in flight any more."""
        assert self.saga.state in ENDINGS
        kept = self.payment.charged - self.payment.refunded
        if self.saga.state is State.CONFIRMED:
            assert self.valid_tickets
            assert not self.event_off, "an event was called off and its booking kept"
            return
        assert not self.valid_tickets
        assert self.inventory.status not in {"RESERVED", "SOLD"}, "seats nobody has stay taken"
        if self.saga.state is State.CANCELLED:
            assert self.payment.refunded == self.saga.refund
        else:
            assert kept == 0, "money kept without a ticket"
            assert self.payment.status != "AUTHORIZED", "money set aside and forgotten"

    def run(self) -> None:
        while self.plan:
            planned = heapq.heappop(self.plan)
            self.now = planned.at
            assert self.now < START + LONGEST, "it never ends"
            assert self.count < MOST_EVENTS, "it goes round in circles"
            planned.run()
        self.check_end()


@pytest.mark.parametrize("block", range(10))
def test_every_schedule_ends_with_a_ticket_or_with_the_money_back(block: int) -> None:
    for seed in range(block * SEEDS // 10, (block + 1) * SEEDS // 10):
        world = World(seed)
        try:
            world.run()
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}\n" + "\n".join(world.history)) from error


def test_the_schedules_reach_every_ending_and_every_state() -> None:
    ends: set[State] = set()
    seen: set[str] = set()
    for seed in range(SEEDS):
        world = World(seed)
        world.run()
        ends.add(world.saga.state)
        seen |= {line.partition("state=<State.")[2].partition(":")[0] for line in world.history}
    assert ends == ENDINGS
    assert seen == set(State)


def test_the_same_seed_gives_the_same_run() -> None:
    first, second = World(7), World(7)
    first.run()
    second.run()
    assert first.history == second.history
