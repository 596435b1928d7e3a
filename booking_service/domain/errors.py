"""Refusals, each with a kind, a reason that never changes, and metadata."""

from __future__ import annotations

from collections.abc import Mapping


class BookingError(Exception):
    """A refusal of booking_service."""

    kind = "STATE"
    reason = "BOOKING_STATE"

    def __init__(self, detail: str, **metadata: str) -> None:
        super().__init__(detail)
        self.metadata: Mapping[str, str] = metadata


class BookingNotFoundError(BookingError):
    """There is none, or it is not the caller's to see."""

    kind = "NOT_FOUND"
    reason = "BOOKING_NOT_FOUND"


class TicketNotFoundError(BookingError):
    """There is none, or it is not the caller's."""

    kind = "NOT_FOUND"
    reason = "TICKET_NOT_FOUND"


class HoldNotFoundError(BookingError):
    """There is none, or it is not the caller's."""

    kind = "NOT_FOUND"
    reason = "HOLD_NOT_FOUND"


class HoldExpiredError(BookingError):
    """Its time ran out."""

    reason = "HOLD_EXPIRED"


class HoldNotActiveError(BookingError):
    """It was released."""

    reason = "HOLD_NOT_ACTIVE"


class HoldAlreadyBookedError(BookingError):
    """Another booking has been made of it."""

    reason = "HOLD_ALREADY_BOOKED"


class CouponUnknownError(BookingError):
    """The event has no such coupon."""

    kind = "INVALID"
    reason = "COUPON_UNKNOWN"


class CouponNotValidError(BookingError):
    """It is switched off, not valid yet, or not any more."""

    kind = "INVALID"
    reason = "COUPON_NOT_VALID"


class CouponMinimumError(BookingError):
    """The prices do not reach its minimum."""

    kind = "INVALID"
    reason = "COUPON_MINIMUM"


class CouponUsedUpError(BookingError):
    """It has been used as often as it may be, by all or by this customer."""

    reason = "COUPON_USED_UP"


class CouponExistsError(BookingError):
    """The event has one of this code."""

    reason = "COUPON_EXISTS"


class CouponNotFoundError(BookingError):
    """The event has none of this code."""

    kind = "NOT_FOUND"
    reason = "COUPON_NOT_FOUND"


class InvalidCouponError(BookingError):
    """A coupon that can't be."""

    kind = "INVALID"
    reason = "INVALID_COUPON"


class EventNotFoundError(BookingError):
    """There is none on sale, or it is not the caller's."""

    kind = "NOT_FOUND"
    reason = "EVENT_NOT_FOUND"


class ForbiddenError(BookingError):
    """For admins only."""

    kind = "FORBIDDEN"
    reason = "FORBIDDEN"


class AmountTooLargeError(BookingError):
    """All of it together costs more than can be paid at once."""

    kind = "INVALID"
    reason = "AMOUNT_TOO_LARGE"


class InvalidPaymentMethodError(BookingError):
    """The method is unknown, or its token is missing or out of place."""

    kind = "INVALID"
    reason = "INVALID_PAYMENT_METHOD"


class InvalidAttendeesError(BookingError):
    """Too many, twice the same seat, or a bad name."""

    kind = "INVALID"
    reason = "INVALID_ATTENDEES"


class InvalidCancellationError(BookingError):
    """The reason given is too long."""

    kind = "INVALID"
    reason = "INVALID_CANCELLATION"


class InvalidCursorError(BookingError):
    """Not a cursor that was given out."""

    kind = "INVALID"
    reason = "INVALID_CURSOR"


class InvalidFilterError(BookingError):
    """Not a status, an id, or a page size."""

    kind = "INVALID"
    reason = "INVALID_FILTER"


class InvalidBatchError(BookingError):
    """Too many bookings in one call, or none."""

    kind = "INVALID"
    reason = "VALIDATION_FAILED"


class InvalidTicketError(BookingError):
    """Not a ticket of ours, or not one any more readable as it was made."""

    kind = "INVALID"
    reason = "INVALID_TICKET"


class EventNotReadyError(BookingError):
    """The event was published so lately that it is not known here yet."""

    kind = "UNAVAILABLE"
    reason = "EVENT_NOT_READY"


class ProviderUnavailableError(BookingError):
    """The payment provider does not answer, so that a new payment would only wait."""

    kind = "UNAVAILABLE"
    reason = "PROVIDER_UNAVAILABLE"


class EventNotOnSaleError(BookingError):
    """Inventory has closed the event, or not opened it."""

    reason = "EVENT_NOT_ON_SALE"


class HoldBusyError(BookingError):
    """Another booking of the hold was refused a moment ago; the hold is about to be free again."""

    kind = "UNAVAILABLE"
    reason = "HOLD_BUSY"


class EventIsCancelledError(BookingError):
    """The event was called off."""

    reason = "EVENT_IS_CANCELLED"


class TicketAdmittedError(BookingError):
    """Somebody went in with a ticket of the booking."""

    reason = "TICKET_ADMITTED"


class CancellationClosedError(BookingError):
    """Too late to cancel by the event's policy."""

    reason = "CANCELLATION_CLOSED"


class BookingStateError(BookingError):
    """The booking is past that, or not there yet."""


class BookingBusyError(BookingError):
    """It is being confirmed this very moment."""

    reason = "BOOKING_BUSY"


class PaymentInProgressError(BookingError):
    """The last attempt has not ended."""

    reason = "PAYMENT_IN_PROGRESS"


class UnknownBookingError(Exception):
    """A message speaks of a booking that is not there; it is tried again, then set aside."""


REFUSALS: Mapping[str, BookingError] = {
    "BOOKING_BUSY": BookingBusyError(
        "It is being confirmed; a moment later it can be cancelled.", retry_after="1"
    ),
    "PAYMENT_IN_PROGRESS": PaymentInProgressError("The last attempt has not ended yet."),
}
