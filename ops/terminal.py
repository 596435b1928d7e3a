"""What commands print: for people at a terminal of any width, and whole where it is piped."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.table import Table

from presentation.amounts import major_units
from presentation.plain import one_line

# Wider than any row: in a pipe a row is a line.
_PIPED_WIDTH = 100_000
# Cells: a column that is as wide as a moment is never folded, and a wider one needs this much.
_RIGID = 24
_FOLDED = 20


def console(*, stderr: bool = False) -> Console:
    """Where a command prints. Nothing in it is markup: much of it was written by others."""
    made = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not made.is_terminal:
        made.width = _PIPED_WIDTH
    return made


def show(
    out: Console,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: str = "",
    red: Sequence[bool] = (),
) -> None:
    """Prints rows under their columns' names, and cuts none of it.

    What is too wide goes on in the next line; where there is no room for that either, each row is a
    paragraph with a line for each column.

    Args:
        out: where.
        columns: their names.
        rows: a text for each column.
        right: the columns of numbers, by a letter for each column: "  rr".
        red: which rows tell of something wrong; none, where it is empty.
    """
    rows = [[one_line(cell) for cell in row] for row in rows]
    sides = ["right" if side == "r" else "left" for side in right.ljust(len(columns))]
    widths = [max(map(cell_len, cells)) for cells in zip(columns, *rows, strict=True)]
    styles = ["red" if is_wrong else "" for is_wrong in red or [False] * len(rows)]
    narrow = [min(width, _FOLDED) if width > _RIGID else width for width in widths]
    if sum(narrow) + 2 * len(widths) > out.width:
        for row, style in zip(rows, styles, strict=True):
            for column, cell in zip(columns, row, strict=True):
                out.print(f"{column or '-'}: {cell}", style=style, overflow="fold")
            out.print()
        return
    if sum(widths) + 2 * len(widths) > out.width:
        folded = Table(box=None, pad_edge=False)
        for column, side, width in zip(columns, sides, widths, strict=True):
            folded.add_column(
                column,
                justify="right" if side == "right" else "left",
                overflow="fold",
                no_wrap=width <= _RIGID,
            )
        for row, style in zip(rows, styles, strict=True):
            folded.add_row(*row, style=style)
        out.print(folded)
        return
    for row, style in zip([columns, *rows], ["bold", *styles], strict=True):
        cells = [
            " " * (width - cell_len(cell)) + cell if side == "right" else set_cell_size(cell, width)
            for cell, side, width in zip(row, sides, widths, strict=True)
        ]
        out.print("  ".join(cells).rstrip(), style=style, soft_wrap=True)


def show_any(out: Console, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """As `show`; says so where there are no rows."""
    if rows:
        show(out, columns, rows)
    else:
        out.print("None.")


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
