"""Which message is handled how, and how what leaves is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from parterre.messages.v1 import messages_pb2

from chassis.consumer import Handle, Handlers
from chassis.database import Session
from chassis.outbox import Outgoing, encoded
from payment_service import handlers
from payment_service.domain import Payment, Reply

MESSAGES = messages_pb2.DESCRIPTOR
QUEUE = "payment.commands"


def encode(message: object) -> Outgoing:
    """The outbox's form of what the domain sends."""
    if not isinstance(message, Reply):
        raise TypeError(f"{type(message).__name__} is not a message")
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


def commands(provider: str, wake: Callable[[], None]) -> Handlers:
    """The handlers of `payment.commands`; `wake` is called when a command has been committed."""

    async def on_authorize(session: Session, message: messages_pb2.AuthorizePayment) -> None:
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
        await handlers.authorize(
            session,
            offered,
            attempt=message.attempt,
            method=message.method,
            token=message.token or None,
            provider=provider,
        )

    async def on_capture(session: Session, message: messages_pb2.CapturePayment) -> None:
        await handlers.capture(
            session, UUID(message.payment_id), saga_step=message.step, provider=provider
        )

    async def on_void(session: Session, message: messages_pb2.VoidPayment) -> None:
        await handlers.void(
            session,
            UUID(message.payment_id),
            UUID(message.booking_id),
            saga_step=message.step,
            provider=provider,
        )

    async def on_refund(session: Session, message: messages_pb2.RefundPayment) -> None:
        await handlers.refund(
            session,
            UUID(message.payment_id),
            UUID(message.refund_id),
            message.amount,
            message.reason,
            saga_step=message.step,
            provider=provider,
        )

    def waking(handle: Handle) -> Handle:
        async def handled(session: Session, message: Any) -> None:
            await handle(session, message)
            session.when_committed(wake)

        return handled

    table: Mapping[type[Any], Handle] = {
        messages_pb2.AuthorizePayment: on_authorize,
        messages_pb2.CapturePayment: on_capture,
        messages_pb2.VoidPayment: on_void,
        messages_pb2.RefundPayment: on_refund,
    }
    return {kind: waking(handle) for kind, handle in table.items()}
