"""Every reason an error can have is in the gateway's table and in the page for clients."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from chassis.context import request
from chassis.errors import RemoteError
from gateway.problems import PROBLEMS, REASONS, ProblemError, from_remote_error

ROOT = Path(__file__).parents[2]
PACKAGES = (
    "auth_service",
    "booking_service",
    "catalog_service",
    "chassis",
    "gateway",
    "inventory_service",
    "notification_service",
    "payment_service",
)
# What a base class has for its children to replace; nobody is ever told it.
_NEVER_TOLD = {"INVALID_NOTIFICATION", "INVALID_PAYMENT"}
_RAISES_A_REASON = {"ServiceError": 1, "ProblemError": 0}


def described() -> dict[str, tuple[int, str]]:
    """What docs/problems.md says of each reason."""
    rows = {}
    for line in (ROOT / "docs" / "problems.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) == 4 and re.fullmatch(r"`?[A-Z][A-Z_]+`?", cells[0]):
            reason = cells[0].strip("`")
            assert reason not in rows, f"{reason} is there twice"
            assert cells[3], f"{reason} does not say what to do"
            rows[reason] = (int(cells[1]), cells[2])
    return rows


def reasons_in(source: str) -> Iterator[str]:
    """Reasons a module gives its errors: `reason = "…"` of a class, or said when raised."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef):
            for statement in node.body:
                if (
                    isinstance(statement, ast.Assign)
                    and isinstance(statement.value, ast.Constant)
                    and [ast.unparse(target) for target in statement.targets] == ["reason"]
                ):
                    yield str(statement.value.value)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            at = _RAISES_A_REASON.get(node.func.id)
            if at is not None and len(node.args) > at and isinstance(node.args[at], ast.Constant):
                yield str(ast.literal_eval(node.args[at]))


def raised() -> set[str]:
    """Every reason in the code."""
    found = set()
    for package in PACKAGES:
        for file in (ROOT / package).rglob("*.py"):
            if "sandbox" not in file.parts:
                found |= set(reasons_in(file.read_text()))
    return {reason for reason in found if re.fullmatch(r"[A-Z][A-Z_]+", reason)} - _NEVER_TOLD


def promised() -> set[str]:
    """Every reason the comments of the protos promise."""
    found = set()
    for file in (ROOT / "protos" / "parterre").rglob("*.proto"):
        text = re.sub(r"\n\s*// ", " ", file.read_text())
        for reasons in re.findall(r"Reasons(?: of[a-z' ]+)?: ([A-Z_, ]+)\.", text):
            found |= {reason.strip() for reason in reasons.split(",")}
    return found


def test_the_page_and_the_table_say_the_same() -> None:
    assert described() == dict(REASONS)


def test_every_reason_in_the_code_is_in_the_table() -> None:
    assert len(raised()) > 20
    assert raised() <= set(REASONS)


def test_every_reason_the_protos_promise_is_in_the_table() -> None:
    assert len(promised()) > 40
    assert promised() <= set(REASONS)


@pytest.mark.parametrize(
    ("reason", "shown"), [("SEATS_UNAVAILABLE", "SEATS_UNAVAILABLE"), ("OF_TOMORROW", "OTHER")]
)
def test_problems_are_counted_by_the_reasons_that_are_known(reason: str, shown: str) -> None:
    before = PROBLEMS.labels(shown)._value.get()
    ProblemError(reason, status=409).response("/holds")
    assert PROBLEMS.labels(shown)._value.get() == before + 1
    assert (reason,) not in PROBLEMS._metrics or reason == shown


def test_a_problem_says_all_that_rfc_9457_asks_for() -> None:
    with request(id="r-1"):
        answer = ProblemError("SALES_CLOSED", "Sales ended.").response("/api/v1/holds")
    assert answer.media_type == "application/problem+json"
    assert bytes(answer.body) == (
        b'{"type":"/problems/sales-closed","title":"%b","status":409,"detail":"Sales ended.",'
        b'"instance":"/api/v1/holds","reason":"SALES_CLOSED","request_id":"r-1"}'
        % REASONS["SALES_CLOSED"][1].encode()
    )


def test_a_call_that_a_stopping_service_breaks_off_may_be_tried_again() -> None:
    broken_off = from_remote_error(RemoteError(grpc.StatusCode.CANCELLED, "", "", {}))
    assert (broken_off.status, broken_off.reason) == (503, "SERVICE_UNAVAILABLE")


def test_a_service_that_does_not_answer_is_unavailable_and_any_other_failure_is_ours() -> None:
    for code in grpc.StatusCode:
        problem = from_remote_error(RemoteError(code, "", "driver text", {}))
        assert problem.status in {500, 503}
        assert "driver" not in str(problem)
        assert (problem.status == 503) == ("Retry-After" in problem.headers)
    away = from_remote_error(RemoteError(grpc.StatusCode.DEADLINE_EXCEEDED, "", "", {}))
    assert away.reason == "SERVICE_UNAVAILABLE"


def test_a_services_facts_never_replace_what_a_problem_says_itself() -> None:
    facts = {"status": "200", "reason": "OTHER", "seat_ids": '["1"]', "limit": "4", "word": "x"}
    problem = from_remote_error(
        RemoteError(grpc.StatusCode.FAILED_PRECONDITION, "SEATS_UNAVAILABLE", "Taken.", facts)
    )
    assert problem.members == {"seat_ids": ["1"], "limit": 4, "word": "x"}
