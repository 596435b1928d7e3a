"""What follows from commands and from what providers tell.

What is wanted is said by commands: the last attempt is kept, unless it was refused or the payment
given back; everything else is undone. Every function takes a payment as it stands and gives the
step that follows.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from uuid import UUID, uuid5

from chassis.text import flaw_in_line, line
from payment_service.domain.charges import (
    Absent,
    Charge,
    ChargeState,
    Kind,
    Refused,
    Result,
    rank,
)
from payment_service.domain.errors import (
    InvalidRefundError,
    NothingCapturedError,
    PaymentNotCapturedError,
    RefundTooLargeError,
)
from payment_service.domain.payments import (
    AMOUNT_TOO_LARGE,
    AUTHORIZATION_LOST,
    MAX_AMOUNT,
    PAYMENT_VOIDED,
    PROVIDER_TIMEOUT,
    SUPERSEDED,
    Attempt,
    Outcome,
    PaidBack,
    Payment,
    Refund,
    Reply,
    Status,
    Step,
)

MAX_REASON = 500  # characters


# --- commands ------------------------------------------------------------------------------------


def charge(
    payment: Payment, number: int, method: str, token: str | None, *, provider: str = ""
) -> Step:
    """Starts an attempt at `provider`, or answers as it stands when it was started before."""
    if payment.void:
        return _step(payment, _refusal(payment, number, PAYMENT_VOIDED))
    known, last = payment.find(number), payment.last
    if known is not None:
        return _step(payment, *_as_it_stands(payment, known))
    if last is not None and last.status in {Status.AUTHORIZED, Status.CAPTURED}:
        # The customer paid by the attempt before while this one was on its way: charge no more.
        taken = last.status is Status.CAPTURED
        return _step(payment, *[_reply(payment, Outcome.CHARGED, number)] * taken)
    if last is not None and number < last.number:
        return _step(payment, _refusal(payment, number, SUPERSEDED))
    if payment.amount > MAX_AMOUNT:
        return _step(payment, _refusal(payment, number, AMOUNT_TOO_LARGE))
    older = tuple(
        replace(each, status=Status.FAILED, reason=SUPERSEDED, token=None)
        if each.status in {Status.INITIATED, Status.REQUIRES_ACTION}
        else each
        for each in payment.attempts
    )
    begun = Attempt(number, method, token, provider)
    return _follow(payment, replace(payment, attempts=(*older, begun)))


def give_back(payment: Payment, unsent: Collection[int] = ()) -> Step:
    """Undoes whatever was or will be charged.

    `unsent`: attempts that never were sent to a provider and never will be.
    """
    attempts = tuple(
        replace(
            each, token=None, charge=ChargeState.VOIDED if each.number in unsent else each.charge
        )
        for each in payment.attempts
    )
    step = _follow(payment, replace(payment, void=True, attempts=attempts))
    if not step.replies and _given_back(step.payment):
        return _step(step.payment, _reply(payment, Outcome.GIVEN_BACK))
    return step


def share_of(amount: int, percent: int) -> int:
    """So many percent of an amount in minor units, rounded half up.

    Raises:
        ValueError: less than nothing, or more than all of it.
    """
    if not 0 <= percent <= 100:
        raise ValueError(f"{percent} percent is no share")
    return (amount * percent + 50) // 100


def refund(
    payment: Payment,
    refund_id: UUID,
    percent: int,
    reason: str,
    known: Refund | None,
    *,
    amount: int | None = None,
) -> Step:
    """Gives a share of what is captured and not going back already.

    `known`: the refund of that id, where it was asked for before.

    `amount`: minor units to give back instead of the share, at most all that is left.
    The reply comes once nothing is on its way back any more, whoever asked for it.

    Raises:
        NothingCapturedError: no money was ever taken.
        ValueError: not a share.
    """
    last = payment.last
    if last is None or not last.captured:
        raise NothingCapturedError(str(payment.id))
    asked: tuple[Refund, ...] = ()
    if known is None:
        left = last.captured - last.refunding
        share = share_of(left, percent) if amount is None else max(0, min(amount, left))
        if share:
            asked = (Refund(refund_id, last.number, share, reason, automatic=False),)
            last = replace(last, refunding=last.refunding + share)
    awaited = last.refunded < last.refunding
    after = replace(payment.with_attempt(last), refund_awaited=awaited)
    if awaited:
        return Step(after, refunds=asked)
    return _step(after, _reply(payment, Outcome.REFUNDED))


def check_refund(amount: int | None, reason: str) -> None:
    """Refuses a refund that nobody could make sense of; `amount` in minor units.

    Raises:
        InvalidRefundError: of nothing, or without a reason.
    """
    if amount is not None and amount <= 0:
        raise InvalidRefundError("Nothing would go back.", amount="At least 1.")
    if not 0 < len(line(reason)) <= MAX_REASON:
        raise InvalidRefundError("Say why.", reason=f"1 to {MAX_REASON} characters.")
    if flaw := flaw_in_line(reason):
        raise InvalidRefundError("The reason can't be kept.", reason=flaw)


def refund_by(
    payment: Payment, refund_id: UUID, amount: int | None, reason: str, requested_by: UUID
) -> Step:
    """Gives money back at the wish of the organizer or an admin; no amount: all that is left.

    Raises:
        PaymentNotCapturedError: no money was taken.
        RefundTooLargeError: there is not that much left.
    """
    last = payment.last
    if last is None or not last.captured:
        raise PaymentNotCapturedError("No money was taken by this payment.")
    left = last.captured - last.refunding
    amount = left if amount is None else amount
    if not 0 < amount <= left:
        raise RefundTooLargeError("That is more than what is left of the payment.", left=str(left))
    asked = Refund(
        refund_id, last.number, amount, reason, automatic=False, requested_by=requested_by
    )
    changed = replace(last, refunding=last.refunding + amount)
    return Step(payment.with_attempt(changed), refunds=(asked,))


# --- what providers tell -------------------------------------------------------------------------


def settle(
    payment: Payment, number: int, kind: Kind, result: Result, *, asked: int, max_tries: int
) -> Step:
    """What follows from the result of a call about an attempt's charge.

    `asked`: how many requests to charge may have reached the provider.
    """
    attempt = payment.attempt(number)
    match result:
        case Charge():
            return observe(payment, number, result)
        case Refused(reason) if kind is Kind.CHARGE:
            if attempt.charge is not ChargeState.AUTHORIZED:
                return observe(payment, number, Charge(ChargeState.DECLINED, reason=reason))
            # The capture was refused, and the money is still set aside: it will be let go.
            refused = payment.keeps(attempt)
            return _refuse(payment, attempt, reason) if refused else Step(payment)
        case Refused() if kind is Kind.VOID:
            return _follow(payment, payment.with_attempt(replace(attempt, voidable=False)))
        case Absent() if attempt.charge is ChargeState.UNKNOWN:
            return _not_found(payment, attempt, give_up=asked >= max_tries)
        case _:
            return Step(payment)


def observe(payment: Payment, number: int, charge: Charge) -> Step:
    """What follows from how a provider says a charge stands; old news change nothing."""
    attempt = payment.attempt(number)
    if rank(charge.state) <= rank(attempt.charge):
        return Step(payment)
    known = replace(
        attempt,
        charge=charge.state,
        charge_id=charge.id or attempt.charge_id,
        action_url=charge.action_url,
        captured=charge.captured,
        token=None,
    )
    if not payment.keeps(attempt):
        return _observe_unwanted(payment, attempt, known)
    match charge.state:
        case ChargeState.REQUIRES_ACTION:
            known = replace(known, status=Status.REQUIRES_ACTION)
        case ChargeState.AUTHORIZED:
            known = replace(known, status=Status.AUTHORIZED)
        case ChargeState.CAPTURED:
            known = replace(known, status=Status.CAPTURED)
        case ChargeState.DECLINED | ChargeState.VOIDED:
            return _refuse(payment, known, charge.reason or AUTHORIZATION_LOST)
        case _:
            pass
    return _follow(payment, payment.with_attempt(known), _as_it_stands(payment, known))


def refunded(payment: Payment, done: Refund) -> Step:
    """What follows from a refund that the provider has made."""
    attempt = payment.attempt(done.attempt)
    changed = replace(attempt, refunded=attempt.refunded + done.amount)
    after = payment.with_attempt(changed)
    replies: tuple[Reply, ...] = ()
    newest = payment.attempts[-1].number == changed.number
    if after.refund_awaited and newest and changed.refunded == changed.refunding:
        after = replace(after, refund_awaited=False)
        replies = (_reply(payment, Outcome.REFUNDED),)
    step = _follow(payment, after, replies)
    if done.requested_by is None:
        return step
    captured, back = changed.captured, changed.refunded
    told = PaidBack(payment.booking_id, payment.id, captured, back, done.reason)
    return replace(step, paid_back=told)


def _observe_unwanted(payment: Payment, attempt: Attempt, known: Attempt) -> Step:
    if known.charge is not ChargeState.CAPTURED:
        return _follow(payment, payment.with_attempt(known))
    newest = payment.attempts[-1].number == attempt.number
    late = _given_back(payment) and newest and attempt.status is Status.VOIDED
    if attempt.status is not Status.FAILED:
        known = replace(known, status=Status.CAPTURED)
    if not late:
        return _follow(payment, payment.with_attempt(known))
    # The customer approved what could not be recalled. The payment stands again; the booking
    # says whether it is kept, by a newer step than the one that gave the payment back: that one,
    # sent again or late, must not take it away from a booking that is confirmed by it.
    stands = replace(payment, void=False, saga_step=payment.saga_step + 1)
    changed = stands.with_attempt(known)
    return _follow(payment, changed, (_reply(payment, Outcome.PAID_LATE),))


def _not_found(payment: Payment, attempt: Attempt, *, give_up: bool) -> Step:
    absent = replace(attempt, charge=ChargeState.ABSENT)
    if not payment.keeps(attempt):
        return _follow(payment, payment.with_attempt(absent))
    # Until it is given up, the next request under the same key may still make it.
    return _refuse(payment, absent, PROVIDER_TIMEOUT) if give_up else Step(payment)


def _refuse(payment: Payment, attempt: Attempt, reason: str) -> Step:
    failed = replace(attempt, status=Status.FAILED, reason=reason, token=None)
    refusal = _refusal(payment, attempt.number, reason)
    return _follow(payment, payment.with_attempt(failed), (refusal,))


# --- what follows from any change ----------------------------------------------------------------


def _follow(before: Payment, after: Payment, replies: tuple[Reply, ...] = ()) -> Step:
    """Gives back what was captured and is not wanted; ends the payment when all is undone."""
    refunds: list[Refund] = []
    for attempt in after.attempts:
        left = attempt.captured - attempt.refunding
        if left > 0 and not after.keeps(attempt):
            # The id is made of what is undone: however often that is decided, it is one refund.
            id = uuid5(after.id, f"undo:{attempt.number}")
            refunds.append(Refund(id, attempt.number, left, PAYMENT_VOIDED, automatic=True))
            after = after.with_attempt(replace(attempt, refunding=attempt.captured))
    if after.void and _all_undone(after):
        ended = tuple(
            each
            if each.status in {Status.FAILED, Status.CAPTURED}
            else replace(each, status=Status.VOIDED, token=None)
            for each in after.attempts
        )
        after = replace(after, attempts=ended)
    after = replace(after, status=status_of(after))
    if _given_back(after) and not _given_back(before):
        replies = (*replies, _reply(after, Outcome.GIVEN_BACK))
    return replace(_step(after, *replies), refunds=tuple(refunds))


def _step(after: Payment, *replies: Reply) -> Step:
    """The step with its replies, each with the totals and the saga's step as they are after it."""
    captured, refunded = after.paid
    return Step(
        after,
        tuple(
            replace(each, saga_step=after.saga_step, captured=captured, refunded=refunded)
            for each in replies
        ),
    )


def status_of(payment: Payment) -> Status:
    """How the payment as a whole stands."""
    last = payment.last
    if payment.void and _all_undone(payment):
        return Status.REFUNDED if last is not None and last.captured else Status.VOIDED
    if last is None:
        return Status.INITIATED
    if last.status is not Status.CAPTURED or not last.refunded:
        return last.status
    return Status.REFUNDED if last.refunded == last.captured else Status.PARTIALLY_REFUNDED


def _given_back(payment: Payment) -> bool:
    return payment.void and payment.status in {Status.VOIDED, Status.REFUNDED}


def _all_undone(payment: Payment) -> bool:
    return all(is_undone(attempt) for attempt in payment.attempts)


def is_undone(attempt: Attempt) -> bool:
    """Whether nothing of the attempt is set aside or charged, as far as is known."""
    match attempt.charge:
        case ChargeState.DECLINED | ChargeState.VOIDED | ChargeState.ABSENT:
            return True
        case ChargeState.CAPTURED:
            return attempt.refunded == attempt.captured
        case ChargeState.REQUIRES_ACTION:
            return not attempt.voidable
        case _:
            return False


def _reply(
    payment: Payment, outcome: Outcome, attempt: int = 0, reason: str = "", action_url: str = ""
) -> Reply:
    return Reply(payment.booking_id, payment.id, outcome, attempt, reason, action_url)


def _refusal(payment: Payment, number: int, reason: str) -> Reply:
    return _reply(payment, Outcome.CHARGE_REFUSED, number, reason)


def _as_it_stands(payment: Payment, attempt: Attempt) -> tuple[Reply, ...]:
    match attempt.status:
        case Status.INITIATED | Status.AUTHORIZED:
            return ()  # its reply is still to come
        case Status.REQUIRES_ACTION:
            url = attempt.action_url
            return (_reply(payment, Outcome.ACTION_REQUIRED, attempt.number, action_url=url),)
        case Status.CAPTURED:
            return (_reply(payment, Outcome.CHARGED, attempt.number),)
        case _:
            return (_refusal(payment, attempt.number, attempt.reason or PAYMENT_VOIDED),)
