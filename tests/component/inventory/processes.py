"""inventory_service as the operating system runs it: processes of its own, called over gRPC."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from parterre.inventory.v1 import inventory_pb2_grpc
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from chassis.database import Database
from chassis.grpc_client import GrpcClient
from chassis.identity import ServiceTokens, encode_key
from chassis.revocations import PATH
from chassis.telemetry import serve_http
from deploy.processes import free_ports, tail
from tests.component.conftest import Caller, TestKeys

_READY_SECONDS = 30


@asynccontextmanager
async def auth(keys: TestKeys, port: int) -> AsyncIterator[str]:
    """What a service asks auth_service for: the keys, whose address it gives, and who has left."""
    app = Starlette(
        routes=[
            Route("/jwks.json", lambda _: JSONResponse(keys.document())),
            Route(PATH, lambda _: JSONResponse({"sessions": []})),
        ]
    )
    async with serve_http(app, "127.0.0.1", port, drain_seconds=0):
        yield f"http://127.0.0.1:{port}/jwks.json"


@asynccontextmanager
async def inventory_process(
    database: Database, amqp_url: str, keys: TestKeys, jwks_url: str, log: Path
) -> AsyncIterator[Caller]:
    """A process with the settings it has by itself; it has to live until the block ends."""
    grpc_port, internal_port = free_ports(2)
    peers = {peer: Ed25519PrivateKey.generate() for peer in ("gateway", "booking")}
    environment = {
        "PATH": os.environ["PATH"],
        "INVENTORY_PROFILE": "local",
        "INVENTORY_GRPC_PORT": str(grpc_port),
        "INVENTORY_INTERNAL_PORT": str(internal_port),
        "INVENTORY_JWKS_URL": jwks_url,
        "INVENTORY_SERVICE_KEY": encode_key(Ed25519PrivateKey.generate().private_bytes_raw()),
        "INVENTORY_SERVICE_PEERS": json.dumps(
            {peer: encode_key(key.public_key().public_bytes_raw()) for peer, key in peers.items()}
        ),
        "INVENTORY_DATABASE_URL": database.url,
        "INVENTORY_AMQP_URL": amqp_url,
    }
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "inventory_service",
            env=environment,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
        )
    client, booking = (
        GrpcClient(
            "inventory",
            f"127.0.0.1:{grpc_port}",
            ServiceTokens(peer, encode_key(key.private_bytes_raw())),
        )
        for peer, key in peers.items()
    )
    try:
        try:
            # The RPCs are the last thing a process has.
            async with asyncio.timeout(_READY_SECONDS):
                await client.channel.channel_ready()
        except TimeoutError:
            raise AssertionError(tail(log)) from None
        stub = inventory_pb2_grpc.InventoryServiceStub(client.channel)
        yield Caller(client, keys, stub, booking)
        assert process.returncode is None, tail(log)
    finally:
        await client.close()
        await booking.close()
        if process.returncode is None:
            process.kill()
            await process.wait()
