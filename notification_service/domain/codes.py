"""One-time codes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Code:
    """A one-time code that was asked for."""

    email: str
    purpose: str
    code: str
    expires_at: datetime
    is_wanted: bool  # else it is written and told of, so that asking costs the same, but not mailed
