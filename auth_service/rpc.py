"""The gRPC servicer."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import grpc
from parterre.auth.v1 import auth_pb2, auth_pb2_grpc

from auth_service import handlers
from auth_service.domain import Account, Tokens
from auth_service.handlers import Auth
from chassis.context import caller

SERVICE = auth_pb2.DESCRIPTOR.services_by_name["AuthService"]


class AuthServicer(auth_pb2_grpc.AuthServiceServicer):
    """Identity."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    async def RequestCode(  # noqa: N802 - the proto's name
        self,
        request: auth_pb2.RequestCodeRequest,
        context: grpc.aio.ServicerContext[Any, Any],  # noqa: ARG002 - gRPC's signature
    ) -> auth_pb2.RequestCodeResponse:
        await handlers.request_code(self._auth, email=request.email, purpose=request.purpose)
        return auth_pb2.RequestCodeResponse()

    async def Register(  # noqa: N802 - the proto's name
        self,
        request: auth_pb2.RegisterRequest,
        context: grpc.aio.ServicerContext[Any, Any],  # noqa: ARG002 - gRPC's signature
    ) -> auth_pb2.RegisterResponse:
        account = await handlers.register(
            self._auth,
            email=request.email,
            password=request.password,
            name=request.name,
            code=request.code,
            phone=request.phone,
            country=request.country,
            role=request.role,
        )
        return auth_pb2.RegisterResponse(user=_user(account))

    async def LogIn(  # noqa: N802 - the proto's name
        self,
        request: auth_pb2.LogInRequest,
        context: grpc.aio.ServicerContext[Any, Any],  # noqa: ARG002 - gRPC's signature
    ) -> auth_pb2.LogInResponse:
        tokens = await handlers.log_in(
            self._auth,
            email=request.email,
            password=request.password,
            address=request.address,
            user_agent=request.user_agent,
        )
        return auth_pb2.LogInResponse(tokens=_tokens(tokens))

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
