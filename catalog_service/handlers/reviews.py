"""What people who were there say of an event."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from catalog_service import domain
from catalog_service.domain import EventNotFoundError, Person
from catalog_service.handlers.events import get_event
from catalog_service.reviews import (
    EventNotBegunError,
    NotAnAttendeeError,
    Review,
    ReviewDraft,
    check_review,
)
from catalog_service.storage import reviews
from chassis.database import Session


async def write_review(
    session: Session, person: Person, event_id: UUID, draft: ReviewDraft
) -> tuple[Review, bool]:
    """Writes the person's one review of an event; False where it took the place of an earlier one.

    Raises:
        InvalidReviewError: it can't be like that.
        EventNotFoundError: there is none, or a draft.
        EventNotBegunError: by the database's clock.
        NotAnAttendeeError: the person has no confirmed booking, as far as is known here.
    """
    check_review(draft)
    standing = await reviews.lock_event(session, event_id, person.id)
    if standing is None:
        raise EventNotFoundError
    if not standing.has_begun:
        raise EventNotBegunError
    if not standing.attends:
        raise NotAnAttendeeError
    return await reviews.write(session, event_id, person.id, draft)


async def list_reviews(
    session: Session, viewer: Person | None, event_id: UUID, limit: int, cursor: str
) -> tuple[Sequence[Review], str]:
    """A page of an event's reviews, newest first, and the cursor of the next; empty on the last.

    Raises:
        InvalidFilterError, InvalidCursorError
        EventNotFoundError: there is none the viewer may know of.
    """
    limit = domain.page_size(limit)
    before = domain.before_id(cursor, "reviews")
    await get_event(session, viewer, event_id)
    found = await reviews.list_reviews(session, event_id, before, limit + 1)
    page = found[:limit]
    return page, domain.to_cursor("reviews", str(page[-1].id)) if len(found) > limit else ""
