"""Seats and holds."""

from __future__ import annotations

import asyncio
import gzip
import re
from dataclasses import dataclass
from typing import Annotated

import orjson
from cachetools import LRUCache
from fastapi import Header, Query, Request
from parterre.inventory.v1 import inventory_pb2
from starlette.responses import Response

from gateway import views
from gateway.bodies import EventId, Extension, HoldId, HoldQuery, NewHold, Nothing, PartialRelease
from gateway.holds import Holds
from gateway.routing import (
    ANYONE,
    CUSTOMER,
    PREFIX,
    Behind,
    IdempotencyKey,
    Json,
    Routes,
    replay_header,
)

SEATS = Routes("Seats and holds")

_VERSION_TAG = re.compile(r'"(\d{1,18})"')
_GZIP = re.compile(
    r"(?:^|,)\s*gzip\s*(?:;\s*q=(?P<weight>\d(?:\.\d{0,3})?))?\s*(?=,|$)", re.IGNORECASE
)
_GZIP_LEVEL = 6


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The seats of an event at one version, encoded once for everybody who asks."""

    version: int
    plain: bytes
    zipped: bytes

    @classmethod
    def of(cls, places: inventory_pb2.SeatMap) -> Snapshot:
        """Encodes the seats; takes milliseconds for a large hall."""
        plain = orjson.dumps(views.seat_map(places))
        return cls(places.version, plain, gzip.compress(plain, _GZIP_LEVEL, mtime=0))


# The newest snapshot of each event, at most so many bytes of them.
Snapshots = LRUCache[str, Snapshot]
_SNAPSHOTS_BYTES = 64 * 1024 * 1024


def no_snapshots() -> Snapshots:
    """Room for snapshots."""
    return LRUCache(
        _SNAPSHOTS_BYTES, getsizeof=lambda snapshot: len(snapshot.plain) + len(snapshot.zipped)
    )


@SEATS.route(
    "GET",
    "/events/{event_id}/seats",
    ANYONE,
    answers=views.SeatMap,
    refuses=["EVENT_NOT_FOUND", "EVENT_NOT_ON_SALE"],
)
async def get_seats(
    event_id: EventId,
    services: Behind,
    request: Request,
    if_none_match: Annotated[str, Header(max_length=1000)] = "",
    accept_encoding: Annotated[str, Header(include_in_schema=False)] = "",
) -> Response:
    """Every seat and which are taken; with `If-None-Match` 304 while nothing has changed."""
    snapshots: Snapshots = request.app.state.snapshots
    kept = snapshots.get(event_id)
    seen = [int(version) for version in _VERSION_TAG.findall(if_none_match)]
    known = kept.version if kept else next(iter(seen), 0)
    reply = await services.inventory(
        services.inventory.rpc.GetSeatMap,
        inventory_pb2.GetSeatMapRequest(event_id=event_id, known_version=known),
    )
    if not reply.unchanged:
        # In a thread: zlib works beside the event loop, and a large hall takes a while.
        kept = await asyncio.to_thread(Snapshot.of, reply.seat_map)
        # Larger than all the room there is: served, not kept.
        if len(kept.plain) + len(kept.zipped) <= snapshots.maxsize:
            snapshots[event_id] = kept
    version = kept.version if kept else known
    headers = {
        "ETag": f'"{version}"',
        "Cache-Control": "no-cache",
        "Vary": "Accept-Encoding",
    }
    if kept is None or version in seen:
        return Response(status_code=304, headers=headers)
    if _takes_gzip(accept_encoding):
        headers["Content-Encoding"] = "gzip"
        return Response(kept.zipped, headers=headers, media_type="application/json")
    return Response(kept.plain, headers=headers, media_type="application/json")


def _takes_gzip(accept_encoding: str) -> bool:
    """Whether gzip is named, and not with the weight that means never (RFC 9110, 12.5.3)."""
    return any(
        match["weight"] is None or float(match["weight"]) > 0
        for match in _GZIP.finditer(accept_encoding)
    )


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
        "IDEMPOTENCY_KEY_REUSED",
        "IDEMPOTENCY_IN_PROGRESS",
    ],
)
async def create_hold(body: NewHold, request: Request, key: IdempotencyKey = "") -> Response:
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
        general=[
            inventory_pb2.CreateHoldRequest.General(tier_id=each.tier_id, quantity=each.quantity)
            for each in body.general or ()
        ],
        idempotency_key=key,
    )
    # Of the state itself: a dependency would cost more than all else that is done here.
    holds: Holds = request.app.state.holds
    hold, replayed = await holds.create(order)
    headers = {"Location": f"{PREFIX}/holds/{hold.id}", **replay_header(replayed)}
    return Json(views.hold(hold), 201, headers)


@SEATS.route("GET", "/holds", CUSTOMER, answers=views.Page[views.Hold], refuses=["INVALID_CURSOR"])
async def list_holds(query: Annotated[HoldQuery, Query()], services: Behind) -> Response:
    """One's own holds, newest first."""
    reply = await services.inventory(
        services.inventory.rpc.ListHolds,
        inventory_pb2.ListHoldsRequest(
            event_id=query.event_id or "", limit=query.limit, cursor=query.cursor or ""
        ),
    )
    return Json(views.page(map(views.hold, reply.holds), reply.next_cursor))


@SEATS.route("GET", "/holds/{hold_id}", CUSTOMER, answers=views.Hold, refuses=["HOLD_NOT_FOUND"])
async def get_hold(hold_id: HoldId, services: Behind) -> Response:
    """One's own hold as it stands."""
    reply = await services.inventory(
        services.inventory.rpc.GetHold, inventory_pb2.GetHoldRequest(hold_id=hold_id)
    )
    return Json(views.hold(reply.hold))


@SEATS.route(
    "POST",
    "/holds/{hold_id}/extend",
    CUSTOMER,
    answers=views.Hold,
    refuses=["HOLD_NOT_FOUND", "HOLD_EXPIRED", "HOLD_NOT_ACTIVE", "HOLD_EXTENSION_LIMIT"],
)
async def extend_hold(hold_id: HoldId, services: Behind, body: Extension | None = None) -> Response:
    """More time to decide, within the cap."""
    seconds = body.seconds if body else None
    reply = await services.inventory(
        services.inventory.rpc.ExtendHold,
        inventory_pb2.ExtendHoldRequest(hold_id=hold_id, seconds=seconds or 0),
    )
    return Json(views.hold(reply.hold))


@SEATS.route(
    "POST",
    "/holds/{hold_id}/release",
    CUSTOMER,
    answers=views.Hold,
    refuses=["HOLD_NOT_FOUND", "HOLD_EXPIRED", "HOLD_NOT_ACTIVE", "UNKNOWN_SEATS"],
)
async def release_hold(
    hold_id: HoldId, services: Behind, body: PartialRelease | None = None
) -> Response:
    """Give some seats back, or all."""
    seat_ids = body.seat_ids if body else None
    reply = await services.inventory(
        services.inventory.rpc.ReleaseHold,
        inventory_pb2.ReleaseHoldRequest(hold_id=hold_id, seat_ids=seat_ids),
    )
    return Json(views.hold(reply.hold))


@SEATS.route(
    "DELETE",
    "/holds/{hold_id}",
    CUSTOMER,
    status=204,
    refuses=["HOLD_NOT_FOUND", "HOLD_EXPIRED", "HOLD_NOT_ACTIVE"],
)
async def delete_hold(hold_id: HoldId, services: Behind, _body: Nothing | None = None) -> Response:
    """Give all of a hold back."""
    await services.inventory(
        services.inventory.rpc.ReleaseHold, inventory_pb2.ReleaseHoldRequest(hold_id=hold_id)
    )
    return Response(status_code=204)
