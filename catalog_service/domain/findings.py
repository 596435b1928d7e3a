"""What is found wrong with what somebody wrote."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import cache
from zoneinfo import available_timezones

from catalog_service.domain.errors import CatalogError
from chassis.text import flaw_in_line, flaw_in_lines

# Findings travel in an HTTP/2 trailer, which must stay small.
_MAX_FINDINGS = 20
# In the database of time zones, and nobody's: whatever this machine has, and what it has before
# anybody has set it up.
_NO_PLACES = frozenset({"Factory", "localtime", "posixrules"})
IN_THE_FUTURE = "must be in the future"


class Findings:
    """What is wrong, by the field's path in the REST contract: each field's first finding."""

    def __init__(self) -> None:
        self.found: dict[str, str] = {}

    def add(self, field: str, message: str, *, when: bool) -> None:
        if when and len(self.found) < _MAX_FINDINGS:
            self.found.setdefault(field, message)

    def within(self, field: str, value: float, low: float, high: float) -> None:
        # Written so that NaN is refused too.
        self.add(field, f"must be from {low:,} to {high:,}", when=not low <= value <= high)

    def text(self, field: str, value: str, low: int, high: int, *, lines: bool = False) -> None:
        self.add(
            field,
            f"must have {low} to {high:,} characters"
            if low
            else f"must have at most {high:,} characters",
            when=not low <= len(value) <= high,
        )
        flaw = flaw_in_lines(value) if lines else flaw_in_line(value)
        self.add(field, flaw, when=bool(flaw))

    def zone(self, field: str, name: str) -> None:
        self.add(
            field, "must be an IANA time zone, such as Asia/Kathmandu", when=name not in _zones()
        )

    def refuse(self, error: Callable[..., CatalogError], what: str) -> None:
        """Raises the error if anything was found."""
        if self.found:
            said = "; ".join(f"{field} {message}" for field, message in self.found.items())
            raise error(f"{what}: {said}.", **self.found)


@cache
def _zones() -> Collection[str]:
    return available_timezones() - _NO_PLACES
