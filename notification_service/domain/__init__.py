"""People, what they are told, and how it is mailed: values and rules, by noun."""

from notification_service.domain.accounts import ApprovedOrganizer, DeviceSignIn
from notification_service.domain.announcements import (
    Announcement,
    Guest,
    MovedEvent,
    cancellation,
    drafts,
    message,
    move,
    parse_message,
    remind_at,
    reminder,
)
from notification_service.domain.bookings import EndedBooking, ReturnedMoney
from notification_service.domain.codes import Code
from notification_service.domain.errors import (
    EventNotFoundError,
    InvalidCursorError,
    InvalidMessageError,
    InvalidPreferenceError,
    InvalidUnsubscriptionError,
    MailboxClosedError,
    NoticeNotFoundError,
    NotificationError,
    TooManyMessagesError,
)
from notification_service.domain.events import Event
from notification_service.domain.kinds import APP, KINDS, MAIL, Kind, Lane
from notification_service.domain.mails import (
    Draft,
    MailsWritten,
    Outgoing,
    code_mail,
    device_mail,
    ending_mail,
    money_mail,
    organizer_mail,
    ticket_mail,
)
from notification_service.domain.notices import NoticesChanged
from notification_service.domain.people import Person
from notification_service.domain.preferences import Preference, all_preferences, parse_preferences
from notification_service.domain.unsubscribing import read_token, unsubscribe_token

__all__ = [
    "APP",
    "KINDS",
    "MAIL",
    "Announcement",
    "ApprovedOrganizer",
    "Code",
    "DeviceSignIn",
    "Draft",
    "EndedBooking",
    "Event",
    "EventNotFoundError",
    "Guest",
    "InvalidCursorError",
    "InvalidMessageError",
    "InvalidPreferenceError",
    "InvalidUnsubscriptionError",
    "Kind",
    "Lane",
    "MailboxClosedError",
    "MailsWritten",
    "MovedEvent",
    "NoticeNotFoundError",
    "NoticesChanged",
    "NotificationError",
    "Outgoing",
    "Person",
    "Preference",
    "ReturnedMoney",
    "TooManyMessagesError",
    "all_preferences",
    "cancellation",
    "code_mail",
    "device_mail",
    "drafts",
    "ending_mail",
    "message",
    "money_mail",
    "move",
    "organizer_mail",
    "parse_message",
    "parse_preferences",
    "read_token",
    "remind_at",
    "reminder",
    "ticket_mail",
    "unsubscribe_token",
]
