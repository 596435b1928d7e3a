"""Payments and their attempts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from uuid import UUID

import orjson

from chassis.database import Result, Row, Session, Statement
from payment_service.domain import (
    Attempt,
    ChargeState,
    Payment,
    Status,
    provider_key,
)

# Without a conflict target on purpose: with one, two that insert the same payment at once may run
# into the other unique key, the booking's, and one of them fails.
_ADD_PAYMENTS = """
INSERT INTO payment (id, booking_id, booking_reference, customer_id, organizer_id, event_id,
                     amount, fees, currency, void, status, saga_step)
SELECT id, booking_id, booking_reference, customer_id, organizer_id, event_id, amount, fees,
       currency, void, status, saga_step
  FROM jsonb_populate_recordset(NULL::payment, CAST(:payments AS jsonb)) ORDER BY id
    ON CONFLICT DO NOTHING
"""
_PAYMENT_COLUMNS = """
SELECT id, booking_id, booking_reference, customer_id, organizer_id, event_id, amount, fees,
       currency, void, status, refund_awaited, created_at, saga_step
  FROM payment
"""
# In one order everywhere, so that two batches can't wait for each other.
_LOCK_PAYMENTS = (
    _PAYMENT_COLUMNS
    + " WHERE id = ANY(ARRAY(SELECT unnest(CAST(:ids AS uuid[])))) ORDER BY id FOR UPDATE"
)
_READ_PAYMENTS = _PAYMENT_COLUMNS + " WHERE id = ANY(:ids)"
_FIND_PAYMENT = (
    _PAYMENT_COLUMNS + " WHERE id = :id AND (CAST(:owner AS uuid) IS NULL OR customer_id = :owner)"
)
# A statement of its own after the lock: its snapshot sees what whoever had the lock has committed.
_ATTEMPTS = """
SELECT payment_id, number, method, token, provider, status, reason, charge, charge_id, action_url,
       voidable, captured, refunding, refunded, created_at
  FROM attempt WHERE payment_id = ANY(ARRAY(SELECT unnest(CAST(:ids AS uuid[]))))
 ORDER BY payment_id, number
"""
_SAVE_PAYMENTS = """
UPDATE payment
   SET void = new.void, status = new.status, refund_awaited = new.refund_awaited,
       saga_step = new.saga_step
  FROM jsonb_to_recordset(CAST(:payments AS jsonb))
       AS new (id uuid, void boolean, status text, refund_awaited boolean, saga_step integer)
 WHERE payment.id = new.id
"""
_SAVE_ATTEMPTS = """
INSERT INTO attempt (payment_id, number, method, token, provider, provider_key, status, reason,
                     charge, charge_id, action_url, voidable, captured, refunding, refunded)
SELECT payment_id, number, method, token, provider, provider_key, status, reason, charge, charge_id,
       action_url, voidable, captured, refunding, refunded
  FROM jsonb_populate_recordset(NULL::attempt, CAST(:attempts AS jsonb))
    ON CONFLICT (payment_id, number) DO UPDATE
   SET token = excluded.token, status = excluded.status, reason = excluded.reason,
       charge = excluded.charge, charge_id = excluded.charge_id, action_url = excluded.action_url,
       voidable = excluded.voidable, captured = excluded.captured,
       refunding = excluded.refunding, refunded = excluded.refunded
"""


def adding(payments: Iterable[Payment]) -> Statement:
    """Writes down payments that are not there yet, and holds their locks."""
    written = [
        {
            "id": payment.id,
            "booking_id": payment.booking_id,
            "booking_reference": payment.booking_reference or None,
            "customer_id": payment.customer_id,
            "organizer_id": payment.organizer_id,
            "event_id": payment.event_id,
            "amount": payment.amount or None,
            "fees": payment.fees,
            "currency": payment.currency or None,
            "void": payment.void,
            "status": payment.status,
            "saga_step": payment.saga_step,
        }
        for payment in payments
    ]
    return _ADD_PAYMENTS, {"payments": orjson.dumps(written).decode()}


def locking(ids: Collection[UUID]) -> tuple[Statement, Statement]:
    """Locks payments, and then reads their attempts; `read` makes them of the results."""
    parameters = {"ids": list(ids)}
    return (_LOCK_PAYMENTS, parameters), (_ATTEMPTS, parameters)


def read(payments: Result, attempts: Result) -> dict[UUID, Payment]:
    """The payments as they were read; locked ones stay so until the transaction ends."""
    return _payments(payments, attempts)


async def lock_payments(session: Session, ids: Collection[UUID]) -> dict[UUID, Payment]:
    """Locks payments."""
    return read(*await session.together(*locking(ids)))


def reading(ids: Collection[UUID]) -> tuple[Statement, Statement]:
    """Reads payments, which may change at any moment; `read` makes them of the results."""
    parameters = {"ids": list(ids)}
    return (_READ_PAYMENTS, parameters), (_ATTEMPTS, parameters)


async def find_payment(session: Session, id: UUID, *, owner: UUID | None) -> Payment | None:
    """The payment, if it is `owner`'s; None: anybody's."""
    row = await session.first(_FIND_PAYMENT, id=id, owner=owner)
    if row is None:
        return None
    return _payments([row], await session.all(_ATTEMPTS, ids=[id]))[id]


def save(session: Session, before: Mapping[UUID, Payment], now: Mapping[UUID, Payment]) -> None:
    """Writes what changed since `before`. The payments' locks must be held."""
    changed = [
        _state(payment) for id, payment in now.items() if _state(payment) != _state(before[id])
    ]
    if changed:
        session.defer(_SAVE_PAYMENTS, payments=orjson.dumps(changed).decode())
    attempts = [
        _written(id, attempt)
        for id, payment in now.items()
        for attempt in payment.attempts
        if before[id].find(attempt.number) != attempt
    ]
    if attempts:
        session.defer(_SAVE_ATTEMPTS, attempts=orjson.dumps(attempts).decode())


def _state(payment: Payment) -> dict[str, object]:
    return {
        "id": payment.id,
        "void": payment.void,
        "status": payment.status,
        "refund_awaited": payment.refund_awaited,
        "saga_step": payment.saga_step,
    }


def _written(payment_id: UUID, attempt: Attempt) -> dict[str, object]:
    return {
        "payment_id": payment_id,
        "number": attempt.number,
        "method": attempt.method,
        "token": attempt.token,
        "provider": attempt.provider,
        "provider_key": provider_key(payment_id, attempt.number),
        "status": attempt.status,
        "reason": attempt.reason,
        "charge": attempt.charge,
        "charge_id": attempt.charge_id,
        "action_url": attempt.action_url,
        "voidable": attempt.voidable,
        "captured": attempt.captured,
        "refunding": attempt.refunding,
        "refunded": attempt.refunded,
    }


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
        fees=row.fees,
        refund_awaited=row.refund_awaited,
        event_id=row.event_id,
    )


def _attempt(row: Row) -> Attempt:
    return Attempt(
        number=row.number,
        method=row.method,
        token=row.token,
        provider=row.provider,
        status=Status(row.status),
        reason=row.reason,
        charge=ChargeState(row.charge),
        charge_id=row.charge_id,
        action_url=row.action_url,
        voidable=row.voidable,
        captured=row.captured,
        refunding=row.refunding,
        refunded=row.refunded,
        created_at=row.created_at,
    )
