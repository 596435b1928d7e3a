"""People to write to."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody to write to."""

    id: UUID
    email: str
    name: str
    version: int  # rises with every change
    language: str = "en"  # of their mails: en or ne
    may_organize: bool | None = None  # None: the version before did not say
