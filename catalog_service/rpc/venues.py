"""Venues and their sections."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from parterre.catalog.v1 import catalog_pb2

from catalog_service import domain
from catalog_service.domain import (
    Area,
    AreaDraft,
    Layout,
    Point,
    Row,
    RowDraft,
    SectionDraft,
    SectionNotFoundError,
    VenueDraft,
    expanded,
)
from catalog_service.handlers import venues as handlers
from catalog_service.rpc.calls import (
    Call,
    Rpcs,
    venue_id_of,
    who_asks,
)
from chassis.database import Session
from chassis.idempotency import once
from chassis.ids import parse_uuid
from chassis.text import line
from chassis.timestamps import timestamp


class VenueRpcs(Rpcs):
    """Venues and their sections."""

    async def CreateVenue(  # noqa: N802 - the proto's name, as of every method here
        self, request: catalog_pb2.CreateVenueRequest, context: Call
    ) -> catalog_pb2.CreateVenueResponse:
        person, draft = who_asks(), _venue_draft(request.venue)

        async def work(session: Session) -> catalog_pb2.CreateVenueResponse:
            venue = await handlers.create_venue(session, person, draft)
            return catalog_pb2.CreateVenueResponse(venue=venue_message(venue))

        return await once(self._database, request, catalog_pb2.CreateVenueResponse, work, context)

    async def AddSection(  # noqa: N802
        self, request: catalog_pb2.AddSectionRequest, context: Call
    ) -> catalog_pb2.AddSectionResponse:
        person, venue_id = who_asks(), venue_id_of(request.venue_id)
        draft = _section_draft(request.section)

        async def work(session: Session) -> catalog_pb2.AddSectionResponse:
            section, area = await handlers.add_section(session, person, venue_id, draft)
            return catalog_pb2.AddSectionResponse(section=section_message(section, area))

        return await once(self._database, request, catalog_pb2.AddSectionResponse, work, context)

    async def UpdateVenue(  # noqa: N802
        self, request: catalog_pb2.UpdateVenueRequest, _context: Call
    ) -> catalog_pb2.UpdateVenueResponse:
        person, venue_id = who_asks(), venue_id_of(request.venue_id)
        change = _venue_change(request)
        venue = await self._database.run(
            lambda session: handlers.update_venue(
                session, person, venue_id, change, expected=request.expected_version
            )
        )
        return catalog_pb2.UpdateVenueResponse(venue=venue_message(venue))

    async def UpdateSection(  # noqa: N802
        self, request: catalog_pb2.UpdateSectionRequest, _context: Call
    ) -> catalog_pb2.UpdateSectionResponse:
        person, venue_id = who_asks(), venue_id_of(request.venue_id)
        section_id, change = _section_id(request.section_id), _section_change(request)
        section, area, version = await self._database.run(
            lambda session: handlers.update_section(
                session, person, venue_id, section_id, change, expected=request.expected_version
            )
        )
        return catalog_pb2.UpdateSectionResponse(
            section=section_message(section, area), venue_version=version
        )

    async def DeleteSection(  # noqa: N802
        self, request: catalog_pb2.DeleteSectionRequest, _context: Call
    ) -> catalog_pb2.DeleteSectionResponse:
        person, venue_id = who_asks(), venue_id_of(request.venue_id)
        section_id = _section_id(request.section_id)
        version = await self._database.run(
            lambda session: handlers.delete_section(
                session, person, venue_id, section_id, expected=request.expected_version
            )
        )
        return catalog_pb2.DeleteSectionResponse(venue_version=version)

    async def GetVenue(  # noqa: N802
        self, request: catalog_pb2.GetVenueRequest, _context: Call
    ) -> catalog_pb2.GetVenueResponse:
        venue_id = venue_id_of(request.venue_id)
        venue = await self._database.run(lambda session: handlers.get_venue(session, venue_id))
        return catalog_pb2.GetVenueResponse(venue=venue_message(venue))

    async def ListVenues(  # noqa: N802
        self, request: catalog_pb2.ListVenuesRequest, _context: Call
    ) -> catalog_pb2.ListVenuesResponse:
        venues, cursor = await self._database.run(
            lambda session: handlers.list_venues(session, request.limit, request.cursor)
        )
        return catalog_pb2.ListVenuesResponse(
            venues=[venue_message(venue) for venue in venues], next_cursor=cursor
        )


def _venue_draft(venue: catalog_pb2.Venue) -> VenueDraft:
    return VenueDraft(
        name=line(venue.name),
        address=line(venue.address),
        city=line(venue.city),
        country=venue.country,
        timezone=venue.timezone,
        capacity=venue.capacity if venue.HasField("capacity") else None,
        amenities=[line(amenity) for amenity in venue.amenities],
        focal=Point(venue.focal.x, venue.focal.y) if venue.HasField("focal") else None,
    )


def _venue_change(request: catalog_pb2.UpdateVenueRequest) -> dict[str, Any]:
    change: dict[str, Any] = {
        field: line(getattr(request, field))
        for field in ("name", "address", "city", "country", "timezone")
        if request.HasField(field)
    }
    if request.HasField("capacity"):
        change["capacity"] = request.capacity or None
    if request.HasField("amenities"):
        change["amenities"] = [line(amenity) for amenity in request.amenities.words]
    if request.HasField("focal"):
        change["focal"] = Point(request.focal.x, request.focal.y)
    if request.default_focal:
        change["focal"] = None
    return change


def _section_id(text: str) -> UUID:
    id = parse_uuid(text)
    if id is None:
        raise SectionNotFoundError("The venue has no such section.")
    return id


def _section_change(request: catalog_pb2.UpdateSectionRequest) -> dict[str, Any]:
    change: dict[str, Any] = {}
    if request.HasField("name"):
        change["name"] = line(request.name)
    if request.rows:
        change["rows"] = _rows(request.rows)
    if request.HasField("layout"):
        change["layout"] = _said(request.layout)
    if request.HasField("area"):
        change["area"] = _said(request.area)
    if request.default_area:
        change["area"] = None
    if request.HasField("capacity"):
        change["capacity"] = request.capacity
    return change


def _section_draft(section: catalog_pb2.Section) -> SectionDraft:
    return SectionDraft(
        name=line(section.name),
        kind=section.kind,
        rows=_rows(section.rows),
        capacity=section.capacity,
        layout=Layout(**_said(section.layout)) if section.rows else Layout(),
        area=AreaDraft(**_said(section.area)),
    )


def _rows(rows: Iterable[catalog_pb2.Row]) -> Sequence[Row]:
    return expanded(
        [
            RowDraft(
                label=line(row.label),
                seats=[line(seat) for seat in row.seats],
                count=row.count,
                numbering=row.numbering,
                start=row.start if row.HasField("start") else None,
                missing=[line(seat) for seat in row.missing],
            )
            for row in rows
        ]
    )


def _said(drawing: catalog_pb2.SectionLayout | catalog_pb2.SectionArea) -> dict[str, float]:
    return {field.name: value for field, value in drawing.ListFields()}


def venue_message(venue: domain.Venue) -> catalog_pb2.Venue:
    draft = venue.draft
    area_of = domain.areas(venue.sections, draft.focal)
    return catalog_pb2.Venue(
        id=str(venue.id),
        owner_id=str(venue.owner_id),
        name=draft.name,
        address=draft.address,
        city=draft.city,
        country=draft.country,
        timezone=draft.timezone,
        capacity=venue.capacity,
        amenities=draft.amenities,
        sections=[section_message(part, area_of.get(part.id)) for part in venue.sections],
        version=venue.version,
        created_at=timestamp(venue.created_at),
        focal=catalog_pb2.Point(x=draft.focal.x, y=draft.focal.y) if draft.focal else None,
    )


def section_message(section: domain.Section, area: Area | None) -> catalog_pb2.Section:
    layout = section.layout
    return catalog_pb2.Section(
        id=str(section.id),
        name=section.name,
        kind=section.kind,
        rows=[
            catalog_pb2.Row(label=row.label, seats=row.seats, xs=row.xs, ys=row.ys)
            for row in section.rows
        ],
        capacity=section.capacity,
        layout=catalog_pb2.SectionLayout(
            origin_x=layout.origin_x,
            origin_y=layout.origin_y,
            row_spacing=layout.row_spacing,
            seat_spacing=layout.seat_spacing,
            curve=layout.curve,
        )
        if section.kind == "SEATED"
        else None,
        area=catalog_pb2.SectionArea(x=area.x, y=area.y, width=area.width, height=area.height)
        if area
        else None,
        default_area=section.kind == "STANDING" and section.area == AreaDraft(),
    )
