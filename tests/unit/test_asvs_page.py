"""The ASVS page: each requirement of levels 1 and 2 once, and every test it names exists."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/asvs.md").read_text()
# How many requirements of levels 1 and 2 each chapter of ASVS 5.0.0 has.
CHAPTERS = [27, 11, 19, 10, 9, 35, 18, 7, 7, 29, 14, 9, 13, 9, 13, 16, 7]
ROW = re.compile(
    r"\| (V\d+\.\d+)\.(\d+)(?:\u2013(\d+))? \| ([^|]+) \| ([^|]+) \| ?([^|]*)\| ?([^|]*)\|"
)
KINDS = {"met", "part", "not met", "operator", "n/a"}


def rows() -> list[re.Match[str]]:
    lines = [line for line in PAGE.splitlines() if line.startswith("| V")]
    found = [ROW.fullmatch(line) for line in lines]
    assert None not in found, lines[found.index(None)]
    return [row for row in found if row]


def test_every_requirement_of_levels_one_and_two_is_there_once() -> None:
    ids = [
        f"{row[1]}.{number}"
        for row in rows()
        for number in range(int(row[2]), int(row[3] or row[2]) + 1)
    ]
    assert [id for id, count in Counter(ids).items() if count > 1] == []
    chapters = Counter(int(id[1:].partition(".")[0]) for id in ids)
    assert [chapters[number] for number in range(1, 18)] == CHAPTERS
    assert len(ids) == 253


def test_every_row_says_how_it_stands_and_why() -> None:
    for row in rows():
        assert row[5] in KINDS, row[0]
        assert len(row[6].strip()) > 2 or "`test_" in row[7], row[0]


def test_every_test_that_is_named_exists() -> None:
    code = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    there = set(re.findall(r"^(?:async )?def (test_\w+)", code, re.MULTILINE))
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    assert named - there == set()
    assert len(named) > 80
