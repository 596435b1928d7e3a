"""The gate."""

from __future__ import annotations

from parterre.booking.v1 import booking_pb2
from starlette.responses import Response

from gateway.answers import Json
from gateway.bodies.catalog import EventId
from gateway.bodies.tickets import Scan
from gateway.routing import (
    ORGANIZER,
    Behind,
    IdempotencyKey,
    Routes,
    replay_header,
)
from gateway.scopes import Scope
from presentation.views import tickets as views

CHECKIN = Routes("Check-in")


@CHECKIN.route(
    "POST",
    "/events/{event_id}/check-ins",
    ORGANIZER,
    answers=views.CheckIn,
    refuses=["EVENT_NOT_FOUND", "INVALID_TICKET"],
    scope=Scope.CHECK_INS_WRITE,
)
async def check_in(
    event_id: EventId, body: Scan, behind: Behind, key: IdempotencyKey = ""
) -> Response:
    """Admit a ticket, once, however many gates scan it at the same moment."""
    reply, replayed = await behind.booking.replayable(
        behind.booking.rpc.CheckIn,
        booking_pb2.CheckInRequest(
            event_id=event_id, token=body.token, gate=body.gate or "", idempotency_key=key
        ),
    )
    return Json(views.check_in(reply), headers=replay_header(replayed))
