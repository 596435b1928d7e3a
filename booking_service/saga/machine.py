"""Applies the table: what a happening makes of a saga."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from booking_service.saga.messages import Command
from booking_service.saga.table import (
    ALERT_AFTER_RESENDS,
    ANSWER_WITHIN,
    BACK,
    CANCELLING,
    ENDINGS,
    FINAL,
    MAX_ATTEMPTS,
    PAID_LATE_IGNORED,
    PAY_WITHIN,
    RESEND_AFTER,
    RESEND_AT_MOST_AFTER,
    STUCK,
    TABLE,
    UNASKED,
    Deadline,
    Entry,
    Facts,
    Guard,
    Happening,
    Rule,
    Saga,
    State,
)


@dataclass(frozen=True, slots=True)
class Step:
    """What a happening changes; where `refusal` is set, nothing."""

    before: Saga | None
    saga: Saga
    asks: type[Command] | None
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


def _may_revive(saga: Saga, facts: Facts) -> bool:
    """Whether a late payment may confirm the booking: its time ran out, and no more than that.

    What its buyer or the organizer gave up stays given up. A payment that has begun to go back, or
    is not the whole price, is none.
    """
    return (
        saga.ending is State.EXPIRED
        and not saga.event_off
        and saga.captured == saga.amount
        and not saga.refunded
        and not facts.hindrance
    )


# Asked of the saga with all that is known of the happening.
_GUARDS: Mapping[Guard, Callable[[Saga, Facts], bool]] = {
    Guard.ALWAYS: lambda _saga, _facts: True,
    Guard.NOTHING_TO_PAY: lambda saga, _facts: saga.amount == 0,
    Guard.TRIES_LEFT: lambda saga, _facts: saga.attempt < MAX_ATTEMPTS,
    Guard.PAGE_OPEN: lambda saga, _facts: bool(saga.action_url) and saga.attempt < MAX_ATTEMPTS,
    Guard.EVENT_OFF: lambda saga, _facts: saga.event_off,
    Guard.NOTHING_BACK: lambda saga, facts: not (saga.amount and facts.percent),
    Guard.ALL_BACK: lambda saga, _facts: 0 < saga.amount == saga.refunded,
    Guard.MORE_BACK: lambda saga, _facts: saga.event_off and saga.refunded < saga.captured,
    Guard.PAID_LATE: lambda saga, _facts: saga.paid_late,
    Guard.MAY_REVIVE: _may_revive,
    Guard.PAID_LATE_AND_MAY_REVIVE: lambda saga, facts: saga.paid_late and _may_revive(saga, facts),
    Guard.TIME_RAN_OUT: lambda saga, _facts: saga.ending is State.EXPIRED,
}
_REASONS: Mapping[Happening, str] = {
    Happening.DEADLINE: "PAYMENT_TIMED_OUT",
    Happening.GIVE_UP: "GIVEN_UP",
    Happening.CANCEL: "CANCELLED_BY_CUSTOMER",
    Happening.EVENT_CANCELLED: "EVENT_CANCELLED",
    Happening.REFUNDED: "EVENT_CANCELLED",  # more goes back only because of that
}
# Why a late payment went back, by what inventory says to Reclaim, or booking itself.
_LATE_REASONS: Mapping[str, str] = {
    "CUSTOMER_LIMIT": "PAID_LATE_CUSTOMER_LIMIT",
    "SALES_CLOSED": "PAID_LATE_SALES_CLOSED",
    "COUPON_USED_UP": "PAID_LATE_COUPON_USED_UP",
}
_PAYMENT_STATUS: Mapping[Happening, str] = {
    Happening.NEW_ATTEMPT: "INITIATED",
    Happening.CHARGE_REFUSED: "FAILED",
    Happening.ACTION_REQUIRED: "REQUIRES_ACTION",
}
# Told with payment's totals, of which the greatest say how it stands, in whatever order they come.
_TELLS_TOTALS = frozenset(
    {Happening.CHARGED, Happening.PAID_LATE, Happening.PAID_BACK, Happening.REFUNDED}
)


def begin(amount: int, now: datetime) -> Step:
    """A new saga for a booking with `amount` (minor units) to pay, and its first command."""
    saga = Saga(
        State.SECURING,
        amount,
        pay_by=now + PAY_WITHIN,
        deadline_at=now + ANSWER_WITHIN,
        payment_status="INITIATED" if amount else "",
    )
    entry = Entry(saga.state, "CREATED", "DONE", saga.attempt)
    return Step(None, saga, TABLE[saga.state].asks, entry)


def knowing(saga: Saga, *, event_off: bool) -> Saga:
    """The saga with what is known of its event before a happening is applied.

    Live sagas are told by EVENT_CANCELLED, and marked by it, so that none is passed over; final
    ones are not told any more, and a late payment has to find out.
    """
    return replace(saga, event_off=True) if event_off and saga.state in FINAL else saga


def would_revive(saga: Saga, happening: Happening, facts: Facts) -> bool:
    """Whether the happening leads back to the places, if nothing that booking knows hinders it.

    Whoever applies it finds out first: the coupon is taken again in the same transaction.
    """
    rule = _rule(_informed(saga, happening, facts), happening, facts)
    return rule is not None and rule.to is State.RECLAIMING


def step(
    saga: Saga, happening: Happening, now: datetime, facts: Facts | None = None, jitter: float = 1.0
) -> Step:
    """What `happening` makes of `saga`.

    `now` is the database's; `jitter` (about 1) stretches the pause before a command is sent again.
    """
    facts = facts or Facts()
    informed = _informed(saga, happening, facts)
    rule = _rule(informed, happening, facts)
    if rule is None:
        return _ignored(saga, happening, facts)
    if rule.refuse:
        return Step(saga, saga, None, _entry(saga, happening, facts), refusal=rule.refuse)
    informed = _with_payment(informed, happening, facts)
    if rule.send_again:
        return _sent_again(saga, informed, now, jitter, _entry(informed, happening, facts))
    if rule.answered:
        informed = replace(informed, deadline_at=None, resends=0)
    if rule.gives_up:
        reason = facts.reason or _REASONS[Happening.GIVE_UP]
        informed = replace(informed, ending=State.FAILED, reason=reason)
    if rule.to is None:
        return Step(saga, informed, None, _entry(informed, happening, facts))
    after = _moved(informed, rule.to, happening, facts)
    after = replace(after, deadline_at=_deadline(after, now, jitter))
    return Step(saga, after, TABLE[after.state].asks, _entry(after, happening, facts))


def _informed(saga: Saga, happening: Happening, facts: Facts) -> Saga:
    """The saga with what the happening tells, whatever follows from it."""
    paid_late = happening is Happening.PAID_LATE and saga.state is State.RELEASING
    return replace(
        saga,
        version=saga.version + 1,
        event_off=saga.event_off or happening is Happening.EVENT_CANCELLED,
        paid_late=saga.paid_late or paid_late,
        # Payment's own totals, which only rise: of two that are told out of order the greater is
        # the newer.
        captured=max(saga.captured, facts.captured),
        refunded=max(saga.refunded, facts.refunded),
    )


def _rule(saga: Saga, happening: Happening, facts: Facts) -> Rule | None:
    if happening not in UNASKED and facts.step != saga.step:
        return None
    rules = TABLE[saga.state].on.get(happening, ())
    return next((rule for rule in rules if _GUARDS[rule.when](saga, facts)), None)


def _ignored(saga: Saga, happening: Happening, facts: Facts) -> Step:
    entry = replace(_entry(saga, happening, facts), outcome="IGNORED")
    alert = PAID_LATE_IGNORED if happening is Happening.PAID_LATE else ""
    return Step(saga, replace(saga, version=saga.version + 1), None, entry, alert=alert)


def _sent_again(before: Saga, saga: Saga, now: datetime, jitter: float, entry: Entry) -> Step:
    saga = replace(saga, resends=saga.resends + 1)
    saga = replace(saga, deadline_at=_deadline(saga, now, jitter))
    entry = replace(entry, outcome="RESENT")
    alert = ""
    if saga.resends >= ALERT_AFTER_RESENDS:
        alert = STUCK
        entry = replace(entry, detail=f"{saga.resends} times unanswered; an operator was called")
    return Step(before, saga, TABLE[saga.state].asks, entry, alert=alert)


def _moved(saga: Saga, to: State, happening: Happening, facts: Facts) -> Saga:
    """The saga in its next state, with what is decided at that moment."""
    moved = replace(
        saga,
        state=to,
        step=saga.step + (TABLE[to].asks is not None),
        resends=0,
        action_url="",
        paid_late=False,
    )
    if to is State.CHARGING:
        return replace(moved, attempt=saga.attempt + (happening is Happening.NEW_ATTEMPT))
    if to is State.CONFIRMED:
        return replace(moved, ending=None, reason="")
    if to in CANCELLING:
        return _cancelling(saga, moved, happening, facts)
    if to in BACK | FINAL:
        return _going_back(saga, moved, happening, facts)
    return moved


def _cancelling(saga: Saga, moved: Saga, happening: Happening, facts: Facts) -> Saga:
    if saga.state in CANCELLING and moved.state is State.RESTOCKING:
        return moved
    reason = facts.reason or _REASONS.get(happening, happening.value)
    if _GUARDS[Guard.ALL_BACK](saga, facts):
        reason = "REFUNDED"
    if moved.state is State.REFUNDING:
        percent = facts.percent if happening is Happening.CANCEL else 100
        moved = replace(moved, percent=percent, refunds=saga.refunds + 1)
    return replace(moved, ending=State.CANCELLED, reason=reason)


def _going_back(saga: Saga, moved: Saga, happening: Happening, facts: Facts) -> Saga:
    if saga.ending is None:
        ending = State.EXPIRED if happening is Happening.DEADLINE else State.FAILED
        return replace(moved, ending=ending, reason=_why_back(saga, happening, facts))
    # It ends as it would have; a payment that came late and goes back is told as such, once.
    told = saga.state is State.GIVING_BACK and saga.reason.startswith("PAID_LATE")
    if moved.state is State.GIVING_BACK and not told:
        return replace(moved, reason=_why_late_goes_back(saga, facts))
    return moved


def _why_back(saga: Saga, happening: Happening, facts: Facts) -> str:
    if saga.state is State.SECURING and happening is Happening.DEADLINE:
        return "SEATS_NOT_SECURED"
    return facts.reason or _REASONS.get(happening, happening.value)


def _why_late_goes_back(saga: Saga, facts: Facts) -> str:
    if saga.event_off:
        return "EVENT_CANCELLED"
    if saga.state is State.RECLAIMING:
        return _LATE_REASONS.get(facts.reason, "PAID_LATE_SEATS_GONE")
    return _LATE_REASONS.get(facts.hindrance, "PAID_LATE_GIVEN_BACK")


def _with_payment(saga: Saga, happening: Happening, facts: Facts) -> Saga:
    """The saga with what payment says about itself."""
    status = _PAYMENT_STATUS.get(happening, saga.payment_status)
    if happening is Happening.GIVEN_BACK:
        status = "REFUNDED" if saga.captured else "VOIDED"
    elif happening in _TELLS_TOTALS and not saga.refunded:
        status = "CAPTURED"
    elif happening in _TELLS_TOTALS:
        status = "REFUNDED" if saga.refunded == saga.captured else "PARTIALLY_REFUNDED"
    if happening in {Happening.CHARGE_REFUSED, Happening.NEW_ATTEMPT}:
        saga = replace(saga, refused_because=facts.reason)
    if happening is Happening.ACTION_REQUIRED:
        saga = replace(saga, action_url=facts.action_url)
    return replace(saga, payment_status=status)


def _deadline(saga: Saga, now: datetime, jitter: float) -> datetime | None:
    match TABLE[saga.state].waits:
        case Deadline.ANSWER:
            return now + ANSWER_WITHIN
        case Deadline.PAYMENT:
            return saga.pay_by
        case Deadline.RESEND | Deadline.UNTIL_ANSWERED:
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
    return "CANCELLING" if state in CANCELLING else "PENDING"


def states_of(status: str) -> Sequence[State]:
    """The states that a customer knows as `status`; none where there is no such status."""
    return [state for state in State if customer_status(state) == status]


def is_paid(saga: Saga) -> bool:
    """Whether the booking was paid for, or was confirmed with nothing to pay, whatever came after.

    A payment that goes back before the booking was a sale was none.
    """
    return saga.state in CANCELLING | {State.CONFIRMED, State.CANCELLED}


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
