"""What a client would like of the answer: `Prefer` (RFC 7240), `Accept` and `Accept-Language`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated

from fastapi import Header

from presentation.languages import LANGUAGES

LONGEST_WAIT_SECONDS = 20
# More of the header is not read.
_MOST_CHARACTERS = 1000

# A preference of the list: what is between two commas, where those in quotes do not count.
# A quote that has no end goes to the end: nothing of the text is looked at twice.
_PREFERENCE = re.compile(r'(?:[^",]|"(?:[^"\\]|\\.?)*+"?)++')
_WEIGHT = re.compile(r"[01](\.\d{0,3})?", re.ASCII)
_SECONDS = re.compile(r'(\d{1,9})|"(\d{1,9})"', re.ASCII)

APPLIED = "Preference-Applied"
Prefer = Annotated[
    Sequence[str],
    Header(
        alias="Prefer",
        description=(
            "`wait=N`: answer when the booking has come to rest, or as it stands after N seconds, "
            f"at most {LONGEST_WAIT_SECONDS} (RFC 7240)."
        ),
        examples=[["wait=10"]],
    ),
]


AcceptLanguage = Annotated[
    Sequence[str],
    Header(
        alias="Accept-Language",
        description="Of labels, amounts and times: `en` or `ne` (RFC 9110, 12.5.4).",
        examples=[["ne, en;q=0.5"]],
    ),
]


def wait_of(prefer: Sequence[str]) -> int | None:
    """The seconds to wait, cut to the most there are; None where nothing, or nonsense, is asked.

    `prefer` are the header's lines. Of a preference that comes twice the first counts.
    """
    for found in _PREFERENCE.finditer(", ".join(prefer)[:_MOST_CHARACTERS]):
        name, _, value = found[0].partition(";")[0].partition("=")
        if name.strip().lower() == "wait":
            seconds = _SECONDS.fullmatch(value.strip())
            if seconds is None:
                return None
            return min(int(seconds[1] or seconds[2]), LONGEST_WAIT_SECONDS)
    return None


def applied(wait_seconds: int | None) -> dict[str, str]:
    """The header that says that the preference was followed."""
    return {} if wait_seconds is None else {APPLIED: f"wait={wait_seconds}"}


def prefers_json(accept: Sequence[str]) -> bool:
    """Whether JSON is liked better than a page for people (RFC 9110, 12.5.1).

    `accept` are the header's lines. Of two that are liked as well, the one that is named wins; a
    client that says nothing gets the page, as problems' types are for people first.
    """
    ranges = [_weighted(given) for given in ",".join(accept)[:_MOST_CHARACTERS].split(",")]
    return _liking("application/json", ranges) > _liking("text/html", ranges)


def prefers_html(accept: Sequence[str]) -> bool:
    """Whether a page for people is asked for by name, and liked better than JSON.

    `accept` are the header's lines: browsers name it, programs do not.
    """
    ranges = [_weighted(given) for given in ",".join(accept)[:_MOST_CHARACTERS].split(",")]
    named = any(name == "text/html" and weight for name, weight in ranges)
    return named and _liking("text/html", ranges) > _liking("application/json", ranges)


def language_of(accept_language: Sequence[str]) -> str:
    """The language of ours that is liked best (RFC 9110, 12.5.4); English where none is named.

    `accept_language` are the header's lines. A region is not looked at: ne-IN is Nepali.
    """
    given = ",".join(accept_language)[:_MOST_CHARACTERS].split(",")
    liked = dict.fromkeys(LANGUAGES, 0.0)
    for name, weight in map(_weighted, given):
        language = name.partition("-")[0]
        if language in liked:
            liked[language] = max(liked[language], weight)
    return max(liked, key=lambda language: liked[language])


def _weighted(given: str) -> tuple[str, float]:
    """What a part of such a header names, lower case, and its weight."""
    name, *parameters = given.split(";")
    weight = 1.0
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip().lower() == "q":
            weight = float(value) if _WEIGHT.fullmatch(value.strip()) else 0.0
    return name.strip().lower(), weight


def _liking(media_type: str, ranges: Sequence[tuple[str, float]]) -> tuple[float, int]:
    """How much a media type is liked, and how closely that was said."""
    kind = media_type.partition("/")[0]
    for closeness, name in enumerate((media_type, f"{kind}/*", "*/*")):
        weights = [weight for given, weight in ranges if given == name]
        if weights:
            return max(weights), -closeness
    return 0.0, 0
