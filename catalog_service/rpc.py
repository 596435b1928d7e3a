"""The gRPC servicer: proto to domain and back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import grpc
from google.protobuf.timestamp_pb2 import Timestamp
from parterre.catalog.v1 import catalog_pb2, catalog_pb2_grpc
from parterre.types.v1 import types_pb2

from catalog_service import domain, handlers
from catalog_service.domain import (
    CatalogError,
    EventNotFoundError,
    EventSearch,
    InvalidEventError,
    InvalidFilterError,
    Layout,
    Person,
    RefundPolicy,
    Row,
    SectionDraft,
    TierDraft,
    VenueDraft,
    VenueNotFoundError,
)
from chassis.context import caller
from chassis.database import Database
from chassis.identity import Role
from chassis.ids import parse_uuid

SERVICE = catalog_pb2.DESCRIPTOR.services_by_name["CatalogService"]

_Call = grpc.aio.ServicerContext[Any, Any]


class CatalogServicer(catalog_pb2_grpc.CatalogServiceServicer):
    """The catalog."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def CreateVenue(  # noqa: N802 - the proto's name, as of every method here
        self, request: catalog_pb2.CreateVenueRequest, _context: _Call
    ) -> catalog_pb2.CreateVenueResponse:
        person, draft = _person(), _venue_draft(request.venue)
        venue = await self._database.run(
            lambda session: handlers.create_venue(session, person, draft)
        )
        return catalog_pb2.CreateVenueResponse(venue=_venue(venue))

    async def AddSection(  # noqa: N802
        self, request: catalog_pb2.AddSectionRequest, _context: _Call
    ) -> catalog_pb2.AddSectionResponse:
        person, venue_id = _person(), _venue_id(request.venue_id)
        draft = _section_draft(request.section)
        section = await self._database.run(
            lambda session: handlers.add_section(session, person, venue_id, draft)
        )
        return catalog_pb2.AddSectionResponse(section=_section(section))

    async def GetVenue(  # noqa: N802
        self, request: catalog_pb2.GetVenueRequest, _context: _Call
    ) -> catalog_pb2.GetVenueResponse:
        venue_id = _venue_id(request.venue_id)
        venue = await self._database.run(lambda session: handlers.get_venue(session, venue_id))
        return catalog_pb2.GetVenueResponse(venue=_venue(venue))

    async def ListVenues(  # noqa: N802
        self, request: catalog_pb2.ListVenuesRequest, _context: _Call
    ) -> catalog_pb2.ListVenuesResponse:
        venues, cursor = await self._database.run(
            lambda session: handlers.list_venues(session, request.limit, request.cursor)
        )
        return catalog_pb2.ListVenuesResponse(
            venues=[_venue(venue) for venue in venues], next_cursor=cursor
        )

    async def CreateEvent(  # noqa: N802
        self, request: catalog_pb2.CreateEventRequest, _context: _Call
    ) -> catalog_pb2.CreateEventResponse:
        person, draft = _person(), _event_draft(request.draft)
        tiers = [_tier_draft(tier, number) for number, tier in enumerate(request.tiers)]
        event = await self._database.run(
            lambda session: handlers.create_event(session, person, draft, tiers)
        )
        return catalog_pb2.CreateEventResponse(event=_event(event))

    async def PublishEvent(  # noqa: N802
        self, request: catalog_pb2.PublishEventRequest, _context: _Call
    ) -> catalog_pb2.PublishEventResponse:
        person, event_id = _person(), _event_id(request.event_id)
        event = await self._database.run(
            lambda session: handlers.publish_event(session, person, event_id)
        )
        return catalog_pb2.PublishEventResponse(event=_event(event))

    async def CancelEvent(  # noqa: N802
        self, request: catalog_pb2.CancelEventRequest, _context: _Call
    ) -> catalog_pb2.CancelEventResponse:
        person, event_id = _person(), _event_id(request.event_id)
        reason = request.reason.strip()
        event = await self._database.run(
            lambda session: handlers.cancel_event(session, person, event_id, reason)
        )
        return catalog_pb2.CancelEventResponse(event=_event(event))

    async def GetEvent(  # noqa: N802
        self, request: catalog_pb2.GetEventRequest, _context: _Call
    ) -> catalog_pb2.GetEventResponse:
        viewer, event_id = _viewer(), _event_id(request.event_id)
        event = await self._database.run(
            lambda session: handlers.get_event(session, viewer, event_id)
        )
        return catalog_pb2.GetEventResponse(event=_event(event))

    async def ListEvents(  # noqa: N802
        self, request: catalog_pb2.ListEventsRequest, _context: _Call
    ) -> catalog_pb2.ListEventsResponse:
        search = _event_search(request)
        events, cursor = await self._database.run(
            lambda session: handlers.list_events(session, search, request.limit, request.cursor)
        )
        return catalog_pb2.ListEventsResponse(
            events=[_event(event) for event in events], next_cursor=cursor
        )


# --- what comes in -----------------------------------------------------------------------------


def _person() -> Person:
    """The caller of an RPC that only people may call."""
    identity = caller()
    return Person(UUID(identity.subject), identity.role is Role.ADMIN)


def _viewer() -> Person | None:
    """The caller, if it is a person."""
    return None if caller().is_process else _person()


def _venue_id(text: str) -> UUID:
    id = parse_uuid(text)
    if id is None:
        raise VenueNotFoundError
    return id


def _event_id(text: str) -> UUID:
    id = parse_uuid(text)
    if id is None:
        raise EventNotFoundError
    return id


def _instant(stamp: Timestamp, field: str, error: type[CatalogError]) -> datetime:
    try:
        return stamp.ToDatetime(UTC)
    except (ValueError, OverflowError):
        raise error(f"{field} is no time.", **{field: "is no time"}) from None


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


def _tier_draft(tier: catalog_pb2.Tier, number: int) -> TierDraft:
    section_ids = []
    for text in tier.section_ids:
        id = parse_uuid(text)
        if id is None:
            raise domain.unknown_section(number)
        section_ids.append(id)
    return TierDraft(tier.name.strip(), tier.price, section_ids, tier.capacity)


def _event_draft(draft: catalog_pb2.EventDraft) -> domain.EventDraft:
    times: dict[str, datetime] = {}
    for field in ("starts_at", "ends_at", "doors_at", "sales_from", "sales_to"):
        if draft.HasField(field):
            times[field] = _instant(getattr(draft, field), field, InvalidEventError)
    for field in ("starts_at", "ends_at"):
        if field not in times:
            raise InvalidEventError(f"{field} is missing.", **{field: "is missing"})
    policy = draft.refund_policy
    return domain.EventDraft(
        title=draft.title.strip(),
        description=draft.description.strip(),
        category=draft.category,
        venue_id=_venue_id(draft.venue_id) if draft.venue_id else None,
        location=draft.location.strip(),
        starts_at=times["starts_at"],
        ends_at=times["ends_at"],
        doors_at=times.get("doors_at"),
        timezone=draft.timezone,
        currency=draft.currency,
        max_per_customer=draft.max_per_customer or domain.DEFAULT_MAX_PER_CUSTOMER,
        sales_from=times.get("sales_from"),
        sales_to=times.get("sales_to"),
        refund_policy=RefundPolicy(policy.until_hours_before, policy.percent)
        if draft.HasField("refund_policy")
        else RefundPolicy(),
        tax_basis_points=draft.tax_basis_points,
        terms=draft.terms.strip(),
    )


def _event_search(request: catalog_pb2.ListEventsRequest) -> EventSearch:
    organizer_id = parse_uuid(request.organizer_id) if request.organizer_id else None
    if request.organizer_id and organizer_id is None:
        raise InvalidFilterError("organizer_id is no id.", organizer_id="is no id")
    viewer = _viewer()
    if request.own_only and viewer is None:
        raise InvalidFilterError("Nobody in particular has no events of their own.")
    return EventSearch(
        query=request.query.strip(),
        category=request.category,
        city=request.city.strip(),
        starts_from=_instant(request.starts_from, "from", InvalidFilterError)
        if request.HasField("starts_from")
        else None,
        starts_before=_instant(request.starts_before, "to", InvalidFilterError)
        if request.HasField("starts_before")
        else None,
        min_price=request.min_price if request.HasField("min_price") else None,
        max_price=request.max_price if request.HasField("max_price") else None,
        status=request.status,
        organizer_id=organizer_id,
        sort=request.sort or domain.SORTS[0],
        owner_id=viewer.id if viewer and request.own_only else None,
    )


# --- what goes out -----------------------------------------------------------------------------


def _stamp(moment: datetime | None) -> Timestamp | None:
    if moment is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp


def _venue(venue: domain.Venue) -> catalog_pb2.Venue:
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
        sections=[_section(section) for section in venue.sections],
        version=venue.version,
        created_at=_stamp(venue.created_at),
    )


def _section(section: domain.Section) -> catalog_pb2.Section:
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


def _event(event: domain.Event) -> catalog_pb2.Event:
    draft = event.draft
    return catalog_pb2.Event(
        id=str(event.id),
        organizer_id=str(event.organizer_id),
        status=event.status,
        draft=catalog_pb2.EventDraft(
            title=draft.title,
            description=draft.description,
            category=draft.category,
            venue_id=str(draft.venue_id or ""),
            location=draft.location,
            starts_at=_stamp(draft.starts_at),
            ends_at=_stamp(draft.ends_at),
            doors_at=_stamp(draft.doors_at),
            timezone=draft.timezone,
            currency=draft.currency,
            max_per_customer=draft.max_per_customer,
            sales_from=_stamp(draft.sales_from),
            sales_to=_stamp(draft.sales_to),
            refund_policy=types_pb2.RefundPolicy(
                until_hours_before=draft.refund_policy.until_hours_before,
                percent=draft.refund_policy.percent,
            ),
            tax_basis_points=draft.tax_basis_points,
            terms=draft.terms,
        ),
        tiers=[
            catalog_pb2.Tier(
                id=str(tier.id),
                name=tier.name,
                price=tier.price,
                section_ids=map(str, tier.section_ids),
                capacity=tier.capacity,
            )
            for tier in event.tiers
        ],
        venue=_venue(event.venue) if event.venue else None,
        capacity=event.capacity,
        cancel_reason=event.cancel_reason,
        version=event.version,
        created_at=_stamp(event.created_at),
    )
