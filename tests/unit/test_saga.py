"""The saga's table against one written by hand, and what a step decides besides."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from booking_service import saga as sagas
from booking_service.saga import (
    ALERT_AFTER_RESENDS,
    COMMANDS,
    ENDINGS,
    TABLE,
    Command,
    Facts,
    Guard,
    Happening,
    Saga,
    State,
    Step,
    begin,
    customer_status,
    needs_customer,
    states_of,
)

NOW = datetime(2027, 1, 2, 10, 0, tzinfo=UTC)
PAY_BY = NOW + timedelta(minutes=5)
PAGE = "https://wallet.example/pay"

# What each happening leads to, for a booking that costs something, in its first attempt, whose
# event is on. "+" stays; "again" sends its command once more; "!" is a refusal; absent: ignored.
GOLDEN: dict[str, dict[str, str]] = {
    "SECURING": {
        "RESERVED": "AUTHORIZING",
        "RESERVE_REFUSED": "FAILED",
        "DEADLINE": "RELEASING",
        "GIVE_UP": "RELEASING",
        "EVENT_CANCELLED": "RELEASING",
        "NEW_ATTEMPT": "!PAYMENT_IN_PROGRESS",
    },
    "AUTHORIZING": {
        "PAID_BACK": "+",
        "AUTHORIZED": "SELLING",
        "ACTION_REQUIRED": "+",
        "AUTHORIZATION_REFUSED": "AWAITING_PAYMENT",
        "DEADLINE": "VOIDING",
        "GIVE_UP": "VOIDING",
        "EVENT_CANCELLED": "VOIDING",
        "NEW_ATTEMPT": "!PAYMENT_IN_PROGRESS",
    },
    "AWAITING_PAYMENT": {
        "NEW_ATTEMPT": "AUTHORIZING",
        "DEADLINE": "RELEASING",
        "GIVE_UP": "RELEASING",
        "EVENT_CANCELLED": "RELEASING",
    },
    "SELLING": {
        "PAID_BACK": "+",
        "SOLD": "CAPTURING",
        "SELL_REFUSED": "VOIDING",
        "DEADLINE": "again",
        "GIVE_UP": "!BOOKING_BUSY",
        "EVENT_CANCELLED": "+",
    },
    "CAPTURING": {
        "PAID_BACK": "+",
        "CAPTURED": "CONFIRMED",
        "CAPTURE_REFUSED": "UNSELLING",
        "DEADLINE": "again",
        "GIVE_UP": "!BOOKING_BUSY",
        "EVENT_CANCELLED": "+",
    },
    "CONFIRMED": {
        "CANCEL": "REFUNDING",
        "EVENT_CANCELLED": "REFUNDING",
        "PAID_BACK": "+",
    },
    "UNSELLING": {
        "PAID_BACK": "+",
        "UNSOLD": "VOIDING",
        "DEADLINE": "again",
        "GIVE_UP": "+",
        "EVENT_CANCELLED": "+",
    },
    "VOIDING": {
        "PAID_BACK": "+",
        "VOIDED": "RELEASING",
        "PAID_LATE": "again",
        "DEADLINE": "again",
        "GIVE_UP": "+",
        "EVENT_CANCELLED": "+",
    },
    "RELEASING": {
        "PAID_BACK": "+",
        "RELEASED": "FAILED",
        "PAID_LATE": "+",
        "DEADLINE": "again",
        "GIVE_UP": "+",
        "EVENT_CANCELLED": "+",
    },
    "RECLAIMING": {
        "PAID_BACK": "+",
        "RECLAIMED": "CAPTURING",
        "RECLAIM_REFUSED": "VOIDING",
        "DEADLINE": "again",
        "GIVE_UP": "!BOOKING_BUSY",
        "EVENT_CANCELLED": "+",
    },
    "REFUNDING": {
        "PAID_BACK": "+",
        "REFUNDED": "RESTOCKING",
        "DEADLINE": "again",
        "CANCEL": "+",
        "EVENT_CANCELLED": "+",
    },
    "RESTOCKING": {
        "PAID_BACK": "+",
        "RESTOCKED": "CANCELLED",
        "DEADLINE": "again",
        "CANCEL": "+",
        "EVENT_CANCELLED": "+",
    },
    "FAILED": {"PAID_LATE": "RECLAIMING", "PAID_BACK": "+"},
    "EXPIRED": {"PAID_LATE": "RECLAIMING", "PAID_BACK": "+"},
    "CANCELLED": {"PAID_BACK": "+"},
}
ASKS = {
    "SECURING": "inventory.Reserve",
    "AUTHORIZING": "payment.Authorize",
    "SELLING": "inventory.Sell",
    "CAPTURING": "payment.Capture",
    "UNSELLING": "inventory.Unsell",
    "VOIDING": "payment.Void",
    "RELEASING": "inventory.Release",
    "RECLAIMING": "inventory.Reclaim",
    "REFUNDING": "payment.Refund",
    "RESTOCKING": "inventory.Restock",
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


def at(state: State, **facts: object) -> Saga:
    saga = Saga(state, amount=1000, pay_by=PAY_BY, deadline_at=NOW, payment_status="INITIATED")
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


def told(result: Step) -> str:
    assert result.before is not None
    if result.refusal:
        return f"!{result.refusal}"
    if result.ignored:
        return "ignored"
    if result.saga.state is not result.before.state:
        return result.saga.state.value
    return "again" if result.commands else "+"


@pytest.mark.parametrize(("state", "happening"), list(product(State, Happening)))
def test_each_happening_leads_where_the_design_says(state: State, happening: Happening) -> None:
    facts = Facts(refund=1000)
    result = step(at(state), happening, NOW, facts)

    assert told(result) == GOLDEN[state].get(happening, "ignored")
    entered = result.saga.state if result.saga.state is not state else None
    if entered:
        asked = [ASKS[entered]] if entered in ASKS else []
    else:
        asked = [ASKS[state]] if told(result) == "again" else []
    assert [command.value for command in result.commands] == asked


GUARDED: list[tuple[str, dict[str, object], str, str]] = [
    ("SECURING", {"amount": 0}, "RESERVED", "SELLING"),
    ("SELLING", {"amount": 0}, "SOLD", "CONFIRMED"),
    ("SELLING", {"amount": 0, "event_off": True}, "SOLD", "RESTOCKING"),
    ("SELLING", {"event_off": True}, "SOLD", "CAPTURING"),
    ("SELLING", {"amount": 0}, "SELL_REFUSED", "RELEASING"),
    ("SELLING", {"amount": 0}, "EVENT_CANCELLED", "+"),
    ("CAPTURING", {"event_off": True}, "CAPTURED", "REFUNDING"),
    ("AUTHORIZING", {"attempt": 2}, "AUTHORIZATION_REFUSED", "AWAITING_PAYMENT"),
    ("AUTHORIZING", {"attempt": 3}, "AUTHORIZATION_REFUSED", "RELEASING"),
    ("AUTHORIZING", {"attempt": 2, "action_url": PAGE}, "NEW_ATTEMPT", "again"),
    ("AUTHORIZING", {"attempt": 3, "action_url": PAGE}, "NEW_ATTEMPT", "!PAYMENT_IN_PROGRESS"),
    ("CONFIRMED", {"amount": 0}, "EVENT_CANCELLED", "RESTOCKING"),
    ("CONFIRMED", {"amount": 0}, "CANCEL", "RESTOCKING"),
    ("CONFIRMED", {}, "CANCEL", "RESTOCKING"),  # the policy gives nothing back
    ("CAPTURING", {"refunded": 1000}, "CAPTURED", "RESTOCKING"),
    ("CAPTURING", {"refunded": 999}, "CAPTURED", "CONFIRMED"),
    ("CONFIRMED", {"refunded": 1000}, "PAID_BACK", "RESTOCKING"),
    ("REFUNDING", {"refund": 500, "event_off": True}, "REFUNDED", "again"),
    ("REFUNDING", {"refund": 1000, "event_off": True}, "REFUNDED", "RESTOCKING"),
    ("REFUNDING", {"refund": 500, "refunded": 500, "event_off": True}, "REFUNDED", "RESTOCKING"),
    ("RELEASING", {"ending": State.EXPIRED}, "RELEASED", "EXPIRED"),
    ("RELEASING", {"ending": State.FAILED}, "RELEASED", "FAILED"),
    ("RELEASING", {"paid_late": True}, "RELEASED", "RECLAIMING"),
    ("RELEASING", {"event_off": True}, "PAID_LATE", "VOIDING"),
    ("FAILED", {"event_off": True}, "PAID_LATE", "VOIDING"),
    ("EXPIRED", {"event_off": True}, "PAID_LATE", "VOIDING"),
]


@pytest.mark.parametrize(("state", "facts", "happening", "leads"), GUARDED)
def test_what_depends_on_more_than_the_state(
    state: str, facts: dict[str, object], happening: str, leads: str
) -> None:
    assert told(step(at(State(state), **facts), Happening(happening), NOW)) == leads


def test_every_guard_of_the_table_is_tried_here() -> None:
    used = {
        (state.value, happening.value, rule.when)
        for state, happenings in TABLE.items()
        for happening, rules in happenings.items()
        for rule in rules
        if rule.when is not Guard.ALWAYS
    }
    tried = {(state, happening) for state, _, happening, _ in GUARDED}
    assert {(state, happening) for state, happening, _ in used} <= tried
    assert set(COMMANDS) == {State(state) for state in ASKS}


def test_it_begins_by_asking_for_the_seats() -> None:
    first = begin(1000, NOW)
    assert first.commands == (Command.RESERVE,)
    assert first.saga.deadline_at == NOW + timedelta(seconds=30)
    assert first.saga.pay_by == NOW + timedelta(minutes=10)
    assert begin(0, NOW).saga.payment_status == ""


@pytest.mark.parametrize("state", [State.AUTHORIZING, State.AWAITING_PAYMENT])
def test_while_the_customer_pays_the_payment_deadline_holds(state: State) -> None:
    before = State.SECURING if state is State.AUTHORIZING else State.AUTHORIZING
    led = Happening.RESERVED if state is State.AUTHORIZING else Happening.AUTHORIZATION_REFUSED
    saga = after(at(before), led)
    assert (saga.state, saga.deadline_at) == (state, PAY_BY)


@pytest.mark.parametrize(
    "state",
    [
        State.SELLING,
        State.CAPTURING,
        State.UNSELLING,
        State.VOIDING,
        State.RELEASING,
        State.RECLAIMING,
        State.REFUNDING,
        State.RESTOCKING,
    ],
)
def test_an_unanswered_command_is_sent_again_later_each_time_for_ever(state: State) -> None:
    saga = at(state)
    pauses = []
    for _ in range(12):
        result = step(saga, Happening.DEADLINE, NOW)
        assert result.commands == (COMMANDS[state],)
        assert result.saga.deadline_at is not None
        pauses.append((result.saga.deadline_at - NOW).total_seconds())
        saga = result.saga
        assert bool(result.alert) is (saga.resends >= ALERT_AFTER_RESENDS)
    assert pauses[:6] == [4, 8, 16, 32, 60, 60]
    assert pauses[-1] == 60
    stretched = step(at(state), Happening.DEADLINE, NOW, jitter=1.2).saga.deadline_at
    assert stretched == NOW + timedelta(seconds=4.8)


def test_the_first_resend_comes_after_two_seconds() -> None:
    saga = after(at(State.AUTHORIZING), Happening.AUTHORIZED)
    assert saga.deadline_at == NOW + timedelta(seconds=2)


def test_what_has_ended_waits_for_nothing() -> None:
    assert after(at(State.CAPTURING), Happening.CAPTURED).deadline_at is None


@pytest.mark.parametrize(
    ("state", "happening", "ending", "reason"),
    [
        (State.SECURING, Happening.DEADLINE, State.EXPIRED, "SEATS_NOT_SECURED"),
        (State.AUTHORIZING, Happening.DEADLINE, State.EXPIRED, "PAYMENT_TIMED_OUT"),
        (State.AWAITING_PAYMENT, Happening.DEADLINE, State.EXPIRED, "PAYMENT_TIMED_OUT"),
        (State.AWAITING_PAYMENT, Happening.GIVE_UP, State.FAILED, "GIVEN_UP"),
        (State.AUTHORIZING, Happening.EVENT_CANCELLED, State.FAILED, "EVENT_CANCELLED"),
        (State.SELLING, Happening.SELL_REFUSED, State.FAILED, "SELL_REFUSED"),
    ],
)
def test_how_it_ends_is_chosen_when_it_turns_back_and_kept(
    state: State, happening: Happening, ending: State, reason: str
) -> None:
    saga = after(at(state), happening)
    assert (saga.ending, saga.reason) == (ending, reason)
    saga = after(saga, Happening.DEADLINE, Happening.VOIDED, Happening.RELEASED)
    assert (saga.state, saga.reason) == (ending, reason)


def test_a_refusals_reason_is_the_bookings() -> None:
    saga = after(at(State.SECURING), Happening.RESERVE_REFUSED, facts=Facts(reason="HOLD_EXPIRED"))
    assert (saga.state, saga.reason) == (State.FAILED, "HOLD_EXPIRED")


def test_three_refused_attempts_give_the_seats_back() -> None:
    saga = at(State.AUTHORIZING)
    for attempt in (1, 2):
        declined = Facts(reason="CARD_DECLINED")
        saga = after(saga, Happening.AUTHORIZATION_REFUSED, facts=declined)
        assert (saga.state, saga.payment_status) == (State.AWAITING_PAYMENT, "FAILED")
        assert saga.refused_because == "CARD_DECLINED"
        saga = after(saga, Happening.NEW_ATTEMPT)
        assert (saga.state, saga.attempt) == (State.AUTHORIZING, attempt + 1)
        assert (saga.payment_status, saga.refused_because) == ("INITIATED", "")
    saga = after(saga, Happening.AUTHORIZATION_REFUSED, facts=Facts(reason="CARD_DECLINED"))
    assert (saga.state, saga.reason) == (State.RELEASING, "CARD_DECLINED")


ANSWERED = [
    (state, happening)
    for state, happenings in TABLE.items()
    for happening in happenings
    if state in COMMANDS and happening.value not in UNASKED
]


@pytest.mark.parametrize(("state", "happening"), ANSWERED)
@pytest.mark.parametrize("answers", [0, 6, 8])
def test_an_answer_to_another_step_means_nothing(
    state: State, happening: Happening, answers: int
) -> None:
    saga = at(state, step=7)
    result = sagas.step(saga, happening, NOW, Facts(step=answers))
    assert (result.ignored, result.commands) == (True, ())
    assert result.saga == replace(saga, version=saga.version + 1)


def test_every_request_has_a_number_of_its_own_and_keeps_it_when_sent_again() -> None:
    saga = begin(1000, NOW).saga
    assert saga.step == 1
    saga = after(saga, Happening.RESERVED)
    assert (saga.state, saga.step) == (State.AUTHORIZING, 2)
    saga = after(saga, Happening.AUTHORIZATION_REFUSED)
    assert (saga.state, saga.step) == (State.AWAITING_PAYMENT, 2)  # asks nobody
    saga = after(saga, Happening.NEW_ATTEMPT, Happening.ACTION_REQUIRED, Happening.AUTHORIZED)
    assert (saga.state, saga.step) == (State.SELLING, 4)
    saga = after(saga, Happening.DEADLINE, Happening.DEADLINE)
    assert (saga.resends, saga.step) == (2, 4)
    assert after(saga, Happening.SOLD, Happening.CAPTURED).step == 5  # nor does CONFIRMED


def test_a_payment_after_the_void_was_sent_is_voided_by_a_step_of_its_own() -> None:
    saga = at(State.VOIDING, step=3, ending=State.EXPIRED)
    again = sagas.step(saga, Happening.PAID_LATE, NOW, Facts(step=3))
    assert (again.commands, again.saga.step) == ((Command.VOID,), 4)
    assert sagas.step(again.saga, Happening.VOIDED, NOW, Facts(step=3)).ignored
    done = sagas.step(again.saga, Happening.VOIDED, NOW, Facts(step=4)).saga
    assert (done.state, done.ending) == (State.RELEASING, State.EXPIRED)


def test_a_late_payment_which_nobody_asked_for_is_heard_whatever_its_number() -> None:
    for number in (0, 3, 9):
        result = sagas.step(at(State.EXPIRED, step=5), Happening.PAID_LATE, NOW, Facts(step=number))
        assert (result.saga.state, result.saga.step) == (State.RECLAIMING, 6)


def test_a_redirect_is_remembered_until_it_is_settled() -> None:
    facts = Facts(action_url=PAGE)
    saga = after(at(State.AUTHORIZING), Happening.ACTION_REQUIRED, facts=facts)
    assert (saga.action_url, saga.payment_status) == (facts.action_url, "REQUIRES_ACTION")
    assert needs_customer(saga)
    saga = after(saga, Happening.AUTHORIZED)
    assert saga.action_url == ""
    assert not needs_customer(saga)


def test_another_card_takes_an_open_pages_place_and_the_deadline_stays() -> None:
    opened = Facts(action_url=PAGE)
    saga = after(at(State.AUTHORIZING, step=2), Happening.ACTION_REQUIRED, facts=opened)
    switched = step(saga, Happening.NEW_ATTEMPT, NOW + timedelta(minutes=4))
    assert switched.commands == (Command.AUTHORIZE,)
    saga = switched.saga
    assert (saga.state, saga.attempt, saga.step) == (State.AUTHORIZING, 2, 3)
    assert (saga.action_url, saga.payment_status) == ("", "INITIATED")
    assert saga.deadline_at == PAY_BY
    for answer in (
        Happening.ACTION_REQUIRED,
        Happening.AUTHORIZED,
        Happening.AUTHORIZATION_REFUSED,
    ):
        assert sagas.step(saga, answer, NOW, replace(opened, step=2)).ignored  # the old page's
    assert step(saga, Happening.NEW_ATTEMPT, NOW).refusal == "PAYMENT_IN_PROGRESS"
    assert after(saga, Happening.AUTHORIZED).state is State.SELLING


def test_two_open_pages_may_be_left_and_the_third_is_the_last() -> None:
    saga = at(State.AUTHORIZING)
    for attempt in (1, 2):
        saga = after(saga, Happening.ACTION_REQUIRED, facts=Facts(action_url=PAGE))
        assert saga.attempt == attempt
        saga = after(saga, Happening.NEW_ATTEMPT)
    saga = after(saga, Happening.ACTION_REQUIRED, facts=Facts(action_url=PAGE))
    last = step(saga, Happening.NEW_ATTEMPT, NOW)
    assert (last.refusal, last.saga) == ("PAYMENT_IN_PROGRESS", saga)


def kept(amount: int) -> Facts:
    return Facts(kept=amount)


def test_what_went_back_apart_is_remembered_and_only_the_rest_is_refunded() -> None:
    saga = after(at(State.CONFIRMED), Happening.PAID_BACK, facts=kept(700))
    assert (saga.state, saga.refunded, saga.payment_status) == (
        State.CONFIRMED,
        300,
        "PARTIALLY_REFUNDED",
    )
    off = after(saga, Happening.EVENT_CANCELLED)
    assert (off.state, off.refund, off.refunds) == (State.REFUNDING, 700, 1)
    off = after(off, Happening.REFUNDED)
    assert (off.state, off.refunded, off.payment_status) == (State.RESTOCKING, 1000, "REFUNDED")


def test_with_all_of_it_back_a_booking_is_cancelled_and_nothing_more_is_asked_of_payment() -> None:
    saga = after(at(State.CONFIRMED), Happening.PAID_BACK, facts=kept(700))
    last = step(saga, Happening.PAID_BACK, NOW, kept(0))
    assert last.commands == (Command.RESTOCK,)
    assert last.leaves(State.CONFIRMED)
    saga = after(last.saga, Happening.RESTOCKED)
    assert (saga.state, saga.reason) == (State.CANCELLED, "REFUNDED")
    assert (saga.refund, saga.refunds, saga.refunded) == (0, 0, 1000)


def test_of_two_refunds_told_in_the_wrong_order_the_later_counts() -> None:
    saga = after(at(State.CONFIRMED), Happening.PAID_BACK, facts=kept(400))
    saga = after(saga, Happening.PAID_BACK, facts=kept(700))
    assert saga.refunded == 600


@pytest.mark.parametrize("told", [-1000, 1000, 5000])
def test_what_went_back_stays_between_nothing_and_all(told: int) -> None:
    saga = after(at(State.CANCELLED), Happening.PAID_BACK, facts=kept(told))
    assert 0 <= saga.refunded <= saga.amount


def test_a_refund_that_overtakes_the_capture_cancels_as_well() -> None:
    saga = after(at(State.CAPTURING), Happening.PAID_BACK, facts=kept(0))
    last = step(saga, Happening.CAPTURED, NOW)
    assert (last.saga.state, last.saga.reason) == (State.RESTOCKING, "REFUNDED")
    assert not last.leaves(State.CONFIRMED)


def test_an_event_called_off_raises_a_refund_under_way_to_the_full_price() -> None:
    saga = after(at(State.CONFIRMED), Happening.CANCEL, facts=Facts(refund=500))
    saga = after(saga, Happening.EVENT_CANCELLED)
    assert (saga.state, saga.refund, saga.refunds) == (State.REFUNDING, 500, 1)
    more = step(saga, Happening.REFUNDED, NOW)
    assert more.commands == (Command.REFUND,)
    assert (more.saga.refund, more.saga.refunds) == (500, 2)
    assert more.saga.step == saga.step + 1
    assert sagas.step(more.saga, Happening.REFUNDED, NOW, Facts(step=saga.step)).ignored
    saga = after(more.saga, Happening.REFUNDED)
    assert (saga.state, saga.refunded, saga.reason) == (State.RESTOCKING, 1000, "EVENT_CANCELLED")


def test_a_refund_that_overtakes_the_late_payment_is_remembered() -> None:
    part = after(at(State.EXPIRED), Happening.PAID_BACK, facts=kept(750))
    saga = after(part, Happening.PAID_LATE, Happening.RECLAIMED, Happening.CAPTURED)
    assert (saga.state, saga.refunded) == (State.CONFIRMED, 250)
    whole = after(part, Happening.PAID_BACK, facts=kept(0))
    saga = after(whole, Happening.PAID_LATE, Happening.RECLAIMED, Happening.CAPTURED)
    assert (saga.state, saga.reason) == (State.RESTOCKING, "REFUNDED")


def test_a_late_payment_takes_the_seats_back() -> None:
    expired = at(State.EXPIRED, ending=State.EXPIRED, reason="PAYMENT_TIMED_OUT")
    saga = after(expired, Happening.PAID_LATE, Happening.RECLAIMED, Happening.CAPTURED)
    assert (saga.state, saga.ending, saga.reason) == (State.CONFIRMED, None, "")


def test_a_late_payment_for_seats_that_are_gone_goes_back_and_the_customer_is_told() -> None:
    expired = at(State.EXPIRED, ending=State.EXPIRED, reason="PAYMENT_TIMED_OUT")
    refused = Facts(reason="SEATS_UNAVAILABLE")
    saga = after(expired, Happening.PAID_LATE)
    saga = after(saga, Happening.RECLAIM_REFUSED, facts=refused)
    saga = after(saga, Happening.VOIDED)
    last = step(saga, Happening.RELEASED, NOW)
    assert last.ended
    assert (last.saga.state, last.saga.reason) == (State.EXPIRED, "PAID_LATE_SEATS_GONE")
    assert last.saga.payment_status == "REFUNDED"


def test_a_payment_that_comes_while_the_seats_are_released_waits_for_that() -> None:
    saga = after(at(State.RELEASING, ending=State.FAILED), Happening.PAID_LATE)
    assert saga.paid_late
    saga = after(saga, Happening.RELEASED)
    assert (saga.state, saga.paid_late) == (State.RECLAIMING, False)


def test_a_late_payment_nobody_waits_for_calls_an_operator() -> None:
    assert step(at(State.CONFIRMED), Happening.PAID_LATE, NOW).alert == "paid_late_ignored"
    assert step(at(State.CONFIRMED), Happening.SOLD, NOW).alert == ""


def test_an_event_cancelled_while_it_is_sold_is_refunded_in_full_without_tickets() -> None:
    saga = after(at(State.CAPTURING), Happening.EVENT_CANCELLED)
    result = step(saga, Happening.CAPTURED, NOW)
    assert (result.saga.state, result.saga.refund) == (State.REFUNDING, 1000)
    assert not result.enters(State.CONFIRMED)
    assert result.saga.reason == "EVENT_CANCELLED"


def test_cancelling_refunds_what_the_policy_says_and_leaves_confirmed_at_once() -> None:
    result = step(at(State.CONFIRMED), Happening.CANCEL, NOW, Facts(refund=400))
    assert result.leaves(State.CONFIRMED)
    assert (result.saga.state, result.saga.refund) == (State.REFUNDING, 400)
    again = step(result.saga, Happening.CANCEL, NOW, Facts(refund=1000))
    assert (again.commands, again.saga.refund) == ((), 400)
    saga = after(result.saga, Happening.REFUNDED)
    assert saga.payment_status == "PARTIALLY_REFUNDED"
    assert after(saga, Happening.RESTOCKED).state is State.CANCELLED


def test_a_refused_wish_changes_nothing() -> None:
    saga = at(State.SELLING)
    result = step(saga, Happening.GIVE_UP, NOW)
    assert (result.refusal, result.saga, result.commands) == ("BOOKING_BUSY", saga, ())


def test_each_ending_is_announced_and_nothing_else() -> None:
    for state, happening in product(State, Happening):
        result = step(at(state), happening, NOW, Facts(refund=1))
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
