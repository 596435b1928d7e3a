"""Venues and their sections."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from fastapi import Query
from parterre.catalog.v1 import catalog_pb2
from starlette.responses import Response

from gateway.answers import Json
from gateway.backend import Backend
from gateway.bodies.base import PageQuery
from gateway.bodies.catalog import (
    NewRow,
    NewSection,
    NewVenue,
    Point,
    Rectangle,
    SeatedSection,
    SectionChange,
    SectionId,
    VenueChange,
    VenueId,
)
from gateway.representations import AcceptEncoding, public, to_json
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

VENUES = Routes("Catalog")


@VENUES.route(
    "GET",
    "/venues",
    ANYONE,
    answers=base.Page[views.Venue],
    refuses=["INVALID_CURSOR"],
    scope=Scope.EVENTS_READ,
    headers=["Cache-Control", "Vary"],
)
async def list_venues(
    query: Annotated[PageQuery, Query()],
    behind: Behind,
    if_none_match: IfNoneMatch = (),
    accept_encoding: AcceptEncoding = (),
) -> Response:
    """Page through the venues, newest first, without their sections."""
    reply = await behind.catalog(
        behind.catalog.rpc.ListVenues,
        catalog_pb2.ListVenuesRequest(limit=query.limit, cursor=query.cursor or ""),
    )
    body = to_json(base.page(map(views.venue, reply.venues), reply.next_cursor))
    return await public(body, tag_of(body), if_none_match, accept_encoding)


@VENUES.route(
    "POST",
    "/venues",
    ORGANIZER,
    answers=views.Venue,
    status=201,
    refuses=["INVALID_VENUE"],
    scope=Scope.EVENTS_WRITE,
    headers=["Location", "ETag"],
)
async def create_venue(body: NewVenue, behind: Behind, key: IdempotencyKey = "") -> Response:
    """Make a venue of one's own."""
    venue = catalog_pb2.Venue(
        name=body.name,
        address=body.address,
        city=body.city,
        country=body.country,
        timezone=body.timezone,
        capacity=body.capacity,
        amenities=body.amenities,
        focal=_point(body.focal) if body.focal else None,
    )
    reply, replayed = await behind.catalog.replayable(
        behind.catalog.rpc.CreateVenue,
        catalog_pb2.CreateVenueRequest(venue=venue, idempotency_key=key),
    )
    location = {"Location": f"{PREFIX}/venues/{reply.venue.id}"}
    return _venue(reply.venue, 201, {**location, **replay_header(replayed)})


@VENUES.route(
    "GET",
    "/venues/{venue_id}",
    ANYONE,
    answers=views.Venue,
    refuses=["VENUE_NOT_FOUND"],
    scope=Scope.EVENTS_READ,
    headers=["Cache-Control", "Vary"],
)
async def get_venue(
    venue_id: VenueId,
    behind: Behind,
    if_none_match: IfNoneMatch = (),
    accept_encoding: AcceptEncoding = (),
) -> Response:
    """A venue with its sections."""
    reply = await behind.catalog(
        behind.catalog.rpc.GetVenue, catalog_pb2.GetVenueRequest(venue_id=venue_id)
    )
    body = to_json(views.venue(reply.venue))
    return await public(body, tag_of(body, reply.venue.version), if_none_match, accept_encoding)


@VENUES.route(
    "PATCH",
    "/venues/{venue_id}",
    ORGANIZER,
    answers=views.Venue,
    refuses=["VENUE_NOT_FOUND", "INVALID_VENUE", "STALE_VERSION"],
    scope=Scope.EVENTS_WRITE,
    headers=["ETag"],
)
async def update_venue(
    venue_id: VenueId, body: VenueChange, behind: Behind, if_match: IfMatch = ()
) -> Response:
    """Change an own venue; what is absent stays, null takes away what may be missing."""
    said = body.model_fields_set
    expected = await expected_version(if_match, lambda: _version(behind, venue_id))
    request = catalog_pb2.UpdateVenueRequest(venue_id=venue_id, expected_version=expected)
    for field in said & {"name", "address", "city", "country", "timezone"}:
        setattr(request, field, getattr(body, field))
    if "capacity" in said:
        request.capacity = body.capacity or 0
    if "amenities" in said:
        request.amenities.words.extend(body.amenities)
        request.amenities.SetInParent()
    if "focal" in said:
        if body.focal is None:
            request.default_focal = True
        else:
            request.focal.CopyFrom(_point(body.focal))
    reply = await behind.catalog(behind.catalog.rpc.UpdateVenue, request)
    return _venue(reply.venue)


@VENUES.route(
    "POST",
    "/venues/{venue_id}/sections",
    ORGANIZER,
    answers=views.Section,
    status=201,
    refuses=["VENUE_NOT_FOUND", "INVALID_SECTION", "SECTION_NAME_TAKEN", "VENUE_FULL"],
    scope=Scope.EVENTS_WRITE,
)
async def add_section(
    venue_id: VenueId, body: NewSection, behind: Behind, key: IdempotencyKey = ""
) -> Response:
    """Add numbered rows or standing room to an own venue."""
    section = catalog_pb2.Section(name=body.name, kind=body.kind)
    if isinstance(body, SeatedSection):
        section.rows.extend(_rows(body.rows))
        section.layout.origin_x = body.origin.x
        section.layout.origin_y = body.origin.y
        section.layout.row_spacing = body.row_spacing
        section.layout.seat_spacing = body.seat_spacing
        section.layout.curve = body.curve
    else:
        section.capacity = body.capacity
        if "area" in body.model_fields_set:
            section.area.CopyFrom(_area(body.area))
    reply, replayed = await behind.catalog.replayable(
        behind.catalog.rpc.AddSection,
        catalog_pb2.AddSectionRequest(venue_id=venue_id, section=section, idempotency_key=key),
    )
    return Json(views.section(reply.section), 201, replay_header(replayed))


@VENUES.route(
    "PATCH",
    "/venues/{venue_id}/sections/{section_id}",
    ORGANIZER,
    answers=views.Section,
    refuses=[
        "VENUE_NOT_FOUND",
        "SECTION_NOT_FOUND",
        "INVALID_SECTION",
        "SECTION_NAME_TAKEN",
        "SECTION_IN_USE",
        "VENUE_FULL",
        "STALE_VERSION",
    ],
    scope=Scope.EVENTS_WRITE,
    headers=["ETag"],
)
async def update_section(
    venue_id: VenueId,
    section_id: SectionId,
    body: SectionChange,
    behind: Behind,
    if_match: IfMatch = (),
) -> Response:
    """Change a section of an own venue; what is absent stays. ETag and If-Match are the venue's.

    Standing room whose `area` is null is drawn where the plan has room again.
    """
    said = body.model_fields_set
    expected = await expected_version(if_match, lambda: _version(behind, venue_id))
    request = catalog_pb2.UpdateSectionRequest(
        venue_id=venue_id, section_id=section_id, expected_version=expected
    )
    for field in said & {"name", "capacity"}:
        setattr(request, field, getattr(body, field))
    if "rows" in said:
        request.rows.extend(_rows(body.rows))
    for field in said & {"row_spacing", "seat_spacing", "curve"}:
        setattr(request.layout, field, getattr(body, field))
    if "origin" in said:
        request.layout.origin_x, request.layout.origin_y = body.origin.x, body.origin.y
    if "area" in said:
        if body.area is None:
            request.default_area = True
        else:
            request.area.CopyFrom(_area(body.area))
    reply = await behind.catalog(behind.catalog.rpc.UpdateSection, request)
    return Json(views.section(reply.section), headers=etag(str(reply.venue_version)))


@VENUES.route(
    "DELETE",
    "/venues/{venue_id}/sections/{section_id}",
    ORGANIZER,
    status=204,
    refuses=["VENUE_NOT_FOUND", "SECTION_NOT_FOUND", "SECTION_IN_USE", "STALE_VERSION"],
    scope=Scope.EVENTS_WRITE,
    headers=["ETag"],
)
async def delete_section(
    venue_id: VenueId, section_id: SectionId, behind: Behind, if_match: IfMatch = ()
) -> Response:
    """Delete a section of an own venue, unless an event on sale sells it; drafts lose it.

    ETag and If-Match are the venue's.
    """
    expected = await expected_version(if_match, lambda: _version(behind, venue_id))
    request = catalog_pb2.DeleteSectionRequest(
        venue_id=venue_id, section_id=section_id, expected_version=expected
    )
    reply = await behind.catalog(behind.catalog.rpc.DeleteSection, request)
    return Response(status_code=204, headers=etag(str(reply.venue_version)))


def _venue(
    venue: catalog_pb2.Venue, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    body = to_json(views.venue(venue))
    headers = {**(headers or {}), **etag(tag_of(body, venue.version))}
    return Response(body, status, headers, "application/json")


async def _version(behind: Backend, venue_id: str) -> int:
    request = catalog_pb2.GetVenueRequest(venue_id=venue_id)
    return (await behind.catalog(behind.catalog.rpc.GetVenue, request)).venue.version


def _point(point: Point) -> catalog_pb2.Point:
    return catalog_pb2.Point(x=point.x, y=point.y)


def _area(area: Rectangle) -> catalog_pb2.SectionArea:
    return catalog_pb2.SectionArea(**area.model_dump(include=area.model_fields_set))


def _rows(rows: Iterable[NewRow]) -> Iterable[catalog_pb2.Row]:
    for row in rows:
        yield catalog_pb2.Row(
            label=row.label,
            seats=row.seats if isinstance(row.seats, list) else (),
            count=row.seats if isinstance(row.seats, int) else 0,
            numbering=row.numbering or "",
            start=row.start,
            missing=row.missing,
        )
