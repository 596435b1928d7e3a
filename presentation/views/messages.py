"""What organizers write to all who go, and what people want no more."""

from __future__ import annotations

from parterre.notification.v1 import notification_pb2

from presentation.views.base import Count, Id, View
from presentation.vocabulary import MailKind, word


class Message(View):
    """An organizer's own words, as they are mailed in English."""

    id: Id | None
    """The message's id; null of a preview."""
    subject: str
    """The mail's subject."""
    text: str
    """The mail, for readers of plain text."""
    html: str
    """The mail as a page."""
    bookings: Count
    """How many bookings' people it goes to, as of now."""
    messages_left: Count
    """How many more may be sent today."""


class Unsubscription(View):
    """A kind of mail that a link switches off."""

    kind: MailKind
    """Which kind."""
    tells: str
    """What such mails tell."""


def message(it: notification_pb2.MessageAttendeesResponse) -> Message:
    """An organizer's own words."""
    return {
        "id": it.message_id or None,
        "subject": it.subject,
        "text": it.text,
        "html": it.html,
        "bookings": it.bookings,
        "messages_left": it.messages_left,
    }


def unsubscription(it: notification_pb2.UnsubscribeResponse) -> Unsubscription:
    """A kind of mail that a link switches off."""
    return {"kind": word(it.kind), "tells": it.tells}
