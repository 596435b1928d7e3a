"""The merchant's address for webhooks, over a few connections that are kept open.

Written on streams because a webhook is sent for every step of every charge: a full HTTP client
costs several times what the provider spends on the charge itself.
"""

import asyncio
import re
import ssl
from urllib.parse import urlsplit

_ANSWER_BYTES = 64 * 1024
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,9})[ \t]*\r\n", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection:[ \t]*close[ \t]*\r\n", re.IGNORECASE)

_Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Unreachable(Exception):  # noqa: N818 - it says what the merchant is
    """No answer that could be understood."""


class Merchant:
    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if not parts.hostname:
            raise ValueError("the address of the merchant has no host")
        secure = parts.scheme == "https"
        self._host = parts.hostname
        self._port = parts.port or (443 if secure else 80)
        self._tls = ssl.create_default_context() if secure else None
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._head = (
            f"POST {target} HTTP/1.1\r\nHost: {parts.netloc.rpartition('@')[2]}\r\n"
            "Content-Type: application/json\r\n"
        )
        self._idle: list[_Stream] = []

    async def post(self, body: bytes, signature: str, deadline_seconds: float) -> int:
        """The status of the answer; redirects are not followed. Raises Unreachable."""
        head = f"{self._head}Sandbox-Signature: {signature}\r\nContent-Length: {len(body)}\r\n\r\n"
        try:
            async with asyncio.timeout(deadline_seconds):
                reader, writer = await self._connection()
                return await self._exchange(reader, writer, head.encode() + body)
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
            raise Unreachable(type(error).__name__) from error

    def close(self) -> None:
        for _, writer in self._idle:
            writer.close()
        self._idle.clear()

    async def _connection(self) -> _Stream:
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof() and not writer.is_closing():
                return reader, writer
            writer.close()
        return await asyncio.open_connection(
            self._host, self._port, ssl=self._tls, limit=_ANSWER_BYTES
        )

    async def _exchange(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
    ) -> int:
        reusable = False
        try:
            writer.write(request)
            answer = await reader.readuntil(b"\r\n\r\n")
            status = re.match(rb"HTTP/1\.[01] (\d{3})", answer)
            if status is None:
                raise ValueError("not HTTP")
            length = _LENGTH.search(answer)
            # Of any other answer the end is not worth finding: the next one gets a new connection.
            if length and int(length[1]) <= _ANSWER_BYTES and not _CLOSE.search(answer):
                await reader.readexactly(int(length[1]))
                reusable = True
            return int(status[1])
        finally:
            if reusable:
                self._idle.append((reader, writer))
            else:
                writer.close()
