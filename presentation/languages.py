"""The languages that people are told things in."""

from __future__ import annotations

from functools import cache

from babel import Locale

# English as it is written between countries: the day before the month, US$ and not $.
_LOCALES = {"en": "en_001", "ne": "ne"}


LANGUAGES = tuple(_LOCALES)  # the first where none is asked for


@cache
def locale_of(language: str) -> Locale:
    """How a language writes numbers and dates (CLDR); one that we do not speak is English."""
    return Locale.parse(_LOCALES.get(language, _LOCALES["en"]))
