"""Demo data, made through the public API as anybody would: people, halls, events on sale."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ops.client import Client, ProblemError

_PUBLISH_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who can log in."""

    role: str
    email: str
    password: str


@dataclass(frozen=True, slots=True)
class SeededEvent:
    """An event on sale."""

    id: str
    title: str
    kind: str  # SEATED, STANDING or COUNTED


@dataclass(frozen=True, slots=True)
class Seeded:
    """What the demo data are."""

    accounts: list[Account]
    events: list[SeededEvent]

    def as_json(self) -> dict[str, Any]:
        """For a file."""
        return asdict(self)


def demo_accounts(password_of: Callable[[str], str]) -> list[Account]:
    """One admin, one organizer, two customers; `password_of` gives each address its own."""
    people = {"admin": "ADMIN", "organizer": "ORGANIZER", "asha": "CUSTOMER", "bikram": "CUSTOMER"}
    emails = {f"{name}@parterre.example": role for name, role in people.items()}
    return [Account(role, email, password_of(email)) for email, role in emails.items()]


def seed(gateway: str, accounts: list[Account]) -> Seeded:
    """Registers the accounts that are missing and puts three events on sale.

    The admin must be there already (the auth service makes its first one at start-up), the local
    mailbox open, and organizers free to sign up: the local profile.

    Raises:
        ProblemError: the API refused.
    """
    with Client(gateway) as visitor:
        for account in accounts:
            if account.role != "ADMIN":
                register(visitor, account)
        organizer = next(account for account in accounts if account.role == "ORGANIZER")
        visitor.log_in(organizer.email, organizer.password)
        return Seeded(accounts, _events(visitor))


def register(visitor: Client, account: Account) -> None:
    """Registers an account with the code from the local mailbox; a known one is left as it is."""
    name = account.email.partition("@")[0].title()
    try:
        visitor.post("/auth/login", {"email": account.email, "password": account.password})
    except ProblemError as error:
        if error.reason != "INVALID_CREDENTIALS":
            raise
    else:
        return
    visitor.post("/auth/otp", {"email": account.email, "purpose": "REGISTER"})
    visitor.post(
        "/auth/register",
        {
            "email": account.email,
            "password": account.password,
            "name": name,
            "otp": newest_code(visitor, account.email),
            "role": account.role,
        },
    )


def newest_code(visitor: Client, email: str) -> str:
    """The newest one-time code in the local mailbox; waits for it a little.

    Raises:
        TimeoutError: none came.
    """
    mails = visitor.wait_for(
        "/dev/mailbox",
        lambda page: any(mail["kind"] == "code" for mail in page["items"]),
        seconds=15,
        to=email,
    )
    body = next(mail["body"] for mail in mails["items"] if mail["kind"] == "code")
    found = re.search(r"\b\d{6}\b", body)
    if found is None:
        raise TimeoutError("the mail has no code")
    return found.group()


def _events(organizer: Client) -> list[SeededEvent]:
    theatre = organizer.post(
        "/venues",
        {
            "name": "Rastriya Naach Ghar",
            "address": "Jamal",
            "city": "Kathmandu",
            "country": "NP",
            "timezone": "Asia/Kathmandu",
            "amenities": ["bar", "wheelchair places"],
        },
    )
    stalls = _section(organizer, theatre, "Stalls", "ABCDEFGHJK", 24, y=4.0)
    balcony = _section(organizer, theatre, "Balcony", "ABCDE", 20, y=18.0)
    club = organizer.post(
        "/venues",
        {
            "name": "The Cellar",
            "address": "Thamel Marg 12",
            "city": "Kathmandu",
            "country": "NP",
            "timezone": "Asia/Kathmandu",
        },
    )
    floor = organizer.post(
        f"/venues/{club['id']}/sections", {"name": "Floor", "kind": "STANDING", "capacity": 350}
    )
    play = {
        "title": "The Tempest",
        "description": "Shakespeare's last island, in Nepali and English.",
        "category": "THEATRE",
        "venue_id": theatre["id"],
        "tax_percent": 13,
        "tiers": [
            {"name": "Stalls", "price": 150000, "section_ids": [stalls["id"]]},
            {"name": "Balcony", "price": 90000, "section_ids": [balcony["id"]]},
        ],
    }
    concert = {
        "title": "Kutumba at the Cellar",
        "description": "Folk instruments, standing room, no slow songs.",
        "category": "CONCERT",
        "venue_id": club["id"],
        "tiers": [{"name": "Standing", "price": 80000, "section_ids": [floor["id"]]}],
    }
    festival = {
        "title": "Himalayan Book Days",
        "description": "Three days of writers; a ticket admits for one day.",
        "category": "FESTIVAL",
        "location": "Bhrikutimandap, Kathmandu",
        "timezone": "Asia/Kathmandu",
        "tiers": [
            {"name": "Day ticket", "price": 50000, "capacity": 2000},
            {"name": "Friend of the festival", "price": 250000, "capacity": 100},
        ],
    }
    return [
        _on_sale(organizer, play, "SEATED", days=21),
        _on_sale(organizer, concert, "STANDING", days=28),
        _on_sale(organizer, festival, "COUNTED", days=35),
    ]


def _section(
    organizer: Client, venue: dict[str, Any], name: str, rows: str, seats: int, *, y: float
) -> dict[str, Any]:
    section: dict[str, Any] = organizer.post(
        f"/venues/{venue['id']}/sections",
        {
            "name": name,
            "kind": "SEATED",
            "rows": [{"label": label, "seats": seats} for label in rows],
            "origin": {"x": 0, "y": y},
            "curve": 1.5,
        },
    )
    return section


def _on_sale(organizer: Client, event: dict[str, Any], kind: str, *, days: int) -> SeededEvent:
    starts = (datetime.now(UTC) + timedelta(days=days)).replace(
        hour=13, minute=15, second=0, microsecond=0
    )
    times = {
        "starts_at": starts.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "ends_at": (starts + timedelta(hours=3)).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    made = organizer.post("/events", {**event, **times, "currency": "NPR"})
    organizer.post(f"/events/{made['id']}/publish")
    organizer.wait_for(
        f"/events/{made['id']}",
        lambda body: body["status"] == "PUBLISHED",
        seconds=_PUBLISH_SECONDS,
    )
    return SeededEvent(made["id"], made["title"], kind)
