"""What happens to people's accounts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class ApprovedOrganizer:
    """Somebody who asked for it may sell now."""

    user_id: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class DeviceSignIn:
    """A log-in from a device that the account did not know."""

    user_id: UUID
    user_agent: str
    address: str
    at: datetime
