"""News in the app, and what people want to be told."""

from __future__ import annotations

from parterre.notification.v1 import notification_pb2

from presentation.views.base import BookingReference, Count, Id, Time, View, page, time
from presentation.vocabulary import Channel, MailKind, word


class Notice(View):
    """News that a person is shown."""

    id: Id
    """The notice's id."""
    kind: MailKind
    """What it tells of; mails of this kind tell the same."""
    title: str
    """A line, in the person's language."""
    text: str
    """A sentence or two, in the person's language; an organizer's own words may be longer."""
    booking_reference: BookingReference | None
    """The booking it is about; null: none."""
    event_id: Id | None
    """The event it is about; null: none, or the booking's."""
    created_at: Time
    """When it was told."""
    read_at: Time | None
    """When it was first marked as read; null: not yet."""


class Notices(View):
    """A page of one's own notices, newest first."""

    items: list[Notice]
    """What is on this page."""
    next_cursor: str | None
    """Give it as `cursor` to get the next page; null on the last one."""
    unread: Count
    """How many are not read, on all pages; counted up to 1000."""


class Preference(View):
    """Whether a kind of news is told by a channel."""

    kind: MailKind
    """Which kind of news."""
    tells: str
    """What it tells, in words."""
    channel: Channel
    """By which channel."""
    wanted: bool
    """True: it is told."""
    essential: bool
    """True: it is told in any case, and can't be switched off."""


class Preferences(View):
    """What a person wants to be told."""

    items: list[Preference]
    """Each kind of news, by each channel that there is for it."""


def notice(it: notification_pb2.Notice) -> Notice:
    """News that a person is shown."""
    return {
        "id": it.id,
        "kind": word(it.kind),
        "title": it.title,
        "text": it.text,
        "booking_reference": it.booking_reference or None,
        "event_id": it.event_id or None,
        "created_at": time(it.created_at),
        "read_at": time(it.read_at) if it.HasField("read_at") else None,
    }


def notices(it: notification_pb2.ListNoticesResponse) -> Notices:
    """A page of a person's notices."""
    return {**page(map(notice, it.notices), it.next_cursor), "unread": it.unread}


def preferences(
    it: notification_pb2.GetPreferencesResponse | notification_pb2.SetPreferencesResponse,
) -> Preferences:
    """What a person wants to be told."""
    return {
        "items": [
            {
                "kind": word(each.kind),
                "tells": each.tells,
                "channel": word(each.channel),
                "wanted": each.wanted,
                "essential": each.essential,
            }
            for each in it.preferences
        ]
    }
