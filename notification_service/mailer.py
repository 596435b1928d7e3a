"""Hands the mails to a mail server, at least once each."""

from __future__ import annotations

import asyncio
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

import aiosmtplib

from chassis.database import Database, Row
from chassis.logs import get_logger
from chassis.telemetry import ALERTS
from notification_service import storage

_POLL_SECONDS = 1.0
_BATCH = 20
_SEND_SECONDS = 10.0
_TRIES = 12  # over about six hours

log = get_logger(__name__)


class Mailer:
    """Sends what the mailbox holds."""

    def __init__(self, database: Database, smtp_url: str, sender: str) -> None:
        self._database = database
        self._url = urlsplit(smtp_url)
        self._sender = sender

    async def run(self) -> None:
        """Sends until cancelled. A mail that fails is tried again later, twelve times in all."""
        while True:
            async with self._database.transaction() as session:
                mails = await storage.lease_mails(session, limit=_BATCH, tries=_TRIES)
            await asyncio.gather(*(self._send(mail) for mail in mails))
            if len(mails) < _BATCH:
                await asyncio.sleep(_POLL_SECONDS)

    async def _send(self, mail: Row) -> None:
        message = EmailMessage()
        message["From"] = self._sender
        message["To"] = mail.recipient
        message["Subject"] = mail.subject
        # The same at every try, so that a mail server may recognise the second one.
        message["Message-ID"] = f"<{mail.id}@parterre>"
        message.set_content(mail.body)
        try:
            await aiosmtplib.send(
                message,
                hostname=self._url.hostname,
                port=self._url.port,
                username=unquote(self._url.username) if self._url.username else None,
                password=unquote(self._url.password) if self._url.password else None,
                use_tls=self._url.scheme == "smtps",
                timeout=_SEND_SECONDS,
            )
        except (aiosmtplib.SMTPException, OSError) as error:
            ALERTS.labels("mail_failed").inc()
            log.warning("mail not sent, will be tried again", id=mail.id, error=repr(error))
            return
        async with self._database.transaction() as session:
            await storage.mark_sent(session, mail.id)
