"""The gRPC servicer."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import grpc
from google.protobuf.message import Message
from parterre.auth.v1 import auth_pb2, auth_pb2_grpc

from auth_service import administration, handlers
from auth_service.domain import (
    Account,
    AuditEntry,
    DeviceToken,
    ManagedAccount,
    OpenSession,
    SessionNotFoundError,
    Tokens,
    UserNotFoundError,
)
from auth_service.handlers import Auth
from chassis.context import caller
from chassis.ids import parse_uuid

SERVICE = auth_pb2.DESCRIPTOR.services_by_name["AuthService"]
_NO_CODE = UUID(int=0)


class AuthServicer(auth_pb2_grpc.AuthServiceServicer):
    """Identity."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    async def RequestCode(  # noqa: N802 - the proto's name
        self,
        request: auth_pb2.RequestCodeRequest,
        context: grpc.aio.ServicerContext[Any, Any],  # noqa: ARG002 - gRPC's signature
    ) -> auth_pb2.RequestCodeResponse:
        otp_id = await handlers.request_code(
            self._auth, email=request.email, purpose=request.purpose, address=request.address
        )
        return auth_pb2.RequestCodeResponse(otp_id=str(otp_id))

    async def Register(  # noqa: N802 - the proto's name
        self,
        request: auth_pb2.RegisterRequest,
        context: grpc.aio.ServicerContext[Any, Any],  # noqa: ARG002 - gRPC's signature
    ) -> auth_pb2.RegisterResponse:
        account, device = await handlers.register(
            self._auth,
            email=request.email,
            password=request.password,
            name=request.name,
            code=request.code,
            otp_id=_otp_id(request.otp_id),
            phone=request.phone,
            country=request.country,
            role=request.role,
            address=request.address,
        )
        return auth_pb2.RegisterResponse(user=_user(account), device=_device(device))

    async def LogIn(  # noqa: N802 - the proto's name
        self,
        request: auth_pb2.LogInRequest,
        context: grpc.aio.ServicerContext[Any, Any],  # noqa: ARG002 - gRPC's signature
    ) -> auth_pb2.LogInResponse:
        tokens, device = await handlers.log_in(
            self._auth,
            email=request.email,
            password=request.password,
            address=request.address,
            user_agent=request.user_agent,
            device=request.device,
        )
        return auth_pb2.LogInResponse(tokens=_tokens(tokens), device=_device(device))

    async def Refresh(  # noqa: N802 - the proto's name
        self,
        request: auth_pb2.RefreshRequest,
        context: grpc.aio.ServicerContext[Any, Any],  # noqa: ARG002 - gRPC's signature
    ) -> auth_pb2.RefreshResponse:
        tokens = await handlers.refresh(self._auth, refresh_token=request.refresh_token)
        return auth_pb2.RefreshResponse(tokens=_tokens(tokens))

    async def LogOut(  # noqa: N802 - the proto's name
        self,
        request: auth_pb2.LogOutRequest,  # noqa: ARG002 - gRPC's signature
        context: grpc.aio.ServicerContext[Any, Any],  # noqa: ARG002 - gRPC's signature
    ) -> auth_pb2.LogOutResponse:
        person = caller()
        await handlers.log_out(
            self._auth, account_id=UUID(person.subject), session_id=UUID(person.session_id)
        )
        return auth_pb2.LogOutResponse()

    async def GetMe(  # noqa: N802 - the proto's name
        self,
        request: auth_pb2.GetMeRequest,  # noqa: ARG002 - gRPC's signature
        context: grpc.aio.ServicerContext[Any, Any],  # noqa: ARG002 - gRPC's signature
    ) -> auth_pb2.GetMeResponse:
        account = await handlers.get_account(self._auth, account_id=UUID(caller().subject))
        return auth_pb2.GetMeResponse(user=_user(account))

    async def ListSessions(  # noqa: N802 - the proto's name
        self,
        request: auth_pb2.ListSessionsRequest,  # noqa: ARG002 - gRPC's signature
        context: grpc.aio.ServicerContext[Any, Any],  # noqa: ARG002 - gRPC's signature
    ) -> auth_pb2.ListSessionsResponse:
        person = caller()
        found = await handlers.list_sessions(self._auth, account_id=UUID(person.subject))
        return auth_pb2.ListSessionsResponse(
            sessions=[_session(one, person.session_id) for one in found]
        )

    async def RevokeSession(  # noqa: N802 - the proto's name
        self,
        request: auth_pb2.RevokeSessionRequest,
        context: grpc.aio.ServicerContext[Any, Any],  # noqa: ARG002 - gRPC's signature
    ) -> auth_pb2.RevokeSessionResponse:
        session_id = parse_uuid(request.session_id)
        if session_id is None:
            raise SessionNotFoundError
        await handlers.revoke_session(
            self._auth, account_id=UUID(caller().subject), session_id=session_id
        )
        return auth_pb2.RevokeSessionResponse()

    async def UpdateProfile(  # noqa: N802 - the proto's name
        self,
        request: auth_pb2.UpdateProfileRequest,
        context: grpc.aio.ServicerContext[Any, Any],  # noqa: ARG002 - gRPC's signature
    ) -> auth_pb2.UpdateProfileResponse:
        account = await handlers.update_profile(
            self._auth,
            account_id=UUID(caller().subject),
            name=_given(request, "name"),
            phone=_given(request, "phone"),
            country=_given(request, "country"),
            request_organizer=_given(request, "request_organizer"),
        )
        return auth_pb2.UpdateProfileResponse(user=_user(account))

    async def ChangePassword(  # noqa: N802 - the proto's name
        self,
        request: auth_pb2.ChangePasswordRequest,
        context: grpc.aio.ServicerContext[Any, Any],  # noqa: ARG002 - gRPC's signature
    ) -> auth_pb2.ChangePasswordResponse:
        person = caller()
        await handlers.change_password(
            self._auth,
            account_id=UUID(person.subject),
            session_id=UUID(person.session_id),
            current_password=request.current_password,
            new_password=request.new_password,
        )
        return auth_pb2.ChangePasswordResponse()

    async def ResetPassword(  # noqa: N802 - the proto's name
        self,
        request: auth_pb2.ResetPasswordRequest,
        context: grpc.aio.ServicerContext[Any, Any],  # noqa: ARG002 - gRPC's signature
    ) -> auth_pb2.ResetPasswordResponse:
        device = await handlers.reset_password(
            self._auth,
            email=request.email,
            code=request.code,
            otp_id=_otp_id(request.otp_id),
            new_password=request.new_password,
            address=request.address,
        )
        return auth_pb2.ResetPasswordResponse(device=_device(device))

    async def ListUsers(  # noqa: N802 - the proto's name
        self,
        request: auth_pb2.ListUsersRequest,
        context: grpc.aio.ServicerContext[Any, Any],  # noqa: ARG002 - gRPC's signature
    ) -> auth_pb2.ListUsersResponse:
        found, next_cursor = await administration.list_users(
            self._auth,
            query=request.query,
            role=request.role,
            status=request.status,
            limit=request.limit,
            cursor=request.cursor,
        )
        return auth_pb2.ListUsersResponse(users=map(_managed, found), next_cursor=next_cursor)

    async def GetUser(  # noqa: N802 - the proto's name
        self,
        request: auth_pb2.GetUserRequest,
        context: grpc.aio.ServicerContext[Any, Any],  # noqa: ARG002 - gRPC's signature
    ) -> auth_pb2.GetUserResponse:
        found = await administration.get_user(self._auth, user_id=_user_id(request.user_id))
        return auth_pb2.GetUserResponse(user=_managed(found))

    async def UpdateUser(  # noqa: N802 - the proto's name
        self,
        request: auth_pb2.UpdateUserRequest,
        context: grpc.aio.ServicerContext[Any, Any],  # noqa: ARG002 - gRPC's signature
    ) -> auth_pb2.UpdateUserResponse:
        changed = await administration.update_user(
            self._auth,
            admin_id=UUID(caller().subject),
            user_id=_user_id(request.user_id),
            role=_given(request, "role"),
            disabled=_given(request, "disabled"),
        )
        return auth_pb2.UpdateUserResponse(user=_managed(changed))

    async def ListAudit(  # noqa: N802 - the proto's name
        self,
        request: auth_pb2.ListAuditRequest,
        context: grpc.aio.ServicerContext[Any, Any],  # noqa: ARG002 - gRPC's signature
    ) -> auth_pb2.ListAuditResponse:
        found, next_cursor = await administration.list_audit(
            self._auth,
            user_id=request.user_id,
            action=request.action,
            limit=request.limit,
            cursor=request.cursor,
        )
        return auth_pb2.ListAuditResponse(entries=map(_entry, found), next_cursor=next_cursor)


def _given(request: Message, field: str) -> Any:
    """The optional field's value; None where it is absent."""
    return getattr(request, field) if request.HasField(field) else None


def _otp_id(text: str) -> UUID | None:
    """Which code is tried; None: the caller was given none."""
    return (parse_uuid(text) or _NO_CODE) if text else None


def _user_id(text: str) -> UUID:
    id = parse_uuid(text)
    if id is None:
        raise UserNotFoundError
    return id


def _device(device: DeviceToken) -> auth_pb2.Device:
    return auth_pb2.Device(token=device.token, expires_in=device.expires_in)


def _session(session: OpenSession, current: str) -> auth_pb2.Session:
    message = auth_pb2.Session(
        id=str(session.id),
        address=session.address,
        user_agent=session.user_agent,
        current=str(session.id) == current,
    )
    message.created_at.FromDatetime(session.created_at)
    message.last_used_at.FromDatetime(session.last_used_at)
    return message


def _managed(managed: ManagedAccount) -> auth_pb2.ManagedUser:
    message = auth_pb2.ManagedUser(user=_user(managed.account), disabled=managed.account.disabled)
    if managed.last_log_in_at is not None:
        message.last_log_in_at.FromDatetime(managed.last_log_in_at)
    return message


def _entry(entry: AuditEntry) -> auth_pb2.AuditEntry:
    message = auth_pb2.AuditEntry(
        id=str(entry.id),
        action=entry.action,
        actor_id=str(entry.actor_id or ""),
        subject_id=str(entry.subject_id or ""),
        detail=entry.detail,
    )
    message.at.FromDatetime(entry.at)
    return message


def _user(account: Account) -> auth_pb2.User:
    user = auth_pb2.User(
        id=str(account.id),
        email=account.email,
        name=account.name,
        role=account.role,
        phone=account.phone,
        country=account.country,
        organizer_requested=account.organizer_requested,
    )
    user.created_at.FromDatetime(account.created_at)
    return user


def _tokens(tokens: Tokens) -> auth_pb2.Tokens:
    return auth_pb2.Tokens(
        access_token=tokens.access_token,
        expires_in=tokens.expires_in,
        refresh_token=tokens.refresh_token,
        refresh_expires_in=tokens.refresh_expires_in,
        user=_user(tokens.account),
    )
