"""The subjects of the routes, in the order in which a reader meets them."""

from __future__ import annotations

from collections.abc import Mapping

TAGS: Mapping[str, str] = {
    "Identity": "Accounts, log-in and sessions.",
    "API keys": "What programs sign in with, in their owner's name.",
    "Catalog": "Venues with their sections, and events with their price tiers.",
    "Pictures": "Pictures of events.",
    "Reviews": "What people who were there say of an event.",
    "Seats and holds": "The places of an event as they change, and taking some for a while.",
    "Seats kept back": "Seats that an organizer does not sell.",
    "Bookings and tickets": "Booking a hold, following the booking, and its tickets.",
    "Payments": "Attempts to pay, refunds, and what payment providers tell.",
    "Coupons": "What takes something off the price of an event.",
    "Sales": "What organizers and admins see of what was sold.",
    "Messages": "What organizers write to those who go, and mails that people want no more.",
    "Notifications": "What people are told in the app, and what they want to be told.",
    "Webhooks": "Having an organizer's systems told: Standard Webhooks, signed, at least once.",
    "Check-in": "Letting people in.",
    "Administration": "Accounts as admins keep them, and what was done to them.",
    "Operations": "Whether the gateway, and what it needs, answers.",
    "Development": "Only on a developer's machine.",
    "Documentation": "This description, and what each refusal means.",
}
