"""Item 10: a process that never had the list of ended sessions served people's tokens."""

from __future__ import annotations

import httpx
from parterre.auth.v1 import auth_pb2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from chassis.identity import Role
from chassis.ids import uuid7
from chassis.telemetry import serve_http
from deploy.processes import free_port
from tests.component.conftest import Until, until
from tests.contract import samples
from tests.contract.conftest import Edge, running_gateway

__all__ = ["until"]


async def test_until_the_list_is_there_nobody_is_served_and_the_gateway_is_not_ready(
    until: Until,
) -> None:
    edges: list[Edge] = []
    ended = str(uuid7())
    is_away = True

    async def keys(_request: Request) -> JSONResponse:
        return JSONResponse(edges[0].keys.document()) if edges else JSONResponse({}, 503)

    async def revocations(_request: Request) -> JSONResponse:
        return JSONResponse({"sessions": [ended]}, 503 if is_away else 200)

    port = free_port()
    auth = Starlette(routes=[Route("/jwks.json", keys), Route("/revocations", revocations)])
    async with (
        serve_http(auth, "127.0.0.1", port, drain_seconds=1),
        running_gateway(jwks_url=f"http://127.0.0.1:{port}/jwks.json") as edge,
        httpx.AsyncClient(timeout=30) as client,
    ):
        edges.append(edge)
        edge.auth.answers["GetMe"] = auth_pb2.GetMeResponse(user=samples.user())
        tokens = [edge.keys.token(Role.CUSTOMER, sid=sid) for sid in (ended, str(uuid7()))]

        async def me(token: str) -> httpx.Response:
            headers = {"Authorization": f"Bearer {token}"}
            return await client.get(f"{edge.url}/api/v1/auth/me", headers=headers)

        async def readiness() -> httpx.Response:
            return await client.get(f"{edge.internal_url}/readyz")

        async def has_the_keys() -> bool:
            answer = await client.get(f"{edge.url}/.well-known/jwks.json")
            if answer.status_code != 200:
                await me(tokens[1])  # has them asked for
            return answer.status_code == 200

        await until(has_the_keys)
        for token in tokens:
            answer = await me(token)
            assert (answer.status_code, answer.json()["reason"]) == (503, "SERVICE_UNAVAILABLE")
        assert not edge.auth.calls
        unready = await readiness()
        assert unready.status_code == 503
        assert "revocations" in unready.text
        # Who is nobody yet may still become somebody.
        edge.auth.answers["LogIn"] = auth_pb2.LogInResponse(tokens=samples.tokens())
        credentials = {"email": "asha@parterre.example", "password": "correct horse"}
        answer = await client.post(f"{edge.url}/api/v1/auth/login", json=credentials)
        assert answer.status_code == 200

        is_away = False

        async def serves() -> bool:
            return (await me(tokens[1])).status_code == 200

        await until(serves)
        assert (await me(tokens[0])).status_code == 401

        async def is_ready_for_people() -> bool:
            return "revocations" not in (await readiness()).text  # it is cached for a second

        await until(is_ready_for_people)
