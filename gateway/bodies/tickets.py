"""Tickets, and what a gate reads."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path
from pydantic import Field

from gateway.bodies import limits
from gateway.bodies.base import UUID, UUID_SCHEMA, Input, line, not_found

TicketId = Annotated[
    str, not_found("TICKET_NOT_FOUND", UUID), UUID_SCHEMA, Path(description="The ticket's id.")
]


class Scan(Input):
    """What a gate read."""

    token: str = Field(min_length=1, max_length=300)
    """What the QR code says."""
    gate: Annotated[str, *line(limits.GATE)] | None = None
    """Where it was read."""
