"""The saga against an unkind network: one seed is one schedule, and every schedule ends well.

Virtual time. Any message may be lost any number of times, as long as the network is fair in the
end, and delivered again arbitrarily late: nothing here remembers message ids, as an inbox does, so
what holds here holds for messages that no inbox fences. Two are never lost, because nobody asks for
them again: PAID_LATE and PAID_BACK, for which the outbox has to keep its word. The rules of
booking, inventory and payment are the ones that production runs; what they stand on (rows, calls,
the provider, people) is played here, and so are the person's limit and the coupon's, with rivals
who take what comes free.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from random import Random
from uuid import UUID, uuid5

import pytest

from booking_service.saga import (
    ENDINGS,
    FINAL,
    TABLE,
    Deadline,
    Entry,
    Facts,
    Happening,
    Row,
    Rule,
    Saga,
    State,
    Step,
    begin,
    came_to_nothing,
    knowing,
    machine,
    step,
    would_revive,
)
from booking_service.saga.messages import (
    ChargePayment,
    Command,
    GiveBackPayment,
    RefundPayment,
)
from inventory_service import domain as seats
from inventory_service.domain import SEATS_OF, HoldState, HoldStatus, SeatsOrder
from payment_service import domain as money
from payment_service.domain import Absent, Charge, ChargeState, Kind, Payment, Refund, Refused

SEEDS = 10_000
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
    """One hold, as `inventory_service` treats its row, and what its holder may have in all."""

    def __init__(self, random: Random, tell: Tell) -> None:
        self.random, self.tell = random, tell
        self.event_open = True
        self.sells = True  # its sales ended no longer ago than a payment may take
        self.limit = random.choice([1, 1, 10])
        self.elsewhere = 0  # what else the holder has of the event
        self.hold = HoldState(EVENT, HOLD, CUSTOMER, HoldStatus.ACTIVE, False, 1, 1, 0, None, 0)

    @property
    def counted(self) -> int:
        return self.elsewhere + (SEATS_OF[self.hold.status] != "AVAILABLE")

    def reserve(self) -> None:
        """ReserveHolds, the row's part."""
        reserved = replace(self.hold, booking_id=BOOKING, saga_step=1)
        self.hold = replace(reserved, status=HoldStatus.RESERVED)

    def hear_of(self, *, exists: bool) -> None:
        """Booking's answer about the reservation: it is fenced by the booking and the status."""
        if not exists and self.hold.status is HoldStatus.RESERVED:
            self.hold = replace(self.hold, status=HoldStatus.ACTIVE, booking_id=None, saga_step=0)

    def holds_another(self) -> None:
        """The holder takes what else they may have; inventory lets them up to the limit."""
        self.elsewhere = max(self.elsewhere, self.limit - self.counted + self.elsewhere)

    def take(self, command: type[Command], saga_step: int) -> None:
        verb = seats.Command(command.name.removeprefix("inventory.").upper())
        order = SeatsOrder(verb, BOOKING, EVENT, HOLD, saga_step, hold_version=1)
        planned = seats.step(
            order, self.hold, event_open=self.event_open, still_sells=self.event_open and self.sells
        )
        if planned is None:
            return
        assert planned.outcome is not None, f"{verb} finds the hold {self.hold.status}"
        was = self.hold.status
        self.hold = replace(self.hold, booking_id=BOOKING, saga_step=saga_step)
        outcome, reason = planned.outcome, planned.reason
        takes_back = verb is seats.Command.RECLAIM and SEATS_OF[was] == "AVAILABLE"
        if takes_back and planned.to and self.random.random() < 0.3:
            # Somebody else has them just now; a moment later they may be free.
            outcome, reason = seats.Outcome.RECLAIM_REFUSED, "SEATS_UNAVAILABLE"
        elif takes_back and planned.to and not self.has_room():
            outcome, reason = seats.Outcome.RECLAIM_REFUSED, "CUSTOMER_LIMIT"
        elif planned.to:
            self.hold = replace(self.hold, status=planned.to)
        self.tell(Happening(outcome.value), Facts(step=saga_step, reason=reason))

    def has_room(self) -> bool:
        """The condition of the statement that counts what is taken back."""
        return self.elsewhere + 1 <= self.limit


class Coupon:
    """A coupon for one use, as `booking_service.storage.coupons` counts it."""

    def __init__(self, random: Random) -> None:
        self.used = random.random() < 0.5
        self.is_ours = self.used
        self.mine = self.used  # the booking was made with it

    def take_again(self) -> bool:
        if self.is_ours or not self.mine:
            return True
        if self.used:
            return False
        self.used = self.is_ours = True
        return True

    def give_back(self) -> None:
        if self.is_ours:
            self.used = self.is_ours = False

    def rival(self) -> None:
        """Somebody else takes the use that came free."""
        self.used = True


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
            case Kind.CHARGE, None:
                later = self.random.random() < 0.2
                waits = ChargeState.REQUIRES_ACTION if self.wallet else ChargeState.PENDING
                self.state = waits if self.wallet or later else self.verdict()
            case Kind.CHARGE, ChargeState.AUTHORIZED:
                # A capture that is refused lets go of what was set aside.
                refused = self.random.random() < 0.1
                self.state = ChargeState.VOIDED if refused else ChargeState.CAPTURED
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
        # An adapter that authorizes first may lose the answer to its capture.
        captured = self.wallet or self.random.random() < 0.8
        return ChargeState.CAPTURED if captured else ChargeState.AUTHORIZED


class Payments:
    """One payment, as `payment_service.handlers` and its worker treat its rows."""

    def __init__(self, random: Random, plan: Plan, tell: Tell, blurs: Callable[[], bool]) -> None:
        self.random, self.plan, self.tell, self.blurs = random, plan, tell, blurs
        self.declines = random.choice([0.1, 0.5])
        self.always_wallet = False
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

    def take(self, saga: Saga, command: type[Command]) -> None:
        attempt, percent = saga.attempt, saga.percent
        if self.payment is None and command is ChargePayment:
            people = CUSTOMER, ORGANIZER
            self.payment = Payment(PAYMENT, BOOKING, "PT-AAAAAAAA", *people, AMOUNT, "NPR")
        if self.payment is None and command is GiveBackPayment:
            self.payment = Payment(PAYMENT, BOOKING, void=True, status=money.Status.VOIDED)
        payment = money.commanded(self.known, saga.step)
        if payment is None:
            return
        if command is ChargePayment:
            wallet = self.random.random() < 0.4 or self.always_wallet
            charge = ProviderCharge(self.random, wallet, self.declines)
            self.charges.setdefault(attempt, charge)
            method = "KHALTI" if self.charges[attempt].wallet else "CARD"
            self.apply(money.charge(payment, attempt, method, None))
        elif command is GiveBackPayment:
            unsent = [
                each.number
                for each in payment.attempts
                if each.charge is ChargeState.UNKNOWN
                and not self.asked[each.number]
                and each.number not in self.in_flight
            ]
            self.apply(money.give_back(payment, unsent))
        elif command is RefundPayment:
            id = uuid5(REFUND, str(saga.refunds))
            known = self.refunds.get(id)
            promised = self.promised
            self.apply(money.refund(payment, id, percent, "", known))
            if known is None:
                share = ((AMOUNT - promised) * percent + 50) // 100
                assert self.promised == promised + share, "not the share of what was left"

    @property
    def promised(self) -> int:
        """What was asked to go back of what the booking is paid by, done or not."""
        last = self.known.last
        return sum(
            each.amount
            for each in self.refunds.values()
            if last is not None and each.attempt == last.number
        )

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
            facts = Facts(
                reply.saga_step,
                reply.reason,
                reply.action_url,
                captured=reply.captured,
                refunded=reply.refunded,
            )
            self.tell(Happening(reply.outcome.value), facts)
        if told := result.paid_back:
            facts = Facts(captured=told.captured, refunded=told.refunded)
            self.tell(Happening.PAID_BACK, facts)
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
        self.asked[number] += kind is Kind.CHARGE
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
        # Somebody who dawdles at the wallet's page, and approves it when the time has run out.
        self.dawdles = self.random.random() < 0.2
        self.inventory = Inventory(self.random, self.answer)
        self.coupon = Coupon(self.random)
        self.payments = Payments(
            self.random, self.later, self.answer, lambda: self.strikes(self.blurs)
        )
        self.payments.always_wallet = self.dawdles
        self.plan: list[Planned] = []
        self.count = 0
        self.event_off = False
        self.event_over = False
        self.gave_up = False  # its buyer or the organizer did
        self.valid_tickets = False
        self.disowned = False
        self.history: list[tuple[datetime, Entry]] = []
        self.saga: Saga | None = None
        self.secure()

    def secure(self) -> None:
        """Reserves the hold; the booking's commit follows, or comes late, or never."""
        self.inventory.reserve()
        self.plan_asking()
        late = self.random.choice([0, 0, 0, 0, 0, 60, 200, None])
        if late is not None:
            self.later(timedelta(seconds=self.random.uniform(0, late)), self.commit)

    def commit(self) -> None:
        """The booking's transaction: the claim on its id fails where it was disowned."""
        if self.disowned:
            return
        first = begin(0 if self.free else AMOUNT, self.now)
        self.saga = first.saga
        self.history.append((self.now, first.entry))
        asked = first.saga.step
        self.follow(step(first.saga, Happening.RESERVED, self.now, Facts(step=asked)))
        self.plan_people()

    def plan_asking(self) -> None:
        """Inventory asks for the booking until it is told, or something else is asked of it."""

        def ask() -> None:
            hold = self.inventory.hold
            if hold.status is HoldStatus.RESERVED and not self.told_of and hold.saga_step == 1:
                self.deliver(self.is_asked)
                self.later(seats.ASK_AFTER, ask)

        self.told_of = False
        self.later(seats.ASK_AFTER, ask)

    def is_asked(self) -> None:
        if self.saga is None:
            self.disowned = True
        exists = not self.disowned

        def answered() -> None:
            self.told_of = self.told_of or exists
            self.inventory.hear_of(exists=exists)

        self.deliver(answered)

    def minutes(self, most: float) -> timedelta:
        return timedelta(minutes=self.random.uniform(0, most))

    def plan_dawdler(self) -> None:
        """Approves the page about when the time runs out; others are after what comes free."""
        ends = timedelta(minutes=10)
        soon = self.random.choice([0.05, 1])
        self.later(ends + self.minutes(soon), self.payments.customer_decides)
        if self.random.random() < 0.2:
            give_up = partial(self.happens, Happening.GIVE_UP, Facts())
            self.later(ends + self.minutes(0.05), give_up)
        if self.random.random() < 0.3:
            self.later(ends + self.minutes(soon), self.inventory.holds_another)

    def plan_people(self) -> None:
        minutes = self.minutes
        if self.dawdles:
            self.plan_dawdler()
            return
        if self.random.random() < 0.3:
            self.later(minutes(12), lambda: self.happens(Happening.GIVE_UP, Facts()))
        for _ in range(self.random.choice([0, 0, 1, 5])):
            percent = self.random.choice([0, 50, 100]) if not self.free else 0
            cancellation = Facts(percent=percent)
            when = minutes(25)
            self.later(when, partial(self.happens, Happening.CANCEL, cancellation))
            if self.random.random() < 0.1:
                self.later(when + minutes(0.2), self.calls_event_off)
        for _ in range(self.random.choice([0, 0, 0, 1, 3])):
            part = self.random.choice([AMOUNT // 4, None])
            self.later(minutes(25), partial(self.payments.refund_apart, part))
        if self.random.random() < 0.2:
            self.later(minutes(self.random.choice([0.05, 25])), self.calls_event_off)
        if self.random.random() < 0.1:
            self.later(minutes(25), partial(setattr, self, "event_over", True))
        if self.random.random() < 0.1:
            self.later(minutes(25), partial(setattr, self.inventory, "sells", False))
        for _ in range(self.random.randint(0, 3)):
            self.later(minutes(self.random.choice([5, 25])), self.payments.customer_decides)
        for _ in range(self.random.choice([0, 0, 1, 3])):
            self.later(minutes(25), self.inventory.holds_another)
            self.later(minutes(25), self.coupon.rival)

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
        assert self.saga is not None, "nothing happens to a booking that is not there"
        saga = knowing(self.saga, event_off=self.event_off)
        if would_revive(saga, happening, facts):
            facts = replace(facts, hindrance=self.hindrance())
        result = step(saga, happening, self.now, facts, self.random.uniform(0.8, 1.2))
        if happening is Happening.GIVE_UP and not (result.refusal or result.ignored):
            self.gave_up = True
        self.follow(result)

    def hindrance(self) -> str:
        """As `booking_service.handlers.sagas` finds it, in the transaction."""
        if self.event_over:
            return "SALES_CLOSED"
        return "" if self.coupon.take_again() else "COUPON_USED_UP"

    def follow(self, result: Step) -> None:
        self.saga = result.saga
        if result.refusal:
            return
        self.history.append((self.now, result.entry))
        if result.leaves(State.CONFIRMED):
            self.valid_tickets = False
        if result.enters(State.CONFIRMED):
            self.valid_tickets = True
        if came_to_nothing(result.saga):
            self.coupon.give_back()
            if self.random.random() < 0.5:
                self.later(timedelta(seconds=self.random.uniform(0, 5)), self.coupon.rival)
        if result.enters(State.AWAITING_PAYMENT) and self.random.random() < 0.7:
            soon = timedelta(seconds=self.random.uniform(0, self.random.choice([5, 300])))
            self.later(soon, lambda: self.happens(Happening.NEW_ATTEMPT, Facts()))
        page = result.saga.action_url
        if page and result.before and not result.before.action_url and self.random.random() < 0.5:
            self.changes_their_mind()
        if result.asks is not None:
            self.send(result.asks, result.saga)
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
        if self.saga is not None and self.saga.deadline_at == due:
            self.happens(Happening.DEADLINE, Facts())

    def send(self, command: type[Command], saga: Saga) -> None:
        def arrive() -> None:
            if command.name.startswith("inventory."):
                self.inventory.take(command, saga.step)
            else:
                self.payments.take(saga, command)
            if command is GiveBackPayment and self.random.random() < self.pays_late:
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
        saga, payments, inventory = self.saga, self.payments, self.inventory
        assert saga is not None
        waits = TABLE[saga.state].waits
        if waits is not Deadline.UNTIL_ANSWERED:
            assert (saga.deadline_at is None) == (waits is Deadline.NONE)
        assert payments.given_back <= payments.captured, "more given back than taken"
        assert saga.attempt <= 3
        assert self.valid_tickets == (saga.state is State.CONFIRMED)
        assert inventory.counted <= inventory.limit, "more places than the limit of a person"
        captured, refunded = payments.payment.paid if payments.payment else (0, 0)
        assert saga.captured <= captured, "booking says that more was taken than payment"
        assert saga.refunded <= refunded, "booking says that more went back than payment"
        if self.valid_tickets:
            assert not self.gave_up, "what was given up is confirmed"
            assert self.coupon.is_ours or not self.coupon.mine, "a coupon used more than it may be"
            reserved = inventory.hold.status in {HoldStatus.RESERVED, HoldStatus.SOLD}
            assert reserved, "a ticket for a seat that is somebody else's"
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
        saga, payments, hold = self.saga, self.payments, self.inventory.hold
        if saga is None:
            assert hold.status is HoldStatus.ACTIVE, "a reservation without a booking stays"
            assert payments.payment is None
            return
        assert saga.state in ENDINGS
        assert saga.deadline_at is None, "a Sell that is not answered"
        kept = payments.captured - payments.given_back
        if payments.payment is not None:
            totals = money.totals(payments.known.attempts)
            assert totals == (payments.captured, payments.given_back), "the books are wrong"
        if saga.state is State.CONFIRMED:
            assert hold.status is HoldStatus.SOLD, "a ticket for a seat that is not sold"
            assert kept == saga.amount - saga.refunded, "more or less than the price was kept"
            assert kept or self.free, "a ticket whose money went back"
            assert not self.event_off, "an event was called off and its booking kept"
        else:
            assert SEATS_OF[hold.status] == "AVAILABLE", "seats nobody has stay taken"
            due = saga.amount - saga.refunded if saga.state is State.CANCELLED else 0
            assert kept == due, "money kept without a ticket"
            if saga.state in FINAL and came_to_nothing(saga):
                assert not self.coupon.is_ours, "a coupon used for nothing"
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
    if world.saga is None or world.saga.state is not State.CONFIRMED or world.free:
        return ""
    last = world.payments.known.attempts[-1]
    if last.number < world.saga.attempt:
        return "approved before, and kept"
    left = [each for each in world.payments.known.attempts if each.reason == money.SUPERSEDED]
    if any(each.captured for each in left):
        return "approved afterwards, and paid back"
    return "never approved" if left else ""


def ending_of(world: World) -> State | None:
    """How it ended; None: the booking was never made."""
    return world.saga.state if world.saga is not None else None


def live(seed: int) -> World:
    """A whole life.

    Raises:
        AssertionError: something that must hold did not.
    """
    world = World(seed)
    try:
        world.run()
    except AssertionError as error:
        raise AssertionError(f"seed {seed}: {error}") from error
    return world


@cache
def lived(seed: int) -> tuple[State | None, frozenset[State], str, str]:
    """How a seed ended, which states it passed, the fate of pages it left, and its reason."""
    world = live(seed)
    passed = frozenset(entry.state for _, entry in world.history)
    reason = world.saga.reason if world.saga is not None else ""
    return ending_of(world), passed, fate_of_pages(world), reason


@pytest.mark.parametrize("block", range(10))
def test_every_schedule_ends_with_a_ticket_or_with_the_money_back(block: int) -> None:
    for seed in range(block * SEEDS // 10, (block + 1) * SEEDS // 10):
        lived(seed)


def test_the_schedules_reach_every_ending_every_state_and_every_way_back() -> None:
    endings, states, pages, reasons = zip(*(lived(seed) for seed in range(SEEDS)), strict=True)
    assert set(endings) == ENDINGS | {None}
    assert frozenset().union(*states) == set(State)
    assert set(pages) >= {
        "never approved",
        "approved before, and kept",
        "approved afterwards, and paid back",
    }
    assert set(reasons) >= {
        "GIVEN_UP",
        "PAYMENT_TIMED_OUT",
        "EVENT_CANCELLED",
        "REFUNDED",
        "PAID_LATE_GIVEN_BACK",
        "PAID_LATE_SEATS_GONE",
        "PAID_LATE_CUSTOMER_LIMIT",
        "PAID_LATE_SALES_CLOSED",
        "PAID_LATE_COUPON_USED_UP",
    }


def test_the_same_seed_gives_the_same_run() -> None:
    assert live(7).history == live(7).history


# --- what each rule is there for: without it some schedule ends badly ----------------------------


def goes_wrong(*expected: str) -> bool:
    """Whether, as things are now, some schedule ends with one of these said."""
    for seed in range(SEEDS):
        try:
            live(seed)
        except AssertionError as error:
            if any(each in str(error).partition("\n")[0] for each in expected):
                return True
    return False


def with_rule(state: State, happening: Happening, rule: Rule) -> Mapping[State, Row]:
    """The table with one entry changed."""
    row = machine.TABLE[state]
    return {**machine.TABLE, state: replace(row, on={**row.on, happening: [rule]})}


def test_without_the_rule_a_late_payment_revives_what_was_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    revives = Rule(State.RECLAIMING)
    table = with_rule(State.FAILED, Happening.PAID_LATE, revives)
    monkeypatch.setattr(machine, "TABLE", table)
    assert goes_wrong("what was given up is confirmed")


def test_without_the_rule_giving_up_on_the_way_back_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for state in (State.GIVING_BACK, State.RELEASING):
        table = with_rule(state, Happening.GIVE_UP, Rule())
        monkeypatch.setattr(machine, "TABLE", table)
    assert goes_wrong("what was given up is confirmed")


def test_without_the_condition_a_late_payment_beats_the_persons_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Inventory, "has_room", lambda _self: True)
    assert goes_wrong("more places than the limit of a person")


def test_without_the_condition_a_late_payment_beats_the_coupons_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Coupon, "take_again", lambda _self: True)
    assert goes_wrong("a coupon used more than it may be")


def test_totals_that_are_added_up_are_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    informed = machine._informed

    def added(saga: Saga, happening: Happening, facts: Facts) -> Saga:
        known = informed(saga, happening, facts)
        return replace(known, refunded=saga.refunded + facts.refunded)

    monkeypatch.setattr(machine, "_informed", added)
    assert goes_wrong("booking says that more went back than payment")


def test_a_share_of_what_is_finished_is_the_wrong_share(monkeypatch: pytest.MonkeyPatch) -> None:
    refund = money.refund

    def of_finished(payment: Payment, *arguments: object, **others: object) -> money.Step:
        last = payment.last
        assert last is not None
        finished = payment.with_attempt(replace(last, refunding=last.refunded))
        return refund(finished, *arguments, **others)  # type: ignore[arg-type]

    monkeypatch.setattr(money, "refund", of_finished)
    assert goes_wrong("not the share of what was left")


def test_a_give_back_that_is_sent_again_takes_nothing_from_a_payment_that_stands_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    observed = money.observe

    def with_its_old_step(payment: Payment, number: int, charge: Charge) -> money.Step:
        planned = observed(payment, number, charge)
        same = replace(planned.payment, saga_step=payment.saga_step)
        return replace(planned, payment=same)

    monkeypatch.setattr(money, "observe", with_its_old_step)
    assert goes_wrong("a ticket whose money goes back")


def test_a_reservation_that_a_timer_ends_loses_a_seat_that_is_paid(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def times_out(inventory: Inventory, **_answer: bool) -> None:
        if inventory.hold.status is HoldStatus.RESERVED:
            inventory.hold = replace(inventory.hold, status=HoldStatus.EXPIRED)

    monkeypatch.setattr(Inventory, "hear_of", times_out)
    assert goes_wrong("finds the hold", "a seat that is somebody else's")
