"""Refusals of notification_service."""

from __future__ import annotations

from collections.abc import Mapping


class NotificationError(Exception):
    """A refusal of notification_service."""

    kind = "INVALID"
    reason = "INVALID_NOTIFICATION"

    def __init__(self, detail: str, **metadata: str) -> None:
        super().__init__(detail)
        self.metadata: Mapping[str, str] = metadata


class MailboxClosedError(NotificationError):
    """The mailbox is read in the local profile only."""

    kind = "NOT_FOUND"
    reason = "MAILBOX_CLOSED"


class EventNotFoundError(NotificationError):
    """There is no such event, or it is not the caller's."""

    kind = "NOT_FOUND"
    reason = "EVENT_NOT_FOUND"


class InvalidMessageError(NotificationError):
    """The words for those who go can't be sent."""

    reason = "INVALID_MESSAGE"


class TooManyMessagesError(NotificationError):
    """Those who go have been written to often enough for a day."""

    kind = "THROTTLED"
    reason = "TOO_MANY_MESSAGES"


class InvalidUnsubscriptionError(NotificationError):
    """The link is none of ours, or not whole."""

    reason = "INVALID_UNSUBSCRIPTION"


class NoticeNotFoundError(NotificationError):
    """There is no such notice, or it is another's."""

    kind = "NOT_FOUND"
    reason = "NOTICE_NOT_FOUND"


class InvalidCursorError(NotificationError):
    """The cursor is none of ours."""

    reason = "INVALID_CURSOR"


class InvalidPreferenceError(NotificationError):
    """These wishes can't be kept."""

    reason = "INVALID_PREFERENCE"


class InvalidFilterError(NotificationError):
    """A list can't be asked for so."""

    reason = "INVALID_FILTER"


class InvalidWebhookEndpointError(NotificationError):
    """Nothing can be sent to an endpoint like this."""

    reason = "INVALID_WEBHOOK_ENDPOINT"


class WebhookEndpointNotFoundError(NotificationError):
    """There is no such endpoint, or it is not the caller's."""

    kind = "NOT_FOUND"
    reason = "WEBHOOK_ENDPOINT_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("There is no such webhook endpoint.")


class WebhookDeliveryNotFoundError(NotificationError):
    """There is no such delivery to the endpoint, or it is forgotten."""

    kind = "NOT_FOUND"
    reason = "WEBHOOK_DELIVERY_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("There is no such webhook delivery.")


class TooManyWebhookEndpointsError(NotificationError):
    """The organizer has as many endpoints as they may."""

    kind = "STATE"
    reason = "TOO_MANY_WEBHOOK_ENDPOINTS"


class WebhookEndpointDisabledError(NotificationError):
    """Nothing is sent to the endpoint until it is enabled again."""

    kind = "STATE"
    reason = "WEBHOOK_ENDPOINT_DISABLED"


class WebhookSecretNotShownError(NotificationError):
    """What the first answer said can't be read any more."""

    kind = "STATE"
    reason = "WEBHOOK_SECRET_NOT_SHOWN"


class TooManyWebhookTestsError(NotificationError):
    """The endpoint was tested often enough for an hour."""

    kind = "THROTTLED"
    reason = "TOO_MANY_WEBHOOK_TESTS"
