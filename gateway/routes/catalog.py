"""Events."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Query
from parterre.catalog.v1 import catalog_pb2
from starlette.responses import Response

from chassis.timestamps import timestamp
from gateway.backend import Backend
from gateway.bodies.base import Nothing
from gateway.bodies.catalog import (
    EventCancellation,
    EventChange,
    EventId,
    EventQuery,
    NewEvent,
    NewTier,
    OwnEventQuery,
    RefundTerms,
)
from gateway.representations import AcceptEncoding, own, public, to_json
from gateway.routing import (
    ANYONE,
    ORGANIZER,
    PREFIX,
    Behind,
    IdempotencyKey,
    Routes,
    replay_header,
)
from gateway.scopes import Scope
from gateway.versions import IfMatch, IfNoneMatch, etag, expected_version, tag_of
from presentation.views import base
from presentation.views import catalog as views

CATALOG = Routes("Catalog")


@CATALOG.route(
    "GET",
    "/events",
    ANYONE,
    answers=base.Page[views.Event],
    refuses=["INVALID_CURSOR", "INVALID_FILTER"],
    scope=Scope.EVENTS_READ,
    headers=["Cache-Control", "Vary"],
)
async def list_events(
    query: Annotated[EventQuery, Query()],
    behind: Behind,
    if_none_match: IfNoneMatch = (),
    accept_encoding: AcceptEncoding = (),
) -> Response:
    """Find events; with `updated_since` those that changed, called off and over ones too."""
    request = catalog_pb2.ListEventsRequest(
        query=query.q or "",
        category=query.category or "",
        city=query.city or "",
        starts_from=timestamp(query.from_),
        starts_before=timestamp(query.to),
        min_price=query.min_price,
        max_price=query.max_price,
        status=query.status or "",
        organizer_id=query.organizer_id or "",
        sort=_sort(query),
        limit=query.limit,
        cursor=query.cursor or "",
        updated_since=timestamp(query.updated_since),
    )
    body = await _events(behind, request)
    return await public(body, tag_of(body), if_none_match, accept_encoding)


@CATALOG.route(
    "GET",
    "/organizer/events",
    ORGANIZER,
    answers=base.Page[views.Event],
    refuses=["INVALID_CURSOR", "INVALID_FILTER"],
    scope=Scope.EVENTS_READ,
)
async def list_own_events(
    query: Annotated[OwnEventQuery, Query()], behind: Behind, if_none_match: IfNoneMatch = ()
) -> Response:
    """One's own events, whatever their status."""
    request = catalog_pb2.ListEventsRequest(
        own_only=True,
        status=query.status or "",
        sort="updated_at" if query.updated_since else "",
        limit=query.limit,
        cursor=query.cursor or "",
        updated_since=timestamp(query.updated_since),
    )
    return own(await _events(behind, request), if_none_match)


@CATALOG.route(
    "POST",
    "/events",
    ORGANIZER,
    answers=views.Event,
    status=201,
    refuses=["INVALID_EVENT", "VENUE_NOT_FOUND", "SECTION_NOT_FOUND"],
    scope=Scope.EVENTS_WRITE,
    headers=["Location", "ETag"],
)
async def create_event(body: NewEvent, behind: Behind, key: IdempotencyKey = "") -> Response:
    """Draft an event."""
    draft = catalog_pb2.EventDraft()
    for field in NewEvent.model_fields.keys() - {"tiers"}:
        _say(draft, body, field)
    tiers = [_tier(tier) for tier in body.tiers]
    reply, replayed = await behind.catalog.replayable(
        behind.catalog.rpc.CreateEvent,
        catalog_pb2.CreateEventRequest(draft=draft, tiers=tiers, idempotency_key=key),
    )
    location = {"Location": f"{PREFIX}/events/{reply.event.id}"}
    return await _event(behind, reply.event, 201, {**location, **replay_header(replayed)})


@CATALOG.route(
    "GET",
    "/events/{event_id}",
    ANYONE,
    answers=views.Event,
    refuses=["EVENT_NOT_FOUND"],
    scope=Scope.EVENTS_READ,
    headers=["Cache-Control", "Vary"],
)
async def get_event(
    event_id: EventId,
    behind: Behind,
    if_none_match: IfNoneMatch = (),
    accept_encoding: AcceptEncoding = (),
) -> Response:
    """An event; a draft is found by its owner and admins only."""
    page = await behind.events.page(event_id)
    return await public(page.body, page.tag, if_none_match, accept_encoding, page.compressed)


@CATALOG.route(
    "PATCH",
    "/events/{event_id}",
    ORGANIZER,
    answers=views.Event,
    refuses=[
        "EVENT_NOT_FOUND",
        "VENUE_NOT_FOUND",
        "SECTION_NOT_FOUND",
        "EVENT_STATE",
        "CAPACITY_BELOW_SOLD",
        "STALE_VERSION",
        "INVALID_EVENT",
    ],
    scope=Scope.EVENTS_WRITE,
    headers=["ETag"],
)
async def update_event(
    event_id: EventId, body: EventChange, behind: Behind, if_match: IfMatch = ()
) -> Response:
    """Change an own event; what is absent stays.

    Of a draft anything may change. While it is on sale: its words, times, sales window and limit
    per person, and of its tiers (all of them, with their ids) the price and how many are counted.
    """
    expected = await expected_version(if_match, lambda: _version(behind, event_id))
    request = catalog_pb2.UpdateEventRequest(event_id=event_id, expected_version=expected)
    for field in body.model_fields_set - {"tiers"}:
        request.fields.append(_say(request.draft, body, field))
    if "tiers" in body.model_fields_set:
        request.fields.append("tiers")
        request.tiers.extend(_tier(tier, tier.id) for tier in body.tiers)
    reply = await behind.catalog(behind.catalog.rpc.UpdateEvent, request)
    return await _event(behind, reply.event)


@CATALOG.route(
    "DELETE",
    "/events/{event_id}",
    ORGANIZER,
    status=204,
    refuses=["EVENT_NOT_FOUND", "EVENT_STATE", "STALE_VERSION"],
    scope=Scope.EVENTS_WRITE,
)
async def delete_event(event_id: EventId, behind: Behind, if_match: IfMatch = ()) -> Response:
    """Delete an own draft."""
    expected = await expected_version(if_match, lambda: _version(behind, event_id))
    await behind.catalog(
        behind.catalog.rpc.DeleteEvent,
        catalog_pb2.DeleteEventRequest(event_id=event_id, expected_version=expected),
    )
    return Response(status_code=204)


@CATALOG.route(
    "POST",
    "/events/{event_id}/publish",
    ORGANIZER,
    answers=views.Event,
    status=202,
    refuses=["EVENT_NOT_FOUND", "EVENT_NOT_PUBLISHABLE", "EVENT_STATE"],
    scope=Scope.EVENTS_WRITE,
    headers=["ETag"],
)
async def publish_event(
    event_id: EventId, behind: Behind, _body: Nothing | None = None, key: IdempotencyKey = ""
) -> Response:
    """Put an own draft on sale; it is PUBLISHED as soon as its places are open."""
    reply, replayed = await behind.catalog.replayable(
        behind.catalog.rpc.PublishEvent,
        catalog_pb2.PublishEventRequest(event_id=event_id, idempotency_key=key),
    )
    return await _event(behind, reply.event, 202, replay_header(replayed))


@CATALOG.route(
    "POST",
    "/events/{event_id}/cancel",
    ORGANIZER,
    answers=views.Event,
    status=202,
    refuses=["EVENT_NOT_FOUND", "EVENT_STATE"],
    scope=Scope.EVENTS_WRITE,
    headers=["ETag"],
)
async def cancel_event(
    event_id: EventId, body: EventCancellation, behind: Behind, key: IdempotencyKey = ""
) -> Response:
    """Call an own event off; every booking is refunded and everyone told."""
    reply, replayed = await behind.catalog.replayable(
        behind.catalog.rpc.CancelEvent,
        catalog_pb2.CancelEventRequest(event_id=event_id, reason=body.reason, idempotency_key=key),
    )
    return await _event(behind, reply.event, 202, replay_header(replayed))


async def _events(behind: Backend, request: catalog_pb2.ListEventsRequest) -> bytes:
    reply = await behind.catalog(behind.catalog.rpc.ListEvents, request)
    return to_json(base.page(map(views.event, reply.events), reply.next_cursor))


async def _version(behind: Backend, event_id: str) -> int:
    request = catalog_pb2.GetEventRequest(event_id=event_id)
    return (await behind.catalog(behind.catalog.rpc.GetEvent, request)).event.version


def _sort(query: EventQuery) -> str:
    """As asked for; what was updated comes in that order unless another one is asked for."""
    says = "sort" in query.model_fields_set
    return "updated_at" if query.updated_since and not says else query.sort


async def _event(
    behind: Backend,
    event: catalog_pb2.Event,
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> Response:
    body = to_json(views.event(event, await behind.organizers.name(event.organizer_id)))
    headers = {**(headers or {}), **etag(tag_of(body, event.version))}
    return Response(body, status, headers, "application/json")


def _say(draft: catalog_pb2.EventDraft, body: NewEvent | EventChange, field: str) -> str:
    """Puts a field of the body into the draft, if it is not null; gives its name there."""
    value = getattr(body, field)
    if field == "tax_percent":
        draft.tax_basis_points = int(value * 100)
        return "tax_basis_points"
    if isinstance(value, RefundTerms):
        draft.refund_policy.until_hours_before = value.until_hours_before
        draft.refund_policy.percent = value.percent
        draft.refund_policy.SetInParent()
    elif isinstance(value, datetime):
        getattr(draft, field).FromDatetime(value)
    elif value is not None:
        setattr(draft, field, value)
    return field


def _tier(tier: NewTier, id: str | None = None) -> catalog_pb2.Tier:
    return catalog_pb2.Tier(
        id=id or "",
        name=tier.name,
        price=tier.price,
        section_ids=tier.section_ids,
        capacity=tier.capacity or 0,
    )
