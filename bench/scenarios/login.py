"""What a log-in costs besides its password's hash, and two hundred of them at once.

auth_service tells how much CPU its hashing threads used for hashes, so what remains is measured
where it happens: two hashes at once push each other out of the caches and cost more than one in a
process by itself. Only what is between the same two moments as the rest is taken off.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

import httpx
import uvloop

from bench.cpu import Meter
from bench.figures import Report
from bench.load import Call, Outcome, Visit, closed_loop, request
from bench.system import PASSWORD, Person, System

_PEOPLE = 4000
_FEW = 4
_AT_ONCE = 200
_WARM_UP_SECONDS = 2.0
_SECONDS = 10.0
_IDLE_SECONDS = 5.0
_REST_MS = 2.0
_HASHING = "parterre_password_hashing_cpu_seconds_total "


def run(system: System, report: Report) -> None:
    """Log-ins through the gateway, every process counted, what they use when idle taken off."""
    people = iter(system.people(_PEOPLE))
    meter = _Meter(system)
    idle = _idle(meter)
    few = _measured(meter, system, people, _FEW, {200})
    cpu = {name: seconds - idle[name] * few.seconds for name, seconds in few.cpu.items()}
    hashing = cpu.pop("hashes")
    rest = sum(seconds for name, seconds in cpu.items() if name != "generator") / few.visits * 1000
    title = f"{_FEW} at once"
    report.add(f"{title}: log-ins", few.per_second(), "/s")
    report.add(f"{title}: CPU of the password's hash", hashing / few.visits * 1000, "ms/log-in")
    report.at_most(f"{title}: CPU of the rest", rest, "ms/log-in", _REST_MS)
    for name in ("gateway", "auth", "postgres"):
        report.add(f"of that {name}", cpu[name] / few.visits * 1000, "ms/log-in")
    report.latencies(few, "login", title)

    memory = system.meter.resident_mib("auth")
    # What the queue of hashes has no time for is refused: 503, and comes again when it may.
    many = _measured(meter, system, people, _AT_ONCE, {200, 503})
    title = f"{_AT_ONCE} at once"
    report.add(f"{title}: log-ins", many.per_second("login", 200), "/s")
    report.add(f"{title}: refused", many.per_second("login", 503), "/s")
    report.latencies(many, "login", title)
    grown = system.meter.resident_mib("auth") - memory
    report.add(f"{title}: memory of auth grew by", grown, "MiB")


class _Meter(Meter):
    """The system's meter, which tells the CPU of hashing apart from the rest of auth's."""

    def __init__(self, system: System) -> None:
        pids = system.run["pids"]
        super().__init__({name: pid for name, pid in pids.items() if name != "supervisor"})
        self._metrics = f"{system.run['internal']['auth']}/metrics"

    def read(self) -> dict[str, float]:
        """User and system seconds of each so far."""
        cpu = super().read()
        text = httpx.get(self._metrics).text
        line = next(line for line in text.splitlines() if line.startswith(_HASHING))
        hashes = float(line.removeprefix(_HASHING))
        return {**cpu, "auth": cpu["auth"] - hashes, "hashes": hashes}


def _measured(
    meter: Meter, system: System, people: Iterator[Person], connections: int, expected: set[int]
) -> Outcome:
    return uvloop.run(
        closed_loop(
            system.url,
            (_log_in(person, expected) for person in people),
            meter=meter,
            connections=connections,
            warm_up=_WARM_UP_SECONDS,
            seconds=_SECONDS,
        )
    )


def _log_in(person: Person, expected: set[int]) -> Visit:
    body = {"email": person.email, "password": PASSWORD}
    reply = yield Call("login", request("POST", "/api/v1/auth/login", body=body), expected)
    if reply.status == 503:
        yield float(reply.header("retry-after") or 1)


def _idle(meter: Meter) -> Mapping[str, float]:
    """What each process uses when nobody asks it anything, seconds a second."""
    before = meter.read()
    time.sleep(_IDLE_SECONDS)
    return {name: seconds / _IDLE_SECONDS for name, seconds in meter.since(before).items()}
