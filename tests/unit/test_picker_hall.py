"""The hall of the picker, as the browser computes it: seats, and where people stand."""

from __future__ import annotations

from typing import Any

from .test_venue_plan import computed

HALL = "../picker/hall.js"
STALLS: dict[str, Any] = {
    "id": "s",
    "name": "Stalls",
    "kind": "SEATED",
    "tier_id": "dear",
    "rows": [
        {
            "label": label,
            "seats": [{"id": f"{label}{n}", "number": str(n), "x": n, "y": y} for n in range(3)],
        }
        for y, label in enumerate("AB")
    ],
}


def standing(name: str, area: dict[str, float] | None) -> dict[str, Any]:
    return {"id": name, "name": name, "kind": "STANDING", "tier_id": "cheap", "capacity": 9,
            "available": 5, "area": area}  # fmt: skip


LAWN = standing("Lawn", {"x": 1, "y": 5, "width": 20, "height": 4})
WING = standing("Wing", {"x": 10, "y": 0.5, "width": 4, "height": 6})


def of(expression: str, *sections: dict[str, Any]) -> Any:
    """What an expression of the hall `h` gives."""
    seat_map = {"event_id": "e", "version": 1, "sections": sections, "taken": {}}
    return computed(HALL, f"((h) => {expression})(new it.Hall(v[0]))", seat_map)


def test_the_hall_reaches_as_far_as_where_people_stand() -> None:
    box = of("h.box", LAWN, STALLS)
    assert box == {"left": -9, "top": 0, "right": 11, "bottom": 7}
    assert of("h.box", STALLS, standing("Undrawn", None))["bottom"] == 1


def test_a_hall_without_seats_is_shown_too() -> None:
    assert of("[h.places, h.count, h.step, h.box.right]", LAWN) == [1, 0, 20 / 24, 11]
    assert of("h.grid.nearest(1, 5, 9)", LAWN) == -1
    assert of("h.places", standing("Undrawn", None)) == 0


def test_arrow_keys_lead_to_where_people_stand_and_back() -> None:
    keys = "(keys) => keys.reduce((seat, key) => h.next(seat, `Arrow${key}`), 1)"
    lawn, wing = 6, 7
    ways = [["Down"], ["Down", "Down"], ["Down", "Down", "Up"], ["Down", "Down", "Down"],
            ["Right", "Right"], ["Right", "Right", "Left"], ["Right", "Right", "Down"]]  # fmt: skip

    ends = of(f"{ways}.map({keys})", STALLS, LAWN, WING)

    assert ends == [4, lawn, 4, lawn, wing, 2, lawn]
    assert of("['Home', 'End'].map((key) => h.next(6, key))", STALLS, LAWN) == [lawn, lawn]


def test_what_is_left_follows_the_stream() -> None:
    live = "(h.delta({}, { Lawn: { available: 2, capacity: 9 } }), h.areas[0].pool.available)"
    assert of(live, STALLS, LAWN) == 2
