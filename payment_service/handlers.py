"""Use cases: one transaction each. No provider is called from here; that is the worker's part."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from chassis.database import Session
from chassis.logs import get_logger
from chassis.telemetry import ALERTS
from payment_service import domain, ledger, storage
from payment_service.domain import (
    Charge,
    ChargeState,
    Kind,
    Payment,
    PaymentNotFoundError,
    Refund,
    Refunded,
    Result,
    Step,
    Unknown,
    Unreachable,
    WebhookEvent,
    parse_provider_key,
)
from payment_service.storage import Claimed, Fence

# An operator is told once a call has been made so often without moving its charge.
_ALERT_TRIES = 8
_REFUND_PAUSES = 0.5, 60.0
_FORGET_BATCH = 5000

log = get_logger(__name__)


# --- commands ------------------------------------------------------------------------------------
# Each brings the saga's step that asks. One older than the newest that was seen has no effect and
# no answer.


async def authorize(
    session: Session,
    offered: Payment,
    *,
    attempt: int,
    method: str,
    token: str | None,
    provider: str,
) -> None:
    """Starts an attempt of the payment, which is `offered` if there is none yet."""
    # The row first, whoever writes it: of an Authorize and a Void that meet, one finds the other.
    fresh = await storage.add_payment(session, offered)
    stored = offered if fresh else await _lock(session, offered.id)
    if payment := _commanded(stored, "AUTHORIZE", offered.saga_step):
        step = domain.authorize(payment, attempt, method, token)
        await _apply(session, stored, step, provider)


async def capture(session: Session, payment_id: UUID, *, saga_step: int, provider: str) -> None:
    """Asks for the authorized money.

    Raises:
        PaymentNotFoundError: there is no such payment.
    """
    stored = await _lock(session, payment_id)
    if payment := _commanded(stored, "CAPTURE", saga_step):
        await _apply(session, stored, domain.capture(payment), provider)


async def void(
    session: Session, payment_id: UUID, booking_id: UUID, *, saga_step: int, provider: str
) -> None:
    """Undoes the payment; where it has not begun, a tombstone keeps it from ever beginning."""
    tombstone = Payment(
        payment_id, booking_id, void=True, status=domain.Status.VOIDED, saga_step=saga_step
    )
    fresh = await storage.add_payment(session, tombstone)
    stored = tombstone if fresh else await _lock(session, payment_id)
    if payment := _commanded(stored, "VOID", saga_step):
        unknown = [each.number for each in payment.attempts if each.charge is ChargeState.UNKNOWN]
        unsent = await storage.take_back_unsent(session, payment_id, unknown)
        await _apply(session, stored, domain.void(payment, unsent), provider)


async def refund(
    session: Session,
    payment_id: UUID,
    refund_id: UUID,
    amount: int,
    reason: str,
    *,
    saga_step: int,
    provider: str,
) -> None:
    """Gives captured money back.

    Raises:
        PaymentNotFoundError: there is no such payment.
        NothingCapturedError: it never took any money.
    """
    stored = await _lock(session, payment_id)
    if payment := _commanded(stored, "REFUND", saga_step):
        known = await storage.find_refund(session, refund_id)
        step = domain.refund(payment, refund_id, amount, reason, known)
        await _apply(session, stored, step, provider)


def _commanded(stored: Payment, command: str, saga_step: int) -> Payment | None:
    payment = domain.commanded(stored, saga_step)
    if payment is None:
        log.info(
            "command older than the newest seen",
            command=command,
            saga_step=saga_step,
            newest=stored.saga_step,
            payment=stored.id,
        )
    return payment


# --- what providers tell -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Call:
    """A call to be made to a provider, and what it is made with."""

    kind: Kind
    claimed: Claimed


async def claim_calls(session: Session, *, limit: int, lease_seconds: float) -> Sequence[Call]:
    """Leases due calls, and says what each is for."""
    claimed = await storage.claim(session, limit=limit, lease_seconds=lease_seconds)
    calls: list[Call] = []
    idle: list[UUID] = []
    for row in claimed:
        kind: Kind | None = Kind.REFUND
        if row.refund is None:
            kind = domain.next_call(row.payment, row.attempt, look_up=row.look_up)
        if kind is None:
            idle.append(row.id)
        else:
            calls.append(Call(kind, row))
    await storage.drop_calls(session, idle)
    await storage.name_calls(session, {call.claimed.id: call.kind for call in calls})
    return calls


async def record(
    session: Session, results: Sequence[tuple[Call, Result]], *, provider: str, max_tries: int
) -> None:
    """Writes down what came of calls, but for those that were claimed anew since."""
    made = [call.claimed for call, _result in results]
    payments = await storage.lock_payments(session, {each.payment.id for each in made})
    fences = await storage.fences(session, [(each.id, each.claim) for each in made])
    for call, result in results:
        claimed = call.claimed
        payment = payments[claimed.payment.id]
        fence = fences.get((claimed.id, claimed.claim))
        if fence is None:
            log.warning("late result of a call refused", payment=payment.id, kind=call.kind)
            continue
        if claimed.refund is not None:
            step = await _record_refund(
                session, payment, call, claimed.refund, result, provider=provider
            )
        else:
            number = claimed.attempt.number
            step = domain.settle(
                payment, number, call.kind, result, asked=fence.asked, max_tries=max_tries
            )
            await _apply(session, payment, step, provider, but=number)
            await _go_on(session, call, result, fence, before=payment, after=step.payment)
        payments[payment.id] = step.payment


async def observe(
    session: Session, payment_id: UUID, attempt: int, charge: Charge, *, provider: str
) -> None:
    """Settles an attempt by how its charge stands now at the provider."""
    payment = await _lock(session, payment_id)
    await _apply(session, payment, domain.observe(payment, attempt, charge), provider)


async def receive_webhook(
    session: Session, event: WebhookEvent, body: str, *, provider: str
) -> None:
    """Stores a provider's event, once, and has the provider asked how the charge really stands."""
    if not await storage.add_event(session, provider, event.id, body):
        return
    parsed = parse_provider_key(event.key)
    payment = None if parsed is None else await storage.lock_payment(session, parsed[0])
    attempt = None if payment is None or parsed is None else payment.find(parsed[1])
    if payment is None or attempt is None:
        log.warning("webhook of a charge that is not ours", event_id=event.id)
        return
    # What the body claims decides only whether looking is worth it.
    if attempt.charge not in domain.FINAL and attempt.charge is not event.claims:
        await storage.schedule(session, payment.id, attempt.number, look_up=True)


async def forget_webhooks(session: Session) -> bool:
    """Deletes old webhooks; True: there are more."""
    return await storage.forget_events(session, limit=_FORGET_BATCH) == _FORGET_BATCH


# --- queries -------------------------------------------------------------------------------------


async def get_payment(
    session: Session, payment_id: UUID, *, owner: UUID | None
) -> tuple[Payment, Sequence[Refund]]:
    """A payment and its refunds; of `owner` alone, or anybody's.

    Raises:
        PaymentNotFoundError: there is none.
    """
    payment = await storage.find_payment(session, payment_id, owner=owner)
    if payment is None:
        raise PaymentNotFoundError("There is no such payment.")
    return payment, await storage.list_refunds(session, payment_id)


# --- shared by the above -------------------------------------------------------------------------


async def _lock(session: Session, payment_id: UUID) -> Payment:
    payment = await storage.lock_payment(session, payment_id)
    if payment is None:
        raise PaymentNotFoundError("There is no such payment.")
    return payment


async def _apply(
    session: Session, before: Payment, step: Step, provider: str, *, but: int | None = None
) -> None:
    """Writes a step: state, ledger, refunds, replies, and calls, but for the attempt `but`."""
    after = step.payment
    await storage.save(session, before, after)
    for attempt in after.attempts:
        known = before.find(attempt.number)
        if attempt.captured and (known is None or not known.captured):
            assert after.organizer_id is not None  # noqa: S101 - only tombstones have none
            entry = ledger.captured(
                after.id,
                attempt.number,
                provider=provider,
                organizer_id=after.organizer_id,
                amount=attempt.captured,
                currency=after.currency,
            )
            await storage.post(session, entry)
        changed = known != attempt or before.void != after.void
        if changed and attempt.number != but and domain.next_call(after, attempt) is not None:
            await storage.schedule(session, after.id, attempt.number)
    for refund in step.refunds:
        await storage.add_refund(session, after.id, refund)
    for reply in step.replies:
        session.send(replace(reply, saga_step=after.saga_step))


async def _record_refund(
    session: Session, payment: Payment, call: Call, refund: Refund, result: Result, *, provider: str
) -> Step:
    step = Step(payment)
    if isinstance(result, Refunded):
        if await storage.finish_refund(session, refund.id):
            assert payment.organizer_id is not None  # noqa: S101 - only tombstones have none
            entry = ledger.refunded(
                payment.id,
                refund.attempt,
                refund.id,
                provider=provider,
                organizer_id=payment.organizer_id,
                amount=refund.amount,
                currency=payment.currency,
            )
            await storage.post(session, entry)
            step = domain.refunded(payment, refund)
            await _apply(session, payment, step, provider)
        await storage.drop_calls(session, [call.claimed.id])
        return step
    # The key makes it safe to ask again, and a refund is never given up.
    _alert_if_stuck(payment, call, result)
    tries = call.claimed.tries
    pause = domain.backoff_seconds(*_REFUND_PAUSES, tries=tries - 1, jitter=_jitter())
    await storage.put_off(
        session, call.claimed.id, tries=tries, asked=0, look_up=False, pause_seconds=pause
    )
    return step


async def _go_on(
    session: Session, call: Call, result: Result, fence: Fence, *, before: Payment, after: Payment
) -> None:
    """Says when the charge's next call is due, if there is one."""
    number = call.claimed.attempt.number
    attempt = after.attempt(number)
    asked, look_up = fence.asked, fence.look_up
    if isinstance(result, Unreachable):
        look_up = look_up or call.claimed.look_up
        asked -= call.kind is Kind.AUTHORIZE
    elif isinstance(result, Unknown):
        look_up = True
    tries = fence.tries if attempt == before.attempt(number) else 0
    kind = domain.next_call(after, attempt, look_up=look_up)
    pause = None
    if kind is not None:
        if not domain.is_waiting(after, attempt):
            _alert_if_stuck(after, call, result)
        pause = domain.pause_seconds(after, attempt, kind, tries=tries, jitter=_jitter())
    if pause is None:
        await storage.drop_calls(session, [call.claimed.id])
        return
    await storage.put_off(
        session,
        call.claimed.id,
        tries=tries,
        asked=asked,
        look_up=look_up,
        pause_seconds=0.0 if fence.nudged else pause,
    )


def _alert_if_stuck(payment: Payment, call: Call, result: Result) -> None:
    if call.claimed.tries % _ALERT_TRIES == 0:
        ALERTS.labels("provider_call_stuck").inc()
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
