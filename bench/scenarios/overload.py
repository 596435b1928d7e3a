"""Three times as many buyers as are carried: what is sold, and how the others are turned away.

A closed loop finds what the system carries of whole sagas, before and after. In between buyers
come three times as fast, whatever became of those before them. Who is refused must be refused at
once and told when to come back, and goes away. What is sold meanwhile is the goodput. Health is
asked for all the time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.crowd import buys, greet, measured, paced, saga_cpu_ms
from bench.figures import Report
from bench.load import Call, Visit, request
from bench.system import Person, System

_ROWS, _SEATS = 240, 50
_CONNECTIONS = 96
_CARRIED_SECONDS = 6.0
_TIMES = 3
_WARM_UP_SECONDS = 3.0
_SECONDS = 10.0
# More than the gateway lets in, so that it is the gateway who refuses.
_OPEN_CONNECTIONS = 3000
_HEALTH_EVERY = 50
_REFUSALS = frozenset({429, 503})


def run(system: System, report: Report) -> None:
    """What is carried, then three times that."""
    people = system.people(_ROWS * _SEATS)
    greet(system, people)
    events = [system.on_sale(rows=_ROWS, seats=_SEATS)["id"] for _ in range(4)]
    calm = measured(system, _buyers(events[:1], people), _CONNECTIONS, 2, _CARRIED_SECONDS)
    expected = calm.per_second("booking", 201)
    report.progress(f"{expected:.0f} sagas/s are carried")
    flood = paced(
        system,
        _with_health(_buyers(events[1:3], people, _REFUSALS)),
        expected * _TIMES * (1 + 1 / _HEALTH_EVERY),
        warm_up=_WARM_UP_SECONDS,
        seconds=_SECONDS,
        connections=_OPEN_CONNECTIONS,
    )
    # Once more: what else the machine does changes from one moment to the next.
    again = measured(system, _buyers(events[3:], people), _CONNECTIONS, 2, _CARRIED_SECONDS)
    carried = (expected + again.per_second("booking", 201)) / 2
    report.progress(f"{again.per_second('booking', 201):.0f} sagas/s are carried afterwards")
    sold = flood.count("booking", 201)
    report.add("carried", carried, "sagas/s")
    report.add("carried: CPU", saga_cpu_ms(calm), "ms/saga")
    report.latencies(calm, "booking", "carried: POST /bookings, Prefer: wait")
    report.add("buyers", expected * _TIMES, "/s")
    report.at_least("goodput to what is carried", sold / flood.seconds / carried * 100, "%", 90)
    report.add("sold", sold / flood.seconds, "sagas/s")
    report.add("sold: CPU", saga_cpu_ms(flood), "ms/saga")
    report.cpu(flood, "saga", sold, "sold: CPU")
    report.latencies(flood, "booking", "sold: POST /bookings, Prefer: wait", 201)
    for kind in ("hold", "booking"):
        refused = flood.count(kind, *_REFUSALS)
        report.add(f"refused: {kind}", refused / flood.seconds, "/s")
        if refused:
            # Buyers have machines of their own: none waits for a core of the generator's.
            p99 = flood.milliseconds(kind, 0.99, *_REFUSALS, as_served=True)
            report.at_most(f"refused: {kind}: p99", p99, "ms", 20)
            p99 = flood.milliseconds(kind, 0.99, *_REFUSALS)
            report.add(f"refused: {kind}: p99, with the generator's own delay", p99, "ms")
    report.latencies(flood, "health", "health")
    report.add("the generator's delay at worst", flood.late * 1000, "ms")


def _buyers(
    event_ids: Sequence[str], people: Sequence[Person], or_else: frozenset[int] = frozenset()
) -> Iterator[Visit]:
    """Everybody once on each event, each another seat."""
    for event_id in event_ids:
        for seat_no, person in enumerate(people):
            yield buys(person, {"event_id": event_id, "seat_ids": [str(seat_no)]}, or_else)


def _with_health(visits: Iterator[Visit]) -> Iterator[Visit]:
    for number, visit in enumerate(visits):
        if number % _HEALTH_EVERY == 0:
            yield _asks_for_health()
        yield visit


def _asks_for_health() -> Visit:
    yield Call("health", request("GET", "/readyz"))
