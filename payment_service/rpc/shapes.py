"""Protos to values and back."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from parterre.payment.v1 import payment_pb2
from parterre.types.v1 import types_pb2

from chassis.ids import parse_uuid
from chassis.timestamps import timestamp
from payment_service.domain import Payment, PaymentNotFoundError, Refund, Status, totals


def payment_id(text: str) -> UUID:
    """A payment's id.

    Raises:
        PaymentNotFoundError: it is no id.
    """
    id = parse_uuid(text)
    if id is None:
        raise PaymentNotFoundError("There is no such payment.")
    return id


def payment_message(
    payment: Payment, refunds: Sequence[Refund], *, reader: UUID
) -> payment_pb2.Payment:
    """A payment, and its refunds, as `reader` may see them: only its customer is told where its
    page is, for whoever has the address can approve the payment."""
    captured, refunded = totals(payment.attempts)
    last = payment.last
    open_page = last.action_url if last and payment.status is Status.REQUIRES_ACTION else ""
    message = payment_pb2.Payment(
        id=str(payment.id),
        booking_reference=payment.booking_reference,
        status=payment.status,
        method=last.method if last else "",
        amount=types_pb2.Money(amount=payment.amount, currency=payment.currency),
        captured_amount=captured,
        refunded_amount=refunded,
        action_url=open_page if reader == payment.customer_id else "",
        created_at=timestamp(payment.created_at),
    )
    for attempt in payment.attempts:
        message.attempts.add(
            number=attempt.number,
            method=attempt.method,
            status=attempt.status,
            reason=attempt.reason,
            created_at=timestamp(attempt.created_at),
        )
    for refund in refunds:
        message.refunds.add(
            id=str(refund.id),
            amount=refund.amount,
            status="DONE" if refund.done else "PENDING",
            reason=refund.reason,
            created_at=timestamp(refund.created_at),
        )
    return message
