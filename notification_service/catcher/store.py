"""What was caught: the newest mails, bounded by their number and by their bytes."""

from __future__ import annotations

import email
import email.policy
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from itertools import islice
from typing import Any


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail as it came."""

    number: int
    recipients: Sequence[str]
    content: bytes
    at: datetime

    def as_json(self) -> dict[str, Any]:
        """What people look for in it; times in RFC 3339."""
        message = email.message_from_bytes(self.content, policy=email.policy.default)
        assert isinstance(message, EmailMessage)  # noqa: S101 - what this policy makes
        written = message["Date"].datetime if message["Date"] else None
        return {
            "id": str(message["Message-ID"] or self.number).strip("<>").partition("@")[0],
            "to": self.recipients[0],
            "kind": str(message["X-Parterre-Kind"] or ""),
            "subject": str(message["Subject"] or ""),
            "body": _part(message, "plain"),
            "html": _part(message, "html"),
            "attachments": [part.get_filename() or "" for part in message.iter_attachments()],
            "created_at": _told(written or self.at),
            "sent_at": _told(self.at),
        }


class Store:
    """The newest mails."""

    def __init__(self, most_mails: int, most_bytes: int) -> None:
        self._most_mails = most_mails
        self._most_bytes = most_bytes
        self._mails: deque[Mail] = deque()
        self._bytes = 0
        self._numbers = 0

    def add(self, recipients: Sequence[str], content: bytes) -> None:
        """Keeps a mail; forgets the oldest where that is too much."""
        self._numbers += 1
        lowered = [recipient.lower() for recipient in recipients]
        self._mails.append(Mail(self._numbers, lowered, content, datetime.now(UTC)))
        self._bytes += len(content)
        while len(self._mails) > self._most_mails or self._bytes > self._most_bytes:
            self._bytes -= len(self._mails.popleft().content)

    def newest(self, to: str, limit: int) -> list[Mail]:
        """The newest first; to one address, or to all where that is empty."""
        return list(islice(self._to(to.lower()), limit))

    def find(self, number: int) -> Mail | None:
        """The mail of that number, while it is kept."""
        return next((mail for mail in self._mails if mail.number == number), None)

    def _to(self, to: str) -> Iterator[Mail]:
        return (mail for mail in reversed(self._mails) if not to or to in mail.recipients)


def _part(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    return str(part.get_content()).replace("\r\n", "\n") if part is not None else ""


def _told(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
