"""Customers who go on buying through HAProxy while processes are stopped, and what they see."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from ops.client import Client
from ops.seed import Account, register

_GIVES_UP_SECONDS = 60.0
# Of one event: a person may buy ten.
BOOKINGS = 8


@dataclass
class Seen:
    """Every answer that customers got, and how often none came."""

    answers: list[tuple[str, int, str | None]] = field(default_factory=list)
    # Each with the request's id, by which the logs are searched.
    failures: list[str] = field(default_factory=list)
    cut_off: list[str] = field(default_factory=list)
    bookings: list[tuple[Client, str]] = field(default_factory=list)

    @property
    def wrong(self) -> list[str]:
        """What a customer should never see: no answer, or a failure that is no "come again"."""
        return [*self.failures, *self.cut_off]

    def note(self, request: str, answer: httpx.Response) -> None:
        """Keeps an answer."""
        status, again = answer.status_code, answer.headers.get("Retry-After")
        self.answers.append((request, status, again))
        if status >= 500 and not (status == 503 and again):
            id = answer.request.headers["X-Request-Id"]
            self.failures.append(f"{request}: {status}, request id {id}: {answer.text[:300]}")


class Customer:
    """Holds, books and looks about, again and again, as a good client does."""

    def __init__(self, gateway: str, event_id: str, tier_id: str, seen: Seen) -> None:
        email = f"{secrets.token_hex(6)}@parterre.example"
        account = Account("CUSTOMER", email, secrets.token_urlsafe(12))
        self.client = Client(gateway)
        register(self.client, account)
        self.client.log_in(account.email, account.password)
        self._event_id, self._tier_id = event_id, tier_id
        self._seen = seen
        self._references: list[str] = []

    def buy(self, ends: threading.Event) -> None:
        """Until it is told to end."""
        while not ends.is_set():
            self._ask("GET", f"/events/{self._event_id}")
            self._ask("GET", f"/events/{self._event_id}/seats")
            line = {"tier_id": self._tier_id, "quantity": 1}
            hold = self._ask("POST", "/holds", {"event_id": self._event_id, "general": [line]})
            if hold is None:
                continue
            if len(self._references) == BOOKINGS:
                self._ask("DELETE", f"/holds/{hold['id']}")
                continue
            card = {"payment_method": "CARD", "payment_token": "tok_ok"}
            booking = self._ask("POST", "/bookings", {"hold_id": hold["id"], **card})
            if booking is not None:
                self._references.append(booking["reference"])
                self._seen.bookings.append((self.client, booking["reference"]))
                self._ask("GET", f"/bookings/{booking['reference']}")

    def see_the_end(self) -> None:
        """Waits until each of the bookings has ended.

        Raises:
            TimeoutError: one has not.
        """
        deadline = time.monotonic() + _GIVES_UP_SECONDS
        for reference in self._references:
            while self._ask("GET", f"/bookings/{reference}")["status"] == "PENDING":
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{reference} did not end")
                time.sleep(0.2)

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """The body of an answer that is none of "come again"; None where it is a refusal."""
        key = {"Idempotency-Key": secrets.token_hex(8)} if method == "POST" else {}
        http, ends_at = self.client._http, time.monotonic() + _GIVES_UP_SECONDS
        while True:
            id = secrets.token_hex(8)
            headers = {**key, "X-Request-Id": id}
            try:
                answer = http.request(method, f"/api/v1{path}", json=body, headers=headers)
            except httpx.HTTPError as error:
                self._seen.cut_off.append(f"{method} {path}: {error!r}, request id {id}")
                return None
            again = answer.headers.get("Retry-After")
            self._seen.note(f"{method} {path}", answer)
            if answer.status_code not in {429, 503} or time.monotonic() > ends_at:
                return answer.json() if answer.is_success and answer.content else None
            time.sleep(min(float(again or 1), 2.0))


@contextmanager
def crowd(gateway: str, number: int, *, keep_alive: bool = True) -> Iterator[Seen]:
    """So many customers buy while the block lasts; all that they began has ended after it.

    Without `keep_alive` each request has a connection of its own: where no proxy is that tries
    again what was sent into one that is just being closed.
    """
    with Client(gateway) as visitor:
        events = visitor.get("/events", limit=50)["items"]
        # One of plain counted tickets has no hall.
        event_id = next(event["id"] for event in events if event["venue"] is None)
        tier = visitor.get(f"/events/{event_id}")["tiers"][0]["id"]
    seen, ends = Seen(), threading.Event()
    customers: Sequence[Customer] = [Customer(gateway, event_id, tier, seen) for _ in range(number)]
    if not keep_alive:
        for customer in customers:
            customer.client._http.headers["Connection"] = "close"
    with ThreadPoolExecutor(number) as pool:
        working = [pool.submit(customer.buy, ends) for customer in customers]
        try:
            yield seen
        finally:
            ends.set()
            for work in working:
                work.result(timeout=2 * _GIVES_UP_SECONDS)
    for customer in customers:
        customer.see_the_end()
        customer.client.__exit__()
