"""What people see of payments, and what organizers and admins give back."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from chassis.database import Session
from chassis.ids import uuid7
from payment_service import domain
from payment_service.domain import Payment, PaymentNotFoundError, Refund
from payment_service.handlers.work import Todo, Work
from payment_service.storage import payments, refunds


async def get_payment(
    session: Session, payment_id: UUID, *, owner: UUID | None
) -> tuple[Payment, Sequence[Refund]]:
    """A payment and its refunds; of `owner` alone, or anybody's.

    Raises:
        PaymentNotFoundError: there is none.
    """
    payment = await payments.find_payment(session, payment_id, owner=owner)
    if payment is None:
        raise PaymentNotFoundError("There is no such payment.")
    return payment, await refunds.list_of(session, payment_id)


async def refund(
    session: Session,
    payment_id: UUID,
    amount: int | None,
    reason: str,
    *,
    organizer: UUID | None,
    requested_by: UUID,
) -> tuple[Payment, Sequence[Refund], Todo]:
    """Gives `amount` minor units back, or all that is left; of `organizer`'s events, or anybody's.

    Raises:
        InvalidRefundError: of nothing, or without a reason.
        PaymentNotFoundError: there is no such payment, or it is another organizer's.
        PaymentNotCapturedError: no money was taken.
        RefundTooLargeError: there is not that much left.
    """
    domain.check_refund(amount, reason)
    # However many ask at once, one after another finds what the one before has left.
    read = await payments.lock_payments(session, [payment_id])
    payment = read.get(payment_id)
    if payment is None or organizer not in {None, payment.organizer_id}:
        raise PaymentNotFoundError("There is no such payment.")
    work = Work(read)
    work.apply(domain.refund_by(payment, uuid7(), amount, reason, requested_by))
    todo = work.write(session)
    return work.find(payment_id), await refunds.list_of(session, payment_id), todo
