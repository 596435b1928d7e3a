"""What the demo box office has on: halls, and forty events drawn by a seed. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Hall:
    """A venue and its sections, as the API takes them."""

    venue: Body
    sections: Sequence[Body]
    currency: str
    # What the dearest place costs on an ordinary night and what prices are rounded to, minor units.
    top_price: int
    round_to: int
    # Of each tier: its percent of the top price, and its sections.
    tiers: Mapping[str, tuple[int, Sequence[str]]]

    @property
    def name(self) -> str:
        """Unique among the halls."""
        return str(self.venue["name"])


@dataclass(frozen=True, slots=True)
class Show:
    """An event as the API takes it, but for its tiers' sections, which are named in `sections`."""

    hall: Hall | None  # None: counted tickets, at the body's location
    body: Body

    @property
    def title(self) -> str:
        """Unique among the shows."""
        return str(self.body["title"])

    @property
    def kind(self) -> str:
        """SEATED, STANDING or COUNTED: what most of its places are."""
        if self.hall is None:
            return "COUNTED"
        return str(self.hall.sections[0]["kind"])

    @property
    def place(self) -> str:
        """Where it is, for people."""
        if self.hall is None:
            return str(self.body["location"])
        return f"{self.hall.name}, {self.hall.venue['city']}"


# How far away the API is told that it is.
_DAYS_AHEAD = 2


@dataclass(frozen=True, slots=True)
class PastShow:
    """One that took place so many days ago; its body has it in some days, as the API wants it."""

    show: Show
    days_ago: int
    days_ahead: int = _DAYS_AHEAD


def _row(label: object, seats: int) -> Body:
    return {"label": str(label), "seats": seats}


def _seated(name: str, rows: Sequence[Body], x: float, y: float, curve: float = 0.0) -> Body:
    return {
        "name": name,
        "kind": "SEATED",
        "rows": list(rows),
        "origin": {"x": x, "y": y},
        "seat_spacing": 0.6,
        "curve": curve,
    }


def _standing(name: str, capacity: int, **area: float) -> Body:
    body: Body = {"name": name, "kind": "STANDING", "capacity": capacity}
    return {**body, "area": area} if area else body


def _venue(name: str, address: str, city: str, country: str, timezone: str, *extras: str) -> Body:
    return {
        "name": name,
        "address": address,
        "city": city,
        "country": country,
        "timezone": timezone,
        "amenities": list(extras),
    }


_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"


def _theatre() -> Sequence[Body]:
    """1,175 seats: curved stalls and a balcony, and boxes on both sides."""
    stalls = [_row(_LETTERS[n], 26 + min(n, 12)) for n in range(20)]
    balcony = [_row(_LETTERS[n], 38 + n % 2) for n in range(10)]
    boxes = [_row(f"Box {n}", 6) for n in range(1, 10)]
    return [
        _seated("Stalls", stalls, 0, 4, 2.5),
        _seated("Balcony", balcony, 0, 27, 4.0),
        _seated("Boxes left", boxes, -17, 6),
        _seated("Boxes right", boxes, 17, 6),
    ]


def _arena() -> Sequence[Body]:
    """20,000: a floor to stand on, and sixteen blocks in two rings."""
    rings = [("Lower", 20, 48, 12.0), ("Upper", 26, 50, 36.0)]
    blocks = [
        _seated(
            f"{ring} {number}",
            [_row(n, seats) for n in range(1, rows + 1)],
            (number - 4.5) * 34,
            y,
            1.5,
        )
        for ring, rows, seats, y in rings
        for number in range(1, 9)
    ]
    return [_standing("Floor", 1920, x=0, y=3, width=60, height=14), *blocks]


def halls() -> Sequence[Hall]:
    """Every hall, the largest last."""
    kathmandu = ("NP", "Asia/Kathmandu")
    return [
        Hall(
            _venue("Purple Lotus", "Thamel Marg 31", "Kathmandu", *kathmandu, "bar"),
            [
                _standing("Floor", 420, x=0, y=6, width=18, height=9),
                _standing("Gallery", 80, x=0, y=13, width=18, height=3),
            ],
            "NPR",
            150_000,
            10_000,
            {"Floor": (70, ["Floor"]), "Gallery": (100, ["Gallery"])},
        ),
        Hall(
            _venue(
                "Basantapur Theatre",
                "Ganga Path 4",
                "Kathmandu",
                *kathmandu,
                "bar",
                "cloakroom",
                "wheelchair places",
            ),
            _theatre(),
            "NPR",
            350_000,
            10_000,
            {
                "Boxes": (100, ["Boxes left", "Boxes right"]),
                "Stalls": (80, ["Stalls"]),
                "Balcony": (50, ["Balcony"]),
            },
        ),
        Hall(
            _venue("Phewa Amphitheatre", "Lakeside 6", "Pokhara", *kathmandu, "open air"),
            [
                _seated("Terrace", [_row(n, 28 + 2 * n) for n in range(1, 13)], 0, 5, 6.0),
                _standing("Lawn", 1500, x=0, y=22, width=36, height=8),
            ],
            "NPR",
            250_000,
            10_000,
            {"Terrace": (100, ["Terrace"]), "Lawn": (50, ["Lawn"])},
        ),
        Hall(
            _venue("The Lantern", "18 Wharf Lane", "London", "GB", "Europe/London", "bar"),
            [_seated("Stalls", [_row(_LETTERS[n], 16) for n in range(12)], 0, 3, 1.0)],
            "GBP",
            4_500,
            250,
            {"Stalls": (100, ["Stalls"])},
        ),
        Hall(
            _venue("Kesselhaus Nord", "Torstrasse 210", "Berlin", "DE", "Europe/Berlin", "bar"),
            [
                _standing("Halle", 900, x=0, y=7.5, width=18, height=11),
                _seated("Empore", [_row(n, 30) for n in range(1, 5)], 0, 15),
            ],
            "EUR",
            5_000,
            250,
            {"Empore": (100, ["Empore"]), "Halle": (70, ["Halle"])},
        ),
        Hall(
            _venue("Marigold Hall", "7 Carter Road", "Mumbai", "IN", "Asia/Kolkata"),
            [
                _seated("Front", [_row(_LETTERS[n], 30) for n in range(10)], 0, 3, 1.5),
                _seated("Rear", [_row(_LETTERS[n], 34) for n in range(8)], 0, 15, 1.5),
            ],
            "INR",
            300_000,
            10_000,
            {"Front": (100, ["Front"]), "Rear": (60, ["Rear"])},
        ),
        Hall(
            _venue("Hoshi Kaikan", "2-8 Dogenzaka", "Tokyo", "JP", "Asia/Tokyo"),
            [_seated("Hall", [_row(n, 24) for n in range(1, 16)], 0, 3, 1.0)],
            "JPY",
            9_000,
            500,
            {"Hall": (100, ["Hall"])},
        ),
        Hall(
            _venue(
                "Himal Arena",
                "Ring Road 90",
                "Kathmandu",
                *kathmandu,
                "parking",
                "wheelchair places",
                "first aid",
            ),
            _arena(),
            "NPR",
            500_000,
            10_000,
            {
                "Floor": (100, ["Floor"]),
                "Centre": (80, ["Lower 4", "Lower 5"]),
                "Lower ring": (60, [f"Lower {n}" for n in (1, 2, 3, 6, 7, 8)]),
                "Upper ring": (40, [f"Upper {n}" for n in range(1, 9)]),
            },
        ),
    ]


# Title, category, hall, description.
_SHOWS: Sequence[tuple[str, str, str, str]] = (
    ("Karnali Express", "CONCERT", "Himal Arena", "Folk rock from the far west."),
    ("Sur Sansar at the Arena", "CONCERT", "Himal Arena", "Thirty years of songs everybody knows."),
    ("Himalayan Cup, the Final", "SPORT", "Himal Arena", "Two clubs, one cup, no second leg."),
    ("The Mountain on Ice", "FAMILY", "Himal Arena", "A tale of a yak, on skates."),
    ("Muna Madan", "THEATRE", "Basantapur Theatre", "Devkota's poem on a bare stage."),
    ("The Cherry Orchard", "THEATRE", "Basantapur Theatre", "Chekhov, in a valley of brick kilns."),
    ("Antigone in Patan", "THEATRE", "Basantapur Theatre", "An old quarrel in new streets."),
    (
        "Charya: Dances of the Gods",
        "DANCE",
        "Basantapur Theatre",
        "Twelve dancers, ten centuries.",
    ),
    ("A Night of Ghazals", "CONCERT", "Basantapur Theatre", "Harmonium, tabla and one voice."),
    ("The Snow Leopard", "FILM", "Basantapur Theatre", "The film, with its score played live."),
    (
        "Kathmandu Chamber Players",
        "CONCERT",
        "Basantapur Theatre",
        "Ravel, then a new work.",
    ),
    ("Laughing Yaks", "COMEDY", "Basantapur Theatre", "Six comedians, four languages."),
    ("Open Mic Tuesday", "COMEDY", "Purple Lotus", "Five minutes each, and mercy for none."),
    ("Bassland", "CONCERT", "Purple Lotus", "Drum and bass until the neighbours call."),
    ("Sarangi Underground", "CONCERT", "Purple Lotus", "An old fiddle and new machines."),
    ("Jazz at Thamel", "CONCERT", "Purple Lotus", "The old guard and their students."),
    ("Women Who Rap", "CONCERT", "Purple Lotus", "Nine MCs from three valleys."),
    ("Salsa Social", "DANCE", "Purple Lotus", "A lesson at seven, a band at nine."),
    ("Retro Night", "OTHER", "Purple Lotus", "Cassettes only."),
    ("Monsoon Songs", "CONCERT", "Phewa Amphitheatre", "It will rain. That is the point."),
    ("Full Moon over Phewa", "CONCERT", "Phewa Amphitheatre", "Bansuri at moonrise."),
    ("A Midsummer Night's Dream", "THEATRE", "Phewa Amphitheatre", "With real fireflies."),
    ("Boats and Lanterns", "FAMILY", "Phewa Amphitheatre", "Puppets on the water."),
    ("Street Circus", "FAMILY", "Phewa Amphitheatre", "No animals, many ladders."),
    ("An Evening with a Locksmith", "COMEDY", "The Lantern", "He has heard every excuse."),
    ("Three Sisters, Two Chairs", "THEATRE", "The Lantern", "Chekhov for those in a hurry."),
    ("Poems After Dark", "OTHER", "The Lantern", "Read by those who wrote them."),
    ("The Last Projectionist", "FILM", "The Lantern", "A premiere, with its maker."),
    ("Maschinenraum", "CONCERT", "Kesselhaus Nord", "Modular synthesis and steam."),
    ("Nordlicht Quartett", "CONCERT", "Kesselhaus Nord", "Shostakovich among the boilers."),
    ("Tanz im Kessel", "DANCE", "Kesselhaus Nord", "A floor of iron, ten dancers."),
    (
        "Systems that Last",
        "CONFERENCE",
        "Kesselhaus Nord",
        "Software older than its makers.",
    ),
    ("Monsoon Raga", "CONCERT", "Marigold Hall", "Miyan ki Malhar, twice."),
    ("Tughlaq", "THEATRE", "Marigold Hall", "Karnad's sultan and his leather coins."),
    ("Bharatanatyam Tonight", "DANCE", "Marigold Hall", "A solo in seven parts."),
    ("Rakugo in English", "COMEDY", "Hoshi Kaikan", "One fan, one cushion, all the roles."),
    ("Koto and Cello", "CONCERT", "Hoshi Kaikan", "Twenty-five strings and four."),
)


# Those that are over: also how many days ago.
_PAST_SHOWS: Sequence[tuple[str, str, str, str, int]] = (
    ("Rashomon", "THEATRE", "Basantapur Theatre", "Four witnesses and no truth.", 9),
    ("Brass of the Terai", "CONCERT", "Purple Lotus", "A wedding band without a wedding.", 16),
    ("The Inspector Calls Again", "THEATRE", "The Lantern", "He has a few more questions.", 24),
    ("Clarinets under Water", "CONCERT", "Hoshi Kaikan", "Quieter than it sounds.", 33),
)


def past_shows(today: date) -> Sequence[PastShow]:
    """The four that are over, the last one first."""
    by_name = {hall.name: hall for hall in halls()}
    return [
        PastShow(
            Show(
                by_name[hall],
                {
                    **_words(title, category, description),
                    **_prices(by_name[hall], 100),
                    **_evening(today, _DAYS_AHEAD, str(by_name[hall].venue["timezone"])),
                },
            ),
            days_ago,
        )
        for title, category, hall, description, days_ago in _PAST_SHOWS
    ]


def first_shows(today: date) -> Sequence[Show]:
    """The three that everybody's first booking is of: one of each kind, on sale at once."""
    theatre = Hall(
        _venue(
            "Rastriya Naach Ghar", "Jamal", "Kathmandu", "NP", "Asia/Kathmandu",
            "bar", "wheelchair places",
        ),
        [
            _seated("Stalls", [_row(label, 24) for label in "ABCDEFGHJK"], 0, 4, 1.5),
            _seated("Balcony", [_row(label, 20) for label in "ABCDE"], 0, 18, 1.5),
        ],
        "NPR",
        150_000,
        10_000,
        {"Stalls": (100, ["Stalls"]), "Balcony": (60, ["Balcony"])},
    )  # fmt: skip
    club = Hall(
        _venue("The Cellar", "Thamel Marg 12", "Kathmandu", "NP", "Asia/Kathmandu"),
        [_standing("Floor", 350)],
        "NPR",
        80_000,
        10_000,
        {"Standing": (100, ["Floor"])},
    )
    play = _words("The Tempest", "THEATRE", "Shakespeare's last island, in Nepali and English.")
    concert = _words(
        "Kutumba at the Cellar", "CONCERT", "Folk instruments, standing room, no slow songs."
    )
    festival = _words(
        "Himalayan Book Days",
        "FESTIVAL",
        "Three days of writers; a ticket admits for one day.",
    )
    return [
        Show(theatre, {**play, **_prices(theatre, 100), **_evening(today, 21)}),
        Show(club, {**concert, **_prices(club, 100), "tax_percent": 0, **_evening(today, 28)}),
        Show(
            None,
            {
                **festival,
                "location": "Bhrikutimandap, Kathmandu",
                "timezone": "Asia/Kathmandu",
                "currency": "NPR",
                "tiers": [
                    {"name": "Day ticket", "price": 50_000, "capacity": 2000},
                    {"name": "Friend of the festival", "price": 250_000, "capacity": 100},
                ],
                **_evening(today, 35),
            },
        ),
    ]


def _evening(today: date, days: int, zone: str = "Asia/Kathmandu") -> Body:
    starts = datetime.combine(today + timedelta(days=days), time(19), ZoneInfo(zone))
    return {
        "starts_at": starts.isoformat(),
        "ends_at": (starts + timedelta(hours=3)).isoformat(),
    }


def shows(seed: int, today: date) -> Sequence[Show]:
    """The forty events: the same for the same seed and day. One in six is not on sale yet."""
    chance = Random(seed)  # noqa: S311 - a programme, not a secret
    by_name = {hall.name: hall for hall in halls()}
    made = [
        Show(
            by_name[hall], _words(title, category, description) | _at(by_name[hall], chance, today)
        )
        for title, category, hall, description in _SHOWS
    ]
    return [*made, *(Show(None, body) for body in _counted(chance, today))]


def _words(title: str, category: str, description: str) -> Body:
    return {"title": title, "category": category, "description": description}


def _at(hall: Hall, chance: Random, today: date) -> Body:
    percent = chance.choice((70, 85, 100, 120))
    zone = str(hall.venue["timezone"])
    times = _times(chance, today, zone, hours=chance.choice((2, 3)))
    return {**_prices(hall, percent), **times}


def _prices(hall: Hall, percent: int) -> Body:
    """What a night costs that is worth `percent` of an ordinary one."""
    top = hall.top_price * percent // 100
    return {
        "currency": hall.currency,
        "tax_percent": 13 if hall.currency == "NPR" else 0,
        "tiers": [
            {
                "name": name,
                "price": _rounded(top * share // 100, hall.round_to),
                "sections": sections,
            }
            for name, (share, sections) in hall.tiers.items()
        ],
    }


def _rounded(price: int, step: int) -> int:
    return max(step, price // step * step)


def _counted(chance: Random, today: date) -> Sequence[Body]:
    """Events of plain tickets: a festival sold by the day, a run, a fair."""
    places = (
        (
            "Lakeside Weekend", "FESTIVAL", "Lakeside, Pokhara", 72,
            "Three days, two stages, one lake. Tickets by the day, or for all of it.",
            [("Friday", 150_000, 4000), ("Saturday", 200_000, 4000), ("Sunday", 150_000, 4000),
             ("Three days", 400_000, 2500)],
        ),
        (
            "Kathmandu Night Run", "SPORT", "Tundikhel, Kathmandu", 5,
            "Ten kilometres around a sleeping city.",
            [("Runner", 120_000, 3000), ("Runner and shirt", 200_000, 1000)],
        ),
        (
            "Momo Fair", "FAMILY", "Jawalakhel, Lalitpur", 9,
            "Forty stalls. A ticket is ten momos.",
            [("Adult", 60_000, 5000), ("Child", 0, 1500)],
        ),
    )  # fmt: skip
    return [
        {
            **_words(title, category, description),
            "location": location,
            "currency": "NPR",
            "timezone": "Asia/Kathmandu",
            "tiers": [
                {"name": name, "price": price, "capacity": capacity}
                for name, price, capacity in tiers
            ],
            **_times(chance, today, "Asia/Kathmandu", hours=hours),
        }
        for title, category, location, hours, description, tiers in places
    ]


def _times(chance: Random, today: date, zone: str, *, hours: int) -> Body:
    day = today + timedelta(days=chance.randint(10, 180))
    evening = time(chance.choice((17, 18, 19, 20)), chance.choice((0, 30)))
    starts = datetime.combine(day, evening, ZoneInfo(zone))
    times = {
        "starts_at": starts.isoformat(),
        "ends_at": (starts + timedelta(hours=hours)).isoformat(),
        "doors_at": (starts - timedelta(hours=1)).isoformat(),
    }
    if chance.randrange(6) == 0:
        opens = datetime.combine(today, time(10), ZoneInfo(zone))
        times["sales_from"] = (opens + timedelta(days=chance.randint(2, 9))).isoformat()
    return times
