"""Calls to providers: which are due, and what came of them."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from chassis.database import Session
from chassis.logs import get_logger
from chassis.telemetry import alert
from payment_service import domain
from payment_service.domain import (
    Charge,
    Kind,
    Payment,
    PaymentNotFoundError,
    Refund,
    Refunded,
    Result,
    Unknown,
    Unreachable,
)
from payment_service.handlers.work import Call, Todo, Work
from payment_service.storage import calls, payments
from payment_service.storage.calls import Fence, PutOff

# An operator is told once a call has been made so often without moving its charge.
_ALERT_TRIES = 8
_REFUND_PAUSES = 0.5, 60.0

_STUCK = alert("provider_call_stuck")

log = get_logger(__name__)


async def claim(
    session: Session, provider: str, *, limit: int, lease_seconds: float
) -> tuple[Sequence[Call], float | None]:
    """Leases a provider's due calls, and says what each is for.

    With them, in how many seconds there may be more to do; None: nothing waits.
    """
    claimed, seconds = await calls.claim(
        session, provider, limit=limit, lease_seconds=lease_seconds
    )
    made: list[Call] = []
    idle: list[UUID] = []
    for row in claimed:
        kind: Kind | None = Kind.REFUND
        if row.refund is None:
            kind = domain.next_call(row.payment, row.attempt, look_up=row.look_up)
        if kind is None:
            idle.append(row.id)
        else:
            made.append(Call(kind, row))
    calls.drop(session, idle)
    calls.name(session, {call.claimed.id: call.kind for call in made})
    return made, seconds


async def record(
    session: Session, results: Sequence[tuple[Call, Result]], *, max_tries: int
) -> Todo:
    """Writes down what came of calls, but for those that were claimed anew since."""
    locked = await calls.lock(session, [call.claimed for call, _result in results])
    work = Work(locked.payments)
    back = any(isinstance(result, Refunded) for _call, result in results)
    now = await session.now() if back else None
    for call, result in results:
        claimed, work.origin = call.claimed, call.origin
        payment = work.find(claimed.payment.id)
        fence = locked.fences.get((claimed.id, claimed.claim))
        if fence is None:
            log.warning("late result of a call refused", payment=payment.id, kind=call.kind)
        elif claimed.refund is not None:
            refund = locked.refunds[claimed.refund.id]
            _record_refund(work, payment, call, refund, result, now=now)
        else:
            _record_charge(work, payment, call, result, fence, max_tries=max_tries)
    return work.write(session)


def _record_charge(
    work: Work, before: Payment, call: Call, result: Result, fence: Fence, *, max_tries: int
) -> None:
    number = call.claimed.attempt.number
    step = domain.settle(before, number, call.kind, result, asked=fence.asked, max_tries=max_tries)
    work.apply(step, but=number)
    after = step.payment
    attempt = after.attempt(number)
    asked, look_up = fence.asked, fence.look_up
    if isinstance(result, Unreachable):
        look_up = look_up or call.claimed.look_up
        asked -= call.kind is Kind.CHARGE
    elif isinstance(result, Unknown):
        look_up = True
    # A webhook that overtook the answer may have claimed no more than it.
    is_news = fence.claimed_rank > domain.rank(attempt.charge)
    look_up = look_up or is_news
    tries = fence.tries if attempt == before.attempt(number) else 0
    kind = domain.next_call(after, attempt, look_up=look_up)
    pause = None
    if kind is not None:
        if not domain.is_waiting(after, attempt):
            _alert_if_stuck(after, call, result)
        pause = domain.pause_seconds(after, attempt, kind, tries=tries, jitter=_jitter())
    if pause is None:
        work.dropped.append(call.claimed.id)
    else:
        pause = 0.0 if fence.nudged or is_news else pause
        work.later.append(PutOff(call.claimed.id, attempt.provider, tries, asked, look_up, pause))


def _record_refund(
    work: Work,
    payment: Payment,
    call: Call,
    refund: Refund,
    result: Result,
    *,
    now: datetime | None,
) -> None:
    if isinstance(result, Refunded):
        if not refund.done and now is not None:
            work.give_back(payment, refund, now)
        work.dropped.append(call.claimed.id)
        return
    # The key makes it safe to ask again, and a refund is never given up.
    _alert_if_stuck(payment, call, result)
    tries = call.claimed.tries
    pause = domain.backoff_seconds(*_REFUND_PAUSES, tries=tries - 1, jitter=_jitter())
    provider = call.claimed.attempt.provider
    work.later.append(
        PutOff(call.claimed.id, provider, tries, 0, look_up=False, pause_seconds=pause)
    )


async def observe(session: Session, payment_id: UUID, attempt: int, charge: Charge) -> Todo:
    """Settles an attempt by how its charge stands now at the provider.

    Raises:
        PaymentNotFoundError: there is no such payment.
    """
    read: Mapping[UUID, Payment] = await payments.lock_payments(session, [payment_id])
    if not read:
        raise PaymentNotFoundError("There is no such payment.")
    work = Work(read)
    work.apply(domain.observe(work.find(payment_id), attempt, charge))
    return work.write(session)


async def look_again(session: Session, charges: Sequence[tuple[UUID, int]]) -> int:
    """Has the provider asked about charges once more; gives how many calls that makes."""
    return await calls.look_again(session, charges)


def _alert_if_stuck(payment: Payment, call: Call, result: Result) -> None:
    if call.claimed.tries % _ALERT_TRIES == 0:
        _STUCK.inc()
        log.error(
            "a provider's answer is long in coming",
            payment=payment.id,
            attempt=call.claimed.attempt.number,
            kind=call.kind,
            tries=call.claimed.tries,
            result=repr(result),
        )


def _jitter() -> float:
    return random.random()  # noqa: S311 - jitter
