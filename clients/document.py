"""The API's description, without a running system."""

from __future__ import annotations

from typing import Any

from gateway.app import api
from gateway.settings import Settings

_NOWHERE = "localhost:1"


def description() -> dict[str, Any]:
    """The OpenAPI document as a gateway of the local profile serves it at /api/openapi.json."""
    settings = Settings(
        profile="local",
        internal_port=1,
        jwks_url=f"http://{_NOWHERE}",
        service_key="",
        auth_address=_NOWHERE,
        catalog_address=_NOWHERE,
        inventory_address=_NOWHERE,
        booking_address=_NOWHERE,
        payment_address=_NOWHERE,
        notification_address=_NOWHERE,
    )
    described: dict[str, Any] = api(settings).state.description.document
    return described
