"""A story of every route: who asks, with what. The fakes answer it as `replies` has it.

What comes of it are the examples of the API's description: `make examples` writes them down.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from auth_service.domain import errors as auth_errors
from booking_service.domain import errors as booking_errors
from catalog_service.domain import errors as catalog_errors
from chassis.identity import Role
from inventory_service.domain import errors as inventory_errors
from inventory_service.holding import verdicts
from payment_service.domain import errors as payment_errors
from tests.contract import samples

REQUEST_ID = "0193c2a7-5a52-7b5c-9a55-0f1f3a0f6f11"
OTP_ID = "7f1c2b1e-53c5-4b8e-9d0e-0c5d6a1f2e3b"
# What stands in a path.
IN_PATHS: Mapping[str, str] = {
    "api_key_id": samples.SESSION,
    "code": "EARLY-BIRD",
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
    "update_user": Request({"role": "ORGANIZER"}),
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
    "message_attendees": Request({"subject": "Doors at six", "text": "Come early."}, KEY),
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
# What services refuse with, as they say it: the service, its RPC, and what it raises.
REFUSALS: tuple[tuple[str, str, str, Exception], ...] = (
    ("auth", "LogIn", "log_in", auth_errors.InvalidCredentialsError()),
    ("auth", "LogIn", "log_in", auth_errors.AccountDisabledError()),
    (
        "auth",
        "LogIn",
        "log_in",
        auth_errors.LoginThrottledError(
            "Too many failed log-ins; try again in 60 seconds.", retry_after="60"
        ),
    ),
    ("auth", "Refresh", "refresh", auth_errors.InvalidRefreshTokenError()),
    ("auth", "Register", "register", auth_errors.InvalidCodeError()),
    (
        "auth",
        "Register",
        "register",
        auth_errors.EmailTakenError("This address has an account; log in."),
    ),
    ("auth", "ChangePassword", "change_password", auth_errors.WrongPasswordError()),
    ("auth", "RevokeSession", "revoke_session", auth_errors.SessionNotFoundError()),
    ("auth", "GetUser", "get_user", auth_errors.UserNotFoundError()),
    ("auth", "UpdateUser", "update_user", auth_errors.OwnAccountError()),
    ("auth", "ListUsers", "list_users", auth_errors.InvalidCursorError()),
    ("catalog", "GetVenue", "get_venue", catalog_errors.VenueNotFoundError()),
    ("catalog", "UpdateVenue", "update_venue", catalog_errors.StaleVersionError(4)),
    ("catalog", "DeleteEvent", "delete_event", catalog_errors.EventNotFoundError()),
    (
        "catalog",
        "DeleteEvent",
        "delete_event",
        catalog_errors.EventStateError(
            "Only a draft can be deleted; what is on sale can be called off.", status="PUBLISHED"
        ),
    ),
    ("inventory", "CreateHold", "create_hold", verdicts.seats_unavailable([17, 18])),
    (
        "inventory",
        "CreateHold",
        "create_hold",
        inventory_errors.CustomerLimitError(
            "At most 10 a person, bought ones included.", limit="10", held="9"
        ),
    ),
    (
        "inventory",
        "CreateHold",
        "create_hold",
        inventory_errors.unknown_seats(["999"]),
    ),
    (
        "inventory",
        "GetHold",
        "get_hold",
        inventory_errors.HoldNotFoundError("You have no such hold."),
    ),
    (
        "inventory",
        "ExtendHold",
        "extend_hold",
        inventory_errors.HoldExpiredError("The time of this hold is over."),
    ),
    (
        "booking",
        "QuoteBooking",
        "quote_booking",
        booking_errors.CouponUnknownError("There is no such coupon.", coupon_code="is unknown"),
    ),
    (
        "booking",
        "CancelBooking",
        "cancel_booking",
        booking_errors.CancellationClosedError(
            "This could be cancelled until 24 hours before the start."
        ),
    ),
    (
        "payment",
        "CreateRefund",
        "create_refund",
        payment_errors.RefundTooLargeError(
            "That is more than what is left of the payment.", left="100"
        ),
    ),
)
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
