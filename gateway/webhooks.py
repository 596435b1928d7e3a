"""Webhooks on their way to payment_service: those that come together are stored together."""

from __future__ import annotations

from parterre.payment.v1 import payment_pb2, payment_pb2_grpc

from chassis.batching import Batch, Batcher, Limits
from chassis.refusals import read_refusal
from gateway.services import Remote, is_unknown

Webhook = payment_pb2.ReceiveWebhooksRequest.Webhook

LIMITS = Limits(ahead=1, beside=16, at_once=None, slow_seconds=0.1)
# How long one waits for its turn.
_SECONDS = 5.0


class Webhooks:
    """Hands on what providers send."""

    def __init__(
        self, payment: Remote[payment_pb2_grpc.PaymentServiceStub], limits: Limits = LIMITS
    ) -> None:
        self._payment = payment
        self._batcher: Batcher[str, Webhook, None] = Batcher(
            "webhooks", self._call, limits, did_nothing=is_unknown
        )

    async def receive(self, webhook: Webhook) -> None:
        """Returns when the webhook is stored.

        Raises:
            RemoteError: payment_service refused it, failed, or did not answer in time.
            ServiceError: OVERLOADED, too many are waiting.
            TimeoutError: it waited too long for its turn, and nothing was done.
        """
        await self._batcher.put("", webhook, seconds=_SECONDS)

    async def _call(self, _lane: str, batch: Batch[Webhook, None]) -> None:
        reply = await self._payment.as_gateway(
            self._payment.rpc.ReceiveWebhooks,
            payment_pb2.ReceiveWebhooksRequest(webhooks=batch.items),
        )
        batch.answer_all(
            [
                read_refusal(result.refusal) if result.HasField("refusal") else None
                for result in reply.results
            ]
        )
