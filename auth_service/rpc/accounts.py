"""Becoming somebody, and changing what one says of oneself."""

from __future__ import annotations

from uuid import UUID

from parterre.auth.v1 import auth_pb2

from auth_service import handlers
from auth_service.rpc.servicer import Call, Servicer
from auth_service.rpc.shapes import device_shape, given, otp_id_of, user_shape
from chassis.context import caller, caller_id


class Accounts(Servicer):
    """Becoming somebody, and changing what one says of oneself."""

    async def RequestCode(  # noqa: N802 - the proto's name
        self,
        request: auth_pb2.RequestCodeRequest,
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> auth_pb2.RequestCodeResponse:
        otp_id = await handlers.request_code(
            self._auth, email=request.email, purpose=request.purpose, address=request.address
        )
        return auth_pb2.RequestCodeResponse(otp_id=str(otp_id))

    async def Register(  # noqa: N802 - the proto's name
        self,
        request: auth_pb2.RegisterRequest,
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> auth_pb2.RegisterResponse:
        account, device = await handlers.register(
            self._auth,
            email=request.email,
            password=request.password,
            name=request.name,
            code=request.code,
            otp_id=otp_id_of(request.otp_id),
            phone=request.phone,
            country=request.country,
            role=request.role,
            address=request.address,
        )
        return auth_pb2.RegisterResponse(user=user_shape(account), device=device_shape(device))

    async def ResetPassword(  # noqa: N802 - the proto's name
        self,
        request: auth_pb2.ResetPasswordRequest,
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> auth_pb2.ResetPasswordResponse:
        device = await handlers.reset_password(
            self._auth,
            email=request.email,
            code=request.code,
            otp_id=otp_id_of(request.otp_id),
            new_password=request.new_password,
            address=request.address,
        )
        return auth_pb2.ResetPasswordResponse(device=device_shape(device))

    async def GetMe(  # noqa: N802 - the proto's name
        self,
        request: auth_pb2.GetMeRequest,  # noqa: ARG002 - gRPC's signature
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> auth_pb2.GetMeResponse:
        account = await handlers.get_account(self._auth, account_id=caller_id())
        return auth_pb2.GetMeResponse(user=user_shape(account))

    async def UpdateProfile(  # noqa: N802 - the proto's name
        self,
        request: auth_pb2.UpdateProfileRequest,
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> auth_pb2.UpdateProfileResponse:
        account = await handlers.update_profile(
            self._auth,
            account_id=caller_id(),
            name=given(request, "name"),
            phone=given(request, "phone"),
            country=given(request, "country"),
            request_organizer=given(request, "request_organizer"),
        )
        return auth_pb2.UpdateProfileResponse(user=user_shape(account))

    async def ChangePassword(  # noqa: N802 - the proto's name
        self,
        request: auth_pb2.ChangePasswordRequest,
        context: Call,  # noqa: ARG002 - gRPC's signature
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
