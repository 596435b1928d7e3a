"""What a problem means."""

from __future__ import annotations

from typing_extensions import TypedDict


class Explanation(TypedDict):
    """A reason to refuse: when it comes and what to do, as docs/problems.md says it."""

    type: str
    reason: str
    status: int
    title: str
    subject: str
    advice: str
