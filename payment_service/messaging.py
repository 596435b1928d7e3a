"""Which message is handled how, and how what leaves is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from parterre.messages.v1 import messages_pb2

from chassis.consumer import Handlers, Together
from chassis.database import Session
from chassis.outbox import Outgoing, encoded
from payment_service.domain import (
    Authorize,
    Capture,
    Command,
    GiveBack,
    PaidBack,
    Payment,
    ProviderState,
    Reply,
    Void,
)
from payment_service.handlers import commands as handlers
from payment_service.handlers.work import Lease, Todo

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
        case ProviderState(provider, available, told_at):
            state = messages_pb2.ProviderState(provider=provider, available=available)
            state.told_at.FromDatetime(told_at)
            return encoded(state)
    raise TypeError(f"{type(message).__name__} is not a message")


def commands(provider: str, lease: Callable[[], Lease], start: Callable[[Todo], None]) -> Handlers:
    """The handlers of `payment.commands`.

    `lease` says what calls to the provider may be left to this process; `start` is given those,
    once the commands have been committed.
    """

    async def take(session: Session, messages: Sequence[Any]) -> None:
        asked = [_READ[type(message)](message) for message in messages]
        todo = await handlers.take(session, asked, provider=provider, lease=lease())
        session.when_committed(partial(start, todo))

    together = Together(take)
    return dict.fromkeys(_READ, together)


def _authorize(message: messages_pb2.AuthorizePayment) -> Authorize:
    offered = Payment(
        id=UUID(message.payment_id),
        booking_id=UUID(message.booking_id),
        booking_reference=message.booking_reference,
        customer_id=UUID(message.customer_id),
        organizer_id=UUID(message.organizer_id),
        amount=message.amount.amount,
        currency=message.amount.currency,
        saga_step=message.step,
    )
    return Authorize(offered, message.attempt, message.method, message.token or None)


def _capture(message: messages_pb2.CapturePayment) -> Capture:
    return Capture(UUID(message.payment_id), message.step)


def _void(message: messages_pb2.VoidPayment) -> Void:
    return Void(UUID(message.payment_id), UUID(message.booking_id), message.step)


def _give_back(message: messages_pb2.RefundPayment) -> GiveBack:
    return GiveBack(
        UUID(message.payment_id),
        UUID(message.refund_id),
        message.amount,
        message.reason,
        message.step,
    )


_READ: Mapping[type[Any], Callable[[Any], Command]] = {
    messages_pb2.AuthorizePayment: _authorize,
    messages_pb2.CapturePayment: _capture,
    messages_pb2.VoidPayment: _void,
    messages_pb2.RefundPayment: _give_back,
}
