"""Bookings: who buys what, how it is paid, and until when it can be taken back."""

from __future__ import annotations

import dataclasses
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID, uuid5

from booking_service.domain.errors import (
    CancellationClosedError,
    InvalidAttendeesError,
    InvalidCancellationError,
    InvalidPaymentMethodError,
)
from booking_service.domain.events import Event, RefundPolicy
from booking_service.domain.holds import Line
from booking_service.domain.money import Price
from chassis.text import base32, flaw_in_line

MAX_WAIT_SECONDS = 20
MAX_PAGE = 100
TOKEN_LENGTH = 200
NAME_LENGTH = 100
EMAIL_LENGTH = 254
REASON_LENGTH = 500
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_REFERENCE = re.compile(f"(?:PT)?([{_CROCKFORD}]{{8}})")


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
class Attendee:
    """Who will use a ticket."""

    seat_id: str  # empty: any of the counted tickets
    name: str
    email: str


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


def reference_of(text: str) -> str:
    """The reference that somebody means, in whatever case and with whatever hyphens; "": none.

    O is read as 0, I and L as 1 (Crockford's base 32), and PT- may be missing.
    """
    found = _REFERENCE.fullmatch(base32(text))
    return f"PT-{found[1]}" if found else ""


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
    if named is Method.CARD and not 1 <= len(token) <= TOKEN_LENGTH:
        raise InvalidPaymentMethodError(
            "A card needs its token.", payment_token=f"must have 1-{TOKEN_LENGTH} characters"
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
        if not 1 <= len(attendee.name) <= NAME_LENGTH:
            wrong[f"attendees.{number}.name"] = f"must have 1-{NAME_LENGTH} characters"
        elif flaw := flaw_in_line(attendee.name):
            wrong[f"attendees.{number}.name"] = flaw
        if len(attendee.email) > EMAIL_LENGTH:
            wrong[f"attendees.{number}.email"] = f"must have at most {EMAIL_LENGTH} characters"
        elif flaw := flaw_in_line(attendee.email):
            wrong[f"attendees.{number}.email"] = flaw
        if attendee.seat_id:
            if attendee.seat_id not in seats:
                wrong[f"attendees.{number}.seat_id"] = "must be a seat of the hold, named once"
            seats.discard(attendee.seat_id)
        else:
            standing -= 1
            if standing < 0:
                wrong[f"attendees.{number}.seat_id"] = (
                    "must be given: there is no standing ticket left"
                )
    if wrong:
        raise InvalidAttendeesError("The attendees do not fit the hold.", **wrong)


def check_cancellation(reason: str) -> None:
    """Makes sure that the reason given for a cancellation is sound.

    Raises:
        InvalidCancellationError: it has more than 500 characters, or what text must not have.
    """
    if len(reason) > REASON_LENGTH:
        raise InvalidCancellationError(
            "The reason is too long.", reason=f"must have at most {REASON_LENGTH} characters"
        )
    if flaw := flaw_in_line(reason):
        raise InvalidCancellationError("The reason can't be kept.", reason=flaw)


@dataclass(frozen=True, slots=True)
class BookingEnded:
    """To whom it concerns: it came to an end."""

    booking: Booking
    status: str
    reason: str
    amount: int  # paid, or given back; minor units
    lines: Sequence[Line]
    version: int  # the saga's: an older ending never overwrites a newer one
    reason_text: str = ""  # of whoever cancelled it, in their words
