"""The map of a hall of 20,000 seats, a tenth of them taken: bytes on the wire and CPU.

Warm and unchanged, as a 304, and changed by a hold before each look; of the last, what such a hold
costs by itself is taken off.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count, islice, repeat

import httpx
import uvloop

from bench.figures import Report
from bench.load import Call, Outcome, Visit, closed_loop, request
from bench.system import Person, System

_ROWS, _SEATS = 200, 100
_A_HOLD, _TAKEN = 10, 2_000
_PEOPLE = 12_000
_ENCODINGS = {"brotli": "gzip, br", "gzip": "gzip"}


def run(system: System, report: Report) -> None:
    """Looks at the map, again and again."""
    event_id = system.on_sale(rows=_ROWS, seats=_SEATS)["id"]
    people = iter(system.people(_PEOPLE))
    path = f"/api/v1/events/{event_id}/seats"
    _take(system, event_id, islice(people, _TAKEN // _A_HOLD))
    sizes, tag = _sizes(system, path)
    report.at_most("on the wire, brotli", sizes["br"] / 1000, "kB", 60)
    report.add("on the wire, gzip", sizes["gzip"] / 1000, "kB")
    report.add("not compressed", sizes["identity"] / 1000, "kB")

    looks = {
        name: request("GET", path, headers={"accept-encoding": encoding})
        for name, encoding in _ENCODINGS.items()
    }
    for name, look in looks.items():
        outcome = _measured(system, (_look(look, 200) for _ in repeat(None)))
        report.at_most(f"CPU, unchanged, {name}", outcome.cpu_ms(outcome.visits), "ms/look", 5)
        report.latencies(outcome, "look", f"unchanged, {name}")
    known = request("GET", path, headers={"if-none-match": tag})
    outcome = _measured(system, (_look(known, 304) for _ in repeat(None)))
    report.at_most("CPU, 304", outcome.cpu_ms(outcome.visits), "ms/look", 5)

    seats = count(_TAKEN)
    outcome = _measured(
        system, (_hold(event_id, *each) for each in zip(people, seats, strict=False))
    )
    hold_ms = outcome.cpu_ms(outcome.visits)
    report.add("CPU, a hold by itself", hold_ms, "ms/hold")
    for name, look in looks.items():
        outcome = _measured(
            system,
            (_hold_and_look(event_id, *each, look) for each in zip(people, seats, strict=False)),
        )
        cpu_ms = outcome.cpu_ms(outcome.visits) - hold_ms
        report.at_most(f"CPU, changed before each look, {name}", cpu_ms, "ms/look", 5)
        report.cpu(outcome, "hold and look", outcome.visits, f"changed, {name}")
        report.latencies(outcome, "look", f"changed, {name}")


def _take(system: System, event_id: str, people: Iterable[Person]) -> None:
    with httpx.Client(base_url=system.url) as http:
        for turn, person in enumerate(people):
            seat_ids = [str(turn * _A_HOLD + n) for n in range(_A_HOLD)]
            http.post(
                "/api/v1/holds",
                json={"event_id": event_id, "seat_ids": seat_ids},
                headers={"Authorization": f"Bearer {person.token}"},
            ).raise_for_status()


def _sizes(system: System, path: str) -> tuple[dict[str, int], str]:
    """Bytes of the body in each encoding, and the version's tag."""
    sizes = {}
    tag = ""
    with httpx.Client(base_url=system.url) as http:
        for encoding in ("br", "gzip", "identity"):
            with http.stream("GET", path, headers={"Accept-Encoding": encoding}) as answer:
                answer.raise_for_status()
                sizes[encoding] = sum(map(len, answer.iter_raw()))
                tag = answer.headers["etag"]
    return sizes, tag


def _measured(system: System, visits: Iterator[Visit]) -> Outcome:
    return uvloop.run(
        closed_loop(system.url, visits, meter=system.meter, connections=4, warm_up=0.5, seconds=4)
    )


def _look(data: bytes, status: int) -> Visit:
    yield Call("look", data, {status})


def _hold(event_id: str, person: Person, seat_no: int) -> Visit:
    body = {"event_id": event_id, "seat_ids": [str(seat_no)]}
    yield Call("hold", request("POST", "/api/v1/holds", person.token, body), {201})


def _hold_and_look(event_id: str, person: Person, seat_no: int, look: bytes) -> Visit:
    yield from _hold(event_id, person, seat_no)
    yield Call("look", look)
