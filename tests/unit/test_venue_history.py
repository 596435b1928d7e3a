"""What is changed in the venue designer, and the way back, as the browser computes it."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from .test_venue_plan import FLOOR, SECTION, computed

HISTORY = "history.js"
# A small designer: what is saved, a session, and commands, after each of which all is looked at.
_PLAY = """((saved, commands) => {
  const of = (id) => saved[id];
  const now = (s, id) => (id in s.edits ? s.edits[id] : saved[id]);
  let s = it.NOTHING_YET;
  const seen = [];
  for (const [what, id, x] of commands) {
    if (what === "move") {
      const before = now(s, id);
      s = it.changed(s, { id, before, after: { ...before, x } }, saved[id], false);
    }
    if (what === "undo") s = it.undone(s, of);
    if (what === "redo") s = it.redone(s, of);
    if (what === "save" && id in s.edits) {
      saved = { ...saved, [id]: s.edits[id] };
      s = it.settled(s, id, saved[id]);
    }
    seen.push({ a: now(s, "a")?.x, b: now(s, "b")?.x, edits: Object.keys(s.edits).sort(),
                saved: { a: saved.a.x, b: saved.b.x }, past: s.past.length });
  }
  return seen;
})(...v)"""
_COMMANDS = st.lists(
    st.one_of(
        st.tuples(st.just("move"), st.sampled_from("ab"), st.integers(1, 3)),
        st.tuples(st.sampled_from(["undo", "redo"]), st.just(""), st.just(0)),
        st.tuples(st.just("save"), st.sampled_from("ab"), st.just(0)),
    ),
    max_size=30,
)


def played(commands: list[tuple[str, str, int]]) -> list[dict[str, Any]]:
    seen: list[dict[str, Any]] = computed(HISTORY, _PLAY, {"a": {"x": 0}, "b": {"x": 0}}, commands)
    return seen


@settings(max_examples=25, deadline=None)
@given(_COMMANDS)
def test_every_step_leads_back_and_forth_over_sections_and_saves(
    commands: list[tuple[str, str, int]],
) -> None:
    places, saved = {"a": 0, "b": 0}, {"a": 0, "b": 0}
    past: list[dict[str, int]] = []
    future: list[dict[str, int]] = []
    for (what, of, x), seen in zip(commands, played(commands), strict=True):
        if what == "move":
            past, future, places = [*past, places], [], {**places, of: x}
        elif what == "undo" and past:
            past, future, places = past[:-1], [places, *future], past[-1]
        elif what == "redo" and future:
            past, future, places = [*past, places], future[1:], future[0]
        elif what == "save":
            saved = {**saved, of: places[of]}
        edits = [each for each in "ab" if places[each] != saved[each]]
        assert seen == {**places, "edits": edits, "saved": saved, "past": len(past)}


def test_the_history_is_bounded_and_a_drag_is_one_step() -> None:
    steps = computed(
        HISTORY,
        """[false, true].map((goesOn) => {
          let s = it.NOTHING_YET;
          const step = (x) => ({ id: "a", before: { x: x - 1 }, after: { x } });
          for (let x = 1; x <= 250; x += 1) s = it.changed(s, step(x), { x: 0 }, goesOn);
          return [s.past.length, s.past[0].before.x, s.past.at(-1).after.x];
        })""",
    )
    assert steps == [[100, 150, 250], [1, 0, 250]]


def test_that_a_section_was_added_is_not_taken_back_once_it_is_saved() -> None:
    wide = {**FLOOR, "area": {**FLOOR["area"], "width": 20}}
    ids, past, gone = computed(
        HISTORY,
        """((one, wide) => {
          let s = it.changed(it.NOTHING_YET, { id: "new-1", after: one }, undefined, false);
          s = it.changed(s, { id: "new-1", before: one, after: wide }, undefined, false);
          s = it.renamed(s, "new-1", "id");
          const past = s.past.map(({ id, before }) => [id, before.area.width]);
          return [Object.keys(s.edits), past, it.forgotten(s, "id")];
        })(...v)""",
        FLOOR, wide,
    )  # fmt: skip
    assert (ids, past) == (["id"], [["id", 12]])
    assert gone == {"edits": {}, "past": [], "future": []}


def test_a_step_is_told_by_what_it_did() -> None:
    layout = SECTION["layout"]
    steps = [
        ({}, FLOOR, "added"),
        (FLOOR, {}, "discarded"),
        (FLOOR, {**FLOOR, "name": "Pit"}, "renamed"),
        (FLOOR, {**FLOOR, "capacity": 9}, "capacity"),
        (FLOOR, {**FLOOR, "name": "Pit", "capacity": 9}, "changed"),
        (FLOOR, {**FLOOR, "area": {**FLOOR["area"], "x": 9}}, "moved"),
        (FLOOR, {**FLOOR, "area": {**FLOOR["area"], "x": 9, "width": 1}}, "sized"),
        (SECTION, {**SECTION, "rows": []}, "rows"),
        (SECTION, {**SECTION, "layout": {**layout, "origin": {"x": 9, "y": 0}}}, "moved"),
        (SECTION, {**SECTION, "layout": {**layout, "curve": 9}}, "layout"),
    ]
    pairs = [[before or None, after or None] for before, after, _ in steps]
    assert computed(HISTORY, "v[0].map((pair) => it.kindOf(...pair))", pairs) == [
        kind for _, _, kind in steps
    ]


def test_sections_are_alike_if_they_are_saved_alike() -> None:
    seats = [SECTION, {**SECTION, "capacity": 7}, {**SECTION, "rows": []}]
    stands = [FLOOR, {**FLOOR, "rows": SECTION["rows"]}, {**FLOOR, "area": None}]
    alike = computed(HISTORY, "v.map((three) => three.map((one) => it.alike(three[0], one)))",
                     seats, stands)  # fmt: skip
    assert alike == [[True, True, False]] * 2
