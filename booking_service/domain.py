"""Bookings: what they are made of, what they cost, what is said to others, and the refusals."""

from __future__ import annotations

import dataclasses
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

MAX_WAIT_SECONDS = 20
MAX_PAGE = 100
# The most that a booking costs, minor units: as much as a price may be, and as payment takes.
MAX_AMOUNT = 10**12
_TOKEN_LENGTH = 200
_NAME_LENGTH = 100
_EMAIL_LENGTH = 254
_REASON_LENGTH = 500
_GATE_LENGTH = 50
_COUPON_CODE = re.compile(r"[A-Z0-9-]{3,40}", re.ASCII)
_MOST_USES = 1_000_000
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


# --- what bookings are made of ---------------------------------------------------------------


class Method(StrEnum):
    """How a booking is paid."""

    CARD = "CARD"
    KHALTI = "KHALTI"
    ESEWA = "ESEWA"


@dataclass(frozen=True, slots=True)
class Instrument:
    """A method, with the single-use token a card has; no method where there is nothing to pay."""

    method: Method | None
    token: str = dataclasses.field(repr=False)


NO_INSTRUMENT = Instrument(None, "")


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
    ends_at: datetime | None = None  # None: published before this was told
    # Its last change of time or place: when that was, which version of the event it made (0: there
    # was none), and until when whoever had booked before may cancel in full.
    moved_at: datetime | None = None
    moved_version: int = 0
    cancel_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Fees:
    """What is added for the house: a share of what the tickets cost, and so much for each."""

    basis_points: int = 0  # 250 are 2.5 %
    per_ticket: int = 0  # minor units


@dataclass(frozen=True, slots=True)
class Coupon:
    """A coupon of an event; None is no limit."""

    code: str
    kind: str  # PERCENT, FIXED
    value: int  # whole percent, or minor units
    min_total: int | None  # minor units
    max_discount: int | None  # minor units
    usage_limit: int | None
    per_customer_limit: int | None
    valid_from: datetime | None
    valid_to: datetime | None
    active: bool
    used: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class CouponChange:
    """What to change of a coupon; None stays, and a limit of 0 is no limit."""

    active: bool | None
    usage_limit: int | None
    per_customer_limit: int | None
    min_total: int | None
    max_discount: int | None
    valid_from: datetime | None
    valid_to: datetime | None


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
    booking_id: UUID | None = None  # that it is reserved for
    event_open: bool = True


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
    # Of the event, when the booking was made: what its buyer agreed to.
    agreed_starts_at: datetime
    agreed_version: int
    coupon_code: str = ""


@dataclass(frozen=True, slots=True)
class Cancellation:
    """What a buyer gets back by cancelling."""

    until: datetime  # to the very moment
    percent: int  # of what has not been promised to go back already
    because: str  # REFUND_POLICY, EVENT_MOVED


@dataclass(frozen=True, slots=True)
class Sale:
    """What a step adds to an event's figures on one day, for one tier or the booking as a whole."""

    event_id: UUID
    day: date  # in the event's time zone
    tier_id: str = ""  # empty: the booking as a whole
    tier: str = ""
    bookings: int = 0  # ever confirmed
    confirmed: int = 0  # in that state now, as the next three
    failed: int = 0
    expired: int = 0
    cancelled: int = 0
    tickets: int = 0  # good now
    sold: int = 0  # tickets minted
    admitted: int = 0
    amount: int = 0  # prices of the tickets that are good now, minor units
    gross: int = 0  # paid, minor units, as the next three
    refunded: int = 0
    discount: int = 0  # that coupons took off before `gross`
    tax: int = 0  # in what of `gross` was not refunded


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


def subtotal_of(lines: Sequence[Line]) -> int:
    """The sum of the lines' prices, as they were when the hold was made; minor units."""
    return sum(line.price * line.quantity for line in lines)


def price_of(
    lines: Sequence[Line],
    tax_basis_points: int,
    currency: str,
    *,
    coupon: Coupon | None = None,
    fees: Fees | None = None,
) -> Price:
    """What the lines cost: their prices, less the coupon, plus tax and fees on what is left.

    Discount, tax and the fees' share are each reckoned once, on the booking, and rounded half up
    to a whole minor unit; 1300 basis points are 13 %. The fee for each ticket is for those that
    have a price. With nothing left to pay for there is no fee: a gift costs nothing.

    Raises:
        AmountTooLargeError: that is more than `MAX_AMOUNT`.
    """
    fees = fees or Fees()
    subtotal = subtotal_of(lines)
    discount = discount_of(coupon, subtotal) if coupon else 0
    left = subtotal - discount
    tax = half_up(left * tax_basis_points, 10_000)
    fee = 0
    if left:
        priced = sum(line.quantity for line in lines if line.price)
        fee = half_up(left * fees.basis_points, 10_000) + priced * fees.per_ticket
    total = left + tax + fee
    if total > MAX_AMOUNT:
        raise AmountTooLargeError(
            f"This costs {total} in minor units, and no booking may cost more than {MAX_AMOUNT}.",
            hold_id=f"costs more than {MAX_AMOUNT} in minor units",
        )
    return Price(subtotal, discount, tax, fee, total, currency)


def tax_kept(price: Price, refunded: int) -> int:
    """The tax in what is left of a price once so much of it went back, minor units.

    The share that goes with a refund is rounded half up on all that went back so far, so that the
    shares of parts add up to the whole: with all of it back no tax is left.
    """
    return price.tax - half_up(price.tax * refunded, price.total) if price.total else price.tax


def discount_of(coupon: Coupon, subtotal: int) -> int:
    """What the coupon takes off, minor units: never more than its cap, nor than there is."""
    taken = coupon.value if coupon.kind == "FIXED" else half_up(subtotal * coupon.value, 100)
    return min(taken, subtotal, subtotal if coupon.max_discount is None else coupon.max_discount)


def check_usable(coupon: Coupon, subtotal: int, now: datetime, used_by_customer: int) -> None:
    """Says why the coupon can't be used at `now` (the database's), if so.

    Raises:
        CouponNotValidError, CouponMinimumError, CouponUsedUpError.
    """
    if not coupon.active:
        raise CouponNotValidError("The coupon is not valid.", coupon_code="was switched off")
    if coupon.valid_from is not None and now < coupon.valid_from:
        raise CouponNotValidError("The coupon is not valid yet.", coupon_code="is not valid yet")
    if coupon.valid_to is not None and now >= coupon.valid_to:
        raise CouponNotValidError("The coupon has expired.", coupon_code="has expired")
    if coupon.min_total is not None and subtotal < coupon.min_total:
        raise CouponMinimumError(
            "The coupon is for larger bookings.",
            coupon_code=f"needs prices of at least {coupon.min_total} in minor units",
        )
    if coupon.usage_limit is not None and coupon.used >= coupon.usage_limit:
        raise CouponUsedUpError("The coupon has been used up.")
    if coupon.per_customer_limit is not None and used_by_customer >= coupon.per_customer_limit:
        raise CouponUsedUpError("You have used the coupon as often as one may.")


def check_coupon(coupon: Coupon) -> Coupon:
    """A new coupon, with its code in capitals.

    Raises:
        InvalidCouponError: names the fields.
    """
    coupon = replace(coupon, code=coupon.code.upper())
    wrong: dict[str, str] = {}
    if not _COUPON_CODE.fullmatch(coupon.code):
        wrong["code"] = "must have 3-40 letters, digits and hyphens"
    if coupon.kind not in {"PERCENT", "FIXED"}:
        wrong["kind"] = "must be PERCENT or FIXED"
    most = 100 if coupon.kind == "PERCENT" else MAX_AMOUNT
    if not 1 <= coupon.value <= most:
        wrong["value"] = f"must be 1-{most}"
    for field, limit, most in (
        ("min_total", coupon.min_total, MAX_AMOUNT),
        ("max_discount", coupon.max_discount, MAX_AMOUNT),
        ("usage_limit", coupon.usage_limit, _MOST_USES),
        ("per_customer_limit", coupon.per_customer_limit, _MOST_USES),
    ):
        if limit is not None and not 1 <= limit <= most:
            wrong[field] = f"must be 1-{most}"
    if coupon.valid_from and coupon.valid_to and coupon.valid_from >= coupon.valid_to:
        wrong["valid_to"] = "must be after valid_from"
    if wrong:
        raise InvalidCouponError("This coupon can't be.", **wrong)
    return coupon


def check_coupon_change(change: CouponChange) -> None:
    """Makes sure that limits are in range; 0 takes one away.

    Raises:
        InvalidCouponError: names the fields.
    """
    wrong = {
        field: f"must be 0-{most}"
        for field, limit, most in (
            ("min_total", change.min_total, MAX_AMOUNT),
            ("max_discount", change.max_discount, MAX_AMOUNT),
            ("usage_limit", change.usage_limit, _MOST_USES),
            ("per_customer_limit", change.per_customer_limit, _MOST_USES),
        )
        if limit is not None and not 0 <= limit <= most
    }
    if wrong:
        raise InvalidCouponError("This coupon can't be.", **wrong)


def check_gate(gate: str) -> None:
    """Makes sure that a gate's name is short enough.

    Raises:
        InvalidTicketError: it has more than 50 characters.
    """
    if len(gate) > _GATE_LENGTH:
        raise InvalidTicketError(
            "The gate's name is too long.", gate=f"must have at most {_GATE_LENGTH} characters"
        )


def day_of(now: datetime, timezone: str) -> date:
    """The day it is where the event is; where the zone is not known here, the day in UTC."""
    try:
        return now.astimezone(ZoneInfo(timezone)).date()
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return now.astimezone(UTC).date()


def ticket_sales(
    event: Event, lines: Sequence[Line], day: date, sign: int, *, minted: bool
) -> Sequence[Sale]:
    """The figures of tickets that became good (`sign` 1) or are not any more (-1), by tier."""
    tiers: dict[str, Sale] = {}
    for line in lines:
        known = tiers.get(line.tier_id) or Sale(event.id, day, line.tier_id, line.tier)
        tiers[line.tier_id] = replace(
            known,
            tickets=known.tickets + sign * line.quantity,
            sold=known.sold + (line.quantity if minted else 0),
            amount=known.amount + sign * line.quantity * line.price,
        )
    return list(tiers.values())


def cancellation(booking: Booking, now: datetime) -> Cancellation | None:
    """What the buyer of a confirmed booking gets back by cancelling at `now` (the database's).

    None where it is too late. The deadline is the one that was agreed to, whenever the event starts
    by now, but never after it has. Who had booked before the event was moved may cancel in full for
    a while; where both hold, the better one counts.
    """
    event, policy = booking.event, booking.refund_policy
    agreed = booking.agreed_starts_at - timedelta(hours=policy.until_hours_before)
    ways = [Cancellation(min(agreed, event.starts_at), policy.percent, "REFUND_POLICY")]
    if booking.agreed_version < event.moved_version and event.cancel_until is not None:
        ways.append(Cancellation(event.cancel_until, 100, "EVENT_MOVED"))
    return max(
        (way for way in ways if now <= way.until),
        key=lambda way: (way.percent, way.until),
        default=None,
    )


def check_cancellable(booking: Booking, now: datetime) -> Cancellation:
    """As `cancellation`, for a buyer who cancels.

    Raises:
        CancellationClosedError: it is too late.
    """
    found = cancellation(booking, now)
    if found is None:
        hours = booking.refund_policy.until_hours_before
        raise CancellationClosedError(
            f"This could be cancelled until {hours} hours before the start."
        )
    return found


def new_reference() -> str:
    """A random reference: PT- and 8 characters of Crockford's base 32."""
    return "PT-" + "".join(secrets.choice(_CROCKFORD) for _ in range(8))


def refund_id_of(payment_id: UUID, number: int) -> UUID:
    """The id of the `number`th refund (from 1) the saga asks for, the same at every try."""
    return uuid5(payment_id, "cancellation" if number <= 1 else f"cancellation {number}")


def check_method(method: str, *, method_field: str) -> Method | None:
    """The method, if one is named; `method_field` is what the caller calls it.

    Raises:
        InvalidPaymentMethodError: there is no such method.
    """
    if method and method not in Method.__members__:
        raise InvalidPaymentMethodError(
            "There is no such payment method.",
            **{method_field: f"must be one of {', '.join(Method)}"},
        )
    return Method(method) if method else None


def check_instrument(method: str, token: str, *, method_field: str) -> Instrument:
    """A method with its token, to pay by; `method_field` is what the caller calls the method.

    Raises:
        InvalidPaymentMethodError: no such method; a card without a token, a wallet with one.
    """
    named = check_method(method, method_field=method_field)
    if named is None:
        raise InvalidPaymentMethodError(
            "There is something to pay, so say how.",
            **{method_field: f"must be one of {', '.join(Method)}"},
        )
    if named is Method.CARD and not 1 <= len(token) <= _TOKEN_LENGTH:
        raise InvalidPaymentMethodError(
            "A card needs its token.", payment_token=f"must have 1-{_TOKEN_LENGTH} characters"
        )
    if named is not Method.CARD and token:
        raise InvalidPaymentMethodError(
            "A wallet has no token.", payment_token=f"must be absent with {named}"
        )
    return Instrument(named, token)


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
    """Makes sure that a quote can be given for the hold.

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


def check_reserved(hold: Hold, customer_id: UUID) -> UUID:
    """Makes sure that the hold was reserved for a booking; gives the booking's id.

    Whether that booking exists already, its own key says.

    Raises:
        HoldNotFoundError, HoldExpiredError, HoldNotActiveError, EventNotOnSaleError.
    """
    if hold.booking_id is not None and hold.customer_id == customer_id:
        return hold.booking_id
    if hold.status == "ACTIVE" and not hold.event_open:
        raise EventNotOnSaleError("This event is not on sale.")
    if hold.status == "ACTIVE":
        raise HoldExpiredError("The hold has expired.")
    check_bookable(hold, customer_id)
    raise AssertionError("unreachable: what is not active is refused")


def is_over(event: Event, now: datetime) -> bool:
    """Whether the event has ended at `now`, or has begun where its end is not known."""
    return now >= (event.ends_at or event.starts_at)


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
class Reservation:
    """A hold that is reserved for a booking; to inventory: whether that booking exists."""

    booking_id: UUID
    event_id: UUID
    hold_id: UUID
    exists: bool = False


@dataclass(frozen=True, slots=True)
class BookingEnded:
    """To whom it concerns: it came to an end."""

    booking: Booking
    status: str
    reason: str
    amount: int  # paid, or given back; minor units
    lines: Sequence[Line]
    version: int  # the saga's: an older ending never overwrites a newer one
