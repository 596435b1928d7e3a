"""Refunds."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from uuid import UUID

import orjson

from chassis.database import Result, Row, Session, Statement
from payment_service.domain import Payment, Refund

_COLUMNS = (
    "SELECT id, payment_id, attempt, amount, reason, automatic, done, requested_by, created_at"
    " FROM refund"
)
_READ = _COLUMNS + " WHERE id = ANY(:ids)"
_LIST = _COLUMNS + " WHERE payment_id = :payment_id ORDER BY created_at, id"
_ADD = """
INSERT INTO refund (id, payment_id, attempt, amount, reason, automatic, requested_by)
SELECT id, payment_id, attempt, amount, reason, automatic, requested_by
  FROM jsonb_populate_recordset(NULL::refund, CAST(:refunds AS jsonb))
"""
_FINISH = "UPDATE refund SET done = true WHERE id = ANY(:ids) AND NOT done"


def add(session: Session, refunds: Iterable[tuple[Payment, Refund]]) -> None:
    """Writes refunds down, each with its payment."""
    written = [
        {
            "id": refund.id,
            "payment_id": payment.id,
            "attempt": refund.attempt,
            "amount": refund.amount,
            "reason": refund.reason,
            "automatic": refund.automatic,
            "requested_by": refund.requested_by,
        }
        for payment, refund in refunds
    ]
    if written:
        session.defer(_ADD, refunds=orjson.dumps(written).decode())


def reading(ids: Collection[UUID]) -> Statement:
    """Reads refunds; `found` reads the result."""
    return _READ, {"ids": list(ids)}


def found(result: Result) -> dict[UUID, Refund]:
    """The refunds that there are."""
    return {row.id: _refund(row) for row in result}


async def list_of(session: Session, payment_id: UUID) -> Sequence[Refund]:
    """The payment's refunds, oldest first."""
    return [_refund(row) for row in await session.all(_LIST, payment_id=payment_id)]


def finish(session: Session, ids: Collection[UUID]) -> None:
    """Notes that the money went back. The payment's lock must be held."""
    if ids:
        session.defer(_FINISH, ids=list(ids))


def _refund(row: Row) -> Refund:
    return Refund(
        id=row.id,
        attempt=row.attempt,
        amount=row.amount,
        reason=row.reason,
        automatic=row.automatic,
        done=row.done,
        requested_by=row.requested_by,
        created_at=row.created_at,
    )
