"""Who may do what, tried: every route and every RPC of the running system, as everybody there is.

The two tables say of each what comes of it when it is called about somebody's objects by: nobody,
a stranger (another customer), the buyer (the customer whose hold, booking, payment, ticket and
session they are), a rival (another organizer), the owner (the organizer whose venue and events
they are), an admin; and of an RPC also by the gateway itself. A route or RPC that is missing here
fails the test.

    +  let in, and done
    ~  let in, and done, or too late by now (409)
    ?  let in, and what was sent is refused (422)
    !  let in, and what it proves itself with is refused (401, and not for the access token)
    1  no identity (401)
    3  not for this role (403)
    4  not theirs, so it is not there (404)

Whoever is refused comes first, and must have changed nothing; then the others, in this order.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import httpx
import pytest
from google.protobuf.json_format import ParseDict
from google.protobuf.message_factory import GetMessageClass

from chassis.errors import CODES, from_call
from chassis.identity import ServiceTokens
from ops.client import Client
from ops.seed import Account, register
from tests.contract.conftest import SERVICES

from .conftest import System

ACTORS = ("nobody", "stranger", "buyer", "rival", "owner", "admin")
CALLERS = (*ACTORS, "gateway")
REFUSED = frozenset("134")


@dataclass(frozen=True)
class Row:
    """What comes of a call, for each actor; `{names}` in what is sent stand for objects."""

    outcomes: str
    sent: Mapping[str, Any] | None = None
    names: Mapping[str, str] = field(default_factory=dict)  # other objects than the usual ones
    is_form: bool = False  # what is sent goes as a form, `file` as a file in base64

    def expected(self, actors: Sequence[str]) -> dict[str, str]:
        return dict(zip(actors, self.outcomes.split(), strict=True))


VENUE = {
    "name": "A hall of {actor}",
    "address": "Jamal",
    "city": "Kathmandu",
    "country": "NP",
    "timezone": "Asia/Kathmandu",
}
STARTS = datetime.now(UTC).replace(microsecond=0) + timedelta(days=30)
EVENT = {
    "title": "An evening of {actor}",
    "category": "THEATRE",
    "location": "Bhrikutimandap",
    "timezone": "Asia/Kathmandu",
    "currency": "NPR",
    "starts_at": STARTS.isoformat(),
    "ends_at": (STARTS + timedelta(hours=3)).isoformat(),
}
DRAFT = {"event_id": "{draft_id}"}
SPARE = {"hold_id": "{spare_id}"}
ONE_EACH = {"image_id": "{image_of_actor}"}  # who may delete one finds one
CODE = "000000"
NEW_PASSWORD = "staple of another horse"
# A PNG of one pixel.
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)
HOOK = "https://hooks.example.org/"
# Of nobody: what another person's is like to a stranger is tried beside notification_service.
NO_HOOK = {
    "endpoint_id": "0193c2a7-5a52-7b5c-9a55-0f1f3a0f6fe1",
    "delivery_id": "0193c2a7-5a52-7b5c-9a55-0f1f3a0f6fe2",
}
PICTURE = {"role": "GALLERY", "file": PIXEL}

ROUTES: Sequence[tuple[str, Row]] = (
    #                                                     nobody
    #                                                     | stranger
    #                                                     | | buyer
    #                                                     | | | rival
    #                                                     | | | | owner
    #                                                     | | | | | admin
    ("GET /healthz", Row("+ + + + + +")),
    ("GET /readyz", Row("+ + + + + +")),
    ("GET /problems", Row("+ + + + + +")),
    ("GET /problems/{reason}", Row("+ + + + + +")),
    ("GET /api/openapi.json", Row("+ + + + + +")),
    ("GET /api/docs", Row("+ + + + + +")),
    ("GET /api/docs/assets/{name}", Row("+ + + + + +")),
    ("GET /.well-known/jwks.json", Row("+ + + + + +")),
    ("GET /api/v1/dev/mailbox", Row("+ + + + + +")),
    # Accounts and sessions.
    (
        "POST /api/v1/auth/otp",
        Row("+ + + + + +", {"email": "{actor}-{world}@otp.example", "purpose": "REGISTER"}),
    ),
    (
        "POST /api/v1/auth/register",
        Row(
            "? ? ? ? ? ?",
            {
                "email": "{actor}-{world}@new.example",
                "password": NEW_PASSWORD,
                "name": "x",
                "otp": CODE,
            },
        ),
    ),
    # Before nobody has logged in and has a cookie too.
    ("POST /api/v1/auth/refresh", Row("! + + + + +")),
    (
        "POST /api/v1/auth/login",
        Row("+ + + + + +", {"email": "{stranger_email}", "password": "{stranger_password}"}),
    ),
    (
        "POST /api/v1/auth/password-reset",
        Row(
            "? ? ? ? ? ?",
            {"email": "nobody-{world}@new.example", "otp": CODE, "new_password": NEW_PASSWORD},
        ),
    ),
    ("GET /api/v1/auth/me", Row("1 + + + + +")),
    ("PATCH /api/v1/users/me", Row("1 + + + + +", {})),
    (
        "PUT /api/v1/users/me/password",
        Row("1 ? ? ? ? ?", {"current_password": "not mine", "new_password": NEW_PASSWORD}),
    ),
    ("GET /api/v1/auth/sessions", Row("1 + + + + +")),
    ("POST /api/v1/api-keys", Row("1 3 3 + + +", {"name": "x", "scopes": ["sales:read"]})),
    ("GET /api/v1/api-keys", Row("1 3 3 + + +")),
    ("DELETE /api/v1/api-keys/{api_key_id}", Row("1 3 3 4 + 4")),
    ("GET /api/v1/admin/users", Row("1 3 3 3 3 +")),
    ("GET /api/v1/admin/users/{user_id}", Row("1 3 3 3 3 +")),
    ("PATCH /api/v1/admin/users/{user_id}", Row("1 3 3 3 3 +", {"disabled": False})),
    ("GET /api/v1/admin/users/{user_id}/api-keys", Row("1 3 3 3 3 +")),
    # The buyer, whose id it is, has no such key.
    ("DELETE /api/v1/admin/users/{user_id}/api-keys/{api_key_id}", Row("1 3 3 3 3 4")),
    ("GET /api/v1/admin/audit", Row("1 3 3 3 3 +")),
    # Venues and events.
    ("GET /api/v1/venues", Row("+ + + + + +")),
    ("GET /api/v1/venues/{venue_id}", Row("+ + + + + +")),
    ("POST /api/v1/venues", Row("1 3 3 + + +", VENUE)),
    (
        "POST /api/v1/venues/{venue_id}/sections",
        Row("1 3 3 4 + +", {"name": "Of {actor}", "kind": "STANDING", "capacity": 10}),
    ),
    (
        "PATCH /api/v1/venues/{venue_id}",
        Row("1 3 3 4 + +", {"amenities": ["what {actor} likes"]}),
    ),
    (
        "PATCH /api/v1/venues/{venue_id}/sections/{section_id}",
        Row("1 3 3 4 + +", {"name": "As {actor} calls it"}),
    ),
    ("DELETE /api/v1/venues/{venue_id}/sections/{section_id}", Row("1 3 3 4 ~ ~")),  # on sale
    ("GET /api/v1/events/{event_id}/calendar.ics", Row("+ + + + + +")),
    ("GET /api/v1/events/{event_id}/calendar.ics", Row("4 4 4 4 + +", names=DRAFT)),
    ("GET /api/v1/events", Row("+ + + + + +")),
    ("GET /api/v1/events/{event_id}", Row("+ + + + + +")),
    ("GET /api/v1/events/{event_id}", Row("4 4 4 4 + +", names=DRAFT)),
    ("GET /api/v1/organizer/events", Row("1 3 3 + + +")),
    (
        "POST /api/v1/events",
        Row("1 3 3 + + +", {**EVENT, "tiers": [{"name": "All", "price": 1, "capacity": 5}]}),
    ),
    (
        "POST /api/v1/events",
        Row(
            "1 3 3 4 + +",
            {
                **EVENT,
                "location": None,
                "venue_id": "{venue_id}",
                "tiers": [{"name": "All", "price": 1, "section_ids": ["{section_id}"]}],
            },
        ),
    ),
    ("POST /api/v1/events/{event_id}/images", Row("1 3 3 4 + +", PICTURE, is_form=True)),
    ("GET /api/v1/media/{image_id}", Row("+ + + + + +")),
    ("DELETE /api/v1/events/{event_id}/images/{image_id}", Row("1 3 3 4 + +", names=ONE_EACH)),
    ("POST /api/v1/events/{event_id}/reviews", Row("1 4 4 4 4 4", {"rating": 5}, DRAFT)),
    ("POST /api/v1/events/{event_id}/reviews", Row("1 ~ ~ ~ ~ ~", {"rating": 5})),
    ("GET /api/v1/events/{event_id}/reviews", Row("4 4 4 4 + +", names=DRAFT)),
    ("GET /api/v1/events/{event_id}/reviews", Row("+ + + + + +")),
    ("GET /api/v1/events/{event_id}/seats", Row("4 4 4 4 4 4", names=DRAFT)),
    ("GET /api/v1/events/{event_id}/seats", Row("+ + + + + +")),
    ("GET /api/v1/events/{event_id}/seats/stream", Row("4 4 4 4 4 4", names=DRAFT)),
    ("GET /api/v1/events/{event_id}/seats/stream", Row("+ + + + + +")),
    (
        "PATCH /api/v1/events/{event_id}",
        Row("1 3 3 4 + +", {"description": "In the words of {actor}."}),
    ),
    ("POST /api/v1/events/{event_id}/publish", Row("1 3 3 4 + 4", names=DRAFT)),
    ("DELETE /api/v1/events/{event_id}", Row("1 3 3 4 ~ ~", names=DRAFT)),
    # Holds.
    ("GET /api/v1/holds", Row("1 + + + + +")),
    ("GET /api/v1/holds/{hold_id}", Row("1 4 + 4 4 4")),
    ("POST /api/v1/bookings/quote", Row("1 4 + 4 4 4", {"hold_id": "{hold_id}"})),
    (
        "POST /api/v1/bookings/quote",
        Row("1 + + + + +", {"event_id": "{event_id}", "seat_ids": ["{seat_id}"]}),
    ),
    ("POST /api/v1/holds/{hold_id}/extend", Row("1 4 + 4 4 4", {"seconds": 1200})),
    ("POST /api/v1/holds/{hold_id}/add", Row("1 4 + 4 4 4", {"seat_ids": ["{seat_id}"]})),
    ("POST /api/v1/holds/{hold_id}/release", Row("1 4 + 4 4 4", {"seat_ids": ["{seat_id}"]})),
    ("DELETE /api/v1/holds/{hold_id}", Row("1 4 + 4 4 4", names=SPARE)),
    (
        "POST /api/v1/holds",
        Row("1 + + + + +", {"event_id": "{event_id}", "best_available": {"quantity": 1}}),
    ),
    # Bookings, tickets, payments.
    (
        "POST /api/v1/bookings",
        Row("1 4 + 4 4 4", {"hold_id": "{hold_id}", "payment_method": "KHALTI"}),
    ),
    ("GET /api/v1/bookings", Row("1 + + + + +")),
    ("GET /api/v1/bookings/{reference}", Row("1 4 + 4 + +")),
    ("GET /api/v1/bookings/{reference}/timeline", Row("1 4 + 4 + +")),
    ("GET /api/v1/bookings/{reference}/tickets", Row("1 4 + 4 4 4")),
    ("GET /api/v1/bookings/{reference}/tickets.pdf", Row("1 4 + 4 4 4")),
    ("GET /api/v1/bookings/{reference}/calendar.ics", Row("1 4 + 4 + +")),
    ("GET /api/v1/tickets/{ticket_id}/qr.png", Row("1 4 + 4 4 4")),
    ("GET /api/v1/tickets/{ticket_id}/qr.svg", Row("1 4 + 4 4 4")),
    # What organizers make and see of bookings.
    (
        "POST /api/v1/events/{event_id}/coupons",
        Row("1 3 3 4 + +", {"code": "OF-{actor}", "kind": "FIXED", "value": 5}),
    ),
    ("GET /api/v1/events/{event_id}/coupons", Row("1 3 3 4 + +")),
    (
        "PATCH /api/v1/events/{event_id}/coupons/{code}",
        Row("1 3 3 4 + +", {"active": False}, {"code": "OF-owner"}),
    ),
    (
        "POST /api/v1/events/{event_id}/messages",
        Row("1 3 3 4 + +", {"subject": "Doors", "text": "At six.", "preview": True}),
    ),
    # Webhooks: whoever may have endpoints makes one of their own.
    (
        "POST /api/v1/webhook-endpoints",
        Row("1 3 3 + + +", {"url": HOOK, "facts": ["event.changed"]}),
    ),
    ("GET /api/v1/webhook-endpoints", Row("1 3 3 + + +")),
    *(
        (f"{method} /api/v1/webhook-endpoints/{{endpoint_id}}{rest}", Row(marks, body, NO_HOOK))
        for method, rest, marks, body in (
            ("PATCH", "", "1 3 3 4 4 4", {"enabled": False}),
            ("POST", "/rotate-secret", "1 3 3 4 4 4", None),
            ("POST", "/test", "1 3 3 4 4 4", None),
            ("GET", "/deliveries", "1 3 3 4 4 4", None),
            ("POST", "/deliveries/{delivery_id}/resend", "1 3 3 4 4 4", None),
            ("DELETE", "", "1 3 3 4 4 4", None),
        )
    ),
    ("GET /api/v1/unsubscribe/{token}", Row("? ? ? ? ? ?", None, {"token": "x"})),
    ("POST /api/v1/unsubscribe/{token}", Row("? ? ? ? ? ?", None, {"token": "x"})),
    ("GET /api/v1/notifications", Row("1 + + + + +")),
    ("GET /api/v1/notifications/stream", Row("1 + + + + +")),
    (
        "POST /api/v1/notifications/{notice_id}/read",
        Row("1 4 4 4 4 4", None, {"notice_id": "{hold_id}"}),
    ),
    ("POST /api/v1/notifications/read-all", Row("1 + + + + +")),
    ("GET /api/v1/users/me/notification-preferences", Row("1 + + + + +")),
    ("PUT /api/v1/users/me/notification-preferences", Row("1 + + + + +", {"items": []})),
    ("POST /api/v1/events/{event_id}/blocks", Row("1 3 3 4 ~ ~", {"seat_ids": ["0"]})),
    ("GET /api/v1/events/{event_id}/blocks", Row("1 3 3 4 + +")),
    ("POST /api/v1/events/{event_id}/blocks/release", Row("1 3 3 4 ~ ~", {"seat_ids": ["0"]})),
    ("GET /api/v1/organizer/events/{event_id}/bookings", Row("1 3 3 4 + +")),
    ("GET /api/v1/organizer/events/{event_id}/bookings.csv", Row("1 3 3 4 + +")),
    ("GET /api/v1/organizer/events/{event_id}/sales", Row("1 3 3 4 + +")),
    ("GET /api/v1/organizer/dashboard", Row("1 3 3 + + +")),
    ("GET /api/v1/admin/dashboard", Row("1 3 3 3 3 +")),
    ("GET /api/v1/admin/vitals", Row("1 3 3 3 3 +")),
    ("GET /api/v1/admin/verdict", Row("1 3 3 3 3 +")),
    (
        "POST /api/v1/events/{event_id}/check-ins",
        Row("1 3 3 4 ? ?", {"token": "not.one", "gate": "North"}),
    ),
    ("GET /api/v1/tickets/keys.json", Row("+ + + + + +")),
    ("GET /api/v1/payment-methods", Row("+ + + + + +")),
    (
        "POST /api/v1/payments",
        Row(
            "1 4 ~ 4 4 4",
            {"booking_reference": "{reference}", "method": "CARD", "payment_token": "tok_ok"},
        ),
    ),
    ("GET /api/v1/payments/{payment_id}", Row("1 4 + 4 4 +")),
    ("POST /api/v1/payments/{payment_id}/verify", Row("1 4 + 4 4 4")),
    (
        "POST /api/v1/payments/{payment_id}/refunds",
        Row("1 3 3 4 + +", {"amount": 1, "reason": "Goodwill."}),
    ),
    ("POST /api/v1/webhooks/payments/{provider}", Row("! ! ! ! ! !", {})),
    # The ends of all this.
    ("POST /api/v1/bookings/{reference}/cancel", Row("1 4 + 4 ~ ~")),
    ("DELETE /api/v1/bookings/{reference}", Row("1 4 ~ 4 ~ ~")),
    ("POST /api/v1/events/{event_id}/cancel", Row("1 3 3 4 + +", {"reason": "Rain."})),
    ("DELETE /api/v1/auth/sessions/{session_id}", Row("1 4 + 4 4 4")),
    ("POST /api/v1/auth/logout", Row("1 + + + + +")),
)

RPCS: Sequence[tuple[str, Row]] = (
    #                              no token
    #                              | stranger
    #                              | | buyer
    #                              | | | rival
    #                              | | | | owner
    #                              | | | | | admin
    #                              | | | | | | gateway
    (
        "auth.RequestCode",
        Row("1 3 3 3 3 3 +", {"email": "{actor}-{world}@otp.example", "purpose": "REGISTER"}),
    ),
    (
        "auth.Register",
        Row(
            "1 3 3 3 3 3 ?",
            {
                "email": "{actor}-{world}@new.example",
                "password": NEW_PASSWORD,
                "name": "x",
                "code": CODE,
            },
        ),
    ),
    (
        "auth.LogIn",
        Row("1 3 3 3 3 3 +", {"email": "{stranger_email}", "password": "{stranger_password}"}),
    ),
    ("auth.Refresh", Row("1 3 3 3 3 3 !", {"refresh_token": "made up"})),
    (
        "auth.ResetPassword",
        Row(
            "1 3 3 3 3 3 ?",
            {"email": "nobody-{world}@new.example", "code": CODE, "new_password": NEW_PASSWORD},
        ),
    ),
    ("auth.GetMe", Row("1 + + + + + 3")),
    # The buyer sells nothing.
    ("auth.GetOrganizer", Row("1 3 3 3 3 3 4", {"user_id": "{user_id}"})),
    ("auth.UpdateProfile", Row("1 + + + + + 3")),
    (
        "auth.ChangePassword",
        Row("1 ? ? ? ? ? 3", {"current_password": "not mine", "new_password": NEW_PASSWORD}),
    ),
    ("auth.ListSessions", Row("1 + + + + + 3")),
    ("auth.CreateApiKey", Row("1 3 3 + + + 3", {"name": "x", "scopes": ["sales:read"]})),
    ("auth.ListApiKeys", Row("1 3 3 + + + 3", {"limit": 1})),
    ("auth.RevokeApiKey", Row("1 3 3 4 + 4 3", {"api_key_id": "{api_key_id}"})),
    ("auth.ExchangeApiKey", Row("1 3 3 3 3 3 !", {"key": "ptk_made_up"})),
    ("auth.ListUsers", Row("1 3 3 3 3 + 3", {"limit": 1})),
    ("auth.GetUser", Row("1 3 3 3 3 + 3", {"user_id": "{user_id}"})),
    ("auth.UpdateUser", Row("1 3 3 3 3 + 3", {"user_id": "{user_id}", "disabled": False})),
    ("auth.ListUserApiKeys", Row("1 3 3 3 3 + 3", {"user_id": "{user_id}", "limit": 1})),
    (
        "auth.RevokeUserApiKey",
        Row("1 3 3 3 3 4 3", {"user_id": "{user_id}", "api_key_id": "{api_key_id}"}),
    ),
    ("auth.ListAudit", Row("1 3 3 3 3 + 3", {"limit": 1})),
    ("catalog.ListVenues", Row("1 + + + + + +", {"limit": 1})),
    ("catalog.GetVenue", Row("1 + + + + + +", {"venue_id": "{venue_id}"})),
    ("catalog.CreateVenue", Row("1 3 3 + + + 3", {"venue": VENUE})),
    (
        "catalog.AddSection",
        Row(
            "1 3 3 4 + + 3",
            {
                "venue_id": "{venue_id}",
                "section": {"name": "Of {actor}", "kind": "STANDING", "capacity": 10},
            },
        ),
    ),
    ("catalog.ListEvents", Row("1 + + + + + +", {"limit": 1})),
    ("catalog.GetEvent", Row("1 + + + + + +", {"event_id": "{event_id}"})),
    (
        "catalog.ReadEvents",
        Row("1 3 3 3 3 3 +", {"items": [{"event_id": "{event_id}"}, {"event_id": "{draft_id}"}]}),
    ),
    ("catalog.GetEvent", Row("1 4 4 4 + + 4", {"event_id": "{draft_id}"})),
    (
        "catalog.CreateEvent",
        Row(
            "1 3 3 + + + 3",
            {
                "draft": {**EVENT, "max_per_customer": 1},
                "tiers": [{"name": "All", "price": 1, "capacity": 5}],
            },
        ),
    ),
    (
        "catalog.AddImage",
        Row("1 3 3 4 + + 3", {"event_id": "{event_id}", "role": "GALLERY", "chunk": PIXEL}),
    ),
    ("catalog.GetImage", Row("1 + + + + + +", {"image_id": "{image_id}"})),
    (
        "catalog.DeleteImage",
        Row("1 3 3 4 + + 3", {"event_id": "{event_id}", "image_id": "{image_id}"}, ONE_EACH),
    ),
    (
        "catalog.WriteReview",
        Row("1 ~ ~ ~ ~ ~ 3", {"event_id": "{event_id}", "rating": 5, "author": "x"}),
    ),
    ("catalog.ListReviews", Row("1 4 4 4 + + 4", {"event_id": "{draft_id}"})),
    ("catalog.ListReviews", Row("1 + + + + + +", {"event_id": "{event_id}"})),
    (
        "catalog.UpdateVenue",
        Row("1 3 3 4 + + 3", {"venue_id": "{venue_id}", "address": "Where {actor} says"}),
    ),
    (
        "catalog.UpdateSection",
        Row(
            "1 3 3 4 + + 3",
            {"venue_id": "{venue_id}", "section_id": "{section_id}", "name": "To {actor}"},
        ),
    ),
    (
        "catalog.DeleteSection",
        Row("1 3 3 4 ~ ~ 3", {"venue_id": "{venue_id}", "section_id": "{section_id}"}),
    ),
    (
        "catalog.UpdateEvent",
        Row(
            "1 3 3 4 + + 3",
            {"event_id": "{event_id}", "fields": ["terms"], "draft": {"terms": "Of {actor}."}},
        ),
    ),
    ("catalog.CountEvents", Row("1 3 3 + + + 3", {"own_only": True})),
    ("catalog.CountEvents", Row("1 3 3 3 3 + 3")),
    ("catalog.PublishEvent", Row("1 3 3 4 + 4 3", {"event_id": "{draft_id}"})),
    ("catalog.DeleteEvent", Row("1 3 3 4 ~ ~ 3", {"event_id": "{draft_id}"})),
    ("inventory.GetSeatMap", Row("1 + + + + + +", {"event_id": "{event_id}"})),
    ("inventory.GetSeatStates", Row("1 4 4 4 4 4 4", {"event_id": "{draft_id}"})),
    ("inventory.GetSeatStates", Row("1 + + + + + +", {"event_id": "{event_id}"})),
    (
        "inventory.BlockSeats",
        Row("1 3 3 4 ~ ~ 3", {"event_id": "{event_id}", "seat_ids": ["1"]}),
    ),
    ("inventory.ListBlocks", Row("1 3 3 4 + + 3", {"event_id": "{event_id}"})),
    (
        "inventory.UnblockSeats",
        Row("1 3 3 4 ~ ~ 3", {"event_id": "{event_id}", "seat_ids": ["1"]}),
    ),
    (
        "inventory.SetCapacity",
        Row(
            "1 3 3 4 ? ? 3",
            {
                "event_id": "{event_id}",
                "sections": [{"section_id": "{draft_id}", "capacity": 5}],
                "version": 1,
            },
        ),
    ),
    ("inventory.CountHolds", Row("1 3 3 + + + 3", {"own_only": True})),
    ("inventory.CountHolds", Row("1 3 3 3 3 + 3")),
    ("inventory.ListHolds", Row("1 + + + + + 3", {"limit": 1})),
    ("inventory.GetHold", Row("1 4 + 4 4 4 3", {"hold_id": "{hold_id}"})),
    ("booking.QuoteBooking", Row("1 4 + 4 4 4 3", {"hold_id": "{hold_id}"})),
    (
        "booking.QuoteBooking",
        Row("1 + + + + + 3", {"event_id": "{event_id}", "seat_ids": ["{seat_id}"]}),
    ),
    (
        "inventory.QuotePlaces",
        Row("1 + + + + + 3", {"event_id": "{event_id}", "seat_ids": ["{seat_id}"]}),
    ),
    ("inventory.ExtendHold", Row("1 4 + 4 4 4 3", {"hold_id": "{hold_id}", "seconds": 1200})),
    (
        "inventory.AddToHold",
        Row("1 4 + 4 4 4 3", {"hold_id": "{hold_id}", "seat_ids": ["{seat_id}"]}),
    ),
    ("inventory.ReleaseHold", Row("1 4 + 4 4 4 3", {"hold_id": "{spare_id}"})),
    ("inventory.CreateHolds", Row("1 3 3 3 3 3 +")),
    (
        "inventory.CreateHold",
        Row("1 + + + + + 3", {"event_id": "{event_id}", "best_available": {"quantity": 1}}),
    ),
    # Whose a hold is that comes along, each item's own token says.
    ("booking.CreateBookings", Row("1 3 3 3 3 3 ?")),
    # For booking_service alone.
    ("inventory.ReserveHolds", Row("1 3 3 3 3 3 3")),
    ("inventory.CancelReservations", Row("1 3 3 3 3 3 3")),
    ("booking.ListBookings", Row("1 + + + + + 3", {"limit": 1})),
    ("booking.GetBooking", Row("1 4 + 4 + + 3", {"reference": "{reference}"})),
    ("booking.GetTimeline", Row("1 4 + 4 + + 3", {"reference": "{reference}"})),
    ("booking.ListTickets", Row("1 4 + 4 4 4 3", {"reference": "{reference}"})),
    ("booking.GetTicket", Row("1 4 + 4 4 4 3", {"ticket_id": "{ticket_id}"})),
    ("booking.ListTicketKeys", Row("1 + + + + + +")),
    (
        "booking.CreateCoupon",
        Row(
            "1 3 3 4 + + 3",
            {
                "event_id": "{event_id}",
                "coupon": {"code": "OF-{actor}", "kind": "FIXED", "value": 5},
            },
        ),
    ),
    ("booking.ListCoupons", Row("1 3 3 4 + + 3", {"event_id": "{event_id}", "limit": 1})),
    (
        "booking.UpdateCoupon",
        Row("1 3 3 4 + + 3", {"event_id": "{event_id}", "code": "OF-owner", "active": False}),
    ),
    ("booking.ListEventBookings", Row("1 3 3 4 + + 3", {"event_id": "{event_id}", "limit": 1})),
    ("booking.GetSales", Row("1 3 3 4 + + 3", {"event_id": "{event_id}"})),
    ("booking.GetDashboard", Row("1 3 3 + + + 3", {"own_only": True})),
    ("booking.GetDashboard", Row("1 3 3 3 3 + 3")),
    ("booking.GetVerdict", Row("1 3 3 3 3 + 3")),
    ("booking.CheckIn", Row("1 3 3 4 ? ? 3", {"event_id": "{event_id}", "token": "not.one"})),
    (
        "booking.AttemptPayment",
        Row(
            "1 4 ~ 4 4 4 3",
            {"reference": "{reference}", "method": "CARD", "payment_token": "tok_ok"},
        ),
    ),
    ("payment.DescribeCardTokens", Row("1 3 3 3 3 3 +")),
    ("payment.GetPayment", Row("1 4 + 4 4 + 3", {"payment_id": "{payment_id}"})),
    ("payment.VerifyPayment", Row("1 4 + 4 4 4 3", {"payment_id": "{payment_id}"})),
    (
        "payment.CreateRefund",
        Row("1 3 3 4 + + 3", {"payment_id": "{payment_id}", "amount": 1, "reason": "Goodwill."}),
    ),
    ("payment.ReceiveWebhooks", Row("1 3 3 3 3 3 +", {"webhooks": [{"provider": "sandbox"}]})),
    ("booking.ShowBooking", Row("1 3 3 3 3 3 3", {"booking_id": "{event_id}"})),
    (
        "booking.ListAudience",
        Row(
            "1 3 3 3 3 3 3",
            {"event_id": "{event_id}", "audience": "AUDIENCE_GOING", "limit": 1},
        ),
    ),
    (
        "notification.CreateWebhookEndpoint",
        Row("1 3 3 + + + 3", {"url": HOOK, "facts": ["event.changed"]}),
    ),
    ("notification.ListWebhookEndpoints", Row("1 3 3 + + + 3", {"limit": 1})),
    *(
        (
            f"notification.{rpc}",
            Row("1 3 3 4 4 4 3", {"endpoint_id": NO_HOOK["endpoint_id"], **more}),
        )
        for rpc, more in (
            ("UpdateWebhookEndpoint", {"is_enabled": False}),
            ("RotateWebhookSecret", {}),
            ("TestWebhookEndpoint", {}),
            ("ListWebhookDeliveries", {"limit": 1}),
            ("ResendWebhookDelivery", {"delivery_id": NO_HOOK["delivery_id"]}),
            ("DeleteWebhookEndpoint", {}),
        )
    ),
    ("notification.ListMailbox", Row("1 3 3 3 3 3 +", {"limit": 1})),
    (
        "notification.MessageAttendees",
        Row(
            "1 3 3 4 + + 3",
            {"event_id": "{event_id}", "subject": "Doors", "text": "At six.", "preview": True},
        ),
    ),
    ("notification.Unsubscribe", Row("1 3 3 3 3 3 ?", {"token": "x"})),
    ("notification.ListNotices", Row("1 + + + + + 3", {"limit": 1})),
    ("notification.ReadNotice", Row("1 4 4 4 4 4 3", {"notice_id": "{hold_id}"})),
    ("notification.ReadAllNotices", Row("1 + + + + + 3")),
    ("notification.CountUnreadNotices", Row("1 3 3 3 3 3 +", {"person_id": "{user_id}"})),
    ("notification.GetPreferences", Row("1 + + + + + 3")),
    ("notification.SetPreferences", Row("1 + + + + + 3")),
    ("booking.CancelBooking", Row("1 4 + 4 ~ ~ 3", {"reference": "{reference}"})),
    ("catalog.CancelEvent", Row("1 3 3 4 + + 3", {"event_id": "{event_id}", "reason": "Rain."})),
    ("auth.RevokeSession", Row("1 4 + 4 4 4 3", {"session_id": "{session_id}"})),
    ("auth.LogOut", Row("1 + + + + + 3")),
)

# What each sees of what is theirs; none of it may change when somebody else is refused.
SEEN = {
    "stranger": ("/auth/me", "/auth/sessions", "/holds", "/bookings"),
    "buyer": (
        "/auth/me",
        "/auth/sessions",
        "/holds",
        "/bookings",
        "/bookings/{reference}/timeline",
        "/bookings/{reference}/tickets",
        "/payments/{payment_id}",
    ),
    "rival": ("/auth/me", "/auth/sessions", "/holds", "/bookings", "/organizer/events"),
    "owner": (
        "/auth/me",
        "/api-keys",
        "/organizer/events",
        "/venues/{venue_id}",
        "/events/{event_id}/seats",
    ),
    "admin": ("/admin/users/{user_id}", "/admin/audit", "/venues", "/bookings"),
}


# --- what there is to be called about ------------------------------------------------------------


class Person:
    """A visitor, or somebody signed in, with the cookies of a browser."""

    def __init__(self, gateway: str) -> None:
        self.http = httpx.Client(
            base_url=gateway, timeout=30, headers={"X-Requested-With": "parterre"}
        )
        self.token = ""

    def log_in(self, account: Account) -> None:
        body = {"email": account.email, "password": account.password}
        self.token = self.post("/auth/login", body)["access_token"]
        self.http.headers["Authorization"] = f"Bearer {self.token}"

    def get(self, path: str) -> Any:
        return self.http.get(f"/api/v1{path}").raise_for_status().json()

    def post(self, path: str, body: Any = None, **options: Any) -> Any:
        return self.http.post(f"/api/v1{path}", json=body, **options).raise_for_status().json()


@dataclass
class World:
    """The six, the buyer's other device, and the objects of two of them."""

    people: Mapping[str, Person]
    names: Mapping[str, str]

    def fill(self, value: Any, names: Mapping[str, str]) -> Any:
        """`value` with each `{name}` replaced by what it stands for."""
        if isinstance(value, str):
            return re.sub(r"\{(\w+)\}", lambda match: names[match[1]], value)
        if isinstance(value, Mapping):
            return {key: self.fill(inner, names) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.fill(inner, names) for inner in value]
        return value

    def of(self, row: Row, actor: str) -> Mapping[str, str]:
        """What names stand for in a row, for an actor."""
        own = {**self.names, "image_of_actor": self.names.get(f"image_of_{actor}", "")}
        return {**self.names, **self.fill(row.names, own), "actor": actor}

    def seen(self) -> dict[str, Any]:
        """All that they see of what is theirs, but for counts that are told a moment later."""
        return {
            f"{actor} {path}": _uncounted(self.people[actor].get(self.fill(path, self.names)))
            for actor, paths in SEEN.items()
            for path in paths
        }


def _uncounted(seen: Any) -> Any:
    if isinstance(seen, dict):
        return {key: _uncounted(it) for key, it in seen.items() if key != "availability"}
    return [_uncounted(it) for it in seen] if isinstance(seen, list) else seen


@pytest.fixture
def world(system: System) -> Iterator[World]:
    """New people, and objects of the buyer's and the owner's."""
    with ExitStack() as stack:
        tag = secrets.token_hex(4)
        accounts = {
            name: Account(role, f"{name}-{tag}@parterre.example", secrets.token_urlsafe(12))
            for name, role in (
                ("stranger", "CUSTOMER"),
                ("buyer", "CUSTOMER"),
                ("rival", "ORGANIZER"),
                ("owner", "ORGANIZER"),
                ("admin", "CUSTOMER"),  # as everybody begins
            )
        }
        visitor = stack.enter_context(Client(system.gateway))
        for account in accounts.values():
            register(visitor, account)
        with system.client("ADMIN") as first_admin:
            [found] = first_admin.get("/admin/users", q=accounts["admin"].email)["items"]
            first_admin.call("PATCH", f"/admin/users/{found['id']}", json={"role": "ADMIN"})
        people = {name: Person(system.gateway) for name in (*ACTORS, "elsewhere")}
        for person in people.values():
            stack.enter_context(person.http)
        for name, account in accounts.items():
            people[name].log_in(account)
        people["elsewhere"].log_in(accounts["buyer"])
        names = {
            "world": tag,
            "provider": "sandbox",
            "name": "start.js",
            "reason": "sales-closed",
            **{f"{name}_email": account.email for name, account in accounts.items()},
            **{f"{name}_password": account.password for name, account in accounts.items()},
            **things_of_the_owner(people["owner"], visitor),
        }
        yield World(people, {**names, **things_of_the_buyer(people["buyer"], names["event_id"])})


def things_of_the_owner(owner: Person, visitor: Client) -> dict[str, str]:
    venue = owner.post("/venues", {**VENUE, "name": "The owner's"})
    rows = [{"label": "A", "seats": 20}]
    section = owner.post(
        f"/venues/{venue['id']}/sections", {"name": "Stalls", "kind": "SEATED", "rows": rows}
    )
    tiers = [{"name": "Stalls", "price": 1000, "section_ids": [section["id"]]}]
    event = {**EVENT, "title": "The owner's", "location": None, "venue_id": venue["id"]}
    on_sale = owner.post("/events", {**event, "tiers": tiers})["id"]
    counted = [{"name": "All", "price": 1000, "capacity": 5}]
    draft = owner.post("/events", {**EVENT, "title": "Not yet", "tiers": counted})["id"]
    owner.post(f"/events/{on_sale}/publish")
    visitor.wait_for(f"/events/{on_sale}", lambda body: body["status"] == "PUBLISHED", seconds=30)

    def add_image(role: str) -> str:
        form = as_form({**PICTURE, "role": role})
        return str(owner.post(f"/events/{on_sale}/images", **form)["id"])

    banner = add_image("BANNER")
    api_key = owner.post("/api-keys", {"name": "Figures", "scopes": ["sales:read"]})
    return {
        "api_key_id": api_key["id"],
        "image_id": banner,
        **{f"image_of_{actor}": banner for actor in CALLERS},
        **{f"image_of_{actor}": add_image("GALLERY") for actor in ("owner", "admin")},
        "venue_id": venue["id"],
        "section_id": section["id"],
        "event_id": on_sale,
        "draft_id": draft,
    }


def things_of_the_buyer(buyer: Person, event_id: str) -> dict[str, str]:
    def hold(quantity: int) -> Any:
        best = {"event_id": event_id, "best_available": {"quantity": quantity}}
        return buyer.post("/holds", best)

    paid = {
        "hold_id": hold(1)["id"],
        "payment_method": "CARD",
        "payment_token": "tok_ok",
    }
    reference = buyer.post("/bookings", paid)["reference"]
    booking = buyer.get(f"/bookings/{reference}?wait=20")
    assert booking["status"] == "CONFIRMED"
    kept, spare = hold(2), hold(1)
    sessions = buyer.get("/auth/sessions")["items"]
    return {
        "reference": reference,
        "ticket_id": buyer.get(f"/bookings/{reference}/tickets")[0]["id"],
        "payment_id": booking["payment"]["id"],
        "hold_id": kept["id"],
        "seat_id": kept["lines"][0]["seat_id"],
        "spare_id": spare["id"],
        "user_id": buyer.get("/auth/me")["id"],
        "session_id": next(one["id"] for one in sessions if not one["current"]),
    }


# --- calling it ----------------------------------------------------------------------------------

# An operation, its row, and who calls.
Call = Callable[[str, Row, str], str]


def outcome(status: int, reason: str) -> str:
    """The mark of an answer, as the tables have it; what no mark stands for is told as it is."""
    if status < 300:
        return "+"
    if status == 401:
        return "1" if reason in {"NOT_AUTHENTICATED", "INVALID_TOKEN"} else "!"
    if status == 404 and reason.endswith("_NOT_FOUND"):
        return "4"
    marks = {(403, "FORBIDDEN"): "3", (409, reason): "~", (422, reason): "?"}
    return marks.get((status, reason), f"{status} {reason}")


def as_form(sent: Mapping[str, str]) -> dict[str, Any]:
    """What httpx sends as a form."""
    fields = {name: value for name, value in sent.items() if name != "file"}
    return {"data": fields, "files": {"file": ("it.png", base64.b64decode(sent["file"]))}}


@pytest.fixture
def call_route(world: World) -> Call:
    """Calls a route as somebody; gives the mark of the answer."""

    def call(operation: str, row: Row, actor: str) -> str:
        method, path = operation.split(" ")
        names = world.of(row, actor)
        sent = world.fill(row.sent, names)
        with world.people[actor].http.stream(
            method, world.fill(path, names), **(as_form(sent) if row.is_form else {"json": sent})
        ) as answer:
            if "event-stream" not in answer.headers.get("content-type", ""):
                answer.read()
        return outcome(answer.status_code, answer.json()["reason"] if answer.is_error else "")

    return call


@pytest.fixture
def call_rpc(system: System, world: World) -> Iterator[Call]:
    """Calls an RPC as somebody, past the gateway; gives the mark of the answer."""
    key = json.loads((system.home / "secrets.json").read_text())["service.gateway"]
    gateway = ServiceTokens("gateway", key)
    statuses = {
        CODES["UNAUTHENTICATED"]: 401,
        CODES["FORBIDDEN"]: 403,
        CODES["NOT_FOUND"]: 404,
        CODES["STATE"]: 409,
        CODES["INVALID"]: 422,
    }

    def call(operation: str, row: Row, actor: str) -> str:
        service, name = operation.split(".")
        method = SERVICES[service].methods_by_name[name]
        request = ParseDict(
            world.fill(row.sent or {}, world.of(row, actor)), GetMessageClass(method.input_type)()
        )
        channel = channels[service]
        rpc = (channel.unary_stream if method.server_streaming else channel.unary_unary)(
            f"/{SERVICES[service].full_name}/{name}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=GetMessageClass(method.output_type).FromString,
        )
        token = gateway.token(service) if actor == "gateway" else world.people[actor].token
        metadata = (("authorization", f"Bearer {token}"),) if token else ()
        try:
            reply = rpc(request, metadata=metadata, timeout=20)
            if method.server_streaming:
                list(reply)
        except grpc.RpcError as error:
            refusal = from_call(error)
            return outcome(statuses.get(refusal.code, 500), refusal.reason)
        return "+"

    with ExitStack() as stack:
        channels = {
            name: stack.enter_context(grpc.insecure_channel(address))
            for name, address in system.run["rpc"].items()
        }
        yield call


def walk(
    world: World,
    table: Sequence[tuple[str, Row]],
    actors: Sequence[str],
    call: Call,
) -> None:
    """Calls everything as everybody.

    Raises:
        AssertionError: something came of it that the table does not say.
    """

    def wrong(*, refused: bool) -> list[str]:
        found = []
        for operation, row in table:
            for actor, expected in row.expected(actors).items():
                if (expected in REFUSED) is refused:
                    mark = call(operation, row, actor)
                    if mark != expected and (expected, mark) != ("~", "+"):
                        found.append(f"{operation} by {actor}: {mark} and not {expected}")
        return found

    before = world.seen()
    assert wrong(refused=True) == []
    assert world.seen() == before
    assert wrong(refused=False) == []


# --- the tests -----------------------------------------------------------------------------------


def test_every_route_says_here_who_may_call_it(system: System) -> None:
    paths = httpx.get(f"{system.gateway}/api/openapi.json").raise_for_status().json()["paths"]
    routes = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert routes == {operation for operation, _ in ROUTES}


def test_every_rpc_says_here_who_may_call_it() -> None:
    rpcs = {
        f"{name}.{method.name}" for name, service in SERVICES.items() for method in service.methods
    }
    assert rpcs == {operation for operation, _ in RPCS}


def test_every_route_lets_in_whom_the_table_says_and_the_others_change_nothing(
    world: World, call_route: Call
) -> None:
    walk(world, ROUTES, ACTORS, call_route)


def test_every_rpc_lets_in_whom_the_table_says_and_the_others_change_nothing(
    world: World, call_rpc: Call
) -> None:
    walk(world, RPCS, CALLERS, call_rpc)


@pytest.fixture
def doors(call_route: Call, call_rpc: Call) -> Callable[[str], set[str]]:
    """The marks somebody gets at the gateway and at every service."""
    rows = dict(RPCS)
    asked = (
        "auth.GetMe",
        "booking.ListBookings",
        "catalog.ListVenues",
        "inventory.ListHolds",
        "notification.ListMailbox",
        "payment.GetPayment",
    )
    assert {operation.partition(".")[0] for operation in asked} == set(SERVICES)

    def marks(who: str) -> set[str]:
        at_the_gateway = call_route("GET /api/v1/auth/me", dict(ROUTES)["GET /api/v1/auth/me"], who)
        return {at_the_gateway, *(call_rpc(operation, rows[operation], who) for operation in asked)}

    return marks


def wait_until_shut(doors: Callable[[str], set[str]], who: str) -> None:
    """Waits for the word to reach every process.

    Raises:
        TimeoutError: some door still lets them in.
    """
    deadline = time.monotonic() + 10
    while (marks := doors(who)) != {"1"}:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{who} still gets {marks}")
        time.sleep(0.02)


def test_a_device_that_is_signed_out_is_let_in_nowhere_and_the_others_stay(
    world: World, doors: Callable[[str], set[str]]
) -> None:
    assert "1" not in doors("elsewhere")
    path = f"/api/v1/auth/sessions/{world.names['session_id']}"
    world.people["buyer"].http.delete(path).raise_for_status()
    wait_until_shut(doors, "elsewhere")
    assert "1" not in doors("buyer")


@pytest.mark.parametrize("change", [{"disabled": True}, {"role": "CUSTOMER"}], ids=str)
def test_whom_an_admin_changes_is_let_in_nowhere_with_the_old_token(
    world: World, doors: Callable[[str], set[str]], change: dict[str, object]
) -> None:
    rival, admin = world.people["rival"], world.people["admin"]
    path = f"/api/v1/admin/users/{rival.get('/auth/me')['id']}"
    assert "1" not in doors("rival")
    admin.http.patch(path, json=change).raise_for_status()
    wait_until_shut(doors, "rival")
    again = rival.http.post(
        "/api/v1/auth/login",
        json={"email": world.names["rival_email"], "password": world.names["rival_password"]},
    )
    if "disabled" in change:
        assert (again.status_code, again.json()["reason"]) == (403, "ACCOUNT_DISABLED")
    else:
        assert again.json()["user"]["role"] == "CUSTOMER"
