"""A receiver of webhooks, over real sockets, with every fault one can have."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

_ANSWERS: Mapping[str, bytes] = {
    "ok": b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nthank",
    "no-content": b"HTTP/1.1 204 No Content\r\n\r\n",
    "broken": b"HTTP/1.1 500 Oops\r\ncontent-length: 6\r\n\r\nno\0pe!",
    "gone": b"HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n",
    "redirect": b"HTTP/1.1 307 Moved\r\nlocation: /ok\r\ncontent-length: 0\r\n\r\n",
    "nonsense": b"what?\r\n\r\n",
    "close": b"",
    "cookie": b"HTTP/1.1 200 OK\r\nset-cookie: a=b\r\ncontent-length: 0\r\n\r\n",
}


@dataclass(frozen=True)
class Received:
    """One request."""

    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Receiver:
    """Answers as the path says: /ok, /broken, /hang, ..."""

    port: int = 0
    requests: list[Received] = field(default_factory=list)
    open: asyncio.Event = field(default_factory=asyncio.Event)  # /closed answers once it is set
    written: int = 0  # bytes of /huge

    def url(self, path: str, scheme: str = "http") -> str:
        return f"{scheme}://127.0.0.1:{self.port}/{path}"

    def at(self, path: str) -> list[Received]:
        return [each for each in self.requests if each.path == f"/{path}"]

    async def until(self, path: str, count: int = 1) -> list[Received]:
        """Waits for so many requests."""
        async with asyncio.timeout(20):
            while len(self.at(path)) < count:
                await asyncio.sleep(0.01)
        return self.at(path)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            first, *lines = head.rstrip().split("\r\n")
            headers = {
                name.lower(): value for name, value in (line.split(": ", 1) for line in lines)
            }
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            path = first.split()[1]
            self.requests.append(Received(path, headers, body))
            await self._answer(path.removeprefix("/").partition("/")[0], writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(self, path: str, writer: asyncio.StreamWriter) -> None:
        if path == "hang":
            await asyncio.sleep(600)
        elif path == "closed":
            writer.write(_ANSWERS["ok" if self.open.is_set() else "broken"])
        elif path == "huge":
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n")
            while True:
                writer.write(b"x" * 10_000)
                await writer.drain()
                self.written += 10_000
        elif path == "drip":
            writer.write(b"HTTP/1.1 200 OK\r\n")
            while True:
                writer.write(b"x-a: b\r\n")
                await writer.drain()
                await asyncio.sleep(0.05)
        else:
            writer.write(_ANSWERS[path])
        await writer.drain()


@asynccontextmanager
async def receiving(tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """A running receiver."""
    receiver = Receiver()
    serving: set[asyncio.Task[None]] = set()

    def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(receiver._serve(reader, writer))
        serving.add(task)
        task.add_done_callback(serving.discard)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
