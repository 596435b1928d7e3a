"""A convention goes on sale: 1,992 orders in the first minute, 61 a second at first, at twice that.

Each buyer looks at the event and its seat map, holds 4 to 10 tickets (6.8 on average; every other
buyer the best there are, the others seats that they name), and books with `Prefer: wait`. Nobody's
token has been seen before. An error, or anything but the expected answer, fails the scenario.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import uvloop

from bench.crowd import buys, saga_cpu_ms
from bench.figures import Report
from bench.load import Call, Visit, open_loop, request
from bench.system import Person, System

_ORDERS = 1_992
_PEAK = 61.0  # orders a second, when it begins
_MINUTE = 60.0
_TIMES = 2  # as fast as it was
_TICKETS = (4, 8, 6, 10, 6)  # 6.8 on average
_MOST_TICKETS = max(_TICKETS)
# A hall for those who name their seats and one for those who take the best, so that nobody is in
# another's way: what is refused because it was taken is another scenario's.
_ROWS, _SEATS = 180, 60
_SECONDS = _MINUTE / _TIMES


def run(system: System, report: Report) -> None:
    """The minute, replayed."""
    event = system.on_sale(halls=2, rows=_ROWS, seats=_SEATS)
    people = system.people(_ORDERS)
    report.progress(f"{_ORDERS} orders in {_SECONDS:.0f} s begin")
    sale = uvloop.run(
        open_loop(
            system.url,
            _visits(event, people),
            moments(),
            meter=system.meter,
            connections=1024,
            warm_up=0,
            seconds=_SECONDS + 2,
        )
    )
    sold = sale.count("booking", 201)
    report.at_least("orders confirmed", sold, "orders", _ORDERS)
    report.add("tickets", system.scalar("SELECT count(*) FROM booking.ticket"), "tickets")
    report.add("CPU of the whole system", saga_cpu_ms(sale), "ms/order")
    for kind in ("event", "seat map", "hold", "booking"):
        report.add(f"{kind}: p50", sale.milliseconds(kind, 0.5), "ms")
        report.at_most(f"{kind}: p95", sale.milliseconds(kind, 0.95), "ms", 500)
        report.add(f"{kind}: p99", sale.milliseconds(kind, 0.99), "ms")
    report.cpu(sale, "order", sold)


def moments() -> Iterator[float]:
    """When each order comes, seconds from the start: the rate falls evenly, all in the time.

    The integral of peak - fall * t is the number of orders so far; this is its inverse.
    """
    peak = _PEAK * _TIMES
    fall = 2 * (peak * _SECONDS - _ORDERS) / _SECONDS**2
    for number in range(_ORDERS):
        yield (peak - math.sqrt(peak**2 - 2 * fall * number)) / fall


def _visits(event: Mapping[str, Any], people: Sequence[Person]) -> Iterator[Visit]:
    of_the_best = event["tiers"][0]["section_ids"][1]
    for number, (person, tickets) in enumerate(zip(people, itertools.cycle(_TICKETS))):
        wanted: dict[str, Any] = {"event_id": event["id"]}
        if number % 2:
            wanted["best_available"] = {"quantity": tickets, "section_id": of_the_best}
        else:
            first = number // 2 * _MOST_TICKETS  # six buyers to a row
            wanted["seat_ids"] = [str(seat) for seat in range(first, first + tickets)]
        yield _order(person, wanted)


def _order(person: Person, wanted: Mapping[str, Any]) -> Visit:
    event = f"/api/v1/events/{wanted['event_id']}"
    yield Call("event", request("GET", event))
    yield Call("seat map", request("GET", f"{event}/seats", headers={"accept-encoding": "gzip"}))
    yield from buys(person, wanted)
