"""Readiness, and the local mailbox."""

from __future__ import annotations

from parterre.notification.v1 import notification_pb2
from typing_extensions import TypedDict

from presentation.views.base import time


class Mail(TypedDict):
    """A mail in the local mailbox."""

    id: str
    to: str
    kind: str
    subject: str
    body: str
    created_at: str
    sent_at: str | None


class Readiness(TypedDict):
    """Whether all the gateway needs answers."""

    ready: bool


def mail(it: notification_pb2.Mail) -> Mail:
    """A mail in the local mailbox."""
    return {
        "id": it.id,
        "to": it.to,
        "kind": it.kind,
        "subject": it.subject,
        "body": it.body,
        "created_at": time(it.created_at),
        "sent_at": time(it.sent_at) if it.HasField("sent_at") else None,
    }
