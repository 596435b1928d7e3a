"""What commands print, in a pipe and at terminals of any width."""

from __future__ import annotations

import io
import tomllib
from collections import Counter
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from chassis.version import VERSION
from ops.cli import app
from ops.terminal import as_text, console, iso, money, show

ROWS = [
    (str(number) * 36, "provider_receivable:sandbox", "[red]a title[/] :smile: " * 9, "-12345.67")
    for number in (1, 2)
]
COLUMNS = ("Id", "Account", "Title", "Amount")


def test_in_a_pipe_a_row_is_a_line_and_whole(capsys: pytest.CaptureFixture[str]) -> None:
    show(console(), COLUMNS, ROWS, right="   r")
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == list(COLUMNS)
    assert not any(line.endswith(" ") for line in lines)
    for line, row in zip(lines, ROWS, strict=True):
        assert [line.find(cell.strip()) for cell in row] == sorted(
            line.find(cell.strip()) for cell in row
        )
        assert -1 not in [line.find(cell.strip()) for cell in row]


@pytest.mark.parametrize("width", [120, 80, 60, 30])
def test_at_a_narrow_terminal_rows_go_on_below_and_lose_nothing(width: int) -> None:
    shown = io.StringIO()
    out = Console(
        file=shown, width=width, force_terminal=True, color_system=None, markup=False, emoji=False
    )
    show(out, COLUMNS, ROWS, right="   r")
    lines = shown.getvalue().splitlines()
    assert all(len(line) <= width for line in lines)
    assert "…" not in shown.getvalue()
    letters = Counter("".join(shown.getvalue().split()))
    assert not Counter("".join("".join(row) for row in ROWS).replace(" ", "")) - letters
    assert "-12345.67" in shown.getvalue()  # a number goes on in no other line


def test_nothing_in_a_row_moves_the_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    show(console(), ("Title",), [("\x1b[2J\rone\ntwo",)])
    assert capsys.readouterr().out == "Title\n[2J one two\n"


def test_moments_are_iso_8601_in_utc_and_money_has_its_own_digits() -> None:
    nepal = timezone(timedelta(hours=5, minutes=45))
    at = datetime(2026, 11, 27, 4, 5, 35, 123_456, nepal)
    assert iso(at) == "2026-11-26T22:20:35.123Z"
    assert as_text({"at": at}) == '{"at": "2026-11-26T22:20:35.123Z"}'
    assert [money(-1250, each) for each in ("NPR", "JPY", "KWD")] == [
        "NPR -12.50",
        "JPY -1250",
        "KWD -1.250",
    ]


def test_the_version_is_the_projects() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert project["version"] == VERSION
    assert CliRunner().invoke(app, ["--version"]).output == f"parterre {VERSION}\n"


@pytest.mark.parametrize(
    "group", [[], *([each.name] for each in app.registered_groups if each.name)]
)
def test_no_commands_help_is_cut_at_eighty_columns(group: list[str]) -> None:
    shown = CliRunner().invoke(app, [*group, "--help"], terminal_width=80).output
    assert "..." not in shown.partition("Commands:")[2]
