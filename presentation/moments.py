"""Moments in words, as the clock of a place shows them."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel.dates import format_date, format_time, get_timezone_name

from presentation.languages import locale_of


def format_moment(moment: datetime, timezone: str, language: str = "en") -> str:
    """A moment in words: "Saturday, 12 December 2026, 19:00 Nepal Time".

    `moment` has an offset. `timezone` is an IANA name; one that is not known here is told as UTC.
    """
    local = at_place(moment, timezone)
    locale = locale_of(language)
    day = format_date(local.date(), "full", locale=locale)
    return f"{day}, {format_clock(moment, timezone)} {get_timezone_name(local, locale=locale)}"


def format_day_and_clock(moment: datetime, timezone: str) -> str:
    """A moment as short as can be: 12 Dec 2026, 19:00."""
    day = format_date(at_place(moment, timezone).date(), "d MMM y", locale=locale_of("en"))
    return f"{day}, {format_clock(moment, timezone)}"


def format_clock(moment: datetime, timezone: str) -> str:
    """What the clock of the place shows: 19:00."""
    return format_time(at_place(moment, timezone).time(), "HH:mm", locale=locale_of("en"))


def at_place(moment: datetime, timezone: str) -> datetime:
    """The moment by the clock of a time zone, or by UTC where its name is not known here."""
    try:
        return moment.astimezone(zone(timezone))
    except OverflowError:  # the first or last hours that a datetime can say
        return moment.astimezone(UTC)


def zone(timezone: str) -> tzinfo:
    """A time zone by its IANA name, or UTC where that is not known here."""
    try:
        return ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")
