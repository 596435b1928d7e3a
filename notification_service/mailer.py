"""Hands the mails to a mail server, at least once each."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from email.message import EmailMessage
from functools import partial
from urllib.parse import unquote, urlsplit
from uuid import UUID

import aiosmtplib

from chassis.database import Database, Row
from chassis.lifecycle import background
from chassis.logs import get_logger
from chassis.retrying import persistently
from chassis.telemetry import ALERTS
from notification_service import storage
from notification_service.domain import MailsWritten

# Behind the word that there are mails: for those that are to be tried again.
_POLL_SECONDS = 5.0
_AT_ONCE = 20
# For the whole dialogue with a mail server, which may be slow to say that it took the mail: to give
# up on it before means that it may come twice (RFC 5321, 4.5.3.2.6 asks for ten minutes).
_DIALOGUE_SECONDS = 660.0
_CONNECT_SECONDS = 30.0
_COMMAND_SECONDS = 600.0
_QUIT_SECONDS = 5.0
# A mail that is being sent is kept from other senders for so long, again and again until the
# dialogue ended; where this process dies it is tried again after that.
_LEASE_SECONDS = 30.0
_RENEW_SECONDS = 10.0
_TRIES = 12  # over about six hours
_NOTE_TRIES = 100  # that a mail was sent; over about four minutes

log = get_logger(__name__)


class Mailer:
    """Sends what the mailbox holds."""

    def __init__(self, database: Database, smtp_url: str, sender: str) -> None:
        self._database = database
        self._url = urlsplit(smtp_url)
        self._sender = sender
        self._sending: dict[UUID, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        database.when_noted = self.take

    def take(self, facts: Sequence[object]) -> None:
        """Hears that there are mails; `Database.when_noted`."""
        if any(isinstance(fact, MailsWritten) for fact in facts):
            self._wake.set()

    async def run(self) -> None:
        """Sends until cancelled. A mail that fails is tried again later, twelve times in all."""
        try:
            async with background("mail-leases", self._keep_leases):
                await self._send_for_ever()
        finally:
            for sending in self._sending.values():
                sending.cancel()

    async def _send_for_ever(self) -> None:
        while True:
            self._wake.clear()
            room = _AT_ONCE - len(self._sending)
            mails: Sequence[Row] = ()
            if room:
                async with self._database.transaction() as session:
                    mails = await storage.lease_mails(
                        session, limit=room, tries=_TRIES, lease_seconds=_LEASE_SECONDS
                    )
            for mail in mails:
                sending = asyncio.create_task(self._send(mail))
                self._sending[mail.id] = sending
                sending.add_done_callback(partial(self._ended, mail.id))
            with suppress(TimeoutError):
                async with asyncio.timeout(_POLL_SECONDS):
                    await self._wake.wait()

    def _ended(self, id: UUID, sending: asyncio.Task[None]) -> None:
        if len(self._sending) == _AT_ONCE:
            self._wake.set()  # others may be waiting for room
        del self._sending[id]
        if not sending.cancelled() and (error := sending.exception()) is not None:
            log.warning("mail may be sent again", id=id, error=repr(error))

    async def _keep_leases(self) -> None:
        while True:
            await asyncio.sleep(_RENEW_SECONDS)
            if self._sending:
                async with self._database.transaction() as session:
                    await storage.renew_leases(session, self._sending, lease_seconds=_LEASE_SECONDS)

    async def _send(self, mail: Row) -> None:
        message = EmailMessage()
        message["From"] = self._sender
        message["To"] = mail.recipient
        message["Subject"] = mail.subject
        # The same at every try, so that a mail server may recognise the second one.
        message["Message-ID"] = f"<{mail.id}@parterre>"
        message.set_content(mail.body)
        try:
            async with asyncio.timeout(_DIALOGUE_SECONDS):
                await self._converse(message)
        except (aiosmtplib.SMTPException, OSError) as error:
            ALERTS.labels("mail_failed").inc()
            log.warning("mail not sent, will be tried again", id=mail.id, error=repr(error))
            note = storage.put_off
        else:
            note = storage.mark_sent

        async def noted() -> None:
            async with self._database.transaction() as session:
                await note(session, mail.id)

        # Until it is noted, for it would be sent again; meanwhile the lease is kept.
        await persistently(
            noted, lambda _error: True, first_seconds=0.5, most_seconds=5.0, tries=_NOTE_TRIES
        )

    async def _converse(self, message: EmailMessage) -> None:
        """Hands a mail to the server.

        Raises:
            aiosmtplib.SMTPException, OSError: it was not taken, or nobody knows.
        """
        client = aiosmtplib.SMTP(
            hostname=self._url.hostname,
            port=self._url.port,
            username=unquote(self._url.username) if self._url.username else None,
            password=unquote(self._url.password) if self._url.password else None,
            use_tls=self._url.scheme == "smtps",
            timeout=_COMMAND_SECONDS,
        )
        await client.connect(timeout=_CONNECT_SECONDS)
        try:
            await client.send_message(message)
            with suppress(aiosmtplib.SMTPException, OSError):
                await client.quit(timeout=_QUIT_SECONDS)  # it has the mail, whatever it says now
        finally:
            client.close()
