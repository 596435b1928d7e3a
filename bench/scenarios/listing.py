"""Lists of events among 100,000 on sale: filters, words, sorts, deep down; pages of events."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from uuid import UUID

import httpx
import psycopg
import uvloop

from bench.figures import Report
from bench.load import Call, Visit, closed_loop, open_loop, request, steady
from bench.system import System
from catalog_service.domain import indexed, plain
from chassis.ids import uuid7

EVENTS = 100_000
_SEED = 20261121
_WORDS = 6_000
_CITIES = 60
_VENUES = 600
_CATEGORIES = ("CONCERT", "THEATRE", "DANCE", "COMEDY", "SPORT", "FILM", "FESTIVAL", "FAMILY")
_SYLLABLES = "ka ta ra ma ni lo ve su pe ri do ga le tu mo sha ba ne ki fo".split()  # noqa: SIM905
_LOAD = 50  # lists a second, for the latencies
_SOME_EVENTS = 5_000
_EVENT_COLUMNS = """id, organizer_id, status, title, description, category, venue_id, location,
    starts_at, ends_at, timezone, currency, max_per_customer, refund_until_hours, refund_percent,
    tax_basis_points, terms, min_price, capacity, city, search"""


def run(system: System, report: Report) -> None:
    """Every kind of list, each with words and values that differ from one to the next."""
    words = vocabulary()
    ids = fill(system.admin_url, words)
    kinds = questions(words)
    pages = _deep_pages(system.url)
    kinds["a page deep down"] = lambda chance: f"cursor={chance.choice(pages)}"
    everything = uvloop.run(
        open_loop(
            system.url,
            _visits(kinds),
            steady(per_second=_LOAD),
            meter=system.meter,
            connections=64,
            warm_up=2,
            seconds=12,
        )
    )
    for kind in kinds:
        report.at_most(f"{kind}: p95", everything.milliseconds(kind, 0.95), "ms", 50)
    fastest = uvloop.run(
        closed_loop(
            system.url, _visits(kinds), meter=system.meter, connections=8, warm_up=1, seconds=6
        )
    )
    lists = sum(fastest.count(kind, 200) for kind in kinds)
    report.add("lists, 8 connections", lists / fastest.seconds, "/s")
    report.cpu(fastest, "list", lists)
    chance = random.Random(_SEED + 3)  # noqa: S311 - a seed asks the same each time
    some = chance.sample(ids, _SOME_EVENTS)
    for which, choice in (("one event", some[:1]), (f"{_SOME_EVENTS:,} events", some)):
        looks = uvloop.run(
            closed_loop(
                system.url,
                (_page(chance.choice(choice)) for _ in itertools.count()),
                meter=system.meter,
                connections=64,
                warm_up=3,
                seconds=5,
            )
        )
        asked = looks.count("event", 200)
        report.add(f"pages of {which}", asked / looks.seconds, "/s")
        report.at_most(f"pages of {which}: CPU of the whole system", looks.cpu_ms(asked), "ms", 0.8)
        report.latencies(looks, "event", f"pages of {which}")


def vocabulary() -> Sequence[str]:
    """Words that look like some; the earlier, the commoner."""
    chance = random.Random(_SEED)  # noqa: S311 - a seed makes the same data each time
    made: dict[str, None] = {}
    while len(made) < _WORDS:
        made["".join(chance.choices(_SYLLABLES, k=chance.randint(2, 4)))] = None
    return list(made)


def questions(words: Sequence[str]) -> dict[str, Callable[[random.Random], str]]:
    """Kinds of lists, as query strings."""
    at = [
        (datetime.now(UTC) + timedelta(days=day)).strftime("%Y-%m-%dT%H:%M:%SZ")
        for day in range(360)
    ]

    def common(chance: random.Random) -> str:
        return words[chance.randrange(30)]

    def rare(chance: random.Random) -> str:
        return words[chance.randrange(1000, _WORDS)]

    def city(chance: random.Random) -> str:
        return f"City+{chance.randrange(_CITIES)}"

    return {
        "the first page": lambda _: "",
        "one category, by price": lambda c: f"category={c.choice(_CATEGORIES)}&sort=price",
        "one city": lambda c: f"city={city(c)}",
        "one city and category, dearest first": lambda c: (
            f"city={city(c)}&category={c.choice(_CATEGORIES)}&sort=-price"
        ),
        "two days": lambda c: "from={}&to={}".format(*(at[(d := c.randrange(350))], at[d + 2])),
        "a price range": lambda c: f"min_price={c.randrange(90_000)}&max_price=99999&sort=-price",
        "the popular ones": lambda c: f"sort=popularity&category={c.choice(_CATEGORIES)}",
        "a rare word": lambda c: f"q={rare(c)}",
        "a rare word, best first": lambda c: f"q={rare(c)}&sort=relevance",
        "two common words, best first": lambda c: f"q={common(c)}+{common(c)}&sort=relevance",
        "a common word, best first": lambda c: f"q={common(c)}&sort=relevance",
        "the beginning of a word": lambda c: f"q={common(c)[:3]}",
        "the beginning of a word, best first": lambda c: f"q={rare(c)[:4]}&sort=relevance",
        "a word in a city, popular first": lambda c: (
            f"q={common(c)}&city={city(c)}&sort=popularity"
        ),
    }


def _visits(kinds: Mapping[str, Callable[[random.Random], str]]) -> Iterator[Visit]:
    chance = random.Random(_SEED + 1)  # noqa: S311 - a seed asks the same each time
    names = list(kinds)
    while True:
        kind = chance.choice(names)
        yield _list(kind, kinds[kind](chance))


def _list(kind: str, query: str) -> Visit:
    yield Call(kind, request("GET", f"/api/v1/events?{query}"), {200})


def _page(event_id: UUID) -> Visit:
    yield Call("event", request("GET", f"/api/v1/events/{event_id}"), {200})


def _deep_pages(url: str) -> Sequence[str]:
    """Cursors from the depth of the list, one every hundred events."""
    cursors: list[str] = []
    with httpx.Client(base_url=url) as http:
        for _ in range(30):
            after = {"cursor": cursors[-1]} if cursors else {}
            page = http.get("/api/v1/events", params={"limit": "100", **after}).raise_for_status()
            cursors.append(page.json()["next_cursor"])
    return cursors


def fill(admin_url: str, words: Sequence[str]) -> Sequence[UUID]:
    """Writes the events as publishing them would have; gives their ids."""
    chance = random.Random(_SEED + 2)  # noqa: S311 - a seed makes the same data each time
    # Zipf: the n-th word comes 1/n as often as the first.
    weights = list(accumulate(1 / rank for rank in range(1, len(words) + 1)))
    organizers = [uuid7() for _ in range(200)]
    venues = [uuid7() for _ in range(_VENUES)]
    now = datetime.now(UTC).replace(microsecond=0)

    def text(count: int) -> str:
        return " ".join(chance.choices(words, cum_weights=weights, k=count))

    halls = [(id, text(2), f"City {number % _CITIES}") for number, id in enumerate(venues)]

    def event(id: UUID) -> tuple[object, ...]:
        starts_at = now + timedelta(minutes=chance.randrange(60, 365 * 24 * 60))
        venue, name, city = chance.choice(halls) if chance.random() < 0.8 else (None, text(2), "")
        title, description = text(chance.randint(2, 5)).title(), text(chance.randint(10, 60))
        return (
            id,
            chance.choice(organizers),
            "PUBLISHED",
            title,
            description,
            chance.choice(_CATEGORIES),
            venue,
            "" if venue else name,
            starts_at,
            starts_at + timedelta(hours=3),
            "UTC",
            "NPR",
            10,
            24,
            100,
            0,
            "",
            chance.randrange(100_000),
            500,
            plain(city),
            indexed(title, f"{name} {city}", description),
        )

    with psycopg.connect(admin_url, options="-c search_path=catalog") as connection:
        cursor = connection.cursor()
        columns = "id, owner_id, name, address, city, country, timezone, amenities"
        with cursor.copy(f"COPY venue ({columns}) FROM STDIN") as copy:
            for id, name, city in halls:
                owner = chance.choice(organizers)
                copy.write_row((id, owner, name, "1 Street", city, "NP", "UTC", "{}"))
        ids = [uuid7() for _ in range(EVENTS)]
        with cursor.copy(f"COPY event ({_EVENT_COLUMNS}) FROM STDIN") as copy:
            for id in ids:
                copy.write_row(event(id))
        with cursor.copy(
            "COPY tier (id, event_id, position, name, price, capacity) FROM STDIN"
        ) as copy:
            for id in ids:
                copy.write_row((uuid7(), id, 0, "All", 1000, 500))
        cursor.execute(
            "INSERT INTO availability (event_id, status, available, capacity, sold, version)"
            " SELECT id, status, 500 - sold, 500, sold, 1"
            " FROM event, LATERAL (SELECT (hashtext(id::text) & 511) * 500 / 512) AS it (sold)"
            " ON CONFLICT DO NOTHING"
        )
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE) catalog.event, catalog.tier, catalog.availability")
    return ids
