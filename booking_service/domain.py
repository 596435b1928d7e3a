"""Bookings: what they are made of, what they cost, what is said to others, and the refusals."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID, uuid5

MAX_WAIT_SECONDS = 20
MAX_PAGE = 100
_TOKEN_LENGTH = 200
_NAME_LENGTH = 100
_EMAIL_LENGTH = 254
_REASON_LENGTH = 500
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


# --- refusals --------------------------------------------------------------------------------


class BookingError(Exception):
    """A refusal of booking_service."""

    kind = "CONFLICT"
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
    """No such coupon."""

    kind = "INVALID"
    reason = "COUPON_UNKNOWN"


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


class InvalidTicketError(BookingError):
    """Not a ticket of ours, or not one any more readable as it was made."""

    kind = "INVALID"
    reason = "INVALID_TICKET"


class EventNotReadyError(BookingError):
    """The event was published so lately that it is not known here yet."""

    kind = "UNAVAILABLE"
    reason = "EVENT_NOT_READY"


class EventIsCancelledError(BookingError):
    """The event was called off."""

    reason = "EVENT_IS_CANCELLED"


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


# --- what bookings are made of ---------------------------------------------------------------


class Method(StrEnum):
    """How a booking is paid."""

    CARD = "CARD"
    KHALTI = "KHALTI"
    ESEWA = "ESEWA"


@dataclass(frozen=True, slots=True)
class Instrument:
    """A method, with the single-use token a card has."""

    method: Method
    token: str


@dataclass(frozen=True, slots=True)
class Line:
    """A numbered seat, or a count of standing tickets."""

    seat_id: str  # empty for standing tickets
    section_id: str
    section: str
    row: str
    number: str
    tier_id: str
    tier: str
    quantity: int
    price: int  # of one, minor units


@dataclass(frozen=True, slots=True)
class Attendee:
    """Who will use a ticket."""

    seat_id: str  # empty: any of the counted tickets
    name: str
    email: str


@dataclass(frozen=True, slots=True)
class Price:
    """What a booking costs, in minor units of one currency."""

    subtotal: int
    discount: int
    tax: int
    fees: int
    total: int
    currency: str


@dataclass(frozen=True, slots=True)
class RefundPolicy:
    """What goes back to a customer who cancels, and until when."""

    until_hours_before: int
    percent: int


@dataclass(frozen=True, slots=True)
class Event:
    """An event as bookings know it."""

    id: UUID
    organizer_id: UUID
    title: str
    place: str
    starts_at: datetime
    timezone: str
    currency: str
    tax_basis_points: int
    refund_policy: RefundPolicy
    version: int


@dataclass(frozen=True, slots=True)
class Hold:
    """A hold as inventory shows it to its holder."""

    id: UUID
    event_id: UUID
    customer_id: UUID
    status: str  # ACTIVE, BOOKED, RELEASED, EXPIRED; by inventory's clock
    version: int
    currency: str
    lines: Sequence[Line]


@dataclass(frozen=True, slots=True)
class Booking:
    """What does not change about a booking, with what its messages need of its event."""

    id: UUID
    reference: str
    customer_id: UUID
    hold_id: UUID
    hold_version: int
    payment_id: UUID
    price: Price
    refund_policy: RefundPolicy
    event: Event
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket."""

    id: UUID
    line_no: int
    seat_id: str  # empty: standing
    attendee_name: str


# --- rules -----------------------------------------------------------------------------------


def half_up(numerator: int, denominator: int) -> int:
    """The quotient of two whole numbers, not negative, rounded half up: the one rounding there is.

    Every amount is a whole number of minor units; nothing is ever a fraction in between.
    """
    return (2 * numerator + denominator) // (2 * denominator)


def price_of(lines: Sequence[Line], tax_basis_points: int, currency: str) -> Price:
    """What the lines cost. Tax is reckoned once, on the booking; 1300 basis points are 13 %."""
    subtotal = sum(line.price * line.quantity for line in lines)
    discount = fees = 0
    tax = half_up((subtotal - discount) * tax_basis_points, 10_000)
    return Price(subtotal, discount, tax, fees, subtotal - discount + tax + fees, currency)


def refund_of(total: int, policy: RefundPolicy, starts_at: datetime, now: datetime) -> int:
    """What goes back to a customer who cancels at `now` (the database's), minor units.

    Raises:
        CancellationClosedError: it is too late.
    """
    if now > starts_at - timedelta(hours=policy.until_hours_before):
        raise CancellationClosedError(
            f"Bookings can be cancelled until {policy.until_hours_before} hours before the start."
        )
    return half_up(total * policy.percent, 100)


def new_reference() -> str:
    """A random reference: PT- and 8 characters of Crockford's base 32."""
    return "PT-" + "".join(secrets.choice(_CROCKFORD) for _ in range(8))


def refund_id_of(payment_id: UUID) -> UUID:
    """The id of the one refund a booking's cancellation makes, the same at every try."""
    return uuid5(payment_id, "cancellation")


def check_instrument(method: str, token: str, *, method_field: str) -> Instrument:
    """A method with its token; `method_field` is what the caller calls the method.

    Raises:
        InvalidPaymentMethodError: no such method; a card without a token, a wallet with one.
    """
    if method not in Method.__members__:
        raise InvalidPaymentMethodError(
            "There is no such payment method.",
            **{method_field: f"must be one of {', '.join(Method)}"},
        )
    if method == Method.CARD and not 1 <= len(token) <= _TOKEN_LENGTH:
        raise InvalidPaymentMethodError(
            "A card needs its token.", payment_token=f"must have 1-{_TOKEN_LENGTH} characters"
        )
    if method != Method.CARD and token:
        raise InvalidPaymentMethodError(
            "A wallet has no token.", payment_token=f"must be absent with {method}"
        )
    return Instrument(Method(method), token)


def check_attendees(attendees: Sequence[Attendee], lines: Sequence[Line]) -> None:
    """Holds the attendees against the lines.

    Raises:
        InvalidAttendeesError: names the fields.
    """
    seats = {line.seat_id for line in lines if line.seat_id}
    standing = sum(line.quantity for line in lines if not line.seat_id)
    wrong: dict[str, str] = {}
    for number, attendee in enumerate(attendees):
        if not 1 <= len(attendee.name.strip()) <= _NAME_LENGTH:
            wrong[f"attendees.{number}.name"] = f"must have 1-{_NAME_LENGTH} characters"
        if len(attendee.email) > _EMAIL_LENGTH:
            wrong[f"attendees.{number}.email"] = f"must have at most {_EMAIL_LENGTH} characters"
        if attendee.seat_id:
            if attendee.seat_id not in seats:
                wrong[f"attendees.{number}.seat_id"] = "must be a seat of the hold, named once"
            seats.discard(attendee.seat_id)
        else:
            standing -= 1
            if standing < 0:
                wrong[f"attendees.{number}.seat_id"] = "is needed: there is no standing ticket left"
    if wrong:
        raise InvalidAttendeesError("The attendees do not fit the hold.", **wrong)


def check_bookable(hold: Hold, customer_id: UUID) -> None:
    """Makes sure that a booking can be made of the hold.

    Raises:
        HoldNotFoundError, HoldExpiredError, HoldAlreadyBookedError, HoldNotActiveError.
    """
    if hold.customer_id != customer_id:
        raise HoldNotFoundError("There is no such hold.")
    if hold.status == "EXPIRED":
        raise HoldExpiredError("The hold has expired.")
    if hold.status == "BOOKED":
        raise HoldAlreadyBookedError("A booking has been made of this hold already.")
    if hold.status != "ACTIVE":
        raise HoldNotActiveError("The hold was released.")


def check_cancellation(reason: str) -> None:
    """Makes sure that the reason given for a cancellation is short enough.

    Raises:
        InvalidCancellationError: it has more than 500 characters.
    """
    if len(reason) > _REASON_LENGTH:
        raise InvalidCancellationError(
            "The reason is too long.", reason=f"must have at most {_REASON_LENGTH} characters"
        )


def tickets_to_mint(
    lines: Sequence[Line], attendees: Sequence[Attendee], ids: Sequence[UUID]
) -> Sequence[Ticket]:
    """One ticket for each seat and each counted place; `ids` has as many."""
    seated = {attendee.seat_id: attendee.name for attendee in attendees if attendee.seat_id}
    standing = [attendee.name for attendee in attendees if not attendee.seat_id]
    tickets = []
    fresh = iter(ids)
    for number, line in enumerate(lines):
        for _ in range(line.quantity):
            if line.seat_id:
                name = seated.get(line.seat_id, "")
            else:
                name = standing.pop(0) if standing else ""
            tickets.append(Ticket(next(fresh), number, line.seat_id, name))
    return tickets


# --- what is said to others ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ReserveSeats:
    """To inventory: keep the hold's seats until the payment deadline."""

    booking: Booking
    step: int  # the saga's, as in the commands below
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class MoveSeats:
    """To inventory: sell, unsell, release, restock or reclaim the hold's seats."""

    booking: Booking
    step: int
    verb: str  # SELL, UNSELL, RELEASE, RESTOCK, RECLAIM


@dataclass(frozen=True, slots=True)
class AuthorizePayment:
    """To payment: begin an attempt."""

    booking: Booking
    step: int
    attempt: int
    instrument: Instrument


@dataclass(frozen=True, slots=True)
class CapturePayment:
    """To payment: take the money."""

    booking: Booking
    step: int


@dataclass(frozen=True, slots=True)
class VoidPayment:
    """To payment: undo whatever was or will be authorized."""

    booking: Booking
    step: int


@dataclass(frozen=True, slots=True)
class RefundPayment:
    """To payment: give money back."""

    booking: Booking
    step: int
    amount: int  # minor units
    reason: str


@dataclass(frozen=True, slots=True)
class BookingEnded:
    """To whom it concerns: it came to an end."""

    booking: Booking
    status: str
    reason: str
    amount: int  # paid, or given back; minor units
    lines: Sequence[Line]
