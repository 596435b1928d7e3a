"""Venues and events."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from fastapi import Query
from google.protobuf.timestamp_pb2 import Timestamp
from parterre.catalog.v1 import catalog_pb2
from parterre.inventory.v1 import inventory_pb2
from parterre.types.v1 import types_pb2
from starlette.responses import Response

from chassis.errors import RemoteError
from chassis.logs import get_logger
from gateway import views
from gateway.bodies import (
    Cancellation,
    EventId,
    EventQuery,
    NewEvent,
    NewSection,
    NewVenue,
    Nothing,
    OwnEventQuery,
    PageQuery,
    SeatedSection,
    VenueId,
)
from gateway.routing import ANYONE, ORGANIZER, PREFIX, Behind, Json, Routes
from gateway.services import Services

CATALOG = Routes("Catalog")

# Availability is worth less waiting than the event it is shown with.
_AVAILABILITY_SECONDS = 1.0

log = get_logger(__name__)


@CATALOG.route(
    "GET", "/venues", ANYONE, answers=views.Page[views.Venue], refuses=["INVALID_CURSOR"]
)
async def list_venues(query: Annotated[PageQuery, Query()], services: Behind) -> Response:
    """Page through the venues, newest first, without their rows."""
    reply = await services.catalog(
        services.catalog.rpc.ListVenues,
        catalog_pb2.ListVenuesRequest(limit=query.limit, cursor=query.cursor or ""),
    )
    return Json(views.page(map(views.venue, reply.venues), reply.next_cursor))


@CATALOG.route(
    "POST", "/venues", ORGANIZER, answers=views.Venue, status=201, refuses=["INVALID_VENUE"]
)
async def create_venue(body: NewVenue, services: Behind) -> Response:
    """Make a venue of one's own."""
    venue = catalog_pb2.Venue(
        name=body.name,
        address=body.address,
        city=body.city,
        country=body.country,
        timezone=body.timezone,
        capacity=body.capacity,
        amenities=body.amenities,
    )
    reply = await services.catalog(
        services.catalog.rpc.CreateVenue, catalog_pb2.CreateVenueRequest(venue=venue)
    )
    return Json(
        views.venue(reply.venue),
        201,
        {"Location": f"{PREFIX}/venues/{reply.venue.id}", **_etag(reply.venue.version)},
    )


@CATALOG.route(
    "GET", "/venues/{venue_id}", ANYONE, answers=views.Venue, refuses=["VENUE_NOT_FOUND"]
)
async def get_venue(venue_id: VenueId, services: Behind) -> Response:
    """A venue with its sections."""
    reply = await services.catalog(
        services.catalog.rpc.GetVenue, catalog_pb2.GetVenueRequest(venue_id=venue_id)
    )
    return Json(views.venue(reply.venue), headers=_etag(reply.venue.version))


@CATALOG.route(
    "POST",
    "/venues/{venue_id}/sections",
    ORGANIZER,
    answers=views.Section,
    status=201,
    refuses=["VENUE_NOT_FOUND", "INVALID_SECTION", "SECTION_NAME_TAKEN"],
)
async def add_section(venue_id: VenueId, body: NewSection, services: Behind) -> Response:
    """Add numbered rows or standing room to an own venue."""
    section = catalog_pb2.Section(name=body.name, kind=body.kind)
    if isinstance(body, SeatedSection):
        section.rows.extend(catalog_pb2.Row(label=row.label, seats=row.seats) for row in body.rows)
        section.layout.origin_x = body.origin.x
        section.layout.origin_y = body.origin.y
        section.layout.row_spacing = body.row_spacing
        section.layout.seat_spacing = body.seat_spacing
        section.layout.curve = body.curve
    else:
        section.capacity = body.capacity
    reply = await services.catalog(
        services.catalog.rpc.AddSection,
        catalog_pb2.AddSectionRequest(venue_id=venue_id, section=section),
    )
    return Json(views.section(reply.section), 201)


@CATALOG.route(
    "GET",
    "/events",
    ANYONE,
    answers=views.Page[views.Event],
    refuses=["INVALID_CURSOR", "INVALID_FILTER"],
)
async def list_events(query: Annotated[EventQuery, Query()], services: Behind) -> Response:
    """Find events."""
    request = catalog_pb2.ListEventsRequest(
        query=query.q or "",
        category=query.category or "",
        city=query.city or "",
        starts_from=_moment(query.from_),
        starts_before=_moment(query.to),
        min_price=query.min_price,
        max_price=query.max_price,
        status=query.status or "",
        organizer_id=query.organizer_id or "",
        sort=query.sort,
        limit=query.limit,
        cursor=query.cursor or "",
    )
    return await _events(services, request)


@CATALOG.route(
    "GET",
    "/organizer/events",
    ORGANIZER,
    answers=views.Page[views.Event],
    refuses=["INVALID_CURSOR", "INVALID_FILTER"],
)
async def list_own_events(query: Annotated[OwnEventQuery, Query()], services: Behind) -> Response:
    """One's own events, whatever their status."""
    request = catalog_pb2.ListEventsRequest(
        own_only=True, status=query.status or "", limit=query.limit, cursor=query.cursor or ""
    )
    return await _events(services, request)


@CATALOG.route(
    "POST",
    "/events",
    ORGANIZER,
    answers=views.Event,
    status=201,
    refuses=["INVALID_EVENT", "VENUE_NOT_FOUND", "SECTION_NOT_FOUND"],
)
async def create_event(body: NewEvent, services: Behind) -> Response:
    """Draft an event."""
    draft = catalog_pb2.EventDraft(
        title=body.title,
        description=body.description,
        category=body.category,
        venue_id=body.venue_id or "",
        location=body.location or "",
        starts_at=_moment(body.starts_at),
        ends_at=_moment(body.ends_at),
        doors_at=_moment(body.doors_at),
        timezone=body.timezone or "",
        currency=body.currency,
        max_per_customer=body.max_per_customer,
        sales_from=_moment(body.sales_from),
        sales_to=_moment(body.sales_to),
        refund_policy=types_pb2.RefundPolicy(
            until_hours_before=body.refund_policy.until_hours_before,
            percent=body.refund_policy.percent,
        ),
        tax_basis_points=int(body.tax_percent * 100),
        terms=body.terms,
    )
    tiers = [
        catalog_pb2.Tier(
            name=tier.name,
            price=tier.price,
            section_ids=tier.section_ids,
            capacity=tier.capacity or 0,
        )
        for tier in body.tiers
    ]
    reply = await services.catalog(
        services.catalog.rpc.CreateEvent, catalog_pb2.CreateEventRequest(draft=draft, tiers=tiers)
    )
    location = {"Location": f"{PREFIX}/events/{reply.event.id}"}
    return await _event(services, reply.event, 201, location)


@CATALOG.route(
    "GET", "/events/{event_id}", ANYONE, answers=views.Event, refuses=["EVENT_NOT_FOUND"]
)
async def get_event(event_id: EventId, services: Behind) -> Response:
    """An event; a draft is found by its owner and admins only."""
    reply = await services.catalog(
        services.catalog.rpc.GetEvent, catalog_pb2.GetEventRequest(event_id=event_id)
    )
    return await _event(services, reply.event)


@CATALOG.route(
    "POST",
    "/events/{event_id}/publish",
    ORGANIZER,
    answers=views.Event,
    status=202,
    refuses=["EVENT_NOT_FOUND", "EVENT_NOT_PUBLISHABLE", "EVENT_STATE"],
)
async def publish_event(
    event_id: EventId, services: Behind, _body: Nothing | None = None
) -> Response:
    """Put an own draft on sale; it is PUBLISHED as soon as its places are open."""
    reply = await services.catalog(
        services.catalog.rpc.PublishEvent, catalog_pb2.PublishEventRequest(event_id=event_id)
    )
    return await _event(services, reply.event, 202)


@CATALOG.route(
    "POST",
    "/events/{event_id}/cancel",
    ORGANIZER,
    answers=views.Event,
    status=202,
    refuses=["EVENT_NOT_FOUND", "EVENT_STATE"],
)
async def cancel_event(event_id: EventId, body: Cancellation, services: Behind) -> Response:
    """Call an own event off; every booking is refunded and everyone told."""
    reply = await services.catalog(
        services.catalog.rpc.CancelEvent,
        catalog_pb2.CancelEventRequest(event_id=event_id, reason=body.reason),
    )
    return await _event(services, reply.event, 202)


async def _events(services: Services, request: catalog_pb2.ListEventsRequest) -> Response:
    reply = await services.catalog(services.catalog.rpc.ListEvents, request)
    available = await _availabilities(services, [event.id for event in reply.events])
    items = [views.event(event, available) for event in reply.events]
    return Json(views.page(items, reply.next_cursor))


async def _event(
    services: Services,
    event: catalog_pb2.Event,
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> Response:
    available = await _availabilities(services, [event.id])
    return Json(views.event(event, available), status, {**(headers or {}), **_etag(event.version)})


async def _availabilities(
    services: Services, event_ids: Sequence[str]
) -> views.Availabilities | None:
    """How much is left of each event; None where inventory does not answer."""
    if not event_ids:
        return {}
    try:
        reply = await services.inventory(
            services.inventory.rpc.GetAvailability,
            inventory_pb2.GetAvailabilityRequest(event_ids=event_ids),
            _AVAILABILITY_SECONDS,
        )
    except RemoteError as error:
        log.warning("availability is unknown", code=error.code.name, reason=error.reason)
        return None
    return {event.event_id: event for event in reply.events}


def _moment(time: datetime | None) -> Timestamp | None:
    if time is None:
        return None
    moment = Timestamp()
    moment.FromDatetime(time)
    return moment


def _etag(version: int) -> dict[str, str]:
    return {"ETag": f'"{version}"'}
