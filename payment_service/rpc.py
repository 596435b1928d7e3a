"""The gRPC servicer."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import grpc
from parterre.payment.v1 import payment_pb2, payment_pb2_grpc
from parterre.types.v1 import types_pb2

from chassis.context import caller
from chassis.database import Database, Session
from chassis.idempotency import once
from chassis.identity import Role
from chassis.ids import parse_uuid
from chassis.logs import get_logger
from chassis.timestamps import timestamp
from payment_service.domain import (
    InvalidSignatureError,
    Payment,
    PaymentNotFoundError,
    Refund,
    StaleWebhookError,
    Status,
    UnknownProviderError,
    totals,
)
from payment_service.handlers import people, webhooks
from payment_service.worker import Worker

SERVICE = payment_pb2.DESCRIPTOR.services_by_name["PaymentService"]

log = get_logger(__name__)

_Context = grpc.aio.ServicerContext[Any, Any]


class PaymentServicer(payment_pb2_grpc.PaymentServiceServicer):
    """Payments, read, verified, and told about by providers."""

    def __init__(self, database: Database, worker: Worker) -> None:
        self._database = database
        self._worker = worker

    async def GetPayment(  # noqa: N802 - the proto's name
        self,
        request: payment_pb2.GetPaymentRequest,
        context: _Context,  # noqa: ARG002 - gRPC's signature
    ) -> payment_pb2.GetPaymentResponse:
        owner = None if caller().role is Role.ADMIN else UUID(caller().subject)
        payment, refunds = await self._get(_id(request.payment_id), owner)
        return payment_pb2.GetPaymentResponse(payment=_message(payment, refunds))

    async def VerifyPayment(  # noqa: N802 - the proto's name
        self,
        request: payment_pb2.VerifyPaymentRequest,
        context: _Context,  # noqa: ARG002 - gRPC's signature
    ) -> payment_pb2.VerifyPaymentResponse:
        id, owner = _id(request.payment_id), UUID(caller().subject)
        payment, _refunds = await self._get(id, owner)
        await self._worker.verify(payment)
        payment, refunds = await self._get(id, owner)
        return payment_pb2.VerifyPaymentResponse(payment=_message(payment, refunds))

    async def ReceiveWebhook(  # noqa: N802 - the proto's name
        self,
        request: payment_pb2.ReceiveWebhookRequest,
        context: _Context,  # noqa: ARG002 - gRPC's signature
    ) -> payment_pb2.ReceiveWebhookResponse:
        provider = self._worker.provider
        if request.provider != provider.name:
            raise UnknownProviderError("There is no such provider.")
        try:
            event = provider.read_webhook(request.headers, request.body, time.time())
        except (InvalidSignatureError, StaleWebhookError) as error:
            log.warning("webhook refused", provider=provider.name, reason=error.reason)
            raise
        if event is not None:
            async with self._database.transaction() as session:
                body = request.body.decode()
                if await webhooks.receive(session, event, body, provider=provider.name):
                    session.when_committed(self._worker.wake)
        return payment_pb2.ReceiveWebhookResponse()

    async def CreateRefund(  # noqa: N802 - the proto's name
        self, request: payment_pb2.CreateRefundRequest, context: _Context
    ) -> payment_pb2.CreateRefundResponse:
        asking = caller()

        async def work(session: Session) -> payment_pb2.CreateRefundResponse:
            payment, refunds = await people.refund(
                session,
                _id(request.payment_id),
                request.amount if request.HasField("amount") else None,
                request.reason,
                organizer=None if asking.role is Role.ADMIN else UUID(asking.subject),
                requested_by=UUID(asking.subject),
                provider=self._worker.provider.name,
            )
            session.when_committed(self._worker.wake)
            return payment_pb2.CreateRefundResponse(payment=_message(payment, refunds))

        return await once(self._database, request, payment_pb2.CreateRefundResponse, work, context)

    async def _get(self, id: UUID, owner: UUID | None) -> tuple[Payment, Sequence[Refund]]:
        async with self._database.transaction() as session:
            return await people.get_payment(session, id, owner=owner)


def _id(text: str) -> UUID:
    id = parse_uuid(text)
    if id is None:
        raise PaymentNotFoundError("There is no such payment.")
    return id


def _message(payment: Payment, refunds: Sequence[Refund]) -> payment_pb2.Payment:
    captured, refunded = totals(payment.attempts)
    last = payment.last
    message = payment_pb2.Payment(
        id=str(payment.id),
        booking_reference=payment.booking_reference,
        status=payment.status,
        method=last.method if last else "",
        amount=types_pb2.Money(amount=payment.amount, currency=payment.currency),
        captured_amount=captured,
        refunded_amount=refunded,
        action_url=last.action_url if last and payment.status is Status.REQUIRES_ACTION else "",
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
