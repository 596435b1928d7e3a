"""HTTP as a merchant needs it: a limit on everything, and what may have arrived told from the rest.

What never left may be tried again; what may have arrived has to be looked up first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp
from yarl import URL

from payment_service.domain import Unknown, Unreachable

# Shorter than servers keep one: a request must not meet a connection that is just being closed.
_IDLE_SECONDS = 30.0
_CONNECT_SECONDS = 2.0
_MAX_ANSWER_BYTES = 256 * 1024
# After the deadline, for what has arrived and was not read yet: a process that was stopped for a
# while must not take an answer that is there for none.
_MOMENT_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    body: bytes


class Transport:
    """A provider's address, over at most so many connections. Made and used in one event loop."""

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str],
        connections: int,
        deadline_seconds: float,
        connect_seconds: float = _CONNECT_SECONDS,
        max_answer_bytes: int = _MAX_ANSWER_BYTES,
    ) -> None:
        """`headers`: of every request; `deadline_seconds`: for a call, all in all.

        Raises:
            ValueError: the address has no host.
        """
        self._base = URL(url)
        if not self._base.host:
            raise ValueError("the provider's address has no host")
        self._path = self._base.raw_path.rstrip("/")
        self._deadline_seconds = deadline_seconds
        self._max_answer_bytes = max_answer_bytes
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections, keepalive_timeout=_IDLE_SECONDS),
            # For a free connection, or a new one; the deadline is kept below.
            timeout=aiohttp.ClientTimeout(
                total=None, connect=min(connect_seconds, deadline_seconds)
            ),
            headers=headers,
            skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent"),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )

    async def send(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer | Unknown | Unreachable:
        """Makes a call; redirects are answers like any other, and not followed."""
        url = self._base.join(URL(self._path + path, encoded=True))
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(None) as call:
                deadline = loop.call_later(
                    self._deadline_seconds,
                    lambda: call.reschedule(loop.time() + _MOMENT_SECONDS),
                )
                try:
                    async with self._session.request(
                        method, url, data=body, headers=headers, allow_redirects=False
                    ) as response:
                        return await self._read(response)
                finally:
                    deadline.cancel()
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            return Unreachable(type(error).__name__)
        except TimeoutError:
            return Unknown("no answer in time")
        except aiohttp.ClientError as error:
            return Unknown(type(error).__name__)

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._session.close()

    async def _read(self, response: aiohttp.ClientResponse) -> Answer | Unknown:
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > self._max_answer_bytes:
                response.close()
                return Unknown("the answer is too long")
        if response.status < 200:
            response.close()
            return Unknown("not an answer")
        return Answer(response.status, bytes(body))
