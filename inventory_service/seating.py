"""The best seats side by side. Pure: the layout and what is free of it are given.

What is best, in this order:

1. A run lies in one row with no gap in it, else it is none: whoever asks for seats side by side is
   refused (NO_ADJACENT_SEATS) rather than split over rows.
2. A run that leaves no single free seat beside it comes before one that does, wherever it is. Where
   every run there is leaves one (each stretch of free seats is one longer than what is asked for),
   one is left: nobody is refused for the sake of an orphan.
3. The run whose middle is nearest to the focal point: the middle of the front row before its ends,
   and before the rows behind it.
4. The lower seat number.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from functools import lru_cache
from heapq import nsmallest
from math import hypot
from uuid import UUID

from inventory_service.domain import Block, Layout, Row

# Distances that differ by less are the same.
_SAME = 1e-6


def free_mask(layout: Layout, seat_nos: Iterable[int]) -> bytearray:
    """What `choose` takes, of the numbers of the free seats: for each seat one byte, 1 is free."""
    mask = bytearray(layout.seat_count)
    for seat_no in seat_nos:
        mask[seat_no] = 1
    return mask


def choose(
    layout: Layout,
    free: bytes | bytearray,
    quantity: int,
    tier_id: UUID | None = None,
    section_id: UUID | None = None,
) -> range | None:
    """The best run of free seats, of one tier or one section where given; None: there is none.

    `free` has a byte for each seat, 1 where it is free. The cost is that of a search for bytes:
    below a millisecond for 20,000 seats, once the layout's blocks are known.
    """
    blocks = layout.blocks
    if tier_id or section_id:
        blocks = [
            block
            for block in blocks
            if tier_id in (None, block.tier_id) and section_id in (None, block.section_id)
        ]
    for stretches in _patterns(quantity):
        best = _best(layout.focal, blocks, free, quantity, stretches)
        if best is not None:
            return range(best, best + quantity)
    return None


@lru_cache(maxsize=128)
def _patterns(quantity: int) -> Sequence[re.Pattern[bytes]]:
    """What matches whole stretches of free seats: first those in which no orphan need be left."""
    roomy = rb"(?<!\x01)(?:\x01{%d,}|\x01{%d}(?!\x01))" % (quantity + 2, quantity)
    tight = rb"(?<!\x01)\x01{%d}(?!\x01)" % (quantity + 1)
    return re.compile(roomy), re.compile(tight)


def _best(
    focal: tuple[float, float],
    blocks: Sequence[Block],
    free: bytes | bytearray,
    quantity: int,
    stretches: re.Pattern[bytes],
) -> int | None:
    """The first seat of the best run in any of the stretches."""
    run = b"\x01" * quantity
    best: tuple[float, int] | None = None
    for block in blocks:
        if best and block.nearest > best[0] + _SAME:
            break  # as are all that are left
        if free.find(run, block.first, block.end) < 0:
            continue
        for stretch in stretches.finditer(free[block.first : block.end]):
            for at in _starts(*stretch.span(), quantity):
                ranked = _distance(focal, block, at, quantity), block.first + at
                if best is None or ranked < best:
                    best = ranked
    return best[1] if best else None


def _starts(begin: int, end: int, quantity: int) -> Iterable[int]:
    """Where a run may begin in a stretch of free seats: not where it leaves an orphan in vain."""
    if end - begin <= quantity + 1:
        return range(begin, end - quantity + 1)
    return begin, *range(begin + 2, end - quantity - 1), end - quantity


def _distance(focal: tuple[float, float], block: Block, at: int, quantity: int) -> float:
    """From the middle of a run to the focal point."""
    end = at + quantity
    x = (block.xs[end] - block.xs[at]) / quantity - focal[0]
    y = (block.ys[end] - block.ys[at]) / quantity - focal[1]
    return round(hypot(x, y), 6)


def best_runs(
    rows: Iterable[Row],
    free: AbstractSet[int],
    focal: tuple[float, float],
    quantity: int,
    limit: int = 1,
) -> list[range]:
    """The best `limit` runs of `quantity` free seats, best first, as ranges of seat numbers."""
    best: list[tuple[int, float, int]] = []
    for at_least, _first, row in sorted(
        (_row_distance(row, focal), row.first, row) for row in rows
    ):
        if len(best) == limit and best[-1][:2] <= (0, at_least):
            break  # the rows that are left are farther away
        best = nsmallest(limit, [*best, *_runs(row, free, focal, quantity)])
    return [range(first, first + quantity) for _orphans, _distance, first in best]


def _runs(
    row: Row, free: AbstractSet[int], focal: tuple[float, float], quantity: int
) -> Iterator[tuple[int, float, int]]:
    """Every run in the row: orphans it leaves, distance of its middle, its first seat."""
    for begin, end in _stretches(row, free):
        for first in range(begin, end - quantity + 1):
            orphans = (first - begin == 1) + (end - first - quantity == 1)
            at = slice(first - row.first, first - row.first + quantity)
            x, y = sum(row.xs[at]) / quantity, sum(row.ys[at]) / quantity
            yield orphans, hypot(x - focal[0], y - focal[1]), first


def _stretches(row: Row, free: AbstractSet[int]) -> Iterator[tuple[int, int]]:
    """The stretches of free seats in the row, as first and one past the last."""
    begin: int | None = None
    for seat_no in range(row.first, row.first + len(row.numbers)):
        if seat_no in free:
            begin = seat_no if begin is None else begin
        elif begin is not None:
            yield begin, seat_no
            begin = None
    if begin is not None:
        yield begin, row.first + len(row.numbers)


def _row_distance(row: Row, focal: tuple[float, float]) -> float:
    """How near the middle of a run in the row can be at best: the distance of the row's box."""
    left, right, near, far = row.box
    x = max(left - focal[0], 0.0, focal[0] - right)
    y = max(near - focal[1], 0.0, focal[1] - far)
    return hypot(x, y)
