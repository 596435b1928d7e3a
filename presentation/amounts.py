"""Amounts of money in words and in digits.

Amounts are whole minor units, and ISO 4217 says how many make a major one: 100 of the Lebanese
pound, 1,000 of the Iraqi dinar. CLDR, and so Babel, says of fifteen currencies how many digits are
customary in shops instead (none, for both of these): a price would read a hundred times too high.
So ISO's table counts the digits, and Babel writes the number.
"""

from __future__ import annotations

import re
from copy import copy
from decimal import Decimal
from functools import lru_cache

from babel.numbers import NumberPattern, format_currency, get_currency_symbol
from iso4217 import Currency

from presentation.languages import locale_of

_USUAL = 2  # digits of a currency that ISO 4217 does not list, or no longer


def minor_digits(currency: str) -> int:
    """How many decimal digits the minor unit of a currency is (ISO 4217)."""
    try:
        digits: int | None = Currency(currency).exponent
    except ValueError:
        digits = None
    return _USUAL if digits is None else digits


def major_units(minor: int, currency: str) -> str:
    """An amount for machines and spreadsheets, in major units without grouping: -1250.05."""
    return f"{_decimal(minor, currency):f}"


def format_amount(minor: int, currency: str, language: str = "en") -> str:
    """An amount as people write it: 125000 NPR is "NPR 1,250.00", or "नेरू 1,250.00" in Nepali.

    Currency and number are held together by a no-break space, and a minus stands before both.
    """
    locale = locale_of(language)
    spaced = get_currency_symbol(currency, locale)[-1:].isalpha()
    return format_currency(
        _decimal(minor, currency),
        currency,
        format=_pattern(language, minor_digits(currency), spaced=spaced),
        locale=locale,
        currency_digits=False,
    )


def _decimal(minor: int, currency: str) -> Decimal:
    return Decimal(minor).scaleb(-minor_digits(currency))


@lru_cache(maxsize=64)
def _pattern(language: str, digits: int, *, spaced: bool) -> NumberPattern:
    pattern: NumberPattern = copy(locale_of(language).currency_formats["standard"])
    pattern.frac_prec = (digits, digits)
    if spaced:
        # CLDR's rule for a letter next to a number, which Babel does not apply: NPR 5, but US$5.
        positive, negative = (re.sub("¤$", "¤\N{NO-BREAK SPACE}", each) for each in pattern.prefix)
        pattern.prefix = positive, negative
    return pattern
