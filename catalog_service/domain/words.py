"""The words that events are found by: as the index has them, and as they are asked for.

Both are written here, by one rule, in PostgreSQL's notation: what its own parser takes for words
depends on the database's locale, and in scripts that put no spaces between words it takes a whole
sentence for one. Of those a word is any two signs that follow each other, and the last sign of a
sentence: so every part of it begins with a word, and a longer part is words in a row.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise

from chassis.text import folded

# A longer word is found by its beginning.
_LONGEST = 100
# PostgreSQL's limits for a tsvector: it keeps no further positions, and no more of one word.
_LAST_POSITION = 16_383
_MOST_POSITIONS = 255
# Between title, place and description, so that no words in a row begin in one and end in another.
_GAP = 2
_ASCII_WORD = re.compile("[a-z0-9]+")
# Thai and Lao, Burmese, Khmer; Han, Kana, Bopomofo, Yi.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029"
    "\u3031-\u3035\u3041-\u312f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\ua000-\ua4cf\uf900-\ufaff\U00020000-\U0003ffff]"
)
_SPACED, _SIGNS = "spaced", "signs"


def plain(text: str) -> str:
    """The words of a text with a blank between them: what counts when two texts are compared."""
    return " ".join(run for _kind, run in _runs(text))


def indexed(title: str, place: str, description: str) -> str:
    """The words of an event as a tsvector (PostgreSQL 8.11.1), each with where it stands.

    A word of the title weighs more than one of the place, and that more than one of the
    description.
    """
    positions: dict[str, list[str]] = {}
    position = 0
    for weight, text in (("A", title), ("B", place), ("D", description)):
        for word in _words(text):
            position += 1
            of_word = positions.setdefault(word, [])
            if len(of_word) < _MOST_POSITIONS:
                of_word.append(f"{min(position, _LAST_POSITION)}{weight}")
        position += _GAP
    return " ".join(f"'{word}':{','.join(places)}" for word, places in positions.items())


def asked(query: str) -> str:
    """The tsquery (PostgreSQL 8.11.2) for events that have each word of a query, or one that begins
    with it; empty: it has no words, and nothing has none.

    A single ASCII character is a word by itself: too many begin with it.
    """
    return " & ".join(
        _in_a_row(_signs(run)) if kind == _SIGNS else _beginning(run[:_LONGEST])
        for kind, run in _runs(query)
    )


def _beginning(word: str) -> str:
    return f"'{word}'" if len(word) == 1 and word.isascii() else f"'{word}':*"


def _in_a_row(signs: Sequence[str]) -> str:
    if len(signs) == 1:
        return f"'{signs[0]}':*"
    *first, last = map("".join, pairwise(signs))
    row = [*(f"'{word}'" for word in first), f"'{last}':*"]
    return f"({' <-> '.join(row)})"


def _words(text: str) -> Iterator[str]:
    for kind, run in _runs(text):
        if kind == _SIGNS:
            signs = _signs(run)
            yield from map("".join, pairwise(signs))
            yield signs[-1]
        else:
            yield run[:_LONGEST]


def _runs(text: str) -> Iterator[tuple[str, str]]:
    """What of a text stands together, folded: letters, marks and numbers, and which kind.

    Of nothing else, so that a word needs no quoting.
    """
    text = folded(text)
    if text.isascii():
        for word in _ASCII_WORD.findall(text):
            yield _SPACED, word
        return
    kind = ""

    def kind_of(character: str) -> str:
        nonlocal kind
        category = unicodedata.category(character)[0]
        if category == "M":
            return kind  # with its letter
        letter = _SIGNS if _UNSPACED.match(character) else _SPACED
        kind = letter if category in "LN" else ""
        return kind

    for of, characters in groupby(text, kind_of):
        if of:
            yield of, "".join(characters)


def _signs(run: str) -> Sequence[str]:
    """The letters of a run, each with its marks, of which there are some only."""
    signs: list[str] = []
    for character in run:
        if signs and unicodedata.category(character)[0] == "M":
            signs[-1] = (signs[-1] + character)[:_LONGEST]
        else:
            signs.append(character)
    return signs
