"""What an API key may be good for, as the contract has it (`options.proto`), for routes to name."""

from __future__ import annotations

from enum import StrEnum


class Scope(StrEnum):
    """A scope; each route that a key opens names the one it needs."""

    EVENTS_READ = "events:read"
    EVENTS_WRITE = "events:write"
    BOOKINGS_READ = "bookings:read"
    BOOKINGS_WRITE = "bookings:write"
    COUPONS_READ = "coupons:read"
    COUPONS_WRITE = "coupons:write"
    CHECK_INS_WRITE = "check-ins:write"
    SALES_READ = "sales:read"
    WEBHOOKS_WRITE = "webhooks:write"
