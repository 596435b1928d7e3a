"""What an attacker needs: a running gateway, a bare socket, and somebody who watches its health.

Tests here send what no honest client would, over real sockets, and end within seconds. `edge` is
the gateway of the contract tests before its fakes; `running_gateway(**settings)` starts another.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from urllib.parse import urlsplit

import httpx
import pytest

from tests.contract.conftest import Edge, edge, refusal, running_gateway, shared_edge

__all__ = ["BareSocket", "edge", "refusal", "running_gateway", "shared_edge"]

# What health must answer within, mostly; an attacker's own work is in the same process here, and
# other tests on the same cores, so that the slowest answer alone says little.
_USUALLY_SECONDS = 0.2
_NEVER_SECONDS = 1.5


class BareSocket:
    """A connection on which anything can be said."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    @asynccontextmanager
    async def to(cls, url: str) -> AsyncIterator[BareSocket]:
        """One to the host and port of `url`."""
        parts = urlsplit(url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        try:
            yield cls(reader, writer)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def send(self, data: bytes) -> None:
        """Sends bytes as they are; that nobody takes them any more is no failure."""
        with suppress(OSError):
            self.writer.write(data)
            await self.writer.drain()

    async def said(self, seconds: float = 10) -> bytes:
        """Everything until the other side closes; fails when it does not within `seconds`."""
        got = bytearray()
        async with asyncio.timeout(seconds):
            with suppress(ConnectionResetError):
                while part := await self.reader.read(65536):
                    got += part
        return bytes(got)


async def _watch(url: str, took: list[float]) -> None:
    async with httpx.AsyncClient(base_url=url, timeout=30) as http:
        while True:
            began = time.perf_counter()
            answer = await http.get("/healthz")
            took.append(time.perf_counter() - began)
            assert answer.status_code == 200
            await asyncio.sleep(0.02)


@pytest.fixture
def stays_healthy() -> Callable[[Edge], AbstractAsyncContextManager[None]]:
    """`async with stays_healthy(edge):` fails where /healthz was kept waiting meanwhile."""

    @asynccontextmanager
    async def watched(edge: Edge) -> AsyncIterator[None]:
        took: list[float] = []
        watch = asyncio.create_task(_watch(edge.url, took))
        try:
            while not took and not watch.done():
                await asyncio.sleep(0.01)
            yield
            # One more, begun when the attack is under way or over: none is left out.
            seen = len(took)
            async with asyncio.timeout(30):
                while len(took) <= seen and not watch.done():
                    await asyncio.sleep(0.01)
            assert not watch.done(), watch
        finally:
            watch.cancel()
            with suppress(asyncio.CancelledError):
                await watch
        assert statistics.median(took) < _USUALLY_SECONDS, took
        assert max(took) < _NEVER_SECONDS, max(took)

    return watched
