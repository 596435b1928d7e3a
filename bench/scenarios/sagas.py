"""Whole sagas: a hold, its booking, the sandbox's payment, CONFIRMED with tickets.

Everybody holds a seat of their own, books it, and waits for the booking's end with `?wait`, so that
nobody polls. First as fast as it goes, then at half of that rate, come what may; the time to
CONFIRMED is the database's own, from the booking's row to the saga's last line.

The sandbox provider stands for somebody else's machine: its CPU is shown, and not counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import orjson
import psycopg
import uvloop

from bench.crowd import MADE, greet, measured
from bench.figures import Report
from bench.load import Call, Outcome, UnexpectedAnswerError, Visit, open_loop, percentile, request
from bench.load import steady as at_a_rate
from bench.system import Person, System

_ROWS, _SEATS = 240, 50
_CONNECTIONS = 48
_SECONDS = 8.0
# What a saga is made of apart from the provider, which is not ours.
_NOT_COUNTED = frozenset({"generator", "sandbox"})
_MOMENTS = """
SELECT extract(epoch FROM confirmed.at - booking.created_at)
  FROM booking.booking JOIN booking.timeline AS confirmed USING (booking_id)
 WHERE confirmed.state = 'CONFIRMED' AND booking.event_id = %s
 ORDER BY 1
"""


def run(system: System, report: Report) -> None:
    """As fast as it goes, then at half of that."""
    first = system.on_sale(rows=_ROWS, seats=_SEATS)["id"]
    second = system.on_sale(rows=_ROWS, seats=_SEATS)["id"]
    people = system.people(_ROWS * _SEATS // 2)
    greet(system, people)
    peak = measured(system, _visits(first, people), _CONNECTIONS, 2, _SECONDS)
    rate = peak.per_second("confirmed", 200)
    half = uvloop.run(
        open_loop(
            system.url,
            _visits(second, people),
            at_a_rate(rate / 2),
            meter=system.meter,
            connections=256,
            warm_up=2,
            seconds=_SECONDS,
        )
    )
    took = _seconds_to_confirmed(system, second)
    made = peak.count("confirmed", 200)
    report.at_least("sagas", rate, "/s", 150)
    report.at_most("CPU of the whole system", _counted(peak) / made * 1000, "ms/saga", 6)
    report.cpu(peak, "saga", made)
    report.add("half load", rate / 2, "sagas/s")
    half_made = half.count("confirmed", 200)
    report.add("half load: CPU", _counted(half) / half_made * 1000, "ms/saga")
    report.at_most("half load: to CONFIRMED, p50", percentile(took, 0.5) * 1000, "ms", 60)
    report.at_most("half load: to CONFIRMED, p99", percentile(took, 0.99) * 1000, "ms", 250)
    report.latencies(half, "hold", "half load: hold")
    report.latencies(half, "booking", "half load: booking")


def _counted(outcome: Outcome) -> float:
    return sum(seconds for name, seconds in outcome.cpu.items() if name not in _NOT_COUNTED)


def _visits(event_id: str, people: Sequence[Person]) -> Iterator[Visit]:
    """Everybody once, then everybody once more."""
    for seat_no, person in enumerate([*people, *people]):
        yield _visit(person, event_id, seat_no)


def _visit(person: Person, event_id: str, seat_no: int) -> Visit:
    wanted = orjson.dumps({"event_id": event_id, "seat_ids": [str(seat_no)]})
    hold = yield Call("hold", request("POST", "/api/v1/holds", person.token, wanted), MADE)
    if hold.status not in MADE:
        return
    paid = {"hold_id": hold.json()["id"], "payment_method": "CARD", "payment_token": "tok_ok"}
    booking = yield Call(
        "booking", request("POST", "/api/v1/bookings", person.token, paid), frozenset({201, 202})
    )
    if booking.status not in {201, 202}:
        return
    path = f"/api/v1/bookings/{booking.json()['reference']}?wait=20"
    ended = yield Call("confirmed", request("GET", path, person.token))
    body = ended.json()
    if body["status"] != "CONFIRMED":
        raise UnexpectedAnswerError(f"the booking ended as {body['status']}")


def _seconds_to_confirmed(system: System, event_id: str) -> list[float]:
    with psycopg.connect(system.admin_url) as connection:
        return [float(row[0]) for row in connection.execute(_MOMENTS, [event_id])]
