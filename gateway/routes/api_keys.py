"""API keys: what programs sign in with, in their owner's name."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from parterre.auth.v1 import auth_pb2
from parterre.catalog.v1 import catalog_pb2
from starlette.responses import Response

from gateway.answers import Json
from gateway.bodies.api_keys import ApiKeyId, NewApiKey
from gateway.bodies.base import Nothing, PageQuery
from gateway.routing import (
    ORGANIZER,
    Behind,
    IdempotencyKey,
    Routes,
    replay_header,
)
from presentation.views import api_keys as views
from presentation.views import base

API_KEYS = Routes("API keys")


@API_KEYS.route(
    "POST",
    "/api-keys",
    ORGANIZER,
    answers=views.MadeApiKey,
    status=201,
    refuses=[
        "EVENT_NOT_FOUND",
        "TOO_MANY_API_KEYS",
        "API_KEY_NOT_SHOWN",
        "IDEMPOTENCY_KEY_REUSED",
        "IDEMPOTENCY_IN_PROGRESS",
    ],
)
async def create_api_key(
    body: NewApiKey, behind: Behind, idempotency_key: IdempotencyKey = ""
) -> Response:
    """Make a key for a program; `key` is shown in this answer alone.

    Send it as `Authorization: Bearer ptk_…`. It acts in the name of its owner, on the routes of its
    scopes alone, and counts as a caller of its own. No key makes, lists or revokes keys.
    """
    if body.event_id is not None:  # that a key is for no event is better told now
        request = catalog_pb2.GetEventRequest(event_id=body.event_id)
        await behind.catalog(behind.catalog.rpc.GetEvent, request)
    wish = auth_pb2.CreateApiKeyRequest(
        name=body.name,
        scopes=body.scopes,
        event_id=body.event_id or "",
        idempotency_key=idempotency_key,
    )
    if body.expires_at is not None:
        wish.expires_at.FromDatetime(body.expires_at)
    reply, replayed = await behind.auth.replayable(behind.auth.rpc.CreateApiKey, wish)
    return Json(views.made_api_key(reply), 201, replay_header(replayed))


@API_KEYS.route(
    "GET", "/api-keys", ORGANIZER, answers=base.Page[views.ApiKey], refuses=["INVALID_CURSOR"]
)
async def list_api_keys(query: Annotated[PageQuery, Query()], behind: Behind) -> Response:
    """One's own keys, newest first; those that ended 30 days ago are left out."""
    reply = await behind.auth(
        behind.auth.rpc.ListApiKeys,
        auth_pb2.ListApiKeysRequest(limit=query.limit, cursor=query.cursor or ""),
    )
    return Json(base.page(map(views.api_key, reply.api_keys), reply.next_cursor))


@API_KEYS.route(
    "DELETE", "/api-keys/{api_key_id}", ORGANIZER, status=204, refuses=["API_KEY_NOT_FOUND"]
)
async def revoke_api_key(
    api_key_id: ApiKeyId, behind: Behind, _body: Nothing | None = None
) -> Response:
    """Revoke a key: it is refused everywhere at once. One that was revoked stays so."""
    await behind.auth(
        behind.auth.rpc.RevokeApiKey, auth_pb2.RevokeApiKeyRequest(api_key_id=api_key_id)
    )
    return Response(status_code=204)
