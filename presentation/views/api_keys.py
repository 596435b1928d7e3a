"""API keys, as their owner sees them."""

from __future__ import annotations

from parterre.auth.v1 import auth_pb2

from presentation.views.base import Id, Time, View, time
from presentation.vocabulary import ApiKeyScope, ApiKeyStatus, word


class ApiKey(View):
    """A program's key, without itself; `prefix` is how it begins."""

    id: Id
    """The key's id."""
    name: str
    """What its owner calls it."""
    prefix: str
    """How the key begins."""
    scopes: list[ApiKeyScope]
    """What it is good for."""
    event_id: Id | None
    """The event it is confined to; null: every event of its owner."""
    status: ApiKeyStatus
    """Whether it is still good."""
    created_at: Time
    """When it was made."""
    expires_at: Time | None
    """When it ends by itself; null: it does not."""
    last_used_at: Time | None
    """When it was last used, minutes late; null: never."""
    revoked_at: Time | None
    """When it was revoked; null: it was not."""


class MadeApiKey(ApiKey):
    """A new key; `key` is told this once."""

    key: str
    """The key itself: send it as `Authorization: Bearer <key>`."""


def api_key(it: auth_pb2.ApiKey) -> ApiKey:
    """A program's key."""
    return {
        "id": it.id,
        "name": it.name,
        "prefix": it.prefix,
        "scopes": [word(scope) for scope in it.scopes],
        "event_id": it.event_id or None,
        "status": word(it.status),
        "created_at": time(it.created_at),
        "expires_at": time(it.expires_at) if it.HasField("expires_at") else None,
        "last_used_at": time(it.last_used_at) if it.HasField("last_used_at") else None,
        "revoked_at": time(it.revoked_at) if it.HasField("revoked_at") else None,
    }


def made_api_key(reply: auth_pb2.CreateApiKeyResponse) -> MadeApiKey:
    """A new key, and what it is."""
    return {**api_key(reply.api_key), "key": reply.key}
