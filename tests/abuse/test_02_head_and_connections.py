"""Issue 13, item 2: what a connection may do before there is a request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack

import pytest

from gateway.problems import REASONS
from tests.abuse.conftest import BareSocket, running_gateway
from tests.contract.conftest import Edge

Healthy = Callable[[Edge], AbstractAsyncContextManager[None]]
HEAD = b"GET /api/v1/venues HTTP/1.1\r\nHost: 127.0.0.1\r\n"


def refused_as(reason: str, said: bytes) -> bool:
    """Whether `said` is that problem, whole, and the end of the connection."""
    status = REASONS[reason][0]
    head, _, body = said.partition(b"\r\n\r\n")
    return (
        head.startswith(b"HTTP/1.1 %d " % status)
        and b"content-type: application/problem+json" in head
        and b"connection: close" in head
        and b"x-request-id: " in head
        and b"x-content-type-options: nosniff" in head
        and f'"reason":"{reason}"'.encode() in body
    )


async def test_sixty_megabytes_of_one_header_are_refused_after_sixteen_kilobytes(
    edge: Edge, stays_healthy: Healthy
) -> None:
    async with stays_healthy(edge), BareSocket.to(edge.url) as socket:
        await socket.send(HEAD + b"X-Much: ")
        taken = 0
        refusal = asyncio.create_task(socket.said())
        while not refusal.done() and taken < 60_000_000:
            await socket.send(b"x" * 65536)
            await asyncio.sleep(0)
            taken += 65536
        assert refused_as("HEAD_TOO_LARGE", await refusal)
        assert taken < 8_000_000  # what the systems' buffers hold


@pytest.mark.parametrize(
    "rest",
    [
        b"X-Much: " + b"x" * 17_000 + b"\r\n\r\n",
        b"X: y\r\n" * 300_000,
        b"X: y\r\n" * 101 + b"\r\n",
        b"".join(b"X-%d: %s\r\n" % (each, b"y" * 400) for each in range(50)),
    ],
    ids=["one long field", "300,000 fields", "101 fields", "too long in all"],
)
async def test_a_head_that_is_too_large_is_refused(
    edge: Edge, stays_healthy: Healthy, rest: bytes
) -> None:
    async with stays_healthy(edge), BareSocket.to(edge.url) as socket:
        sending = asyncio.create_task(socket.send(HEAD + rest))
        assert refused_as("HEAD_TOO_LARGE", await socket.said())
        await sending


async def test_a_long_path_is_refused(edge: Edge) -> None:
    async with BareSocket.to(edge.url) as socket:
        await socket.send(b"GET /" + b"a.b-" * 8000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert refused_as("HEAD_TOO_LARGE", await socket.said())


async def test_fields_behind_a_body_have_an_end_too(edge: Edge) -> None:
    for endless in (b"X: y\r\n" * 20_000, b"X: " + b"y" * 200_000, b"5;" + b"y" * 200_000):
        async with BareSocket.to(edge.url) as socket:
            await socket.send(
                HEAD.replace(b"GET", b"POST") + b"Transfer-Encoding: chunked\r\n\r\n"
                b"2\r\n{}\r\n" + (b"" if endless.startswith(b"5;") else b"0\r\n")
            )
            refusal = asyncio.create_task(socket.said())
            for at in range(0, len(endless), 10_000):
                await socket.send(endless[at : at + 10_000])
                await asyncio.sleep(0)
            assert refused_as("HEAD_TOO_LARGE", await refusal)


async def test_what_is_no_request_is_refused_as_such(edge: Edge) -> None:
    async with BareSocket.to(edge.url) as socket:
        await socket.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc")
        assert refused_as("MALFORMED_REQUEST", await socket.said())


async def test_a_silent_a_half_and_a_dripping_head_are_given_up(stays_healthy: Healthy) -> None:
    async with (
        running_gateway(head_seconds=0.5) as edge,
        stays_healthy(edge),
        AsyncExitStack() as stack,
    ):
        silent, half, dripping, blank = [
            await stack.enter_async_context(BareSocket.to(edge.url)) for _ in range(4)
        ]

        async def drip() -> None:
            await dripping.send(HEAD)
            for _ in range(600):
                await dripping.send(b"X")
                await blank.send(b"\r\n")
                await asyncio.sleep(0.05)

        drops = asyncio.create_task(drip())
        await half.send(HEAD)
        assert await silent.said() == b""
        assert refused_as("REQUEST_TIMEOUT", await half.said())
        assert refused_as("REQUEST_TIMEOUT", await dripping.said())
        assert await blank.said() == b""
        drops.cancel()


async def test_a_connection_is_kept_between_requests_only_so_long() -> None:
    async with running_gateway(keep_alive_seconds=0.5) as edge, BareSocket.to(edge.url) as socket:
        request = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
        for _ in range(3):
            await socket.send(request)
            await socket.reader.readuntil(b"\r\n\r\nok")
        assert await socket.said() == b""


async def test_six_hundred_connections_of_one_address_leave_room_for_others(
    stays_healthy: Healthy,
) -> None:
    # In the local profile everybody has one address; the bound is a thousand times as wide there.
    async with (
        running_gateway(profile="production", address_connections=30) as edge,
        AsyncExitStack() as stack,
    ):
        async with stays_healthy(edge):
            await asyncio.sleep(0.1)
            sockets = [await stack.enter_async_context(BareSocket.to(edge.url)) for _ in range(600)]
            for socket in sockets[40:]:
                assert refused_as("TOO_MANY_CONNECTIONS", await socket.said())
        for socket in sockets:
            socket.writer.close()
        async with asyncio.timeout(10):
            while (await edge.http.get("/healthz")).status_code != 200:
                await asyncio.sleep(0.05)
        # Those that went are not counted any more.
        async with BareSocket.to(edge.url) as socket:
            await socket.send(b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n")
            assert (await socket.said()).endswith(b"ok")


async def test_all_connections_together_have_a_bound() -> None:
    async with running_gateway(max_connections=5) as edge, AsyncExitStack() as stack:
        await edge.http.aclose()
        sockets = [await stack.enter_async_context(BareSocket.to(edge.url)) for _ in range(5)]
        async with BareSocket.to(edge.url) as sixth:
            assert refused_as("OVERLOADED", await sixth.said())
        for socket in sockets:
            await socket.send(b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n")
            assert (await socket.said()).endswith(b"ok")


@pytest.mark.parametrize("proxies", ["127.0.0.1", "10.0.0.1, 127.0.0.0/8"])
async def test_a_trusted_proxy_has_as_many_connections_as_it_needs(proxies: str) -> None:
    async with (
        running_gateway(
            profile="production", address_connections=3, trusted_proxies=proxies
        ) as edge,
        AsyncExitStack() as stack,
    ):
        for _ in range(10):
            socket = await stack.enter_async_context(BareSocket.to(edge.url))
            await socket.send(b"GET /healthz HTTP/1.1\r\n\r\n")
            assert (await socket.reader.readuntil(b"\r\n\r\nok")).startswith(b"HTTP/1.1 200")
