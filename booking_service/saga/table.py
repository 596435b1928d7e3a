"""The saga as data: one row a state, with what it asks, how long it waits, and where it leads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from booking_service.saga.messages import (
    ChargePayment,
    Command,
    GiveBackPayment,
    ReclaimSeats,
    RefundPayment,
    ReleaseSeats,
    ReserveSeats,
    RestockSeats,
    SellSeats,
)


class State(StrEnum):
    """Where a booking stands."""

    SECURING = "SECURING"
    CHARGING = "CHARGING"
    AWAITING_PAYMENT = "AWAITING_PAYMENT"
    CONFIRMED = "CONFIRMED"
    GIVING_BACK = "GIVING_BACK"
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
    RELEASED = "RELEASED"
    RESTOCKED = "RESTOCKED"
    RECLAIMED = "RECLAIMED"
    RECLAIM_REFUSED = "RECLAIM_REFUSED"
    # Payment answers.
    CHARGED = "CHARGED"
    CHARGE_REFUSED = "CHARGE_REFUSED"
    ACTION_REQUIRED = "ACTION_REQUIRED"
    GIVEN_BACK = "GIVEN_BACK"
    REFUNDED = "REFUNDED"
    PAID_LATE = "PAID_LATE"
    PAID_BACK = "PAID_BACK"  # by the organizer or an admin, without the saga's asking
    # The clock, people, and the event.
    DEADLINE = "DEADLINE"
    NEW_ATTEMPT = "NEW_ATTEMPT"
    GIVE_UP = "GIVE_UP"
    CANCEL = "CANCEL"
    EVENT_CANCELLED = "EVENT_CANCELLED"


# What nobody asked for. All else answers a step, and at another step it means nothing.
UNASKED = frozenset(
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


class Guard(StrEnum):
    """What a rule may depend on."""

    ALWAYS = ""
    NOTHING_TO_PAY = "nothing to pay"
    TRIES_LEFT = "tries left"
    PAGE_OPEN = "a page is open, tries left"
    EVENT_OFF = "event cancelled"
    NOTHING_BACK = "nothing goes back"
    ALL_BACK = "all of it went back"
    MORE_BACK = "event cancelled meanwhile, not all went back"
    PAID_LATE = "paid late meanwhile"
    MAY_REVIVE = "time ran out, and nothing stands against it"
    PAID_LATE_AND_MAY_REVIVE = "paid late meanwhile, time ran out, and nothing stands against it"
    TIME_RAN_OUT = "time ran out"


class Deadline(StrEnum):
    """How long a state waits."""

    NONE = "none"
    ANSWER = "30 s for an answer"
    PAYMENT = "the payment deadline"
    RESEND = "sends again, later each time"
    UNTIL_ANSWERED = "sends again, later each time, until it is answered"


@dataclass(frozen=True, slots=True)
class Rule:
    """One edge: to a state, or nowhere; taken where `when` holds."""

    to: State | None = None
    when: Guard = Guard.ALWAYS
    send_again: bool = False  # stays, and sends the state's command again
    answered: bool = False  # stays, and sends the state's command no more
    gives_up: bool = False  # stays, and ends as given up
    refuse: str = ""  # a wish that is refused, by its reason


@dataclass(frozen=True, slots=True)
class Row:
    """A state: what it asks for on the way in, how long it waits, and what happens then."""

    asks: type[Command] | None = None
    waits: Deadline = Deadline.NONE
    # Of several rules the first whose guard holds is taken. What is not listed is ignored.
    on: Mapping[Happening, Sequence[Rule]] = field(default_factory=dict)


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
    ending: State | None = None  # EXPIRED, FAILED or CANCELLED, once it is on its way there
    reason: str = ""  # why it is on its way back, or cancelled
    event_off: bool = False
    paid_late: bool = False  # while the seats were being released
    percent: int = 0  # what the last refund it asked for gives back, of what was not promised yet
    refunds: int = 0  # how many it asked for
    action_url: str = ""
    payment_status: str = ""  # as payment tells it
    refused_because: str = ""  # why the last attempt was
    # Payment's own totals, the greatest that were told; minor units.
    captured: int = 0
    refunded: int = 0  # whoever asked for it


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known about a happening besides its name."""

    step: int = 0  # of an answer: the step it answers
    reason: str = ""
    action_url: str = ""
    percent: int = 0  # of a CANCEL: what share goes back
    captured: int = 0  # of what payment tells: its totals, minor units
    refunded: int = 0
    hindrance: str = ""  # why a late payment can't confirm, as far as booking knows
    detail: str = ""  # for the timeline


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the timeline."""

    state: State
    step: str
    outcome: str  # DONE, REFUSED, RESENT, IGNORED
    attempt: int
    detail: str = ""


ANSWER_WITHIN = timedelta(seconds=30)
PAY_WITHIN = timedelta(minutes=10)
MAX_ATTEMPTS = 3
RESEND_AFTER = timedelta(seconds=2)  # doubling
RESEND_AT_MOST_AFTER = timedelta(seconds=60)
ALERT_AFTER_RESENDS = 8
# What an operator is called for: a step that nobody answers, money that nobody waits for any more.
STUCK, PAID_LATE_IGNORED = ALERT_KINDS = "saga_stuck", "paid_late_ignored"

_STAY = Rule()
_SEND_AGAIN = Rule(send_again=True)
_GIVES_UP = Rule(gives_up=True)
# A payment that is told once more, and went back already.
_GONE_BACK = Rule(when=Guard.ALL_BACK)
_BUSY = Rule(refuse="BOOKING_BUSY")
_IN_PROGRESS = Rule(refuse="PAYMENT_IN_PROGRESS")


def _to(state: State, when: Guard = Guard.ALWAYS) -> Rule:
    return Rule(state, when)


TABLE: Mapping[State, Row] = {
    # --- compensatable -----------------------------------------------------------------------
    # Asked for by RPC before the booking is written, so a booking is seen in this state only where
    # it was begun by the version before.
    State.SECURING: Row(
        asks=ReserveSeats,
        waits=Deadline.ANSWER,
        on={
            Happening.RESERVED: [
                _to(State.CONFIRMED, Guard.NOTHING_TO_PAY),
                _to(State.CHARGING),
            ],
            Happening.RESERVE_REFUSED: [_to(State.FAILED)],
            Happening.DEADLINE: [_to(State.RELEASING)],
            Happening.GIVE_UP: [_to(State.RELEASING)],
            Happening.EVENT_CANCELLED: [_to(State.RELEASING)],
            Happening.NEW_ATTEMPT: [_IN_PROGRESS],
        },
    ),
    # --- the pivot ---------------------------------------------------------------------------
    State.CHARGING: Row(
        asks=ChargePayment,
        waits=Deadline.PAYMENT,
        on={
            Happening.CHARGED: [
                # Told of before this answer: no order is promised.
                _to(State.RESTOCKING, Guard.ALL_BACK),
                _to(State.CONFIRMED),
            ],
            Happening.ACTION_REQUIRED: [_STAY],
            Happening.CHARGE_REFUSED: [
                _to(State.AWAITING_PAYMENT, Guard.TRIES_LEFT),
                _to(State.RELEASING),
            ],
            Happening.PAID_BACK: [_STAY],
            Happening.DEADLINE: [_to(State.GIVING_BACK)],
            Happening.GIVE_UP: [_to(State.GIVING_BACK)],
            Happening.EVENT_CANCELLED: [_to(State.GIVING_BACK)],
            # Who left the page for another card or wallet. Approved already, the page is the
            # payment; approved after that, what it took goes back.
            Happening.NEW_ATTEMPT: [_to(State.CHARGING, Guard.PAGE_OPEN), _IN_PROGRESS],
        },
    ),
    State.AWAITING_PAYMENT: Row(
        waits=Deadline.PAYMENT,
        on={
            Happening.NEW_ATTEMPT: [_to(State.CHARGING)],
            Happening.DEADLINE: [_to(State.RELEASING)],
            Happening.GIVE_UP: [_to(State.RELEASING)],
            Happening.EVENT_CANCELLED: [_to(State.RELEASING)],
        },
    ),
    # --- repeatable --------------------------------------------------------------------------
    State.CONFIRMED: Row(
        asks=SellSeats,
        waits=Deadline.UNTIL_ANSWERED,
        on={
            Happening.SOLD: [Rule(answered=True)],
            Happening.DEADLINE: [_SEND_AGAIN],
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
            # The payment it was confirmed by, told once more.
            Happening.PAID_LATE: [_STAY],
        },
    ),
    # --- back, before it was confirmed -------------------------------------------------------
    State.GIVING_BACK: Row(
        asks=GiveBackPayment,
        waits=Deadline.RESEND,
        on={
            Happening.GIVEN_BACK: [_to(State.RELEASING)],
            # What was sent may have been answered already, before this payment: a new step, which
            # that answer does not answer.
            Happening.PAID_LATE: [_to(State.GIVING_BACK)],
            Happening.PAID_BACK: [_STAY],
            Happening.DEADLINE: [_SEND_AGAIN],
            Happening.GIVE_UP: [_GIVES_UP],
            Happening.EVENT_CANCELLED: [_STAY],
        },
    ),
    State.RELEASING: Row(
        asks=ReleaseSeats,
        waits=Deadline.RESEND,
        on={
            Happening.RELEASED: [
                _to(State.RECLAIMING, Guard.PAID_LATE_AND_MAY_REVIVE),
                _to(State.GIVING_BACK, Guard.PAID_LATE),
                _to(State.EXPIRED, Guard.TIME_RAN_OUT),
                _to(State.FAILED),
            ],
            Happening.PAID_LATE: [_STAY],
            Happening.PAID_BACK: [_STAY],
            Happening.DEADLINE: [_SEND_AGAIN],
            Happening.GIVE_UP: [_GIVES_UP],
            Happening.EVENT_CANCELLED: [_STAY],
        },
    ),
    # --- paid after the time ran out ---------------------------------------------------------
    State.RECLAIMING: Row(
        asks=ReclaimSeats,
        waits=Deadline.RESEND,
        on={
            Happening.RECLAIMED: [
                _to(State.RESTOCKING, Guard.ALL_BACK),
                _to(State.GIVING_BACK, Guard.EVENT_OFF),
                _to(State.CONFIRMED),
            ],
            Happening.RECLAIM_REFUSED: [_to(State.GIVING_BACK)],
            Happening.PAID_LATE: [_STAY],
            Happening.PAID_BACK: [_STAY],
            Happening.DEADLINE: [_SEND_AGAIN],
            Happening.GIVE_UP: [_BUSY],
            Happening.EVENT_CANCELLED: [_STAY],
        },
    ),
    # --- back, after it was confirmed --------------------------------------------------------
    State.REFUNDING: Row(
        asks=RefundPayment,
        waits=Deadline.RESEND,
        on={
            Happening.REFUNDED: [
                # The policy's share was under way when the event was called off: now the rest.
                _to(State.REFUNDING, Guard.MORE_BACK),
                _to(State.RESTOCKING),
            ],
            Happening.PAID_LATE: [_STAY],
            Happening.PAID_BACK: [_STAY],
            Happening.DEADLINE: [_SEND_AGAIN],
            Happening.CANCEL: [_STAY],
            Happening.EVENT_CANCELLED: [_STAY],
        },
    ),
    State.RESTOCKING: Row(
        asks=RestockSeats,
        waits=Deadline.RESEND,
        on={
            Happening.RESTOCKED: [_to(State.CANCELLED)],
            Happening.PAID_LATE: [_STAY],
            Happening.PAID_BACK: [_STAY],
            Happening.DEADLINE: [_SEND_AGAIN],
            Happening.CANCEL: [_STAY],
            Happening.EVENT_CANCELLED: [_STAY],
        },
    ),
    # --- endings -----------------------------------------------------------------------------
    # Given up, by its buyer or by the organizer, or never secured: a late payment goes back.
    State.FAILED: Row(
        on={
            Happening.PAID_LATE: [_GONE_BACK, _to(State.GIVING_BACK)],
            Happening.PAID_BACK: [_STAY],
        },
    ),
    State.EXPIRED: Row(
        on={
            Happening.PAID_LATE: [
                _GONE_BACK,
                _to(State.RECLAIMING, Guard.MAY_REVIVE),
                _to(State.GIVING_BACK),
            ],
            Happening.PAID_BACK: [_STAY],
        },
    ),
    State.CANCELLED: Row(
        on={
            Happening.PAID_LATE: [_STAY],
            Happening.PAID_BACK: [_STAY],
        },
    ),
}

# What the buyer is told of; each of these is announced when it is reached.
ENDINGS = frozenset({State.CONFIRMED, State.FAILED, State.EXPIRED, State.CANCELLED})
# Nothing but a late payment leads out of these.
FINAL = frozenset({State.FAILED, State.EXPIRED, State.CANCELLED})
# On the way back: how it will end was chosen when this began.
BACK = frozenset({State.GIVING_BACK, State.RELEASING, State.RECLAIMING})
CANCELLING = frozenset({State.REFUNDING, State.RESTOCKING})
