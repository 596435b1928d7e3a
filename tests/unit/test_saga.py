"""The saga's table against one written by hand, and what a step decides besides."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any
from uuid import UUID

import pytest

from booking_service import saga as sagas
from booking_service.domain import (
    NO_INSTRUMENT,
    Booking,
    Event,
    Instrument,
    Method,
    Price,
    RefundPolicy,
    refund_id_of,
)
from booking_service.saga import (
    ALERT_AFTER_RESENDS,
    ENDINGS,
    FINAL,
    TABLE,
    Deadline,
    Facts,
    Guard,
    Happening,
    Saga,
    State,
    Step,
    begin,
    came_to_nothing,
    customer_status,
    is_paid,
    knowing,
    moves_by_itself,
    needs_customer,
    states_of,
    would_revive,
)
from booking_service.saga.messages import ChargePayment, RefundPayment, SellSeats

NOW = datetime(2027, 1, 2, 10, 0, tzinfo=UTC)
PAY_BY = NOW + timedelta(minutes=5)
PAGE = "https://wallet.example/pay"

# What each happening leads to, for a booking that costs something, in its first attempt, whose
# event is on; a late payment is the whole price, and nothing stands against it. "+" stays; "again"
# sends its command once more; "!" is a refusal; absent: ignored.
GOLDEN: dict[str, dict[str, str]] = {
    "SECURING": {
        "RESERVED": "CHARGING",
        "RESERVE_REFUSED": "FAILED",
        "DEADLINE": "RELEASING",
        "GIVE_UP": "RELEASING",
        "EVENT_CANCELLED": "RELEASING",
        "NEW_ATTEMPT": "!PAYMENT_IN_PROGRESS",
    },
    "CHARGING": {
        "CHARGED": "CONFIRMED",
        "ACTION_REQUIRED": "+",
        "CHARGE_REFUSED": "AWAITING_PAYMENT",
        "PAID_BACK": "+",
        "DEADLINE": "GIVING_BACK",
        "GIVE_UP": "GIVING_BACK",
        "EVENT_CANCELLED": "GIVING_BACK",
        "NEW_ATTEMPT": "!PAYMENT_IN_PROGRESS",
    },
    "AWAITING_PAYMENT": {
        "NEW_ATTEMPT": "CHARGING",
        "DEADLINE": "RELEASING",
        "GIVE_UP": "RELEASING",
        "EVENT_CANCELLED": "RELEASING",
    },
    "CONFIRMED": {
        "SOLD": "+",
        "DEADLINE": "again",
        "CANCEL": "REFUNDING",
        "EVENT_CANCELLED": "REFUNDING",
        "PAID_BACK": "+",
        "PAID_LATE": "+",
    },
    "GIVING_BACK": {
        "GIVEN_BACK": "RELEASING",
        "PAID_LATE": "again",
        "PAID_BACK": "+",
        "DEADLINE": "again",
        "GIVE_UP": "+",
        "EVENT_CANCELLED": "+",
    },
    "RELEASING": {
        "RELEASED": "FAILED",
        "PAID_LATE": "+",
        "PAID_BACK": "+",
        "DEADLINE": "again",
        "GIVE_UP": "+",
        "EVENT_CANCELLED": "+",
    },
    "RECLAIMING": {
        "RECLAIMED": "CONFIRMED",
        "RECLAIM_REFUSED": "GIVING_BACK",
        "PAID_LATE": "+",
        "PAID_BACK": "+",
        "DEADLINE": "again",
        "GIVE_UP": "!BOOKING_BUSY",
        "EVENT_CANCELLED": "+",
    },
    "REFUNDING": {
        "REFUNDED": "RESTOCKING",
        "PAID_LATE": "+",
        "PAID_BACK": "+",
        "DEADLINE": "again",
        "CANCEL": "+",
        "EVENT_CANCELLED": "+",
    },
    "RESTOCKING": {
        "RESTOCKED": "CANCELLED",
        "PAID_LATE": "+",
        "PAID_BACK": "+",
        "DEADLINE": "again",
        "CANCEL": "+",
        "EVENT_CANCELLED": "+",
    },
    "FAILED": {"PAID_LATE": "GIVING_BACK", "PAID_BACK": "+"},
    "EXPIRED": {"PAID_LATE": "RECLAIMING", "PAID_BACK": "+"},
    "CANCELLED": {"PAID_LATE": "+", "PAID_BACK": "+"},
}
# What each state asks for, and how long it waits.
ASKS = {
    "SECURING": "inventory.Reserve",
    "CHARGING": "payment.Charge",
    "CONFIRMED": "inventory.Sell",
    "GIVING_BACK": "payment.GiveBack",
    "RELEASING": "inventory.Release",
    "RECLAIMING": "inventory.Reclaim",
    "REFUNDING": "payment.Refund",
    "RESTOCKING": "inventory.Restock",
}
REPEATED = {
    "CONFIRMED",
    "GIVING_BACK",
    "RELEASING",
    "RECLAIMING",
    "REFUNDING",
    "RESTOCKING",
}
UNASKED = {
    "PAID_LATE",
    "PAID_BACK",
    "DEADLINE",
    "NEW_ATTEMPT",
    "GIVE_UP",
    "CANCEL",
    "EVENT_CANCELLED",
}
WHOLE = Facts(captured=1000)


def at(state: State, **facts: Any) -> Saga:
    saga = Saga(state, amount=1000, pay_by=PAY_BY, deadline_at=NOW, payment_status="INITIATED")
    if state in {State.EXPIRED, State.RECLAIMING}:
        saga = replace(saga, ending=State.EXPIRED, reason="PAYMENT_TIMED_OUT")
    if state in {State.FAILED, State.CANCELLED}:
        saga = replace(saga, ending=state)
    return replace(saga, **facts)


def step(
    saga: Saga, happening: Happening, now: datetime, facts: Facts | None = None, jitter: float = 1
) -> Step:
    """What it makes of a happening; of an answer: to the very step it waits in."""
    facts = replace(facts or Facts(), step=saga.step)
    return sagas.step(saga, happening, now, facts, jitter)


def after(saga: Saga, *happenings: Happening, facts: Facts | None = None) -> Saga:
    for happening in happenings:
        saga = step(saga, happening, NOW, facts).saga
    return saga


def asked(result: Step) -> str:
    return result.asks.name if result.asks else ""


def told(result: Step) -> str:
    assert result.before is not None
    if result.refusal:
        return f"!{result.refusal}"
    if result.ignored:
        return "ignored"
    if result.saga.state is not result.before.state:
        return result.saga.state.value
    return "again" if result.asks else "+"


@pytest.mark.parametrize(("state", "happening"), list(product(State, Happening)))
def test_each_happening_leads_where_the_design_says(state: State, happening: Happening) -> None:
    result = step(at(state), happening, NOW, Facts(percent=100, captured=1000))

    assert told(result) == GOLDEN[state].get(happening, "ignored")
    leads_on = told(result) == "again" or result.saga.state is not state
    assert asked(result) == (ASKS.get(result.saga.state, "") if leads_on else "")


def test_a_state_waits_as_the_design_says() -> None:
    for state in State:
        saga = after_entering(state)
        waits = TABLE[state].waits
        if state == "SECURING":
            assert saga.deadline_at == NOW + timedelta(seconds=30)
        elif state in {"CHARGING", "AWAITING_PAYMENT"}:
            assert (saga.deadline_at, waits) == (PAY_BY, Deadline.PAYMENT)
        elif state in REPEATED:
            assert saga.deadline_at == NOW + timedelta(seconds=2)
        else:
            assert saga.deadline_at is None
        assert (waits is Deadline.NONE) is (state in FINAL)


def after_entering(state: State) -> Saga:
    """A saga that has come into the state along the table."""
    if state is State.SECURING:
        return replace(begin(1000, NOW).saga, pay_by=PAY_BY)
    for before, happening in product(State, Happening):
        if before is not state and GOLDEN[before].get(happening) == state:
            return step(at(before), happening, NOW, Facts(percent=100, captured=1000)).saga
    assert state is State.EXPIRED
    return after(at(State.RELEASING, ending=State.EXPIRED), Happening.RELEASED)


LATE: dict[str, Any] = {"ending": State.EXPIRED, "captured": 1000, "paid_late": True}
GUARDED: list[tuple[str, dict[str, Any], str, Facts, str]] = [
    ("SECURING", {"amount": 0}, "RESERVED", Facts(), "CONFIRMED"),
    ("CHARGING", {"attempt": 2}, "CHARGE_REFUSED", Facts(), "AWAITING_PAYMENT"),
    ("CHARGING", {"attempt": 3}, "CHARGE_REFUSED", Facts(), "RELEASING"),
    ("CHARGING", {"attempt": 2, "action_url": PAGE}, "NEW_ATTEMPT", Facts(), "again"),
    (
        "CHARGING",
        {"attempt": 3, "action_url": PAGE},
        "NEW_ATTEMPT",
        Facts(),
        "!PAYMENT_IN_PROGRESS",
    ),
    ("CHARGING", {"captured": 1000, "refunded": 1000}, "CHARGED", WHOLE, "RESTOCKING"),
    ("CHARGING", {"captured": 1000, "refunded": 999}, "CHARGED", WHOLE, "CONFIRMED"),
    ("CHARGING", {}, "CHARGED", Facts(captured=1000, refunded=1000), "RESTOCKING"),
    ("CONFIRMED", {"amount": 0}, "EVENT_CANCELLED", Facts(), "RESTOCKING"),
    ("CONFIRMED", {"amount": 0}, "CANCEL", Facts(percent=100), "RESTOCKING"),
    ("CONFIRMED", {}, "CANCEL", Facts(percent=0), "RESTOCKING"),  # the policy gives nothing
    ("CONFIRMED", {}, "CANCEL", Facts(percent=1), "REFUNDING"),
    ("CONFIRMED", {}, "PAID_BACK", Facts(captured=1000, refunded=1000), "RESTOCKING"),
    ("CONFIRMED", {}, "PAID_BACK", Facts(captured=1000, refunded=999), "+"),
    (
        "REFUNDING",
        {"event_off": True},
        "REFUNDED",
        Facts(captured=1000, refunded=500),
        "again",
    ),
    (
        "REFUNDING",
        {"event_off": True},
        "REFUNDED",
        Facts(captured=1000, refunded=1000),
        "RESTOCKING",
    ),
    ("REFUNDING", {}, "REFUNDED", Facts(captured=1000, refunded=500), "RESTOCKING"),
    ("RELEASING", {"ending": State.EXPIRED}, "RELEASED", Facts(), "EXPIRED"),
    ("RELEASING", {"ending": State.FAILED}, "RELEASED", Facts(), "FAILED"),
    ("RELEASING", LATE, "RELEASED", Facts(), "RECLAIMING"),
    # What stands against a late payment: each of it.
    ("RELEASING", LATE | {"ending": State.FAILED}, "RELEASED", Facts(), "GIVING_BACK"),
    ("RELEASING", LATE | {"event_off": True}, "RELEASED", Facts(), "GIVING_BACK"),
    ("RELEASING", LATE | {"captured": 999}, "RELEASED", Facts(), "GIVING_BACK"),
    ("RELEASING", LATE | {"refunded": 1}, "RELEASED", Facts(), "GIVING_BACK"),
    ("RELEASING", LATE, "RELEASED", Facts(hindrance="SALES_CLOSED"), "GIVING_BACK"),
    ("EXPIRED", {}, "PAID_LATE", WHOLE, "RECLAIMING"),
    ("EXPIRED", {}, "PAID_LATE", Facts(captured=999), "GIVING_BACK"),
    ("EXPIRED", {}, "PAID_LATE", Facts(captured=1000, refunded=1), "GIVING_BACK"),
    ("EXPIRED", {"refunded": 1}, "PAID_LATE", WHOLE, "GIVING_BACK"),
    ("EXPIRED", {"event_off": True}, "PAID_LATE", WHOLE, "GIVING_BACK"),
    ("EXPIRED", {"ending": State.FAILED}, "PAID_LATE", WHOLE, "GIVING_BACK"),
    ("EXPIRED", {}, "PAID_LATE", replace(WHOLE, hindrance="COUPON_USED_UP"), "GIVING_BACK"),
    # Told once more, and gone back already.
    ("EXPIRED", {"captured": 1000, "refunded": 1000}, "PAID_LATE", WHOLE, "+"),
    ("FAILED", {"captured": 1000, "refunded": 1000}, "PAID_LATE", WHOLE, "+"),
    ("RECLAIMING", {"event_off": True}, "RECLAIMED", Facts(), "GIVING_BACK"),
    ("RECLAIMING", {"captured": 1000, "refunded": 1000}, "RECLAIMED", Facts(), "RESTOCKING"),
    ("RECLAIMING", {"captured": 1000, "refunded": 400}, "RECLAIMED", Facts(), "CONFIRMED"),
]


@pytest.mark.parametrize(("state", "saga", "happening", "facts", "leads"), GUARDED)
def test_what_depends_on_more_than_the_state(
    state: str, saga: dict[str, Any], happening: str, facts: Facts, leads: str
) -> None:
    assert told(step(at(State(state), **saga), Happening(happening), NOW, facts)) == leads


def test_every_guarded_edge_of_the_table_is_tried_here() -> None:
    edges = {
        (state.value, happening.value, _effect(rule.to, state, rule.refuse, rule.send_again))
        for state, row in TABLE.items()
        for happening, rules in row.on.items()
        if any(rule.when is not Guard.ALWAYS for rule in rules)
        for rule in rules
    }
    tried = {(state, happening, leads) for state, _, happening, _, leads in GUARDED}
    by_hand = {
        (state, happening, leads)
        for state, happenings in GOLDEN.items()
        for happening, leads in happenings.items()
    }
    assert edges <= tried | by_hand
    assert {state.value for state in State if TABLE[state].asks} == set(ASKS)


def _effect(to: State | None, state: State, refuse: str, again: bool) -> str:
    if refuse:
        return f"!{refuse}"
    if to is None:
        return "again" if again else "+"
    return "again" if to is state else to.value


def test_what_is_confirmed_is_never_refused_anything_and_no_way_back_has_a_failure() -> None:
    for state in REPEATED - {"RECLAIMING"}:
        assert not [happening for happening in TABLE[State(state)].on if "REFUSED" in happening]


def test_it_begins_with_the_seats() -> None:
    first = begin(1000, NOW)
    assert asked(first) == "inventory.Reserve"
    assert first.saga.pay_by == NOW + timedelta(minutes=10)
    assert (first.saga.step, first.saga.version) == (1, 1)
    assert begin(0, NOW).saga.payment_status == ""


def test_a_free_booking_is_confirmed_with_its_seats() -> None:
    result = step(begin(0, NOW).saga, Happening.RESERVED, NOW)
    assert (result.saga.state, asked(result), result.saga.payment_status) == (
        State.CONFIRMED,
        "inventory.Sell",
        "",
    )
    assert result.ended


def test_while_the_customer_pays_the_payment_deadline_holds() -> None:
    saga = after(at(State.SECURING), Happening.RESERVED)
    assert (saga.state, saga.deadline_at) == (State.CHARGING, PAY_BY)
    saga = after(saga, Happening.CHARGE_REFUSED)
    assert (saga.state, saga.deadline_at) == (State.AWAITING_PAYMENT, PAY_BY)


@pytest.mark.parametrize("state", sorted(REPEATED))
def test_an_unanswered_command_is_sent_again_later_each_time_for_ever(state: str) -> None:
    saga = at(State(state))
    pauses = []
    for _ in range(12):
        result = step(saga, Happening.DEADLINE, NOW)
        assert asked(result) == ASKS[state]
        assert result.saga.step == saga.step
        assert result.saga.deadline_at is not None
        pauses.append((result.saga.deadline_at - NOW).total_seconds())
        saga = result.saga
        assert bool(result.alert) is (saga.resends >= ALERT_AFTER_RESENDS)
    assert pauses[:6] == [4, 8, 16, 32, 60, 60]
    assert pauses[-1] == 60
    stretched = step(at(State(state)), Happening.DEADLINE, NOW, jitter=1.2).saga.deadline_at
    assert stretched == NOW + timedelta(seconds=4.8)


def test_a_sell_is_sent_again_until_it_is_answered_and_then_nothing_is_waited_for() -> None:
    saga = after(at(State.CHARGING), Happening.CHARGED, facts=WHOLE)
    assert saga.deadline_at == NOW + timedelta(seconds=2)
    again = step(saga, Happening.DEADLINE, NOW)
    assert (asked(again), again.saga.resends, again.ended) == ("inventory.Sell", 1, False)
    sold = step(again.saga, Happening.SOLD, NOW)
    assert (sold.asks, sold.saga.state, sold.saga.deadline_at) == (None, State.CONFIRMED, None)
    assert not sold.ended
    assert not sold.enters(State.CONFIRMED)
    assert step(sold.saga, Happening.SOLD, NOW).saga.deadline_at is None  # told once more


def test_a_part_that_goes_back_leaves_the_sell_waited_for() -> None:
    saga = after(at(State.CHARGING), Happening.CHARGED, facts=WHOLE)
    saga = after(saga, Happening.PAID_BACK, facts=Facts(captured=1000, refunded=400))
    assert saga.deadline_at == NOW + timedelta(seconds=2)


@pytest.mark.parametrize(
    ("state", "happening", "ending", "reason"),
    [
        (State.SECURING, Happening.DEADLINE, State.EXPIRED, "SEATS_NOT_SECURED"),
        (State.SECURING, Happening.GIVE_UP, State.FAILED, "GIVEN_UP"),
        (State.SECURING, Happening.EVENT_CANCELLED, State.FAILED, "EVENT_CANCELLED"),
        (State.CHARGING, Happening.DEADLINE, State.EXPIRED, "PAYMENT_TIMED_OUT"),
        (State.CHARGING, Happening.GIVE_UP, State.FAILED, "GIVEN_UP"),
        (State.CHARGING, Happening.EVENT_CANCELLED, State.FAILED, "EVENT_CANCELLED"),
        (State.AWAITING_PAYMENT, Happening.DEADLINE, State.EXPIRED, "PAYMENT_TIMED_OUT"),
        (State.AWAITING_PAYMENT, Happening.GIVE_UP, State.FAILED, "GIVEN_UP"),
    ],
)
def test_how_it_ends_is_chosen_when_it_turns_back_and_kept(
    state: State, happening: Happening, ending: State, reason: str
) -> None:
    saga = after(at(state), happening)
    assert (saga.ending, saga.reason) == (ending, reason)
    saga = after(saga, Happening.DEADLINE, Happening.GIVEN_BACK, Happening.RELEASED)
    assert (saga.state, saga.reason) == (ending, reason)


@pytest.mark.parametrize("state", [State.GIVING_BACK, State.RELEASING])
def test_who_gives_up_on_the_way_back_has_given_up_though_the_time_ran_out_first(
    state: State,
) -> None:
    saga = at(state, ending=State.EXPIRED, reason="PAYMENT_TIMED_OUT")
    given_up = step(saga, Happening.GIVE_UP, NOW)
    assert (given_up.asks, given_up.saga.deadline_at) == (None, saga.deadline_at)
    assert (given_up.saga.ending, given_up.saga.reason) == (State.FAILED, "GIVEN_UP")
    organizers = Facts(reason="CANCELLED_BY_ORGANIZER")
    assert after(saga, Happening.GIVE_UP, facts=organizers).reason == "CANCELLED_BY_ORGANIZER"
    ended = after(given_up.saga, Happening.GIVEN_BACK, Happening.RELEASED)
    assert ended.state is State.FAILED
    late = step(ended, Happening.PAID_LATE, NOW, WHOLE)
    assert (late.saga.state, late.saga.reason) == (State.GIVING_BACK, "PAID_LATE_GIVEN_BACK")


def test_a_refusals_reason_is_the_bookings() -> None:
    saga = after(at(State.SECURING), Happening.RESERVE_REFUSED, facts=Facts(reason="HOLD_EXPIRED"))
    assert (saga.state, saga.reason) == (State.FAILED, "HOLD_EXPIRED")


def test_three_refused_attempts_give_the_seats_back() -> None:
    saga = at(State.CHARGING)
    declined = Facts(reason="CARD_DECLINED")
    for attempt in (1, 2):
        saga = after(saga, Happening.CHARGE_REFUSED, facts=declined)
        assert (saga.state, saga.payment_status) == (State.AWAITING_PAYMENT, "FAILED")
        assert saga.refused_because == "CARD_DECLINED"
        saga = after(saga, Happening.NEW_ATTEMPT)
        assert (saga.state, saga.attempt) == (State.CHARGING, attempt + 1)
        assert (saga.payment_status, saga.refused_because) == ("INITIATED", "")
    saga = after(saga, Happening.CHARGE_REFUSED, facts=declined)
    assert (saga.state, saga.reason) == (State.RELEASING, "CARD_DECLINED")


ANSWERED = [
    (state, happening)
    for state, row in TABLE.items()
    for happening in row.on
    if row.asks and happening.value not in UNASKED
]


@pytest.mark.parametrize(("state", "happening"), ANSWERED)
@pytest.mark.parametrize("answers", [0, 6, 8])
def test_an_answer_to_another_step_means_nothing(
    state: State, happening: Happening, answers: int
) -> None:
    saga = at(state, step=7)
    result = sagas.step(saga, happening, NOW, Facts(step=answers, captured=1000))
    assert (result.ignored, result.asks) == (True, None)
    assert result.saga == replace(saga, version=saga.version + 1)


def test_every_request_has_a_number_of_its_own_and_keeps_it_when_sent_again() -> None:
    saga = begin(1000, NOW).saga
    assert saga.step == 1
    saga = after(saga, Happening.RESERVED)
    assert (saga.state, saga.step) == (State.CHARGING, 2)
    saga = after(saga, Happening.CHARGE_REFUSED)
    assert (saga.state, saga.step) == (State.AWAITING_PAYMENT, 2)  # asks nobody
    saga = after(saga, Happening.NEW_ATTEMPT, Happening.ACTION_REQUIRED)
    saga = after(saga, Happening.CHARGED, facts=WHOLE)
    assert (saga.state, saga.step) == (State.CONFIRMED, 4)
    saga = after(saga, Happening.DEADLINE, Happening.DEADLINE)
    assert (saga.resends, saga.step) == (2, 4)
    saga = after(saga, Happening.SOLD)
    assert (saga.resends, saga.step) == (0, 4)
    assert after(saga, Happening.EVENT_CANCELLED).step == 5


def test_a_payment_after_it_was_told_to_go_back_goes_back_by_a_step_of_its_own() -> None:
    saga = at(State.GIVING_BACK, step=3, ending=State.EXPIRED)
    again = sagas.step(saga, Happening.PAID_LATE, NOW, Facts(step=3, captured=1000))
    assert (asked(again), again.saga.step) == ("payment.GiveBack", 4)
    assert sagas.step(again.saga, Happening.GIVEN_BACK, NOW, Facts(step=3)).ignored
    done = sagas.step(again.saga, Happening.GIVEN_BACK, NOW, Facts(step=4)).saga
    assert (done.state, done.ending) == (State.RELEASING, State.EXPIRED)


@pytest.mark.parametrize(
    ("saga", "reason"),
    [
        ({"ending": State.EXPIRED, "reason": "PAYMENT_TIMED_OUT"}, "PAID_LATE_GIVEN_BACK"),
        ({"ending": State.FAILED, "reason": "GIVEN_UP"}, "PAID_LATE_GIVEN_BACK"),
        ({"ending": State.FAILED, "event_off": True}, "EVENT_CANCELLED"),
        # Told already why it goes back, and told once more that it came.
        ({"ending": State.EXPIRED, "reason": "PAID_LATE_SEATS_GONE"}, "PAID_LATE_SEATS_GONE"),
    ],
)
def test_a_payment_that_meets_its_going_back_is_told_as_a_late_one(
    saga: dict[str, Any], reason: str
) -> None:
    late = after(at(State.GIVING_BACK, **saga), Happening.PAID_LATE, facts=WHOLE)
    assert late.reason == reason
    ended = after(late, Happening.GIVEN_BACK, Happening.RELEASED, facts=back(1000))
    assert (ended.state, ended.reason) == (saga["ending"], reason)


def test_a_late_payment_which_nobody_asked_for_is_heard_whatever_its_number() -> None:
    for number in (0, 3, 9):
        facts = Facts(step=number, captured=1000)
        result = sagas.step(at(State.EXPIRED, step=5), Happening.PAID_LATE, NOW, facts)
        assert (result.saga.state, result.saga.step) == (State.RECLAIMING, 6)


def test_a_redirect_is_remembered_until_it_is_settled() -> None:
    facts = Facts(action_url=PAGE)
    saga = after(at(State.CHARGING), Happening.ACTION_REQUIRED, facts=facts)
    assert (saga.action_url, saga.payment_status) == (facts.action_url, "REQUIRES_ACTION")
    assert needs_customer(saga)
    assert not moves_by_itself(saga)
    saga = after(saga, Happening.CHARGED, facts=WHOLE)
    assert saga.action_url == ""
    assert not needs_customer(saga)


def test_another_card_takes_an_open_pages_place_and_the_deadline_stays() -> None:
    opened = Facts(action_url=PAGE)
    saga = after(at(State.CHARGING, step=2), Happening.ACTION_REQUIRED, facts=opened)
    switched = step(saga, Happening.NEW_ATTEMPT, NOW + timedelta(minutes=4))
    assert asked(switched) == "payment.Charge"
    saga = switched.saga
    assert (saga.state, saga.attempt, saga.step) == (State.CHARGING, 2, 3)
    assert (saga.action_url, saga.payment_status) == ("", "INITIATED")
    assert saga.deadline_at == PAY_BY
    for answer in (Happening.ACTION_REQUIRED, Happening.CHARGED, Happening.CHARGE_REFUSED):
        assert sagas.step(saga, answer, NOW, replace(opened, step=2)).ignored  # the old page's
    assert step(saga, Happening.NEW_ATTEMPT, NOW).refusal == "PAYMENT_IN_PROGRESS"
    assert after(saga, Happening.CHARGED, facts=WHOLE).state is State.CONFIRMED


def test_two_open_pages_may_be_left_and_the_third_is_the_last() -> None:
    saga = at(State.CHARGING)
    for attempt in (1, 2):
        saga = after(saga, Happening.ACTION_REQUIRED, facts=Facts(action_url=PAGE))
        assert saga.attempt == attempt
        saga = after(saga, Happening.NEW_ATTEMPT)
    saga = after(saga, Happening.ACTION_REQUIRED, facts=Facts(action_url=PAGE))
    last = step(saga, Happening.NEW_ATTEMPT, NOW)
    assert (last.refusal, last.saga) == ("PAYMENT_IN_PROGRESS", saga)


# --- money that goes back --------------------------------------------------------------------


def back(amount: int) -> Facts:
    """What payment tells when so much has gone back, in all."""
    return Facts(captured=1000, refunded=amount)


PAID = at(State.CONFIRMED, captured=1000, payment_status="CAPTURED")


def test_what_went_back_apart_is_remembered_and_the_saga_asks_for_a_share_not_an_amount() -> None:
    saga = after(PAID, Happening.PAID_BACK, facts=back(300))
    assert (saga.state, saga.refunded, saga.payment_status) == (
        State.CONFIRMED,
        300,
        "PARTIALLY_REFUNDED",
    )
    off = after(saga, Happening.EVENT_CANCELLED)
    assert (off.state, off.percent, off.refunds) == (State.REFUNDING, 100, 1)
    off = after(off, Happening.REFUNDED, facts=back(1000))
    assert (off.state, off.refunded, off.payment_status) == (State.RESTOCKING, 1000, "REFUNDED")


def test_with_all_of_it_back_a_booking_is_cancelled_and_nothing_more_is_asked_of_payment() -> None:
    saga = after(PAID, Happening.PAID_BACK, facts=back(300))
    last = step(saga, Happening.PAID_BACK, NOW, back(1000))
    assert asked(last) == "inventory.Restock"
    assert last.leaves(State.CONFIRMED)
    saga = after(last.saga, Happening.RESTOCKED)
    assert (saga.state, saga.reason) == (State.CANCELLED, "REFUNDED")
    assert (saga.percent, saga.refunds, saga.refunded) == (0, 0, 1000)


def test_totals_told_in_any_order_and_any_number_of_times_come_to_the_same() -> None:
    cancelled = after(PAID, Happening.CANCEL, facts=Facts(percent=50))
    # The organizer gave 600 back, and the policy's half of the rest went back after that.
    organizers = (Happening.PAID_BACK, back(600))
    own = (Happening.REFUNDED, back(800))
    for order in ((organizers, own), (own, organizers), (own, organizers, organizers, own)):
        saga = cancelled
        for happening, facts in order:
            saga = after(saga, happening, facts=facts)
        assert (saga.state, saga.refunded, saga.captured) == (State.RESTOCKING, 800, 1000)
        assert saga.payment_status == "PARTIALLY_REFUNDED"


def test_a_refund_that_overtakes_the_charges_answer_cancels_as_well() -> None:
    saga = after(at(State.CHARGING), Happening.PAID_BACK, facts=back(1000))
    last = step(saga, Happening.CHARGED, NOW, WHOLE)
    assert (last.saga.state, last.saga.reason) == (State.RESTOCKING, "REFUNDED")
    assert last.saga.payment_status == "REFUNDED"
    assert not last.leaves(State.CONFIRMED)


@pytest.mark.parametrize(
    ("state", "happening"),
    [
        (State.CHARGING, Happening.CHARGED),
        (State.CONFIRMED, Happening.PAID_LATE),
        (State.CANCELLED, Happening.PAID_LATE),
        (State.RESTOCKING, Happening.PAID_LATE),
        (State.REFUNDING, Happening.PAID_LATE),
    ],
)
def test_a_payment_that_is_told_once_more_does_not_undo_what_is_known_to_be_back(
    state: State, happening: Happening
) -> None:
    part = at(state, captured=1000, refunded=400, payment_status="PARTIALLY_REFUNDED")
    assert after(part, happening, facts=WHOLE).payment_status == "PARTIALLY_REFUNDED"


def test_an_event_called_off_has_the_rest_of_a_policys_share_follow() -> None:
    saga = after(PAID, Happening.CANCEL, facts=Facts(percent=50))
    saga = after(saga, Happening.EVENT_CANCELLED)
    assert (saga.state, saga.percent, saga.refunds) == (State.REFUNDING, 50, 1)
    more = step(saga, Happening.REFUNDED, NOW, back(500))
    assert asked(more) == "payment.Refund"
    assert (more.saga.percent, more.saga.refunds) == (100, 2)
    assert more.saga.step == saga.step + 1
    assert sagas.step(more.saga, Happening.REFUNDED, NOW, Facts(step=saga.step)).ignored
    saga = after(more.saga, Happening.REFUNDED, facts=back(1000))
    assert (saga.state, saga.refunded, saga.reason) == (State.RESTOCKING, 1000, "EVENT_CANCELLED")


def test_cancelling_asks_for_the_policys_share_and_leaves_confirmed_at_once() -> None:
    result = step(PAID, Happening.CANCEL, NOW, Facts(percent=40))
    assert result.leaves(State.CONFIRMED)
    assert (result.saga.state, result.saga.percent) == (State.REFUNDING, 40)
    assert result.saga.reason == "CANCELLED_BY_CUSTOMER"
    again = step(result.saga, Happening.CANCEL, NOW, Facts(percent=100))
    assert (again.asks, again.saga.percent) == (None, 40)
    saga = after(result.saga, Happening.REFUNDED, facts=back(400))
    assert saga.payment_status == "PARTIALLY_REFUNDED"
    assert after(saga, Happening.RESTOCKED).state is State.CANCELLED


def test_what_goes_back_before_it_was_confirmed_is_voided_or_refunded() -> None:
    saga = after(at(State.CHARGING), Happening.DEADLINE)
    assert after(saga, Happening.GIVEN_BACK).payment_status == "VOIDED"
    assert after(saga, Happening.GIVEN_BACK, facts=back(1000)).payment_status == "REFUNDED"


# --- paid late -------------------------------------------------------------------------------


def test_a_late_payment_after_the_time_ran_out_takes_the_seats_back() -> None:
    saga = after(at(State.EXPIRED), Happening.PAID_LATE, facts=WHOLE)
    assert saga.state is State.RECLAIMING
    result = step(saga, Happening.RECLAIMED, NOW)
    assert asked(result) == "inventory.Sell"
    saga = result.saga
    assert (saga.state, saga.ending, saga.reason) == (State.CONFIRMED, None, "")


@pytest.mark.parametrize(
    ("refusal", "reason"),
    [
        ("SEATS_UNAVAILABLE", "PAID_LATE_SEATS_GONE"),
        ("CUSTOMER_LIMIT", "PAID_LATE_CUSTOMER_LIMIT"),
        ("SALES_CLOSED", "PAID_LATE_SALES_CLOSED"),
        ("SOMETHING_NEW", "PAID_LATE_SEATS_GONE"),
    ],
)
def test_why_inventory_would_not_take_it_back_is_what_the_customer_is_told(
    refusal: str, reason: str
) -> None:
    saga = after(at(State.EXPIRED), Happening.PAID_LATE, facts=WHOLE)
    saga = after(saga, Happening.RECLAIM_REFUSED, facts=Facts(reason=refusal))
    saga = after(saga, Happening.GIVEN_BACK, facts=back(1000))
    last = step(saga, Happening.RELEASED, NOW)
    assert last.ended
    assert (last.saga.state, last.saga.reason) == (State.EXPIRED, reason)
    assert last.saga.payment_status == "REFUNDED"


@pytest.mark.parametrize(
    ("hindrance", "reason"),
    [
        ("COUPON_USED_UP", "PAID_LATE_COUPON_USED_UP"),
        ("SALES_CLOSED", "PAID_LATE_SALES_CLOSED"),
    ],
)
def test_what_hinders_it_here_is_told_as_well(hindrance: str, reason: str) -> None:
    facts = replace(WHOLE, hindrance=hindrance)
    assert after(at(State.EXPIRED), Happening.PAID_LATE, facts=facts).reason == reason
    waiting = after(at(State.RELEASING, ending=State.EXPIRED), Happening.PAID_LATE, facts=WHOLE)
    assert after(waiting, Happening.RELEASED, facts=facts).reason == reason


def test_what_was_given_up_is_not_revived_by_a_late_payment() -> None:
    for reason in ("GIVEN_UP", "CANCELLED_BY_ORGANIZER"):
        failed = at(State.FAILED, reason=reason)
        result = step(failed, Happening.PAID_LATE, NOW, WHOLE)
        assert asked(result) == "payment.GiveBack"
        assert result.saga.reason == "PAID_LATE_GIVEN_BACK"
        saga = after(result.saga, Happening.GIVEN_BACK, Happening.RELEASED, facts=back(1000))
        assert (saga.state, saga.reason) == (State.FAILED, "PAID_LATE_GIVEN_BACK")


def test_an_event_called_off_while_the_seats_are_taken_back_refunds_it_in_full() -> None:
    saga = after(at(State.RECLAIMING, captured=1000), Happening.EVENT_CANCELLED)
    result = step(saga, Happening.RECLAIMED, NOW)
    assert (asked(result), result.saga.reason) == ("payment.GiveBack", "EVENT_CANCELLED")
    assert not result.enters(State.CONFIRMED)


def test_a_refund_that_overtakes_the_late_payment_is_remembered() -> None:
    saga = after(at(State.EXPIRED), Happening.PAID_BACK, facts=back(250))
    late = step(saga, Happening.PAID_LATE, NOW, WHOLE)
    # A payment that has begun to go back is not the whole price.
    assert (late.saga.state, late.saga.refunded) == (State.GIVING_BACK, 250)
    saga = after(at(State.RECLAIMING, captured=1000), Happening.PAID_BACK, facts=back(1000))
    saga = after(saga, Happening.RECLAIMED)
    assert (saga.state, saga.reason) == (State.RESTOCKING, "REFUNDED")


def test_a_payment_that_comes_while_the_seats_are_released_waits_for_that() -> None:
    releasing = at(State.RELEASING, ending=State.EXPIRED)
    saga = after(releasing, Happening.PAID_LATE, facts=WHOLE)
    assert saga.paid_late
    saga = after(saga, Happening.RELEASED)
    assert (saga.state, saga.paid_late) == (State.RECLAIMING, False)


def test_only_a_happening_that_would_revive_it_has_the_coupon_taken_again() -> None:
    expired = at(State.EXPIRED)
    assert would_revive(expired, Happening.PAID_LATE, WHOLE)
    assert not would_revive(expired, Happening.PAID_LATE, Facts(captured=999))
    assert not would_revive(at(State.FAILED), Happening.PAID_LATE, WHOLE)
    assert not would_revive(expired, Happening.PAID_BACK, back(1))
    waiting = at(State.RELEASING, step=4, **LATE)
    assert would_revive(waiting, Happening.RELEASED, Facts(step=4))
    assert not would_revive(waiting, Happening.RELEASED, Facts(step=3))


def test_an_ending_learns_only_now_that_its_event_was_called_off() -> None:
    assert knowing(at(State.EXPIRED), event_off=True).event_off
    assert not knowing(at(State.EXPIRED), event_off=False).event_off
    # Whatever is under way is told, and must not be passed over for being marked already.
    assert not knowing(PAID, event_off=True).event_off


def test_a_late_payment_nobody_waits_for_calls_an_operator() -> None:
    for state in (State.SECURING, State.CHARGING, State.AWAITING_PAYMENT):
        assert step(at(state), Happening.PAID_LATE, NOW, WHOLE).alert == "paid_late_ignored"
    assert step(PAID, Happening.RELEASED, NOW).alert == ""


# --- what is asked ---------------------------------------------------------------------------


def booking() -> Booking:
    id = UUID(int=7)
    policy = RefundPolicy(24, 50)
    event = Event(id, id, "The Tempest", "The Globe", NOW, "UTC", "NPR", 0, policy, 1)
    price = Price(1000, 0, 0, 0, 1000, "NPR")
    return Booking(id, "PT-1", id, id, 3, UUID(int=8), price, policy, event, NOW, NOW, 1)


def test_what_is_asked_carries_the_sagas_step_and_what_it_needs_besides() -> None:
    card = Instrument(Method.CARD, "tok")
    charge = ChargePayment.of(booking(), at(State.CHARGING, step=4, attempt=2), card)
    assert (charge.step, charge.attempt, charge.instrument) == (4, 2, card)
    refunding = at(State.REFUNDING, step=5, percent=50, refunds=2, reason="EVENT_CANCELLED")
    refund = RefundPayment.of(booking(), refunding, NO_INSTRUMENT)
    assert (refund.step, refund.percent, refund.reason) == (5, 50, "EVENT_CANCELLED")
    assert refund.refund_id == refund_id_of(UUID(int=8), 2)
    assert refund.refund_id != refund_id_of(UUID(int=8), 1)
    sell = SellSeats.of(booking(), at(State.CONFIRMED, step=3), card)
    assert (sell.step, sell.booking) == (3, booking())


def test_a_refused_wish_changes_nothing() -> None:
    saga = at(State.RECLAIMING)
    result = step(saga, Happening.GIVE_UP, NOW)
    assert (result.refusal, result.saga, result.asks) == ("BOOKING_BUSY", saga, None)


# --- what is told ----------------------------------------------------------------------------


def test_each_ending_is_announced_and_nothing_else() -> None:
    for state, happening in product(State, Happening):
        result = step(at(state), happening, NOW, Facts(percent=1, captured=1000))
        moved = result.saga.state is not state
        assert result.ended is (moved and result.saga.state in ENDINGS)


def test_customers_see_four_endings_and_two_ways_there() -> None:
    assert {customer_status(state) for state in State} == {
        "PENDING",
        "CONFIRMED",
        "FAILED",
        "EXPIRED",
        "CANCELLING",
        "CANCELLED",
    }
    assert states_of("CANCELLING") == [State.REFUNDING, State.RESTOCKING]
    assert states_of("LOST") == []


def test_what_is_paid_and_what_came_to_nothing() -> None:
    paid = {state for state in State if is_paid(at(state))}
    assert paid == {State.CONFIRMED, State.REFUNDING, State.RESTOCKING, State.CANCELLED}
    assert came_to_nothing(at(State.FAILED))
    assert came_to_nothing(at(State.EXPIRED))
    assert came_to_nothing(at(State.CANCELLED, refunded=1000))
    assert not came_to_nothing(at(State.CANCELLED, refunded=999))
    assert not came_to_nothing(at(State.RELEASING))
    assert came_to_nothing(at(State.CANCELLED, amount=0))
