"""Identifiers."""

from uuid import UUID

from uuid_utils.compat import uuid7 as _uuid7


def uuid7() -> UUID:
    """A new UUIDv7 (RFC 9562): unique, and ordered by the time it was made.

    It is no secret: who knows one is near to its neighbours.
    """
    return _uuid7()


def parse_uuid(text: str) -> UUID | None:
    """The UUID that `text` spells canonically, or None where it spells none."""
    try:
        parsed = UUID(text)
    except ValueError:
        return None
    return parsed if str(parsed) == text.lower() else None
