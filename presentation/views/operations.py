"""Readiness, and the local mailbox."""

from __future__ import annotations

from parterre.notification.v1 import notification_pb2

from presentation.views.base import Email, Id, Time, View, time
from presentation.vocabulary import MailKind, word


class Mail(View):
    """A mail in the local mailbox."""

    id: Id
    """The mail's id."""
    to: Email
    """Whom it goes to."""
    kind: MailKind
    """What it is about."""
    subject: str
    """Its subject."""
    body: str
    """Its text."""
    html: str | None
    """The same as a page; null: it has none."""
    attachments: list[str]
    """The names of the files that came with it."""
    created_at: Time
    """When it was written."""
    sent_at: Time | None
    """When it was sent; null: not yet."""


class Readiness(View):
    """Whether all the gateway needs answers."""

    ready: bool
    """True: it does."""


def mail(it: notification_pb2.Mail) -> Mail:
    """A mail in the local mailbox."""
    return {
        "id": it.id,
        "to": it.to,
        "kind": word(it.kind),
        "subject": it.subject,
        "body": it.body,
        "html": it.html or None,
        "attachments": list(it.attachments),
        "created_at": time(it.created_at),
        "sent_at": time(it.sent_at) if it.HasField("sent_at") else None,
    }
