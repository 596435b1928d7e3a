"""Where people stand, as the catalog draws it where nobody has said it."""

from __future__ import annotations

from uuid import UUID

import pytest

from catalog_service.domain import (
    Area,
    AreaDraft,
    Extent,
    InvalidSectionError,
    Layout,
    Point,
    Row,
    Section,
    SectionDraft,
    areas,
    changed_section,
)
from catalog_service.domain.venues import MAX_COORDINATE

STALLS = Section(
    UUID(int=1), "Stalls", "SEATED", (), 40, Layout(seat_spacing=1), extent=Extent(-4, 6, 9)
)


def standing(number: int, capacity: int = 400, area: AreaDraft | None = None) -> Section:
    id, name = UUID(int=number), f"Floor {number}"
    return Section(id, name, "STANDING", (), capacity, Layout(), area or AreaDraft())


def test_people_stand_behind_the_last_seat_about_the_middle_of_the_hall() -> None:
    (area,) = areas([standing(2), STALLS], None).values()

    assert area == Area(x=1, y=16, width=20, height=10)


def test_several_stand_side_by_side_each_with_the_room_of_its_people() -> None:
    sections = [standing(2), STALLS, standing(3, 1600)]
    left, right = areas(sections, None).values()

    assert (left.width, right.width) == (20, 40)
    assert left.y - left.height / 2 == right.y - right.height / 2 == 11
    assert right.x - right.width / 2 - (left.x + left.width / 2) == pytest.approx(1)
    assert left.x - left.width / 2 - 1 == pytest.approx(1 - (right.x + right.width / 2))


def test_without_seats_people_stand_in_front_of_the_stage() -> None:
    (area,) = areas([standing(2)], Point(5, -3)).values()
    (unsaid,) = areas([standing(2)], None).values()

    assert (area.x, area.y - area.height / 2) == (5, -2)
    assert (unsaid.x, unsaid.y - unsaid.height / 2) == (0, 1)


def test_what_the_organizer_says_is_kept_and_the_others_stay_where_they_are() -> None:
    before = areas([STALLS, standing(2), standing(3)], None)
    said = AreaDraft(x=-30, height=2)
    after = areas([STALLS, standing(2, area=said), standing(3)], None)

    assert after[UUID(int=2)] == Area(-30, before[UUID(int=2)].y, before[UUID(int=2)].width, 2)
    assert after[UUID(int=3)] == before[UUID(int=3)]
    whole = AreaDraft(1, 2, 3, 4)
    assert areas([standing(2, area=whole)], None)[UUID(int=2)] == Area(1, 2, 3, 4)


def test_only_what_would_lie_over_what_is_drawn_goes_behind_it() -> None:
    undrawn = [standing(number) for number in range(2, 7)]
    before = areas([STALLS, *undrawn], None)
    first = before[UUID(int=2)]
    over = AreaDraft(first.x, first.y, 6, 40)
    behind_it = AreaDraft(first.x + 9, first.y + 30, 3, 10)
    drawn = [standing(5, area=over), standing(6, area=behind_it)]

    after = areas([STALLS, *undrawn[:3], *drawn], None)

    assert after[UUID(int=2)] == Area(first.x, first.y + 35 + 1 + 5, 20, 10)
    for number in (3, 4):
        assert after[UUID(int=number)] == before[UUID(int=number)]


def test_a_few_people_have_room_for_their_name() -> None:
    (area,) = areas([standing(2, 1)], None).values()

    assert area.width > 5


def test_the_largest_halls_stay_within_what_may_be_said() -> None:
    far = Extent(9_000, 60_000, 50_000)
    back = Section(UUID(int=1), "Far", "SEATED", (), 40, Layout(), extent=far)
    for placed in areas([back, *(standing(n, 200_000) for n in range(2, 201))], None).values():
        changed = {"area": {"x": placed.x, "y": placed.y, "width": placed.width}}
        changed_section(SectionDraft("Floor", "STANDING", (), 1, Layout()), changed)
        assert abs(placed.x) <= MAX_COORDINATE


def test_a_change_of_an_area_leaves_the_rest_of_it() -> None:
    before = SectionDraft("Floor", "STANDING", (), 9, Layout(), AreaDraft(1, 2, 3, 4))

    after = changed_section(before, {"area": {"width": 8}})

    assert after.area == AreaDraft(1, 2, 8, 4)


def test_an_area_is_forgotten_and_follows_the_rest_again() -> None:
    before = SectionDraft("Floor", "STANDING", (), 9, Layout(), AreaDraft(1, 2, 3, 4))

    assert changed_section(before, {"area": None}).area == AreaDraft()
    assert changed_section(before, {"capacity": 8}).area == AreaDraft(1, 2, 3, 4)


@pytest.mark.parametrize("area", [{"x": 1}, {}, None], ids=["said", "empty", "default"])
def test_seats_have_no_area(area: dict[str, float] | None) -> None:
    seated = SectionDraft("Stalls", "SEATED", [Row("A", ["1"])], 0, Layout())

    with pytest.raises(InvalidSectionError) as refused:
        changed_section(seated, {"area": area})

    assert refused.value.metadata == {"area": "is for standing room"}
