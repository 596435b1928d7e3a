"""The saga against an unkind network: one seed is one schedule, and every schedule ends well.

Virtual time. Any message may be lost any number of times, as long as the network is fair in the
end, and delivered again arbitrarily late: nothing here remembers message ids, as an inbox does.
Two are never lost, because nobody asks for them again: PAID_LATE and PAID_BACK, for which the
outbox has to keep its word. The rules of booking, inventory and payment are the ones that
production runs; what they stand on (rows, calls, the provider, people) is played here.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from random import Random
from uuid import UUID, uuid5

import pytest

from booking_service.saga import (
    DEADLINES,
    ENDINGS,
    Command,
    Deadline,
    Entry,
    Facts,
    Happening,
    Saga,
    State,
    Step,
    begin,
    knowing,
    step,
)
from inventory_service import domain as seats
from inventory_service.domain import SEATS_OF, HoldState, HoldStatus, SeatsOrder
from payment_service import domain as money
from payment_service.domain import Absent, Charge, ChargeState, Kind, Payment, Refund, Refused

SEEDS = 4000
AMOUNT = 1000
BOOKING, EVENT, HOLD, CUSTOMER, ORGANIZER, PAYMENT, REFUND = (UUID(int=n) for n in range(1, 8))
START = datetime(2027, 1, 1, tzinfo=UTC)
# Until then the network is unkind; afterwards what is sent arrives, and everything must end.
UNKIND = timedelta(minutes=30)
LONGEST = timedelta(hours=12)
MOST_EVENTS = 5_000

Plan = Callable[[timedelta, Callable[[], None]], None]
Tell = Callable[[Happening, Facts], None]


class Inventory:
    """One hold, as `inventory_service.handlers.carry_out` treats its row."""

    def __init__(self, random: Random, tell: Tell) -> None:
        self.random, self.tell = random, tell
        self.event_open = True
        self.changed = random.random() < 0.03
        self.hold = HoldState(
            EVENT, HOLD, CUSTOMER, HoldStatus.ACTIVE, False, 1 + self.changed, 1, 0, None, 0
        )

    def time_is_over(self) -> None:
        if self.hold.status is HoldStatus.ACTIVE:
            due = self.random.choice([HoldStatus.ACTIVE, HoldStatus.EXPIRED])  # swept already?
            self.hold = replace(self.hold, due=True, status=due)

    def take(self, command: Command, saga_step: int) -> None:
        verb = seats.Command(command.removeprefix("inventory.").upper())
        order = SeatsOrder(verb, BOOKING, EVENT, HOLD, saga_step, hold_version=1)
        planned = seats.step(order, self.hold, event_open=self.event_open)
        if planned is None:
            return
        was = self.hold.status
        self.hold = replace(self.hold, booking_id=BOOKING, saga_step=saga_step)
        outcome, reason = planned.outcome, planned.reason
        takes_back = verb is seats.Command.RECLAIM and SEATS_OF[was] == "AVAILABLE"
        if takes_back and planned.to and self.random.random() < 0.5:
            # Somebody else has them just now; a moment later they may be free.
            outcome, reason = seats.Outcome.RECLAIM_REFUSED, "SEATS_UNAVAILABLE"
        elif planned.to:
            self.hold = replace(self.hold, status=planned.to)
        self.tell(Happening(outcome.value), Facts(step=saga_step, reason=reason))


@dataclass
class ProviderCharge:
    """One charge at a provider that does what it likes."""

    random: Random
    wallet: bool
    declines: float
    state: ChargeState | None = None

    def told(self) -> Charge | Absent:
        if self.state is None:
            return Absent()
        captured = AMOUNT if self.state is ChargeState.CAPTURED else 0
        return Charge(self.state, "ch", captured, "CARD_DECLINED", "https://pay.example")

    def take(self, kind: Kind) -> money.Result:
        match kind, self.state:
            case Kind.AUTHORIZE, None:
                later = self.random.random() < 0.2
                waits = ChargeState.REQUIRES_ACTION if self.wallet else ChargeState.PENDING
                self.state = waits if self.wallet or later else self.verdict()
            case Kind.CAPTURE, ChargeState.AUTHORIZED:
                if self.random.random() < 0.1:
                    return Refused("CAPTURE_FAILED")
                self.state = ChargeState.CAPTURED
            case Kind.VOID, ChargeState.REQUIRES_ACTION:
                return Refused("NOT_VOIDABLE")
            case Kind.VOID, ChargeState.AUTHORIZED | ChargeState.PENDING:
                self.state = ChargeState.VOIDED
            case _:
                pass
        return self.told()

    def decide(self) -> bool:
        """What the customer or the bank makes of it; False: there was nothing to decide."""
        undecided = self.state in {ChargeState.PENDING, ChargeState.REQUIRES_ACTION}
        if undecided:
            self.state = self.verdict()
        return undecided

    def verdict(self) -> ChargeState:
        if self.random.random() < self.declines:
            return ChargeState.DECLINED
        return ChargeState.CAPTURED if self.wallet else ChargeState.AUTHORIZED


class Payments:
    """One payment, as `payment_service.handlers` and its worker treat its rows."""

    def __init__(self, random: Random, plan: Plan, tell: Tell, blurs: Callable[[], bool]) -> None:
        self.random, self.plan, self.tell, self.blurs = random, plan, tell, blurs
        self.declines = random.choice([0.1, 0.5])
        self.payment: Payment | None = None
        self.charges: dict[int, ProviderCharge] = {}
        self.given_back = 0
        self.refunds: dict[UUID, Refund] = {}
        self.apart: set[UUID] = set()  # those the saga did not ask for
        # The work list: of each charge its newest turn, and what is known about calling for it.
        self.turns: Counter[int] = Counter()
        self.asked: Counter[int] = Counter()
        self.tries: Counter[int] = Counter()
        self.look_up: set[int] = set()
        self.in_flight: set[int] = set()

    @property
    def captured(self) -> int:
        states = [charge.state for charge in self.charges.values()]
        return AMOUNT * states.count(ChargeState.CAPTURED)

    @property
    def known(self) -> Payment:
        assert self.payment is not None, "there is no such payment"
        return self.payment

    def take(self, command: Command, saga_step: int, attempt: int, refund: tuple[int, int]) -> None:
        if self.payment is None and command is Command.AUTHORIZE:
            people = CUSTOMER, ORGANIZER
            self.payment = Payment(PAYMENT, BOOKING, "PT-AAAAAAAA", *people, AMOUNT, "NPR")
        if self.payment is None and command is Command.VOID:
            self.payment = Payment(PAYMENT, BOOKING, void=True, status=money.Status.VOIDED)
        payment = money.commanded(self.known, saga_step)
        if payment is None:
            return
        match command:
            case Command.AUTHORIZE:
                wallet = self.random.random() < 0.4
                charge = ProviderCharge(self.random, wallet, self.declines)
                self.charges.setdefault(attempt, charge)
                method = "KHALTI" if self.charges[attempt].wallet else "CARD"
                self.apply(money.authorize(payment, attempt, method, None))
            case Command.CAPTURE:
                self.apply(money.capture(payment))
            case Command.VOID:
                unsent = [
                    each.number
                    for each in payment.attempts
                    if each.charge is ChargeState.UNKNOWN
                    and not self.asked[each.number]
                    and each.number not in self.in_flight
                ]
                self.apply(money.void(payment, unsent))
            case Command.REFUND:
                id, amount = uuid5(REFUND, str(refund[0])), refund[1]
                self.apply(money.refund(payment, id, amount, "", self.refunds.get(id)))

    def refund_apart(self, amount: int | None) -> None:
        """The organizer gives some or all of it back, without the saga."""
        if self.payment is None:
            return
        id = uuid5(ORGANIZER, str(len(self.apart)))
        try:
            planned = money.refund_by(self.known, id, amount, "", ORGANIZER)
        except money.PaymentError:
            return
        self.apart.add(id)
        self.apply(planned)

    def apply(self, result: money.Step, *, but: int = 0) -> None:
        before, after = self.payment, result.payment
        self.payment = after
        for refund in result.refunds:
            assert refund.id not in self.refunds
            self.refunds[refund.id] = refund
            self.plan(self.pause(), partial(self.give_back, refund))
        for reply in result.replies:
            facts = Facts(after.saga_step, reply.reason, reply.action_url)
            self.tell(Happening(reply.outcome.value), facts)
        if told := result.paid_back:
            self.tell(Happening.PAID_BACK, Facts(kept=told.captured - told.refunded))
        for attempt in after.attempts:
            known = before.find(attempt.number) if before else None
            if attempt.number != but and (known != attempt or before != after):
                self.next_turn(attempt.number, timedelta())

    def pause(self) -> timedelta:
        longest = self.random.choice([0.1, 0.1, 1, 20])
        return timedelta(seconds=self.random.uniform(0.001, longest))

    def give_back(self, refund: Refund) -> None:
        self.given_back += refund.amount
        self.refunds[refund.id] = replace(refund, done=True)
        self.apply(money.refunded(self.known, refund))

    def next_turn(self, number: int, pause: timedelta) -> None:
        self.turns[number] += 1
        self.plan(pause, partial(self.call, number, self.turns[number]))

    def call(self, number: int, turn: int) -> None:
        if turn != self.turns[number] or number in self.in_flight:
            return
        attempt = self.known.attempt(number)
        look_up = number in self.look_up
        kind = money.next_call(self.known, attempt, look_up=look_up)
        if kind is None:
            return
        if kind is Kind.LOOKUP and not look_up and money.is_waiting(self.known, attempt):
            return  # its webhook will tell
        self.in_flight.add(number)
        self.look_up.discard(number)
        self.asked[number] += kind is Kind.AUTHORIZE
        self.tries[number] += 1
        result: money.Result = money.Unknown("lost")
        fates = ["answer lost", "request lost", "request late"]
        fate = self.random.choice(fates) if self.blurs() else "answered"
        if fate.startswith("answer"):
            told = self.charges[number].take(kind)
            result = told if fate == "answered" else result
            self.bank_decides_later(number)
        elif fate == "request late":
            late = timedelta(seconds=self.random.uniform(0, self.random.choice([20, 2000])))
            self.plan(late, partial(self.take_late, number, kind))
        self.plan(self.pause(), partial(self.record, number, kind, result))

    def take_late(self, number: int, kind: Kind) -> None:
        self.charges[number].take(kind)
        self.webhook(number)
        self.bank_decides_later(number)

    def record(self, number: int, kind: Kind, result: money.Result) -> None:
        self.in_flight.discard(number)
        if isinstance(result, money.Unknown):
            self.look_up.add(number)
        before, asked = self.known, self.asked[number]
        self.apply(money.settle(before, number, kind, result, asked=asked, max_tries=3), but=number)
        attempt = self.known.attempt(number)
        if attempt != before.attempt(number):
            self.tries[number] = 0
        look_up = number in self.look_up
        following = money.next_call(self.known, attempt, look_up=look_up)
        if following is not None:
            seconds = money.pause_seconds(
                self.known, attempt, following, tries=self.tries[number], jitter=0.5
            )
            if seconds is not None:
                self.next_turn(number, timedelta(seconds=seconds))

    def bank_decides_later(self, number: int) -> None:
        if self.charges[number].state is ChargeState.PENDING:
            when = timedelta(seconds=self.random.uniform(0, 120))
            self.plan(when, partial(self.decide, number))

    def decide(self, number: int) -> None:
        if self.charges[number].decide():
            self.webhook(number)

    def customer_decides(self) -> None:
        """At the wallets' pages, when it suits them: perhaps after all was given up."""
        for number in self.charges:
            self.decide(number)

    def webhook(self, number: int) -> None:
        def look() -> None:
            told = self.charges[number].told()
            if isinstance(told, Charge):
                self.apply(money.observe(self.known, number, told))

        self.plan(self.pause(), look)


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
        # How often a message is lost, doubled and late, and a provider unclear.
        self.loses, self.doubles, self.delays, self.blurs = (
            self.random.choice([0.0, 0.1, 0.3, 0.6]) for _ in range(4)
        )
        self.pays_late = self.random.choice([0.1, 0.9])
        self.inventory = Inventory(self.random, self.answer)
        self.payments = Payments(
            self.random, self.later, self.answer, lambda: self.strikes(self.blurs)
        )
        self.plan: list[Planned] = []
        self.count = 0
        self.event_off = False
        self.valid_tickets = False
        self.history: list[tuple[datetime, Entry]] = []
        first = begin(0 if self.free else AMOUNT, self.now)
        self.saga: Saga = first.saga
        self.follow(first)
        self.plan_people()

    def plan_people(self) -> None:
        def minutes(most: float) -> timedelta:
            return timedelta(minutes=self.random.uniform(0, most))

        if self.random.random() < 0.2:
            self.later(minutes(12), lambda: self.happens(Happening.GIVE_UP, Facts()))
        for _ in range(self.random.choice([0, 0, 1, 5])):
            refund = self.random.choice([0, AMOUNT // 2, AMOUNT]) if not self.free else 0
            cancellation = Facts(refund=refund)
            when = minutes(25)
            self.later(when, partial(self.happens, Happening.CANCEL, cancellation))
            if self.random.random() < 0.1:
                self.later(when + minutes(0.2), self.calls_event_off)
        for _ in range(self.random.choice([0, 0, 0, 1, 3])):
            part = self.random.choice([AMOUNT // 4, None])
            self.later(minutes(25), partial(self.payments.refund_apart, part))
        if self.random.random() < 0.2:
            self.later(minutes(self.random.choice([0.05, 25])), self.calls_event_off)
        if self.random.random() < 0.2:
            self.later(minutes(self.random.choice([0.01, 1])), self.inventory.time_is_over)
        for _ in range(self.random.randint(0, 3)):
            self.later(minutes(self.random.choice([5, 25])), self.payments.customer_decides)

    # --- time and the broker ---------------------------------------------------------------

    def later(self, after: timedelta, run: Callable[[], None]) -> None:
        self.count += 1
        heapq.heappush(self.plan, Planned(self.now + after, self.count, run))

    def strikes(self, chance: float) -> bool:
        return self.now < START + UNKIND and self.random.random() < chance

    def deliver(self, run: Callable[[], None], *, may_be_lost: bool = True) -> None:
        arrives = not (may_be_lost and self.strikes(self.loses))
        for _ in range(arrives + self.strikes(self.doubles)):
            slow = self.strikes(self.delays)
            longest = self.random.choice([1, 12, 60, 900, 7200]) if slow else 0.1
            self.later(timedelta(seconds=self.random.uniform(0.001, longest)), run)

    # --- what happens ----------------------------------------------------------------------

    def happens(self, happening: Happening, facts: Facts) -> None:
        saga = knowing(self.saga, event_off=self.event_off)
        self.follow(step(saga, happening, self.now, facts, self.random.uniform(0.8, 1.2)))

    def follow(self, result: Step) -> None:
        self.saga = result.saga
        if result.refusal:
            return
        self.history.append((self.now, result.entry))
        if result.leaves(State.CONFIRMED):
            self.valid_tickets = False
        if result.enters(State.CONFIRMED):
            self.valid_tickets = True
        if result.enters(State.AWAITING_PAYMENT) and self.random.random() < 0.7:
            soon = timedelta(seconds=self.random.uniform(0, self.random.choice([5, 300])))
            self.later(soon, lambda: self.happens(Happening.NEW_ATTEMPT, Facts()))
        page = result.saga.action_url
        if page and result.before and not result.before.action_url and self.random.random() < 0.5:
            self.changes_their_mind()
        for command in result.commands:
            self.send(command)
        due = self.saga.deadline_at
        if due is not None and (result.before is None or result.before.deadline_at != due):
            self.later(due - self.now, lambda: self.meet(due))
        self.check()

    def changes_their_mind(self) -> None:
        """Leaves an open page for another card or wallet, and may approve the page as well."""
        then = self.random.uniform(0, self.random.choice([5, 300]))
        self.later(timedelta(seconds=then), lambda: self.happens(Happening.NEW_ATTEMPT, Facts()))
        if self.random.random() < 0.7:
            before, at_once = self.random.uniform(0, then), then + self.random.uniform(-2, 2)
            afterwards = then + self.random.uniform(0, 1500)
            approved = max(0, self.random.choice([before, at_once, afterwards]))
            self.later(timedelta(seconds=approved), self.payments.customer_decides)

    def meet(self, due: datetime) -> None:
        if self.saga.deadline_at == due:
            self.happens(Happening.DEADLINE, Facts())

    def send(self, command: Command) -> None:
        asks, attempt = self.saga.step, self.saga.attempt
        refund = self.saga.refunds, self.saga.refund

        def arrive() -> None:
            if command.startswith("inventory."):
                self.inventory.take(command, asks)
            else:
                self.payments.take(command, asks, attempt, refund)
            if command is Command.VOID and self.random.random() < self.pays_late:
                # The worst moment: just after it was given up, while the answer is under way.
                worst = self.random.uniform(0, self.random.choice([1, 15]))
                self.later(timedelta(seconds=worst), self.payments.customer_decides)

        self.deliver(arrive)

    def answer(self, happening: Happening, facts: Facts) -> None:
        may_be_lost = happening not in {Happening.PAID_LATE, Happening.PAID_BACK}
        self.deliver(partial(self.happens, happening, facts), may_be_lost=may_be_lost)

    def calls_event_off(self) -> None:
        self.event_off = True
        self.deliver(partial(setattr, self.inventory, "event_open", False), may_be_lost=False)
        self.happens(Happening.EVENT_CANCELLED, Facts())

    # --- what must hold --------------------------------------------------------------------

    def check(self) -> None:
        """After every step of the saga."""
        saga, payments = self.saga, self.payments
        assert (saga.deadline_at is None) == (DEADLINES[saga.state] is Deadline.NONE)
        assert payments.given_back <= payments.captured, "more given back than taken"
        assert saga.attempt <= 3
        assert self.valid_tickets == (saga.state is State.CONFIRMED)
        if self.valid_tickets:
            sold = self.inventory.hold.status is HoldStatus.SOLD
            assert sold, "a ticket for a seat that is not sold"
            paid = self.free or payments.known.last
            assert paid, "a ticket that nobody paid"
            if isinstance(paid, money.Attempt):
                assert paid.captured == AMOUNT, "a ticket that nobody paid"
                asked = sum(
                    each.amount
                    for each in payments.refunds.values()
                    if each.attempt == paid.number and each.id not in payments.apart
                )
                assert asked == 0, "a ticket whose money goes back"

    def check_end(self) -> None:
        """When nothing is in flight any more."""
        saga, payments = self.saga, self.payments
        assert saga.state in ENDINGS
        kept = payments.captured - payments.given_back
        if payments.payment is not None:
            totals = money.totals(payments.known.attempts)
            assert totals == (payments.captured, payments.given_back), "the books are wrong"
        if saga.state is State.CONFIRMED:
            assert kept == saga.amount - saga.refunded, "more or less than the price was kept"
            assert kept or self.free, "a ticket whose money went back"
            assert not self.event_off, "an event was called off and its booking kept"
        else:
            taken = SEATS_OF[self.inventory.hold.status] in {"RESERVED", "SOLD"}
            assert not taken, "seats nobody has stay taken"
            due = saga.amount - saga.refunded if saga.state is State.CANCELLED else 0
            assert kept == due, "money kept without a ticket"
        open_ = {ChargeState.AUTHORIZED, ChargeState.PENDING}
        states = {charge.state for charge in payments.charges.values()}
        assert not open_ & states, "money set aside and forgotten"

    def run(self) -> None:
        try:
            while self.plan:
                planned = heapq.heappop(self.plan)
                self.now = planned.at
                assert self.now < START + LONGEST, "it never ends"
                assert self.count < MOST_EVENTS, "it goes round in circles"
                planned.run()
            self.check_end()
        except AssertionError as error:
            told = "\n".join(f"{at - START} {entry}" for at, entry in self.history)
            raise AssertionError(f"{error}\n{told}\n{self.saga}\n{vars(self.payments)}") from error


def fate_of_pages(world: World) -> str:
    """What came of the pages of a confirmed booking that its customer had left."""
    if world.saga.state is not State.CONFIRMED or world.free:
        return ""
    last = world.payments.known.attempts[-1]
    if last.number < world.saga.attempt:
        return "approved before, and kept"
    left = [each for each in world.payments.known.attempts if each.reason == money.SUPERSEDED]
    if any(each.captured for each in left):
        return "approved afterwards, and paid back"
    return "never approved" if left else ""


@cache
def lived(seed: int) -> tuple[State, frozenset[State], str]:
    """How a seed's booking ended, which states it passed, and the fate of pages it left."""
    world = World(seed)
    try:
        world.run()
    except AssertionError as error:
        raise AssertionError(f"seed {seed}: {error}") from error
    passed = frozenset(entry.state for _, entry in world.history)
    return world.saga.state, passed, fate_of_pages(world)


@pytest.mark.parametrize("block", range(10))
def test_every_schedule_ends_with_a_ticket_or_with_the_money_back(block: int) -> None:
    for seed in range(block * SEEDS // 10, (block + 1) * SEEDS // 10):
        lived(seed)


def test_the_schedules_reach_every_ending_and_every_state() -> None:
    endings, states, pages = zip(*(lived(seed) for seed in range(SEEDS)), strict=True)
    assert set(endings) == ENDINGS
    assert frozenset().union(*states) == set(State)
    assert set(pages) >= {
        "never approved",
        "approved before, and kept",
        "approved afterwards, and paid back",
    }


def test_the_same_seed_gives_the_same_run() -> None:
    first, second = World(7), World(7)
    first.run()
    second.run()
    assert first.history == second.history
