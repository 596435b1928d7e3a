"""Programs the floor is measured with; `python -m bench.programs <which>`.

`service`: auth_service's RPCs on our own chassis, answering without any work. `echo-service` and
`echo-gateway`: the least that FastAPI and gRPC can do together, without anything of ours.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import orjson
import uvicorn
import uvloop
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from fastapi import FastAPI
from parterre.auth.v1 import auth_pb2, auth_pb2_grpc
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, Response

from chassis import logs
from chassis.grpc_server import serve_grpc
from chassis.identity import ALGORITHM, TokenVerifier, decode_key, encode_key
from chassis.telemetry import Health, internal_app, serve_http

KEY_ID = "bench"
_USER = auth_pb2.User(
    id="0193c2a7-5a52-7b5c-9a55-0f1f3a0f6f11",
    email="asha@example.org",
    name="Asha",
    role="CUSTOMER",
    phone="+9779812345678",
    country="NP",
)
_USER.created_at.GetCurrentTime()
_REPLY = auth_pb2.UpdateProfileResponse(user=_USER)


class _Servicer(auth_pb2_grpc.AuthServiceServicer):
    async def UpdateProfile(  # noqa: N802 - the proto's name
        self,
        request: auth_pb2.UpdateProfileRequest,  # noqa: ARG002 - gRPC's signature
        context: grpc.aio.ServicerContext[Any, Any],  # noqa: ARG002 - gRPC's signature
    ) -> auth_pb2.UpdateProfileResponse:
        return _REPLY


class _OneKey:
    def __init__(self, key: Ed25519PublicKey) -> None:
        self._key = key

    async def key(self, key_id: str) -> Ed25519PublicKey | None:
        return self._key if key_id == KEY_ID else None


async def _service() -> None:
    logs.configure("bench")
    key = Ed25519PrivateKey.from_private_bytes(decode_key(os.environ["KEY"])).public_key()
    jwk = {
        "kty": "OKP",
        "crv": "Ed25519",
        "use": "sig",
        "alg": ALGORITHM,
        "kid": KEY_ID,
        "x": encode_key(key.public_bytes_raw()),
    }

    async def jwk_set() -> Response:
        return JSONResponse({"keys": [jwk]})

    async def revocations() -> Response:
        return JSONResponse({"sessions": []})

    app = internal_app(Health(), {"/.well-known/jwks.json": jwk_set, "/revocations": revocations})
    async with (
        serve_http(app, "127.0.0.1", int(os.environ["INTERNAL_PORT"]), drain_seconds=1),
        serve_grpc(
            auth_pb2.DESCRIPTOR.services_by_name["AuthService"],
            _Servicer(),  # type: ignore[abstract]  # one method is enough
            TokenVerifier("auth", _OneKey(key), {}),
            address=f"127.0.0.1:{os.environ['RPC_PORT']}",
            max_concurrent=1000,
            drain_seconds=0,
        ),
    ):
        await asyncio.Event().wait()


async def _echo_service() -> None:
    server = grpc.aio.server()
    servicer = _Servicer()  # type: ignore[abstract]  # one method is enough
    auth_pb2_grpc.add_AuthServiceServicer_to_server(servicer, server)
    server.add_insecure_port(f"127.0.0.1:{os.environ['RPC_PORT']}")
    await server.start()
    await server.wait_for_termination()


class _Change(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=100)


async def _echo_gateway() -> None:
    channel = grpc.aio.insecure_channel(f"127.0.0.1:{os.environ['RPC_PORT']}")
    stub = auth_pb2_grpc.AuthServiceStub(channel)
    app = FastAPI(openapi_url=None)

    @app.patch("/api/v1/users/me")
    async def update(body: _Change) -> Response:
        reply = await stub.UpdateProfile(auth_pb2.UpdateProfileRequest(name=body.name), timeout=5)
        user = reply.user
        return Response(
            orjson.dumps({"id": user.id, "email": user.email, "name": user.name}),
            media_type="application/json",
        )

    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=int(os.environ["HTTP_PORT"]),
        http="httptools",
        loop="none",
        access_log=False,
        log_config=None,
        lifespan="off",
    )
    await uvicorn.Server(config).serve()


PROGRAMS: dict[str, Callable[[], Awaitable[None]]] = {
    "service": _service,
    "echo-service": _echo_service,
    "echo-gateway": _echo_gateway,
}

if __name__ == "__main__":
    uvloop.run(PROGRAMS[sys.argv[1]]())  # type: ignore[arg-type]  # a coroutine function each
