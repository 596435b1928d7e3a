"""People who go on, as good clients do, while everything around them breaks."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from ops.client import Client, ProblemError
from ops.seed import newest_code

SECONDS = 90.0


def until(holds: Callable[[], Any]) -> Any:
    """What `holds` gives once that is true; waits at most `SECONDS`."""
    deadline = time.monotonic() + SECONDS
    while not (found := holds()):
        if time.monotonic() > deadline:
            raise TimeoutError("it did not become so in time")
        time.sleep(0.1)
    return found


def surely(
    who: Client, path: str, body: dict[str, Any] | None = None, *, key: str | None = None
) -> Any:
    """POSTs as a good client does: again with the same key while the answer is unknown."""
    key = key or secrets.token_hex(8)
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            return who.post(path, body, key=key)
        except (ProblemError, httpx.HTTPError) as error:
            sure = isinstance(error, ProblemError) and (
                error.status < 500 and error.reason != "IDEMPOTENCY_IN_PROGRESS"
            )
            if sure or time.monotonic() > deadline:
                raise
        time.sleep(0.1)


@contextmanager
def somebody(gateway: str, role: str = "CUSTOMER") -> Iterator[Client]:
    """A person who registers while everything may die."""
    email = f"{secrets.token_hex(5)}@parterre.example"
    password = secrets.token_urlsafe(12)
    with Client(gateway) as client:
        wish = {"email": email, "purpose": "REGISTER"}
        try:
            client.patiently(lambda: client.post("/auth/otp", wish), seconds=SECONDS)
        except ProblemError as error:  # a try whose answer was lost has sent the code already
            if error.reason != "CODE_THROTTLED":
                raise
        code = newest_code(client, email)
        body = {"email": email, "password": password, "name": "Maya", "otp": code, "role": role}
        with suppress(ProblemError):  # the code was spent by a try whose answer was lost
            client.patiently(lambda: client.post("/auth/register", body), seconds=SECONDS)
        client.patiently(lambda: client.log_in(email, password), seconds=SECONDS)
        yield client


def publish_an_event(organizer: Client, **otherwise: Any) -> dict[str, Any]:
    """Counted tickets, on sale; `otherwise` is what shall be other than usual."""
    starts_at = datetime.now(UTC) + timedelta(days=30)
    event = organizer.patiently(
        lambda: organizer.post(
            "/events",
            {
                "title": "A night of failures",
                "description": "Everything goes down, nothing is lost.",
                "category": "COMEDY",
                "location": "Patan",
                "timezone": "Asia/Kathmandu",
                "starts_at": starts_at.isoformat(),
                "ends_at": (starts_at + timedelta(hours=2)).isoformat(),
                "currency": "NPR",
                "tiers": [{"name": "Floor", "price": 50_000, "capacity": 100}],
                **otherwise,
            },
        ),
        seconds=SECONDS,
    )
    organizer.patiently(lambda: organizer.post(f"/events/{event['id']}/publish"), seconds=SECONDS)
    found: dict[str, Any] = organizer.wait_for(
        f"/events/{event['id']}", lambda it: it["status"] == "PUBLISHED", seconds=SECONDS
    )
    return found


def tickets_of(event: dict[str, Any], quantity: int = 1) -> dict[str, Any]:
    """What to ask a hold of counted tickets for."""
    general = [{"tier_id": event["tiers"][0]["id"], "quantity": quantity}]
    return {"event_id": event["id"], "general": general}


def book(who: Client, wanted: dict[str, Any], token: str | None = "tok_ok", **more: Any) -> str:
    """Holds and books, with a card or, without a token, with a wallet; gives the reference."""
    hold = surely(who, "/holds", wanted)
    paying = (
        {"payment_method": "CARD", "payment_token": token}
        if token
        else {"payment_method": "KHALTI"}
    )
    reference: str = surely(who, "/bookings", {"hold_id": hold["id"], **paying, **more})[
        "reference"
    ]
    return reference


def when(who: Client, reference: str, good: Callable[[Any], Any]) -> dict[str, Any]:
    """The booking once `good` says so of it."""
    found: dict[str, Any] = who.wait_for(f"/bookings/{reference}", good, seconds=SECONDS, wait=10)
    return found


def ends(who: Client, reference: str, *statuses: str) -> dict[str, Any]:
    """The booking once it has one of those statuses."""
    return when(who, reference, lambda booking: booking["status"] in statuses)


def is_refused(booking: dict[str, Any]) -> bool:
    """Whether it waits for another card."""
    return (booking["status"], booking["payment"]["status"]) == ("PENDING", "FAILED")


def wallet_page(who: Client, reference: str) -> str:
    """Where the customer approves the payment."""
    booking = when(who, reference, lambda it: (it["payment"]["action"] or {}).get("url"))
    url: str = booking["payment"]["action"]["url"]
    return url


def approve(page: str) -> None:
    """What the customer does on the wallet's page."""
    assert httpx.post(page, data={"action": "approve"}).status_code == 303
