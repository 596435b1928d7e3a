"""Seats and holds."""

from __future__ import annotations

from typing import Annotated

from fastapi import Header, Query
from parterre.inventory.v1 import inventory_pb2
from starlette.responses import Response

from chassis.context import current_identity
from gateway.answers import Json
from gateway.bodies.base import Nothing
from gateway.bodies.catalog import EventId
from gateway.bodies.seats import (
    Extension,
    General,
    HoldId,
    HoldQuery,
    MorePlaces,
    NewHold,
    PartialRelease,
)
from gateway.representations import AcceptEncoding, own, to_json
from gateway.routing import (
    ANYONE,
    CUSTOMER,
    PREFIX,
    Behind,
    IdempotencyKey,
    Routes,
    replay_header,
)
from gateway.scopes import Scope
from gateway.snapshots import BROTLI, GZIP, PLAIN, best_encoding
from gateway.streams import SeatStream
from gateway.versions import IfNoneMatch, coded, etag, held
from presentation.views import base
from presentation.views import seats as views

SEATS = Routes("Seats and holds")

_ENCODINGS = {GZIP: {"Content-Encoding": "gzip"}, BROTLI: {"Content-Encoding": "br"}, PLAIN: {}}


@SEATS.route(
    "GET",
    "/events/{event_id}/seats",
    ANYONE,
    answers=views.SeatMap,
    refuses=["EVENT_NOT_FOUND", "EVENT_NOT_ON_SALE"],
    scope=Scope.EVENTS_READ,
    headers=["Cache-Control", "Vary"],
)
async def get_seats(
    event_id: EventId,
    behind: Behind,
    if_none_match: IfNoneMatch = (),
    accept_encoding: AcceptEncoding = (),
) -> Response:
    """Every seat and which are taken; with `If-None-Match` 304 while nothing has changed."""
    places = await behind.streams.live.current(event_id)
    headers = {"Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
    tag = str(places.version)
    if has := held(if_none_match, tag):
        return Response(status_code=304, headers={**headers, **etag(has)})
    encoding = best_encoding(", ".join(accept_encoding))
    coding = _ENCODINGS[encoding]
    headers |= {**coding, **etag(coded(tag, coding.get("Content-Encoding", "")))}
    return Response(places.body(encoding), headers=headers, media_type="application/json")


@SEATS.route(
    "GET",
    "/events/{event_id}/seats/stream",
    ANYONE,
    media_type="text/event-stream",
    refuses=["EVENT_NOT_FOUND", "EVENT_NOT_ON_SALE", "TOO_MANY_STREAMS"],
    scope=Scope.EVENTS_READ,
    headers=["Cache-Control"],
)
async def stream_seats(
    event_id: EventId,
    behind: Behind,
    last_event_id: Annotated[str, Header(max_length=100)] = "",
) -> Response:
    """The seats as they change.

    Server-Sent Events. The first is a `snapshot`, `{version, taken, pools}`: `taken` as in the seat
    map (a seat in none is free), `pools` as `{section_id: {available, capacity}}`. Then, as places
    change, `delta`, `{version, changes, pools}`: `changes` as `{seat_id: AVAILABLE | HELD | SOLD |
    BLOCKED}`; what is not named stays as it was. A later `snapshot` takes the place of all before
    it. A client that comes again with `Last-Event-ID` goes on where it was, or gets a snapshot.
    """
    places = await behind.streams.live.current(event_id)
    return SeatStream(behind.streams, places, current_identity(), last_event_id)


@SEATS.route(
    "POST",
    "/holds",
    CUSTOMER,
    answers=views.Hold,
    status=201,
    refuses=[
        "EVENT_NOT_FOUND",
        "EVENT_NOT_ON_SALE",
        "SALES_CLOSED",
        "UNKNOWN_SEATS",
        "UNKNOWN_TIER",
        "UNKNOWN_SECTION",
        "SEATS_UNAVAILABLE",
        "NOT_ENOUGH_CAPACITY",
        "NO_ADJACENT_SEATS",
        "CUSTOMER_LIMIT",
        "HOLD_LIMIT",
        "INVALID_HOLD",
    ],
    headers=["Location"],
)
async def create_hold(body: NewHold, behind: Behind, key: IdempotencyKey = "") -> Response:
    """Hold seats and tickets for a while, all or nothing."""
    best = body.best_available
    order = inventory_pb2.CreateHoldRequest(
        event_id=body.event_id,
        seat_ids=body.seat_ids,
        best_available=inventory_pb2.CreateHoldRequest.BestAvailable(
            quantity=best.quantity,
            tier_id=best.tier_id or "",
            section_id=best.section_id or "",
        )
        if best
        else None,
        general=_tickets(body.general),
        idempotency_key=key,
    )
    live = behind.streams.live
    seen = live.version(body.event_id)
    hold, replayed = await behind.holds.create(order)
    if not replayed:
        live.expect(body.event_id, seen)
    headers = {"Location": f"{PREFIX}/holds/{hold.id}", **replay_header(replayed)}
    return Json(views.hold(hold), 201, headers)


def _tickets(general: list[General] | None) -> list[inventory_pb2.CreateHoldRequest.General]:
    return [
        inventory_pb2.CreateHoldRequest.General(tier_id=each.tier_id, quantity=each.quantity)
        for each in general or ()
    ]


@SEATS.route("GET", "/holds", CUSTOMER, answers=base.Page[views.Hold], refuses=["INVALID_CURSOR"])
async def list_holds(
    query: Annotated[HoldQuery, Query()], behind: Behind, if_none_match: IfNoneMatch = ()
) -> Response:
    """One's own holds, newest first."""
    reply = await behind.inventory(
        behind.inventory.rpc.ListHolds,
        inventory_pb2.ListHoldsRequest(
            event_id=query.event_id or "", limit=query.limit, cursor=query.cursor or ""
        ),
    )
    return own(to_json(base.page(map(views.hold, reply.holds), reply.next_cursor)), if_none_match)


@SEATS.route("GET", "/holds/{hold_id}", CUSTOMER, answers=views.Hold, refuses=["HOLD_NOT_FOUND"])
async def get_hold(hold_id: HoldId, behind: Behind) -> Response:
    """One's own hold as it stands."""
    reply = await behind.inventory(
        behind.inventory.rpc.GetHold, inventory_pb2.GetHoldRequest(hold_id=hold_id)
    )
    return Json(views.hold(reply.hold))


@SEATS.route(
    "POST",
    "/holds/{hold_id}/extend",
    CUSTOMER,
    answers=views.Hold,
    refuses=["HOLD_NOT_FOUND", "HOLD_EXPIRED", "HOLD_NOT_ACTIVE", "HOLD_EXTENSION_LIMIT"],
)
async def extend_hold(
    hold_id: HoldId, behind: Behind, body: Extension | None = None, key: IdempotencyKey = ""
) -> Response:
    """More time to decide, within the cap."""
    seconds = body.seconds if body else None
    reply, replayed = await behind.inventory.replayable(
        behind.inventory.rpc.ExtendHold,
        inventory_pb2.ExtendHoldRequest(hold_id=hold_id, seconds=seconds or 0, idempotency_key=key),
    )
    return Json(views.hold(reply.hold), headers=replay_header(replayed))


@SEATS.route(
    "POST",
    "/holds/{hold_id}/add",
    CUSTOMER,
    answers=views.Hold,
    refuses=[
        "HOLD_NOT_FOUND",
        "HOLD_EXPIRED",
        "HOLD_NOT_ACTIVE",
        "EVENT_NOT_ON_SALE",
        "SALES_CLOSED",
        "UNKNOWN_SEATS",
        "UNKNOWN_TIER",
        "SEATS_UNAVAILABLE",
        "NOT_ENOUGH_CAPACITY",
        "CUSTOMER_LIMIT",
        "INVALID_HOLD",
    ],
)
async def add_to_hold(
    hold_id: HoldId, body: MorePlaces, behind: Behind, key: IdempotencyKey = ""
) -> Response:
    """Add seats and tickets to a hold, all or nothing; its time stays as it was."""
    request = inventory_pb2.AddToHoldRequest(
        hold_id=hold_id,
        seat_ids=body.seat_ids,
        general=_tickets(body.general),
        idempotency_key=key,
    )
    reply, replayed = await behind.inventory.replayable(behind.inventory.rpc.AddToHold, request)
    if not replayed:
        behind.streams.live.expect(reply.hold.event_id)
    return Json(views.hold(reply.hold), headers=replay_header(replayed))


@SEATS.route(
    "POST",
    "/holds/{hold_id}/release",
    CUSTOMER,
    answers=views.Hold,
    refuses=[
        "HOLD_NOT_FOUND",
        "HOLD_EXPIRED",
        "HOLD_NOT_ACTIVE",
        "UNKNOWN_SEATS",
        "UNKNOWN_TIER",
        "INVALID_HOLD",
    ],
)
async def release_hold(
    hold_id: HoldId, behind: Behind, body: PartialRelease | None = None, key: IdempotencyKey = ""
) -> Response:
    """Give some seats and tickets back, or all."""
    request = inventory_pb2.ReleaseHoldRequest(
        hold_id=hold_id,
        seat_ids=body.seat_ids if body else None,
        general=_tickets(body.general if body else None),
        idempotency_key=key,
    )
    reply, replayed = await behind.inventory.replayable(behind.inventory.rpc.ReleaseHold, request)
    if not replayed:
        behind.streams.live.expect(reply.hold.event_id)
    return Json(views.hold(reply.hold), headers=replay_header(replayed))


@SEATS.route(
    "DELETE",
    "/holds/{hold_id}",
    CUSTOMER,
    status=204,
    refuses=["HOLD_NOT_FOUND", "HOLD_EXPIRED", "HOLD_NOT_ACTIVE"],
)
async def delete_hold(hold_id: HoldId, behind: Behind, _body: Nothing | None = None) -> Response:
    """Give all of a hold back."""
    reply = await behind.inventory(
        behind.inventory.rpc.ReleaseHold, inventory_pb2.ReleaseHoldRequest(hold_id=hold_id)
    )
    behind.streams.live.expect(reply.hold.event_id)
    return Response(status_code=204)
