"""API keys, as their owner sees them."""

from __future__ import annotations

from typing import Literal, cast

from parterre.auth.v1 import auth_pb2
from typing_extensions import TypedDict

from presentation.views.base import time

Status = Literal["ACTIVE", "EXPIRED", "REVOKED"]


class ApiKey(TypedDict):
    """A program's key, without itself; `prefix` is how it begins."""

    id: str
    name: str
    prefix: str
    scopes: list[str]
    event_id: str | None
    status: Status
    created_at: str
    expires_at: str | None
    last_used_at: str | None
    revoked_at: str | None


class MadeApiKey(ApiKey):
    """A new key; `key` is told this once."""

    key: str


def api_key(it: auth_pb2.ApiKey) -> ApiKey:
    """A program's key."""
    return {
        "id": it.id,
        "name": it.name,
        "prefix": it.prefix,
        "scopes": list(it.scopes),
        "event_id": it.event_id or None,
        "status": cast("Status", it.status),
        "created_at": time(it.created_at),
        "expires_at": time(it.expires_at) if it.HasField("expires_at") else None,
        "last_used_at": time(it.last_used_at) if it.HasField("last_used_at") else None,
        "revoked_at": time(it.revoked_at) if it.HasField("revoked_at") else None,
    }


def made_api_key(reply: auth_pb2.CreateApiKeyResponse) -> MadeApiKey:
    """A new key, and what it is."""
    return {**api_key(reply.api_key), "key": reply.key}
