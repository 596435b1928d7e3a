"""A story of every route: who asks, with what. The fakes answer it as `replies` has it.

What comes of it are the examples of the API's description: `make examples` writes them down.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from auth_service.domain import errors as auth_errors
from auth_service.domain import passwords
from booking_service.domain import bookings, coupons
from booking_service.domain import errors as booking_errors
from catalog_service.domain import errors as catalog_errors
from catalog_service.domain import listing, venues
from chassis import errors
from chassis.identity import Role
from inventory_service.domain import errors as inventory_errors
from inventory_service.domain import events as blocks
from inventory_service.holding import verdicts
from payment_service.domain import errors as payment_errors
from payment_service.domain import steps
from tests.contract import samples

REQUEST_ID = "0193c2a7-5a52-7b5c-9a55-0f1f3a0f6f11"
OTP_ID = "7f1c2b1e-53c5-4b8e-9d0e-0c5d6a1f2e3b"
# What stands in a path.
IN_PATHS: Mapping[str, str] = {
    "api_key_id": samples.SESSION,
    "notice_id": samples.SESSION,
    "code": "EARLY-BIRD",
    "delivery_id": samples.DELIVERY,
    "endpoint_id": samples.ENDPOINT,
    "event_id": samples.EVENT,
    "hold_id": samples.HOLD,
    "image_id": samples.IMAGE,
    "name": "start.js",
    "payment_id": samples.PAYMENT,
    "provider": "sandbox",
    "reason": "sales-closed",
    "reference": samples.REFERENCE,
    "section_id": samples.SECTION,
    "session_id": samples.SESSION,
    "ticket_id": samples.TICKET,
    "token": "Zm9yLW5vYm9keQ",
    "user_id": samples.PERSON,
    "venue_id": samples.VENUE,
}


@dataclass(frozen=True)
class Request:
    """What is asked of a route besides its path."""

    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    # Other than everybody's: an admin asks.
    options: Mapping[str, Any] = field(default_factory=dict)


KEY = {"Idempotency-Key": "c5a1f0d2-8d6e-4c55-b6a5-1f0d2c5a8d6e"}
_EVENT = {
    "title": "The Tempest",
    "description": "A ship, an island, a storm.",
    "category": "THEATRE",
    "venue_id": samples.VENUE,
    "starts_at": "2027-03-01T13:15:00Z",
    "ends_at": "2027-03-01T16:15:00Z",
    "doors_at": "2027-03-01T12:45:00Z",
    "timezone": "Asia/Kathmandu",
    "currency": "NPR",
    "tiers": [{"name": "Stalls", "price": 150000, "section_ids": [samples.SECTION]}],
    "tax_percent": 13.25,
}
_PICTURE = {
    "files": {"file": ("banner.png", b"\x89PNG\r\n\x1a\n", "image/png")},
    "data": {"role": "BANNER"},
}
# By operation; a route that takes a body has to be here.
REQUESTS: Mapping[str, Request] = {
    "request_code": Request({"email": "asha@parterre.example", "purpose": "REGISTER"}),
    "register": Request(
        {
            "email": "asha@parterre.example",
            "password": "correct horse battery",
            "name": "Asha",
            "otp": "481516",
            "otp_id": OTP_ID,
            "country": "NP",
        },
        KEY,
    ),
    "reset_password": Request(
        {
            "email": "asha@parterre.example",
            "otp": "481516",
            "otp_id": OTP_ID,
            "new_password": "staple of another horse",
        },
        KEY,
    ),
    "log_in": Request({"email": "asha@parterre.example", "password": "correct horse battery"}),
    "refresh": Request(
        headers={"X-Requested-With": "parterre"},
        options={"cookies": {"parterre_refresh": "refresh-me"}},
    ),
    "update_profile": Request({"name": "Asha Shrestha", "phone": "+9779812345678"}),
    "change_password": Request(
        {"current_password": "correct horse battery", "new_password": "staple of another horse"}
    ),
    "create_api_key": Request({"name": "North gate", "scopes": ["check-ins:write"]}, KEY),
    "update_user": Request({"role": "ORGANIZER", "business_name": "Naach Ghar Ltd."}),
    "create_venue": Request(
        {
            "name": "Rastriya Naach Ghar",
            "address": "Jamal",
            "city": "Kathmandu",
            "country": "NP",
            "timezone": "Asia/Kathmandu",
            "amenities": ["bar"],
        },
        KEY,
    ),
    "update_venue": Request({"capacity": 500}, {"If-Match": '"3"'}),
    "add_section": Request(
        {
            "kind": "SEATED",
            "name": "Stalls",
            "rows": [{"label": "A", "seats": ["1", "", "2"]}, {"label": "B", "seats": 20}],
        },
        KEY,
    ),
    "update_section": Request({"name": "Front stalls"}, {"If-Match": '"3"'}),
    "create_event": Request(_EVENT, KEY),
    "update_event": Request({"title": "The Tempest, again"}, {"If-Match": '"7"'}),
    "publish_event": Request(headers=KEY),
    "cancel_event": Request({"reason": "The company is ill."}, KEY),
    "add_image": Request(headers=KEY, options=_PICTURE),
    "write_review": Request({"rating": 5, "text": "The second act alone was worth it."}, KEY),
    "create_hold": Request(
        {
            "event_id": samples.EVENT,
            "seat_ids": ["17"],
            "general": [{"tier_id": samples.TIER, "quantity": 2}],
        },
        KEY,
    ),
    "extend_hold": Request({"seconds": 300}, KEY),
    "add_to_hold": Request({"seat_ids": ["18"]}, KEY),
    "release_hold": Request({"seat_ids": ["17"]}, KEY),
    "block_seats": Request({"seat_ids": ["17", "18"], "note": "For the press"}, KEY),
    "release_blocked": Request({"seat_ids": ["17"]}, KEY),
    "quote_booking": Request({"hold_id": samples.HOLD, "coupon_code": "EARLY-BIRD"}),
    "create_booking": Request(
        {
            "hold_id": samples.HOLD,
            "payment_method": "CARD",
            "payment_token": "tok_ok",
            "attendees": [{"seat_id": "17", "name": "Asha"}],
        },
        {**KEY, "Prefer": "wait=10"},
    ),
    "cancel_booking": Request({"reason": "We are ill."}, KEY),
    "create_webhook_endpoint": Request(
        {
            "url": "https://hooks.example.org/parterre",
            "description": "Our accounts",
            "facts": ["booking.confirmed", "booking.cancelled"],
        },
        KEY,
    ),
    "change_webhook_endpoint": Request({"enabled": False}),
    "rotate_webhook_secret": Request(headers=KEY),
    "try_webhook_endpoint": Request(headers=KEY),
    "resend_webhook_delivery": Request(headers=KEY),
    "message_attendees": Request({"subject": "Doors at six", "text": "Come early."}, KEY),
    "read_notice": Request(headers=KEY),
    "read_all_notices": Request(headers=KEY),
    "set_preferences": Request(
        {"items": [{"kind": "event_tomorrow", "channel": "MAIL", "wanted": False}]}
    ),
    "create_coupon": Request({"code": "EARLY-BIRD", "kind": "PERCENT", "value": 15}, KEY),
    "change_coupon": Request({"active": False}),
    "check_in": Request({"token": "signed." * 20, "gate": "North"}, KEY),
    "create_payment": Request(
        {
            "booking_reference": samples.REFERENCE,
            "method": "CARD",
            "payment_token": "tok_ok",
        },
        {**KEY, "Prefer": "wait=10"},
    ),
    "create_refund": Request({"amount": 50000, "reason": "The view was blocked."}, KEY),
    "receive_webhook": Request(
        {
            "id": "evt_1",
            "type": "charge.updated",
            "data": {"key": f"charge:{samples.PAYMENT}:1", "status": "CAPTURED"},
        },
        {"Sandbox-Signature": "t=1795168800,v1=5f0c9c1e"},
    ),
}


def refusal_of(rule: Callable[[], object]) -> Exception:
    """What a rule of a service's domain refuses with."""
    try:
        rule()
    except Exception as refusal:  # noqa: BLE001 - it is what is asked for
        return refusal
    raise AssertionError("it refuses nothing")


def _check_coupon(**changes: Any) -> Exception:
    coupon = coupons.Coupon(
        "EARLY-BIRD", "PERCENT", 15, 500_000, None, 100, None, None, None, True, 0, NOW
    )
    return refusal_of(
        lambda: coupons.check_usable(
            replace(coupon, **changes), subtotal=450_000, now=NOW, used_by_customer=0
        )
    )


NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
_HOLD = ("inventory", "CreateHold", "create_hold")
_BLOCK = ("inventory", "BlockSeats", "block_seats")
_QUOTE = ("booking", "QuoteBooking", "quote_booking")
_CANCEL = ("booking", "CancelBooking", "cancel_booking")
_PAY = ("booking", "AttemptPayment", "create_payment")
_REFUND = ("payment", "CreateRefund", "create_refund")
_LOG_IN = ("auth", "LogIn", "log_in")
_REGISTER = ("auth", "Register", "register")
_DELETE = ("catalog", "DeleteEvent", "delete_event")
_SECTION = ("catalog", "UpdateSection", "update_section")
# What services refuse with, as they say it: by service, its RPC and the route that calls it.
REFUSALS: Mapping[tuple[str, str, str], Sequence[Exception]] = {
    _LOG_IN: [
        auth_errors.InvalidCredentialsError(),
        auth_errors.AccountDisabledError(),
        auth_errors.LoginThrottledError(
            "Too many failed log-ins; try again in 60 seconds.", retry_after="60"
        ),
        auth_errors.AddressThrottledError(
            "Too many tries from your address; try again in 60 seconds.", retry_after="60"
        ),
        errors.overloaded(3),
    ],
    ("auth", "RequestCode", "request_code"): [
        auth_errors.CodeThrottledError("Try again in 60 seconds.", retry_after="60")
    ],
    ("auth", "Refresh", "refresh"): [auth_errors.InvalidRefreshTokenError()],
    _REGISTER: [
        auth_errors.InvalidCodeError(),
        auth_errors.EmailTakenError("This address has an account; log in."),
        refusal_of(
            lambda: passwords.check_password("password", "asha@parterre.example", {"password"})
        ),
    ],
    ("auth", "ChangePassword", "change_password"): [auth_errors.WrongPasswordError()],
    ("auth", "RevokeSession", "revoke_session"): [auth_errors.SessionNotFoundError()],
    ("auth", "GetUser", "get_user"): [auth_errors.UserNotFoundError()],
    ("auth", "UpdateUser", "update_user"): [auth_errors.OwnAccountError()],
    ("auth", "ListUsers", "list_users"): [auth_errors.InvalidCursorError()],
    ("catalog", "GetVenue", "get_venue"): [catalog_errors.VenueNotFoundError()],
    ("catalog", "UpdateVenue", "update_venue"): [catalog_errors.StaleVersionError(4)],
    _SECTION: [
        refusal_of(
            lambda: venues.check_section(
                venues.SectionDraft("Pit", "STANDING", [], 0, venues.Layout())
            )
        ),
        refusal_of(
            lambda: venues.check_nothing_is_lost(
                venues.SectionDraft("Pit", "STANDING", [], 300, venues.Layout()),
                venues.SectionDraft("Pit", "STANDING", [], 200, venues.Layout()),
            )
        ),
        catalog_errors.SectionNameTakenError("The venue has a section of that name."),
    ],
    _DELETE: [
        catalog_errors.EventNotFoundError(),
        catalog_errors.EventStateError(
            "Only a draft can be deleted; what is on sale can be called off.", status="PUBLISHED"
        ),
    ],
    ("catalog", "ListEvents", "list_events"): [
        refusal_of(lambda: listing.check_filter(listing.EventSearch(sort="relevance")))
    ],
    _HOLD: [
        verdicts.seats_unavailable([17, 18]),
        inventory_errors.CustomerLimitError(
            "At most 10 a person, bought ones included.", limit="10", held="9"
        ),
        inventory_errors.HoldLimitError("You have two holds already: book or release one of them."),
        inventory_errors.NotEnoughCapacityError("There are not so many tickets left."),
        inventory_errors.NoAdjacentSeatsError("There are no 4 free seats side by side."),
        inventory_errors.SalesClosedError("Sales for this event are closed right now."),
        inventory_errors.EventNotOnSaleError("This event is not on sale."),
        inventory_errors.unknown_seats(["999"]),
        inventory_errors.unknown_tier("general.0.tier_id"),
        inventory_errors.invalid_hold("seat_ids", "A seat is named twice."),
    ],
    _BLOCK: [refusal_of(lambda: blocks.check_block(["17", "17"]))],
    ("inventory", "UnblockSeats", "release_blocked"): [
        inventory_errors.SeatsNotBlockedError(
            "Some of these seats are not kept back.", seat_ids='["17"]'
        )
    ],
    ("inventory", "GetHold", "get_hold"): [
        inventory_errors.HoldNotFoundError("You have no such hold.")
    ],
    ("inventory", "ExtendHold", "extend_hold"): [
        inventory_errors.HoldExpiredError("The time of this hold is over.")
    ],
    _QUOTE: [
        booking_errors.CouponUnknownError("There is no such coupon.", coupon_code="is unknown"),
        _check_coupon(active=False),
        _check_coupon(),
        _check_coupon(min_total=None, used=100),
        booking_errors.EventNotReadyError(
            "The event is being prepared; try again.", retry_after="1"
        ),
        booking_errors.HoldNotActiveError("The hold was released."),
    ],
    ("booking", "GetBooking", "get_booking"): [
        booking_errors.BookingNotFoundError("There is no such booking.")
    ],
    _CANCEL: [
        booking_errors.CancellationClosedError(
            "This could be cancelled until 24 hours before the start."
        ),
        booking_errors.TicketAdmittedError("Somebody has gone in with a ticket of this booking."),
        *booking_errors.REFUSALS.values(),
    ],
    _PAY: [
        booking_errors.BookingStateError("The booking does not wait for a payment."),
        refusal_of(lambda: bookings.check_instrument("CARD", "", method_field="method")),
        booking_errors.ProviderUnavailableError(
            "The payment provider does not answer, so nothing was begun; try again in a moment.",
            retry_after="10",
        ),
    ],
    ("booking", "CheckIn", "check_in"): [
        booking_errors.InvalidTicketError("This ticket was not made here.")
    ],
    ("booking", "GetTicket", "ticket_qr_png"): [
        booking_errors.TicketNotFoundError("There is no such ticket.")
    ],
    ("booking", "CreateCoupon", "create_coupon"): [
        booking_errors.CouponExistsError("The event has a coupon of this code."),
        refusal_of(
            lambda: coupons.check_coupon(
                coupons.Coupon(
                    "EARLY-BIRD",
                    "PERCENT",
                    101,
                    None,
                    None,
                    None,
                    None,
                    None,
                    None,
                    True,
                    0,
                    NOW,
                )
            )
        ),
    ],
    ("payment", "GetPayment", "get_payment"): [
        payment_errors.PaymentNotFoundError("There is no such payment.")
    ],
    _REFUND: [
        payment_errors.RefundTooLargeError(
            "That is more than what is left of the payment.", left="100"
        ),
        refusal_of(lambda: steps.check_refund(0, "Goodwill")),
    ],
}
# What the gateway itself refuses: how, and what is asked.
AT_THE_DOOR: tuple[tuple[str, str, Mapping[str, Any]], ...] = (
    ("GET", "/auth/me", {"role": None}),
    ("GET", "/auth/me", {"headers": {"Authorization": "Bearer garbage"}}),
    ("GET", "/admin/users", {"role": Role.CUSTOMER}),
    ("GET", "/nothing/here", {}),
    ("PUT", "/holds", {}),
    ("GET", "/holds?limit=1000", {}),
    ("POST", "/holds", {"content": b"{", "headers": {"Content-Type": "application/json"}}),
    ("POST", "/holds", {"content": b"a=b", "headers": {"Content-Type": "text/plain"}}),
    ("POST", "/auth/refresh", {}),
)


def path_of(path: str) -> str:
    """A route's path, with what stands in it."""
    return re.sub(r"\{(\w+)\}", lambda match: IN_PATHS[match[1]], path)
