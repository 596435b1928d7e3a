"""The one rule for text that people write: what is kept of it, what it must not have, and what of
it counts when somebody searches.

A name is drawn in mails, on tickets, in spreadsheets and in other people's pages. So it is composed
(NFC), it can't turn around or break the line it is shown in, and it is never blank to the eye. The
joiners ZWJ and ZWNJ stay where they join: Nepali and Persian can't be written without them.

Standard library alone, and every function one pass over its text: services' domains may import it
(ADR 0021).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

# Sorting the marks of one letter is quadratic; no script needs more (Unicode's UAX #15, D4).
MOST_MARKS = 30

_JOINERS = frozenset("\u200c\u200d")
_BLANKS = "".join(chr(code) for code in (0x20, 0xA0, 0x1680, *range(0x2000, 0x200B)))
_BLANKS += "\u202f\u205f\u3000"
_BREAKS = "\t\r\n"
# Byte order mark, zero-width space and joiners, soft hyphen, LRM and RLM.
_UNSPACED = dict.fromkeys(map(ord, "\ufeff\u200b\u200c\u200d\u2060\u00ad\u200e\u200f"))
_HYPHENS = "-\u2010\u2011\u2012\u2013\u2212"
_MISREAD = str.maketrans({"O": "0", "I": "1", "L": "1"} | dict.fromkeys(_HYPHENS + _BLANKS))
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_CONTROL_BUT_BREAKS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]|\r(?!\n)")
_SEPARATOR = re.compile("[\u2028\u2029]")
_SURROGATE = re.compile("[\ud800-\udfff]")
# Embeddings, overrides and isolates (Unicode's UAX #9). The marks LRM, RLM and ALM turn nothing
# around that is not theirs.
_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")
_FLAWS = (
    (_SEPARATOR, "must not have line or paragraph separators"),
    (_SURROGATE, "must not have half a character"),
    (_TURNING, "must not have characters that turn the writing around"),
)
# Drawn as nothing though they are letters, marks or symbols: fillers, the empty braille pattern,
# variation selectors (Unicode's Default_Ignorable_Code_Point, but for formats, which none is).
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\ufff0-\ufff8\U0001d159\U000e0000-\U000e0fff]"
)
# Letters with a stroke, joined or without their dot, which Unicode does not take apart; and what is
# written either way: Arabic's and Persian's yeh and kaf, the nasals of Devanagari, Bengali,
# Gujarati and Odia. Arabic's tatweel only stretches a word.
_ALIKE = str.maketrans(
    "\u00f8\u0142\u0111\u00f0\u0127\u0167\u0131\u0649\u06cc\u06a9\u0901\u0981\u0a81\u0b01",
    "olddhti\u064a\u064a\u0643\u0902\u0982\u0a82\u0b02",
    "\u0640",
) | str.maketrans({"\u00fe": "th", "\u00e6": "ae", "\u0153": "oe"})
# Devanagari writes a nasal before a consonant as a letter of its row or as a dot, and both are read
# alike.
_NASAL = re.compile("[\u0919\u091e\u0923\u0928\u092e]\u094d(?=[\u0915-\u0939])")
_WILDCARD = re.compile(r"[\\%_]")
_UNSEEN_KINDS = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp", "Zs"})


def line(text: str) -> str:
    """Text of one line as it is kept: composed, nothing blank around it; "" if none of it is seen.

    What it must not have stays, for `flaw_in_line` to find. Lengths are counted of what this gives.
    """
    return _kept(text, _BLANKS)


def lines(text: str) -> str:
    """Text of many lines as it is kept; as `line`."""
    return _kept(text, _BLANKS + _BREAKS)


def flaw_in_line(text: str) -> str:
    """What text of one line must not have and has, as "must not have ..."; "" if nothing."""
    return _flaw(text, _CONTROL)


def flaw_in_lines(text: str) -> str:
    """As `flaw_in_line`, but that line breaks and tabs are sound."""
    return _flaw(text, _CONTROL_BUT_BREAKS)


def folded(text: str) -> str:
    """Text as it is compared when somebody searches: what is meant alike is alike.

    Case is folded as Unicode has it (its chapter 3.13: a final sigma is a sigma, a sharp s is ss),
    with Turkish's four letters i as one. Accents, points and nuktas are left out, and so is what is
    not seen; what is another letter to its readers stays: vowel signs, viramas, the tones of Thai
    and Lao, Kana's voicing. Wide, narrow and joined forms, and every script's digits, are the
    plain ones.
    """
    if text.isascii():
        return text.lower()
    if _is_overloaded(text):
        return text.casefold()  # refused where it is written, and not worth taking apart
    bare = "".join(map(_bare, unicodedata.normalize("NFKD", _UNSEEN.sub("", text)))).casefold()
    alike = unicodedata.normalize("NFKC", bare).translate(_ALIKE)
    return _NASAL.sub("\u0902", alike)


def patterns(query: str) -> Sequence[str]:
    """For each word of a query the LIKE pattern of folded texts that have it, anywhere.

    Its wildcards stand for themselves.
    """
    return ["%" + _WILDCARD.sub(r"\\\g<0>", word) + "%" for word in folded(query).split()]


def _bare(character: str) -> str:
    """The character; nothing, where it is a mark that does not count."""
    kind = unicodedata.category(character)
    if kind == "Nd":
        return str(unicodedata.decimal(character))
    if kind == "Cf":
        return ""
    marks = unicodedata.combining(character)
    # Canonical combining classes (Unicode's chapter 4.3): nuktas, points of Hebrew and Arabic, and
    # what stands above, below or through a letter.
    return "" if marks == 7 or 10 <= marks <= 36 or marks >= 200 else character


def base32(text: str) -> str:
    """What somebody means who writes Crockford's base 32: in capitals, O as 0, I and L as 1, and
    without the hyphens and blanks that make it easier to read.

    Characters that it does not have stay.
    """
    return text.upper().translate(_MISREAD)


def unspaced(text: str) -> str:
    """Text without anything that is blank or not seen: as a scanner or a page's copy adds it."""
    return "".join(text.translate(_UNSPACED).split())


def _kept(text: str, around: str) -> str:
    if text.isascii():
        return text.strip(around)
    if _is_overloaded(text):
        return text  # refused anyway, and not worth composing
    composed = _joined(unicodedata.normalize("NFC", text)).strip(around)
    return composed if _is_seen(composed) or _has_flaw(composed) else ""


def _flaw(text: str, control: re.Pattern[str]) -> str:
    if control.search(text):
        return "must not have control characters"
    for pattern, flaw in () if text.isascii() else _FLAWS:
        if pattern.search(text):
            return flaw
    if _is_overloaded(text):
        return f"must not have more than {MOST_MARKS} marks on a letter"
    return ""


def _has_flaw(text: str) -> bool:
    # What is refused is not taken for nothing said.
    return bool(_flaw(text, _CONTROL_BUT_BREAKS))


def _is_overloaded(text: str) -> bool:
    if text.isascii():
        return False
    marks = 0
    for character in text:
        marks = marks + 1 if unicodedata.combining(character) else 0
        if marks > MOST_MARKS:
            return True
    return False


def _joined(text: str) -> str:
    """The text without joiners that stand beside nothing they could join."""
    if _JOINERS.isdisjoint(text):
        return text
    kept: list[str] = []
    waiting = ""  # a joiner after something it can join, until it is seen what follows
    for character in text:
        if character in _JOINERS:
            waiting = character if kept and _joins(kept[-1]) and not waiting else waiting
            continue
        if waiting and _joins(character):
            kept.append(waiting)
        waiting = ""
        kept.append(character)
    return "".join(kept)


def _joins(character: str) -> bool:
    # Letters and the marks on them; symbols too, of which emoji are put together.
    return unicodedata.category(character)[0] in "LMS"


def _is_seen(text: str) -> bool:
    return any(
        unicodedata.category(character) not in _UNSEEN_KINDS for character in _UNSEEN.sub("", text)
    )
