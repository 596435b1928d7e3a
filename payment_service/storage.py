"""The tables of schema `payment`, and every query on them.

Whoever changes a payment holds its row's lock first, so that its attempts, refunds and calls are
read as they are and change together; a provider's answer finds its call's row by the fencing token.
Locks are taken in the order payment, then provider_call; a claim takes the latter alone, and skips
what is locked.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from chassis.database import Row, Session
from chassis.ids import uuid7
from payment_service.domain import (
    Attempt,
    CaptureWish,
    ChargeState,
    Kind,
    Payment,
    Refund,
    Status,
    provider_key,
)
from payment_service.ledger import Entry

_ADD_PAYMENT = """
INSERT INTO payment (id, booking_id, booking_reference, customer_id, organizer_id, amount, currency,
                     void, status, saga_step)
VALUES (:id, :booking_id, :booking_reference, :customer_id, :organizer_id, :amount, :currency,
        :void, :status, :saga_step)
    ON CONFLICT (id) DO NOTHING
"""
_PAYMENT_COLUMNS = """
SELECT id, booking_id, booking_reference, customer_id, organizer_id, amount, currency, void, status,
       created_at, saga_step
  FROM payment
"""
# In one order everywhere, so that two batches can't wait for each other.
_LOCK_PAYMENTS = _PAYMENT_COLUMNS + " WHERE id = ANY(:ids) ORDER BY id FOR UPDATE"
_READ_PAYMENTS = _PAYMENT_COLUMNS + " WHERE id = ANY(:ids)"
_FIND_PAYMENT = (
    _PAYMENT_COLUMNS + " WHERE id = :id AND (CAST(:owner AS uuid) IS NULL OR customer_id = :owner)"
)
# A statement of its own after the lock: its snapshot sees what whoever had the lock has committed.
_ATTEMPTS = """
SELECT payment_id, number, method, token, status, reason, charge, charge_id, action_url, voidable,
       capture, captured, refunding, refunded, created_at
  FROM attempt WHERE payment_id = ANY(:ids) ORDER BY payment_id, number
"""
_SAVE_PAYMENT = """
UPDATE payment SET void = :void, status = :status, saga_step = :saga_step WHERE id = :id
"""
_ADD_ATTEMPT = """
INSERT INTO attempt (payment_id, number, method, token, provider_key, status, charge)
VALUES (:payment_id, :number, :method, :token, :provider_key, :status, :charge)
"""
_SAVE_ATTEMPT = """
UPDATE attempt SET token = :token, status = :status, reason = :reason, charge = :charge,
       charge_id = :charge_id, action_url = :action_url, voidable = :voidable, capture = :capture,
       captured = :captured, refunding = :refunding, refunded = :refunded
 WHERE payment_id = :payment_id AND number = :number
"""
_REFUND_COLUMNS = (
    "SELECT id, payment_id, attempt, amount, reason, automatic, done, created_at FROM refund"
)
_READ_REFUNDS = _REFUND_COLUMNS + " WHERE id = ANY(:ids)"
_LIST_REFUNDS = _REFUND_COLUMNS + " WHERE payment_id = :payment_id ORDER BY created_at, id"
_ADD_REFUND = """
INSERT INTO refund (id, payment_id, attempt, amount, reason, automatic)
VALUES (:id, :payment_id, :attempt, :amount, :reason, :automatic)
"""
_FINISH_REFUND = "UPDATE refund SET done = true WHERE id = :id AND NOT done"

# A row that is there already becomes due at once; one in flight keeps its lease, and _FENCES tells
# whoever records its result that it was nudged.
_SCHEDULE = """
INSERT INTO provider_call (id, payment_id, attempt, look_up)
VALUES (:id, :payment_id, :attempt, :look_up)
    ON CONFLICT (payment_id, attempt) WHERE refund_id IS NULL DO UPDATE
   SET due_at = clock_timestamp(), look_up = provider_call.look_up OR excluded.look_up
"""
_SCHEDULE_REFUND = """
INSERT INTO provider_call (id, payment_id, attempt, refund_id)
VALUES (:id, :payment_id, :attempt, :refund_id)
"""
# Waits for a claim that is just being made, and then passes it by.
_TAKE_BACK_UNSENT = """
DELETE FROM provider_call
 WHERE payment_id = :payment_id AND attempt = ANY(:attempts) AND refund_id IS NULL
   AND asked = 0 AND leased_until IS NULL
RETURNING attempt
"""
# A lease that ran out belongs to a worker that died or was stopped: the row is claimed anew, and
# what the old one still brings is refused by the fencing token.
_CLAIM = """
UPDATE provider_call
   SET claim = claim + 1, tries = tries + 1,
       leased_until = now() + make_interval(secs => :lease_seconds),
       due_at = now() + make_interval(secs => :lease_seconds)
 WHERE id IN (SELECT id FROM provider_call
               WHERE due_at <= clock_timestamp()
                 AND (leased_until IS NULL OR leased_until <= clock_timestamp())
               ORDER BY due_at LIMIT :limit FOR UPDATE SKIP LOCKED)
RETURNING id, payment_id, attempt, refund_id, look_up, asked, tries, claim
"""
_NAME_CALLS = """
UPDATE provider_call
   SET kind = named.kind, look_up = false,
       asked = asked + CASE WHEN named.kind = 'AUTHORIZE' THEN 1 ELSE 0 END
  FROM unnest(CAST(:ids AS uuid[]), CAST(:kinds AS text[])) AS named (id, kind)
 WHERE provider_call.id = named.id
"""
_DROP_CALLS = "DELETE FROM provider_call WHERE id = ANY(:ids)"
_FENCES = """
SELECT id, provider_call.claim, asked, tries, look_up, due_at < leased_until AS nudged
  FROM provider_call
  JOIN unnest(CAST(:ids AS uuid[]), CAST(:claims AS bigint[])) AS made (id, claim) USING (id, claim)
   FOR UPDATE OF provider_call
"""
_PUT_OFF = """
UPDATE provider_call
   SET leased_until = NULL, tries = :tries, asked = :asked, look_up = :look_up,
       due_at = clock_timestamp() + make_interval(secs => :pause_seconds)
 WHERE id = :id
"""

_ADD_EVENT = """
INSERT INTO webhook_event (provider, event_id, body) VALUES (:provider, :event_id, :body)
    ON CONFLICT DO NOTHING
"""
_FORGET_EVENTS = """
DELETE FROM webhook_event WHERE ctid IN
       (SELECT ctid FROM webhook_event
         WHERE received_at < clock_timestamp() - interval '30 days' LIMIT :limit)
"""
_POST = """
WITH entry AS (
    INSERT INTO ledger_transaction (id, kind, payment_id, attempt, refund_id)
    VALUES (:id, :kind, :payment_id, :attempt, :refund_id) RETURNING id
)
INSERT INTO ledger_posting (transaction_id, account, currency, amount)
SELECT entry.id, posting.account, :currency, posting.amount
  FROM entry, unnest(CAST(:accounts AS text[]), CAST(:amounts AS bigint[]))
           AS posting (account, amount)
"""


# --- payments ------------------------------------------------------------------------------------


async def add_payment(session: Session, payment: Payment) -> bool:
    """Writes down a new payment, and holds its lock; False: it was there already."""
    result = await session.execute(
        _ADD_PAYMENT,
        id=payment.id,
        booking_id=payment.booking_id,
        booking_reference=payment.booking_reference or None,
        customer_id=payment.customer_id,
        organizer_id=payment.organizer_id,
        amount=payment.amount or None,
        currency=payment.currency or None,
        void=payment.void,
        status=payment.status,
        saga_step=payment.saga_step,
    )
    return result.rowcount == 1


async def lock_payment(session: Session, id: UUID) -> Payment | None:
    """The payment as it stands; it stays so until the transaction ends."""
    return (await lock_payments(session, [id])).get(id)


async def lock_payments(session: Session, ids: Collection[UUID]) -> dict[UUID, Payment]:
    """As `lock_payment`, for many at once."""
    rows = await session.all(_LOCK_PAYMENTS, ids=list(ids))
    return _payments(rows, await session.all(_ATTEMPTS, ids=list(ids))) if rows else {}


async def find_payment(session: Session, id: UUID, *, owner: UUID | None) -> Payment | None:
    """The payment, if it is `owner`'s; None: anybody's."""
    row = await session.first(_FIND_PAYMENT, id=id, owner=owner)
    if row is None:
        return None
    return _payments([row], await session.all(_ATTEMPTS, ids=[id]))[id]


async def save(session: Session, before: Payment, after: Payment) -> None:
    """Writes what changed. The payment's lock must be held."""
    if replace(before, attempts=after.attempts) != after:
        await session.execute(
            _SAVE_PAYMENT,
            id=after.id,
            void=after.void,
            status=after.status,
            saga_step=after.saga_step,
        )
    for attempt in after.attempts:
        known = before.find(attempt.number)
        if known is None:
            await session.execute(
                _ADD_ATTEMPT,
                payment_id=after.id,
                number=attempt.number,
                method=attempt.method,
                token=attempt.token,
                provider_key=provider_key(after.id, attempt.number),
                status=attempt.status,
                charge=attempt.charge,
            )
        elif known != attempt:
            await session.execute(
                _SAVE_ATTEMPT,
                payment_id=after.id,
                number=attempt.number,
                token=attempt.token,
                status=attempt.status,
                reason=attempt.reason,
                charge=attempt.charge,
                charge_id=attempt.charge_id,
                action_url=attempt.action_url,
                voidable=attempt.voidable,
                capture=attempt.capture,
                captured=attempt.captured,
                refunding=attempt.refunding,
                refunded=attempt.refunded,
            )


def _payments(rows: Iterable[Row], attempts: Iterable[Row]) -> dict[UUID, Payment]:
    of: dict[UUID, list[Row]] = {}
    for each in attempts:
        of.setdefault(each.payment_id, []).append(each)
    return {row.id: _payment(row, of.get(row.id, ())) for row in rows}


def _payment(row: Row, attempts: Iterable[Row]) -> Payment:
    return Payment(
        id=row.id,
        booking_id=row.booking_id,
        booking_reference=row.booking_reference or "",
        customer_id=row.customer_id,
        organizer_id=row.organizer_id,
        amount=row.amount or 0,
        currency=row.currency or "",
        void=row.void,
        status=Status(row.status),
        attempts=tuple(_attempt(each) for each in attempts),
        created_at=row.created_at,
        saga_step=row.saga_step,
    )


def _attempt(row: Row) -> Attempt:
    return Attempt(
        number=row.number,
        method=row.method,
        token=row.token,
        status=Status(row.status),
        reason=row.reason,
        charge=ChargeState(row.charge),
        charge_id=row.charge_id,
        action_url=row.action_url,
        voidable=row.voidable,
        capture=CaptureWish(row.capture),
        captured=row.captured,
        refunding=row.refunding,
        refunded=row.refunded,
        created_at=row.created_at,
    )


# --- refunds -------------------------------------------------------------------------------------


async def add_refund(session: Session, payment_id: UUID, refund: Refund) -> None:
    """Writes down a refund and has the provider called for it."""
    await session.execute(
        _ADD_REFUND,
        id=refund.id,
        payment_id=payment_id,
        attempt=refund.attempt,
        amount=refund.amount,
        reason=refund.reason,
        automatic=refund.automatic,
    )
    await session.execute(
        _SCHEDULE_REFUND,
        id=uuid7(),
        payment_id=payment_id,
        attempt=refund.attempt,
        refund_id=refund.id,
    )


async def find_refund(session: Session, id: UUID) -> Refund | None:
    """The refund."""
    row = await session.first(_READ_REFUNDS, ids=[id])
    return None if row is None else _refund(row)


async def list_refunds(session: Session, payment_id: UUID) -> Sequence[Refund]:
    """The payment's refunds, oldest first."""
    return [_refund(row) for row in await session.all(_LIST_REFUNDS, payment_id=payment_id)]


async def finish_refund(session: Session, id: UUID) -> bool:
    """Notes that the money went back; False: that was known."""
    return (await session.execute(_FINISH_REFUND, id=id)).rowcount == 1


def _refund(row: Row) -> Refund:
    return Refund(
        row.id, row.attempt, row.amount, row.reason, row.automatic, row.done, row.created_at
    )


# --- calls to providers --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Claimed:
    """A row of the work list, leased, with what it speaks of."""

    id: UUID
    claim: int
    payment: Payment
    attempt: Attempt
    refund: Refund | None
    look_up: bool
    tries: int


@dataclass(frozen=True, slots=True)
class Fence:
    """A call's row, if the claim is still the newest."""

    asked: int
    tries: int
    look_up: bool  # there are news since it was claimed
    nudged: bool  # somebody wanted it made at once since it was claimed


async def schedule(
    session: Session, payment_id: UUID, attempt: int, *, look_up: bool = False
) -> None:
    """Has the provider called about an attempt's charge, at once."""
    await session.execute(
        _SCHEDULE, id=uuid7(), payment_id=payment_id, attempt=attempt, look_up=look_up
    )


async def take_back_unsent(
    session: Session, payment_id: UUID, attempts: Collection[int]
) -> frozenset[int]:
    """Takes back the calls that never went out; gives the attempts they were for."""
    if not attempts:
        return frozenset()
    rows = await session.all(_TAKE_BACK_UNSENT, payment_id=payment_id, attempts=list(attempts))
    return frozenset(row.attempt for row in rows)


async def claim(session: Session, *, limit: int, lease_seconds: float) -> Sequence[Claimed]:
    """Leases up to `limit` due calls."""
    rows = await session.all(_CLAIM, limit=limit, lease_seconds=lease_seconds)
    if not rows:
        return []
    ids = list({row.payment_id for row in rows})
    payments = await session.all(_READ_PAYMENTS, ids=ids)
    known = _payments(payments, await session.all(_ATTEMPTS, ids=ids))
    refunds: dict[UUID, Refund] = {}
    asked_back = [row.refund_id for row in rows if row.refund_id is not None]
    if asked_back:
        found = await session.all(_READ_REFUNDS, ids=asked_back)
        refunds = {row.id: _refund(row) for row in found}
    return [
        Claimed(
            id=row.id,
            claim=row.claim,
            payment=known[row.payment_id],
            attempt=known[row.payment_id].attempt(row.attempt),
            refund=refunds.get(row.refund_id),
            look_up=row.look_up,
            tries=row.tries,
        )
        for row in rows
    ]


async def name_calls(session: Session, kinds: Mapping[UUID, Kind]) -> None:
    """Notes what claimed calls are made for, before they are made."""
    if kinds:
        await session.execute(_NAME_CALLS, ids=list(kinds), kinds=list(kinds.values()))


async def drop_calls(session: Session, ids: Collection[UUID]) -> None:
    """Takes calls off the list that have nothing to do any more."""
    if ids:
        await session.execute(_DROP_CALLS, ids=list(ids))


async def fences(
    session: Session, claims: Sequence[tuple[UUID, int]]
) -> Mapping[tuple[UUID, int], Fence]:
    """The rows of claimed calls, locked; without those that were claimed anew, or ended, since."""
    ids, tokens = [id for id, _ in claims], [token for _, token in claims]
    rows = await session.all(_FENCES, ids=ids, claims=tokens)
    return {
        (row.id, row.claim): Fence(row.asked, row.tries, row.look_up, row.nudged) for row in rows
    }


async def put_off(
    session: Session, id: UUID, *, tries: int, asked: int, look_up: bool, pause_seconds: float
) -> None:
    """Ends the lease; the next call is due after the pause."""
    await session.execute(
        _PUT_OFF, id=id, tries=tries, asked=asked, look_up=look_up, pause_seconds=pause_seconds
    )


# --- webhooks and ledger -------------------------------------------------------------------------


async def add_event(session: Session, provider: str, event_id: str, body: str) -> bool:
    """Stores a webhook; False: the event is known."""
    result = await session.execute(_ADD_EVENT, provider=provider, event_id=event_id, body=body)
    return result.rowcount == 1


async def forget_events(session: Session, *, limit: int) -> int:
    """Deletes webhooks older than 30 days; gives how many."""
    return (await session.execute(_FORGET_EVENTS, limit=limit)).rowcount


async def post(session: Session, entry: Entry) -> None:
    """Enters a transaction into the ledger.

    Raises:
        IntegrityError: the capture or refund was entered before.
    """
    await session.execute(
        _POST,
        id=uuid7(),
        kind=entry.kind,
        payment_id=entry.payment_id,
        attempt=entry.attempt,
        refund_id=entry.refund_id,
        currency=entry.currency,
        accounts=[posting.account for posting in entry.postings],
        amounts=[posting.amount for posting in entry.postings],
    )
