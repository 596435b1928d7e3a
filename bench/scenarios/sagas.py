"""Whole sagas: a hold, its booking, the sandbox's payment, CONFIRMED with tickets.

Everybody holds a seat of their own and books it with `Prefer: wait`, so that the answer to the
booking is how it ended. First as fast as it goes; then at 20 a second, come what may, and the same
once more by a client of the other kind, which asks by GET `?wait`. The time to CONFIRMED is the
database's own, from the booking's row to the saga's line.

The sandbox provider stands for somebody else's machine: its CPU is shown, and not counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import psycopg

from bench.crowd import (
    WAIT_SECONDS,
    booked,
    buys,
    confirmed,
    greet,
    measured,
    paced,
    saga_cpu_ms,
    settle,
)
from bench.figures import Report
from bench.load import Call, Visit, percentile, request
from bench.system import Person, System

MakeVisit = Callable[[Person, str, int], Visit]

_ROWS, _SEATS = 240, 50
_CONNECTIONS = 48
_SECONDS = 8.0
_PACE = 20.0
_MOMENTS = """
SELECT extract(epoch FROM confirmed.at - booking.created_at)
  FROM booking.booking JOIN booking.timeline AS confirmed USING (booking_id)
 WHERE confirmed.state = 'CONFIRMED' AND booking.event_id = %s
 ORDER BY 1
"""


def run(system: System, report: Report) -> None:
    """As fast as it goes, then at 20 a second by both kinds of clients."""
    people = system.people(_ROWS * _SEATS // 2)
    greet(system, people)
    events = [system.on_sale(rows=_ROWS, seats=_SEATS)["id"] for _ in range(3)]
    peak = measured(system, _visits(events[0], people, _prefers), _CONNECTIONS, 2, _SECONDS)
    made = peak.count("booking", 201)
    report.at_least("sagas", peak.per_second("booking", 201), "/s", 110)
    report.at_most("CPU of the whole system", saga_cpu_ms(peak), "ms/saga", 16)
    report.add("CPU of the whole system", saga_cpu_ms(peak) / report.yardstick, "yardsticks/saga")
    report.cpu(peak, "saga", made)
    report.latencies(peak, "booking", "POST /bookings, Prefer: wait")
    for name, event_id, visit in (
        ("20/s, Prefer: wait", events[1], _prefers),
        ("20/s, GET ?wait", events[2], _asks),
    ):
        settle(system, report)
        outcome = paced(
            system, _visits(event_id, people, visit), _PACE, warm_up=2, seconds=_SECONDS
        )
        took = _seconds_to_confirmed(system, event_id)
        report.add(f"{name}: CPU", saga_cpu_ms(outcome), "ms/saga")
        report.at_most(f"{name}: to CONFIRMED, p50", percentile(took, 0.5) * 1000, "ms", 40)
        report.at_most(f"{name}: to CONFIRMED, p99", percentile(took, 0.99) * 1000, "ms", 120)
        report.latencies(outcome, "hold", f"{name}: hold")
        report.latencies(outcome, "booking", f"{name}: booking")


def _visits(event_id: str, people: Sequence[Person], visit: MakeVisit) -> Iterator[Visit]:
    """Everybody once, then everybody once more."""
    for seat_no, person in enumerate([*people, *people]):
        yield visit(person, event_id, seat_no)


def _prefers(person: Person, event_id: str, seat_no: int) -> Visit:
    yield from buys(person, {"event_id": event_id, "seat_ids": [str(seat_no)]})


def _asks(person: Person, event_id: str, seat_no: int) -> Visit:
    wanted = {"event_id": event_id, "seat_ids": [str(seat_no)]}
    booking = yield from booked(person, wanted, prefers=False)
    if booking is not None:
        path = f"/api/v1/bookings/{booking['reference']}?wait={WAIT_SECONDS}"
        ended = yield Call("confirmed", request("GET", path, person.token))
        confirmed(ended.json())


def _seconds_to_confirmed(system: System, event_id: str) -> list[float]:
    with psycopg.connect(system.admin_url) as connection:
        return [float(row[0]) for row in connection.execute(_MOMENTS, [event_id])]
