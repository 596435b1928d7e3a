"""Amounts and moments in words."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from iso4217 import Currency

from catalog_service.codes import CURRENCIES
from payment_service.sandbox import page
from presentation.amounts import format_amount, major_units, minor_digits
from presentation.moments import format_clock, format_moment


@pytest.mark.parametrize(
    ("minor", "currency", "english", "nepali", "plain"),
    [
        (125_000, "NPR", "NPR 1,250.00", "नेरू 1,250.00", "1250.00"),
        (123_456_789, "NPR", "NPR 1,234,567.89", "नेरू 12,34,567.89", "1234567.89"),
        (-125_005, "NPR", "-NPR 1,250.05", "-नेरू 1,250.05", "-1250.05"),
        (0, "NPR", "NPR 0.00", "नेरू 0.00", "0.00"),
        (5, "EUR", "€0.05", "€ 0.05", "0.05"),
        (-5, "USD", "-US$0.05", "-US$ 0.05", "-0.05"),
        (1_500, "JPY", "JP¥1,500", "JP¥ 1,500", "1500"),
        (1_500, "UGX", "UGX 1,500", "UGX 1,500", "1500"),
        (1_234, "KWD", "KWD 1.234", "KWD 1.234", "1.234"),
        (1_234, "IQD", "IQD 1.234", "IQD 1.234", "1.234"),  # CLDR shows none of these digits,
        (125_000, "LBP", "LBP 1,250.00", "LBP 1,250.00", "1250.00"),  # nor of these
        (1_234, "HRK", "HRK 12.34", "HRK 12.34", "12.34"),  # retired
        (1_234, "QQQ", "QQQ 12.34", "QQQ 12.34", "12.34"),  # never was one
        (10**18 + 1, "NPR", "NPR 10,000,000,000,000,000.01", None, "10000000000000000.01"),
    ],
)
def test_amounts_have_their_currencys_digits(
    minor: int, currency: str, english: str, nepali: str | None, plain: str
) -> None:
    assert format_amount(minor, currency).replace("\xa0", " ") == english
    assert nepali is None or format_amount(minor, currency, "ne").replace("\xa0", " ") == nepali
    assert major_units(minor, currency) == plain


@pytest.mark.parametrize("currency", sorted(CURRENCIES))
def test_every_currency_that_events_are_sold_in_has_its_digits_from_iso_4217(currency: str) -> None:
    assert minor_digits(currency) == Currency(currency).exponent
    digits = minor_digits(currency)
    of_a_unit = f".{'0' * digits}".rstrip(".")
    for words in (page._amount(10**digits, currency), format_amount(10**digits, currency)):
        assert words.endswith(f"1{of_a_unit}")


@given(st.integers(-(10**12), 10**12), st.sampled_from(sorted(CURRENCIES)))
def test_no_minor_unit_is_lost_between_words_and_digits(minor: int, currency: str) -> None:
    digits = [each for each in format_amount(minor, currency) if each.isdecimal()]
    assert int("".join(digits)) == abs(minor)
    assert major_units(minor, currency).replace(".", "").lstrip("-").lstrip("0") == (
        str(abs(minor)) if minor else ""
    )
    assert format_amount(minor, currency).startswith("-") == (minor < 0)


STARTS = datetime(2026, 12, 12, 13, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("timezone", "language", "words"),
    [
        ("Asia/Kathmandu", "en", "Saturday, 12 December 2026, 19:00 Nepal Time"),
        ("Asia/Kathmandu", "ne", "2026 डिसेम्बर 12, शनिबार, 19:00 नेपाली समय"),
        ("Europe/Berlin", "en", "Saturday, 12 December 2026, 14:15 Central European Standard Time"),
        ("Etc/GMT-5", "en", "Saturday, 12 December 2026, 18:15 GMT+05:00"),
        ("Mars/Olympus", "en", "Saturday, 12 December 2026, 13:15 Coordinated Universal Time"),
        ("../passwd", "en", "Saturday, 12 December 2026, 13:15 Coordinated Universal Time"),
        ("Asia", "en", "Saturday, 12 December 2026, 13:15 Coordinated Universal Time"),
        ("Asia/Kathmandu", "tlh", "Saturday, 12 December 2026, 19:00 Nepal Time"),
    ],
)
def test_moments_are_told_by_the_clock_of_the_place_with_the_zones_name(
    timezone: str, language: str, words: str
) -> None:
    assert format_moment(STARTS, timezone, language) == words


def test_summer_time_has_its_own_name_and_clock() -> None:
    summer = datetime(2026, 7, 1, 12, tzinfo=UTC)
    assert format_moment(summer, "Europe/Berlin").endswith("14:00 Central European Summer Time")
    assert format_clock(summer, "Asia/Kathmandu") == "17:45"


@pytest.mark.parametrize(
    "moment", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)]
)
@pytest.mark.parametrize("timezone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_the_first_and_last_moments_can_be_told(moment: datetime, timezone: str) -> None:
    assert str(moment.day) in format_moment(moment, timezone)
