"""Venues and their sections."""

from __future__ import annotations

from parterre.catalog.v1 import catalog_pb2

from catalog_service import domain
from catalog_service.domain import (
    Layout,
    Row,
    SectionDraft,
    VenueDraft,
)
from catalog_service.handlers import venues as handlers
from catalog_service.rpc.calls import (
    Call,
    Rpcs,
    stamp,
    venue_id_of,
    who_asks,
)


class VenueRpcs(Rpcs):
    """Venues and their sections."""

    async def CreateVenue(  # noqa: N802 - the proto's name, as of every method here
        self, request: catalog_pb2.CreateVenueRequest, _context: Call
    ) -> catalog_pb2.CreateVenueResponse:
        person, draft = who_asks(), _venue_draft(request.venue)
        venue = await self._database.run(
            lambda session: handlers.create_venue(session, person, draft)
        )
        return catalog_pb2.CreateVenueResponse(venue=venue_message(venue))

    async def AddSection(  # noqa: N802
        self, request: catalog_pb2.AddSectionRequest, _context: Call
    ) -> catalog_pb2.AddSectionResponse:
        person, venue_id = who_asks(), venue_id_of(request.venue_id)
        draft = _section_draft(request.section)
        section = await self._database.run(
            lambda session: handlers.add_section(session, person, venue_id, draft)
        )
        return catalog_pb2.AddSectionResponse(section=section_message(section))

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
        name=venue.name.strip(),
        address=venue.address.strip(),
        city=venue.city.strip(),
        country=venue.country,
        timezone=venue.timezone,
        capacity=venue.capacity if venue.HasField("capacity") else None,
        amenities=[amenity.strip() for amenity in venue.amenities],
    )


def _section_draft(section: catalog_pb2.Section) -> SectionDraft:
    layout, default = section.layout, Layout()
    return SectionDraft(
        name=section.name.strip(),
        kind=section.kind,
        rows=[Row(row.label.strip(), [seat.strip() for seat in row.seats]) for row in section.rows],
        capacity=section.capacity,
        layout=Layout(
            layout.origin_x,
            layout.origin_y,
            layout.row_spacing or default.row_spacing,
            layout.seat_spacing or default.seat_spacing,
            layout.curve,
        )
        if section.rows
        else default,
    )


def venue_message(venue: domain.Venue) -> catalog_pb2.Venue:
    draft = venue.draft
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
        sections=[section_message(section) for section in venue.sections],
        version=venue.version,
        created_at=stamp(venue.created_at),
    )


def section_message(section: domain.Section) -> catalog_pb2.Section:
    layout = section.layout
    return catalog_pb2.Section(
        id=str(section.id),
        name=section.name,
        kind=section.kind,
        rows=[catalog_pb2.Row(label=row.label, seats=row.seats) for row in section.rows],
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
    )
