"""Calls to addresses that strangers name: nothing of ours can be reached by one (SSRF).

The address is looked at when the socket is made that is connected, whatever a name resolved to
before. No redirect is followed, no proxy of the environment asked, no cookie kept, no connection
used again; a call ends after ten seconds, and no more than 64 KiB of an answer are read.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from notification_service.domain.webhooks import Answer, address_of, flaw_in_url, is_closed

_SECONDS = 10.0
_MAX_ANSWER = 64 * 1024  # bytes
_SHOWN = 1024  # bytes
# Names are resolved by threads of their own: a name server that keeps them waiting keeps no other
# part of the process.
_RESOLVING_AT_ONCE = 32
_AGENT = "Parterre-Webhooks/1"


class _ClosedError(OSError):
    """The address is no public host's."""


class Resolver(AbstractResolver):
    """Asks the system for the addresses of a name."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_RESOLVING_AT_ONCE, "webhook-names")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Every address of the name.

        Raises:
            OSError: it has none.
        """
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(
            self._threads,
            lambda: socket.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM),
        )
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=int(address[1]),
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST,
            )
            for kind, _type, protocol, _name, address in found
        ]

    async def close(self) -> None:
        """Ends the threads; one that still waits ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class Caller:
    """Sends what organizers have us send. Made and used in one event loop."""

    def __init__(
        self,
        *,
        allows_loopback: bool,
        resolver: AbstractResolver | None = None,
        authorities: ssl.SSLContext | None = None,
        seconds: float = _SECONDS,
    ) -> None:
        """`authorities`: who vouches for servers; absent: whom this machine trusts."""
        self._allows_loopback = allows_loopback
        self._resolver = resolver or Resolver()
        self._authorities = authorities or ssl.create_default_context()
        self._seconds = seconds

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Sends JSON, once; whatever happens is an answer."""
        began = time.monotonic()
        status: int | None = None
        beginning = bytearray()
        refused: list[str] = []
        error = ""
        if flaw_in_url(url, allows_loopback=self._allows_loopback):
            return Answer(error="URL_REFUSED")
        connector = aiohttp.TCPConnector(
            resolver=self._resolver,
            use_dns_cache=False,
            force_close=True,
            ssl=self._authorities,
            socket_factory=self._sockets(refused),
        )
        try:
            async with (
                asyncio.timeout(self._seconds),
                aiohttp.ClientSession(
                    connector=connector,
                    # The resolver is this object's own, and outlives the call.
                    timeout=aiohttp.ClientTimeout(total=None),
                    cookie_jar=aiohttp.DummyCookieJar(),
                    auto_decompress=False,
                    trust_env=False,
                    skip_auto_headers=("Accept-Encoding", "Accept"),
                ) as session,
                session.post(
                    URL(url, encoded=True),
                    data=body,
                    headers={
                        "Content-Type": "application/json",
                        "User-Agent": _AGENT,
                        **headers,
                    },
                    allow_redirects=False,
                ) as response,
            ):
                status = response.status
                await _read(response, beginning)
        except TimeoutError:
            error = "TIMEOUT"
        except aiohttp.ClientConnectorDNSError:
            error = "UNKNOWN_HOST"
        except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientSSLError, ssl.SSLError):
            error = "TLS_FAILED"
        except (aiohttp.ClientConnectorError, OSError):
            error = "ADDRESS_REFUSED" if refused else "CONNECTION_FAILED"
        except (aiohttp.ClientError, ValueError):  # ValueError: of a URL or a head that is none
            error = "NO_HTTP_ANSWER"
        finally:
            await connector.close()
        took = round((time.monotonic() - began) * 1000)
        # With a status it was answered, even if the rest of the answer was too slow to be read.
        return Answer(status, _text(beginning), "" if status is not None else error, took)

    async def close(self) -> None:
        """Ends what looks names up."""
        await self._resolver.close()

    def _sockets(self, refused: list[str]) -> Callable[[aiohttp.AddrInfoType], socket.socket]:
        """Makes the sockets of one call; one to a closed address is not made, and noted."""

        def make(address: aiohttp.AddrInfoType) -> socket.socket:
            family, kind, protocol, _name, place = address
            host = str(place[0])
            parsed = address_of(host)
            if parsed is None or is_closed(parsed, allows_loopback=self._allows_loopback):
                refused.append(host)
                raise _ClosedError(f"{host} is closed")
            return socket.socket(family, kind, protocol)

        return make


async def _read(response: aiohttp.ClientResponse, shown: bytearray) -> None:
    """Reads an answer up to the limit, so that its server can end it; keeps how it begins."""
    read = 0
    try:
        async for chunk in response.content.iter_any():
            read += len(chunk)
            shown += chunk[: _SHOWN - len(shown)]
            if read >= _MAX_ANSWER:
                response.close()
                break
    except aiohttp.ClientError:
        response.close()  # it was answered; that it broke off matters to nobody


def _text(beginning: bytearray) -> str:
    """As text that the database can keep."""
    return beginning.decode("utf-8", "replace").replace("\0", "\ufffd")
