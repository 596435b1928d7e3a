"""Whole replies of the services, every field set."""

from __future__ import annotations

from google.protobuf.timestamp_pb2 import Timestamp
from parterre.auth.v1 import auth_pb2
from parterre.booking.v1 import booking_pb2
from parterre.catalog.v1 import catalog_pb2
from parterre.inventory.v1 import inventory_pb2
from parterre.notification.v1 import notification_pb2
from parterre.payment.v1 import payment_pb2
from parterre.types.v1 import types_pb2

EVENT = "0193c2a7-5a52-7b5c-9a55-0f1f3a0f6f01"
VENUE = "0193c2a7-5a52-7b5c-9a55-0f1f3a0f6f02"
SECTION = "0193c2a7-5a52-7b5c-9a55-0f1f3a0f6f03"
TIER = "0193c2a7-5a52-7b5c-9a55-0f1f3a0f6f04"
HOLD = "0193c2a7-5a52-7b5c-9a55-0f1f3a0f6f05"
BOOKING = "0193c2a7-5a52-7b5c-9a55-0f1f3a0f6f06"
PAYMENT = "0193c2a7-5a52-7b5c-9a55-0f1f3a0f6f07"
TICKET = "0193c2a7-5a52-7b5c-9a55-0f1f3a0f6f08"
PERSON = "0193c2a7-5a52-7b5c-9a55-0f1f3a0f6f09"
SESSION = "0193c2a7-5a52-7b5c-9a55-0f1f3a0f6f0a"
ENDPOINT = "0193c2a7-5a52-7b5c-9a55-0f1f3a0f6fe1"
DELIVERY = "0193c2a7-5a52-7b5c-9a55-0f1f3a0f6fe2"
IMAGE = "5f0c9c1e-7a5b-4d7e-9a55-0f1f3a0f6f0b"
REFERENCE = "PT-7K2M9QXA"


def at(text: str = "2026-11-20T10:00:00Z") -> Timestamp:
    moment = Timestamp()
    moment.FromJsonString(text)
    return moment


def user() -> auth_pb2.User:
    return auth_pb2.User(
        id=PERSON,
        email="asha@parterre.example",
        name="Asha",
        role="CUSTOMER",
        country="NP",
        created_at=at(),
    )


def tokens() -> auth_pb2.Tokens:
    return auth_pb2.Tokens(
        access_token="an.access.token",
        expires_in=600,
        refresh_token="refresh-me",
        refresh_expires_in=86400,
        user=user(),
    )


def session() -> auth_pb2.Session:
    return auth_pb2.Session(
        id=SESSION,
        address="203.0.113.7",
        user_agent="test",
        created_at=at(),
        last_used_at=at("2026-11-20T10:05:00Z"),
        current=True,
    )


def managed_user(*, ever_logged_in: bool = True) -> auth_pb2.ManagedUser:
    return auth_pb2.ManagedUser(
        user=user(), disabled=True, last_log_in_at=at() if ever_logged_in else None
    )


def audit_entry() -> auth_pb2.AuditEntry:
    return auth_pb2.AuditEntry(
        id=SESSION, at=at(), action="ROLE_CHANGED", subject_id=PERSON, detail={"role": "ORGANIZER"}
    )


def venue() -> catalog_pb2.Venue:
    return catalog_pb2.Venue(
        id=VENUE,
        owner_id=PERSON,
        name="Rastriya Naach Ghar",
        address="Jamal",
        city="Kathmandu",
        country="NP",
        timezone="Asia/Kathmandu",
        amenities=["bar"],
        sections=[section()],
        version=3,
        created_at=at(),
    )


def section() -> catalog_pb2.Section:
    return catalog_pb2.Section(
        id=SECTION,
        name="Stalls",
        kind="SEATED",
        rows=[catalog_pb2.Row(label="A", seats=["1", "", "2"], xs=[-1, 0, 1], ys=[4, 4, 4])],
        capacity=2,
        layout=catalog_pb2.SectionLayout(origin_y=4, row_spacing=1, seat_spacing=1),
    )


def event(id: str = EVENT) -> catalog_pb2.Event:
    return catalog_pb2.Event(
        id=id,
        organizer_id=PERSON,
        status="PUBLISHED",
        draft=catalog_pb2.EventDraft(
            title="The Tempest",
            category="THEATRE",
            venue_id=VENUE,
            starts_at=at("2027-03-01T13:15:00Z"),
            ends_at=at("2027-03-01T16:15:00Z"),
            timezone="Asia/Kathmandu",
            currency="NPR",
            max_per_customer=10,
            refund_policy=types_pb2.RefundPolicy(until_hours_before=24, percent=100),
            tax_basis_points=1325,
        ),
        tiers=[catalog_pb2.Tier(id=TIER, name="Stalls", price=150000, section_ids=[SECTION])],
        venue=venue(),
        availability=catalog_pb2.Event.Availability(available=1, capacity=2, sales_open=True),
        rating=catalog_pb2.Event.Rating(average_hundredths=437, count=19),
        capacity=2,
        version=7,
        created_at=at(),
        updated_at=at("2026-11-20T10:00:01.500Z"),
    )


def read(*events: catalog_pb2.Event, stamp: str = "a") -> catalog_pb2.ReadEventsResponse:
    """What ReadEvents answers who asks for these events; the gateway keeps their pages."""
    reply = catalog_pb2.ReadEventsResponse()
    for each in events:
        reply.results.add(stamp=stamp, event=each)
    return reply


def image(role: str = "BANNER") -> catalog_pb2.Image:
    return catalog_pb2.Image(id=IMAGE, role=role, widths=[320, 960], width=960, height=540)


def review(text: str = "Grand.") -> catalog_pb2.Review:
    return catalog_pb2.Review(
        id=BOOKING,
        event_id=EVENT,
        author="Asha",
        rating=5,
        text=text,
        created_at=at(),
        updated_at=at("2026-11-20T10:05:00Z"),
    )


def seat_map(version: int = 9, rows: int = 1) -> inventory_pb2.SeatMap:
    seats = inventory_pb2.SeatMap
    return seats(
        event_id=EVENT,
        version=version,
        sections=[
            seats.Section(
                id=SECTION,
                name="Stalls",
                kind="SEATED",
                tier_id=TIER,
                rows=[
                    seats.Row(
                        label=str(row),
                        seats=[
                            seats.Seat(id=f"{row * 100 + n}", number=str(n), x=n, y=row)
                            for n in range(1, 101)
                        ],
                    )
                    for row in range(rows)
                ],
            ),
            seats.Section(
                id=TIER,
                name="Floor",
                kind="STANDING",
                tier_id=TIER,
                capacity=350,
                available=300,
                area=types_pb2.Area(x=0, y=12, width=18, height=9),
            ),
        ],
        taken=[seats.Taken(status="SOLD", seat_ids=["1", "2"]), seats.Taken(status="HELD")],
    )


def seat_states(version: int = 9, seats: int = 101) -> inventory_pb2.GetSeatStatesResponse:
    """Seats 1 and 2 are sold, the rest are free."""
    states = inventory_pb2.GetSeatStatesResponse
    return states(
        states=bytes([0, 2, 2, *[0] * (seats - 3)]),
        versions=[0, version - 5, 4, *[0] * (seats - 3)],
        pools=[states.Pool(section_id=TIER, available=300, capacity=350)],
        version=version,
    )


def lines() -> list[types_pb2.Line]:
    price = types_pb2.Money(amount=150000, currency="NPR")
    seat = types_pb2.Line(
        seat_id="17",
        section_id=SECTION,
        section="Stalls",
        row="A",
        number="1",
        tier_id=TIER,
        tier="Stalls",
        quantity=1,
        price=price,
    )
    standing = types_pb2.Line(
        section_id=TIER, section="Floor", tier_id=TIER, tier="Floor", quantity=2, price=price
    )
    return [seat, standing]


def hold() -> inventory_pb2.Hold:
    return inventory_pb2.Hold(
        id=HOLD,
        event_id=EVENT,
        status="ACTIVE",
        lines=lines(),
        total=types_pb2.Money(amount=450000, currency="NPR"),
        expires_at=at("2026-11-20T10:10:00Z"),
        extendable_until=at("2026-11-20T10:20:00Z"),
        version=1,
        customer_id=PERSON,
    )


def price() -> booking_pb2.Price:
    return booking_pb2.Price(subtotal=450000, tax=59625, total=509625, currency="NPR")


def booking(status: str = "PENDING", action_url: str = "") -> booking_pb2.Booking:
    return booking_pb2.Booking(
        id=BOOKING,
        reference=REFERENCE,
        status=status,
        event=booking_pb2.BookedEvent(
            id=EVENT, title="The Tempest", place="Naach Ghar", starts_at=at(), timezone="UTC"
        ),
        lines=lines(),
        price=price(),
        payment=booking_pb2.BookingPayment(
            id=PAYMENT, status="INITIATED", method="CARD", attempt=1, action_url=action_url
        ),
        created_at=at(),
        expires_at=at("2026-11-20T10:10:00Z"),
        hold_id=HOLD,
        customer_id=PERSON,
        attendees=[booking_pb2.Attendee(seat_id="17", name="Asha")],
        updated_at=at("2026-11-20T10:00:01.500Z"),
    )


def ticket(status: str = "VALID") -> booking_pb2.Ticket:
    return booking_pb2.Ticket(
        id=TICKET,
        line=lines()[0],
        status=status,
        token="signed." * 20,
        attendee_name="प्रकाश श्रेष्ठ",
        event=booking().event,
        booking_reference=REFERENCE,
    )


def coupon() -> booking_pb2.Coupon:
    return booking_pb2.Coupon(
        code="EARLY-BIRD",
        kind="PERCENT",
        value=15,
        usage_limit=100,
        valid_to=at(),
        active=True,
        used=3,
        created_at=at(),
    )


def payment() -> payment_pb2.Payment:
    return payment_pb2.Payment(
        id=PAYMENT,
        booking_reference=REFERENCE,
        status="PARTIALLY_REFUNDED",
        method="CARD",
        amount=types_pb2.Money(amount=509625, currency="NPR"),
        captured_amount=509625,
        refunded_amount=100,
        attempts=[
            payment_pb2.Payment.Attempt(
                number=1, method="CARD", status="FAILED", reason="CARD_DECLINED", created_at=at()
            )
        ],
        refunds=[
            payment_pb2.Payment.Refund(
                id=PERSON, amount=100, status="DONE", reason="Goodwill", created_at=at()
            )
        ],
        created_at=at(),
    )


def block() -> inventory_pb2.Block:
    return inventory_pb2.Block(
        id=HOLD, seat_ids=["17", "18"], note="For the press", created_at=at(), created_by=PERSON
    )


def timeline_entry() -> booking_pb2.TimelineEntry:
    return booking_pb2.TimelineEntry(
        at=at(), state="CONFIRMED", step="CHARGED", outcome="DONE", attempt=1
    )


def mail() -> notification_pb2.Mail:
    return notification_pb2.Mail(
        id=SESSION,
        to="asha@parterre.example",
        kind="code",
        subject="Your code",
        body="Your code is 481516.",
        html="<!DOCTYPE html>…",
        attachments=["PT-7K2M9QXA.pdf"],
        created_at=at(),
    )


def notice() -> notification_pb2.Notice:
    return notification_pb2.Notice(
        id=SESSION,
        kind="booking_confirmed",
        title="Your tickets for The Tempest",
        text="Your booking is confirmed. Its tickets are ready.",
        booking_reference=REFERENCE,
        created_at=at(),
    )


def preferences() -> list[notification_pb2.Preference]:
    return [
        notification_pb2.Preference(
            kind="booking_confirmed",
            tells="a booking is confirmed",
            channel="MAIL",
            wanted=True,
            essential=True,
        ),
        notification_pb2.Preference(
            kind="event_tomorrow", tells="an event is on the next day", channel="MAIL"
        ),
    ]


def webhook_endpoint() -> notification_pb2.WebhookEndpoint:
    return notification_pb2.WebhookEndpoint(
        id=ENDPOINT,
        url="https://hooks.example.org/parterre",
        description="Our accounts",
        facts=["booking.confirmed", "booking.cancelled"],
        status="ENABLED",
        created_at=at(),
    )


def webhook_delivery() -> notification_pb2.WebhookDelivery:
    return notification_pb2.WebhookDelivery(
        id=DELIVERY,
        endpoint_id=ENDPOINT,
        fact="booking.confirmed",
        status="WAITING",
        attempts=1,
        created_at=at(),
        next_try_at=at("2026-11-20T10:00:06Z"),
        tried_at=at("2026-11-20T10:00:01Z"),
        answer_status=500,
        answer="Internal Server Error",
        duration_ms=87,
    )


def device() -> auth_pb2.Device:
    return auth_pb2.Device(token="a-known-device", expires_in=86400)


def api_key() -> auth_pb2.ApiKey:
    return auth_pb2.ApiKey(
        id=SESSION,
        name="North gate",
        prefix="ptk_7Zk2Qm",
        scopes=["check-ins:write"],
        status="ACTIVE",
        created_at=at(),
    )
