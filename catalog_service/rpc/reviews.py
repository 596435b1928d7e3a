"""What people who were there say of an event."""

from __future__ import annotations

from parterre.catalog.v1 import catalog_pb2

from catalog_service.handlers import reviews as handlers
from catalog_service.reviews import Review, ReviewDraft
from catalog_service.rpc.calls import Call, Rpcs, event_id_of, who_asks, who_looks
from chassis.database import Session
from chassis.idempotency import claim, once
from chassis.text import line, lines
from chassis.timestamps import timestamp


class ReviewRpcs(Rpcs):
    """What people who were there say of an event."""

    async def WriteReview(  # noqa: N802
        self, request: catalog_pb2.WriteReviewRequest, context: Call
    ) -> catalog_pb2.WriteReviewResponse:
        person, event_id = who_asks(), event_id_of(request.event_id)
        draft = ReviewDraft(line(request.author), request.rating, lines(request.text))

        async def work(session: Session) -> catalog_pb2.WriteReviewResponse:
            review, created = await handlers.write_review(session, person, event_id, draft)
            return catalog_pb2.WriteReviewResponse(review=_review_message(review), created=created)

        # The name is the account's: who changes it says the same thing still.
        whose = claim(request, str(person.id), apart_from=["author"])
        reply_type = catalog_pb2.WriteReviewResponse
        return await once(self._database, request, reply_type, work, context, of=whose)

    async def ListReviews(  # noqa: N802
        self, request: catalog_pb2.ListReviewsRequest, _context: Call
    ) -> catalog_pb2.ListReviewsResponse:
        viewer, event_id = who_looks(), event_id_of(request.event_id)
        reviews, cursor = await self._database.run(
            lambda session: handlers.list_reviews(
                session, viewer, event_id, request.limit, request.cursor
            )
        )
        return catalog_pb2.ListReviewsResponse(
            reviews=map(_review_message, reviews), next_cursor=cursor
        )


def _review_message(review: Review) -> catalog_pb2.Review:
    return catalog_pb2.Review(
        id=str(review.id),
        event_id=str(review.event_id),
        author=review.draft.author,
        rating=review.draft.rating,
        text=review.draft.text,
        created_at=timestamp(review.created_at),
        updated_at=timestamp(review.updated_at),
    )
