"""Accounts as admins keep them, and the audit trail."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Query
from parterre.auth.v1 import auth_pb2
from parterre.booking.v1 import booking_pb2
from parterre.vitals.v1 import vitals_pb2
from starlette.responses import Response

from chassis.errors import RemoteError
from gateway.answers import Json
from gateway.bodies.api_keys import ApiKeyId
from gateway.bodies.base import Nothing, PageQuery
from gateway.bodies.identity import AccountChange, AuditQuery, UserId, UserQuery
from gateway.routing import (
    ADMIN,
    Behind,
    Routes,
)
from gateway.services import Remote
from presentation.views import api_keys as key_views
from presentation.views import base, operations
from presentation.views import identity as views

ADMINISTRATION = Routes("Administration")


@ADMINISTRATION.route("GET", "/admin/vitals", ADMIN, answers=operations.Vitals)
async def get_vitals(behind: Behind) -> Response:
    """How each service is: what waits, what is stuck, what is open; docs/metrics.md has the names.

    A service that does not answer is shown as one that does not.
    """
    services: Mapping[str, Remote[Any]] = {
        "auth": behind.auth,
        "booking": behind.booking,
        "catalog": behind.catalog,
        "inventory": behind.inventory,
        "notification": behind.notification,
        "payment": behind.payment,
    }
    told = await asyncio.gather(*map(_vitals_of, services.values()))
    return Json(operations.vitals(dict(zip(services, told, strict=True))))


@ADMINISTRATION.route("GET", "/admin/verdict", ADMIN, answers=operations.LastVerdict)
async def get_verdict(behind: Behind) -> Response:
    """What the newest `parterre fsck` found: whether seats, money and messages are as promised."""
    reply = await behind.booking(behind.booking.rpc.GetVerdict, booking_pb2.GetVerdictRequest())
    return Json(operations.last_verdict(reply))


async def _vitals_of(service: Remote[Any]) -> vitals_pb2.GetVitalsResponse | None:
    try:
        return await service.vitals()
    except RemoteError:
        return None


@ADMINISTRATION.route(
    "GET",
    "/admin/users",
    ADMIN,
    answers=base.Page[views.ManagedUser],
    refuses=["INVALID_CURSOR", "INVALID_FILTER"],
)
async def list_users(query: Annotated[UserQuery, Query()], behind: Behind) -> Response:
    """Find accounts, newest first."""
    reply = await behind.auth(
        behind.auth.rpc.ListUsers,
        auth_pb2.ListUsersRequest(
            query=query.q or "",
            role=query.role or "",
            status=query.status or "",
            limit=query.limit,
            cursor=query.cursor or "",
        ),
    )
    return Json(base.page(map(views.managed_user, reply.users), reply.next_cursor))


@ADMINISTRATION.route(
    "GET", "/admin/users/{user_id}", ADMIN, answers=views.ManagedUser, refuses=["USER_NOT_FOUND"]
)
async def get_user(user_id: UserId, behind: Behind) -> Response:
    """An account."""
    reply = await behind.auth(behind.auth.rpc.GetUser, auth_pb2.GetUserRequest(user_id=user_id))
    return Json(views.managed_user(reply.user))


@ADMINISTRATION.route(
    "PATCH",
    "/admin/users/{user_id}",
    ADMIN,
    answers=views.ManagedUser,
    refuses=["USER_NOT_FOUND", "INVALID_ACCOUNT", "OWN_ACCOUNT"],
)
async def update_user(user_id: UserId, body: AccountChange, behind: Behind) -> Response:
    """Change somebody's role or business's name, or disable or enable them; effective at once.

    Who gets another role, or is disabled, is signed out everywhere. Another admin has to do that to
    an admin's own account.
    """
    named = "business_name" in body.model_fields_set
    reply = await behind.auth(
        behind.auth.rpc.UpdateUser,
        auth_pb2.UpdateUserRequest(
            user_id=user_id,
            role=body.role,
            disabled=body.disabled,
            business_name=body.business_name or "" if named else None,
        ),
    )
    return Json(views.managed_user(reply.user))


@ADMINISTRATION.route(
    "GET",
    "/admin/users/{user_id}/api-keys",
    ADMIN,
    answers=base.Page[key_views.ApiKey],
    refuses=["USER_NOT_FOUND", "INVALID_CURSOR"],
)
async def list_user_api_keys(
    user_id: UserId, query: Annotated[PageQuery, Query()], behind: Behind
) -> Response:
    """Somebody's API keys, newest first; those that ended 30 days ago are left out."""
    reply = await behind.auth(
        behind.auth.rpc.ListUserApiKeys,
        auth_pb2.ListUserApiKeysRequest(
            user_id=user_id, limit=query.limit, cursor=query.cursor or ""
        ),
    )
    return Json(base.page(map(key_views.api_key, reply.api_keys), reply.next_cursor))


@ADMINISTRATION.route(
    "DELETE",
    "/admin/users/{user_id}/api-keys/{api_key_id}",
    ADMIN,
    status=204,
    refuses=["USER_NOT_FOUND", "API_KEY_NOT_FOUND"],
)
async def revoke_user_api_key(
    user_id: UserId, api_key_id: ApiKeyId, behind: Behind, _body: Nothing | None = None
) -> Response:
    """Revoke somebody's key: it is refused everywhere at once. One that was revoked stays so."""
    await behind.auth(
        behind.auth.rpc.RevokeUserApiKey,
        auth_pb2.RevokeUserApiKeyRequest(user_id=user_id, api_key_id=api_key_id),
    )
    return Response(status_code=204)


@ADMINISTRATION.route(
    "GET",
    "/admin/audit",
    ADMIN,
    answers=base.Page[views.AuditEntry],
    refuses=["INVALID_CURSOR", "INVALID_FILTER"],
)
async def list_audit(query: Annotated[AuditQuery, Query()], behind: Behind) -> Response:
    """What was done to accounts and keys, and by whom, newest first."""
    reply = await behind.auth(
        behind.auth.rpc.ListAudit,
        auth_pb2.ListAuditRequest(
            user_id=query.user_id or "",
            action=query.action or "",
            limit=query.limit,
            cursor=query.cursor or "",
        ),
    )
    return Json(base.page(map(views.audit_entry, reply.entries), reply.next_cursor))
