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
    return domain.charge(NEW, 1, method, "tok" if method == "CARD" else None).payment


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
        (CAPTURED, Status.CAPTURED, "CHARGED", ""),
        (WAITING, Status.REQUIRES_ACTION, "ACTION_REQUIRED", ""),
        (DECLINED, Status.FAILED, "CHARGE_REFUSED", "CARD_DECLINED"),
        (GONE, Status.FAILED, "CHARGE_REFUSED", "AUTHORIZATION_LOST"),
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
        "AUTHORIZED": (seen(started(), AUTHORIZED), []),
        "CAPTURED": (seen(started(), CAPTURED), [("CHARGED", "")]),
        "FAILED": (seen(started(), DECLINED), [("CHARGE_REFUSED", "CARD_DECLINED")]),
    }
    for status, (payment, expected) in again.items():
        step = domain.charge(payment, 1, "CARD", "tok")
        assert (payment.status, told(step), step.payment) == (status, expected, payment)


def test_unknown_is_not_failed_and_the_third_unfound_request_is() -> None:
    payment = started()
    assert settled(payment, Kind.CHARGE, Unknown("time-out"), asked=3) == Step(payment)
    assert settled(payment, Kind.LOOKUP, Absent(), asked=2) == Step(payment)
    assert next_kind(payment) is Kind.CHARGE

    given_up = settled(payment, Kind.LOOKUP, Absent(), asked=3)
    assert told(given_up) == [("CHARGE_REFUSED", "PROVIDER_TIMEOUT")]
    assert next_kind(given_up.payment) is Kind.LOOKUP  # it may still turn up


def test_a_refused_attempts_charge_that_turns_up_is_voided_or_refunded_and_never_told() -> None:
    given_up = settled(started(), Kind.LOOKUP, Absent(), asked=3).payment
    held = domain.observe(given_up, 1, AUTHORIZED)
    taken = domain.observe(given_up, 1, CAPTURED)

    assert (held.payment.status, told(held)) == (Status.FAILED, [])
    assert next_kind(held.payment) is Kind.VOID
    assert [refund.amount for refund in taken.refunds] == [AMOUNT]
    assert (told(taken), taken.refunds[0].automatic) == ([], True)


def test_what_is_only_set_aside_is_charged_again_and_told_once_it_is_captured() -> None:
    held = domain.observe(started(), 1, AUTHORIZED)
    assert (held.payment.status, told(held)) == (Status.AUTHORIZED, [])
    assert next_kind(held.payment) is Kind.CHARGE
    assert (
        domain.pause_seconds(
            held.payment, held.payment.attempt(1), Kind.CHARGE, tries=0, jitter=0.5
        )
        == 0
    )
    assert told(domain.observe(held.payment, 1, CAPTURED)) == [("CHARGED", "")]


def test_a_capture_that_is_refused_is_a_refused_charge_and_what_was_set_aside_is_let_go() -> None:
    gone = domain.observe(started(), 1, Charge(ChargeState.VOIDED, "ch_1", reason="CAPTURE_FAILED"))
    assert told(gone) == [("CHARGE_REFUSED", "CAPTURE_FAILED")]
    assert next_kind(gone.payment) is None

    refused = settled(seen(started(), AUTHORIZED), Kind.CHARGE, Refused("CAPTURE_FAILED"))
    assert told(refused) == [("CHARGE_REFUSED", "CAPTURE_FAILED")]
    assert next_kind(refused.payment) is Kind.VOID
    after = domain.observe(refused.payment, 1, GONE)
    assert (told(after), next_kind(after.payment)) == ([], None)
    assert told(domain.give_back(after.payment)) == [("GIVEN_BACK", "")]


def test_a_hold_that_the_provider_let_go_refuses_the_charge() -> None:
    lost = domain.observe(seen(started(), AUTHORIZED), 1, GONE)
    assert told(lost) == [("CHARGE_REFUSED", "AUTHORIZATION_LOST")]


def test_give_back_before_charge_blocks_it_for_good() -> None:
    tombstone = domain.give_back(NEW)
    assert told(tombstone) == told(domain.give_back(tombstone.payment)) == [("GIVEN_BACK", "")]
    late = domain.charge(tombstone.payment, 1, "CARD", "tok")
    assert told(late) == [("CHARGE_REFUSED", "PAYMENT_VOIDED")]
    assert late.payment.attempts == ()


def test_a_command_older_than_the_newest_is_not_heard() -> None:
    seventh = domain.commanded(NEW, 7)
    assert seventh is not None
    assert seventh.saga_step == 7
    assert domain.commanded(seventh, 6) is None
    assert domain.commanded(seventh, 7) == seventh


def test_give_back_of_a_request_that_never_went_out_is_done_at_once() -> None:
    step = domain.give_back(started(), unsent={1})
    assert (told(step), next_kind(step.payment)) == ([("GIVEN_BACK", "")], None)


def test_give_back_in_flight_waits_for_the_outcome() -> None:
    waiting = domain.give_back(started())
    assert (told(waiting), next_kind(waiting.payment)) == ([], Kind.LOOKUP)
    assert told(settled(waiting.payment, Kind.LOOKUP, Absent())) == [("GIVEN_BACK", "")]

    held = settled(waiting.payment, Kind.CHARGE, AUTHORIZED)
    assert (told(held), next_kind(held.payment)) == ([], Kind.VOID)

    taken = settled(waiting.payment, Kind.LOOKUP, CAPTURED)
    assert (told(taken), [refund.amount for refund in taken.refunds]) == ([], [AMOUNT])
    given_back = domain.refunded(taken.payment, taken.refunds[0])
    assert told(given_back) == [("GIVEN_BACK", "")]
    assert given_back.payment.status is Status.REFUNDED


def test_a_wallet_paid_after_it_was_voided_is_told_once_and_then_kept_or_given_back() -> None:
    voiding = domain.give_back(seen(started("KHALTI"), WAITING)).payment
    voided = settled(voiding, Kind.VOID, Refused("NOT_VOIDABLE"))
    assert (told(voided), voided.payment.status) == ([("GIVEN_BACK", "")], Status.VOIDED)

    late = domain.observe(voided.payment, 1, CAPTURED)
    assert (told(late), late.payment.status) == ([("PAID_LATE", "")], Status.CAPTURED)
    assert domain.observe(late.payment, 1, CAPTURED) == Step(late.payment)

    given_up = domain.give_back(late.payment)
    assert [refund.amount for refund in given_up.refunds] == [AMOUNT]
    assert told(domain.refunded(given_up.payment, given_up.refunds[0])) == [("GIVEN_BACK", "")]


def test_a_new_attempt_undoes_the_one_before() -> None:
    second = domain.charge(seen(started("KHALTI"), WAITING), 2, "CARD", "tok").payment
    assert second.attempt(1).reason == "SUPERSEDED"
    assert next_kind(second) is Kind.VOID
    late = domain.observe(second, 1, CAPTURED)
    assert (told(late), [refund.amount for refund in late.refunds]) == ([], [AMOUNT])


def test_no_second_charge_where_the_attempt_before_was_paid_meanwhile() -> None:
    paid = seen(started(), CAPTURED)
    step = domain.charge(paid, 2, "CARD", "tok")
    assert (step.payment, told(step)) == (paid, [("CHARGED", "")])
    assert step.replies[0].attempt == 2
    held = seen(started(), AUTHORIZED)  # its capture is on the way, and will be told
    assert domain.charge(held, 2, "CARD", "tok") == Step(held)


def test_refunds_are_capped_at_what_is_left_of_the_capture() -> None:
    paid = seen(started(), CAPTURED)
    first = domain.refund(paid, UUID(int=11), 0, "", None, amount=700)
    second = domain.refund(first.payment, UUID(int=12), 0, "", None, amount=700)
    third = domain.refund(second.payment, UUID(int=13), 0, "", None, amount=700)

    assert [refund.amount for refund in (*first.refunds, *second.refunds)] == [700, 300]
    assert (third.refunds, third.replies) == ((), ())
    part = domain.refunded(second.payment, first.refunds[0])
    assert (part.payment.status, told(part)) == (Status.PARTIALLY_REFUNDED, [])
    all_done = domain.refunded(part.payment, second.refunds[0])
    assert (all_done.payment.status, told(all_done)) == (Status.REFUNDED, [("REFUNDED", "")])
    again = domain.refund(all_done.payment, UUID(int=13), 100, "", None)
    assert (told(again), again.refunds) == ([("REFUNDED", "")], ())


@pytest.mark.parametrize(
    ("left", "percent", "share"),
    [
        (1000, 50, 500),
        (1, 50, 1),
        (999, 50, 500),
        (1000, 0, 0),
        (7, 100, 7),
        (49, 1, 0),
        (50, 1, 1),
    ],
)
def test_a_share_is_rounded_half_up(left: int, percent: int, share: int) -> None:
    assert domain.share_of(left, percent) == share


@pytest.mark.parametrize("percent", [-1, 101])
def test_a_share_is_between_nothing_and_all(percent: int) -> None:
    with pytest.raises(ValueError, match="percent"):
        domain.refund(seen(started(), CAPTURED), UUID(int=11), percent, "", None)


@pytest.mark.parametrize("finished", ["before", "first", "last"])
def test_the_share_is_of_what_was_promised_and_not_of_what_is_finished(finished: str) -> None:
    given = domain.refund_by(seen(started(), CAPTURED), UUID(int=10), 600, "x", UUID(int=9))
    payment, theirs = given.payment, given.refunds[0]
    if finished == "before":
        payment = domain.refunded(payment, theirs).payment
    asked = domain.refund(payment, UUID(int=11), 50, "", None)
    (ours,) = asked.refunds
    assert (theirs.amount + ours.amount, told(asked)) == (800, [])

    order = {"before": [ours], "first": [theirs, ours], "last": [ours, theirs]}[finished]
    payment = asked.payment
    replies: list[domain.Reply] = []
    for refund in order:
        step = domain.refunded(payment, refund)
        payment = step.payment
        replies += step.replies
    # Told once, when nothing is on its way any more, with payment's own totals.
    (reply,) = replies
    assert (reply.outcome, reply.captured, reply.refunded) == (Outcome.REFUNDED, 1000, 800)
    assert payment.refund_awaited is False


def test_a_refund_of_nothing_is_told_once_what_is_on_its_way_is_back() -> None:
    all_of_it = domain.refund_by(seen(started(), CAPTURED), UUID(int=10), None, "x", UUID(int=9))
    asked = domain.refund(all_of_it.payment, UUID(int=11), 100, "", None)
    assert (told(asked), asked.refunds) == ([], ())
    back = domain.refunded(asked.payment, all_of_it.refunds[0])
    assert told(back) == [("REFUNDED", "")]
    assert back.paid_back is not None
    none_left = domain.refund(seen(started(), CAPTURED), UUID(int=11), 0, "", None)
    assert told(none_left) == [("REFUNDED", "")]


def test_totals_are_of_the_attempt_that_pays_and_only_ever_rise() -> None:
    refused = domain.observe(started(), 1, DECLINED)
    turned_up = domain.settle(
        settled(started(), Kind.LOOKUP, Absent(), asked=3).payment,
        1,
        Kind.LOOKUP,
        CAPTURED,
        asked=3,
        max_tries=3,
    ).payment
    paid = domain.observe(started(), 1, CAPTURED)
    back = domain.give_back(paid.payment)
    gone = domain.refunded(back.payment, back.refunds[0])
    assert [
        (reply.captured, reply.refunded)
        for step in (refused, domain.charge(turned_up, 1, "CARD", "tok"), paid, gone)
        for reply in step.replies
    ] == [(0, 0), (0, 0), (AMOUNT, 0), (AMOUNT, AMOUNT)]


def test_nothing_is_refunded_of_what_was_never_captured() -> None:
    with pytest.raises(NothingCapturedError):
        domain.refund(seen(started(), AUTHORIZED), UUID(int=11), 100, "", None)


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
    payment = domain.charge(seen(started("KHALTI"), WAITING), 2, "CARD", "tok").payment
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
    for tries in range(1, 200):
        pause = domain.pause_seconds(
            waiting, waiting.attempt(1), Kind.CHARGE, tries=tries, jitter=0.5
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
            case Kind.CHARGE, None:
                choices = [
                    ChargeState.AUTHORIZED,
                    ChargeState.CAPTURED,
                    ChargeState.DECLINED,
                    ChargeState.PENDING,
                ]
                self.state = (
                    ChargeState.REQUIRES_ACTION if self.wallet else self.chance.choice(choices)
                )
            case Kind.CHARGE, ChargeState.AUTHORIZED:
                if self.chance.random() < 0.2:
                    return Refused("CAPTURE_FAILED")
                self.state = ChargeState.CAPTURED
            case Kind.VOID, ChargeState.REQUIRES_ACTION:
                return Refused("NOT_VOIDABLE")
            case Kind.VOID, ChargeState.AUTHORIZED | ChargeState.PENDING:
                self.state = ChargeState.VOIDED
            case Kind.VOID, _:
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
        self.asked_for: dict[UUID, Refund] = {}
        self.look_up, self.asked = False, 0

    def take(self, step: Step) -> None:
        self.payment = step.payment
        self.refunds.extend(step.refunds)
        self.asked_for |= {refund.id: refund for refund in step.refunds}
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
        self.asked += kind is Kind.CHARGE
        result = self.provider.call(kind)
        self.look_up = isinstance(result, Unknown)
        self.take(settled(self.payment, kind, result, asked=self.asked))
        return True

    def command(self) -> None:
        """Something the booking says, or a webhook that makes us look."""
        told_now = self.provider.told()
        match self.chance.randrange(4):
            case 0 if self.payment.attempt(1).captured:
                number = UUID(int=100 + self.chance.randrange(3))
                self.take(domain.refund(self.payment, number, 30, "", self.asked_for.get(number)))
            case 1:
                self.take(domain.give_back(self.payment))
            case 2:
                self.take(domain.charge(self.payment, 1, "CARD", "tok"))
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
                self.take(domain.give_back(self.payment))


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
    assert story.replies[Outcome.GIVEN_BACK] >= 1
    assert story.replies[Outcome.PAID_LATE] <= 1
