"""API keys: what a program is to be good for."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from gateway.bodies.base import UUID, Id, Input, Short, Time, not_found
from gateway.scopes import Scope

ApiKeyId = Annotated[str, not_found("API_KEY_NOT_FOUND", UUID)]


class NewApiKey(Input):
    """A key for a program."""

    name: Short = Field(description="What its owner calls it", examples=["North gate"])
    scopes: list[Scope] = Field(
        min_length=1,
        max_length=len(Scope),
        description="What it is good for; nothing else. A key never buys.",
        examples=[["check-ins:write"]],
    )
    event_id: Id | None = Field(
        default=None,
        description="Confines it to one event: it opens only that event's paths. Without it, it is "
        "good for every event of its owner.",
        examples=["0193c2a7-5a52-7b5c-9a55-0f1f3a0f6f11"],
    )
    expires_at: Time | None = Field(
        default=None,
        description="When it ends by itself, in the future; without it, when it is revoked.",
        examples=["2027-01-31T00:00:00Z"],
    )
