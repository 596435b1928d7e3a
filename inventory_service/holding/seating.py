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
from collections.abc import Iterable, Sequence
from functools import lru_cache
from math import hypot
from uuid import UUID

from inventory_service.domain import Layout, Part

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
    below a millisecond for 20,000 seats, once the layout's parts are known.
    """
    parts = layout.parts
    if tier_id or section_id:
        parts = [
            part
            for part in parts
            if tier_id in (None, part.tier_id) and section_id in (None, part.section_id)
        ]
    for stretches in _patterns(quantity):
        best = _best(layout.focal, parts, free, quantity, stretches)
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
    parts: Sequence[Part],
    free: bytes | bytearray,
    quantity: int,
    stretches: re.Pattern[bytes],
) -> int | None:
    """The first seat of the best run in any of the stretches."""
    run = b"\x01" * quantity
    best: tuple[float, int] | None = None
    for part in parts:
        if best and part.nearest > best[0] + _SAME:
            break  # as are all that are left
        if free.find(run, part.first, part.end) < 0:
            continue
        for stretch in stretches.finditer(free[part.first : part.end]):
            for at in _starts(*stretch.span(), quantity):
                ranked = _distance(focal, part, at, quantity), part.first + at
                if best is None or ranked < best:
                    best = ranked
    return best[1] if best else None


def _starts(begin: int, end: int, quantity: int) -> Iterable[int]:
    """Where a run may begin in a stretch of free seats: not where it leaves an orphan in vain."""
    if end - begin <= quantity + 1:
        return range(begin, end - quantity + 1)
    return begin, *range(begin + 2, end - quantity - 1), end - quantity


def _distance(focal: tuple[float, float], part: Part, at: int, quantity: int) -> float:
    """From the middle of a run to the focal point."""
    end = at + quantity
    x = (part.xs[end] - part.xs[at]) / quantity - focal[0]
    y = (part.ys[end] - part.ys[at]) / quantity - focal[1]
    return round(hypot(x, y), 6)
