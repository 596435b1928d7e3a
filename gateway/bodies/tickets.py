"""Tickets, and what a gate reads."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from gateway.bodies.base import IS_LINE, UUID, Input, not_found

TicketId = Annotated[str, not_found("TICKET_NOT_FOUND", UUID)]


class Scan(Input):
    """What a gate read."""

    token: str = Field(min_length=1, max_length=300, description="What the QR code says")
    gate: Annotated[str, StringConstraints(min_length=1, max_length=50), *IS_LINE] | None = Field(
        default=None, examples=["North"]
    )
