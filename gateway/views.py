"""What clients get: the shapes of the answers, made of what the services reply.

Shapes are typed dictionaries: the type checker holds each to its fields, and they are encoded
as they are.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from functools import lru_cache
from typing import Generic, Literal, TypeVar

from google.protobuf.timestamp_pb2 import Timestamp
from parterre.auth.v1 import auth_pb2
from parterre.booking.v1 import booking_pb2
from parterre.catalog.v1 import catalog_pb2
from parterre.inventory.v1 import inventory_pb2
from parterre.notification.v1 import notification_pb2
from parterre.payment.v1 import payment_pb2
from parterre.types.v1 import types_pb2
from typing_extensions import TypedDict

ItemT = TypeVar("ItemT")


class Page(TypedDict, Generic[ItemT]):
    """A page of a list."""

    items: list[ItemT]
    next_cursor: str | None


def page(items: Iterable[ItemT], next_cursor: str = "") -> Page[ItemT]:
    """A page; an empty cursor says it is the last."""
    return {"items": list(items), "next_cursor": next_cursor or None}


class Money(TypedDict):
    """An amount in minor units."""

    amount: int
    currency: str


def money(amount: int, currency: str) -> Money:
    """`amount` minor units of `currency`."""
    return {"amount": amount, "currency": currency}


def time(moment: Timestamp) -> str:
    """RFC 3339, UTC."""
    return _time(moment.seconds, moment.nanos)


# An event's times are shown again and again, and holds that were made together end together.
@lru_cache(maxsize=4096)
def _time(seconds: int, nanos: int) -> str:
    return Timestamp(seconds=seconds, nanos=nanos).ToJsonString()


# --- identity ----------------------------------------------------------------------------------


class User(TypedDict):
    """A person, as they see themselves."""

    id: str
    email: str
    name: str
    role: str
    phone: str | None
    country: str | None
    organizer_requested: bool
    created_at: str


class Registered(TypedDict):
    """A new account."""

    user: User


class Session(TypedDict):
    """An access token; the refresh token travels in a cookie."""

    access_token: str
    token_type: Literal["Bearer"]
    expires_in: int
    user: User


class OpenSession(TypedDict):
    """A device somebody is signed in on; `current` where the question came from it."""

    id: str
    address: str
    user_agent: str
    created_at: str
    last_used_at: str
    current: bool


class ManagedUser(User):
    """A person, as admins see them."""

    disabled: bool
    last_log_in_at: str | None


class AuditEntry(TypedDict):
    """Something that was done; null where nobody was signed in, or it concerns nobody."""

    id: str
    at: str
    action: str
    actor_id: str | None
    subject_id: str | None
    detail: dict[str, str]


class Accepted(TypedDict):
    """Says nothing, by design."""

    message: str


def user(person: auth_pb2.User) -> User:
    """A person, as they see themselves."""
    return {
        "id": person.id,
        "email": person.email,
        "name": person.name,
        "role": person.role,
        "phone": person.phone or None,
        "country": person.country or None,
        "organizer_requested": person.organizer_requested,
        "created_at": time(person.created_at),
    }


def session(tokens: auth_pb2.Tokens) -> Session:
    """What a client may know of its tokens."""
    return {
        "access_token": tokens.access_token,
        "token_type": "Bearer",
        "expires_in": tokens.expires_in,
        "user": user(tokens.user),
    }


def open_session(it: auth_pb2.Session) -> OpenSession:
    """A device somebody is signed in on."""
    return {
        "id": it.id,
        "address": it.address,
        "user_agent": it.user_agent,
        "created_at": time(it.created_at),
        "last_used_at": time(it.last_used_at),
        "current": it.current,
    }


def managed_user(it: auth_pb2.ManagedUser) -> ManagedUser:
    """A person, as admins see them."""
    return {
        **user(it.user),
        "disabled": it.disabled,
        "last_log_in_at": time(it.last_log_in_at) if it.HasField("last_log_in_at") else None,
    }


def audit_entry(it: auth_pb2.AuditEntry) -> AuditEntry:
    """Something that was done."""
    return {
        "id": it.id,
        "at": time(it.at),
        "action": it.action,
        "actor_id": it.actor_id or None,
        "subject_id": it.subject_id or None,
        "detail": dict(it.detail),
    }


# --- catalog -----------------------------------------------------------------------------------


class Position(TypedDict):
    """A place in the organizer's own units."""

    x: float
    y: float


class Layout(TypedDict):
    """How a seated section is drawn."""

    origin: Position
    row_spacing: float
    seat_spacing: float
    curve: float


class Row(TypedDict):
    """A row of places, as printed, empty where a gap is; `xs` and `ys` are of each."""

    label: str
    seats: list[str]
    xs: list[float]
    ys: list[float]


class Section(TypedDict):
    """A part of a hall."""

    id: str
    name: str
    kind: str
    capacity: int
    rows: list[Row] | None
    layout: Layout | None


class Venue(TypedDict):
    """A hall."""

    id: str
    owner_id: str
    name: str
    address: str
    city: str
    country: str
    timezone: str
    capacity: int
    amenities: list[str]
    focal: Position | None
    sections: list[Section]
    created_at: str


class Tier(TypedDict):
    """A price tier; `capacity` where it counts tickets."""

    id: str
    name: str
    price: Money
    section_ids: list[str]
    capacity: int | None


# `from` is no name in Python.
Sales = TypedDict("Sales", {"open": bool, "from": str | None, "to": str})


class Availability(TypedDict):
    """How much is left."""

    available: int
    capacity: int


class RefundPolicy(TypedDict):
    """What goes back to a customer who cancels, and until when."""

    until_hours_before: int
    percent: int


class Rating(TypedDict):
    """What its visitors say."""

    average: float
    count: int


class Image(TypedDict):
    """A picture of an event; `url` takes `?w=` for one of the widths."""

    id: str
    role: str
    url: str
    widths: list[int]
    width: int
    height: int


class Review(TypedDict):
    """What somebody who was there says."""

    id: str
    event_id: str
    author: str
    rating: int
    text: str | None
    created_at: str
    updated_at: str


class Event(TypedDict):
    """An event; `availability`, told a few seconds late, is null until it is published."""

    id: str
    organizer_id: str
    status: str
    title: str
    description: str
    category: str
    venue: Venue | None
    location: str | None
    starts_at: str
    ends_at: str
    doors_at: str | None
    timezone: str
    currency: str
    tiers: list[Tier]
    max_per_customer: int
    sales: Sales
    availability: Availability | None
    refund_policy: RefundPolicy
    tax_percent: float
    terms: str
    cancel_reason: str | None
    images: list[Image]
    rating: Rating | None
    created_at: str


def section(part: catalog_pb2.Section) -> Section:
    """A part of a hall."""
    seated = part.kind == "SEATED"
    return {
        "id": part.id,
        "name": part.name,
        "kind": part.kind,
        "capacity": part.capacity,
        "rows": [
            {
                "label": row.label,
                "seats": list(row.seats),
                "xs": list(row.xs),
                "ys": list(row.ys),
            }
            for row in part.rows
        ]
        if seated
        else None,
        "layout": {
            "origin": {"x": part.layout.origin_x, "y": part.layout.origin_y},
            "row_spacing": part.layout.row_spacing,
            "seat_spacing": part.layout.seat_spacing,
            "curve": part.layout.curve,
        }
        if seated
        else None,
    }


def venue(hall: catalog_pb2.Venue) -> Venue:
    """A hall."""
    return {
        "id": hall.id,
        "owner_id": hall.owner_id,
        "name": hall.name,
        "address": hall.address,
        "city": hall.city,
        "country": hall.country,
        "timezone": hall.timezone,
        "capacity": hall.capacity
        if hall.HasField("capacity")
        else sum(part.capacity for part in hall.sections),
        "amenities": list(hall.amenities),
        "focal": {"x": hall.focal.x, "y": hall.focal.y} if hall.HasField("focal") else None,
        "sections": [section(part) for part in hall.sections],
        "created_at": time(hall.created_at),
    }


def image(picture: catalog_pb2.Image) -> Image:
    """A picture of an event."""
    return {
        "id": picture.id,
        "role": picture.role,
        "url": f"/api/v1/media/{picture.id}",
        "widths": list(picture.widths),
        "width": picture.width,
        "height": picture.height,
    }


def review(it: catalog_pb2.Review) -> Review:
    """What somebody who was there says."""
    return {
        "id": it.id,
        "event_id": it.event_id,
        "author": it.author,
        "rating": it.rating,
        "text": it.text or None,
        "created_at": time(it.created_at),
        "updated_at": time(it.updated_at),
    }


def event(it: catalog_pb2.Event) -> Event:
    """An event."""
    draft, left = it.draft, it.availability
    return {
        "id": it.id,
        "organizer_id": it.organizer_id,
        "status": it.status,
        "title": draft.title,
        "description": draft.description,
        "category": draft.category,
        "venue": venue(it.venue) if it.HasField("venue") else None,
        "location": draft.location or None,
        "starts_at": time(draft.starts_at),
        "ends_at": time(draft.ends_at),
        "doors_at": time(draft.doors_at) if draft.HasField("doors_at") else None,
        "timezone": draft.timezone,
        "currency": draft.currency,
        "tiers": [
            {
                "id": tier.id,
                "name": tier.name,
                "price": money(tier.price, draft.currency),
                "section_ids": list(tier.section_ids),
                "capacity": tier.capacity or None,
            }
            for tier in it.tiers
        ],
        "max_per_customer": draft.max_per_customer,
        "sales": {
            "open": left.sales_open,
            "from": time(draft.sales_from) if draft.HasField("sales_from") else None,
            "to": time(draft.sales_to if draft.HasField("sales_to") else draft.starts_at),
        },
        "availability": {"available": left.available, "capacity": left.capacity}
        if it.HasField("availability")
        else None,
        "refund_policy": {
            "until_hours_before": draft.refund_policy.until_hours_before,
            "percent": draft.refund_policy.percent,
        },
        "tax_percent": draft.tax_basis_points / 100,
        "terms": draft.terms,
        "cancel_reason": it.cancel_reason or None,
        "images": [image(picture) for picture in it.images],
        "rating": {"average": it.rating.average_hundredths / 100, "count": it.rating.count}
        if it.HasField("rating")
        else None,
        "created_at": time(it.created_at),
    }


# --- seats and holds ---------------------------------------------------------------------------


class Seat(TypedDict):
    """A seat; nothing of it changes while the event is on sale."""

    id: str
    number: str
    x: float
    y: float


class SeatRow(TypedDict):
    """A row of seats, side by side."""

    label: str
    seats: list[Seat]


class SeatedPlaces(TypedDict):
    """A section of numbered rows."""

    id: str
    name: str
    kind: Literal["SEATED"]
    tier_id: str
    rows: list[SeatRow]


class StandingPlaces(TypedDict):
    """A section that counts."""

    id: str
    name: str
    kind: Literal["STANDING"]
    tier_id: str
    capacity: int
    available: int


class SeatMap(TypedDict):
    """The places of an event; in `taken` the seats of each status, and a seat in none is free."""

    event_id: str
    version: int
    sections: list[SeatedPlaces | StandingPlaces]
    taken: dict[str, list[str]]


class Line(TypedDict):
    """A numbered seat, or a count of tickets (`seat_id`, `row` and `number` are null)."""

    seat_id: str | None
    section_id: str
    section: str
    row: str | None
    number: str | None
    tier_id: str
    tier: str
    quantity: int
    price: Money


class Hold(TypedDict):
    """What somebody has in hand while they decide."""

    id: str
    event_id: str
    status: str
    lines: list[Line]
    total: Money
    expires_at: str
    extendable_until: str


def places(part: inventory_pb2.SeatMap.Section) -> SeatedPlaces | StandingPlaces:
    """A section with its places."""
    if part.kind == "STANDING":
        return {
            "id": part.id,
            "name": part.name,
            "kind": "STANDING",
            "tier_id": part.tier_id,
            "capacity": part.capacity,
            "available": part.available,
        }
    return {
        "id": part.id,
        "name": part.name,
        "kind": "SEATED",
        "tier_id": part.tier_id,
        "rows": [
            {
                "label": row.label,
                "seats": [
                    {"id": seat.id, "number": seat.number, "x": seat.x, "y": seat.y}
                    for seat in row.seats
                ],
            }
            for row in part.rows
        ],
    }


def line(bought: types_pb2.Line) -> Line:
    """A line of a hold or of a booking."""
    return {
        "seat_id": bought.seat_id or None,
        "section_id": bought.section_id,
        "section": bought.section,
        "row": bought.row or None,
        "number": bought.number or None,
        "tier_id": bought.tier_id,
        "tier": bought.tier,
        "quantity": bought.quantity,
        "price": money(bought.price.amount, bought.price.currency),
    }


def hold(held: inventory_pb2.Hold) -> Hold:
    """A hold, as its owner sees it."""
    return {
        "id": held.id,
        "event_id": held.event_id,
        "status": held.status,
        "lines": [line(each) for each in held.lines],
        "total": money(held.total.amount, held.total.currency),
        "expires_at": time(held.expires_at),
        "extendable_until": time(held.extendable_until),
    }


class Block(TypedDict):
    """Seats an organizer keeps back: those that still are."""

    id: str
    seat_ids: list[str]
    note: str
    created_at: str
    created_by: str


def block(it: inventory_pb2.Block) -> Block:
    """A block, as its organizer sees it."""
    return {
        "id": it.id,
        "seat_ids": list(it.seat_ids),
        "note": it.note,
        "created_at": time(it.created_at),
        "created_by": it.created_by,
    }


# --- bookings and tickets ----------------------------------------------------------------------


class Price(TypedDict):
    """What a booking costs."""

    subtotal: Money
    discount: Money
    tax: Money
    fees: Money
    total: Money


class Quote(Price):
    """What a hold would cost."""

    lines: list[Line]


class BookedEvent(TypedDict):
    """The event as the booking knows it."""

    id: str
    title: str
    place: str
    starts_at: str
    ends_at: str | None
    timezone: str


class Action(TypedDict):
    """What the customer has to do."""

    type: Literal["REDIRECT"]
    url: str


class BookingPayment(TypedDict):
    """The payment as the booking knows it."""

    id: str
    status: str
    method: str
    action: Action | None
    attempt: int
    refused_because: str | None


class Attendee(TypedDict):
    """Who goes."""

    seat_id: str | None
    name: str
    email: str | None


class Booking(TypedDict):
    """A booking; `payment` is null where there is nothing to pay."""

    id: str
    reference: str
    status: str
    reason: str | None
    event: BookedEvent
    lines: list[Line]
    price: Price
    coupon_code: str | None
    payment: BookingPayment | None
    refunded: Money
    attendees: list[Attendee]
    hold_id: str
    created_at: str
    expires_at: str | None


class TimelineEntry(TypedDict):
    """One step of the saga as it happened."""

    at: str
    state: str
    step: str
    outcome: str
    attempt: int
    detail: str | None


class AdmittedTicket(TypedDict):
    """A ticket, as the gate sees it."""

    id: str
    booking_reference: str
    seat_id: str | None
    section_id: str
    section: str
    row: str | None
    number: str | None
    tier_id: str
    tier: str
    price: Money
    status: str
    attendee_name: str | None
    admitted_at: str | None
    gate: str | None


class Ticket(AdmittedTicket):
    """A ticket; `token` is what its QR code says."""

    token: str
    qr_url: str


class Key(TypedDict):
    """A public key (RFC 8037)."""

    kty: Literal["OKP"]
    crv: Literal["Ed25519"]
    kid: str
    x: str
    alg: Literal["EdDSA"]
    use: Literal["sig"]


class KeySet(TypedDict):
    """Public keys (RFC 7517)."""

    keys: list[Key]


def price(costs: booking_pb2.Price) -> Price:
    """What a booking costs."""
    return {
        "subtotal": money(costs.subtotal, costs.currency),
        "discount": money(costs.discount, costs.currency),
        "tax": money(costs.tax, costs.currency),
        "fees": money(costs.fees, costs.currency),
        "total": money(costs.total, costs.currency),
    }


def quote(reply: booking_pb2.QuoteBookingResponse) -> Quote:
    """What a hold would cost."""
    return {"lines": [line(each) for each in reply.lines], **price(reply.price)}


def action(url: str) -> Action | None:
    """Where to send the customer, if anywhere."""
    return {"type": "REDIRECT", "url": url} if url else None


def booked_event(it: booking_pb2.BookedEvent) -> BookedEvent:
    """The event as the booking knows it."""
    return {
        "id": it.id,
        "title": it.title,
        "place": it.place,
        "starts_at": time(it.starts_at),
        "ends_at": time(it.ends_at) if it.HasField("ends_at") else None,
        "timezone": it.timezone,
    }


def booking(it: booking_pb2.Booking) -> Booking:
    """A booking."""
    payment = it.payment
    return {
        "id": it.id,
        "reference": it.reference,
        "status": it.status,
        "reason": it.reason or None,
        "event": booked_event(it.event),
        "lines": [line(each) for each in it.lines],
        "price": price(it.price),
        "coupon_code": it.coupon_code or None,
        "payment": {
            "id": payment.id,
            "status": payment.status,
            "method": payment.method,
            "action": action(payment.action_url),
            "attempt": payment.attempt,
            "refused_because": payment.refused_because or None,
        }
        if it.HasField("payment")
        else None,
        "refunded": money(it.refunded_amount, it.price.currency),
        "attendees": [
            {"seat_id": who.seat_id or None, "name": who.name, "email": who.email or None}
            for who in it.attendees
        ],
        "hold_id": it.hold_id,
        "created_at": time(it.created_at),
        "expires_at": time(it.expires_at) if it.HasField("expires_at") else None,
    }


def timeline_entry(entry: booking_pb2.TimelineEntry) -> TimelineEntry:
    """One step of the saga."""
    return {
        "at": time(entry.at),
        "state": entry.state,
        "step": entry.step,
        "outcome": entry.outcome,
        "attempt": entry.attempt,
        "detail": entry.detail or None,
    }


def ticket(it: booking_pb2.Ticket, qr_url: str) -> Ticket:
    """A ticket, with what its holder needs."""
    return {**admitted_ticket(it), "token": it.token, "qr_url": qr_url}


def admitted_ticket(it: booking_pb2.Ticket) -> AdmittedTicket:
    """A ticket; it is always for one."""
    place = line(it.line)
    return {
        "id": it.id,
        "booking_reference": it.booking_reference,
        "seat_id": place["seat_id"],
        "section_id": place["section_id"],
        "section": place["section"],
        "row": place["row"],
        "number": place["number"],
        "tier_id": place["tier_id"],
        "tier": place["tier"],
        "price": place["price"],
        "status": it.status,
        "attendee_name": it.attendee_name or None,
        "admitted_at": time(it.admitted_at) if it.HasField("admitted_at") else None,
        "gate": it.gate or None,
    }


def key_set(keys: Iterable[booking_pb2.ListTicketKeysResponse.TicketKey]) -> KeySet:
    """The keys that verify tickets."""
    return {
        "keys": [
            {
                "kty": "OKP",
                "crv": "Ed25519",
                "kid": key.key_id,
                "x": base64.urlsafe_b64encode(key.public_key).rstrip(b"=").decode(),
                "alg": "EdDSA",
                "use": "sig",
            }
            for key in keys
        ]
    }


# --- coupons, figures and the gate -------------------------------------------------------------


class Coupon(TypedDict):
    """A coupon; amounts are minor units, and null is no limit."""

    code: str
    kind: str
    value: int
    min_total: int | None
    max_discount: int | None
    usage_limit: int | None
    per_customer_limit: int | None
    valid_from: str | None
    valid_to: str | None
    active: bool
    used: int
    created_at: str


class CheckIn(TypedDict):
    """What came of a scan; `admitted_at` and `gate` are of the first admission."""

    result: str
    ticket: AdmittedTicket | None
    admitted_at: str | None
    gate: str | None


class Revenue(TypedDict):
    """What was paid, what went back, and what is left."""

    gross: Money
    refunded: Money
    net: Money


class TierSales(TypedDict):
    """A tier's tickets that are good now, and their prices before discount and tax."""

    tier_id: str
    tier: str
    tickets: int
    amount: Money


class DaySales(TypedDict):
    """A day in the event's time zone: tickets sold that day, paid, given back."""

    date: str
    tickets: int
    gross: Money
    refunded: Money


class EventSales(TypedDict):
    """What an event has sold."""

    event_id: str
    revenue: Revenue
    discounts: Money
    tax: Money
    bookings: int
    tickets: int
    check_ins: int
    by_tier: list[TierSales]
    by_day: list[DaySales]


class EventCount(TypedDict):
    """How many events there are."""

    active: int
    total: int


class HoldCount(TypedDict):
    """How many holds there are now, and places in them."""

    holds: int
    places: int


class Dashboard(TypedDict):
    """Figures over events; null is what could not be had just now."""

    revenue: list[Revenue] | None
    tickets: int | None
    bookings: dict[str, int] | None
    events: EventCount | None
    holds: HoldCount | None


class AdminDashboard(Dashboard):
    """Figures over all events; `sagas` counts bookings by the state they are in."""

    sagas: dict[str, int] | None


def coupon(it: booking_pb2.Coupon) -> Coupon:
    """A coupon."""
    return {
        "code": it.code,
        "kind": it.kind,
        "value": it.value,
        "min_total": it.min_total if it.HasField("min_total") else None,
        "max_discount": it.max_discount if it.HasField("max_discount") else None,
        "usage_limit": it.usage_limit if it.HasField("usage_limit") else None,
        "per_customer_limit": it.per_customer_limit if it.HasField("per_customer_limit") else None,
        "valid_from": time(it.valid_from) if it.HasField("valid_from") else None,
        "valid_to": time(it.valid_to) if it.HasField("valid_to") else None,
        "active": it.active,
        "used": it.used,
        "created_at": time(it.created_at),
    }


def check_in(it: booking_pb2.CheckInResponse) -> CheckIn:
    """What came of a scan."""
    return {
        "result": it.result,
        "ticket": admitted_ticket(it.ticket) if it.HasField("ticket") else None,
        "admitted_at": time(it.admitted_at) if it.HasField("admitted_at") else None,
        "gate": it.gate or None,
    }


def _revenue(gross: int, refunded: int, currency: str) -> Revenue:
    return {
        "gross": money(gross, currency),
        "refunded": money(refunded, currency),
        "net": money(gross - refunded, currency),
    }


def event_sales(event_id: str, it: booking_pb2.GetSalesResponse) -> EventSales:
    """What an event has sold."""
    currency = it.currency
    return {
        "event_id": event_id,
        "revenue": _revenue(it.gross, it.refunded, currency),
        "discounts": money(it.discounts, currency),
        "tax": money(it.tax, currency),
        "bookings": it.bookings,
        "tickets": it.tickets,
        "check_ins": it.admitted,
        "by_tier": [
            {
                "tier_id": tier.tier_id,
                "tier": tier.name,
                "tickets": tier.tickets,
                "amount": money(tier.amount, currency),
            }
            for tier in it.tiers
        ],
        "by_day": [
            {
                "date": day.date,
                "tickets": day.tickets,
                "gross": money(day.gross, currency),
                "refunded": money(day.refunded, currency),
            }
            for day in it.days
        ],
    }


def dashboard(
    sold: booking_pb2.GetDashboardResponse | None,
    events: catalog_pb2.CountEventsResponse | None,
    held: inventory_pb2.CountHoldsResponse | None,
) -> Dashboard:
    """Figures over events, of the parts that answered."""
    return {
        "revenue": sold
        and [_revenue(each.gross, each.refunded, each.currency) for each in sold.revenue],
        "tickets": sold and sold.tickets,
        "bookings": sold and dict(sold.bookings),
        "events": events and {"active": events.active, "total": events.total},
        "holds": held and {"holds": held.holds, "places": held.places},
    }


# --- payments ----------------------------------------------------------------------------------


class StartedPayment(TypedDict):
    """A new attempt to pay."""

    id: str
    booking_reference: str
    status: str
    method: str
    attempt: int
    action: Action | None


class Attempt(TypedDict):
    """One attempt to pay."""

    number: int
    method: str
    status: str
    reason: str | None
    created_at: str


class Refund(TypedDict):
    """Money that goes back."""

    id: str
    amount: Money
    status: str
    reason: str
    created_at: str


class Payment(TypedDict):
    """A payment with its attempts and refunds."""

    id: str
    booking_reference: str
    status: str
    method: str
    amount: Money
    captured: Money
    refunded: Money
    action: Action | None
    attempts: list[Attempt]
    refunds: list[Refund]
    created_at: str


class Received(TypedDict):
    """A webhook is stored."""

    received: bool


def started_payment(it: booking_pb2.Booking) -> StartedPayment:
    """The attempt a booking has just begun."""
    return {
        "id": it.payment.id,
        "booking_reference": it.reference,
        "status": it.payment.status,
        "method": it.payment.method,
        "attempt": it.payment.attempt,
        "action": action(it.payment.action_url),
    }


def payment(it: payment_pb2.Payment) -> Payment:
    """A payment with its attempts and refunds."""
    currency = it.amount.currency
    return {
        "id": it.id,
        "booking_reference": it.booking_reference,
        "status": it.status,
        "method": it.method,
        "amount": money(it.amount.amount, currency),
        "captured": money(it.captured_amount, currency),
        "refunded": money(it.refunded_amount, currency),
        "action": action(it.action_url),
        "attempts": [
            {
                "number": attempt.number,
                "method": attempt.method,
                "status": attempt.status,
                "reason": attempt.reason or None,
                "created_at": time(attempt.created_at),
            }
            for attempt in it.attempts
        ],
        "refunds": [
            {
                "id": refund.id,
                "amount": money(refund.amount, currency),
                "status": refund.status,
                "reason": refund.reason,
                "created_at": time(refund.created_at),
            }
            for refund in it.refunds
        ],
        "created_at": time(it.created_at),
    }


# --- operations --------------------------------------------------------------------------------


class Mail(TypedDict):
    """A mail in the local mailbox."""

    id: str
    to: str
    kind: str
    subject: str
    body: str
    created_at: str
    sent_at: str | None


class Readiness(TypedDict):
    """Whether all the gateway needs answers."""

    ready: bool


def mail(it: notification_pb2.Mail) -> Mail:
    """A mail in the local mailbox."""
    return {
        "id": it.id,
        "to": it.to,
        "kind": it.kind,
        "subject": it.subject,
        "body": it.body,
        "created_at": time(it.created_at),
        "sent_at": time(it.sent_at) if it.HasField("sent_at") else None,
    }
