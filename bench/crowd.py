"""What the scenarios on holds share: people whom the system knows, and what they ask for."""

from __future__ import annotations

import itertools
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

import orjson
import uvloop

from bench.load import Call, Outcome, Visit, closed_loop, request
from bench.system import Person, System

_GREETING_SECONDS = 2.0
_GREETING_CONNECTIONS = 32
MADE = frozenset({201})
MADE_OR_NOT = frozenset({201, 409})


def measured(
    system: System, visits: Iterable[Visit], connections: int, warm_up: float, seconds: float
) -> Outcome:
    """A closed loop of so many connections."""
    return uvloop.run(
        closed_loop(
            system.url,
            visits,
            meter=system.meter,
            connections=connections,
            warm_up=warm_up,
            seconds=seconds,
        )
    )


def greet(system: System, people: Sequence[Person]) -> None:
    """Lets everybody look at their holds once, so that gateway and inventory know their tokens.

    A buyer's first request costs two verifications of a signature more than those after it.
    """
    visits = (_greet(person) for person in itertools.cycle(people))
    done = 0
    while done < len(people):
        done += measured(system, visits, _GREETING_CONNECTIONS, 0, _GREETING_SECONDS).visits


def _greet(person: Person) -> Visit:
    yield Call("greeting", request("GET", "/api/v1/holds?limit=1", person.token))


def holding(
    person: Person,
    wanted: Mapping[str, Any],
    expect: Container[int] = MADE,
    *,
    made: list[int] | None = None,
    release: bool = False,
) -> Visit:
    """Asks for a hold, counts it in `made` where it is made, and gives it back where asked to."""
    reply = yield Call(
        "hold", request("POST", "/api/v1/holds", person.token, orjson.dumps(wanted)), expect
    )
    if reply.status != 201:
        return
    if made is not None:
        made.append(1)
    if release:
        path = f"/api/v1/holds/{reply.json()['id']}"
        yield Call("release", request("DELETE", path, person.token), {204})
