"""What an operator sees of a booking: its lines in every process's log, and its trace."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from ops.client import ProblemError
from ops.demo import Stage

from .conftest import System
from .patience import until

TRACE_ID = re.compile(r"[0-9a-f]{32}")
# What each line of an event must say.
MUST: Mapping[str, frozenset[str]] = {
    "request": frozenset({"method", "status", "milliseconds", "request_id", "trace_id"}),
    "rpc": frozenset({"method", "status", "milliseconds", "request_id", "trace_id"}),
    "message": frozenset(
        {"queue", "type", "id", "outcome", "milliseconds", "waited_milliseconds", "request_id",
         "trace_id"}
    ),
    "saga step": frozenset(
        {"booking_reference", "booking_id", "who", "state", "before", "step", "attempt",
         "reason", "request_id", "trace_id"}
    ),
    "provider call": frozenset(
        {"provider", "kind", "payment_id", "booking_reference", "result", "milliseconds",
         "request_id", "trace_id"}
    ),
}  # fmt: skip


def lines(system: System) -> Iterator[Mapping[str, Any]]:
    """Every line of every process's log."""
    for file in sorted((system.home / "logs").glob("*.log")):
        if file.stem in {"supervisor", "seed"}:  # for people
            continue
        for line in file.read_text().splitlines():
            yield json.loads(line)


def told(system: System, value: str) -> Sequence[Mapping[str, Any]]:
    """The lines that have this value somewhere."""
    return [line for line in lines(system) if value in json.dumps(line)]


def buy(stage: Stage) -> tuple[str, str, str]:
    """Books; the booking's reference, the request's id and the client's trace."""
    hold = stage.hold_best(stage.asha, 1)
    booking = stage.asha.call(
        "POST",
        "/bookings",
        json={"hold_id": hold["id"], "payment_method": "CARD", "payment_token": "tok_ok"},
        headers={
            "X-Request-ID": "seen-by-the-operator",
            "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
            "Prefer": "wait=20",
        },
    )
    return booking["reference"], "seen-by-the-operator", "0af7651916cd43dd8448eb211c80319c"


def test_every_line_can_be_read_and_says_what_it_must(system: System, stage: Stage) -> None:
    reference, request_id, trace_id = buy(stage)
    with pytest.raises(ProblemError):
        stage.asha.get("/bookings/PT-5EEN5EEN")

    def arrived() -> bool:
        found = told(system, request_id)
        return sum(line["event"] == "message" for line in found) >= 5

    until(arrived)
    every = list(lines(system))
    for line in every:
        assert {"event", "level", "timestamp", "process"} <= set(line), line
        assert line.get("request_id") != "-", line
        must = MUST.get(line["event"], frozenset())
        if line["event"] not in {"request", "rpc"} and "request_id" not in line:
            # Begun by the process itself, because a deadline had passed.
            must -= {"request_id", "trace_id"}
        assert must <= set(line), line
        if "trace_id" in line:
            assert TRACE_ID.fullmatch(line["trace_id"]), line
        if line["event"] == "rpc" and line["status"] != "OK":
            assert line["reason"], line
        if line["event"] == "request":
            assert ("route" in line) is not ("path" in line), line
    assert {"sandbox", "gateway", "booking", "payment", "inventory", "notification", "catcher"} <= {
        line["process"] for line in every
    }
    # The request is found in every process that it went through, by its id and its trace.
    of_it = [line for line in every if line.get("request_id") == request_id]
    assert {line["trace_id"] for line in of_it} == {trace_id}
    assert {line["process"] for line in of_it} >= {
        "gateway", "booking", "payment", "inventory", "notification", "catalog"
    }  # fmt: skip
    (request,) = [line for line in of_it if line["event"] == "request"]
    assert (request["route"], request["booking_reference"]) == ("/api/v1/bookings", reference)
    steps = [line["state"] for line in of_it if line["event"] == "saga step"]
    assert steps[:3] == ["SECURING", "CHARGING", "CONFIRMED"]
    assert {line["who"] for line in of_it if line["event"] == "saga step"} == {request["who"]}
    together = [line for line in every if request_id in line.get("request_ids", ())]
    assert {line["method"].rpartition("/")[2] for line in together} == {
        "CreateBookings", "ReserveHolds"
    }  # fmt: skip
    (refused,) = [
        line
        for line in told(system, "PT-5EEN5EEN")
        if line["event"] == "request" and line["method"] == "GET"
    ]
    assert (refused["status"], refused["reason"]) == (404, "BOOKING_NOT_FOUND")
    # Grepped by its reference, too.
    assert Counter(line["event"] for line in told(system, reference)) >= Counter(
        {"request": 1, "saga step": 3, "provider call": 1, "message": 2}
    )


def test_a_booking_is_one_trace_through_all_processes(system: System, stage: Stage) -> None:
    hold = stage.hold_best(stage.asha, 1)
    reference = stage.book(stage.asha, hold, "tok_ok")
    stage.until_ended(stage.asha, reference)
    wanted = {"gateway", "booking", "inventory", "payment", "notification"}

    def trace(*words: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "ops", "trace", reference, *words]
        run_file = str(system.home / "run.json")
        return subprocess.run(
            [*argv, "--run-file", run_file], capture_output=True, text=True, timeout=60, check=False
        )

    def whole() -> Any:
        asked = trace("--json")
        for found in json.loads(asked.stdout or "[]"):
            if {span["process"] for span in found["spans"]} >= wanted:
                return found
        return None

    spans = until(whole)["spans"]
    names = [span["name"].rpartition("/")[2].rpartition(".")[2] for span in spans]
    assert spans[0]["name"] == "POST /api/v1/bookings"
    assert {"CreateBookings", "ReserveHolds", "ChargePayment", "PaymentReply", "SellSeats"} <= {
        *names
    }
    # Every span but the first hangs on one that is there.
    known = {span["id"] for span in spans}
    assert [span["name"] for span in spans if span["parent_id"] not in known] == [spans[0]["name"]]
    shown = trace()
    assert shown.returncode == 0
    assert "POST /api/v1/holds" in shown.stdout
    assert shown.stdout.index("ChargePayment") < shown.stdout.index("SellSeats")
    assert trace("--folder", str(system.home / "logs")).returncode == 1
