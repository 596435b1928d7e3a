"""When people came, in as many stretches of time as a plot can show."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from booking_service.domain import admissions_over_time

DOORS = datetime(2026, 11, 20, 12, 14, tzinfo=UTC)  # 17:59 in Nepal


def every(minutes: int, times: int) -> list[tuple[datetime, int]]:
    return [(DOORS + timedelta(minutes=minutes * number), 2) for number in range(times)]


@pytest.mark.parametrize(
    ("came", "length", "stretches"),
    [
        ([], 1, 0),
        (every(1, 240), 1, 240),
        (every(1, 241), 2, 121),  # 17:59 is the second half of its stretch
        (every(60, 240), 1, 240),  # what counts is stretches in which somebody came
        (every(60, 241), 180, 81),
        (every(1440, 241), 1440, 240),
    ],
    ids=["nobody", "minutes", "too many minutes", "hours apart", "10 days", "241 days"],
)
def test_stretches_are_as_short_as_240_of_them_allow(
    came: list[tuple[datetime, int]], length: int, stretches: int
) -> None:
    found, shown = admissions_over_time(came, "Asia/Kathmandu")
    assert (found, len(shown)) == (length, stretches)
    assert [begins_at for begins_at, _ in shown] == sorted(begins_at for begins_at, _ in shown)
    if stretches < 240:
        assert sum(tickets for _, tickets in shown) == 2 * len(came)


@pytest.mark.parametrize(
    ("timezone", "first"), [("Asia/Kathmandu", "11:15"), ("Mars/Olympus", "12:00")]
)
def test_hours_begin_where_the_event_is(timezone: str, first: str) -> None:
    minutes, shown = admissions_over_time(every(7, 2000), timezone)
    assert (minutes, f"{shown[0][0]:%H:%M}") == (60, first)
