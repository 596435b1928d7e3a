"""The one rule for text that people write."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.text import MOST_MARKS, base32, flaw_in_line, flaw_in_lines, line, lines, unspaced

ZWNJ, ZWJ = "\u200c", "\u200d"
CONTROLS = [chr(code) for code in (*range(0x20), *range(0x7F, 0xA0))]
TURNING = [chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))]


@pytest.mark.parametrize(
    "name",
    [
        "Asha",
        "O'Neill-Ševčík, Jr. (2nd)",
        "प्रकाश श्रेष्ठ",
        f"र्{ZWJ}याक",  # the eyelash ra of Nepali
        f"मी{ZWNJ}रा",
        f"علی{ZWNJ}رضا",
        "👨\u200d👩\u200d👧",
        "❤\ufe0f",
        "\u200fعربي",
        "李",
        "½",
    ],
)
def test_names_of_all_scripts_stay_as_they_are(name: str) -> None:
    assert line(name) == name
    assert flaw_in_line(name) == ""


@pytest.mark.parametrize("bad", [*CONTROLS, *TURNING, "\u2028", "\u2029", "\ud800"])
@pytest.mark.parametrize("name", ["{}Asha", "As{}ha", "Asha{}", "{}", "आ{}शा", " {} "])
def test_what_breaks_or_turns_a_line_is_refused_wherever_it_stands(name: str, bad: str) -> None:
    text = name.format(bad)
    assert flaw_in_line(line(text)), text
    if bad not in "\t\n\r":
        assert flaw_in_lines(lines(f"x{text}x")), text


def test_lines_may_have_breaks_and_tabs() -> None:
    text = "First\n\tsecond\r\nthird"
    assert lines(f"\n {text} \r\n") == text
    assert flaw_in_lines(text) == ""
    assert flaw_in_lines("a\rb") == "must not have control characters"
    assert flaw_in_line(text) == "must not have control characters"


@pytest.mark.parametrize(
    "blank",
    [
        "",
        "   ",
        "\u3164",
        "\u2800 \u2800",
        "\ufe0f\ufe0e",
        "\U000e0100",
        "\u115f\u1160\uffa0",
        "\u200b\u2060\ufeff\u00ad",
        f" {ZWNJ}{ZWJ} ",
        "\u034f\u180e\u17b4",
        "\u00a0\u2003\u3000",
        "\U000e0041\U000e007f",
        "\u200e\u061c",
    ],
)
def test_what_nobody_sees_is_nothing(blank: str) -> None:
    assert line(blank) == lines(blank) == ""


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("  Asha \u3000", "Asha"),
        ("e\u0301", "é"),
        ("\u212b", "Å"),
        (f"छन्{ZWNJ}", "छन्"),  # as Nepali keyboards end a word
        (f"{ZWJ}Asha{ZWNJ} Rai", "Asha Rai"),
        (f"आ{ZWJ}{ZWJ}{ZWNJ}शा", f"आ{ZWJ}शा"),
        (f"a {ZWJ} b", "a  b"),
    ],
)
def test_text_is_composed_and_trimmed_and_keeps_joiners_that_join(written: str, kept: str) -> None:
    assert line(written) == kept


def test_more_marks_than_any_script_needs_are_refused_before_they_are_sorted() -> None:
    assert flaw_in_line(line("a" + "\u0323\u0301" * (MOST_MARKS // 2))) == ""
    # Composing this would take minutes: marks in the wrong order are sorted one by one.
    heap = "a" + "\u0301" * 500_000 + "\u0323" * 500_000
    assert line(heap) is heap
    assert "marks" in flaw_in_line(heap)
    assert "marks" in flaw_in_lines(heap)


def _steps(text: str) -> int:
    """How many lines of our own code one text takes."""
    count = 0

    def trace(_frame: object, event: str, _argument: object) -> object:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)  # type: ignore[arg-type]
    try:
        flaw_in_line(line(text))
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("unit", ["é", ZWJ, f"आ{ZWJ}", "\u3164", " \u00a0", "\u0301", "a\u0301"])
def test_twice_the_text_takes_twice_the_steps(unit: str) -> None:
    once, twice = _steps(unit * 1000), _steps(unit * 2000)
    assert twice <= 2.2 * once + 50


@given(st.text(alphabet=st.characters(codec=None), max_size=60))
def test_what_is_kept_is_kept_as_it_is_the_next_time(text: str) -> None:
    for keep, flaw in ((line, flaw_in_line), (lines, flaw_in_lines)):
        kept = keep(text)
        if not flaw(kept):
            assert keep(kept) == kept
            assert unicodedata.is_normalized("NFC", kept)


@pytest.mark.parametrize(
    ("written", "meant"),
    [("pt-7k2m9qxa", "PT7K2M9QXA"), ("7K2M 9QXA", "7K2M9QXA"), ("oil\u20110", "0110")],
)
def test_base_32_is_read_as_people_write_it(written: str, meant: str) -> None:
    assert base32(written) == meant


def test_what_scanners_and_pages_put_around_a_token_goes() -> None:
    assert unspaced("\ufeff a\u200bb\r\n\u00a0c\t") == "abc"
