"""Issue 13, item 5: health is asked for, never watched: a watch would keep a place for ever."""

from __future__ import annotations

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from parterre.auth.v1 import auth_pb2

from chassis.grpc_server import serve_grpc
from chassis.identity import Jwks, TokenVerifier
from deploy.processes import free_ports
from tests.contract.conftest import SERVICES, Fake


async def test_watches_take_no_place_of_calls_and_checks_are_answered() -> None:
    (port,) = free_ports(1)
    address = f"127.0.0.1:{port}"
    verifier = TokenVerifier("auth", Jwks("http://127.0.0.1:1/jwks.json"), {})
    async with (
        serve_grpc(
            SERVICES["auth"],
            Fake(SERVICES["auth"]),
            verifier,
            address=address,
            max_concurrent=3,
            drain_seconds=0,
        ),
        grpc.aio.insecure_channel(address) as channel,
    ):
        health = health_pb2_grpc.HealthStub(channel)
        request = health_pb2.HealthCheckRequest(
            service=auth_pb2.DESCRIPTOR.services_by_name["AuthService"].full_name
        )
        for _ in range(10):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                async for _status in health.Watch(request, timeout=10):
                    pass
            assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
        reply = await health.Check(request, timeout=10)
        assert reply.status == health_pb2.HealthCheckResponse.SERVING
        with pytest.raises(grpc.aio.AioRpcError) as unknown:
            await health.Check(health_pb2.HealthCheckRequest(service="x"), timeout=10)
        assert unknown.value.code() is grpc.StatusCode.NOT_FOUND
