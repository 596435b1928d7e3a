"""What the scenarios on holds share: people whom the system knows, and what they ask for."""

from __future__ import annotations

import itertools
import time
from collections.abc import Container, Generator, Iterable, Mapping, Sequence
from typing import Any

import orjson
import uvloop

from bench.figures import Report
from bench.load import (
    Call,
    Outcome,
    Reply,
    UnexpectedAnswerError,
    Visit,
    closed_loop,
    open_loop,
    request,
    steady,
)
from bench.system import Person, System

_GREETING_SECONDS = 2.0
_GREETING_CONNECTIONS = 32
MADE = frozenset({201})
MADE_OR_NOT = frozenset({201, 409})
# A buyer waits so long for a booking to come to rest.
WAIT_SECONDS = 20
# What a saga is made of apart from the provider, which is not ours.
NOT_A_SAGAS = frozenset({"generator", "sandbox"})
_SETTLE_SECONDS = 90.0
_SETTLED_MS, _SETTLED_TIMES = 100.0, 2  # of CPU a second, so often one after the other
_NO_MAILS = """
WITH gone AS (UPDATE notification.mail SET sent_at = clock_timestamp() WHERE sent_at IS NULL
              RETURNING 1)
SELECT count(*) FROM gone
"""


def measured(
    system: System, visits: Iterable[Visit], connections: int, warm_up: float, seconds: float
) -> Outcome:
    """A closed loop of so many connections."""
    return uvloop.run(
        closed_loop(
            system.url,
            visits,
            meter=system.meter,
            more=system.more_gateways,
            connections=connections,
            warm_up=warm_up,
            seconds=seconds,
        )
    )


def paced(
    system: System,
    visits: Iterable[Visit],
    per_second: float,
    *,
    warm_up: float,
    seconds: float,
    connections: int = 256,
) -> Outcome:
    """An open loop at a steady rate."""
    return uvloop.run(
        open_loop(
            system.url,
            visits,
            steady(per_second),
            meter=system.meter,
            more=system.more_gateways,
            connections=connections,
            warm_up=warm_up,
            seconds=seconds,
        )
    )


def saga_cpu(outcome: Outcome) -> float:
    """Seconds of CPU that sagas used; the provider stands for another's machine: not counted."""
    return sum(seconds for name, seconds in outcome.cpu.items() if name not in NOT_A_SAGAS)


def saga_cpu_ms(outcome: Outcome) -> float:
    """Milliseconds of CPU for each booking that was made."""
    sagas = outcome.count("booking", 201)
    return saga_cpu(outcome) / sagas * 1000 if sagas else float("nan")


def used(system: System, seconds: float) -> float:
    """Milliseconds of CPU a second that the system uses by itself, for so long."""
    before, began = system.meter.read(), time.perf_counter()
    time.sleep(seconds)
    took = time.perf_counter() - began
    spent = system.meter.since(before)
    return sum(spent[name] for name in spent if name not in NOT_A_SAGAS) / took * 1000


def settle(system: System, report: Report) -> None:
    """Waits until nothing is left to do of what was done before.

    Mails are taken for sent: theirs is another measurement, and thousands would take minutes.
    """
    began = time.perf_counter()
    calm = 0
    while calm < _SETTLED_TIMES:
        system.scalar(_NO_MAILS)
        calm = calm + 1 if used(system, 1.0) < _SETTLED_MS else 0
        if time.perf_counter() - began > _SETTLE_SECONDS:
            report.remarks.append("Something of before was still going on.")
            return


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


def booked(
    person: Person,
    wanted: Mapping[str, Any],
    *,
    prefers: bool = True,
    or_else: frozenset[int] = frozenset(),
) -> Generator[Call | float, Reply, Any]:
    """Holds what is wanted and books it; gives the booking, or None where it was turned away.

    By card, with `Prefer: wait` if it `prefers`. Answers with a status of `or_else` end the visit;
    each must say when to come back.
    """
    tries = request("POST", "/api/v1/holds", person.token, orjson.dumps(wanted))
    hold = yield Call("hold", tries, MADE | or_else)
    if hold.status not in MADE:
        _check_refusal(hold)
        return None
    pays = {"hold_id": hold.json()["id"], "payment_method": "CARD", "payment_token": "tok_ok"}
    headers = {"prefer": f"wait={WAIT_SECONDS}"} if prefers else {}
    tries = request("POST", "/api/v1/bookings", person.token, pays, headers)
    booking = yield Call("booking", tries, MADE | or_else)
    if booking.status not in MADE:
        _check_refusal(booking)
        return None
    return booking.json()


def confirmed(booking: Mapping[str, Any]) -> None:
    """Fails the scenario unless the booking is confirmed."""
    if booking["status"] != "CONFIRMED":
        raise UnexpectedAnswerError(f"the booking stands as {booking['status']}")


def buys(person: Person, wanted: Mapping[str, Any], or_else: frozenset[int] = frozenset()) -> Visit:
    """Holds, books and waits until it is confirmed; see `booked`."""
    booking = yield from booked(person, wanted, or_else=or_else)
    if booking is not None:
        confirmed(booking)


def _check_refusal(reply: Reply) -> None:
    if reply.header("retry-after") is None:
        raise UnexpectedAnswerError(f"{reply.status} without Retry-After: {reply.body[:300]!r}")
