"""The best seats side by side. Pure: rows, free seats and the focal point are given.

A run lies within one row. Runs that leave no single orphan seat come before those that do; among
equals the one whose middle is nearest to the focal point, then the lower seat number.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from heapq import nsmallest
from math import hypot

from inventory_service.domain import Row


def best_runs(
    rows: Iterable[Row],
    free: AbstractSet[int],
    focal: tuple[float, float],
    quantity: int,
    limit: int = 1,
) -> list[range]:
    """The best `limit` runs of `quantity` free seats, best first, as ranges of seat numbers."""
    best: list[tuple[int, float, int]] = []
    for at_least, _first, row in sorted((_distance(row, focal), row.first, row) for row in rows):
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


def _distance(row: Row, focal: tuple[float, float]) -> float:
    """How near the middle of a run in the row can be at best: the distance of the row's box."""
    left, right, near, far = row.box
    x = max(left - focal[0], 0.0, focal[0] - right)
    y = max(near - focal[1], 0.0, focal[1] - far)
    return hypot(x, y)
