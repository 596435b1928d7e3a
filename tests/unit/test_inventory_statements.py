"""Inventory's SQL can be spread by event: docs/growing.md."""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Iterator
from importlib import import_module

import pytest

import inventory_service.storage
from chassis.postgres import placed
from inventory_service import holding

_CHANGES = re.compile(r"\b(FOR UPDATE|UPDATE \w|DELETE FROM|INSERT INTO)")
_KEPT_WHOLE = re.compile(r"\blive_hold\b")
_SPREAD = re.compile(
    r"\b(?:FROM|JOIN|INTO|UPDATE)\s+(event|tier|section|seat_place|seat|pool|hold|hold_line"
    r"|seat_journal|customer_quota|block|block_seat|announcement)\b"
)
# What looks over all events for those to go on with. It locks nothing, but notes in rows of its own
# which events it is going to count.
_OVER_ALL_EVENTS = {"availability._CLAIM_UNCHECKED"}
_TYPED = re.compile(r"(?:=|<|>|<=|>=|<>|LIMIT|IN \(0,|VALUES \()\s*$|CAST\($")


def _statements() -> Iterator[tuple[str, str]]:
    modules = [
        f"{package.__name__}.{module.name}"
        for package in (inventory_service.storage, holding)
        for module in pkgutil.iter_modules(package.__path__)
    ]
    for name in modules:
        for constant, value in vars(import_module(name)).items():
            if isinstance(value, str) and constant.strip("_").isupper() and " " in value.strip():
                yield f"{name.rpartition('.')[2]}.{constant}", value


STATEMENTS = dict(_statements())


def _naked(sql: str) -> str:
    return re.sub(r"--[^\n]*", "", sql)


def test_the_statements_are_found() -> None:
    assert {"saga._LOCK", "storage._TAKE_SEATS", "limits._FREE_SLOTS"} <= set(STATEMENTS)


@pytest.mark.parametrize("name", sorted(STATEMENTS))
def test_what_locks_or_changes_rows_names_its_one_event(name: str) -> None:
    sql = _naked(STATEMENTS[name])
    if not _CHANGES.search(sql) or name in _OVER_ALL_EVENTS:
        return
    if not _SPREAD.search(sql):
        assert _KEPT_WHOLE.search(sql), sql
        return
    assert "event_id" in placed(sql)[1], sql


@pytest.mark.parametrize("name", sorted(STATEMENTS))
def test_the_table_that_is_kept_whole_is_asked_by_itself(name: str) -> None:
    sql = _naked(STATEMENTS[name])
    if _KEPT_WHOLE.search(sql):
        assert not _SPREAD.search(sql), sql


@pytest.mark.parametrize("name", sorted(STATEMENTS))
def test_every_parameter_has_a_type_that_its_place_shows(name: str) -> None:
    sql = _naked(STATEMENTS[name])
    for found in re.finditer(r"(?<![:\w\]]):[A-Za-z_]\w*", sql):
        before = sql[: found.start()].rstrip(" ")
        assert _TYPED.search(before), f"{found[0]} in {sql}"
