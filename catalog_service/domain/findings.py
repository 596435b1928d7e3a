"""What is found wrong with what somebody wrote."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from functools import cache
from zoneinfo import available_timezones

from catalog_service.domain.errors import CatalogError

# Findings travel in an HTTP/2 trailer, which must stay small.
_MAX_FINDINGS = 20
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_CONTROL_BUT_LINES = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
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
            f"must have {low} to {high:,} characters" if low else f"has more than {high:,}",
            when=not low <= len(value) <= high,
        )
        control = _CONTROL_BUT_LINES if lines else CONTROL
        self.add(field, "has a control character", when=control.search(value) is not None)

    def zone(self, field: str, name: str) -> None:
        self.add(field, "is not an IANA time zone", when=name not in _zones())

    def refuse(self, error: Callable[..., CatalogError], what: str) -> None:
        """Raises the error if anything was found."""
        if self.found:
            said = "; ".join(f"{field} {message}" for field, message in self.found.items())
            raise error(f"{what}: {said}.", **self.found)


@cache
def _zones() -> Collection[str]:
    return available_timezones()
