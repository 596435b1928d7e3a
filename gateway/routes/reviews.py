"""What people who were there say of an event."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from parterre.auth.v1 import auth_pb2
from parterre.catalog.v1 import catalog_pb2
from starlette.responses import Response

from gateway.answers import Json
from gateway.bodies.base import PageQuery
from gateway.bodies.catalog import EventId, NewReview
from gateway.representations import AcceptEncoding, public, to_json
from gateway.routing import (
    ANYONE,
    CUSTOMER,
    Behind,
    IdempotencyKey,
    Routes,
    replay_header,
)
from gateway.scopes import Scope
from gateway.versions import IfNoneMatch, tag_of
from presentation.views import base
from presentation.views import catalog as views

REVIEWS = Routes("Reviews")


@REVIEWS.route(
    "POST",
    "/events/{event_id}/reviews",
    CUSTOMER,
    answers=views.Review,
    status=201,
    also=200,
    refuses=["EVENT_NOT_FOUND", "NOT_AN_ATTENDEE", "EVENT_NOT_BEGUN", "INVALID_REVIEW"],
)
async def write_review(
    event_id: EventId, body: NewReview, behind: Behind, key: IdempotencyKey = ""
) -> Response:
    """Say how it was; a second time (200) takes the place of the first.

    For people with a confirmed booking, once the event has begun.
    """
    # The name that is shown is the account's, whatever the client would like it to be.
    me = await behind.auth(behind.auth.rpc.GetMe, auth_pb2.GetMeRequest())
    reply, replayed = await behind.catalog.replayable(
        behind.catalog.rpc.WriteReview,
        catalog_pb2.WriteReviewRequest(
            event_id=event_id,
            rating=body.rating,
            text=body.text,
            author=me.user.name,
            idempotency_key=key,
        ),
    )
    status = 201 if reply.created else 200
    return Json(views.review(reply.review), status, replay_header(replayed))


@REVIEWS.route(
    "GET",
    "/events/{event_id}/reviews",
    ANYONE,
    answers=base.Page[views.Review],
    refuses=["EVENT_NOT_FOUND", "INVALID_CURSOR"],
    scope=Scope.EVENTS_READ,
    headers=["Cache-Control", "Vary"],
)
async def list_reviews(
    event_id: EventId,
    query: Annotated[PageQuery, Query()],
    behind: Behind,
    if_none_match: IfNoneMatch = (),
    accept_encoding: AcceptEncoding = (),
) -> Response:
    """Page through what was said, newest first."""
    reply = await behind.catalog(
        behind.catalog.rpc.ListReviews,
        catalog_pb2.ListReviewsRequest(
            event_id=event_id, limit=query.limit, cursor=query.cursor or ""
        ),
    )
    body = to_json(base.page(map(views.review, reply.reviews), reply.next_cursor))
    return await public(body, tag_of(body), if_none_match, accept_encoding)
