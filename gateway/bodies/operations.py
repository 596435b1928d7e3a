"""The local mailbox."""

from __future__ import annotations

from pydantic import Field

from gateway.bodies import limits
from gateway.bodies.base import Email, Input


class MailboxQuery(Input):
    """Whose mails."""

    to: Email | None = None
    """Those to this address."""
    limit: int = Field(default=20, ge=1, le=limits.PAGE)
    """How many to give at most."""
