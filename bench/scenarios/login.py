"""What a log-in costs besides its password's hash, and two hundred of them at once.

auth_service tells how much CPU its hashing used, so what remains is measured where it happens: a
hash that others' work pushes out of the caches costs more than one in a process by itself.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

import httpx
import uvloop

from bench.figures import Report
from bench.load import Call, Outcome, Visit, closed_loop, request
from bench.system import PASSWORD, Person, System

_PEOPLE = 4000
_FEW = 4
_AT_ONCE = 200
_SECONDS = 10.0
_IDLE_SECONDS = 5.0
_REST_MS = 2.0
_HASHING = "password_hashing_cpu_seconds_total "


def run(system: System, report: Report) -> None:
    """Log-ins through the gateway, every process counted, what they use when idle taken off."""
    people = iter(system.people(_PEOPLE))
    idle = _idle(system)
    few, hashing = _measured(system, people, _FEW, {200})
    cpu = {name: seconds - idle[name] * few.seconds for name, seconds in few.cpu.items()}
    cpu["auth"] -= hashing
    rest = sum(seconds for name, seconds in cpu.items() if name != "generator") / few.visits * 1000
    title = f"{_FEW} at once"
    report.add(f"{title}: log-ins", few.per_second(), "/s")
    report.add(f"{title}: CPU of the password's hash", hashing / few.visits * 1000, "ms/log-in")
    report.at_most(f"{title}: CPU of the rest", rest, "ms/log-in", _REST_MS)
    for name in ("gateway", "auth", "postgres"):
        report.add(f"of that {name}", cpu[name] / few.visits * 1000, "ms/log-in")
    report.latencies(few, "login", title)

    memory = system.meter.resident_mib("auth")
    # What the queue of hashes has no time for is refused: 503.
    many, _hashing = _measured(system, people, _AT_ONCE, {200, 503})
    title = f"{_AT_ONCE} at once"
    report.add(f"{title}: log-ins", many.per_second("login", 200), "/s")
    report.add(f"{title}: refused", many.per_second("login", 503), "/s")
    report.latencies(many, "login", title)
    grown = system.meter.resident_mib("auth") - memory
    report.add(f"{title}: memory of auth grew by", grown, "MiB")


def _measured(
    system: System, people: Iterator[Person], connections: int, expected: set[int]
) -> tuple[Outcome, float]:
    """The outcome, and the CPU seconds of hashing in it."""
    visits = (_log_in(person, expected) for person in people)
    before = _hashing(system)
    outcome = uvloop.run(
        closed_loop(
            system.url,
            visits,
            meter=system.meter,
            connections=connections,
            warm_up=0,
            seconds=_SECONDS,
        )
    )
    return outcome, _hashing(system) - before


def _log_in(person: Person, expected: set[int]) -> Visit:
    body = {"email": person.email, "password": PASSWORD}
    yield Call("login", request("POST", "/api/v1/auth/login", body=body), expected)


def _hashing(system: System) -> float:
    text = httpx.get(f"{system.run['internal']['auth']}/metrics").text
    line = next(line for line in text.splitlines() if line.startswith(_HASHING))
    return float(line.removeprefix(_HASHING))


def _idle(system: System) -> Mapping[str, float]:
    """What each process uses when nobody asks it anything, seconds a second."""
    before = system.meter.read()
    time.sleep(_IDLE_SECONDS)
    return {name: seconds / _IDLE_SECONDS for name, seconds in system.meter.since(before).items()}
