"""What commands print: for people at a terminal of any width, and whole where it is piped."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table

from presentation.amounts import major_units

# Wider than any row: in a pipe a row is a line.
_PIPED_WIDTH = 100_000


def console(*, stderr: bool = False) -> Console:
    """Where a command prints. Nothing in it is markup: much of it was written by others."""
    made = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not made.is_terminal:
        made.width = _PIPED_WIDTH
    return made


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    right: str = "",
    red: Iterable[bool] = (),
) -> Table:
    """Rows under their columns' names; what is too wide goes on in the next line, and none is cut.

    Args:
        columns: their names.
        rows: a text for each column.
        right: the columns of numbers, by a letter for each column: "  rr".
        red: which rows tell of something wrong.
    """
    made = Table(box=None, pad_edge=False)
    for column, side in zip(columns, right.ljust(len(columns)), strict=True):
        made.add_column(column, overflow="fold", justify="right" if side == "r" else "left")
    wrong = iter(red)
    for row in rows:
        made.add_row(*row, style="red" if next(wrong, False) else None)
    return made


def iso(at: datetime) -> str:
    """A moment as ISO 8601 has it, in UTC, to the millisecond: 2026-11-26T22:20:35.123Z."""
    return f"{at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def as_text(value: object, *, indent: int | None = None) -> str:
    """JSON for scripts; a moment in it is as `iso` writes it."""
    return json.dumps(
        value,
        indent=indent,
        default=lambda each: iso(each) if isinstance(each, datetime) else str(each),
    )


def money(minor: int, currency: str) -> str:
    """An amount for operators, in plain digits, as a search finds them: NPR 1250.00."""
    return f"{currency} {major_units(minor, currency)}"
