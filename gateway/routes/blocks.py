"""Seats that organizers keep back."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from parterre.inventory.v1 import inventory_pb2
from starlette.responses import Response

from gateway.answers import Json
from gateway.bodies.base import PageQuery
from gateway.bodies.catalog import EventId
from gateway.bodies.seats import BlockRelease, NewBlock
from gateway.routing import (
    ORGANIZER,
    PREFIX,
    Behind,
    IdempotencyKey,
    Routes,
    replay_header,
)
from gateway.scopes import Scope
from presentation.views import base
from presentation.views import seats as views

BLOCKS = Routes("Seats kept back")


@BLOCKS.route(
    "POST",
    "/events/{event_id}/blocks",
    ORGANIZER,
    answers=views.Block,
    status=201,
    refuses=[
        "EVENT_NOT_FOUND",
        "EVENT_NOT_ON_SALE",
        "UNKNOWN_SEATS",
        "SEATS_UNAVAILABLE",
        "INVALID_BLOCK",
    ],
    scope=Scope.EVENTS_WRITE,
    headers=["Location"],
)
async def block_seats(
    event_id: EventId, body: NewBlock, behind: Behind, key: IdempotencyKey = ""
) -> Response:
    """Keep free seats back, all or none, before sales open or while they run."""
    reply, replayed = await behind.inventory.replayable(
        behind.inventory.rpc.BlockSeats,
        inventory_pb2.BlockSeatsRequest(
            event_id=event_id, seat_ids=body.seat_ids, note=body.note or "", idempotency_key=key
        ),
    )
    headers = {"Location": f"{PREFIX}/events/{event_id}/blocks", **replay_header(replayed)}
    return Json(views.block(reply.block), 201, headers)


@BLOCKS.route(
    "GET",
    "/events/{event_id}/blocks",
    ORGANIZER,
    answers=base.Page[views.Block],
    refuses=["EVENT_NOT_FOUND", "INVALID_CURSOR"],
    scope=Scope.EVENTS_READ,
)
async def list_blocks(
    event_id: EventId, query: Annotated[PageQuery, Query()], behind: Behind
) -> Response:
    """What is kept back of an event, newest first; what was freed whole is left out."""
    reply = await behind.inventory(
        behind.inventory.rpc.ListBlocks,
        inventory_pb2.ListBlocksRequest(
            event_id=event_id, limit=query.limit, cursor=query.cursor or ""
        ),
    )
    return Json(base.page(map(views.block, reply.blocks), reply.next_cursor))


@BLOCKS.route(
    "POST",
    "/events/{event_id}/blocks/release",
    ORGANIZER,
    status=204,
    refuses=["EVENT_NOT_FOUND", "UNKNOWN_SEATS", "SEATS_NOT_BLOCKED", "INVALID_BLOCK"],
    scope=Scope.EVENTS_WRITE,
)
async def release_blocked(
    event_id: EventId, body: BlockRelease, behind: Behind, key: IdempotencyKey = ""
) -> Response:
    """Let seats that were kept back be sold, all or none, of whichever blocks."""
    _reply, replayed = await behind.inventory.replayable(
        behind.inventory.rpc.UnblockSeats,
        inventory_pb2.UnblockSeatsRequest(
            event_id=event_id, seat_ids=body.seat_ids, idempotency_key=key
        ),
    )
    return Response(status_code=204, headers=replay_header(replayed))
