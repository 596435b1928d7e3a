"""Organizers' webhooks."""

from __future__ import annotations

import secrets
from datetime import datetime
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp
from parterre.notification.v1 import notification_pb2

from chassis.context import caller_id
from chassis.database import Session
from chassis.idempotency import once
from chassis.ids import parse_uuid
from chassis.timestamps import timestamp
from notification_service.domain import (
    WebhookDeliveryNotFoundError,
    WebhookEndpointNotFoundError,
    WebhookSecretNotShownError,
    webhooks,
)
from notification_service.domain.webhooks import Delivery, Endpoint
from notification_service.handlers import webhooks as handlers
from notification_service.rpc.servicer import Call, Servicer

_SECRET_BYTES = 32


class Webhooks(Servicer):
    """Organizers' webhooks."""

    async def CreateWebhookEndpoint(  # noqa: N802 - the proto's name
        self, request: notification_pb2.CreateWebhookEndpointRequest, context: Call
    ) -> notification_pb2.CreateWebhookEndpointResponse:
        async def work(session: Session) -> notification_pb2.CreateWebhookEndpointResponse:
            wish = webhooks.parse_endpoint(
                request.url,
                request.description,
                list(request.facts),
                allows_loopback=self._allows_loopback,
            )
            sealed = self._new_secret()
            made = await handlers.create_endpoint(session, caller_id(), wish, sealed)
            # As it is stored for the idempotency key.
            return notification_pb2.CreateWebhookEndpointResponse(
                endpoint=_endpoint(made), secret=sealed
            )

        reply = await once(
            self._database, request, notification_pb2.CreateWebhookEndpointResponse, work, context
        )
        reply.secret = self._opened(reply.secret)
        return reply

    async def ListWebhookEndpoints(  # noqa: N802 - the proto's name
        self,
        request: notification_pb2.ListWebhookEndpointsRequest,
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> notification_pb2.ListWebhookEndpointsResponse:
        async with self._database.transaction() as session:
            found, cursor = await handlers.list_endpoints(
                session, caller_id(), limit=request.limit, cursor=request.cursor
            )
        return notification_pb2.ListWebhookEndpointsResponse(
            endpoints=map(_endpoint, found), next_cursor=cursor
        )

    async def UpdateWebhookEndpoint(  # noqa: N802 - the proto's name
        self,
        request: notification_pb2.UpdateWebhookEndpointRequest,
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> notification_pb2.UpdateWebhookEndpointResponse:
        change = webhooks.parse_change(
            request.url if request.HasField("url") else None,
            request.description if request.HasField("description") else None,
            list(request.facts) or None,
            request.is_enabled if request.HasField("is_enabled") else None,
            allows_loopback=self._allows_loopback,
        )
        async with self._database.transaction() as session:
            changed = await handlers.change_endpoint(
                session, caller_id(), _endpoint_id(request.endpoint_id), change
            )
        return notification_pb2.UpdateWebhookEndpointResponse(endpoint=_endpoint(changed))

    async def DeleteWebhookEndpoint(  # noqa: N802 - the proto's name
        self,
        request: notification_pb2.DeleteWebhookEndpointRequest,
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> notification_pb2.DeleteWebhookEndpointResponse:
        async with self._database.transaction() as session:
            await handlers.delete_endpoint(session, caller_id(), _endpoint_id(request.endpoint_id))
        return notification_pb2.DeleteWebhookEndpointResponse()

    async def RotateWebhookSecret(  # noqa: N802 - the proto's name
        self, request: notification_pb2.RotateWebhookSecretRequest, context: Call
    ) -> notification_pb2.RotateWebhookSecretResponse:
        async def work(session: Session) -> notification_pb2.RotateWebhookSecretResponse:
            sealed = self._new_secret()
            changed = await handlers.rotate_secret(
                session, caller_id(), _endpoint_id(request.endpoint_id), sealed
            )
            return notification_pb2.RotateWebhookSecretResponse(
                endpoint=_endpoint(changed), secret=sealed
            )

        reply = await once(
            self._database, request, notification_pb2.RotateWebhookSecretResponse, work, context
        )
        reply.secret = self._opened(reply.secret)
        return reply

    async def TestWebhookEndpoint(  # noqa: N802 - the proto's name
        self, request: notification_pb2.TestWebhookEndpointRequest, context: Call
    ) -> notification_pb2.TestWebhookEndpointResponse:
        async def work(session: Session) -> notification_pb2.TestWebhookEndpointResponse:
            written = await handlers.try_endpoint(
                session, caller_id(), _endpoint_id(request.endpoint_id)
            )
            return notification_pb2.TestWebhookEndpointResponse(delivery=_delivery(written))

        return await once(
            self._database, request, notification_pb2.TestWebhookEndpointResponse, work, context
        )

    async def ListWebhookDeliveries(  # noqa: N802 - the proto's name
        self,
        request: notification_pb2.ListWebhookDeliveriesRequest,
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> notification_pb2.ListWebhookDeliveriesResponse:
        async with self._database.transaction() as session:
            found, cursor = await handlers.list_deliveries(
                session,
                caller_id(),
                _endpoint_id(request.endpoint_id),
                status=request.status,
                limit=request.limit,
                cursor=request.cursor,
            )
        return notification_pb2.ListWebhookDeliveriesResponse(
            deliveries=map(_delivery, found), next_cursor=cursor
        )

    async def ResendWebhookDelivery(  # noqa: N802 - the proto's name
        self, request: notification_pb2.ResendWebhookDeliveryRequest, context: Call
    ) -> notification_pb2.ResendWebhookDeliveryResponse:
        async def work(session: Session) -> notification_pb2.ResendWebhookDeliveryResponse:
            delivery_id = parse_uuid(request.delivery_id)
            if delivery_id is None:
                raise WebhookDeliveryNotFoundError
            delivery = await handlers.resend(
                session, caller_id(), _endpoint_id(request.endpoint_id), delivery_id
            )
            return notification_pb2.ResendWebhookDeliveryResponse(delivery=_delivery(delivery))

        return await once(
            self._database, request, notification_pb2.ResendWebhookDeliveryResponse, work, context
        )

    def _new_secret(self) -> str:
        return self._seal.seal(webhooks.secret_of(secrets.token_bytes(_SECRET_BYTES)))

    def _opened(self, sealed: str) -> str:
        secret = self._seal.open(sealed)
        if secret is None:
            raise WebhookSecretNotShownError("The secret of this answer was lost; rotate it.")
        return secret


def _endpoint_id(text: str) -> UUID:
    parsed = parse_uuid(text)
    if parsed is None:
        raise WebhookEndpointNotFoundError
    return parsed


def _moment(at: datetime | None) -> Timestamp | None:
    return timestamp(at) if at else None


def _endpoint(it: Endpoint) -> notification_pb2.WebhookEndpoint:
    return notification_pb2.WebhookEndpoint(
        id=str(it.id),
        url=it.url,
        description=it.description,
        facts=it.facts,
        status=it.status,
        failing_since=_moment(it.failing_since),
        old_secret_until=_moment(it.old_secret_until),
        created_at=timestamp(it.created_at),
    )


def _delivery(it: Delivery) -> notification_pb2.WebhookDelivery:
    return notification_pb2.WebhookDelivery(
        id=str(it.id),
        endpoint_id=str(it.endpoint_id),
        fact=it.fact,
        status=it.status,
        attempts=it.attempts,
        created_at=timestamp(it.created_at),
        next_try_at=_moment(it.next_try_at),
        tried_at=_moment(it.tried_at),
        answer_status=it.answer_status or 0,
        answer=it.answer,
        duration_ms=it.duration_ms or 0,
        error=it.error,
    )
