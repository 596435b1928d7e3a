"""Webhook endpoints: where an organizer's facts are sent, and which."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path
from pydantic import Field, StringConstraints

from gateway.bodies import limits
from gateway.bodies.base import (
    IS_LINE,
    UUID,
    UUID_SCHEMA,
    Input,
    PageQuery,
    absent,
    not_found,
)
from presentation.vocabulary import WebhookDeliveryStatus, WebhookFact

WebhookEndpointId = Annotated[
    str,
    not_found("WEBHOOK_ENDPOINT_NOT_FOUND", UUID),
    UUID_SCHEMA,
    Path(description="The webhook endpoint's id."),
]
WebhookDeliveryId = Annotated[
    str,
    not_found("WEBHOOK_DELIVERY_NOT_FOUND", UUID),
    UUID_SCHEMA,
    Path(description="The delivery's id."),
]
_Url = Annotated[str, StringConstraints(min_length=1, max_length=limits.WEBHOOK_URL)]
_Description = Annotated[str, StringConstraints(max_length=limits.WEBHOOK_DESCRIPTION), *IS_LINE]
_Facts = Annotated[list[WebhookFact], Field(min_length=1, max_length=limits.WEBHOOK_FACTS)]


class NewWebhookEndpoint(Input):
    """An endpoint for an organizer's facts."""

    url: _Url
    """Where to: https, a public host, port 443 or 8443."""
    description: _Description = ""
    """What its owner calls it."""
    facts: _Facts
    """What it is told of."""


class WebhookEndpointChange(Input):
    """What is to change of an endpoint; what is absent stays as it is."""

    url: _Url = Field(default_factory=absent)
    """Where to."""
    description: _Description = Field(default_factory=absent)
    """What its owner calls it."""
    facts: _Facts = Field(default_factory=absent)
    """What it is told of."""
    enabled: bool = Field(default_factory=absent, strict=True)
    """Whether anything is sent to it; what waits is sent when it is enabled again."""


class DeliveriesQuery(PageQuery):
    """Which deliveries."""

    status: WebhookDeliveryStatus | None = None
    """Only those that stand so."""
