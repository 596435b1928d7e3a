"""Demo data, made through the public API as anybody would: people, halls, events on sale."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from functools import partial
from typing import Any

from ops.client import Client, ProblemError
from ops.house import House
from ops.posters import poster
from ops.programme import Hall, Show, first_shows, past_shows, shows
from ops.rewinding import Rewinding

_PUBLISH_SECONDS = 60.0
# Under what name the organizers sell, by how their addresses begin.
_BUSINESSES = {"organizer": "Naach Ghar Productions", "promoter": "Himal Live Events"}
_ALIVE = ("DRAFT", "PUBLISHING", "PUBLISHED")
Told = Callable[[str], None]


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
    """One admin, two organizers, two customers; `password_of` gives each address its own."""
    people = {
        "admin": "ADMIN",
        "organizer": "ORGANIZER",
        "promoter": "ORGANIZER",
        "asha": "CUSTOMER",
        "bikram": "CUSTOMER",
    }
    emails = {f"{name}@parterre.example": role for name, role in people.items()}
    return [Account(role, email, password_of(email)) for email, role in emails.items()]


def seed(gateway: str, accounts: list[Account], today: date) -> Seeded:
    """Registers the accounts that are missing and sees that the organizer's three events are on.

    Whatever is there already is left as it is. The local mailbox must be open (the local profile),
    and the admin be there, whom the auth service makes at its first start. Where organizers are not
    free to sign up the admin lets them, if he is among the accounts.

    Raises:
        ProblemError: the API refused.
        TimeoutError: an event did not go on sale.
    """
    with Client(gateway) as visitor:
        for account in accounts:
            if account.role != "ADMIN":
                register(visitor, account)
    _grant_organizers(gateway, accounts)
    with _organizer(gateway, accounts, 0) as organizer:
        events = [
            SeededEvent(organizer.put_on(show), show.title, show.kind)
            for show in first_shows(today)
        ]
        organizer.wait_until_on_sale(event.id for event in events)
    return Seeded(accounts, events)


def fill(
    gateway: str,
    accounts: list[Account],
    today: date,
    number: int,
    told: Told,
    *,
    buyers: int = 0,
    rewinding: Rewinding | None = None,
) -> int:
    """Sees that the promoter's forty events are on, with halls, and gives every event a picture.

    With `buyers` so many people have bought, in the last weeks where there is `rewinding`, and four
    more events are over, whose tickets were admitted and which were reviewed. The same `number` and
    day give the same events, bookings and reviews. It can be run again at any time: what is there
    is left as it is, what an interrupted run left half done is finished. Says how many events are
    on.

    Raises:
        ProblemError: the API refused.
        TimeoutError: an event did not go on sale.
        psycopg.Error: by `rewinding`.
    """
    programme, first = shows(number, today), first_shows(today)
    enter = partial(_enter, gateway, accounts)
    with _organizer(gateway, accounts, 1) as promoter:
        ids = {}
        for show in programme:
            told(show.title)
            ids[show.title] = promoter.put_on(show)
        promoter.wait_until_on_sale(ids.values())
        over = past_shows(today) if rewinding and buyers else []
        if buyers:
            for past in over:
                ids[past.show.title] = promoter.put_on_once(past.show)
            house = House(promoter.client, enter, rewinding, told)
            house.lives(number, ids, programme, over, buyers)
        for show in (*programme, *(past.show for past in over)):
            told(f"{show.title}: its picture")
            promoter.add_banner(ids[show.title], show)
    with _organizer(gateway, accounts, 0) as organizer:
        ids = {show.title: organizer.put_on(show) for show in first}
        organizer.wait_until_on_sale(ids.values())
        if buyers:
            House(organizer.client, enter, rewinding, told).lives(number, ids, first, [], buyers)
        for show in first:
            organizer.add_banner(ids[show.title], show)
    return len(programme)


def _grant_organizers(gateway: str, accounts: Sequence[Account]) -> None:
    """Has the organizers name their businesses, and the admin approve what waits."""
    waiting = []
    for account in accounts:
        if account.role == "ORGANIZER":
            name = _BUSINESSES[account.email.partition("@")[0]]
            with Client(gateway) as client:
                me = client.log_in(account.email, account.password).get("/auth/me")
                if not me["business_name"]:
                    me = client.call("PATCH", "/users/me", json={"business_name": name})
            asked = me["requested_business_name"] or me["business_name"]
            if me["role"] != account.role or me["requested_business_name"]:
                waiting.append((me["id"], {"role": account.role, "business_name": asked}))
    admin = next((account for account in accounts if account.role == "ADMIN"), None)
    if waiting and admin:
        with Client(gateway) as client:
            client.log_in(admin.email, admin.password)
            for id, granted in waiting:
                client.call("PATCH", f"/admin/users/{id}", json=granted)


@contextmanager
def _organizer(gateway: str, accounts: Sequence[Account], number: int) -> Iterator[_Organizer]:
    account = [account for account in accounts if account.role == "ORGANIZER"][number]
    with Client(gateway) as client:
        yield _Organizer(client.log_in(account.email, account.password))


def _enter(gateway: str, accounts: Sequence[Account], name: str) -> Client:
    """One of the audience, signed in; their password is made of the promoter's and the address."""
    email = f"{name.lower()}@audience.parterre.example"
    promoter = [account for account in accounts if account.role == "ORGANIZER"][1]
    digest = hmac.digest(promoter.password.encode(), email.encode(), hashlib.sha256)
    account = Account("CUSTOMER", email, digest.hex()[:20])
    client = Client(gateway)
    register(client, account)
    return client.log_in(account.email, account.password)


class _Organizer:
    """Somebody who makes halls and events, and knows by name those that are there."""

    def __init__(self, client: Client) -> None:
        self.client = client
        me = client.get("/auth/me")["id"]
        self._venues = {
            venue["name"]: venue["id"]
            for venue in client.pages("/venues")
            if venue["owner_id"] == me
        }
        # One that is over or was called off is put on again, as another.
        events = list(client.pages("/organizer/events"))
        self._events = {event["title"]: event for event in events if event["status"] in _ALIVE}
        self._over = {event["title"]: event for event in events if event["status"] == "COMPLETED"}
        self._sections: dict[str, dict[str, str]] = {}

    def put_on(self, show: Show) -> str:
        """Gives the id of an event that is, or soon will be, on sale."""
        event = self._events.get(show.title)
        if event is None:
            event = self.client.post("/events", self._body(show))
        if event["status"] == "DRAFT":
            self.client.post(f"/events/{event['id']}/publish")
        return str(event["id"])

    def put_on_once(self, show: Show) -> str:
        """As `put_on`, and waits until it is on sale; but what is over is not put on again."""
        if show.title in self._over:
            return str(self._over[show.title]["id"])
        id = self.put_on(show)
        self.wait_until_on_sale([id])
        return id

    def add_banner(self, id: str, show: Show) -> None:
        """Sees that the event has one."""
        if self.client.get(f"/events/{id}")["images"]:
            return
        files = {"file": ("poster.png", poster(show.title, show.place))}
        form = {"role": "BANNER"}
        self.client.call("POST", f"/events/{id}/images", files=files, data=form)

    def wait_until_on_sale(self, ids: Iterable[str]) -> None:
        """Waits until the events are PUBLISHED."""
        for id in ids:
            self.client.wait_for(
                f"/events/{id}",
                lambda body: body["status"] == "PUBLISHED",
                seconds=_PUBLISH_SECONDS,
            )

    def _body(self, show: Show) -> dict[str, Any]:
        if show.hall is None:
            return show.body
        sections = self._sections_of(show.hall)
        tiers = [
            {
                "name": tier["name"],
                "price": tier["price"],
                "section_ids": [sections[name] for name in tier["sections"]],
            }
            for tier in show.body["tiers"]
        ]
        return {**show.body, "venue_id": self._venues[show.hall.name], "tiers": tiers}

    def _sections_of(self, hall: Hall) -> dict[str, str]:
        """The ids of the hall's sections by name; it is built where it is not there."""
        if hall.name not in self._venues:
            self._venues[hall.name] = self.client.post("/venues", hall.venue)["id"]
        path = f"/venues/{self._venues[hall.name]}"
        if hall.name not in self._sections:
            there = {part["name"]: part["id"] for part in self.client.get(path)["sections"]}
            for section in hall.sections:
                if section["name"] not in there:
                    made = self.client.post(f"{path}/sections", section)
                    there[section["name"]] = made["id"]
            self._sections[hall.name] = there
        return self._sections[hall.name]


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


def newest_code(visitor: Client, email: str, *, seconds: float = 15) -> str:
    """The newest one-time code in the local mailbox; waits for it so long.

    Raises:
        TimeoutError: none came.
    """
    mails = visitor.wait_for(
        "/dev/mailbox",
        lambda page: any(mail["kind"] == "code" for mail in page["items"]),
        seconds=seconds,
        to=email,
    )
    body = next(mail["body"] for mail in mails["items"] if mail["kind"] == "code")
    found = re.search(r"\b\d{6}\b", body)
    if found is None:
        raise TimeoutError("the mail has no code")
    return found.group()
