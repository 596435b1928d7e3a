"""What people who were there say of an event: who may, and what is sound."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from catalog_service.domain import CatalogError
from catalog_service.domain.findings import Findings

MAX_TEXT = 2000  # characters


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

    kind = "STATE"
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
    wrong = Findings()
    wrong.within("rating", draft.rating, 1, 5)
    wrong.text("text", draft.text, 0, MAX_TEXT, lines=True)
    wrong.text("author", draft.author, 1, 100)
    wrong.refuse(InvalidReviewError, "The review is not valid")
