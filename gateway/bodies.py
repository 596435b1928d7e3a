"""What clients send: every field bounded, unknown fields refused, nothing coerced.

Numbers are numbers and quantities whole; text has no control characters (a NUL would not even
reach the database). What the services alone can know, they check themselves.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal

from email_validator import EmailNotValidError, validate_email
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from chassis.ids import parse_uuid

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_CONTROL_BUT_LINES = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_RFC3339 = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE
)
_MAX_SEATS_IN_ROW = 500
# Error types that `app` knows: an id in a path that can't be one is an object that is not there.
UNKNOWN_OBJECT = "unknown_object"


def _plain(text: str) -> str:
    if _CONTROL.search(text):
        raise PydanticCustomError("control_character", "Must not contain control characters")
    return text


def _lines(text: str) -> str:
    if _CONTROL_BUT_LINES.search(text.replace("\r\n", "\n")):
        raise PydanticCustomError("control_character", "Must not contain control characters")
    return text


def _time(value: Any) -> datetime:
    if isinstance(value, str) and _RFC3339.fullmatch(value):
        try:
            time = datetime.fromisoformat(value.upper()).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
        else:
            if 2000 <= time.year < 2200:
                return time
    raise PydanticCustomError(
        "time", "Must be an RFC 3339 time with its offset, such as 2026-11-20T10:00:00Z"
    )


def _email(value: str) -> str:
    try:
        parsed = validate_email(
            value, allow_smtputf8=False, check_deliverability=False, test_environment=True
        )
    except EmailNotValidError:
        raise PydanticCustomError("email", "Must be an e-mail address") from None
    return (parsed.ascii_email or parsed.normalized).lower()


def _id(value: str) -> str:
    parsed = parse_uuid(value)
    if parsed is None:
        raise PydanticCustomError("id", "Must be an id")
    return str(parsed)


def _percent(value: Any) -> Decimal:
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            percent = Decimal(str(value))
            if 0 <= percent <= 100 and percent == round(percent, 2):
                return percent
        except InvalidOperation:
            pass
    raise PydanticCustomError("percent", "Must be 0 to 100, with at most two decimals")


def _seat_numbers(value: Any) -> int | list[str]:
    """A row's places as printed: a whole number of them, or each by name, empty where a gap is."""
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _MAX_SEATS_IN_ROW:
        return value
    if (
        isinstance(value, list)
        and 1 <= len(value) <= _MAX_SEATS_IN_ROW
        and all(
            isinstance(number, str) and len(number) <= 10 and not _CONTROL.search(number)
            for number in value
        )
    ):
        return value
    raise PydanticCustomError(
        "seats",
        "Must be a number from 1 to 500, or a list of 1 to 500 texts of up to 10 characters",
    )


def _absent() -> Any:
    """Stands for what a change does not say; what it says is in `model_fields_set`."""
    return None


def _reason_not_found(reason: str, pattern: re.Pattern[str]) -> Any:
    def check(value: str) -> str:
        if not pattern.fullmatch(value):
            raise PydanticCustomError(UNKNOWN_OBJECT, "No such thing", {"reason": reason})
        return value

    return AfterValidator(check)


_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)
_REFERENCE = re.compile(r"PT-[0-9A-HJKMNP-TV-Z]{8}", re.ASCII)
_COUPON = re.compile(r"[A-Za-z0-9-]{3,40}", re.ASCII)
_PROVIDER = re.compile(r"[a-z][a-z0-9_-]{0,31}", re.ASCII)

Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    AfterValidator(_plain),
]
Short = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=100),
    AfterValidator(_plain),
]
Words = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=500),
    AfterValidator(_lines),
]
ReviewText = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=2000), AfterValidator(_lines)
]
Prose = Annotated[str, StringConstraints(max_length=10_000), AfterValidator(_lines)]
Email = Annotated[
    str,
    StringConstraints(min_length=3, max_length=254),
    AfterValidator(_email),
    WithJsonSchema({"type": "string", "format": "email", "maxLength": 254}),
]
# What a time looks like; the same bounds as everywhere: a year from 2000 to 2199.
Time = Annotated[
    datetime, BeforeValidator(_time), WithJsonSchema({"type": "string", "format": "date-time"})
]
Id = Annotated[
    str,
    StringConstraints(max_length=36),
    AfterValidator(_id),
    WithJsonSchema({"type": "string", "format": "uuid"}),
]
SeatId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")]
Country = Annotated[
    str, StringConstraints(pattern=r"^[A-Z]{2}$"), Field(description="ISO 3166-1 alpha-2")
]
Phone = Annotated[
    str, StringConstraints(pattern=r"^\+[1-9][0-9]{6,14}$"), Field(description="E.164")
]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$"), Field(description="ISO 4217")]
Zone = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9_+/-]{1,64}$"),
    Field(description="IANA time zone", examples=["Asia/Kathmandu"]),
]
Category = Annotated[str, StringConstraints(pattern=r"^[A-Z_]{1,40}$")]
NewPassword = Annotated[str, StringConstraints(min_length=8, max_length=128)]
Password = Annotated[str, StringConstraints(min_length=1, max_length=128)]
Code = Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")]
Quantity = Annotated[int, Field(strict=True, ge=1, le=100)]
MinorUnits = Annotated[int, Field(strict=True, ge=0, le=10**12, description="Minor units")]
CouponAmount = Annotated[int, Field(strict=True, ge=1, le=10**12)]
CouponUses = Annotated[int, Field(strict=True, ge=1, le=1_000_000)]
Coordinate = Annotated[float, Field(strict=True, ge=-100_000, le=100_000, allow_inf_nan=False)]
Spacing = Annotated[float, Field(strict=True, gt=0, le=1_000, allow_inf_nan=False)]
Percent = Annotated[
    Decimal,
    BeforeValidator(_percent),
    WithJsonSchema({"type": "number", "minimum": 0, "maximum": 100}),
]
SeatNumbers = Annotated[
    int | list[str],
    BeforeValidator(_seat_numbers),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": _MAX_SEATS_IN_ROW},
                {
                    "type": "array",
                    "items": {"type": "string", "maxLength": 10},
                    "minItems": 1,
                    "maxItems": _MAX_SEATS_IN_ROW,
                },
            ]
        }
    ),
]
Method = Literal["CARD", "KHALTI", "ESEWA"]
PaymentToken = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,200}$")]

UserId = Annotated[str, _reason_not_found("USER_NOT_FOUND", _UUID)]
SessionId = Annotated[str, _reason_not_found("SESSION_NOT_FOUND", _UUID)]
EventId = Annotated[str, _reason_not_found("EVENT_NOT_FOUND", _UUID)]
SectionId = Annotated[str, _reason_not_found("SECTION_NOT_FOUND", _UUID)]
VenueId = Annotated[str, _reason_not_found("VENUE_NOT_FOUND", _UUID)]
ImageId = Annotated[str, _reason_not_found("IMAGE_NOT_FOUND", _UUID)]
HoldId = Annotated[str, _reason_not_found("HOLD_NOT_FOUND", _UUID)]
TicketId = Annotated[str, _reason_not_found("TICKET_NOT_FOUND", _UUID)]
PaymentId = Annotated[str, _reason_not_found("PAYMENT_NOT_FOUND", _UUID)]
Reference = Annotated[str, _reason_not_found("BOOKING_NOT_FOUND", _REFERENCE)]
CouponCode = Annotated[str, _reason_not_found("COUPON_NOT_FOUND", _COUPON)]
Provider = Annotated[str, _reason_not_found("UNKNOWN_PROVIDER", _PROVIDER)]


class Input(BaseModel):
    """What comes in: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Nothing(Input):
    """A body that says nothing: absent, or an empty object."""


# --- identity ----------------------------------------------------------------------------------


class CodeWish(Input):
    """Asks for a one-time code."""

    email: Email = Field(examples=["asha@parterre.example"])
    purpose: Literal["REGISTER", "PASSWORD_RESET"]


class Registration(Input):
    """A new account."""

    email: Email = Field(examples=["asha@parterre.example"])
    password: NewPassword = Field(repr=False, examples=["correct horse battery"])
    name: Short = Field(examples=["Asha"])
    otp: Code = Field(repr=False, examples=["481516"])
    phone: Phone | None = Field(default=None, examples=["+9779812345678"])
    country: Country | None = Field(default=None, examples=["NP"])
    role: Literal["CUSTOMER", "ORGANIZER"] = "CUSTOMER"


class Credentials(Input):
    """Who logs in."""

    email: Email = Field(examples=["asha@parterre.example"])
    password: Password = Field(repr=False, examples=["correct horse battery"])


class PasswordReset(Input):
    """A new password for an address that a one-time code has verified."""

    email: Email = Field(examples=["asha@parterre.example"])
    otp: Code = Field(repr=False, examples=["481516"])
    new_password: NewPassword = Field(repr=False, examples=["correct horse battery"])


class PasswordChange(Input):
    """A new password, by whom knows the old one."""

    current_password: Password = Field(repr=False, examples=["correct horse battery"])
    new_password: NewPassword = Field(repr=False, examples=["staple of another horse"])


class ProfileChange(Input):
    """What to change of oneself; what is absent stays, a phone or country of null is removed."""

    name: Short | None = None
    phone: Phone | None = Field(default=None, examples=["+9779812345678"])
    country: Country | None = Field(default=None, examples=["NP"])
    organizer_requested: bool | None = Field(
        default=None,
        strict=True,
        description="True asks for the role ORGANIZER, granted at once where sign-up is open; "
        "false takes the request back.",
    )


class AccountChange(Input):
    """What an admin changes of an account; what is absent stays."""

    role: Literal["CUSTOMER", "ORGANIZER", "ADMIN"] | None = None
    disabled: bool | None = Field(default=None, strict=True)


# --- catalog -----------------------------------------------------------------------------------


class Point(Input):
    """A place in the organizer's own units."""

    x: Coordinate
    y: Coordinate


class NewVenue(Input):
    """A hall; `focal` is where its stage is, absent: in front of the first row."""

    name: Name = Field(examples=["Rastriya Naach Ghar"])
    address: Name = Field(examples=["Jamal"])
    city: Short = Field(examples=["Kathmandu"])
    country: Country = Field(examples=["NP"])
    timezone: Zone
    capacity: int | None = Field(default=None, strict=True, ge=1, le=1_000_000)
    amenities: list[Short] = Field(default=[], max_length=50)
    focal: Point | None = None


class VenueChange(Input):
    """What to change of a venue; a capacity of null is what its sections add up to."""

    name: Name = Field(default_factory=_absent, examples=["Rastriya Naach Ghar"])
    address: Name = Field(default_factory=_absent, examples=["Jamal"])
    city: Short = Field(default_factory=_absent, examples=["Kathmandu"])
    country: Country = Field(default_factory=_absent, examples=["NP"])
    timezone: Zone = Field(default_factory=_absent)
    capacity: int | None = Field(default_factory=_absent, strict=True, ge=1, le=1_000_000)
    amenities: list[Short] = Field(default_factory=_absent, max_length=50)
    focal: Point = Field(default_factory=_absent)


Label = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=10),
    AfterValidator(_plain),
]


class NewRow(Input):
    """A row of places, side by side: each by name, empty where a gap is; or how many, and how they
    count. FORWARD, BACKWARD, ODD and EVEN count from `start`; what is `missing` leaves a gap."""

    label: Label = Field(examples=["A"])
    seats: SeatNumbers = Field(examples=[20])
    numbering: Literal["FORWARD", "BACKWARD", "ODD", "EVEN"] | None = None
    start: int | None = Field(default=None, strict=True, ge=0, le=10_000)
    missing: list[Label] = Field(default=[], max_length=_MAX_SEATS_IN_ROW, examples=[["13"]])


class SeatedSection(Input):
    """Numbered rows, front to back."""

    kind: Literal["SEATED"]
    name: Short = Field(examples=["Stalls"])
    rows: list[NewRow] = Field(min_length=1, max_length=500)
    origin: Point = Point(x=0, y=0)
    row_spacing: Spacing = 1
    seat_spacing: Spacing = 1
    curve: Coordinate = 0


class StandingSection(Input):
    """Standing room."""

    kind: Literal["STANDING"]
    name: Short = Field(examples=["Floor"])
    capacity: int = Field(strict=True, ge=1, le=200_000, examples=[350])


class SectionChange(Input):
    """What to change of a section: where it is seated its rows and drawing, else its room."""

    name: Short = Field(default_factory=_absent, examples=["Stalls"])
    rows: list[NewRow] = Field(default_factory=_absent, min_length=1, max_length=500)
    origin: Point = Field(default_factory=_absent)
    row_spacing: Spacing = Field(default_factory=_absent)
    seat_spacing: Spacing = Field(default_factory=_absent)
    curve: Coordinate = Field(default_factory=_absent)
    capacity: int = Field(default_factory=_absent, strict=True, ge=1, le=200_000)


NewSection = Annotated[SeatedSection | StandingSection, Field(discriminator="kind")]


class NewTier(Input):
    """A price, and what it covers: sections of the venue, or so many counted tickets."""

    name: Short = Field(examples=["Stalls"])
    price: MinorUnits = Field(examples=[150000])
    section_ids: list[Id] = Field(default=[], max_length=500)
    capacity: int | None = Field(default=None, strict=True, ge=1, le=1_000_000)


class RefundTerms(Input):
    """What goes back to a customer who cancels, and until when."""

    until_hours_before: int = Field(default=24, strict=True, ge=0, le=8760)
    percent: int = Field(default=100, strict=True, ge=0, le=100)


class NewEvent(Input):
    """An event in a venue, or of plain counted tickets at a place told in words."""

    title: Name = Field(examples=["The Tempest"])
    description: Prose = ""
    category: Category = Field(examples=["THEATRE"])
    venue_id: Id | None = None
    location: Name | None = None
    starts_at: Time = Field(examples=["2027-03-01T13:15:00Z"])
    ends_at: Time = Field(examples=["2027-03-01T16:15:00Z"])
    doors_at: Time | None = None
    timezone: Zone | None = None
    currency: Currency = Field(examples=["NPR"])
    tiers: list[NewTier] = Field(min_length=1, max_length=100)
    max_per_customer: int = Field(default=10, strict=True, ge=1, le=100)
    sales_from: Time | None = None
    sales_to: Time | None = None
    refund_policy: RefundTerms = RefundTerms()
    tax_percent: Percent = Decimal(0)
    terms: Prose = ""


class ChangedTier(NewTier):
    """A tier as it shall be; with the id of one that is there already, else another one."""

    id: Id | None = None


class EventChange(Input):
    """What to change of an event; null takes away what may be missing."""

    title: Name = Field(default_factory=_absent, examples=["The Tempest"])
    description: Prose = Field(default_factory=_absent)
    category: Category = Field(default_factory=_absent, examples=["THEATRE"])
    venue_id: Id | None = Field(default_factory=_absent)
    location: Name | None = Field(default_factory=_absent)
    starts_at: Time = Field(default_factory=_absent, examples=["2027-03-01T13:15:00Z"])
    ends_at: Time = Field(default_factory=_absent, examples=["2027-03-01T16:15:00Z"])
    doors_at: Time | None = Field(default_factory=_absent)
    timezone: Zone | None = Field(default_factory=_absent)
    currency: Currency = Field(default_factory=_absent, examples=["NPR"])
    tiers: list[ChangedTier] = Field(default_factory=_absent, min_length=1, max_length=100)
    max_per_customer: int = Field(default_factory=_absent, strict=True, ge=1, le=100)
    sales_from: Time | None = Field(default_factory=_absent)
    sales_to: Time | None = Field(default_factory=_absent)
    refund_policy: RefundTerms = Field(default_factory=_absent)
    tax_percent: Percent = Field(default_factory=_absent)
    terms: Prose = Field(default_factory=_absent)


class Cancellation(Input):
    """Why an event is called off; told to everyone who has a ticket."""

    reason: Words


class NewReview(Input):
    """What somebody who was there says."""

    rating: Annotated[int, Field(strict=True, ge=1, le=5, examples=[5])]
    text: ReviewText = Field(default="", examples=["The second act alone was worth it."])


# --- seats and holds ---------------------------------------------------------------------------


class BestAvailable(Input):
    """So many seats side by side, the best there are."""

    quantity: Quantity
    tier_id: Id | None = None
    section_id: Id | None = None


class General(Input):
    """Counted tickets of one tier."""

    tier_id: Id
    quantity: Quantity


class NewHold(Input):
    """Named seats or the best available, counted tickets, or both."""

    event_id: Id
    seat_ids: list[SeatId] | None = Field(default=None, min_length=1, max_length=100)
    best_available: BestAvailable | None = None
    general: list[General] | None = Field(default=None, min_length=1, max_length=100)

    def model_post_init(self, _context: Any) -> None:
        """Refuses a hold of nothing, and seats both named and chosen by us."""
        if self.seat_ids and self.best_available:
            raise PydanticCustomError("hold", "Give seat_ids or best_available, not both")
        if not (self.seat_ids or self.best_available or self.general):
            raise PydanticCustomError("hold", "Give seat_ids, best_available or general")


class Extension(Input):
    """How much longer, from now; absent: the usual ten minutes."""

    seconds: int | None = Field(default=None, strict=True, ge=1, le=1200)


class PartialRelease(Input):
    """Which seats to give back; absent: all of the hold."""

    seat_ids: list[SeatId] | None = Field(default=None, min_length=1, max_length=100)


BlockedSeats = Annotated[list[SeatId], Field(min_length=1, max_length=1000)]


class NewBlock(Input):
    """Seats to keep back, and why."""

    seat_ids: BlockedSeats
    note: Name | None = None


class BlockRelease(Input):
    """Seats that are to be sold after all."""

    seat_ids: BlockedSeats


# --- bookings and payments ---------------------------------------------------------------------


class Quotation(Input):
    """What would be bought."""

    hold_id: Id
    coupon_code: Short | None = None


class NewAttendee(Input):
    """Who will use a ticket."""

    seat_id: SeatId | None = None
    name: Short
    email: Email | None = None


class NewBooking(Input):
    """A hold, and how it is paid."""

    hold_id: Id
    payment_method: Method
    payment_token: PaymentToken | None = Field(default=None, repr=False, examples=["tok_ok"])
    coupon_code: Short | None = None
    attendees: list[NewAttendee] = Field(default=[], max_length=100)


class BookingCancellation(Input):
    """Why, if they like to say."""

    reason: Words | None = None


class NewCoupon(Input):
    """A coupon; what is absent is not limited."""

    code: str = Field(pattern=r"^[A-Za-z0-9-]{3,40}$", examples=["EARLY-BIRD"])
    kind: Literal["PERCENT", "FIXED"]
    value: CouponAmount = Field(
        description="Whole percent, or minor units of the event's currency", examples=[15]
    )
    min_total: CouponAmount | None = Field(default=None, description="Of the prices; minor units")
    max_discount: CouponAmount | None = Field(default=None, description="Minor units")
    usage_limit: CouponUses | None = None
    per_customer_limit: CouponUses | None = None
    valid_from: Time | None = None
    valid_to: Time | None = None


class CouponChange(Input):
    """What to change of a coupon; what is absent stays, and a limit of null is taken away."""

    active: bool | None = Field(default=None, strict=True)
    min_total: CouponAmount | None = None
    max_discount: CouponAmount | None = None
    usage_limit: CouponUses | None = None
    per_customer_limit: CouponUses | None = None
    valid_from: Time | None = None
    valid_to: Time | None = None


class Scan(Input):
    """What a gate read."""

    token: str = Field(min_length=1, max_length=300, description="What the QR code says")
    gate: Annotated[Short, StringConstraints(max_length=50)] | None = Field(
        default=None, examples=["North"]
    )


class NewPayment(Input):
    """Another attempt to pay a booking."""

    booking_reference: str = Field(pattern=r"^PT-[0-9A-HJKMNP-TV-Z]{8}$", examples=["PT-7K2M9QXA"])
    method: Method
    payment_token: PaymentToken | None = Field(default=None, repr=False, examples=["tok_ok"])


class NewRefund(Input):
    """Money to give back."""

    # What is too little is refused with a reason of its own, by the service.
    amount: int | None = Field(
        default=None,
        strict=True,
        ge=-(10**12),
        le=10**12,
        description="Minor units; left out: all that is left",
        examples=[50000],
    )
    reason: Words


# --- queries -----------------------------------------------------------------------------------


class PageQuery(Input):
    """Which page; unknown filters are refused."""

    limit: int = Field(default=20, ge=1, le=100)
    cursor: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_=-]{1,512}$")


class UserQuery(PageQuery):
    """Which accounts."""

    q: Short | None = Field(default=None, description="Part of the address or the name")
    role: Literal["CUSTOMER", "ORGANIZER", "ADMIN"] | None = None
    status: Literal["ACTIVE", "DISABLED", "ORGANIZER_REQUESTED"] | None = None


class AuditQuery(PageQuery):
    """Which entries of the audit trail."""

    user_id: Id | None = Field(default=None, description="By or to this person")
    action: str | None = Field(default=None, pattern=r"^[A-Z_]{1,40}$", examples=["ROLE_CHANGED"])


class EventQuery(PageQuery):
    """Which events."""

    q: Name | None = Field(
        default=None, description="Words, or their beginnings, of title, place or description"
    )
    category: Category | None = None
    city: Short | None = None
    from_: Time | None = Field(default=None, alias="from", description="Starts at or after")
    to: Time | None = Field(default=None, description="Starts before")
    min_price: int | None = Field(default=None, ge=0, le=10**12, description="Minor units")
    max_price: int | None = Field(default=None, ge=0, le=10**12, description="Minor units")
    status: Literal["PUBLISHED", "CANCELLED", "COMPLETED"] | None = None
    organizer_id: Id | None = None
    sort: Literal["starts_at", "-starts_at", "price", "-price", "popularity", "relevance"] = Field(
        default="starts_at", description="Most sold first; best match for `q` first"
    )


class OwnEventQuery(PageQuery):
    """Which of the organizer's own events."""

    status: Literal["DRAFT", "PUBLISHING", "PUBLISHED", "CANCELLED", "COMPLETED"] | None = None


class HoldQuery(PageQuery):
    """Which holds."""

    event_id: Id | None = None


class BookingQuery(PageQuery):
    """Which bookings."""

    status: (
        Literal["PENDING", "CONFIRMED", "FAILED", "EXPIRED", "CANCELLING", "CANCELLED"] | None
    ) = None
    event_id: Id | None = None


class AttendeeQuery(PageQuery):
    """Which bookings of an event."""

    status: (
        Literal["PENDING", "CONFIRMED", "FAILED", "EXPIRED", "CANCELLING", "CANCELLED"] | None
    ) = None


class ExportQuery(Input):
    """Which bookings of an event, all of them at once."""

    status: (
        Literal["PENDING", "CONFIRMED", "FAILED", "EXPIRED", "CANCELLING", "CANCELLED"] | None
    ) = None


class ImageQuery(Input):
    """How wide a picture is wanted."""

    w: int = Field(default=0, ge=0, le=10_000, description="Pixels; 0 asks for the widest")


class WaitQuery(Input):
    """How long to wait for a booking to end or to need the customer."""

    wait: int = Field(default=0, ge=0, le=20, description="Seconds")


class MailboxQuery(Input):
    """Whose mails."""

    to: Email | None = None
    limit: int = Field(default=20, ge=1, le=100)
