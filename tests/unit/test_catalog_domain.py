"""What catalog_service holds venues, sections and searches to."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog_service.codes import COUNTRIES, CURRENCIES
from catalog_service.domain import (
    NUMBERINGS,
    SORTS,
    AreaDraft,
    EventSearch,
    InvalidCursorError,
    InvalidFilterError,
    InvalidSectionError,
    InvalidVenueError,
    Layout,
    Row,
    RowDraft,
    SectionDraft,
    VenueDraft,
    before_id,
    check_filter,
    check_section,
    check_venue,
    expanded,
    first_position,
    page_size,
    position_of,
    to_cursor,
)

VENUE = VenueDraft("Globe", "1 Bankside", "London", "GB", "Europe/London", None, ["Bar"])
SEATED = SectionDraft("Stalls", "SEATED", [Row("A", ["1", "2"])], 0, Layout())
STANDING = SectionDraft("Pit", "STANDING", [], 300, Layout())


def numbers(count: int) -> list[str]:
    return [str(number) for number in range(count)]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"address": ""}, "address"),
        ({"city": "a\nb"}, "city"),
        ({"country": "XX"}, "country"),
        ({"country": "gb"}, "country"),
        ({"timezone": "Europe/Nowhere"}, "timezone"),
        ({"timezone": "../etc/passwd"}, "timezone"),
        ({"capacity": 0}, "capacity"),
        ({"amenities": ["x"] * 31}, "amenities"),
        ({"amenities": ["Bar", ""]}, "amenities.1"),
    ],
)
def test_an_unsound_venue_is_refused_by_field(change: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidVenueError) as refused:
        check_venue(replace(VENUE, **change))
    assert list(refused.value.metadata) == [field]


@pytest.mark.parametrize(
    ("draft", "change", "field"),
    [
        (SEATED, {"name": ""}, "name"),
        (SEATED, {"kind": "LYING"}, "kind"),
        (SEATED, {"rows": []}, "rows"),
        (SEATED, {"rows": [Row(str(row), ["1"]) for row in range(501)]}, "rows"),
        (SEATED, {"rows": [Row(str(row), numbers(500)) for row in range(201)]}, "rows"),
        (SEATED, {"rows": [Row("", ["1"])]}, "rows.0.label"),
        (SEATED, {"rows": [Row("A", ["1"]), Row("A", ["1"])]}, "rows.1.label"),
        (SEATED, {"rows": [Row("A", [])]}, "rows.0.seats"),
        (SEATED, {"rows": [Row("A", numbers(501))]}, "rows.0.seats"),
        (SEATED, {"rows": [Row("A", ["1", "1"])]}, "rows.0.seats"),
        (SEATED, {"rows": [Row("A", ["", ""])]}, "rows.0.seats"),
        (SEATED, {"rows": [Row("A", ["1", *[""] * 51])]}, "rows"),
        (SEATED, {"rows": [Row("A", ["123456789"])]}, "rows.0.seats"),
        (SEATED, {"capacity": 2}, "capacity"),
        (SEATED, {"layout": Layout(row_spacing=-1)}, "row_spacing"),
        (SEATED, {"layout": Layout(seat_spacing=math.inf)}, "seat_spacing"),
        (SEATED, {"layout": Layout(origin_x=math.nan)}, "origin.x"),
        (SEATED, {"layout": Layout(origin_y=1e9)}, "origin.y"),
        (SEATED, {"layout": Layout(curve=1e9)}, "curve"),
        (STANDING, {"capacity": 0}, "capacity"),
        (STANDING, {"capacity": 200_001}, "capacity"),
        (STANDING, {"rows": [Row("A", ["1"])]}, "rows"),
        (SEATED, {"area": AreaDraft(x=1)}, "area"),
        (STANDING, {"area": AreaDraft(x=10_001)}, "area.x"),
        (STANDING, {"area": AreaDraft(y=math.nan)}, "area.y"),
        (STANDING, {"area": AreaDraft(width=0)}, "area.width"),
        (STANDING, {"area": AreaDraft(height=math.inf)}, "area.height"),
    ],
)
def test_an_unsound_section_is_refused_by_field(
    draft: SectionDraft, change: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidSectionError) as refused:
        check_section(replace(draft, **change))
    assert list(refused.value.metadata) == [field]


def test_sound_ones_pass_at_their_limits() -> None:
    check_venue(replace(VENUE, name="भृकुटीमण्डप", country="NP", capacity=10_000_000))
    check_section(replace(SEATED, rows=[Row(str(row), numbers(500)) for row in range(200)]))
    check_section(replace(STANDING, capacity=200_000))
    check_section(replace(STANDING, area=AreaDraft(-10_000, 10_000, 0.1, 10_000)))
    check_filter(EventSearch(query="a b c d e f g h i j", sort="-price", status="COMPLETED"))


def test_findings_are_many_but_bounded() -> None:
    rows = [Row("", []) for _ in range(400)]
    with pytest.raises(InvalidSectionError) as refused:
        check_section(replace(SEATED, rows=rows))
    assert len(refused.value.metadata) == 20
    assert len(str(refused.value)) < 2000


@pytest.mark.parametrize(
    ("search", "field"),
    [
        (EventSearch(query="x" * 201), "q"),
        (EventSearch(query="a b c d e f g h i j k"), "q"),
        (EventSearch(query="a\x00"), "q"),
        (EventSearch(city="a\x00"), "city"),
        (EventSearch(category="concert"), "category"),
        (EventSearch(status="DRAFT"), "status"),
        (EventSearch(status="SOLD"), "status"),
        (EventSearch(status="SOLD", owner_id=UUID(int=1)), "status"),
        (EventSearch(sort="title"), "sort"),
    ],
)
def test_an_unknown_filter_is_refused_by_name(search: EventSearch, field: str) -> None:
    with pytest.raises(InvalidFilterError) as refused:
        check_filter(search)
    assert list(refused.value.metadata) == [field]


@pytest.mark.parametrize("limit", [-1, 101])
def test_a_page_has_one_to_a_hundred(limit: int) -> None:
    assert (page_size(0), page_size(1), page_size(100)) == (20, 1, 100)
    with pytest.raises(InvalidFilterError):
        page_size(limit)


ID = str(UUID(int=5))
BEFORE_TIME = "2027-01-01T00:00:00+00:00"


@pytest.mark.parametrize(
    "cursor",
    [
        "!",
        "AAA=",
        "é",
        to_cursor("starts_at"),
        to_cursor("starts_at", BEFORE_TIME, "5"),
        to_cursor("starts_at", "2027-01-01T00:00:00", ID),
        to_cursor("starts_at", "infinity", ID),
        to_cursor("starts_at", "5", ID),
        to_cursor("-starts_at", BEFORE_TIME, ID),
        to_cursor("price", "5", ID),
        to_cursor("venues", ID),
    ],
)
def test_a_cursor_of_another_list_is_refused(cursor: str) -> None:
    sound = position_of(to_cursor("starts_at", BEFORE_TIME, ID), "starts_at")
    assert sound.keys == [BEFORE_TIME]
    with pytest.raises(InvalidCursorError):
        position_of(cursor, "starts_at")
    if cursor != to_cursor("venues", ID):
        with pytest.raises(InvalidCursorError):
            before_id(cursor, "venues")
    with pytest.raises(InvalidCursorError):
        before_id(cursor, "reviews")


@pytest.mark.parametrize(
    ("sort", "keys"),
    [
        ("popularity", ["-1"]),
        ("popularity", [str(2**31)]),
        ("relevance", ["nan", BEFORE_TIME]),
        ("relevance", ["-inf", BEFORE_TIME]),
        ("relevance", ["-0.5"]),
        ("relevance", ["-0.5", "x"]),
        ("starts_at", ["9999-12-31T23:59:59", ""]),
    ],
)
def test_a_cursor_with_keys_that_no_event_has_is_refused(sort: str, keys: list[str]) -> None:
    with pytest.raises(InvalidCursorError):
        position_of(to_cursor(sort, *keys, ID), sort)


@given(
    st.integers(1, 500),
    st.sampled_from(NUMBERINGS),
    st.integers(0, 999),
    st.sets(st.integers(0, 499), max_size=9),
)
def test_a_counted_row_has_every_number_once_and_gaps_where_they_miss(
    count: int, numbering: str, start: int, gaps: set[int]
) -> None:
    start += {"ODD": 1, "EVEN": 0}.get(numbering, start % 2) != start % 2
    whole = expanded([RowDraft("A", count=count, numbering=numbering, start=start)])[0].seats
    missing = [whole[gap] for gap in gaps if gap < count]

    (row,) = expanded(
        [RowDraft("A", count=count, numbering=numbering, start=start, missing=missing)]
    )

    assert len(set(whole)) == len(whole) == count
    assert min(map(int, whole)) == start
    assert [seat or number for seat, number in zip(row.seats, whole, strict=True)] == [*whole]
    assert {number for seat, number in zip(row.seats, whole, strict=True) if not seat} == {*missing}
    assert numbering != "BACKWARD" or [*whole] == sorted(whole, key=int, reverse=True)


@pytest.mark.parametrize("price", ["-1", "x", str(2**63)])
def test_a_cursor_with_an_impossible_price_is_refused(price: str) -> None:
    with pytest.raises(InvalidCursorError):
        position_of(to_cursor("price", price, ID), "price")


def test_a_list_begins_within_its_range() -> None:
    moment = datetime(2027, 1, 1, tzinfo=UTC)
    narrowed = EventSearch(starts_from=moment, starts_before=moment, min_price=5, max_price=9)

    def begins(sort: str, search: EventSearch) -> list[str]:
        return [*first_position(replace(search, sort=sort)).keys]

    assert begins("starts_at", narrowed) == begins("-starts_at", narrowed) == [BEFORE_TIME]
    assert (begins("price", narrowed), begins("-price", narrowed)) == (["5"], ["9"])
    assert begins("starts_at", EventSearch()) == ["-infinity"]
    assert begins("relevance", narrowed) == ["-infinity", "-infinity"]


@given(st.text(min_size=1, max_size=60), st.sampled_from(SORTS))
def test_whatever_is_sent_as_a_cursor_it_is_a_position_or_refused(cursor: str, sort: str) -> None:
    try:
        position = position_of(cursor, sort)
    except InvalidCursorError:
        return
    assert all(position.keys)
    assert isinstance(position.id, UUID)


def test_the_codes_are_well_formed() -> None:
    assert {"NPR", "INR", "USD", "EUR", "GBP", "JPY", "VED", "XCG"} <= CURRENCIES
    # Funds, metals, units of account, testing.
    assert not CURRENCIES & {"CHE", "CLF", "XAU", "XDR", "UYW", "XAD", "XTS", "XXX", "HRK", ""}
    assert {len(code) for code in CURRENCIES} == {3}
    assert len(COUNTRIES) == 249
    assert {len(code) for code in COUNTRIES} == {2}
