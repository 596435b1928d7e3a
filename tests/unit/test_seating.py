"""Best available, and orders that make sense: pure rules."""

from __future__ import annotations

from collections.abc import Sequence
from math import hypot
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory_service.domain import (
    BestAvailable,
    HoldOrder,
    InvalidHoldError,
    Layout,
    Row,
    Section,
    parse_seat_id,
    spread,
)
from inventory_service.holding.seating import choose, free_mask


def hall(rows: int = 4, seats: int = 10) -> list[Row]:
    """Rows 10 apart, seats 1 apart; the stage is at (4.5, 0) before the middle of row 0."""
    return [
        Row(
            label=chr(65 + row),
            first=row * seats,
            numbers=[str(n + 1) for n in range(seats)],
            xs=[float(n) for n in range(seats)],
            ys=[10.0 + 10 * row] * seats,
        )
        for row in range(rows)
    ]


STAGE = (4.5, 0.0)
ALL = set(range(40))


def best(free: set[int], quantity: int) -> range | None:
    section = Section(UUID(int=1), "Hall", UUID(int=2), hall(), 40)
    layout = Layout(uuid4(), "NPR", 10, STAGE, {}, [section])
    return choose(layout, free_mask(layout, free), quantity)


def test_the_middle_of_the_front_row_is_best() -> None:
    assert best(ALL, 2) == range(4, 6)
    assert best(ALL, 4) == range(3, 7)


def test_a_run_never_crosses_a_row() -> None:
    assert best({8, 9, 10, 11}, 4) is None
    assert best({8, 9, 10, 11}, 2) == range(8, 10)


def test_a_run_goes_round_taken_seats() -> None:
    assert best(ALL - {4, 5}, 2) == range(2, 4)
    assert best(ALL - {4}, 6) == range(12, 18)


def test_no_single_orphan_is_left_where_that_can_be_avoided() -> None:
    assert best({2, 3, 4, 5}, 3) in (range(2, 5), range(3, 6))  # it can't be avoided
    # Taking 4-5 of 3..6 would orphan both neighbours.
    assert best({3, 4, 5, 6}, 2) in (range(3, 5), range(5, 7))
    assert best({3, 4, 5, 13, 14}, 2) == range(13, 15)  # the row behind instead


def test_there_may_be_no_run_at_all() -> None:
    assert best(set(), 1) is None
    assert best({0, 2, 4}, 2) is None
    assert best(ALL, 11) is None


# --- choosing within a hall --------------------------------------------------------------------

STALLS, BOXES = UUID(int=11), UUID(int=12)  # tiers
PARQUET, LEFT = UUID(int=21), UUID(int=22)  # sections


def theatre(gaps: Sequence[int] = ()) -> Layout:
    """The hall above, with an aisle before each seat of `gaps`, and two rows of boxes beside it."""
    parquet = [Row(row.label, row.first, row.numbers, _aisles(row, gaps), row.ys) for row in hall()]
    boxes = [
        Row(f"L{row}", 40 + 6 * row, list("123456"), [-3.0 - row] * 6, [float(n) for n in range(6)])
        for row in range(2)
    ]
    sections = [
        Section(PARQUET, "Parquet", STALLS, parquet, 40),
        Section(LEFT, "Boxes", BOXES, boxes, 12),
    ]
    return Layout(uuid4(), "NPR", 10, STAGE, {}, sections)


def _aisles(row: Row, gaps: Sequence[int]) -> list[float]:
    return [
        x + sum(gap - row.first in range(1, n + 1) for gap in gaps) for n, x in enumerate(row.xs)
    ]


def ranked_by_hand(
    layout: Layout, free: set[int], quantity: int, gaps: set[int], seats: range
) -> list[tuple[int, float, int]]:
    """Every run there is: orphans it leaves, its middle's distance, its first seat."""
    places = {
        row.first + n: (section.id, row.label, x, y)
        for section in layout.sections
        for row in section.rows
        for n, (x, y) in enumerate(zip(row.xs, row.ys, strict=True))
    }

    def side_by_side(first: int, last: int) -> bool:
        pairs = [(places[n - 1][:2], places[n][:2], n) for n in range(first + 1, last + 1)]
        return all(before == after and n not in gaps for before, after, n in pairs)

    def is_free(seat: int) -> bool:
        return seat in free and seat in places

    def reach(seat: int, step: int) -> int:
        count = 0
        while is_free(seat + step) and side_by_side(*sorted((seat, seat + step))):
            seat, count = seat + step, count + 1
        return count

    found = []
    for first in seats:
        run = range(first, first + quantity)
        if all(map(is_free, run)) and side_by_side(run[0], run[-1]):
            x = sum(places[n][2] for n in run) / quantity - STAGE[0]
            y = sum(places[n][3] for n in run) / quantity - STAGE[1]
            orphans = (reach(first, -1) == 1) + (reach(run[-1], 1) == 1)
            found.append((orphans, round(hypot(x, y), 6), first))
    return sorted(found)


@given(
    st.sets(st.integers(0, 51)),
    st.sets(st.integers(0, 51), max_size=8),
    st.integers(1, 10),
    st.sampled_from([None, STALLS, BOXES]),
    st.sampled_from([None, PARQUET, LEFT]),
    st.sets(st.integers(1, 39).filter(lambda seat: seat % 10), max_size=6),
)
def test_what_is_chosen_is_what_an_exhaustive_search_finds_best(
    few: set[int],
    taken: set[int],
    quantity: int,
    tier: UUID | None,
    section: UUID | None,
    gaps: set[int],
) -> None:
    layout = theatre(sorted(gaps))
    wanted = [
        range(40) if s.id == PARQUET else range(40, 52)
        for s in layout.sections
        if tier in (None, s.tier_id) and section in (None, s.id)
    ]
    for free in (few, set(range(52)) - taken):
        found = [
            run for seats in wanted for run in ranked_by_hand(layout, free, quantity, gaps, seats)
        ]
        expected = min(found, default=None)
        chosen = choose(layout, free_mask(layout, free), quantity, tier, section)
        assert (chosen and chosen[0]) == (expected and expected[2])
        assert chosen is None or len(chosen) == quantity


def test_an_aisle_parts_a_row() -> None:
    layout = theatre(gaps=[5])
    assert [(b.first, b.end) for b in layout.parts if b.first < 10] == [(0, 5), (5, 10)]
    assert choose(layout, free_mask(layout, range(10)), 6) is None
    assert choose(layout, free_mask(layout, {3, 4, 5, 6}), 2) == range(3, 5)


def test_a_row_bent_or_wide_is_still_one_row() -> None:
    xs = [0.6 * n for n in range(30)]
    rows = [
        Row("A", 0, list(map(str, range(30))), xs, [5 - 0.01 * (n - 15) ** 2 for n in range(30)])
    ]
    bent = Layout(uuid4(), "NPR", 10, (9, 0), {}, [Section(uuid4(), "A", uuid4(), rows, 30)])
    assert [(b.first, b.end) for b in bent.parts] == [(0, 30)]
    same = [Row("A", 0, ["1", "2", "3"], [0.0] * 3, [0.0] * 3)]  # coordinates nobody gave
    flat = Layout(uuid4(), "NPR", 10, (0, 0), {}, [Section(uuid4(), "A", uuid4(), same, 3)])
    assert choose(flat, b"\1\1\1", 3) == range(3)


def test_an_orphan_is_left_rather_than_somebody_refused() -> None:
    layout = theatre()
    only = {2, 3, 4, 12, 13, 14}
    assert choose(layout, free_mask(layout, only), 2) == range(3, 5)
    assert choose(layout, free_mask(layout, only | {30, 31}), 2) == range(30, 32)


def test_nobody_is_seated_in_two_rows_or_in_what_they_did_not_ask_for() -> None:
    layout = theatre()
    assert choose(layout, free_mask(layout, {8, 9, 10, 11}), 3) is None
    assert choose(layout, free_mask(layout, range(40)), 2, BOXES) is None
    assert choose(layout, free_mask(layout, range(52)), 6, None, LEFT) == range(40, 46)
    assert choose(layout, free_mask(layout, range(52)), 1, STALLS, LEFT) is None


@given(st.lists(st.integers(0, 20), max_size=6), st.integers(1, 60))
def test_tickets_are_spread_over_pools_only_where_none_has_room_for_all(
    free: list[int], quantity: int
) -> None:
    pools = {uuid4(): left for left in free}
    taken = spread(pools, quantity)
    if sum(free) < quantity:
        assert taken is None
    else:
        assert taken is not None
        assert sum(taken.values()) == quantity
        assert all(0 < count <= pools[pool] for pool, count in taken.items())
        assert (len(taken) == 1) == any(left >= quantity for left in free)


@pytest.mark.parametrize("text", ["", "-1", "01", "1.0", " 1", "1_0", "\u0661", "x", "1" * 10])
def test_what_is_no_seat_id_is_none(text: str) -> None:
    assert parse_seat_id(text) is None


def order(**asked: object) -> HoldOrder:
    given_ = {"seat_ids": (), "best": None, "general": ()} | asked
    return HoldOrder(uuid4(), uuid4(), **given_)  # type: ignore[arg-type]  # a table of cases


TIER = uuid4()


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({}, "seat_ids"),
        ({"seat_ids": ["1", "1"]}, "seat_ids"),
        ({"seat_ids": [str(n) for n in range(101)]}, "seat_ids"),
        ({"seat_ids": ["1"], "best": BestAvailable(1, None, None)}, "best_available"),
        ({"best": BestAvailable(0, None, None)}, "best_available.quantity"),
        ({"best": BestAvailable(101, None, None)}, "best_available.quantity"),
        ({"general": [(TIER, 1), (TIER, 1)]}, "general"),
        ({"general": [(uuid4(), 1), (TIER, -1)]}, "general.1.quantity"),
    ],
)
def test_an_order_that_cannot_be_meant_names_its_field(
    wrong: dict[str, object], field: str
) -> None:
    with pytest.raises(InvalidHoldError) as refused:
        order(**wrong).check()
    assert list(refused.value.metadata) == [field]
