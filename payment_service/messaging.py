"""Which message is handled how, and how what leaves is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from parterre.messages.v1 import messages_pb2
from parterre.types.v1 import types_pb2

from chassis.consumer import Handlers, Together
from chassis.database import Session
from chassis.ids import parse_uuid
from chassis.logs import get_logger
from chassis.outbox import Outgoing, encoded
from chassis.timestamps import timestamp
from payment_service.domain import (
    ChargePayment,
    Command,
    GiveBackPayment,
    MoneyReturned,
    PaidBack,
    Payment,
    ProviderState,
    RefundPayment,
    Reply,
)
from payment_service.handlers import commands as handlers
from payment_service.loops import Workers

log = get_logger(__name__)

MESSAGES = messages_pb2.DESCRIPTOR
QUEUE = "payment.commands"


def encode(message: object) -> Outgoing:
    """The outbox's form of what the domain sends."""
    match message:
        case Reply():
            return encoded(
                messages_pb2.PaymentReply(
                    booking_id=str(message.booking_id),
                    payment_id=str(message.payment_id),
                    attempt=message.attempt,
                    outcome=messages_pb2.PaymentReply.Outcome.Value(f"OUTCOME_{message.outcome}"),
                    reason=message.reason,
                    action_url=message.action_url,
                    step=message.saga_step,
                    captured_amount=message.captured,
                    refunded_amount=message.refunded,
                )
            )
        case PaidBack():
            return encoded(
                messages_pb2.PaymentRefunded(
                    booking_id=str(message.booking_id),
                    payment_id=str(message.payment_id),
                    refunded_amount=message.refunded,
                    captured_amount=message.captured,
                    reason=message.reason,
                )
            )
        case MoneyReturned():
            return encoded(_money_returned(message))
        case ProviderState():
            state = messages_pb2.ProviderState(
                provider=message.provider, available=message.available, methods=message.methods
            )
            state.told_at.FromDatetime(message.told_at)
            return encoded(state)
    raise TypeError(f"{type(message).__name__} is not a message")


def _money_returned(message: MoneyReturned) -> messages_pb2.MoneyReturned:
    payment, refund = message.payment, message.refund
    attempt = payment.attempt(refund.attempt)
    return messages_pb2.MoneyReturned(
        refund_id=str(refund.id),
        payment_id=str(payment.id),
        booking_id=str(payment.booking_id),
        booking_reference=payment.booking_reference,
        customer_id=str(payment.customer_id or ""),
        event_id=str(payment.event_id or ""),
        organizer_id=str(payment.organizer_id or ""),
        amount=types_pb2.Money(amount=refund.amount, currency=payment.currency),
        refunded_amount=attempt.refunded,
        captured_amount=attempt.captured,
        reason=refund.reason,
        # Nobody asks for these: the money came when it was not wanted any more.
        paid_late=refund.automatic,
        at=timestamp(message.at),
    )


def commands(workers: Workers) -> Handlers:
    """The handlers of `payment.commands`; the workers make the calls that are left to them."""

    async def take(session: Session, messages: Sequence[Any]) -> None:
        asked = [_READ[type(message)](message) for message in messages]
        todo = await handlers.take(session, asked, providers=workers.methods, leases=workers.lease)
        session.when_committed(partial(workers.start, todo))

    return dict.fromkeys(_READ, Together(take)) | dict.fromkeys(_OF_BEFORE, _ignore)


async def _ignore(_session: Session, message: Any) -> None:
    log.info(
        "command of the version before ignored",
        command=message.DESCRIPTOR.name,
        payment=message.payment_id,
    )


def _charge(message: messages_pb2.ChargePayment) -> ChargePayment:
    offered = Payment(
        id=UUID(message.payment_id),
        booking_id=UUID(message.booking_id),
        booking_reference=message.booking_reference,
        customer_id=UUID(message.customer_id),
        organizer_id=UUID(message.organizer_id),
        event_id=parse_uuid(message.event_id),
        amount=message.amount.amount,
        currency=message.amount.currency,
        fees=message.fees,
        saga_step=message.step,
    )
    return ChargePayment(offered, message.attempt, message.method, message.token or None)


def _give_back(message: messages_pb2.GiveBackPayment) -> GiveBackPayment:
    return GiveBackPayment(UUID(message.payment_id), UUID(message.booking_id), message.step)


def _refund(message: messages_pb2.RefundPayment) -> RefundPayment:
    return RefundPayment(
        UUID(message.payment_id),
        UUID(message.refund_id),
        message.percent,
        message.reason,
        message.step,
        # A saga of before named the amount.
        None if message.percent else message.amount,
    )


_READ: Mapping[type[Any], Callable[[Any], Command]] = {
    messages_pb2.ChargePayment: _charge,
    messages_pb2.GiveBackPayment: _give_back,
    messages_pb2.RefundPayment: _refund,
}
_OF_BEFORE = (
    messages_pb2.AuthorizePayment,
    messages_pb2.CapturePayment,
    messages_pb2.VoidPayment,
)
