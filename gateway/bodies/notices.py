"""News in the app, and what people want to be told."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path
from pydantic import Field

from gateway.bodies import limits
from gateway.bodies.base import UUID, UUID_SCHEMA, Input, PageQuery, not_found
from presentation.vocabulary import Channel, MailKind

NoticeId = Annotated[
    str, not_found("NOTICE_NOT_FOUND", UUID), UUID_SCHEMA, Path(description="The notice's id.")
]


class NoticeQuery(PageQuery):
    """Which notices."""

    unread: bool = False
    """True: only those that are not read."""


class Wish(Input):
    """Whether a kind of news is to be told by a channel."""

    kind: MailKind
    """Which kind of news."""
    channel: Channel
    """By which channel."""
    wanted: bool = Field(strict=True)
    """False: it is not told any more. Essential news can't be switched off."""


class Wishes(Input):
    """What is to be told; what is not named is."""

    items: list[Wish] = Field(max_length=limits.PREFERENCES)
    """A kind and a channel each, once."""
