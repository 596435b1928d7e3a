"""Tickets, and what a gate reads."""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import Path
from pydantic import BeforeValidator, StringConstraints

from chassis import text
from gateway.bodies import limits
from gateway.bodies.base import UUID, UUID_SCHEMA, Input, line, not_found

TicketId = Annotated[
    str, not_found("TICKET_NOT_FOUND", UUID), UUID_SCHEMA, Path(description="The ticket's id.")
]


# A scanner may say first which kind of code it read (ISO/IEC 15424): ]Q1 for a QR code.
_SYMBOLOGY = re.compile(r"\][A-Za-z][0-9A-Za-z]")
_MOST_CHARACTERS = 1000


def _token(value: Any) -> Any:
    """What was scanned, without what scanners put around it: line breaks, blanks, marks."""
    if not isinstance(value, str) or len(value) > _MOST_CHARACTERS:
        return value
    bare = text.unspaced(value)
    symbology = _SYMBOLOGY.match(bare)
    return bare[symbology.end() :] if symbology else bare


class Scan(Input):
    """What a gate read."""

    token: Annotated[str, StringConstraints(min_length=1, max_length=300), BeforeValidator(_token)]
    """What the QR code says."""
    gate: Annotated[str, *line(limits.GATE)] | None = None
    """Where it was read."""
