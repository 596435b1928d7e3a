"""HTTP/1.1 as a merchant needs it: connections that are kept, and one call on each at a time.

A general client costs several times what all else about a payment does. This one follows no
redirect, has a limit on everything, and tells apart what never left from what may have arrived:
the one may be tried again, the other has to be looked up first.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

from httptools import HttpParserError, HttpResponseParser

# Shorter than servers keep one: a request must not meet a connection that is just being closed.
_IDLE_SECONDS = 30.0


class NotSentError(Exception):
    """There was no connection to be had, so nothing has left."""


class NoAnswerError(Exception):
    """The request may have arrived, and there is no answer, or none that could be read."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    body: bytes


class _Connection(asyncio.Protocol):
    """One connection; `exchange` one request after another, while `reusable`."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._transport: asyncio.Transport | None = None
        self._parser = HttpResponseParser(self)
        self._body = bytearray()
        self._answer: asyncio.Future[Answer] | None = None
        self.reusable = True
        self.idle_since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # a stream's always is one

    async def exchange(self, request: bytes) -> Answer:
        """Sends a request and reads its answer.

        Raises:
            NoAnswerError: none came, or none that can be read.
        """
        assert self._transport is not None  # noqa: S101 - it is connected
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        try:
            return await self._answer
        finally:
            self._answer = None

    def data_received(self, data: bytes) -> None:
        if self._answer is None or self._answer.done():
            self.abort()  # nobody asked for this
            return
        try:
            self._parser.feed_data(data)
        except HttpParserError as error:
            self._fail(type(error).__name__)

    def on_message_begin(self) -> None:
        self._body.clear()

    def on_body(self, body: bytes) -> None:
        if len(self._body) + len(body) > self._max_bytes:
            self._fail("the answer is too long")
        self._body += body

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if self._answer is None or self._answer.done() or status < 200:
            return
        self.reusable = self._parser.should_keep_alive()
        self._answer.set_result(Answer(status, bytes(self._body)))

    def connection_lost(self, error: Exception | None) -> None:
        self._fail(type(error).__name__ if error else "the connection was closed")

    def _fail(self, why: str) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(NoAnswerError(why))
        self.abort()

    def abort(self) -> None:
        """Closes the connection at once."""
        self.reusable = False
        if self._transport is not None:
            self._transport.abort()


class HttpClient:
    """A provider's address, over at most so many connections."""

    def __init__(
        self,
        url: str,
        *,
        headers: str,
        connections: int,
        connect_seconds: float,
        deadline_seconds: float,
        max_bytes: int,
    ) -> None:
        """`headers`: lines of every request, each ended by CRLF; `max_bytes`: of an answer.

        Raises:
            ValueError: the address has no host.
        """
        parts = urlsplit(url)
        if not parts.hostname:
            raise ValueError("the provider's address has no host")
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._host = parts.hostname
        self._port = parts.port or (443 if self._tls else 80)
        self._path = parts.path.rstrip("/")
        self._headers = f"Host: {parts.netloc.rpartition('@')[2]}\r\n{headers}"
        self._connect_seconds = min(connect_seconds, deadline_seconds)
        self._deadline_seconds = deadline_seconds
        self._max_bytes = max_bytes
        self._room = asyncio.Semaphore(connections)
        self._idle: list[_Connection] = []

    async def send(self, method: str, path: str, body: bytes = b"", headers: str = "") -> Answer:
        """Sends a request; `headers` are more lines, each ended by CRLF.

        Raises:
            NotSentError: there was no connection, and nothing has left.
            NoAnswerError: it may have arrived, and there is no answer.
        """
        head = (
            f"{method} {self._path}{path} HTTP/1.1\r\n{self._headers}{headers}"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._deadline_seconds
        try:
            async with asyncio.timeout(self._connect_seconds):
                await self._room.acquire()
        except TimeoutError:
            raise NotSentError("every connection is busy") from None
        connection: _Connection | None = None
        try:
            connection = self._kept(loop.time()) or await self._connect()
            async with asyncio.timeout_at(deadline):
                answer = await connection.exchange(head.encode() + body)
        except TimeoutError:
            raise NoAnswerError("no answer in time") from None
        else:
            if connection.reusable:
                connection.idle_since = loop.time()
                self._idle.append(connection)
                connection = None
            return answer
        finally:
            if connection is not None:
                connection.abort()
            self._room.release()

    def close(self) -> None:
        """Closes the connections that are kept."""
        for connection in self._idle:
            connection.abort()
        self._idle.clear()

    def _kept(self, now: float) -> _Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.reusable and now - connection.idle_since < _IDLE_SECONDS:
                return connection
            connection.abort()
        return None

    async def _connect(self) -> _Connection:
        try:
            async with asyncio.timeout(self._connect_seconds):
                _transport, connection = await asyncio.get_running_loop().create_connection(
                    lambda: _Connection(self._max_bytes), self._host, self._port, ssl=self._tls
                )
        except (OSError, TimeoutError) as error:
            raise NotSentError(type(error).__name__) from error
        return connection
