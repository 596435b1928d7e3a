"""docs/reliability.md names a test for every fault and every invariant, and each of them exists."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from ops.fsck import CHECKS

TESTS = Path(__file__).parents[1]
PAGE = (TESTS.parent / "docs/reliability.md").read_text()
FAULTS = range(1, 49)
INVARIANTS = {f"I{number}" for number in range(1, 11)}
NAMED = re.compile(r"`([a-z_/]+\.py)::([a-z_0-9]+)`")
# What one machine can't show whole.
NEEDS_MORE = {45}


def rows(first_cell: str) -> Iterator[tuple[str, str]]:
    """Each row of the tables whose first cell is of that form, and that cell."""
    for row in re.finditer(rf"^\| ({first_cell}) \|.*$", PAGE, re.MULTILINE):
        yield row[1], row[0]


def names_in(file: str) -> set[str]:
    return {
        node.name
        for node in ast.parse((TESTS / file).read_text()).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def test_every_fault_has_a_row_with_a_test() -> None:
    found = {int(number): row for number, row in rows(r"\d+")}
    assert found.keys() == set(FAULTS)
    assert [number for number, row in found.items() if not NAMED.search(row)] == []
    assert {number for number, row in found.items() if "†" in row} == NEEDS_MORE


def test_every_invariant_has_a_row_with_a_test() -> None:
    found = dict(rows(r"I\d+"))
    assert found.keys() == INVARIANTS
    assert [name for name, row in found.items() if not NAMED.search(row)] == []
    assert {check.invariant for check in CHECKS} <= INVARIANTS


def test_every_test_that_is_named_exists() -> None:
    named = set(NAMED.findall(PAGE))
    assert len(named) > len(FAULTS)
    assert {(file, name) for file, name in named if name not in names_in(file)} == set()
