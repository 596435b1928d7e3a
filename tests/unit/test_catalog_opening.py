"""Where every seat stands, and what an event puts on sale."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from catalog_service.domain import (
    Area,
    AreaDraft,
    Event,
    EventDraft,
    Layout,
    Point,
    RefundPolicy,
    Row,
    Section,
    Tier,
    placed,
    stage,
)
from catalog_service.opening import opening

NOW = datetime(2027, 1, 1, tzinfo=UTC)


def event(tiers: list[Tier], venue_id: UUID | None) -> Event:
    draft = EventDraft(
        title="The Tempest",
        description="",
        category="THEATRE",
        venue_id=venue_id,
        location="" if venue_id else "The park",
        starts_at=NOW,
        ends_at=NOW,
        doors_at=None,
        timezone="UTC",
        currency="NPR",
        max_per_customer=10,
        sales_from=None,
        sales_to=None,
        refund_policy=RefundPolicy(),
        tax_basis_points=0,
        terms="",
    )
    return Event(UUID(int=1), UUID(int=2), "DRAFT", draft, tiers, None, 0, "", 1, NOW, NOW)


def seated(number: int, layout: Layout, seats: int = 2) -> Section:
    rows = placed([Row("A", [str(seat + 1) for seat in range(seats)])], layout)
    return Section(UUID(int=number), f"Section {number}", "SEATED", rows, seats, layout)


def test_rows_stand_one_behind_the_other_and_centred() -> None:
    rows = placed([Row("A", ["1", "2", "3"]), Row("B", ["1", "2"])], Layout(10, 5))

    assert [row.xs for row in rows] == [[9.4, 10.0, 10.6], [9.7, 10.3]]
    assert [row.ys for row in rows] == [[5.0, 5.0, 5.0], [6.0, 6.0]]


def test_a_curved_row_bends_its_ends_towards_the_stage() -> None:
    (row,) = placed([Row("A", ["1", "2", "3", "4", "5"])], Layout(curve=2.0))

    assert row.ys == [-2.0, -0.5, 0.0, -0.5, -2.0]


@given(st.integers(1, 60), st.floats(-5, 5), st.floats(0.1, 3))
def test_a_row_is_the_same_seen_from_either_side(
    seats: int, curve: float, seat_spacing: float
) -> None:
    numbers = [str(number) for number in range(seats)]
    (row,) = placed([Row("A", numbers)], Layout(seat_spacing=seat_spacing, curve=curve))

    assert len(row.xs) == len(row.ys) == seats
    assert row.xs == sorted(row.xs)
    assert row.ys == row.ys[::-1]
    assert row.xs == [-x for x in reversed(row.xs)]


def test_the_stage_is_before_the_first_row_amid_the_sections() -> None:
    assert stage([Layout(-4, 0), Layout(4, 0), Layout(3, 12, row_spacing=2)]) == Point(1.0, -1.0)
    assert stage([]) == Point(0.0, 0.0)


def test_counted_tiers_open_as_standing_room_of_their_own() -> None:
    tier = Tier(UUID(int=7), "Regular", 500, [], 300)

    (section,) = opening(event([tier], None), []).sections

    assert (section.id, section.tier_id, section.name) == (tier.id, tier.id, "Regular")
    assert (section.capacity, section.rows) == (300, ())


def test_only_sections_with_a_tier_open_each_with_its_own() -> None:
    balcony, stalls = seated(1, Layout(0, 9)), seated(2, Layout(0, 3))
    drawn = AreaDraft(0, 5, 6, 3)
    floor = Section(UUID(int=3), "Floor", "STANDING", [], 80, Layout(), drawn)
    added_later = seated(4, Layout(0, -50))
    tiers = [
        Tier(UUID(int=11), "Cheap", 1, [balcony.id, floor.id], 0),
        Tier(UUID(int=12), "Dear", 2, [stalls.id], 0),
    ]

    told = opening(event(tiers, UUID(int=5)), [balcony, stalls, floor, added_later])

    assert [(section.name, section.tier_id.int, section.capacity) for section in told.sections] == [
        ("Section 1", 11, 0),
        ("Section 2", 12, 0),
        ("Floor", 11, 80),
    ]
    assert [section.area for section in told.sections] == [None, None, Area(0, 5, 6, 3)]
    assert told.focal == Point(0.0, 2.0)


def test_a_gap_is_no_seat_and_keeps_its_room() -> None:
    layout = Layout(seat_spacing=1)
    rows = placed([Row("A", ["1", "2", "", "3"])], layout)
    section = Section(UUID(int=1), "Stalls", "SEATED", rows, 3, layout)
    tiers = [Tier(UUID(int=11), "All", 1, [section.id], 0)]

    (told,) = opening(event(tiers, UUID(int=5)), [section]).sections

    assert told.rows == [Row("A", ["1", "2", "3"], [-1.5, -0.5, 1.5], [0, 0, 0])]
