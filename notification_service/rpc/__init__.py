"""The gRPC servicer, by noun; and the services that this one asks."""

from notification_service.rpc.bookings import Bookings, RemoteBookings
from notification_service.rpc.catcher import Catcher
from notification_service.rpc.events import RemoteEvents
from notification_service.rpc.mailbox import Mailbox
from notification_service.rpc.messages import Messages
from notification_service.rpc.notices import Notices
from notification_service.rpc.servicer import SERVICE
from notification_service.rpc.unsubscribing import Unsubscribing
from notification_service.rpc.webhooks import Webhooks

__all__ = [
    "SERVICE",
    "Bookings",
    "Catcher",
    "NotificationServicer",
    "RemoteBookings",
    "RemoteEvents",
]


class NotificationServicer(Mailbox, Messages, Notices, Unsubscribing, Webhooks):
    """All of its RPCs."""
