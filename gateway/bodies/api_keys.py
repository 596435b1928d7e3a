"""API keys: what a program is to be good for."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path
from pydantic import Field

from gateway.bodies import limits
from gateway.bodies.base import UUID, UUID_SCHEMA, Id, Input, Time, line, not_found
from gateway.scopes import Scope
from presentation.vocabulary import ApiKeyScope

ApiKeyId = Annotated[
    str, not_found("API_KEY_NOT_FOUND", UUID), UUID_SCHEMA, Path(description="The API key's id.")
]


class NewApiKey(Input):
    """A key for a program."""

    name: Annotated[str, *line(limits.API_KEY_NAME)]
    """What its owner calls it."""
    scopes: list[ApiKeyScope] = Field(min_length=1, max_length=len(Scope))
    """What it is good for; nothing else. A key never buys."""
    event_id: Id | None = None
    """Confines it to one event: it opens only that event's paths. Without it, it is good for every
    event of its owner."""
    expires_at: Time | None = None
    """When it ends by itself, in the future; without it, when it is revoked."""
