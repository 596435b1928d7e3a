"""Becoming somebody, and changing what one says of oneself."""

from __future__ import annotations

from uuid import UUID

from parterre.auth.v1 import auth_pb2

from auth_service import handlers
from auth_service.domain import AuthError, throttled_by
from auth_service.rpc.servicer import Call, Servicer
from auth_service.rpc.shapes import device_shape, given, otp_id_of, user_id_of, user_shape
from chassis.context import caller, caller_id
from chassis.database import Session
from chassis.idempotency import Claim, claim, once, recalled


class Accounts(Servicer):
    """Becoming somebody, and changing what one says of oneself."""

    async def RequestCode(  # noqa: N802 - the proto's name
        self, request: auth_pb2.RequestCodeRequest, context: Call
    ) -> auth_pb2.RequestCodeResponse:
        async def work(session: Session) -> auth_pb2.RequestCodeResponse:
            otp_id = await handlers.request_code(
                session,
                self._auth,
                email=request.email,
                purpose=request.purpose,
                address=request.address,
            )
            return auth_pb2.RequestCodeResponse(otp_id=str(otp_id))

        whose, reply_type = self._claim(request), auth_pb2.RequestCodeResponse
        return await once(self._auth.database, request, reply_type, work, context, of=whose)

    async def Register(  # noqa: N802 - the proto's name
        self, request: auth_pb2.RegisterRequest, context: Call
    ) -> auth_pb2.RegisterResponse:
        database, reply_type = self._auth.database, auth_pb2.RegisterResponse
        whose = self._claim(request)
        told = await recalled(database, whose, reply_type, context)
        if told is not None:
            return told
        asked = await handlers.prepare_registration(
            self._auth,
            email=request.email,
            password=request.password,
            name=request.name,
            phone=request.phone,
            country=request.country,
            role=request.role,
            language=request.language,
            address=request.address,
        )

        async def work(session: Session) -> auth_pb2.RegisterResponse | AuthError:
            outcome = await handlers.register(
                session,
                self._auth,
                asked,
                code=request.code,
                otp_id=otp_id_of(request.otp_id),
                address=request.address,
            )
            if isinstance(outcome, AuthError):
                return outcome
            account, device = outcome
            return auth_pb2.RegisterResponse(user=user_shape(account), device=device_shape(device))

        return await once(database, request, reply_type, work, context, of=whose, unkept=["device"])

    async def ResetPassword(  # noqa: N802 - the proto's name
        self, request: auth_pb2.ResetPasswordRequest, context: Call
    ) -> auth_pb2.ResetPasswordResponse:
        database, reply_type = self._auth.database, auth_pb2.ResetPasswordResponse
        whose = self._claim(request)
        told = await recalled(database, whose, reply_type, context)
        if told is not None:
            return told
        asked = await handlers.prepare_reset(
            self._auth,
            email=request.email,
            new_password=request.new_password,
            address=request.address,
        )

        async def work(session: Session) -> auth_pb2.ResetPasswordResponse | AuthError:
            outcome = await handlers.reset_password(
                session,
                self._auth,
                asked,
                code=request.code,
                otp_id=otp_id_of(request.otp_id),
                address=request.address,
            )
            if isinstance(outcome, AuthError):
                return outcome
            return auth_pb2.ResetPasswordResponse(device=device_shape(outcome))

        return await once(database, request, reply_type, work, context, of=whose, unkept=["device"])

    def _claim(
        self,
        request: auth_pb2.RequestCodeRequest
        | auth_pb2.RegisterRequest
        | auth_pb2.ResetPasswordRequest,
    ) -> Claim | None:
        """A visitor's claim on a key: they have no name, so it is scoped to where they come from.

        Without the pepper the fingerprint would give the password away to whoever reads it.
        """
        subject = f"visitor:{throttled_by(request.address)}"
        secret = self._auth.code_pepper
        return claim(request, subject, apart_from=["address"], secret=secret)

    async def GetMe(  # noqa: N802 - the proto's name
        self,
        request: auth_pb2.GetMeRequest,  # noqa: ARG002 - gRPC's signature
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> auth_pb2.GetMeResponse:
        account = await handlers.get_account(self._auth, account_id=caller_id())
        return auth_pb2.GetMeResponse(user=user_shape(account))

    async def GetOrganizer(  # noqa: N802 - the proto's name
        self,
        request: auth_pb2.GetOrganizerRequest,
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> auth_pb2.GetOrganizerResponse:
        account = await handlers.get_organizer(self._auth, user_id=user_id_of(request.user_id))
        return auth_pb2.GetOrganizerResponse(name=account.name, business_name=account.business_name)

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
            language=given(request, "language"),
            business_name=given(request, "business_name"),
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
