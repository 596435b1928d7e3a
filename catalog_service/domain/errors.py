"""Why catalog_service refuses."""

from __future__ import annotations

from collections.abc import Mapping


class CatalogError(Exception):
    """A refusal of catalog_service."""

    kind = "INVALID"
    reason = "INVALID_EVENT"

    def __init__(self, detail: str, **metadata: str) -> None:
        super().__init__(detail)
        self.metadata: Mapping[str, str] = metadata


class InvalidVenueError(CatalogError):
    """A venue can't be like that."""

    reason = "INVALID_VENUE"


class InvalidSectionError(CatalogError):
    """A section can't be like that."""

    reason = "INVALID_SECTION"


class InvalidEventError(CatalogError):
    """An event can't be like that."""

    reason = "INVALID_EVENT"


class InvalidFilterError(CatalogError):
    """There is nothing to search by that."""

    reason = "INVALID_FILTER"


class InvalidCursorError(CatalogError):
    """No page was ever given with that cursor."""

    reason = "INVALID_CURSOR"

    def __init__(self) -> None:
        super().__init__(
            "This cursor belongs to no page of this list.",
            cursor="must be the next_cursor of a page of this list",
        )


class VenueNotFoundError(CatalogError):
    """No such venue, or it is another person's."""

    kind = "NOT_FOUND"
    reason = "VENUE_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("There is no such venue.")


class SectionNotFoundError(CatalogError):
    """The venue has no such section."""

    kind = "NOT_FOUND"
    reason = "SECTION_NOT_FOUND"


class EventNotFoundError(CatalogError):
    """No such event, or it is another person's."""

    kind = "NOT_FOUND"
    reason = "EVENT_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("There is no such event.")


class SectionNameTakenError(CatalogError):
    """The venue has a section of that name."""

    kind = "STATE"
    reason = "SECTION_NAME_TAKEN"


class VenueFullError(CatalogError):
    """The venue can't have another section, or not so many seats more."""

    kind = "STATE"
    reason = "VENUE_FULL"


class SectionInUseError(CatalogError):
    """An event on sale sells what the section would lose."""

    kind = "STATE"
    reason = "SECTION_IN_USE"


class StaleVersionError(CatalogError):
    """It has changed since it was read."""

    kind = "STALE"
    reason = "STALE_VERSION"

    def __init__(self, version: int) -> None:
        super().__init__("It has changed since it was read: read it again.", version=str(version))


class OvertakenError(CatalogError):
    """A later edit of capacities had its word meanwhile; nothing of this one was done."""

    kind = "STALE"
    reason = "STALE_VERSION"

    def __init__(self) -> None:
        super().__init__("Others changed its capacity at the same time: try again.")


class ForbiddenError(CatalogError):
    """That is for admins."""

    kind = "FORBIDDEN"
    reason = "FORBIDDEN"


class EventNotPublishableError(CatalogError):
    """Something is missing before the event can go on sale."""

    kind = "STATE"
    reason = "EVENT_NOT_PUBLISHABLE"


class EventStateError(CatalogError):
    """The event's status does not allow it."""

    kind = "STATE"
    reason = "EVENT_STATE"


class CapacityBelowSoldError(CatalogError):
    """More is held and sold than there would be."""

    kind = "STATE"
    reason = "CAPACITY_BELOW_SOLD"
