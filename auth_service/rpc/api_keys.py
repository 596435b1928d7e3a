"""API keys: what programs sign in with."""

from __future__ import annotations

from datetime import UTC, datetime

from parterre.auth.v1 import auth_pb2

from auth_service import handlers
from auth_service.domain import (
    ApiKeyNotFoundError,
    ApiKeyNotShownError,
    InvalidApiKeyWishError,
    parse_api_key_wish,
)
from auth_service.handlers import Auth
from auth_service.rpc.servicer import Call, Servicer
from auth_service.rpc.shapes import api_key_shape, user_id_of
from chassis.context import caller_id
from chassis.database import Session
from chassis.idempotency import once
from chassis.ids import parse_uuid
from chassis.scopes import SCOPES
from chassis.sealing import Seal


def _expiry(request: auth_pb2.CreateApiKeyRequest) -> datetime | None:
    if not request.HasField("expires_at"):
        return None
    try:
        return request.expires_at.ToDatetime(UTC)
    except (ValueError, OverflowError):
        raise InvalidApiKeyWishError(expires_at="Must be a time.") from None


class ApiKeys(Servicer):
    """API keys: what programs sign in with."""

    def __init__(self, auth: Auth) -> None:
        super().__init__(auth)
        self._seal = Seal(auth.code_pepper)

    async def CreateApiKey(  # noqa: N802 - the proto's name
        self, request: auth_pb2.CreateApiKeyRequest, context: Call
    ) -> auth_pb2.CreateApiKeyResponse:
        async def work(session: Session) -> auth_pb2.CreateApiKeyResponse:
            made, key = await handlers.create_api_key(
                session,
                self._auth,
                caller_id(),
                parse_api_key_wish(
                    name=request.name,
                    scopes=list(request.scopes),
                    event_id=request.event_id,
                    expires_at=_expiry(request),
                    known_scopes=SCOPES,
                ),
            )
            # As it is stored for the idempotency key.
            return auth_pb2.CreateApiKeyResponse(
                api_key=api_key_shape(made), key=self._seal.seal(key)
            )

        reply = await once(
            self._auth.database, request, auth_pb2.CreateApiKeyResponse, work, context
        )
        key = self._seal.open(reply.key)
        if key is None:
            raise ApiKeyNotShownError
        reply.key = key
        return reply

    async def ListApiKeys(  # noqa: N802 - the proto's name
        self,
        request: auth_pb2.ListApiKeysRequest,
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> auth_pb2.ListApiKeysResponse:
        found, next_cursor = await handlers.list_api_keys(
            self._auth, account_id=caller_id(), limit=request.limit, cursor=request.cursor
        )
        return auth_pb2.ListApiKeysResponse(
            api_keys=map(api_key_shape, found), next_cursor=next_cursor
        )

    async def RevokeApiKey(  # noqa: N802 - the proto's name
        self,
        request: auth_pb2.RevokeApiKeyRequest,
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> auth_pb2.RevokeApiKeyResponse:
        key_id = parse_uuid(request.api_key_id)
        if key_id is None:
            raise ApiKeyNotFoundError
        await handlers.revoke_api_key(
            self._auth, account_id=caller_id(), key_id=key_id, actor_id=caller_id()
        )
        return auth_pb2.RevokeApiKeyResponse()

    async def ListUserApiKeys(  # noqa: N802 - the proto's name
        self,
        request: auth_pb2.ListUserApiKeysRequest,
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> auth_pb2.ListUserApiKeysResponse:
        found, next_cursor = await handlers.list_user_api_keys(
            self._auth,
            user_id=user_id_of(request.user_id),
            limit=request.limit,
            cursor=request.cursor,
        )
        return auth_pb2.ListUserApiKeysResponse(
            api_keys=map(api_key_shape, found), next_cursor=next_cursor
        )

    async def RevokeUserApiKey(  # noqa: N802 - the proto's name
        self,
        request: auth_pb2.RevokeUserApiKeyRequest,
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> auth_pb2.RevokeUserApiKeyResponse:
        user_id, key_id = parse_uuid(request.user_id), parse_uuid(request.api_key_id)
        if user_id is None or key_id is None:
            raise ApiKeyNotFoundError
        await handlers.revoke_api_key(
            self._auth, account_id=user_id, key_id=key_id, actor_id=caller_id()
        )
        return auth_pb2.RevokeUserApiKeyResponse()

    async def ExchangeApiKey(  # noqa: N802 - the proto's name
        self,
        request: auth_pb2.ExchangeApiKeyRequest,
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> auth_pb2.ExchangeApiKeyResponse:
        token, seconds = await handlers.exchange_api_key(
            self._auth, key=request.key, address=request.address
        )
        return auth_pb2.ExchangeApiKeyResponse(access_token=token, expires_in=seconds)
