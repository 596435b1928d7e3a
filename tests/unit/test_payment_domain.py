"""What follows from commands and from what providers tell, in every order."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from uuid import UUID

import pytest

from payment_service import domain
from payment_service.domain import (
    Absent,
    Charge,
    ChargeState,
    InvalidRefundError,
    Kind,
    NothingCapturedError,
    Outcome,
    Payment,
    PaymentNotCapturedError,
    Refund,
    RefundTooLargeError,
    Refused,
    Status,
    Step,
    Unknown,
)

AMOUNT = 1000
NEW = Payment(UUID(int=1), UUID(int=2), "PT-AAAAAAAA", UUID(int=3), UUID(int=4), AMOUNT, "NPR")
AUTHORIZED = Charge(ChargeState.AUTHORIZED, "ch_1")
CAPTURED = Charge(ChargeState.CAPTURED, "ch_1", AMOUNT)
WAITING = Charge(ChargeState.REQUIRES_ACTION, "ch_1", action_url="https://pay.example/1")
DECLINED = Charge(ChargeState.DECLINED, "ch_1", reason="CARD_DECLINED")
GONE = Charge(ChargeState.VOIDED, "ch_1")
PENDING = Charge(ChargeState.PENDING, "ch_1")


def started(method: str = "CARD") -> Payment:
    return domain.authorize(NEW, 1, method, "tok" if method == "CARD" else None).payment


def seen(payment: Payment, *charges: Charge) -> Payment:
    for charge in charges:
        payment = domain.observe(payment, 1, charge).payment
    return payment


def settled(payment: Payment, kind: Kind, result: domain.Result, *, asked: int = 1) -> Step:
    return domain.settle(payment, 1, kind, result, asked=asked, max_tries=3)


def told(step: Step) -> list[tuple[str, str]]:
    return [(reply.outcome.value, reply.reason) for reply in step.replies]


def next_kind(payment: Payment) -> Kind | None:
    return domain.next_call(payment, payment.attempt(1))


@pytest.mark.parametrize(
    ("charge", "status", "outcome", "reason"),
    [
        (AUTHORIZED, Status.AUTHORIZED, "AUTHORIZED", ""),
        (CAPTURED, Status.CAPTURED, "AUTHORIZED", ""),
        (WAITING, Status.REQUIRES_ACTION, "ACTION_REQUIRED", ""),
        (DECLINED, Status.FAILED, "AUTHORIZATION_REFUSED", "CARD_DECLINED"),
        (GONE, Status.FAILED, "AUTHORIZATION_REFUSED", "AUTHORIZATION_LOST"),
    ],
)
def test_what_the_provider_answers_is_told_once_and_forgets_the_token(
    charge: Charge, status: Status, outcome: str, reason: str
) -> None:
    step = domain.observe(started(), 1, charge)
    again = domain.observe(step.payment, 1, charge)

    assert (step.payment.status, told(step)) == (status, [(outcome, reason)])
    assert step.payment.attempt(1).token is None
    assert again == Step(step.payment)


def test_a_pending_charge_says_nothing_and_is_looked_up() -> None:
    step = domain.observe(started(), 1, PENDING)
    assert (told(step), step.payment.status) == ([], Status.INITIATED)
    assert next_kind(step.payment) is Kind.LOOKUP


def test_older_news_never_take_a_charge_back() -> None:
    order = [PENDING, WAITING, AUTHORIZED, CAPTURED]
    for newest in range(len(order)):
        payment = seen(started(), order[newest])
        for older in order[: newest + 1]:
            assert domain.observe(payment, 1, older) == Step(payment)


def test_a_second_command_is_answered_as_the_payment_stands() -> None:
    again = {
        "INITIATED": (started(), []),
        "REQUIRES_ACTION": (seen(started(), WAITING), [("ACTION_REQUIRED", "")]),
        "AUTHORIZED": (seen(started(), AUTHORIZED), [("AUTHORIZED", "")]),
        "FAILED": (seen(started(), DECLINED), [("AUTHORIZATION_REFUSED", "CARD_DECLINED")]),
    }
    for status, (payment, expected) in again.items():
        step = domain.authorize(payment, 1, "CARD", "tok")
        assert (payment.status, told(step), step.payment) == (status, expected, payment)


def test_unknown_is_not_failed_and_the_third_unfound_request_is() -> None:
    payment = started()
    assert settled(payment, Kind.AUTHORIZE, Unknown("time-out"), asked=3) == Step(payment)
    assert settled(payment, Kind.LOOKUP, Absent(), asked=2) == Step(payment)
    assert next_kind(payment) is Kind.AUTHORIZE

    given_up = settled(payment, Kind.LOOKUP, Absent(), asked=3)
    assert told(given_up) == [("AUTHORIZATION_REFUSED", "PROVIDER_TIMEOUT")]
    assert next_kind(given_up.payment) is Kind.LOOKUP  # it may still turn up


def test_a_refused_attempts_charge_that_turns_up_is_voided_or_refunded_and_never_told() -> None:
    given_up = settled(started(), Kind.LOOKUP, Absent(), asked=3).payment
    held = domain.observe(given_up, 1, AUTHORIZED)
    taken = domain.observe(given_up, 1, CAPTURED)

    assert (held.payment.status, told(held)) == (Status.FAILED, [])
    assert next_kind(held.payment) is Kind.VOID
    assert [refund.amount for refund in taken.refunds] == [AMOUNT]
    assert (told(taken), taken.refunds[0].automatic) == ([], True)


def test_capture_is_answered_when_the_money_is_there() -> None:
    asked = domain.capture(seen(started(), AUTHORIZED))
    assert (told(asked), next_kind(asked.payment)) == ([], Kind.CAPTURE)
    assert domain.capture(asked.payment) == asked

    done = domain.observe(asked.payment, 1, CAPTURED)
    assert told(done) == [("CAPTURED", "")]
    assert told(domain.capture(done.payment)) == [("CAPTURED", "")]


def test_a_refused_capture_can_be_voided() -> None:
    asked = domain.capture(seen(started(), AUTHORIZED)).payment
    refused = settled(asked, Kind.CAPTURE, Refused("CAPTURE_FAILED"))
    assert told(refused) == told(domain.capture(refused.payment))
    assert told(refused) == [("CAPTURE_REFUSED", "CAPTURE_FAILED")]
    assert next_kind(refused.payment) is None

    voiding = domain.void(refused.payment)
    assert (told(voiding), next_kind(voiding.payment)) == ([], Kind.VOID)
    assert told(domain.observe(voiding.payment, 1, GONE)) == [("VOIDED", "")]


def test_a_hold_that_the_provider_let_go_refuses_the_capture() -> None:
    lost = seen(started(), AUTHORIZED, GONE)
    assert told(domain.capture(lost)) == [("CAPTURE_REFUSED", "AUTHORIZATION_LOST")]
    asked = domain.capture(seen(started(), AUTHORIZED)).payment
    assert told(domain.observe(asked, 1, GONE)) == [("CAPTURE_REFUSED", "AUTHORIZATION_LOST")]


def test_void_before_authorize_blocks_it_for_good() -> None:
    tombstone = domain.void(NEW)
    assert told(tombstone) == told(domain.void(tombstone.payment)) == [("VOIDED", "")]
    late = domain.authorize(tombstone.payment, 1, "CARD", "tok")
    assert told(late) == [("AUTHORIZATION_REFUSED", "PAYMENT_VOIDED")]
    assert late.payment.attempts == ()


def test_a_command_older_than_the_newest_is_not_heard() -> None:
    seventh = domain.commanded(NEW, 7)
    assert seventh is not None
    assert seventh.saga_step == 7
    assert domain.commanded(seventh, 6) is None
    assert domain.commanded(seventh, 7) == seventh


def test_void_of_a_request_that_never_went_out_is_done_at_once() -> None:
    step = domain.void(started(), unsent={1})
    assert (told(step), next_kind(step.payment)) == ([("VOIDED", "")], None)


def test_void_in_flight_waits_for_the_outcome() -> None:
    waiting = domain.void(started())
    assert (told(waiting), next_kind(waiting.payment)) == ([], Kind.LOOKUP)
    assert told(settled(waiting.payment, Kind.LOOKUP, Absent())) == [("VOIDED", "")]

    held = settled(waiting.payment, Kind.AUTHORIZE, AUTHORIZED)
    assert (told(held), next_kind(held.payment)) == ([], Kind.VOID)

    taken = settled(waiting.payment, Kind.LOOKUP, CAPTURED)
    assert (told(taken), [refund.amount for refund in taken.refunds]) == ([], [AMOUNT])
    given_back = domain.refunded(taken.payment, taken.refunds[0])
    assert told(given_back) == [("VOIDED", "")]
    assert given_back.payment.status is Status.REFUNDED


def test_a_wallet_paid_after_it_was_voided_is_told_once_and_then_kept_or_given_back() -> None:
    voiding = domain.void(seen(started("KHALTI"), WAITING)).payment
    voided = settled(voiding, Kind.VOID, Refused("NOT_VOIDABLE"))
    assert (told(voided), voided.payment.status) == ([("VOIDED", "")], Status.VOIDED)

    late = domain.observe(voided.payment, 1, CAPTURED)
    assert (told(late), late.payment.status) == ([("PAID_LATE", "")], Status.CAPTURED)
    assert domain.observe(late.payment, 1, CAPTURED) == Step(late.payment)

    assert told(domain.capture(late.payment)) == [("CAPTURED", "")]
    given_up = domain.void(late.payment)
    assert [refund.amount for refund in given_up.refunds] == [AMOUNT]
    assert told(domain.refunded(given_up.payment, given_up.refunds[0])) == [("VOIDED", "")]


def test_a_new_attempt_undoes_the_one_before() -> None:
    second = domain.authorize(seen(started("KHALTI"), WAITING), 2, "CARD", "tok").payment
    assert second.attempt(1).reason == "SUPERSEDED"
    assert next_kind(second) is Kind.VOID
    late = domain.observe(second, 1, CAPTURED)
    assert (told(late), [refund.amount for refund in late.refunds]) == ([], [AMOUNT])


def test_no_second_charge_where_the_attempt_before_was_paid_meanwhile() -> None:
    paid = seen(started(), AUTHORIZED)
    step = domain.authorize(paid, 2, "CARD", "tok")
    assert (step.payment, told(step)) == (paid, [("AUTHORIZED", "")])
    assert step.replies[0].attempt == 2


def test_refunds_are_capped_at_what_is_left_of_the_capture() -> None:
    paid = seen(started(), CAPTURED)
    first = domain.refund(paid, UUID(int=11), 700, "", None)
    second = domain.refund(first.payment, UUID(int=12), 700, "", None)
    third = domain.refund(second.payment, UUID(int=13), 700, "", None)

    assert [refund.amount for refund in (*first.refunds, *second.refunds)] == [700, 300]
    assert (third.refunds, third.replies) == ((), ())
    done = domain.refunded(second.payment, first.refunds[0]).payment
    assert done.status is Status.PARTIALLY_REFUNDED
    all_done = domain.refunded(done, second.refunds[0])
    assert (all_done.payment.status, told(all_done)) == (Status.REFUNDED, [("REFUNDED", "")])
    assert told(domain.refund(all_done.payment, UUID(int=13), 1, "", None)) == [("REFUNDED", "")]


def test_nothing_is_refunded_of_what_was_never_captured() -> None:
    with pytest.raises(NothingCapturedError):
        domain.refund(seen(started(), AUTHORIZED), UUID(int=11), 1, "", None)


def test_people_refund_up_to_what_is_left_and_the_booking_is_told_what_went_back() -> None:
    paid, who = seen(started(), CAPTURED), UUID(int=9)
    first = domain.refund_by(paid, UUID(int=10), 300, "Goodwill", who)
    rest = domain.refund_by(first.payment, UUID(int=11), None, "The rest", who)
    assert [refund.amount for refund in (*first.refunds, *rest.refunds)] == [300, AMOUNT - 300]
    for amount in (AMOUNT + 1, 1, None):
        with pytest.raises(RefundTooLargeError):
            domain.refund_by(paid if amount == AMOUNT + 1 else rest.payment, who, amount, "x", who)

    back = domain.refunded(rest.payment, rest.refunds[0])
    all_back = domain.refunded(back.payment, first.refunds[0])
    assert [step.paid_back and step.paid_back.refunded for step in (back, all_back)] == [700, 1000]
    assert (told(back), told(all_back), all_back.payment.status) == ([], [], Status.REFUNDED)


def test_what_is_told_to_have_gone_back_has_nothing_to_do_with_an_abandoned_page() -> None:
    payment = domain.authorize(seen(started("KHALTI"), WAITING), 2, "CARD", "tok").payment
    payment = domain.observe(payment, 2, CAPTURED).payment
    late = domain.observe(payment, 1, CAPTURED)
    assert [(refund.attempt, refund.amount) for refund in late.refunds] == [(1, AMOUNT)]
    part = domain.refund_by(late.payment, UUID(int=10), 300, "Goodwill", UUID(int=9))
    back = domain.refunded(part.payment, part.refunds[0])  # the page's own is still under way
    assert back.paid_back is not None
    assert (back.paid_back.captured, back.paid_back.refunded) == (AMOUNT, 300)


@pytest.mark.parametrize("payment", [NEW, started(), seen(started(), AUTHORIZED)])
def test_people_refund_nothing_that_was_never_captured(payment: Payment) -> None:
    with pytest.raises(PaymentNotCapturedError):
        domain.refund_by(payment, UUID(int=10), 1, "x", UUID(int=9))


@pytest.mark.parametrize(
    ("amount", "reason", "field"),
    [(0, "x", "amount"), (-1, "x", "amount"), (1, " ", "reason"), (None, "x" * 501, "reason")],
)
def test_a_refund_of_nothing_or_without_a_reason_is_refused(
    amount: int | None, reason: str, field: str
) -> None:
    with pytest.raises(InvalidRefundError) as refused:
        domain.check_refund(amount, reason)
    assert set(refused.value.metadata) == {field}


def test_provider_keys_are_read_back_and_others_are_not() -> None:
    key = domain.provider_key(NEW.id, 3)
    assert domain.parse_provider_key(key) == (NEW.id, 3)
    for other in (
        "",
        "charge:x:1",
        key + ":1",
        key.upper(),
        key.replace(":3", ":03"),
        "refund:1:2",
    ):
        assert domain.parse_provider_key(other) is None


def test_pauses_grow_and_end_only_for_what_is_merely_watched() -> None:
    waiting = started()
    for tries in range(200):
        pause = domain.pause_seconds(
            waiting, waiting.attempt(1), Kind.AUTHORIZE, tries=tries, jitter=0.5
        )
        assert pause is not None
        assert 0 < pause <= 30
    given_up = settled(waiting, Kind.LOOKUP, Absent(), asked=3).payment
    last = domain.pause_seconds(
        given_up, given_up.attempt(1), Kind.LOOKUP, tries=domain.WATCH_LOOKS, jitter=0.5
    )
    assert last is None


# --- any order at all ----------------------------------------------------------------------------


@dataclass
class FakeProvider:
    """A provider that does what it likes, and a customer who may approve at any time."""

    chance: random.Random
    wallet: bool
    state: ChargeState | None = None
    refunded: set[UUID] = field(default_factory=set)
    given_back: int = 0

    def told(self) -> domain.Result:
        if self.state is None:
            return Absent()
        captured = AMOUNT if self.state is ChargeState.CAPTURED else 0
        return Charge(self.state, "ch", captured, "CARD_DECLINED", "https://pay.example")

    def call(self, kind: Kind) -> domain.Result:
        lost_before, lost_after = self.chance.random() < 0.15, self.chance.random() < 0.15
        if lost_before:
            return Unknown("lost")
        result = self._take(kind)
        return Unknown("lost") if lost_after else result

    def _take(self, kind: Kind) -> domain.Result:
        match kind, self.state:
            case Kind.AUTHORIZE, None:
                choices = [ChargeState.AUTHORIZED, ChargeState.DECLINED, ChargeState.PENDING]
                self.state = (
                    ChargeState.REQUIRES_ACTION if self.wallet else self.chance.choice(choices)
                )
            case Kind.CAPTURE, ChargeState.AUTHORIZED:
                if self.chance.random() < 0.2:
                    return Refused("CAPTURE_FAILED")
                self.state = ChargeState.CAPTURED
            case Kind.VOID, ChargeState.REQUIRES_ACTION:
                return Refused("NOT_VOIDABLE")
            case Kind.VOID, ChargeState.AUTHORIZED | ChargeState.PENDING:
                self.state = ChargeState.VOIDED
            case ((Kind.CAPTURE | Kind.VOID), _):
                return Unknown("conflict")
            case _:
                pass
        return self.told()

    def decide(self) -> None:
        if self.state is ChargeState.PENDING:
            self.state = ChargeState.AUTHORIZED
        elif self.state is ChargeState.REQUIRES_ACTION:
            self.state = self.chance.choice([ChargeState.CAPTURED, ChargeState.DECLINED])

    def refund(self, refund: Refund) -> None:
        if refund.id not in self.refunded:
            self.refunded.add(refund.id)
            self.given_back += refund.amount


class Story:
    """One payment, its provider and its booking, each doing something at any time."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.provider = FakeProvider(self.chance, wallet=self.chance.random() < 0.5)
        self.payment = started("KHALTI" if self.provider.wallet else "CARD")
        self.replies: Counter[Outcome] = Counter()
        self.refunds: list[Refund] = []
        self.look_up, self.asked = False, 0

    def take(self, step: Step) -> None:
        self.payment = step.payment
        self.refunds.extend(step.refunds)
        self.replies.update(reply.outcome for reply in step.replies)

    def work(self) -> bool:
        """One call to the provider, if there is one to make."""
        if self.refunds:
            refund = self.refunds.pop(0)
            self.provider.refund(refund)
            self.take(domain.refunded(self.payment, refund))
            return True
        attempt = self.payment.attempt(1)
        kind = domain.next_call(self.payment, attempt, look_up=self.look_up)
        if kind is None:
            return False
        self.asked += kind is Kind.AUTHORIZE
        result = self.provider.call(kind)
        self.look_up = isinstance(result, Unknown)
        self.take(settled(self.payment, kind, result, asked=self.asked))
        return True

    def command(self) -> None:
        """Something the booking says, or a webhook that makes us look."""
        told_now = self.provider.told()
        match self.chance.randrange(4):
            case 0:
                self.take(domain.capture(self.payment))
            case 1:
                self.take(domain.void(self.payment))
            case 2:
                self.take(domain.authorize(self.payment, 1, "CARD", "tok"))
            case _ if isinstance(told_now, Charge):
                self.take(domain.observe(self.payment, 1, told_now))

    def run(self) -> None:
        for _ in range(self.chance.randrange(5, 40)):
            self.chance.choice([self.work, self.work, self.provider.decide, self.command])()

    def end(self) -> None:
        """Customer and provider come to rest, and the booking gives up, however often it takes."""
        self.provider.decide()
        for _ in range(500):
            if not self.work():
                if self.payment.void:
                    break
                self.take(domain.void(self.payment))


@pytest.mark.parametrize("seed", range(400))
def test_in_any_order_the_money_is_kept_once_or_given_back(seed: int) -> None:
    story = Story(seed)
    story.run()
    taken_in_time = story.payment.status is Status.CAPTURED and not story.refunds
    assert not taken_in_time or story.provider.state is ChargeState.CAPTURED
    story.end()

    provider, payment = story.provider, story.payment
    taken = AMOUNT if provider.state is ChargeState.CAPTURED else 0
    assert provider.given_back == taken
    assert provider.state is not ChargeState.AUTHORIZED
    assert payment.status in {Status.VOIDED, Status.REFUNDED}
    assert domain.totals(payment.attempts) == (taken, taken)
    assert story.replies[Outcome.VOIDED] >= 1
    assert story.replies[Outcome.PAID_LATE] <= 1
