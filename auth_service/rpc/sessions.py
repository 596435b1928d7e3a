"""Logging in, carrying sessions on, and ending them."""

from __future__ import annotations

from uuid import UUID

from parterre.auth.v1 import auth_pb2

from auth_service import handlers
from auth_service.domain import SessionNotFoundError
from auth_service.rpc.servicer import Call, Servicer
from auth_service.rpc.shapes import device_shape, session_shape, tokens_shape
from chassis.context import caller, caller_id
from chassis.ids import parse_uuid


class Sessions(Servicer):
    """Logging in, carrying sessions on, and ending them."""

    async def LogIn(  # noqa: N802 - the proto's name
        self,
        request: auth_pb2.LogInRequest,
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> auth_pb2.LogInResponse:
        tokens, device = await handlers.log_in(
            self._auth,
            email=request.email,
            password=request.password,
            address=request.address,
            user_agent=request.user_agent,
            device=request.device,
        )
        return auth_pb2.LogInResponse(tokens=tokens_shape(tokens), device=device_shape(device))

    async def Refresh(  # noqa: N802 - the proto's name
        self,
        request: auth_pb2.RefreshRequest,
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> auth_pb2.RefreshResponse:
        tokens = await handlers.refresh(self._auth, refresh_token=request.refresh_token)
        return auth_pb2.RefreshResponse(tokens=tokens_shape(tokens))

    async def LogOut(  # noqa: N802 - the proto's name
        self,
        request: auth_pb2.LogOutRequest,  # noqa: ARG002 - gRPC's signature
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> auth_pb2.LogOutResponse:
        person = caller()
        await handlers.log_out(
            self._auth, account_id=UUID(person.subject), session_id=UUID(person.session_id)
        )
        return auth_pb2.LogOutResponse()

    async def ListSessions(  # noqa: N802 - the proto's name
        self,
        request: auth_pb2.ListSessionsRequest,  # noqa: ARG002 - gRPC's signature
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> auth_pb2.ListSessionsResponse:
        person = caller()
        found = await handlers.list_sessions(self._auth, account_id=UUID(person.subject))
        return auth_pb2.ListSessionsResponse(
            sessions=[session_shape(one, person.session_id) for one in found]
        )

    async def RevokeSession(  # noqa: N802 - the proto's name
        self,
        request: auth_pb2.RevokeSessionRequest,
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> auth_pb2.RevokeSessionResponse:
        session_id = parse_uuid(request.session_id)
        if session_id is None:
            raise SessionNotFoundError
        await handlers.revoke_session(self._auth, account_id=caller_id(), session_id=session_id)
        return auth_pb2.RevokeSessionResponse()
