"""What organizers write to all who go, and links out of mails."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path
from pydantic import Field

from gateway.bodies import limits
from gateway.bodies.base import Input, line, lines

Token = Annotated[str, Path(max_length=500, description="As the link in the mail has it.")]


class NewMessage(Input):
    """An organizer's own words to all who go to an event."""

    subject: Annotated[str, *line(limits.MESSAGE_SUBJECT)]
    """The mail's subject."""
    text: Annotated[str, Field(min_length=1), *lines(limits.MESSAGE_TEXT)]
    """What to tell, as plain text."""
    preview: bool = Field(default=False, strict=True)
    """True: nothing is sent; the answer says what would be, and to how many."""
