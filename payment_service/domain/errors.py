"""What payment_service refuses."""

from __future__ import annotations

from collections.abc import Mapping


class PaymentError(Exception):
    """A refusal of payment_service."""

    kind = "INVALID"
    reason = "INVALID_PAYMENT"

    def __init__(self, detail: str, **metadata: str) -> None:
        super().__init__(detail)
        self.metadata: Mapping[str, str] = metadata


class PaymentNotFoundError(PaymentError):
    """There is no such payment, or it is somebody else's."""

    kind = "NOT_FOUND"
    reason = "PAYMENT_NOT_FOUND"


class ProviderUnavailableError(PaymentError):
    """The provider did not answer; nothing is known that was not known before."""

    kind = "UNAVAILABLE"
    reason = "PROVIDER_UNAVAILABLE"


class UnknownProviderError(PaymentError):
    """No provider goes by that name here."""

    kind = "NOT_FOUND"
    reason = "UNKNOWN_PROVIDER"


class InvalidSignatureError(PaymentError):
    """A webhook that its provider did not sign."""

    kind = "UNAUTHENTICATED"
    reason = "INVALID_SIGNATURE"


class StaleWebhookError(PaymentError):
    """A webhook that was signed too long ago, or ahead of time."""

    kind = "UNAUTHENTICATED"
    reason = "STALE_WEBHOOK"


class InvalidWebhookError(PaymentError):
    """A webhook with a good signature and a body that can't be read, or too long a body."""

    reason = "INVALID_WEBHOOK"


class InvalidRefundError(PaymentError):
    """A refund of nothing, or without a reason."""

    reason = "INVALID_REFUND"


class RefundTooLargeError(PaymentError):
    """More than what is left of the capture."""

    kind = "STATE"
    reason = "REFUND_TOO_LARGE"


class PaymentNotCapturedError(PaymentError):
    """There is no money to give back: none was taken, or not yet."""

    kind = "STATE"
    reason = "PAYMENT_NOT_CAPTURED"


class NothingCapturedError(Exception):
    """A refund was commanded of a payment that never took any money."""
