"""Organizers' webhooks: where their facts are sent, and what came of it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from parterre.notification.v1 import notification_pb2
from starlette.responses import Response

from gateway.answers import Json
from gateway.bodies.base import Nothing, PageQuery
from gateway.bodies.webhooks import (
    DeliveriesQuery,
    NewWebhookEndpoint,
    WebhookDeliveryId,
    WebhookEndpointChange,
    WebhookEndpointId,
)
from gateway.routing import ORGANIZER, Behind, IdempotencyKey, Routes, replay_header
from gateway.scopes import Scope
from presentation.views import base
from presentation.views import webhooks as views

WEBHOOK_ENDPOINTS = Routes("Webhooks")


@WEBHOOK_ENDPOINTS.route(
    "POST",
    "/webhook-endpoints",
    ORGANIZER,
    answers=views.SecretOfWebhookEndpoint,
    status=201,
    refuses=[
        "INVALID_WEBHOOK_ENDPOINT",
        "TOO_MANY_WEBHOOK_ENDPOINTS",
        "WEBHOOK_SECRET_NOT_SHOWN",
    ],
    scope=Scope.WEBHOOKS_WRITE,
)
async def create_webhook_endpoint(
    body: NewWebhookEndpoint, behind: Behind, key: IdempotencyKey = ""
) -> Response:
    """Have facts about one's own events sent to an address; `secret` is shown in this answer alone.

    What is sent is signed as Standard Webhooks has it. It arrives at least once, in no promised
    order: `webhook-id` tells what was there before.
    """
    reply, replayed = await behind.notification.replayable(
        behind.notification.rpc.CreateWebhookEndpoint,
        notification_pb2.CreateWebhookEndpointRequest(
            url=body.url, description=body.description, facts=body.facts, idempotency_key=key
        ),
    )
    answer = views.with_secret(reply.endpoint, reply.secret)
    return Json(answer, 201, replay_header(replayed))


@WEBHOOK_ENDPOINTS.route(
    "GET",
    "/webhook-endpoints",
    ORGANIZER,
    answers=base.Page[views.WebhookEndpoint],
    refuses=["INVALID_CURSOR"],
    scope=Scope.WEBHOOKS_WRITE,
)
async def list_webhook_endpoints(query: Annotated[PageQuery, Query()], behind: Behind) -> Response:
    """One's own endpoints, newest first."""
    reply = await behind.notification(
        behind.notification.rpc.ListWebhookEndpoints,
        notification_pb2.ListWebhookEndpointsRequest(limit=query.limit, cursor=query.cursor or ""),
    )
    return Json(base.page(map(views.webhook_endpoint, reply.endpoints), reply.next_cursor))


@WEBHOOK_ENDPOINTS.route(
    "PATCH",
    "/webhook-endpoints/{endpoint_id}",
    ORGANIZER,
    answers=views.WebhookEndpoint,
    refuses=["WEBHOOK_ENDPOINT_NOT_FOUND", "INVALID_WEBHOOK_ENDPOINT"],
    scope=Scope.WEBHOOKS_WRITE,
)
async def change_webhook_endpoint(
    endpoint_id: WebhookEndpointId, body: WebhookEndpointChange, behind: Behind
) -> Response:
    """Change where to, what, or whether anything is sent; enabling it forgets that it failed."""
    request = notification_pb2.UpdateWebhookEndpointRequest(
        endpoint_id=endpoint_id,
        url=body.url,
        description=body.description,
        facts=body.facts or (),
        is_enabled=body.enabled,
    )
    reply = await behind.notification(behind.notification.rpc.UpdateWebhookEndpoint, request)
    return Json(views.webhook_endpoint(reply.endpoint))


@WEBHOOK_ENDPOINTS.route(
    "DELETE",
    "/webhook-endpoints/{endpoint_id}",
    ORGANIZER,
    status=204,
    refuses=["WEBHOOK_ENDPOINT_NOT_FOUND"],
    scope=Scope.WEBHOOKS_WRITE,
)
async def delete_webhook_endpoint(
    endpoint_id: WebhookEndpointId, behind: Behind, _body: Nothing | None = None
) -> Response:
    """Delete an endpoint; what waits is not sent any more."""
    await behind.notification(
        behind.notification.rpc.DeleteWebhookEndpoint,
        notification_pb2.DeleteWebhookEndpointRequest(endpoint_id=endpoint_id),
    )
    return Response(status_code=204)


@WEBHOOK_ENDPOINTS.route(
    "POST",
    "/webhook-endpoints/{endpoint_id}/rotate-secret",
    ORGANIZER,
    answers=views.SecretOfWebhookEndpoint,
    refuses=["WEBHOOK_ENDPOINT_NOT_FOUND", "WEBHOOK_SECRET_NOT_SHOWN"],
    scope=Scope.WEBHOOKS_WRITE,
)
async def rotate_webhook_secret(
    endpoint_id: WebhookEndpointId,
    behind: Behind,
    key: IdempotencyKey = "",
    _body: Nothing | None = None,
) -> Response:
    """Give an endpoint another secret, shown in this answer alone; for 24 hours both sign."""
    reply, replayed = await behind.notification.replayable(
        behind.notification.rpc.RotateWebhookSecret,
        notification_pb2.RotateWebhookSecretRequest(endpoint_id=endpoint_id, idempotency_key=key),
    )
    return Json(views.with_secret(reply.endpoint, reply.secret), 200, replay_header(replayed))


@WEBHOOK_ENDPOINTS.route(
    "POST",
    "/webhook-endpoints/{endpoint_id}/test",
    ORGANIZER,
    answers=views.WebhookDelivery,
    status=202,
    refuses=[
        "WEBHOOK_ENDPOINT_NOT_FOUND",
        "WEBHOOK_ENDPOINT_DISABLED",
        "TOO_MANY_WEBHOOK_TESTS",
    ],
    scope=Scope.WEBHOOKS_WRITE,
)
async def try_webhook_endpoint(
    endpoint_id: WebhookEndpointId,
    behind: Behind,
    key: IdempotencyKey = "",
    _body: Nothing | None = None,
) -> Response:
    """Have a `webhook.test` sent, signed as all others; the deliveries show what came of it."""
    reply, replayed = await behind.notification.replayable(
        behind.notification.rpc.TestWebhookEndpoint,
        notification_pb2.TestWebhookEndpointRequest(endpoint_id=endpoint_id, idempotency_key=key),
    )
    return Json(views.webhook_delivery(reply.delivery), 202, replay_header(replayed))


@WEBHOOK_ENDPOINTS.route(
    "GET",
    "/webhook-endpoints/{endpoint_id}/deliveries",
    ORGANIZER,
    answers=base.Page[views.WebhookDelivery],
    refuses=["WEBHOOK_ENDPOINT_NOT_FOUND", "INVALID_CURSOR"],
    scope=Scope.WEBHOOKS_WRITE,
)
async def list_webhook_deliveries(
    endpoint_id: WebhookEndpointId, query: Annotated[DeliveriesQuery, Query()], behind: Behind
) -> Response:
    """What was, is, and will be sent, newest first, with the last answer; kept for 30 days."""
    reply = await behind.notification(
        behind.notification.rpc.ListWebhookDeliveries,
        notification_pb2.ListWebhookDeliveriesRequest(
            endpoint_id=endpoint_id,
            limit=query.limit,
            cursor=query.cursor or "",
            status=query.status or "",
        ),
    )
    return Json(base.page(map(views.webhook_delivery, reply.deliveries), reply.next_cursor))


@WEBHOOK_ENDPOINTS.route(
    "POST",
    "/webhook-endpoints/{endpoint_id}/deliveries/{delivery_id}/resend",
    ORGANIZER,
    answers=views.WebhookDelivery,
    status=202,
    refuses=[
        "WEBHOOK_ENDPOINT_NOT_FOUND",
        "WEBHOOK_DELIVERY_NOT_FOUND",
        "WEBHOOK_ENDPOINT_DISABLED",
    ],
    scope=Scope.WEBHOOKS_WRITE,
)
async def resend_webhook_delivery(
    endpoint_id: WebhookEndpointId,
    delivery_id: WebhookDeliveryId,
    behind: Behind,
    key: IdempotencyKey = "",
    _body: Nothing | None = None,
) -> Response:
    """Have a delivery tried at once, and as often as a new one; its `webhook-id` stays the same."""
    reply, replayed = await behind.notification.replayable(
        behind.notification.rpc.ResendWebhookDelivery,
        notification_pb2.ResendWebhookDeliveryRequest(
            endpoint_id=endpoint_id, delivery_id=delivery_id, idempotency_key=key
        ),
    )
    return Json(views.webhook_delivery(reply.delivery), 202, replay_header(replayed))
