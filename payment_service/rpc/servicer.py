"""The gRPC servicer."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any
from uuid import UUID

import grpc
from parterre.payment.v1 import payment_pb2, payment_pb2_grpc

from chassis import tracing
from chassis.context import caller, caller_id
from chassis.database import Database, Session
from chassis.idempotency import claim, once, recalled
from chassis.identity import Role
from chassis.logs import get_logger
from chassis.refusals import write_refusal
from chassis.text import line
from payment_service.domain import (
    CARD,
    METHODS,
    InvalidWebhookError,
    Payment,
    PaymentError,
    Refund,
    StaleWebhookError,
)
from payment_service.handlers import people, webhooks
from payment_service.loops import Workers
from payment_service.rpc.shapes import payment_id, payment_message
from payment_service.storage.webhooks import Received, Told

SERVICE = payment_pb2.DESCRIPTOR.services_by_name["PaymentService"]

_MOST_WEBHOOKS = 64

log = get_logger(__name__)

_Context = grpc.aio.ServicerContext[Any, Any]


class PaymentServicer(payment_pb2_grpc.PaymentServiceServicer):
    """Payments, read, verified, and told about by providers."""

    def __init__(self, database: Database, workers: Workers) -> None:
        self._database = database
        self._workers = workers

    async def DescribeCardTokens(  # noqa: N802 - the proto's name
        self,
        request: payment_pb2.DescribeCardTokensRequest,  # noqa: ARG002 - gRPC's signature
        context: _Context,  # noqa: ARG002 - gRPC's signature
    ) -> payment_pb2.DescribeCardTokensResponse:
        reply = payment_pb2.DescribeCardTokensResponse()
        for method in METHODS:
            provider = self._workers.of(self._workers.methods[method]).provider
            offered = reply.methods.add(method=method, test=provider.is_test)
            if method == CARD:
                tokens = provider.card_tokens
                reply.names.extend(tokens.names)
                reply.prefixes.extend(tokens.prefixes)
                for token, name in tokens.test_cards.items():
                    offered.test_cards.add(token=token, name=name)
        return reply

    async def GetPayment(  # noqa: N802 - the proto's name
        self,
        request: payment_pb2.GetPaymentRequest,
        context: _Context,  # noqa: ARG002 - gRPC's signature
    ) -> payment_pb2.GetPaymentResponse:
        reader = caller_id()
        owner = None if caller().role is Role.ADMIN else reader
        payment, refunds = await self._get(payment_id(request.payment_id), owner)
        shown = payment_message(payment, refunds, reader=reader)
        return payment_pb2.GetPaymentResponse(payment=shown)

    async def VerifyPayment(  # noqa: N802 - the proto's name
        self,
        request: payment_pb2.VerifyPaymentRequest,
        context: _Context,
    ) -> payment_pb2.VerifyPaymentResponse:
        id, owner = payment_id(request.payment_id), caller_id()
        whose = claim(request, str(owner))
        reply_type = payment_pb2.VerifyPaymentResponse
        told = await recalled(self._database, whose, reply_type, context)
        if told is not None:
            return told
        payment, _refunds = await self._get(id, owner)
        await self._workers.verify(payment)

        async def work(session: Session) -> payment_pb2.VerifyPaymentResponse:
            payment, refunds = await people.get_payment(session, id, owner=owner)
            shown = payment_message(payment, refunds, reader=owner)
            return payment_pb2.VerifyPaymentResponse(payment=shown)

        return await once(self._database, request, reply_type, work, context, of=whose)

    async def ReceiveWebhooks(  # noqa: N802 - the proto's name
        self,
        request: payment_pb2.ReceiveWebhooksRequest,
        context: _Context,  # noqa: ARG002 - gRPC's signature
    ) -> payment_pb2.ReceiveWebhooksResponse:
        if len(request.webhooks) > _MOST_WEBHOOKS:
            raise InvalidWebhookError(f"At most {_MOST_WEBHOOKS} at once.")
        response = payment_pb2.ReceiveWebhooksResponse()
        events: list[tuple[int, Told]] = []
        for place, webhook in enumerate(request.webhooks):
            response.results.add()
            try:
                told = self._verified(webhook)
            except PaymentError as error:
                _refuse(response, place, webhook, error)
            else:
                if told is not None:
                    events.append((place, told))
        if events:
            sent = [request.webhooks[place] for place, _told in events]
            came = [tracing.origin_of(each.request_id, each.traceparent) for each in sent]
            with tracing.parts("parterre.payment.v1.PaymentService/ReceiveWebhooks", came):
                received = await self._store([told for _place, told in events])
            for (place, _told), what in zip(events, received, strict=True):
                if what.stale:
                    stale = StaleWebhookError("The signature is too old, or of the future.")
                    _refuse(response, place, request.webhooks[place], stale)
        return response

    def _verified(self, webhook: payment_pb2.ReceiveWebhooksRequest.Webhook) -> Told | None:
        provider = self._workers.of(webhook.provider).provider
        event = provider.verify_webhook(webhook.headers, webhook.body)
        return None if event is None else Told(provider.name, event, webhook.body.decode())

    async def _store(self, told: Sequence[Told]) -> Sequence[Received]:
        received = await self._database.run(lambda session: webhooks.receive(session, told))
        for each, what in zip(told, received, strict=True):
            if what.due:
                self._workers.of(each.provider).wake()
        return received

    async def CreateRefund(  # noqa: N802 - the proto's name
        self, request: payment_pb2.CreateRefundRequest, context: _Context
    ) -> payment_pb2.CreateRefundResponse:
        asking = caller()
        reader = UUID(asking.subject)

        async def work(session: Session) -> payment_pb2.CreateRefundResponse:
            payment, refunds, todo = await people.refund(
                session,
                payment_id(request.payment_id),
                request.amount if request.HasField("amount") else None,
                line(request.reason),
                organizer=None if asking.role is Role.ADMIN else reader,
                requested_by=reader,
            )
            session.when_committed(partial(self._workers.start, todo))
            shown = payment_message(payment, refunds, reader=reader)
            return payment_pb2.CreateRefundResponse(payment=shown)

        return await once(self._database, request, payment_pb2.CreateRefundResponse, work, context)

    async def _get(self, id: UUID, owner: UUID | None) -> tuple[Payment, Sequence[Refund]]:
        async with self._database.transaction() as session:
            return await people.get_payment(session, id, owner=owner)


def _refuse(
    response: payment_pb2.ReceiveWebhooksResponse,
    place: int,
    webhook: payment_pb2.ReceiveWebhooksRequest.Webhook,
    error: PaymentError,
) -> None:
    log.warning("webhook refused", provider=webhook.provider, reason=error.reason)
    write_refusal(
        response.results[place].refusal,
        error,
        method="ReceiveWebhooks",
        request_id=webhook.request_id,
    )
