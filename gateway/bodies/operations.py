"""The local mailbox."""

from __future__ import annotations

from pydantic import Field

from gateway.bodies.base import Email, Input


class MailboxQuery(Input):
    """Whose mails."""

    to: Email | None = None
    limit: int = Field(default=20, ge=1, le=100)
