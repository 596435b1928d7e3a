"""What a log-in costs besides its password's hash, and two hundred of them at once.

The hash is measured beside it: so many bare verifications in a process that does nothing else,
before and after, since machines are shared and noisy.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence

import uvloop

from bench.figures import Report
from bench.load import Call, Visit, closed_loop, request
from bench.system import PASSWORD, Person, System

_HASHES_TIMED = 200
_AT_ONCE = 200
_REST_MS = 2.0
_HASHES = """
import sys, time
from argon2 import PasswordHasher
from auth_service.passwords import _LANES, _MEMORY_KIB, _PASSES
hasher = PasswordHasher(_PASSES, _MEMORY_KIB, _LANES)
stored = hasher.hash("a-password-of-the-bench")
began = time.process_time()
for _ in range(int(sys.argv[1])):
    hasher.verify(stored, "a-password-of-the-bench")
print(time.process_time() - began)
"""


def run(system: System, report: Report) -> None:
    """Log-ins through the gateway, every process counted."""
    people = system.people(4000)
    hash_before = _hash_ms()
    alone = uvloop.run(
        closed_loop(system.url, _visits(people), meter=system.meter, connections=1, seconds=10)
    )
    hashing = statistics.mean([hash_before, _hash_ms()])
    whole = alone.cpu_ms(alone.visits)
    report.add("one after the other: CPU", whole, "ms/log-in")
    report.add("of that the password's hash", hashing, "ms/log-in")
    report.at_most("the rest", whole - hashing, "ms/log-in", _REST_MS)
    report.cpu(alone, "log-in", alone.visits, "one after the other")
    report.latencies(alone, "login", "one after the other")

    memory = system.meter.resident_mib("auth")
    crowd = uvloop.run(
        closed_loop(
            system.url, _visits(people[2000:]), meter=system.meter, connections=_AT_ONCE, seconds=10
        )
    )
    report.add(f"{_AT_ONCE} at once", crowd.per_second(), "log-ins/s")
    report.latencies(crowd, "login", f"{_AT_ONCE} at once")
    report.add(
        f"{_AT_ONCE} at once: memory of auth grew by",
        system.meter.resident_mib("auth") - memory,
        "MiB",
    )


def _visits(people: Sequence[Person]) -> Iterator[Visit]:
    for person in people:
        yield _log_in(person)


def _log_in(person: Person) -> Visit:
    body = {"email": person.email, "password": PASSWORD}
    yield Call("login", request("POST", "/api/v1/auth/login", body=body))


def _hash_ms() -> float:
    hashed = subprocess.run(
        [sys.executable, "-c", _HASHES, str(_HASHES_TIMED)],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(hashed.stdout) / _HASHES_TIMED * 1000
