"""What people who were there say of an event: who may, and what is sound."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from catalog_service.domain import CatalogError, InvalidCursorError, from_cursor, to_cursor

MAX_TEXT = 2000
MAX_AUTHOR = 100
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_LAST = UUID(int=2**128 - 1)


class InvalidReviewError(CatalogError):
    """A review can't be like that."""

    reason = "INVALID_REVIEW"


class NotAnAttendeeError(CatalogError):
    """Only who has a ticket may say how it was."""

    kind = "FORBIDDEN"
    reason = "NOT_AN_ATTENDEE"

    def __init__(self) -> None:
        super().__init__("Only people with a confirmed booking review an event.")


class EventNotBegunError(CatalogError):
    """Nobody was there yet."""

    kind = "CONFLICT"
    reason = "EVENT_NOT_BEGUN"

    def __init__(self) -> None:
        super().__init__("An event is reviewed once it has begun.")


@dataclass(frozen=True, slots=True)
class ReviewDraft:
    """What somebody says."""

    author: str  # shown beside it
    rating: int  # 1-5
    text: str


@dataclass(frozen=True, slots=True)
class Review:
    """What somebody said."""

    id: UUID
    event_id: UUID
    draft: ReviewDraft
    created_at: datetime
    updated_at: datetime


def check_review(draft: ReviewDraft) -> None:
    """Holds a review to the rules.

    Raises:
        InvalidReviewError: what is wrong, by field.
    """
    wrong: dict[str, str] = {}
    if not 1 <= draft.rating <= 5:
        wrong["rating"] = "must be from 1 to 5"
    if len(draft.text) > MAX_TEXT:
        wrong["text"] = f"has more than {MAX_TEXT:,} characters"
    elif _CONTROL.search(draft.text):
        wrong["text"] = "has a control character"
    if not 1 <= len(draft.author) <= MAX_AUTHOR or _CONTROL.search(draft.author):
        wrong["author"] = f"must have 1 to {MAX_AUTHOR} characters"
    if wrong:
        said = "; ".join(f"{field} {message}" for field, message in wrong.items())
        raise InvalidReviewError(f"This review can't be: {said}.", **wrong)


def review_after(review: Review) -> str:
    """The cursor of a page of reviews that ends with `review`."""
    return to_cursor("reviews", str(review.id))


def review_of(cursor: str) -> UUID:
    """The id that the reviews of the page of `cursor` (empty: the first) come before.

    Raises:
        InvalidCursorError: it is not a cursor of reviews.
    """
    if not cursor:
        return _LAST
    try:
        what, id = from_cursor(cursor)
        if what != "reviews":
            raise InvalidCursorError
        return UUID(id)
    except ValueError:
        raise InvalidCursorError from None
