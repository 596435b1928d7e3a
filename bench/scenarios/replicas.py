"""A second gateway, auth, inventory and booking: what they cost, the load being the same.

One of each and two of each in turns, on one system. Two cores show no gain: what counts is the CPU
of an operation, how large the sets are, who is refused, and that nothing goes wrong. From what one
of each costs it is reckoned how many of them how many cores could use.
"""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field

import httpx

from bench.crowd import NOT_A_SAGAS, buys, greet, holding, measured, paced, settle, used
from bench.figures import Report
from bench.load import Call, Outcome, Visit, request
from bench.system import PASSWORD, Person, System

TWICE = ("auth", "inventory", "booking", "gateway")

_ROUNDS = 2
_ROWS, _SEATS = 240, 50
_PEOPLE = 3200
_WARM_UP_SECONDS = 1.5
_SECONDS = 6.0
_IDLE_SECONDS = 6.0
_HOLDS_PACE, _SAGAS_PACE, _LOGINS_PACE = 800.0, 150.0, 20.0
_SAGAS_AT_ONCE = 48
# Whom a system has no time for it refuses; the others pay for it.
_OR_ELSE = frozenset({429, 503})
# So much of a core is used where people still get their answers at once.
_SHARE = 0.7
_CORES = (4, 8, 16)
# Not ours to run many of: they use as many cores as they need.
_SERVERS = frozenset({"postgres", "rabbitmq"})
_BATCH = re.compile(r'^parterre_batch_items_(sum|count)\{batcher="(\w+)"\} (\S+)$', re.MULTILINE)


@dataclass(slots=True)
class _Tally:
    """What the rounds of one kind came to."""

    units: int = 0
    refused: int = 0
    seconds: float = 0.0
    cpu: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    items: Counter[str] = field(default_factory=Counter)  # by process and kind of set
    sets: Counter[str] = field(default_factory=Counter)

    def add(self, outcome: Outcome, kind: str, made: int, batches: Counter[str]) -> None:
        """One round more."""
        self.units += outcome.count(kind, made)
        self.refused += sum(outcome.count(name, *_OR_ELSE) for name in ("hold", "booking", "login"))
        self.seconds += outcome.seconds
        for name, seconds in outcome.cpu.items():
            if name not in NOT_A_SAGAS:
                self.cpu[name.removesuffix(", second")] += seconds
        for name, count in batches.items():
            what, _, batcher = name.partition(" ")
            (self.items if what == "sum" else self.sets)[batcher] += count

    def each(self, name: str) -> float:
        """A process's milliseconds for each operation, those of its second among them."""
        return self.cpu[name] / self.units * 1000

    @property
    def whole(self) -> float:
        """All processes' milliseconds for each operation."""
        return sum(map(self.each, self.cpu))


def run(system: System, report: Report) -> None:
    """One of each, two of each, and once more."""
    people = system.people(_PEOPLE)
    tallies: dict[tuple[str, int], _Tally] = defaultdict(_Tally)
    idle: dict[int, list[float]] = defaultdict(list)
    for turn, many in itertools.product(range(_ROUNDS), (1, 2)):
        with system.doubled() if many == 2 else nullcontext():
            # Whoever holds keeps what they hold, of which there are two: others each time.
            holders = system.people(_PEOPLE)
            for _ in range(many):  # so that the second ones know everybody's token, too
                greet(system, [*people, *holders])
            loads = _loads(system, people, holders)
            settle(system, report)
            idle[many].append(used(system, _IDLE_SECONDS))
            for kind, (operation, made, visits, rate) in loads.items():
                settle(system, report)
                before = _batches(system)
                if rate is None:
                    outcome = measured(system, visits, _SAGAS_AT_ONCE, _WARM_UP_SECONDS, _SECONDS)
                else:
                    outcome = paced(
                        system, visits, rate, warm_up=_WARM_UP_SECONDS, seconds=_SECONDS
                    )
                tally = tallies[kind, many]
                tally.add(outcome, operation, made, _batches(system) - before)
            report.progress(f"round {turn + 1} of {_ROUNDS}, {many} of each: done")
    for many in (1, 2):
        report.add(f"idle, {many} of each: CPU", sum(idle[many]) / _ROUNDS, "ms/s")
    for (kind, many), tally in sorted(tallies.items()):
        _show(report, f"{kind}, {many} of each", tally)
    for kind in sorted({kind for kind, _ in tallies}):
        ratio = tallies[kind, 2].whole / tallies[kind, 1].whole
        report.add(f"{kind}: CPU, two of each to one", ratio, "times")
    _reckon(report, tallies["sagas, 48 at once", 1])


def _loads(
    system: System, people: Sequence[Person], holders: Sequence[Person]
) -> Mapping[str, tuple[str, int, Iterable[Visit], float | None]]:
    """What is asked for: the operation that is counted, its status, the visits, how many a second.

    None is as many as are answered.
    """
    holds, calm, crowded = (system.on_sale(rows=_ROWS, seats=_SEATS)["id"] for _ in range(3))
    return {
        f"log-ins, {_LOGINS_PACE:.0f}/s": ("login", 200, _log_ins(people), _LOGINS_PACE),
        f"holds, {_HOLDS_PACE:.0f}/s": ("hold", 201, _holds(holds, holders), _HOLDS_PACE),
        f"sagas, {_SAGAS_PACE:.0f}/s": ("booking", 201, _buyers(calm, people), _SAGAS_PACE),
        f"sagas, {_SAGAS_AT_ONCE} at once": ("booking", 201, _buyers(crowded, people), None),
    }


def _holds(event_id: str, people: Sequence[Person]) -> Iterator[Visit]:
    """Everybody once, then everybody once more, each another seat."""
    for seat_no, person in enumerate([*people, *people]):
        wanted = {"event_id": event_id, "seat_ids": [str(seat_no)]}
        yield holding(person, wanted, {201} | _OR_ELSE)


def _buyers(event_id: str, people: Sequence[Person]) -> Iterator[Visit]:
    for seat_no, person in zip(range(_ROWS * _SEATS), itertools.cycle(people), strict=False):
        yield buys(person, {"event_id": event_id, "seat_ids": [str(seat_no)]}, _OR_ELSE)


def _log_ins(people: Sequence[Person]) -> Iterator[Visit]:
    for person in people:
        yield _log_in(person)


def _log_in(person: Person) -> Visit:
    body = {"email": person.email, "password": PASSWORD}
    yield Call("login", request("POST", "/api/v1/auth/login", body=body), {200} | _OR_ELSE)


def _batches(system: System) -> Counter[str]:
    """How many sets there were so far, and how much was in them, by process and kind."""
    counted: Counter[str] = Counter()
    for name in ("gateway", "inventory"):
        for process in (name, f"{name}, second"):
            if process in system.internal:
                text = httpx.get(f"{system.internal[process]}/metrics").text
                for what, batcher, count in _BATCH.findall(text):
                    counted[f"{what} {name}: {batcher}"] += int(float(count))
    return counted


def _show(report: Report, title: str, tally: _Tally) -> None:
    report.add(f"{title}: done", tally.units / tally.seconds, "/s")
    report.add(f"{title}: refused", tally.refused / tally.seconds, "/s")
    report.add(f"{title}: CPU", tally.whole, "ms")
    for name in sorted(tally.cpu, key=tally.each, reverse=True):
        if tally.each(name) >= 0.005:
            report.add(f"{title}: CPU: {name}", tally.each(name), "ms")
    for batcher, sets in sorted(tally.sets.items()):
        if sets:
            report.add(f"{title}: in a set of {batcher}", tally.items[batcher] / sets, "")


def _reckon(report: Report, tally: _Tally) -> None:
    """Reckoned, not measured: sagas on more cores, and how many of each process they keep busy.

    A process of ours uses one core at most. Its sets are as large as here where it has as much to
    do as here, so its costs are those of one of each.
    """
    for cores in _CORES:
        sagas = cores * _SHARE * 1000 / tally.whole
        report.add(f"reckoned: {cores} cores, {_SHARE:.0%} used: sagas", sagas, "/s")
        for name in sorted(tally.cpu):
            if name not in _SERVERS:
                needed = math.ceil(sagas * tally.each(name) / (_SHARE * 1000))
                report.add(f"reckoned: {cores} cores: {name}", needed, "processes")
