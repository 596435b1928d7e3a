"""Coupons, and figures of what was sold."""

from __future__ import annotations

from parterre.booking.v1 import booking_pb2
from parterre.catalog.v1 import catalog_pb2
from parterre.inventory.v1 import inventory_pb2
from typing_extensions import TypedDict

from presentation.views.base import Money, money, time


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
