"""The demo data on the running system: put there once, whatever happens in between."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
from PIL import Image

from ops.client import Client
from ops.fsck import check_all

from .conftest import System
from .patience import until


def seed(system: System) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            *(sys.executable, "-m", "ops", "seed", "--buyers", "3"),
            *("--run-file", str(system.home / "run.json")),
        ],
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def promoter(system: System) -> Client:
    account = next(one for one in system.run["accounts"] if one["email"].startswith("promoter"))
    return Client(system.gateway).log_in(account["email"], account["password"])


def what_is_on(system: System) -> Mapping[str, Any]:
    with promoter(system) as client, system.client("ORGANIZER") as organizer:
        me = client.get("/auth/me")["id"]
        venues = [venue for venue in client.pages("/venues") if venue["owner_id"] == me]
        return {
            "venues": [client.get(f"/venues/{venue['id']}") for venue in venues],
            "events": list(client.pages("/organizer/events")),
            "first": {event["id"] for event in organizer.pages("/organizer/events")},
        }


def test_an_interrupted_seed_is_finished_and_the_next_changes_nothing(system: System) -> None:
    # As one leaves it that was killed: a hall half built, an event not published yet.
    with promoter(system) as client:
        arena = {
            "name": "Himal Arena",
            "address": "Ring Road 90",
            "city": "Kathmandu",
            "country": "NP",
            "timezone": "Asia/Kathmandu",
        }
        venue = client.post("/venues", arena)
        floor = {"name": "Floor", "kind": "STANDING", "capacity": 1920}
        client.post(f"/venues/{venue['id']}/sections", floor)
        draft = client.post(
            "/events",
            {
                "title": "Momo Fair",
                "category": "FAMILY",
                "location": "Jawalakhel, Lalitpur",
                "timezone": "Asia/Kathmandu",
                "currency": "NPR",
                "starts_at": "2030-01-01T04:00:00Z",
                "ends_at": "2030-01-01T13:00:00Z",
                "tiers": [{"name": "Adult", "price": 60_000, "capacity": 5000}],
            },
        )
    done = seed(system)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # quiet where nobody watches
    first = what_is_on(system)
    assert {event["id"] for event in json.loads(done.stdout)["events"]} <= first["first"]
    on = [event for event in first["events"] if event["status"] == "PUBLISHED"]
    assert len(on) == 40
    assert len(first["events"]) == 44
    assert draft["id"] in {event["id"] for event in first["events"]}
    [hall] = [each for each in first["venues"] if each["name"] == "Himal Arena"]
    assert (hall["id"], len(hall["sections"])) == (venue["id"], 17)
    assert all(event["images"] for event in first["events"])
    assert_the_house_lives(system)

    assert seed(system).returncode == 0
    assert what_is_on(system) == first
    found = check_all(system.run["database"]["reader"])
    assert [(one.check.title, one.shown) for one in found if one.violations] == []


def assert_the_house_lives(system: System) -> None:
    """The last weeks are there to be seen: figures by day, who came, what they thought of it."""
    today = datetime.now(UTC).date()
    with promoter(system) as client:

        def over() -> list[Any]:
            events = client.pages("/organizer/events")
            return [event for event in events if event["status"] == "COMPLETED"]

        ended = until(lambda: found if len(found := over()) == 4 else None)
        assert all(datetime.fromisoformat(each["starts_at"]).date() < today for each in ended)
        sales = [client.get(f"/organizer/events/{each['id']}/sales") for each in ended]
        days = {date.fromisoformat(day["date"]) for each in sales for day in each["by_day"]}
        assert min(days) < today - timedelta(days=30)
        assert max(days) < today - timedelta(days=9)
        assert sum(each["check_ins"] for each in sales) > 0
        assert sum(each["rating"]["count"] for each in ended if each["rating"]) > 0
        for each in ended:
            for booking in client.pages(f"/organizer/events/{each['id']}/bookings"):
                made_at = datetime.fromisoformat(booking["created_at"])
                assert made_at < datetime.fromisoformat(each["starts_at"])
                timeline = client.get(f"/bookings/{booking['reference']}/timeline")["items"]
                assert abs(datetime.fromisoformat(timeline[0]["at"]) - made_at) < timedelta(
                    minutes=1
                )
        assert len(client.get("/organizer/dashboard")["revenue"]) >= 3  # currencies


def test_a_poster_is_shown_in_every_width(system: System) -> None:
    seed(system)
    with promoter(system) as client:
        event = next(one for one in client.pages("/organizer/events") if one["images"])
    [banner] = event["images"]
    assert banner["role"] == "BANNER"
    for width in banner["widths"]:
        answer = httpx.get(f"{system.gateway}{banner['url']}?w={width}")
        assert answer.headers["content-type"] == "image/webp"
        assert Image.open(io.BytesIO(answer.content)).width == width
