"""Issue 13, item 3: places are for requests that are there, and nobody has them all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack

from parterre.inventory.v1 import inventory_pb2

from tests.abuse.conftest import BareSocket, running_gateway
from tests.contract import samples
from tests.contract.conftest import Edge

Healthy = Callable[[Edge], AbstractAsyncContextManager[None]]


async def test_bodies_that_never_come_take_no_place(stays_healthy: Healthy) -> None:
    async with (
        running_gateway(max_concurrent=5, max_concurrent_purchases=5) as edge,
        AsyncExitStack() as stack,
        stays_healthy(edge),
    ):
        for _ in range(50):
            socket = await stack.enter_async_context(BareSocket.to(edge.url))
            await socket.send(
                b"POST /api/v1/auth/login HTTP/1.1\r\nHost: localhost\r\n"
                b"Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
            )
        for _ in range(10):
            assert (await edge.get("/holds")).status_code == 200


async def test_a_body_that_drips_is_given_up() -> None:
    async with running_gateway(body_seconds=0.5) as edge, BareSocket.to(edge.url) as socket:
        await socket.send(
            b"POST /api/v1/auth/login HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
        )

        async def drip() -> None:
            for _ in range(400):
                await socket.send(b" ")
                await asyncio.sleep(0.05)

        drops = asyncio.create_task(drip())
        said = await socket.said()
        drops.cancel()
        assert said.startswith(b"HTTP/1.1 408 ")
        assert b'"reason":"REQUEST_TIMEOUT"' in said


async def test_nothing_is_done_with_half_a_body_of_a_client_that_has_gone() -> None:
    async with running_gateway() as edge:
        async with BareSocket.to(edge.url) as socket:
            await socket.send(
                b"POST /api/v1/webhooks/payments/sandbox HTTP/1.1\r\nHost: localhost\r\n"
                b"Content-Length: 1000\r\n\r\n{}"
            )
            await asyncio.sleep(0.1)
        await asyncio.sleep(0.1)
        assert not edge.payment.calls


async def test_one_person_can_not_have_every_place(stays_healthy: Healthy) -> None:
    async with running_gateway(person_concurrent=5) as edge:
        edge.inventory.answers["ListHolds"] = inventory_pb2.ListHoldsResponse()
        edge.inventory.may_answer.clear()
        attacker = {"Authorization": f"Bearer {edge.keys.token()}"}
        async with stays_healthy(edge):
            asked = [asyncio.create_task(edge.get("/holds", headers=attacker)) for _ in range(25)]
            refused = []
            for next_answer in asyncio.as_completed(asked):
                refused.append(await next_answer)
                if len(refused) == 20:
                    break
            assert {(each.status_code, each.json()["reason"]) for each in refused} == {
                (429, "TOO_MANY_AT_ONCE")
            }
            assert all(each.headers["retry-after"] for each in refused)
            other = asyncio.create_task(edge.get("/holds"))
            while len(edge.inventory.calls) < 6:
                await asyncio.sleep(0.01)
            edge.inventory.may_answer.set()
            assert (await other).status_code == 200
        answers = await asyncio.gather(*asked)
        assert sorted(each.status_code for each in answers) == [200] * 5 + [429] * 20
        # The places are free again.
        assert (await edge.get("/holds", headers=attacker)).status_code == 200


async def test_one_address_without_a_token_can_not_have_every_place() -> None:
    async with running_gateway(profile="production", address_concurrent=3, docs=True) as edge:
        reply = inventory_pb2.GetSeatMapResponse(seat_map=samples.seat_map())
        edge.inventory.answers["GetSeatMap"] = reply
        edge.inventory.may_answer.clear()
        path = f"/events/{samples.EVENT}/seats"
        asked = [asyncio.create_task(edge.get(path, role=None)) for _ in range(8)]
        while sum(each.done() for each in asked) < 5:
            await asyncio.sleep(0.01)
        other = await edge.get("/auth/me")
        assert other.status_code == 200
        edge.inventory.may_answer.set()
        answers = await asyncio.gather(*asked)
        assert sorted(each.status_code for each in answers) == [200] * 3 + [429] * 5


async def test_a_stream_takes_no_place_of_requests() -> None:
    async with running_gateway(person_concurrent=1) as edge, AsyncExitStack() as stack:
        reply = inventory_pb2.GetSeatMapResponse(seat_map=samples.seat_map())
        edge.inventory.answers["GetSeatMap"] = reply
        person = {"Authorization": f"Bearer {edge.keys.token()}"}
        path = f"/api/v1/events/{samples.EVENT}/seats/stream"
        for _ in range(3):
            stream = edge.http.stream("GET", path, headers=person)
            answer = await stack.enter_async_context(stream)
            assert answer.status_code == 200
            await anext(answer.aiter_lines())
        assert (await edge.get("/holds", headers=person)).status_code == 200
