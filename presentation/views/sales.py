"""Coupons, and figures of what was sold."""

from __future__ import annotations

from typing import Annotated

from parterre.booking.v1 import booking_pb2
from parterre.catalog.v1 import catalog_pb2
from parterre.inventory.v1 import inventory_pb2
from pydantic import WithJsonSchema

from presentation.views.base import Count, Id, Money, Time, View, money, time
from presentation.vocabulary import BookingStatus, CouponKind, SagaState, word


class Coupon(View):
    """A coupon; amounts are minor units, and null is no limit."""

    code: str
    """What a customer types, in capitals."""
    kind: CouponKind
    """What it takes off."""
    value: Count
    """Whole percent, or minor units of the event's currency."""
    min_total: int | None
    """The prices have to reach this, minor units."""
    max_discount: int | None
    """It never takes off more, minor units."""
    usage_limit: int | None
    """How many bookings may use it."""
    per_customer_limit: int | None
    """How many bookings of one person may use it."""
    valid_from: Time | None
    """From when it is good."""
    valid_to: Time | None
    """Until when it is good."""
    active: bool
    """False: it was switched off."""
    used: Count
    """How many bookings use it."""
    created_at: Time
    """When it was made."""


class Revenue(View):
    """What was paid, what went back, and what is left."""

    gross: Money
    """What was paid."""
    refunded: Money
    """What of that went back."""
    net: Money
    """What is left."""


class TierSales(View):
    """A tier's tickets that are good now, and their prices before discount and tax."""

    tier_id: Id
    """The tier's id."""
    tier: str
    """The tier's name."""
    tickets: Count
    """Tickets that are good now."""
    amount: Money
    """Their prices, before discount and tax."""


class DaySales(View):
    """A day in the event's time zone: tickets sold that day, paid, given back."""

    date: Annotated[str, WithJsonSchema({"type": "string", "format": "date"})]
    """The day in the event's time zone."""
    tickets: Count
    """Tickets sold that day."""
    gross: Money
    """What was paid that day."""
    refunded: Money
    """What went back that day."""


class Admissions(View):
    """A stretch of time in which tickets were let in, and how many."""

    begins_at: Time
    """When the stretch begins."""
    tickets: Count
    """How many tickets were let in during it."""


class AdmissionsOverTime(View):
    """When tickets were let in; stretches in which none was are left out."""

    minutes: Count
    """How long each stretch is: one minute, or more where there would be over 240 of them."""
    stretches: list[Admissions]
    """The first one first, 240 at most."""


class EventSales(View):
    """What an event has sold."""

    event_id: Id
    """The event's id."""
    revenue: Revenue
    """What was paid for it."""
    discounts: Money
    """What coupons took off."""
    tax: Money
    """The tax in what was paid."""
    bookings: Count
    """Bookings that are good now."""
    tickets: Count
    """Tickets that are good now."""
    check_ins: Count
    """Tickets that were let in."""
    by_tier: list[TierSales]
    """By price tier."""
    by_day: list[DaySales]
    """By day, the first one first."""
    check_ins_over_time: AdmissionsOverTime
    """When tickets were let in."""


class EventCount(View):
    """How many events there are."""

    active: Count
    """On sale, and not over."""
    total: Count
    """All, drafts included."""


class HoldCount(View):
    """How many holds there are now, and places in them."""

    holds: Count
    """Holds."""
    places: Count
    """Places in them."""


class Dashboard(View):
    """Figures over events; null is what could not be had just now."""

    revenue: list[Revenue] | None
    """What was paid, a row for each currency."""
    tickets: Count | None
    """Tickets that are good now."""
    bookings: dict[BookingStatus, int] | None
    """How many there are, by how they stand."""
    events: EventCount | None
    """How many events there are."""
    holds: HoldCount | None
    """What is held just now."""


class AdminDashboard(Dashboard):
    """Figures over all events; `sagas` counts bookings by the state they are in."""

    sagas: dict[SagaState, int] | None
    """How many bookings there are, by how far they are within."""


def coupon(it: booking_pb2.Coupon) -> Coupon:
    """A coupon."""
    return {
        "code": it.code,
        "kind": word(it.kind),
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
        "check_ins_over_time": {
            "minutes": it.admission_minutes,
            "stretches": [
                {"begins_at": time(one.begins_at), "tickets": one.tickets} for one in it.admissions
            ],
        },
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
        "bookings": sold and {word(status): count for status, count in sold.bookings.items()},
        "events": events and {"active": events.active, "total": events.total},
        "holds": held and {"holds": held.holds, "places": held.places},
    }
