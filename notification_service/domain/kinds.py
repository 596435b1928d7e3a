"""The kinds of news: what each tells, by which channels, and whether it can be switched off."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum


class Lane(IntEnum):
    """How urgent a mail is. Each lane has senders of its own, so that none waits for another's."""

    URGENT = 0  # somebody sits before a screen and waits for it
    USUAL = 1
    MANY = 2  # one of thousands: paced


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of news. A mail tells it; people with an account are shown it in the app, too."""

    name: str
    fact: str  # the message that it follows from
    tells: str
    lane: Lane
    is_essential: bool = True  # its mail can't be switched off
    in_app: bool = True


_ALL = (
    Kind("code", "DeliverCode", "a one-time code was asked for", Lane.URGENT, in_app=False),
    Kind("new_device", "NewDeviceSignedIn", "a log-in from a new device", Lane.URGENT),
    Kind("booking_confirmed", "BookingEnded", "a booking is confirmed", Lane.USUAL),
    # For addresses: who has an account and a ticket sees it with the booking.
    Kind("ticket", "BookingEnded", "a ticket in an attendee's name", Lane.USUAL, in_app=False),
    Kind("booking_failed", "BookingEnded", "a booking did not go through", Lane.USUAL),
    Kind(
        "booking_expired",
        "BookingEnded",
        "a booking was not paid in time",
        Lane.USUAL,
        is_essential=False,
    ),
    Kind("booking_cancelled", "BookingEnded", "a booking is cancelled", Lane.USUAL),
    Kind("money_returned", "MoneyReturned", "money went back, all or a part", Lane.USUAL),
    Kind("paid_late", "MoneyReturned", "a payment came too late, and went back", Lane.USUAL),
    Kind("event_changed", "EventMoved", "an event's time or place changed", Lane.MANY),
    Kind("event_cancelled", "EventCancelled", "an event is cancelled", Lane.MANY),
    Kind(
        "event_tomorrow",
        "EventPublished",
        "an event is on the next day",
        Lane.MANY,
        is_essential=False,
    ),
    Kind(
        "organizer_message",
        "SendMessage",
        "an organizer's own words",
        Lane.MANY,
        is_essential=False,
    ),
    Kind("organizer_approved", "OrganizerApproved", "somebody may sell now", Lane.USUAL),
    Kind("webhook_disabled", "-", "nothing is sent to a webhook endpoint any more", Lane.USUAL),
)
KINDS: Mapping[str, Kind] = {kind.name: kind for kind in _ALL}

# By which channels people are told.
MAIL, APP = "MAIL", "APP"
CHANNELS = (MAIL, APP)
