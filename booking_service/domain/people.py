"""People as bookings know them."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from booking_service.domain.errors import InvalidFilterError
from chassis.text import flaw_in_line, folded

_QUERY_LENGTH = 100


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who may buy, as they call themselves."""

    id: UUID
    email: str
    name: str
    version: int

    @property
    def words(self) -> str:
        """What they are searched by."""
        return folded(f"{self.name} {self.email}")


def check_query(query: str) -> None:
    """Holds what bookings are searched by to the rules.

    Raises:
        InvalidFilterError: it has more than 100 characters, or what text must not have.
    """
    if len(query) > _QUERY_LENGTH:
        raise InvalidFilterError(
            "Search by less.", q=f"must have at most {_QUERY_LENGTH} characters"
        )
    if flaw := flaw_in_line(query):
        raise InvalidFilterError("There is nothing to search by that.", q=flaw)
