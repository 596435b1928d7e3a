"""What a standby of the database costs: none, one that follows, one that each commit waits for.

All on one machine: the standby works on the same two cores and writes to the same disk, so what is
said of time is more than it costs on machines of their own; a network adds its round trip.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import psycopg

from bench.crowd import buys, greet, holding, measured, paced, saga_cpu_ms, settle
from bench.figures import Report
from bench.load import UnexpectedAnswerError, Visit
from bench.system import Person, System

_ROWS, _SEATS = 240, 50
_PEOPLE = _ROWS * _SEATS // 2
_WARM_UP_SECONDS, _SECONDS = 1.5, 6.0
_HOLDING, _BUYING, _PACE = 64, 48, 20.0
_SYNCHRONOUS = "synchronous"
_FOLLOWS_SECONDS = 30.0


def run(system: System, report: Report) -> None:
    """The same holds and sagas, first without a standby, then with one."""
    _measure(system, report, "no standby")
    with system.standby() as standby:
        report.progress("a standby follows")
        _measure(system, report, "a standby that follows")
        _measure(system, report, _SYNCHRONOUS, waits=True)
        written = system.scalar("SELECT pg_current_wal_lsn()")
        began = time.perf_counter()
        with psycopg.connect(standby, autocommit=True) as connection:
            replayed = "SELECT pg_last_wal_replay_lsn() >= %s"
            while connection.execute(replayed, [written]).fetchone() != (True,):
                if time.perf_counter() - began > _FOLLOWS_SECONDS:
                    raise UnexpectedAnswerError("the standby did not follow")
        report.add("the standby has all of it after", (time.perf_counter() - began) * 1000, "ms")
        system.alter("synchronous_standby_names", "")  # nobody is left to wait for


def _measure(system: System, report: Report, title: str, *, waits: bool = False) -> None:
    people = system.people(_PEOPLE)
    greet(system, people)
    events = [system.on_sale(rows=_ROWS, seats=_SEATS)["id"] for _ in range(3)]
    if waits:
        system.alter("synchronous_standby_names", "ANY 1 (*)")
    warm_up, seconds = _WARM_UP_SECONDS, _SECONDS
    settle(system, report)
    buying = measured(system, _buyers(events[0], people), _BUYING, warm_up, seconds)
    settle(system, report)
    calm = paced(system, _buyers(events[1], people), _PACE, warm_up=warm_up, seconds=seconds)
    settle(system, report)
    holds = measured(system, _holds(events[2], people), _HOLDING, warm_up / 3, seconds / 3)
    for what, outcome in (("sagas", buying), (f"sagas, {_PACE:.0f}/s", calm)):
        made = outcome.count("booking", 201)
        report.add(f"{title}: {what}", outcome.per_second("booking", 201), "/s")
        standby = outcome.cpu.get("standby", 0.0) / made * 1000
        postgres = outcome.cpu["postgres"] / made * 1000
        report.add(f"{title}: {what}: CPU", saga_cpu_ms(outcome) - standby, "ms/saga")
        report.add(f"{title}: {what}: CPU: postgres", postgres, "ms/saga")
        report.add(f"{title}: {what}: CPU: standby, not counted", standby, "ms/saga")
        report.latencies(outcome, "hold", f"{title}: {what}: hold")
        report.latencies(outcome, "booking", f"{title}: {what}: POST /bookings")
    made = holds.count("hold", 201)
    report.add(f"{title}: holds", holds.per_second("hold", 201), "/s")
    standby = holds.cpu.get("standby", 0.0) / made * 1000
    report.add(f"{title}: holds: CPU", holds.cpu_ms(made) - standby, "ms/hold")
    report.add(f"{title}: holds: CPU: standby, not counted", standby, "ms/hold")
    report.latencies(holds, "hold", f"{title}: holds")
    report.progress(f"{title}: done")


def _buyers(event_id: str, people: Sequence[Person]) -> Iterator[Visit]:
    """Everybody once, then everybody once more, each another seat."""
    for seat_no, person in enumerate([*people, *people]):
        yield buys(person, {"event_id": event_id, "seat_ids": [str(seat_no)]})


def _holds(event_id: str, people: Sequence[Person]) -> Iterator[Visit]:
    for seat_no, person in enumerate([*people, *people]):
        yield holding(person, {"event_id": event_id, "seat_ids": [str(seat_no)]})
