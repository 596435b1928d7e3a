"""The way to a mail server, by SMTP (RFC 5321), on connections that are used again."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

import aiosmtplib

_CONNECT_SECONDS = 30.0
# Until it says that it will take the mail.
_COMMAND_SECONDS = 60.0
# A mail server may be slow to say that it took the mail: to give up on it before means that it may
# come twice (RFC 5321, 4.5.3.2.6 asks for ten minutes).
_TAKING_SECONDS = 600.0
_QUIT_SECONDS = 5.0
# Connections that nobody uses are kept so long and so many; many servers hang up after a minute.
_IDLE_SECONDS = 20.0
_MOST_IDLE = 4


class NotTakenError(Exception):
    """The server did not take the mail, or nobody knows; it may later."""


class RefusedError(Exception):
    """The server will never take the mail: trying again won't help."""


def _has_hung_up(error: Exception) -> bool:
    """Whether the server keeps the connection no more (RFC 5321, 3.8)."""
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return error.code == 421
    return isinstance(error, aiosmtplib.SMTPServerDisconnected | OSError)


class Smtp:
    """A mail server, and the connections to it."""

    def __init__(
        self, url: str, sender: str, *, needs_tls: bool, authority: Path | None = None
    ) -> None:
        """A mail server at smtp(s)://user:password@host:port; `sender`: the envelope's address.

        With `needs_tls` an smtp:// server must offer STARTTLS. Certificates are checked against
        `authority` (PEM), or those that this machine trusts.
        """
        parts = urlsplit(url)
        self._parts = parts
        self._sender = sender
        self._implicit_tls = parts.scheme == "smtps"
        self._start_tls = needs_tls and not self._implicit_tls
        self._context = (
            ssl.create_default_context(cafile=authority)
            if self._implicit_tls or self._start_tls
            else None
        )
        self._idle: deque[tuple[float, aiosmtplib.SMTP]] = deque()

    async def deliver(self, content: bytes, to: str) -> None:
        """Hands a mail over (RFC 5322); it was taken when this returns.

        Raises:
            RefusedError, NotTakenError.
        """
        client, is_used = await self._connection()
        try:
            try:
                await self._offer(client, to)
            except (aiosmtplib.SMTPException, OSError) as error:
                if not is_used or not _has_hung_up(error):
                    raise
                # It hung up meanwhile, before it heard of this mail.
                client.close()
                client = await self._connect()
                await self._offer(client, to)
            await client.data(content, timeout=_TAKING_SECONDS)
        except aiosmtplib.SMTPResponseException as error:
            # Whatever it thinks of this mail, it is there for the next one.
            await self._put_back(client)
            what = f"{error.code} {error.message}"
            if 500 <= error.code < 600:
                raise RefusedError(what) from error
            raise NotTakenError(what) from error
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            client.close()
            if isinstance(error, ValueError):  # no address, says the library
                raise RefusedError(repr(error)) from error
            raise NotTakenError(repr(error)) from error
        except BaseException:
            client.close()
            raise
        self._idle.append((time.monotonic(), client))
        self._let_go()

    async def _offer(self, client: aiosmtplib.SMTP, to: str) -> None:
        await client.mail(self._sender, timeout=_COMMAND_SECONDS)
        await client.rcpt(to, timeout=_COMMAND_SECONDS)

    async def _put_back(self, client: aiosmtplib.SMTP) -> None:
        try:
            await client.rset(timeout=_COMMAND_SECONDS)
        except (aiosmtplib.SMTPException, OSError):
            client.close()
        else:
            self._idle.append((time.monotonic(), client))

    async def _connection(self) -> tuple[aiosmtplib.SMTP, bool]:
        """A connection, and whether it was used before."""
        self._let_go()
        if self._idle:
            _since, client = self._idle.pop()
            return client, True
        try:
            return await self._connect(), False
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            # A refused log-in or certificate is no fault of the mail's either.
            raise NotTakenError(repr(error)) from error

    async def _connect(self) -> aiosmtplib.SMTP:
        parts = self._parts
        client = aiosmtplib.SMTP(
            hostname=parts.hostname,
            port=parts.port,
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            use_tls=self._implicit_tls,
            start_tls=self._start_tls,
            tls_context=self._context,
            timeout=_COMMAND_SECONDS,
        )
        async with asyncio.timeout(_CONNECT_SECONDS):
            await client.connect(timeout=_CONNECT_SECONDS)
        return client

    def _let_go(self) -> None:
        """Closes connections that were long unused, or are too many."""
        oldest = time.monotonic() - _IDLE_SECONDS
        while self._idle and (self._idle[0][0] < oldest or len(self._idle) > _MOST_IDLE):
            self._idle.popleft()[1].close()

    async def close(self) -> None:
        """Says goodbye."""
        while self._idle:
            _since, client = self._idle.pop()
            with suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
                await client.quit(timeout=_QUIT_SECONDS)
            client.close()
