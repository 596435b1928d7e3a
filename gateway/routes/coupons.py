"""Coupons of an organizer's events."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import Query
from parterre.booking.v1 import booking_pb2
from parterre.catalog.v1 import catalog_pb2
from starlette.responses import Response

from chassis.errors import RemoteError
from chassis.timestamps import timestamp
from gateway.answers import Json
from gateway.backend import Backend
from gateway.bodies.base import PageQuery
from gateway.bodies.catalog import EventId
from gateway.bodies.sales import CouponChange, CouponCode, NewCoupon
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
from presentation.views import sales as views

COUPONS = Routes("Coupons")

# How long after one another booking is asked whether it has heard of a draft by now.
_PAUSES_SECONDS = (0.05, 0.1, 0.2, 0.4)
_NOT_HEARD_OF = "EVENT_NOT_READY"
_LIMITS = ("min_total", "max_discount", "usage_limit", "per_customer_limit")


@COUPONS.route(
    "POST",
    "/events/{event_id}/coupons",
    ORGANIZER,
    answers=views.Coupon,
    status=201,
    refuses=["EVENT_NOT_FOUND", "EVENT_NOT_READY", "INVALID_COUPON", "COUPON_EXISTS"],
    scope=Scope.COUPONS_WRITE,
    headers=["Location"],
)
async def create_coupon(
    event_id: EventId, body: NewCoupon, behind: Behind, key: IdempotencyKey = ""
) -> Response:
    """Make a coupon for an own event; a draft may have some before it is published."""
    coupon = booking_pb2.Coupon(
        code=body.code,
        kind=body.kind,
        value=body.value,
        min_total=body.min_total,
        max_discount=body.max_discount,
        usage_limit=body.usage_limit,
        per_customer_limit=body.per_customer_limit,
        valid_from=timestamp(body.valid_from),
        valid_to=timestamp(body.valid_to),
    )
    request = booking_pb2.CreateCouponRequest(event_id=event_id, coupon=coupon, idempotency_key=key)
    reply, replayed = await _made(behind, request)
    headers = {"Location": f"{PREFIX}/events/{event_id}/coupons", **replay_header(replayed)}
    return Json(views.coupon(reply.coupon), 201, headers)


async def _made(
    behind: Backend, request: booking_pb2.CreateCouponRequest
) -> tuple[booking_pb2.CreateCouponResponse, bool]:
    """Makes the coupon; of an event that is newer than what booking has heard, a moment later."""
    for pause in _PAUSES_SECONDS:
        try:
            return await behind.booking.replayable(behind.booking.rpc.CreateCoupon, request)
        except RemoteError as error:
            if error.reason != _NOT_HEARD_OF:
                raise
        # Whether the caller may know of such an event.
        wanted = catalog_pb2.GetEventRequest(event_id=request.event_id)
        await behind.catalog(behind.catalog.rpc.GetEvent, wanted)
        await asyncio.sleep(pause)
    return await behind.booking.replayable(behind.booking.rpc.CreateCoupon, request)


@COUPONS.route(
    "GET",
    "/events/{event_id}/coupons",
    ORGANIZER,
    answers=base.Page[views.Coupon],
    refuses=["EVENT_NOT_FOUND", "INVALID_CURSOR"],
    scope=Scope.COUPONS_READ,
)
async def list_coupons(
    event_id: EventId, query: Annotated[PageQuery, Query()], behind: Behind
) -> Response:
    """An event's coupons by code, and how often each is used."""
    reply = await behind.booking(
        behind.booking.rpc.ListCoupons,
        booking_pb2.ListCouponsRequest(
            event_id=event_id, limit=query.limit, cursor=query.cursor or ""
        ),
    )
    return Json(base.page(map(views.coupon, reply.coupons), reply.next_cursor))


@COUPONS.route(
    "PATCH",
    "/events/{event_id}/coupons/{code}",
    ORGANIZER,
    answers=views.Coupon,
    refuses=["EVENT_NOT_FOUND", "COUPON_NOT_FOUND", "INVALID_COUPON"],
    scope=Scope.COUPONS_WRITE,
)
async def change_coupon(
    event_id: EventId, code: CouponCode, body: CouponChange, behind: Behind
) -> Response:
    """Switch a coupon on or off, or change its limits; bookings that were made keep their price."""
    request = booking_pb2.UpdateCouponRequest(
        event_id=event_id,
        code=code,
        active=body.active,
        valid_from=timestamp(body.valid_from),
        valid_to=timestamp(body.valid_to),
    )
    for limit in _LIMITS:
        if limit in body.model_fields_set:
            setattr(request, limit, getattr(body, limit) or 0)
    reply = await behind.booking(behind.booking.rpc.UpdateCoupon, request)
    return Json(views.coupon(reply.coupon))
