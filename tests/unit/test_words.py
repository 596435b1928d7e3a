"""How text is folded for searches, and which words of it are kept."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog_service.domain import asked, indexed, plain
from chassis.text import folded, patterns


@pytest.mark.parametrize(
    "alike",
    [
        ("Οδυσσεύς", "ΟΔΥΣΣΕΥΣ", "οδυσσευσ"),
        ("Straße", "STRASSE", "STRAẞE", "strasse"),
        ("İstanbul", "ISTANBUL", "istanbul", "\u0131stanbul"),
        ("Ångström", "ANGSTROM", "A\u030angstro\u0308m"),
        ("Łódź", "lodz"),
        ("Ærø", "AERO"),
        ("Ёлка", "елка"),
        ("Nguyễn", "NGUYEN"),
        ("ﬁnale", "FINALE"),
        ("Ｔｏｋｙｏ", "tokyo"),  # noqa: RUF001 - wide letters
        ("ﾗｲﾌﾞ", "ライブ"),
        ("한국", unicodedata.normalize("NFD", "한국")),
        ("काठमाडौँ", "काठमाडौं"),
        ("क़व्वाली", "कव्वाली"),
        ("सङ्गीत", "संगीत"),
        ("हिन्दी", "हिंदी"),
        ("२०८३", "2083", "٢٠٨٣"),
        ("مُحَمَّد", "محمد"),
        ("شَــلوم", "شلوم"),
        ("کتابی", "كتابي"),
        ("שָׁלוֹם", "שלום"),
        ("र्\u200dयाक", "र्याक"),
        ("co\u00adoperate", "cooperate"),
    ],
)
def test_what_is_meant_alike_is_alike(alike: tuple[str, ...]) -> None:
    assert len({folded(text) for text in alike}) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [("か", "が"), ("कमल", "कामल"), ("कमल", "कमल्"), ("ข่าว", "ขาว"), ("한국", "하국"), ("夜", "夕")],
)
def test_what_is_another_letter_to_its_readers_stays(one: str, other: str) -> None:
    assert folded(one) != folded(other)


@given(st.text(max_size=60))
def test_folding_again_changes_nothing_and_words_need_no_quoting(text: str) -> None:
    assert plain(plain(text)) == plain(text)
    for notation in (indexed(text, text, text), asked(text)):
        assert "\\" not in notation
        assert "''" not in notation


def test_a_long_text_of_one_word_keeps_to_the_limits() -> None:
    assert indexed("", "", "ab " * 3000).count(",") == 254
    assert asked("x" * 200) == "'" + "x" * 100 + "':*"
    last = indexed("", "", " ".join(f"w{number}" for number in range(20_000))).split()[-1]
    assert last == "'w19999':16383D"


@pytest.mark.parametrize(
    ("query", "notation"),
    [
        ("Tempest storm", "'tempest':* & 'storm':*"),
        ("a b2", "'a' & 'b2':*"),
        ("!! & |", ""),
        ("夜", "'夜':*"),
        ("東京の夜", "('東京' <-> '京の' <-> 'の夜':*)"),
        ("Live東京", "'live':* & ('東京':*)"),
        ("ก", "'ก':*"),
    ],
)
def test_a_query_is_written_for_postgresql(query: str, notation: str) -> None:
    assert asked(query) == notation


def test_where_words_stand_says_what_they_weigh() -> None:
    assert indexed("The Tempest", "The park", "") == "'the':1A,5B 'tempest':2A 'park':6B"
    assert indexed("東京", "", "") == "'東京':1A '京':2A"


def test_what_is_searched_for_is_taken_literally() -> None:
    assert patterns("  ") == []
    assert patterns(r"50%_\x Éva") == [r"%50\%\_\\x%", "%eva%"]
