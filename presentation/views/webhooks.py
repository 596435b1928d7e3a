"""Webhook endpoints and what is sent to them, as their owner sees them."""

from __future__ import annotations

from parterre.notification.v1 import notification_pb2

from presentation.views.base import Count, Id, Time, View, time
from presentation.vocabulary import (
    DeliveredFact,
    WebhookDeliveryStatus,
    WebhookEndpointStatus,
    WebhookFact,
    word,
)


class WebhookEndpoint(View):
    """Where an organizer's facts are sent."""

    id: Id
    """The endpoint's id."""
    url: str
    """Where to."""
    description: str
    """What its owner calls it."""
    facts: list[WebhookFact]
    """What it is told of."""
    status: WebhookEndpointStatus
    """Whether anything is sent to it, or why nothing is."""
    failing_since: Time | None
    """Since when it has taken nothing; null: it took the last delivery, or there was none."""
    old_secret_until: Time | None
    """Until when the secret of before signs too; null: there is none."""
    created_at: Time
    """When it was made."""


class SecretOfWebhookEndpoint(WebhookEndpoint):
    """An endpoint with a new secret; `secret` is told this once."""

    secret: str
    """`whsec_…`, to verify what is sent with a Standard Webhooks library."""


class WebhookDelivery(View):
    """A fact that is, was, or will be sent to an endpoint."""

    id: Id
    """The delivery's id, and the `webhook-id` of each try."""
    endpoint_id: Id
    """Where to."""
    fact: DeliveredFact
    """What it tells."""
    status: WebhookDeliveryStatus
    """How it stands."""
    attempts: Count
    """How often it was tried, since it was last sent anew by hand."""
    created_at: Time
    """When we heard of the fact."""
    next_try_at: Time | None
    """When it is tried next; null: not any more."""
    tried_at: Time | None
    """When it was last tried; null: not yet."""
    answer_status: int | None
    """The HTTP status of the last answer; null: there was none."""
    answer: str
    """How the last answer began, up to 1 KiB."""
    duration_ms: Count | None
    """How long the last try took; null: not tried yet."""
    error: str | None
    """What went wrong with the last try, such as TIMEOUT or ADDRESS_REFUSED; null: nothing."""


def webhook_endpoint(it: notification_pb2.WebhookEndpoint) -> WebhookEndpoint:
    """Where an organizer's facts are sent."""
    return {
        "id": it.id,
        "url": it.url,
        "description": it.description,
        "facts": [word(fact) for fact in it.facts],
        "status": word(it.status),
        "failing_since": time(it.failing_since) if it.HasField("failing_since") else None,
        "old_secret_until": time(it.old_secret_until) if it.HasField("old_secret_until") else None,
        "created_at": time(it.created_at),
    }


def with_secret(it: notification_pb2.WebhookEndpoint, secret: str) -> SecretOfWebhookEndpoint:
    """An endpoint with a new secret."""
    return {**webhook_endpoint(it), "secret": secret}


def webhook_delivery(it: notification_pb2.WebhookDelivery) -> WebhookDelivery:
    """A fact that is, was, or will be sent."""
    was_tried = it.HasField("tried_at")
    return {
        "id": it.id,
        "endpoint_id": it.endpoint_id,
        "fact": word(it.fact),
        "status": word(it.status),
        "attempts": it.attempts,
        "created_at": time(it.created_at),
        "next_try_at": time(it.next_try_at) if it.HasField("next_try_at") else None,
        "tried_at": time(it.tried_at) if was_tried else None,
        "answer_status": it.answer_status or None,
        "answer": it.answer,
        "duration_ms": it.duration_ms if was_tried else None,
        "error": it.error or None,
    }
