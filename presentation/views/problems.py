"""What a problem means."""

from __future__ import annotations

from presentation.views.base import Count, Link, View


class Member(View):
    """A field that problems of one reason have besides those that all have."""

    name: str
    """The field's name."""
    description: str
    """What it says."""


class Explanation(View):
    """A reason to refuse: when it comes and what to do, as docs/problems.md says it."""

    type: Link
    """The path of its page; problems have it as their `type`."""
    reason: str
    """The reason, for programs."""
    status: Count
    """The HTTP status it comes with."""
    title: str
    """The reason in words."""
    subject: str
    """What it belongs to."""
    advice: str
    """When it comes, and what to do."""
    members: list[Member]
    """What a problem of this reason says besides."""
