"""Accounts and sessions."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Header, Request
from parterre.auth.v1 import auth_pb2
from starlette.responses import Response

from gateway.answers import Json
from gateway.bodies.base import Nothing
from gateway.bodies.identity import (
    CodeWish,
    Credentials,
    PasswordChange,
    PasswordReset,
    ProfileChange,
    Registration,
    SessionId,
)
from gateway.edge import address_of, cookie_of
from gateway.problems import ProblemError
from gateway.routing import (
    ANYONE,
    CUSTOMER,
    OPEN,
    PREFIX,
    Behind,
    IdempotencyKey,
    Routes,
    refused,
    replay_header,
)
from gateway.settings import Settings
from presentation.views import base
from presentation.views import identity as views

IDENTITY = Routes("Identity")
WELL_KNOWN = Routes("Identity", prefix="")

_COOKIE_PATH = f"{PREFIX}/auth"
_DEVICE_PATH = f"{PREFIX}/auth/login"
_MAX_DEVICE = 200  # characters
_MAX_USER_AGENT = 200


def cookie_name(settings: Settings) -> str:
    """The refresh cookie's name.

    `__Secure-` and not `__Host-`, which browsers accept for the path `/` only (RFC 6265bis,
    4.1.3): this one is sent to the paths of identity alone.
    """
    return "parterre_refresh" if settings.is_local else "__Secure-parterre_refresh"


def device_cookie_name(settings: Settings) -> str:
    """The name of the cookie that a device is known by when it logs in again."""
    return "parterre_device" if settings.is_local else "__Secure-parterre_device"


@IDENTITY.route(
    "POST",
    "/auth/otp",
    OPEN,
    answers=views.Accepted,
    status=202,
    refuses=["CODE_THROTTLED", "ADDRESS_THROTTLED"],
)
async def request_code(
    body: CodeWish, behind: Behind, request: Request, key: IdempotencyKey = ""
) -> Response:
    """Ask for a one-time code; the answer is the same whether or not the address is known.

    Give its `otp_id` along with the code: wrong tries count against this code alone then.
    """
    reply, replayed = await behind.auth.replayable_as_gateway(
        behind.auth.rpc.RequestCode,
        auth_pb2.RequestCodeRequest(
            email=body.email,
            purpose=body.purpose,
            address=address_of(request.scope),
            idempotency_key=key,
        ),
    )
    message = "If a code can be sent to this address, it is on its way."
    return Json({"message": message, "otp_id": reply.otp_id}, 202, replay_header(replayed))


@IDENTITY.route(
    "POST",
    "/auth/register",
    OPEN,
    answers=views.Registered,
    status=201,
    refuses=[
        "INVALID_CODE",
        "WEAK_PASSWORD",
        "EMAIL_TAKEN",
        "CODE_THROTTLED",
        "ADDRESS_THROTTLED",
    ],
    headers=["Set-Cookie"],
)
async def register(
    body: Registration, behind: Behind, request: Request, key: IdempotencyKey = ""
) -> Response:
    """Make an account of an address that a one-time code has verified."""
    reply, replayed = await behind.auth.replayable_as_gateway(
        behind.auth.rpc.Register,
        auth_pb2.RegisterRequest(
            email=body.email,
            password=body.password,
            name=body.name,
            code=body.otp,
            otp_id=body.otp_id or "",
            phone=body.phone or "",
            country=body.country or "",
            role=body.role,
            language=body.language,
            address=address_of(request.scope),
            idempotency_key=key,
        ),
    )
    answer = Json({"user": views.user(reply.user)}, 201, replay_header(replayed))
    return _knowing(answer, reply.device, behind.settings)


@IDENTITY.route(
    "POST",
    "/auth/password-reset",
    OPEN,
    status=204,
    refuses=["INVALID_CODE", "WEAK_PASSWORD", "CODE_THROTTLED", "ADDRESS_THROTTLED"],
    headers=["Set-Cookie"],
)
async def reset_password(
    body: PasswordReset, behind: Behind, request: Request, key: IdempotencyKey = ""
) -> Response:
    """Set a new password by a one-time code; every session of the account ends."""
    reply, replayed = await behind.auth.replayable_as_gateway(
        behind.auth.rpc.ResetPassword,
        auth_pb2.ResetPasswordRequest(
            email=body.email,
            code=body.otp,
            otp_id=body.otp_id or "",
            new_password=body.new_password,
            address=address_of(request.scope),
            idempotency_key=key,
        ),
    )
    answer = Response(status_code=204, headers=replay_header(replayed))
    return _knowing(answer, reply.device, behind.settings)


@IDENTITY.route(
    "POST",
    "/auth/login",
    OPEN,
    answers=views.Session,
    refuses=["INVALID_CREDENTIALS", "LOGIN_THROTTLED", "ADDRESS_THROTTLED", "ACCOUNT_DISABLED"],
    keys=refused("A log-in's tokens are kept nowhere, so they can't be given twice: log in again."),
    headers=["Set-Cookie"],
)
async def log_in(
    body: Credentials,
    behind: Behind,
    request: Request,
    user_agent: Annotated[str, Header(include_in_schema=False)] = "",
) -> Response:
    """Open a session; the refresh token comes in a cookie.

    So does what the device is known by when it logs in again, so that nobody else's failures keep
    it out. It lets nobody in by itself.
    """
    device = cookie_of(request.scope, device_cookie_name(behind.settings))
    reply = await behind.auth.as_gateway(
        behind.auth.rpc.LogIn,
        auth_pb2.LogInRequest(
            email=body.email,
            password=body.password,
            address=address_of(request.scope),
            user_agent=user_agent[:_MAX_USER_AGENT],
            device=device if len(device) <= _MAX_DEVICE else "",
        ),
    )
    return _knowing(_session(reply.tokens, behind.settings), reply.device, behind.settings)


@IDENTITY.route(
    "POST",
    "/auth/refresh",
    OPEN,
    answers=views.Session,
    refuses=["INVALID_REFRESH_TOKEN", "CROSS_SITE_REQUEST"],
    keys=refused("A refresh token is good once, and what came of it is kept nowhere: log in."),
    headers=["Set-Cookie"],
    security="refresh_cookie",
)
async def refresh(
    behind: Behind,
    request: Request,
    x_requested_with: Annotated[
        str,
        Header(
            description="Any value, such as `parterre`: a page of another site can't set it.",
            max_length=100,
        ),
    ] = "",
    _body: Nothing | None = None,
) -> Response:
    """Rotate the refresh cookie and get a new access token.

    The cookie `parterre_refresh` (`__Secure-parterre_refresh` outside the local profile) must come
    along. A refresh token that was used before revokes its whole session.
    """
    settings = behind.settings
    _require_same_site(request, settings, x_requested_with)
    token = cookie_of(request.scope, cookie_name(settings))
    if not 0 < len(token) <= 200:
        raise ProblemError("INVALID_REFRESH_TOKEN", "There is no refresh cookie.")
    reply = await behind.auth.as_gateway(
        behind.auth.rpc.Refresh, auth_pb2.RefreshRequest(refresh_token=token)
    )
    return _session(reply.tokens, settings)


@IDENTITY.route(
    "POST",
    "/auth/logout",
    CUSTOMER,
    status=204,
    keys=refused("Who has logged out is nobody's key any more: log out without one."),
    headers=["Set-Cookie"],
)
async def log_out(behind: Behind, _body: Nothing | None = None) -> Response:
    """Revoke this session."""
    await behind.auth(behind.auth.rpc.LogOut, auth_pb2.LogOutRequest())
    settings = behind.settings
    answer = Response(status_code=204)
    answer.delete_cookie(
        cookie_name(settings),
        path=_COOKIE_PATH,
        secure=not settings.is_local,
        httponly=True,
        samesite="strict",
    )
    return answer


@IDENTITY.route("GET", "/auth/me", CUSTOMER, answers=views.User)
async def me(behind: Behind) -> Response:
    """Who am I."""
    reply = await behind.auth(behind.auth.rpc.GetMe, auth_pb2.GetMeRequest())
    return Json(views.user(reply.user))


@IDENTITY.route("GET", "/auth/sessions", CUSTOMER, answers=base.Page[views.OpenSession])
async def list_sessions(behind: Behind) -> Response:
    """The devices one is signed in on, the last used first."""
    reply = await behind.auth(behind.auth.rpc.ListSessions, auth_pb2.ListSessionsRequest())
    return Json(base.page(map(views.open_session, reply.sessions)))


@IDENTITY.route(
    "DELETE",
    "/auth/sessions/{session_id}",
    CUSTOMER,
    status=204,
    refuses=["SESSION_NOT_FOUND"],
)
async def revoke_session(
    session_id: SessionId, behind: Behind, _body: Nothing | None = None
) -> Response:
    """Sign one of one's devices out; its access token is refused at once."""
    await behind.auth(
        behind.auth.rpc.RevokeSession, auth_pb2.RevokeSessionRequest(session_id=session_id)
    )
    return Response(status_code=204)


@IDENTITY.route("PATCH", "/users/me", CUSTOMER, answers=views.User, refuses=["INVALID_ACCOUNT"])
async def update_profile(body: ProfileChange, behind: Behind) -> Response:
    """Change what one says of oneself, or ask to become an organizer."""
    given = body.model_fields_set
    reply = await behind.auth(
        behind.auth.rpc.UpdateProfile,
        auth_pb2.UpdateProfileRequest(
            name=body.name,
            phone=body.phone or "" if "phone" in given else None,
            country=body.country or "" if "country" in given else None,
            request_organizer=body.organizer_requested,
            language=body.language,
            business_name=body.business_name or "" if "business_name" in given else None,
        ),
    )
    return Json(views.user(reply.user))


@IDENTITY.route(
    "PUT",
    "/users/me/password",
    CUSTOMER,
    status=204,
    refuses=["WRONG_PASSWORD", "WEAK_PASSWORD", "LOGIN_THROTTLED"],
)
async def change_password(body: PasswordChange, behind: Behind) -> Response:
    """Change one's password; one's other sessions end."""
    await behind.auth(
        behind.auth.rpc.ChangePassword,
        auth_pb2.ChangePasswordRequest(
            current_password=body.current_password, new_password=body.new_password
        ),
    )
    return Response(status_code=204)


@WELL_KNOWN.route(
    "GET",
    "/.well-known/jwks.json",
    ANYONE,
    answers=base.KeySet,
    headers=["Cache-Control"],
)
async def signing_keys(behind: Behind) -> Response:
    """The keys that verify access tokens (RFC 7517)."""
    document = behind.jwks.document
    if not document["keys"]:
        raise ProblemError("SERVICE_UNAVAILABLE", "The keys have not been fetched yet.")
    return Json(document, headers={"Cache-Control": "public, max-age=300"})


def _session(tokens: auth_pb2.Tokens, settings: Settings) -> Response:
    answer = Json(views.session(tokens))
    _set_cookie(
        answer,
        settings,
        cookie_name(settings),
        tokens.refresh_token,
        seconds=tokens.refresh_expires_in,
        path=_COOKIE_PATH,
    )
    return answer


def _knowing(answer: Response, device: auth_pb2.Device, settings: Settings) -> Response:
    """The answer, with what the client is known by when it logs in again."""
    if device.token:
        _set_cookie(
            answer,
            settings,
            device_cookie_name(settings),
            device.token,
            seconds=device.expires_in,
            path=_DEVICE_PATH,
        )
    return answer


def _set_cookie(
    answer: Response, settings: Settings, name: str, value: str, *, seconds: int, path: str
) -> None:
    """Sets a cookie that no script reads and that comes back to `path` on this site alone."""
    answer.set_cookie(
        name,
        value,
        max_age=seconds,
        path=path,
        secure=not settings.is_local,
        httponly=True,
        samesite="strict",
    )


def _require_same_site(request: Request, settings: Settings, requested_with: str) -> None:
    if not requested_with:
        raise ProblemError("CROSS_SITE_REQUEST", "The header X-Requested-With is needed.")
    origin = request.headers.get("origin")
    if origin is None or origin in settings.cors_origins:
        return
    own = (request.url.scheme, request.headers.get("host", ""))
    parts = urlsplit(origin)
    if (parts.scheme, parts.netloc) != own:
        raise ProblemError("CROSS_SITE_REQUEST", "The page's origin is not allowed.")
