"""The whole saga: how a booking goes from a hold to tickets, or back without keeping anything.

`TABLE` says for each state and happening where it leads; `COMMANDS` what each state asks of the
others on the way in; `DEADLINES` how long it waits for the answer. `step` applies them. Everything
here is pure: state, time and chance are arguments, and the simulation and production run this.

Three rules keep it safe. A deadline means *unknown*, never *failed*: whatever may be in flight is
compensated too. A compensation has no failure edge: it is sent again until it is answered. And
steps are numbered: who is asked ignores a step older than the newest it has seen, and an answer
counts only for the step the saga waits in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum


class State(StrEnum):
    """Where a booking stands."""

    SECURING = "SECURING"
    AUTHORIZING = "AUTHORIZING"
    AWAITING_PAYMENT = "AWAITING_PAYMENT"
    SELLING = "SELLING"
    CAPTURING = "CAPTURING"
    CONFIRMED = "CONFIRMED"
    UNSELLING = "UNSELLING"
    VOIDING = "VOIDING"
    RELEASING = "RELEASING"
    RECLAIMING = "RECLAIMING"
    REFUNDING = "REFUNDING"
    RESTOCKING = "RESTOCKING"
    FAILED = "FAILED"
    EXPIRED = "EXPIRED"
    CANCELLED = "CANCELLED"


class Happening(StrEnum):
    """What can happen to it."""

    # Inventory answers.
    RESERVED = "RESERVED"
    RESERVE_REFUSED = "RESERVE_REFUSED"
    SOLD = "SOLD"
    SELL_REFUSED = "SELL_REFUSED"
    UNSOLD = "UNSOLD"
    RELEASED = "RELEASED"
    RESTOCKED = "RESTOCKED"
    RECLAIMED = "RECLAIMED"
    RECLAIM_REFUSED = "RECLAIM_REFUSED"
    # Payment answers.
    AUTHORIZED = "AUTHORIZED"
    AUTHORIZATION_REFUSED = "AUTHORIZATION_REFUSED"
    ACTION_REQUIRED = "ACTION_REQUIRED"
    CAPTURED = "CAPTURED"
    CAPTURE_REFUSED = "CAPTURE_REFUSED"
    VOIDED = "VOIDED"
    REFUNDED = "REFUNDED"
    PAID_LATE = "PAID_LATE"
    PAID_BACK = "PAID_BACK"  # by the organizer or an admin, without the saga's asking
    # The clock, people, and the event.
    DEADLINE = "DEADLINE"
    NEW_ATTEMPT = "NEW_ATTEMPT"
    GIVE_UP = "GIVE_UP"
    CANCEL = "CANCEL"
    EVENT_CANCELLED = "EVENT_CANCELLED"


class Command(StrEnum):
    """What the saga asks of inventory and payment."""

    RESERVE = "inventory.Reserve"
    AUTHORIZE = "payment.Authorize"
    SELL = "inventory.Sell"
    CAPTURE = "payment.Capture"
    UNSELL = "inventory.Unsell"
    VOID = "payment.Void"
    RELEASE = "inventory.Release"
    RECLAIM = "inventory.Reclaim"
    REFUND = "payment.Refund"
    RESTOCK = "inventory.Restock"


class Guard(StrEnum):
    """What a rule may depend on."""

    ALWAYS = ""
    NOTHING_TO_PAY = "nothing to pay"
    TRIES_LEFT = "tries left"
    PAGE_OPEN = "a page is open, tries left"
    EVENT_OFF = "event cancelled"
    FREE_AND_EVENT_OFF = "nothing to pay, event cancelled"
    NOTHING_BACK = "nothing goes back"
    ALL_BACK = "all of it went back"
    MORE_BACK = "event cancelled meanwhile, not all went back"
    PAID_LATE = "paid late meanwhile"
    TIME_RAN_OUT = "time ran out"


class Deadline(StrEnum):
    """How long a state waits."""

    NONE = "none"
    ANSWER = "30 s for an answer"
    PAYMENT = "the payment deadline"
    RESEND = "sends again, later each time"


@dataclass(frozen=True, slots=True)
class Rule:
    """One edge: to a state, or nowhere; taken where `when` holds."""

    to: State | None = None
    when: Guard = Guard.ALWAYS
    send_again: bool = False  # stays, and sends the state's command again
    refuse: str = ""  # a wish that is refused, by its reason


ANSWER_WITHIN = timedelta(seconds=30)
PAY_WITHIN = timedelta(minutes=10)
MAX_ATTEMPTS = 3
RESEND_AFTER = timedelta(seconds=2)  # doubling
RESEND_AT_MOST_AFTER = timedelta(seconds=60)
ALERT_AFTER_RESENDS = 8

COMMANDS: Mapping[State, Command] = {
    State.SECURING: Command.RESERVE,
    State.AUTHORIZING: Command.AUTHORIZE,
    State.SELLING: Command.SELL,
    State.CAPTURING: Command.CAPTURE,
    State.UNSELLING: Command.UNSELL,
    State.VOIDING: Command.VOID,
    State.RELEASING: Command.RELEASE,
    State.RECLAIMING: Command.RECLAIM,
    State.REFUNDING: Command.REFUND,
    State.RESTOCKING: Command.RESTOCK,
}

DEADLINES: Mapping[State, Deadline] = {
    State.SECURING: Deadline.ANSWER,
    State.AUTHORIZING: Deadline.PAYMENT,
    State.AWAITING_PAYMENT: Deadline.PAYMENT,
    State.SELLING: Deadline.RESEND,
    State.CAPTURING: Deadline.RESEND,
    State.UNSELLING: Deadline.RESEND,
    State.VOIDING: Deadline.RESEND,
    State.RELEASING: Deadline.RESEND,
    State.RECLAIMING: Deadline.RESEND,
    State.REFUNDING: Deadline.RESEND,
    State.RESTOCKING: Deadline.RESEND,
    State.CONFIRMED: Deadline.NONE,
    State.FAILED: Deadline.NONE,
    State.EXPIRED: Deadline.NONE,
    State.CANCELLED: Deadline.NONE,
}

# What the buyer is told of; each of these is announced when it is reached.
ENDINGS = frozenset({State.CONFIRMED, State.FAILED, State.EXPIRED, State.CANCELLED})
# Nothing but a late payment leads out of these.
FINAL = frozenset({State.FAILED, State.EXPIRED, State.CANCELLED})
# On the way back: how it will end was chosen when this began.
_BACK = frozenset({State.UNSELLING, State.VOIDING, State.RELEASING})
_CANCELLING = frozenset({State.REFUNDING, State.RESTOCKING})

_STAY = Rule()
_SEND_AGAIN = Rule(send_again=True)
_BUSY = Rule(refuse="BOOKING_BUSY")
_IN_PROGRESS = Rule(refuse="PAYMENT_IN_PROGRESS")


def _to(state: State, when: Guard = Guard.ALWAYS) -> Rule:
    return Rule(state, when)


# Of several rules the first whose guard holds is taken. What is not listed is ignored.
TABLE: Mapping[State, Mapping[Happening, Sequence[Rule]]] = {
    State.SECURING: {
        Happening.RESERVED: [
            _to(State.SELLING, Guard.NOTHING_TO_PAY),
            _to(State.AUTHORIZING),
        ],
        Happening.RESERVE_REFUSED: [_to(State.FAILED)],
        Happening.DEADLINE: [_to(State.RELEASING)],
        Happening.GIVE_UP: [_to(State.RELEASING)],
        Happening.EVENT_CANCELLED: [_to(State.RELEASING)],
        Happening.NEW_ATTEMPT: [_IN_PROGRESS],
    },
    State.AUTHORIZING: {
        Happening.AUTHORIZED: [_to(State.SELLING)],
        Happening.ACTION_REQUIRED: [_STAY],
        Happening.AUTHORIZATION_REFUSED: [
            _to(State.AWAITING_PAYMENT, Guard.TRIES_LEFT),
            _to(State.RELEASING),
        ],
        Happening.PAID_BACK: [_STAY],
        Happening.DEADLINE: [_to(State.VOIDING)],
        Happening.GIVE_UP: [_to(State.VOIDING)],
        Happening.EVENT_CANCELLED: [_to(State.VOIDING)],
        # Who left the page for another card or wallet. Approved already, the page is the payment;
        # approved after that, what it took goes back.
        Happening.NEW_ATTEMPT: [_to(State.AUTHORIZING, Guard.PAGE_OPEN), _IN_PROGRESS],
    },
    State.AWAITING_PAYMENT: {
        Happening.NEW_ATTEMPT: [_to(State.AUTHORIZING)],
        Happening.DEADLINE: [_to(State.RELEASING)],
        Happening.GIVE_UP: [_to(State.RELEASING)],
        Happening.EVENT_CANCELLED: [_to(State.RELEASING)],
    },
    State.SELLING: {
        Happening.SOLD: [
            _to(State.RESTOCKING, Guard.FREE_AND_EVENT_OFF),
            _to(State.CONFIRMED, Guard.NOTHING_TO_PAY),
            _to(State.CAPTURING),
        ],
        Happening.SELL_REFUSED: [
            _to(State.RELEASING, Guard.NOTHING_TO_PAY),
            _to(State.VOIDING),
        ],
        Happening.PAID_BACK: [_STAY],
        Happening.DEADLINE: [_SEND_AGAIN],
        Happening.GIVE_UP: [_BUSY],
        Happening.EVENT_CANCELLED: [_STAY],
    },
    State.CAPTURING: {
        Happening.CAPTURED: [
            # Told of before this answer: no order is promised.
            _to(State.RESTOCKING, Guard.ALL_BACK),
            _to(State.REFUNDING, Guard.EVENT_OFF),
            _to(State.CONFIRMED),
        ],
        Happening.CAPTURE_REFUSED: [_to(State.UNSELLING)],
        Happening.PAID_BACK: [_STAY],
        Happening.DEADLINE: [_SEND_AGAIN],
        Happening.GIVE_UP: [_BUSY],
        Happening.EVENT_CANCELLED: [_STAY],
    },
    State.CONFIRMED: {
        Happening.CANCEL: [
            _to(State.RESTOCKING, Guard.NOTHING_BACK),
            _to(State.REFUNDING),
        ],
        Happening.EVENT_CANCELLED: [
            _to(State.RESTOCKING, Guard.NOTHING_TO_PAY),
            _to(State.REFUNDING),
        ],
        Happening.PAID_BACK: [
            _to(State.RESTOCKING, Guard.ALL_BACK),
            _STAY,
        ],
    },
    State.UNSELLING: {
        Happening.UNSOLD: [_to(State.VOIDING)],
        Happening.PAID_BACK: [_STAY],
        Happening.DEADLINE: [_SEND_AGAIN],
        Happening.GIVE_UP: [_STAY],
        Happening.EVENT_CANCELLED: [_STAY],
    },
    State.VOIDING: {
        Happening.VOIDED: [_to(State.RELEASING)],
        # The Void that was sent may have been answered already, before this payment: a new one,
        # which that answer does not answer.
        Happening.PAID_LATE: [_to(State.VOIDING)],
        Happening.PAID_BACK: [_STAY],
        Happening.DEADLINE: [_SEND_AGAIN],
        Happening.GIVE_UP: [_STAY],
        Happening.EVENT_CANCELLED: [_STAY],
    },
    State.RELEASING: {
        Happening.RELEASED: [
            _to(State.RECLAIMING, Guard.PAID_LATE),
            _to(State.EXPIRED, Guard.TIME_RAN_OUT),
            _to(State.FAILED),
        ],
        Happening.PAID_LATE: [
            _to(State.VOIDING, Guard.EVENT_OFF),
            _STAY,
        ],
        Happening.PAID_BACK: [_STAY],
        Happening.DEADLINE: [_SEND_AGAIN],
        Happening.GIVE_UP: [_STAY],
        Happening.EVENT_CANCELLED: [_STAY],
    },
    State.RECLAIMING: {
        Happening.RECLAIMED: [_to(State.CAPTURING)],
        Happening.RECLAIM_REFUSED: [_to(State.VOIDING)],
        Happening.PAID_BACK: [_STAY],
        Happening.DEADLINE: [_SEND_AGAIN],
        Happening.GIVE_UP: [_BUSY],
        Happening.EVENT_CANCELLED: [_STAY],
    },
    State.REFUNDING: {
        Happening.REFUNDED: [
            # The policy's share was under way when the event was called off: now the rest.
            _to(State.REFUNDING, Guard.MORE_BACK),
            _to(State.RESTOCKING),
        ],
        Happening.PAID_BACK: [_STAY],
        Happening.DEADLINE: [_SEND_AGAIN],
        Happening.CANCEL: [_STAY],
        Happening.EVENT_CANCELLED: [_STAY],
    },
    State.RESTOCKING: {
        Happening.RESTOCKED: [_to(State.CANCELLED)],
        Happening.PAID_BACK: [_STAY],
        Happening.DEADLINE: [_SEND_AGAIN],
        Happening.CANCEL: [_STAY],
        Happening.EVENT_CANCELLED: [_STAY],
    },
    State.FAILED: {
        Happening.PAID_LATE: [
            _to(State.VOIDING, Guard.EVENT_OFF),
            _to(State.RECLAIMING),
        ],
        Happening.PAID_BACK: [_STAY],
    },
    State.EXPIRED: {
        Happening.PAID_LATE: [
            _to(State.VOIDING, Guard.EVENT_OFF),
            _to(State.RECLAIMING),
        ],
        Happening.PAID_BACK: [_STAY],
    },
    State.CANCELLED: {Happening.PAID_BACK: [_STAY]},
}


@dataclass(frozen=True, slots=True)
class Saga:
    """How far one booking is."""

    state: State
    amount: int  # to pay, minor units; 0: nothing
    pay_by: datetime
    deadline_at: datetime | None
    version: int = 1  # counts what has happened to it
    step: int = 1  # counts what it has asked for; the same thing sent again keeps its number
    attempt: int = 1  # of at most MAX_ATTEMPTS
    resends: int = 0  # of the present state's command
    ending: State | None = None  # EXPIRED or FAILED, once it is on its way back
    reason: str = ""  # why it is on its way back, or cancelled
    event_off: bool = False
    paid_late: bool = False  # while the seats were being released
    refund: int = 0  # minor units that the last refund it asked for gives back
    action_url: str = ""
    payment_status: str = ""  # as payment tells it
    refused_because: str = ""  # why the last attempt was
    refunds: int = 0  # how many it asked for
    refunded: int = 0  # minor units that went back in all, whoever asked


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known about a happening besides its name."""

    step: int = 0  # of an answer: the step it answers
    reason: str = ""
    action_url: str = ""
    refund: int = 0  # of a CANCEL, minor units
    kept: int | None = None  # of a PAID_BACK: what is left of the payment, minor units
    detail: str = ""  # for the timeline


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the timeline."""

    state: State
    step: str
    outcome: str  # DONE, REFUSED, RESENT, IGNORED
    attempt: int
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """What a happening changes; where `refusal` is set, nothing."""

    before: Saga | None
    saga: Saga
    commands: tuple[Command, ...]
    entry: Entry
    refusal: str = ""
    alert: str = ""  # a condition that wants an operator

    def enters(self, *states: State) -> bool:
        """Whether this step led into one of the states."""
        moved = self.before is None or self.before.state is not self.saga.state
        return moved and self.saga.state in states

    def leaves(self, state: State) -> bool:
        """Whether this step led out of the state."""
        return self.before is not None and self.before.state is state is not self.saga.state

    @property
    def ended(self) -> bool:
        """Whether there is an ending to be announced."""
        return self.enters(*ENDINGS)

    @property
    def ignored(self) -> bool:
        """Whether the happening means nothing in this state."""
        return self.entry.outcome == "IGNORED"


_GUARDS: Mapping[Guard, Callable[[Saga, Facts], bool]] = {
    Guard.ALWAYS: lambda _saga, _facts: True,
    Guard.NOTHING_TO_PAY: lambda saga, _facts: saga.amount == 0,
    Guard.TRIES_LEFT: lambda saga, _facts: saga.attempt < MAX_ATTEMPTS,
    Guard.PAGE_OPEN: lambda saga, _facts: bool(saga.action_url) and saga.attempt < MAX_ATTEMPTS,
    Guard.EVENT_OFF: lambda saga, _facts: saga.event_off,
    Guard.FREE_AND_EVENT_OFF: lambda saga, _facts: saga.amount == 0 and saga.event_off,
    Guard.NOTHING_BACK: lambda _saga, facts: facts.refund == 0,
    # These two are asked of the saga as the happening leaves it.
    Guard.ALL_BACK: lambda saga, _facts: 0 < saga.amount == saga.refunded,
    Guard.MORE_BACK: lambda saga, _facts: saga.event_off and saga.refunded < saga.amount,
    Guard.PAID_LATE: lambda saga, _facts: saga.paid_late,
    Guard.TIME_RAN_OUT: lambda saga, _facts: saga.ending is State.EXPIRED,
}
# All else answers a step, and to another than the present one it means nothing, whatever it says.
_UNASKED = frozenset(
    {
        Happening.PAID_LATE,
        Happening.PAID_BACK,
        Happening.DEADLINE,
        Happening.NEW_ATTEMPT,
        Happening.GIVE_UP,
        Happening.CANCEL,
        Happening.EVENT_CANCELLED,
    }
)
_REASONS: Mapping[Happening, str] = {
    Happening.DEADLINE: "PAYMENT_TIMED_OUT",
    Happening.GIVE_UP: "GIVEN_UP",
    Happening.CANCEL: "CANCELLED_BY_CUSTOMER",
    Happening.EVENT_CANCELLED: "EVENT_CANCELLED",
    Happening.CAPTURED: "EVENT_CANCELLED",  # on its way back only because of that
    Happening.SOLD: "EVENT_CANCELLED",
    Happening.REFUNDED: "EVENT_CANCELLED",
}
_PAYMENT_STATUS: Mapping[Happening, str] = {
    Happening.NEW_ATTEMPT: "INITIATED",
    Happening.AUTHORIZED: "AUTHORIZED",
    Happening.AUTHORIZATION_REFUSED: "FAILED",
    Happening.ACTION_REQUIRED: "REQUIRES_ACTION",
    Happening.CAPTURED: "CAPTURED",
    Happening.PAID_LATE: "CAPTURED",
}


def begin(amount: int, now: datetime) -> Step:
    """A new saga for a booking with `amount` (minor units) to pay, and its first command."""
    saga = Saga(
        State.SECURING,
        amount,
        pay_by=now + PAY_WITHIN,
        deadline_at=now + ANSWER_WITHIN,
        payment_status="INITIATED" if amount else "",
    )
    return Step(
        None, saga, (COMMANDS[saga.state],), Entry(saga.state, "CREATED", "DONE", saga.attempt)
    )


def knowing(saga: Saga, *, event_off: bool) -> Saga:
    """The saga with what is known of its event before a happening is applied.

    Live sagas are told by EVENT_CANCELLED, and marked by it, so that none is passed over; final
    ones are not told any more, and a late payment has to find out.
    """
    return replace(saga, event_off=True) if event_off and saga.state in FINAL else saga


def step(
    saga: Saga, happening: Happening, now: datetime, facts: Facts | None = None, jitter: float = 1.0
) -> Step:
    """What `happening` makes of `saga`.

    `now` is the database's; `jitter` (about 1) stretches the pause before a command is sent again.
    """
    facts = facts or Facts()
    informed = replace(
        saga,
        version=saga.version + 1,
        event_off=saga.event_off or happening is Happening.EVENT_CANCELLED,
        paid_late=saga.paid_late
        or (happening is Happening.PAID_LATE and saga.state is State.RELEASING),
        refunded=_refunded(saga, happening, facts),
    )
    rule = _rule(informed, happening, facts)
    if rule is None:
        return _ignored(saga, happening, facts)
    if rule.refuse:
        return Step(saga, saga, (), _entry(saga, happening, facts), refusal=rule.refuse)
    informed = _with_payment(informed, happening, facts)
    if rule.send_again:
        return _sent_again(saga, informed, now, jitter, _entry(informed, happening, facts))
    if rule.to is None:
        return Step(saga, informed, (), _entry(informed, happening, facts))
    after = _moved(informed, rule.to, happening, facts)
    after = replace(after, deadline_at=_deadline(after, now, jitter))
    command = COMMANDS.get(after.state)
    return Step(saga, after, (command,) if command else (), _entry(after, happening, facts))


def _refunded(saga: Saga, happening: Happening, facts: Facts) -> int:
    """What went back in all. Of two that are told out of order the greater is the newer."""
    told = 0
    if happening is Happening.PAID_BACK and facts.kept is not None:
        told = saga.amount - facts.kept
    elif happening is Happening.REFUNDED:
        told = saga.refunded + saga.refund
    return max(saga.refunded, min(told, saga.amount))


def _rule(saga: Saga, happening: Happening, facts: Facts) -> Rule | None:
    if happening not in _UNASKED and facts.step != saga.step:
        return None
    rules = TABLE[saga.state].get(happening, ())
    return next((rule for rule in rules if _GUARDS[rule.when](saga, facts)), None)


def _ignored(saga: Saga, happening: Happening, facts: Facts) -> Step:
    entry = replace(_entry(saga, happening, facts), outcome="IGNORED")
    # Money that nobody waits for any more.
    alert = "paid_late_ignored" if happening is Happening.PAID_LATE else ""
    return Step(saga, replace(saga, version=saga.version + 1), (), entry, alert=alert)


def _sent_again(before: Saga, saga: Saga, now: datetime, jitter: float, entry: Entry) -> Step:
    saga = replace(saga, resends=saga.resends + 1)
    saga = replace(saga, deadline_at=_deadline(saga, now, jitter))
    entry = replace(entry, outcome="RESENT")
    alert = ""
    if saga.resends >= ALERT_AFTER_RESENDS:
        alert = "saga_stuck"
        entry = replace(entry, detail=f"{saga.resends} times unanswered; an operator was called")
    return Step(before, saga, (COMMANDS[saga.state],), entry, alert=alert)


def _moved(saga: Saga, to: State, happening: Happening, facts: Facts) -> Saga:
    """The saga in its next state, with what is decided at that moment."""
    moved = replace(saga, state=to, step=saga.step + (to in COMMANDS), resends=0, action_url="")
    if happening is Happening.NEW_ATTEMPT:
        moved = replace(moved, attempt=saga.attempt + 1)
    if to is State.CONFIRMED:
        return replace(moved, ending=None, reason="")
    reason = _reason(saga, happening, facts)
    if to is State.REFUNDING or (to in _CANCELLING and saga.state not in _CANCELLING):
        back = facts.refund if happening is Happening.CANCEL else saga.amount - saga.refunded
        refunds = saga.refunds + (to is State.REFUNDING)
        return replace(moved, ending=State.CANCELLED, reason=reason, refund=back, refunds=refunds)
    if to in _BACK and saga.state in _BACK | FINAL:
        # Already on its way back, or brought back by a late payment: it ends as it would have.
        return replace(moved, paid_late=False)
    if to in _BACK | FINAL and saga.state not in _BACK | _CANCELLING:
        ending = State.EXPIRED if happening is Happening.DEADLINE else State.FAILED
        return replace(moved, ending=saga.ending or ending, reason=reason)
    return replace(moved, paid_late=False) if to is State.RECLAIMING else moved


def _reason(saga: Saga, happening: Happening, facts: Facts) -> str:
    if saga.state is State.SECURING and happening is Happening.DEADLINE:
        return "SEATS_NOT_SECURED"
    if happening is Happening.RECLAIM_REFUSED:
        return "PAID_LATE_SEATS_GONE"
    if _GUARDS[Guard.ALL_BACK](saga, facts):
        return "REFUNDED"
    return facts.reason or _REASONS.get(happening, happening.value)


def _with_payment(saga: Saga, happening: Happening, facts: Facts) -> Saga:
    """The saga with what payment says about itself."""
    status = _PAYMENT_STATUS.get(happening, saga.payment_status)
    if happening is Happening.VOIDED:
        charged = saga.payment_status in {"CAPTURED", "PARTIALLY_REFUNDED", "REFUNDED"}
        status = "REFUNDED" if charged else "VOIDED"
    elif happening in {Happening.REFUNDED, Happening.PAID_BACK}:
        status = "REFUNDED" if saga.refunded == saga.amount else "PARTIALLY_REFUNDED"
    if happening in {Happening.AUTHORIZATION_REFUSED, Happening.NEW_ATTEMPT}:
        saga = replace(saga, refused_because=facts.reason)
    if happening is Happening.ACTION_REQUIRED:
        saga = replace(saga, action_url=facts.action_url)
    return replace(saga, payment_status=status)


def _deadline(saga: Saga, now: datetime, jitter: float) -> datetime | None:
    match DEADLINES[saga.state]:
        case Deadline.ANSWER:
            return now + ANSWER_WITHIN
        case Deadline.PAYMENT:
            return saga.pay_by
        case Deadline.RESEND:
            doubled = RESEND_AFTER * (1 << min(saga.resends, 10))
            return now + min(doubled, RESEND_AT_MOST_AFTER) * jitter
        case Deadline.NONE:
            return None


def _entry(saga: Saga, happening: Happening, facts: Facts) -> Entry:
    outcome = "REFUSED" if happening.endswith("REFUSED") else "DONE"
    return Entry(saga.state, happening.value, outcome, saga.attempt, facts.detail or facts.reason)


def customer_status(state: State) -> str:
    """What the customer is told: PENDING before CONFIRMED, CANCELLING on the way to CANCELLED."""
    if state in ENDINGS:
        return state.value
    return "CANCELLING" if state in _CANCELLING else "PENDING"


def states_of(status: str) -> Sequence[State]:
    """The states that a customer knows as `status`; none where there is no such status."""
    return [state for state in State if customer_status(state) == status]


def is_paid(saga: Saga) -> bool:
    """Whether the booking was paid for, or was confirmed with nothing to pay, whatever came after.

    A payment that is undone on the way back, before the booking was a sale, was none.
    """
    return saga.state in _CANCELLING | {State.CONFIRMED, State.CANCELLED}


def came_to_nothing(saga: Saga) -> bool:
    """Whether it ended with nothing bought: not paid, or all of the money went back."""
    if saga.state is State.CANCELLED:
        return saga.refunded == saga.amount
    return saga.state in FINAL


def needs_customer(saga: Saga) -> bool:
    """Whether it goes on only when the customer does something."""
    return saga.state is State.AWAITING_PAYMENT or bool(saga.action_url)


def moves_by_itself(saga: Saga) -> bool:
    """Whether it has neither ended nor needs the customer."""
    return saga.state not in ENDINGS and not needs_customer(saga)
