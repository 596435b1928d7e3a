"""How a route says that it is on its way out: `Deprecation` (RFC 9745) and `Sunset` (RFC 8594)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from email.utils import formatdate
from typing import Any

# The headers of its answers: `description.headers` has their texts.
HEADERS = ("Deprecation", "Sunset", "Link")


@dataclass(frozen=True, slots=True)
class Deprecation:
    """A route that is on its way out; as a dependency of the route it only says so.

    `since` is when that was said, `sunset` when it goes, both midnight UTC; `successor` is the path
    of what to call instead (RFC 5829). docs/versions.md has the rules.
    """

    since: date
    sunset: date | None = None
    successor: str | None = None

    async def __call__(self) -> None:
        """Lets every request pass."""

    def headers(self) -> Mapping[str, str]:
        """What each answer of the route says (RFC 9745, RFC 8594)."""
        headers = {"Deprecation": f"@{_seconds(self.since)}"}
        if self.sunset is not None:
            headers["Sunset"] = formatdate(_seconds(self.sunset), usegmt=True)
        if self.successor is not None:
            headers["Link"] = f'<{self.successor}>; rel="successor-version"'
        return headers

    def described(self) -> Mapping[str, Any]:
        """What the description says of it, besides that it is deprecated."""
        return {} if self.sunset is None else {"x-sunset": self.sunset.isoformat()}


def _seconds(day: date) -> int:
    return int(datetime.combine(day, time(), UTC).timestamp())
