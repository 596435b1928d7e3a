"""Events, from draft to cancellation or end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID

from parterre.catalog.v1 import catalog_pb2
from parterre.types.v1 import types_pb2

from catalog_service import domain
from catalog_service.domain import (
    CapacityEdit,
    CatalogError,
    EventChange,
    InvalidEventError,
    InvalidFilterError,
    OvertakenError,
    Person,
    RefundPolicy,
    TierDraft,
)
from catalog_service.handlers import events as handlers
from catalog_service.rpc.calls import (
    Call,
    Rpcs,
    event_id_of,
    instant,
    venue_id_of,
    who_asks,
    who_looks,
)
from catalog_service.rpc.images import image_message
from catalog_service.rpc.venues import venue_message
from chassis.database import Session
from chassis.errors import RemoteError
from chassis.idempotency import once
from chassis.ids import parse_uuid
from chassis.text import line, lines
from chassis.timestamps import timestamp

# How often an edit of capacities is tried while others come in between.
_TRIES = 8
# Together they fit in a message, however much they say.
_MOST_READ = 24


class EventRpcs(Rpcs):
    """Events, from draft to cancellation."""

    async def CreateEvent(  # noqa: N802
        self, request: catalog_pb2.CreateEventRequest, context: Call
    ) -> catalog_pb2.CreateEventResponse:
        person, draft = who_asks(), _event_draft(request.draft)
        tiers = [_tier_draft(tier, number) for number, tier in enumerate(request.tiers)]

        async def work(session: Session) -> catalog_pb2.CreateEventResponse:
            event = await handlers.create_event(session, person, draft, tiers)
            return catalog_pb2.CreateEventResponse(event=event_message(event))

        return await once(self._database, request, catalog_pb2.CreateEventResponse, work, context)

    async def UpdateEvent(  # noqa: N802
        self, request: catalog_pb2.UpdateEventRequest, _context: Call
    ) -> catalog_pb2.UpdateEventResponse:
        person, event_id = who_asks(), event_id_of(request.event_id)
        change = _event_change(request)
        # Each time somebody else's edit was the later one, so that all of them come through.
        for _ in range(_TRIES - 1):
            with suppress(OvertakenError):
                event = await self._edit(person, event_id, change)
                return catalog_pb2.UpdateEventResponse(event=event_message(event))
        event = await self._edit(person, event_id, change)
        return catalog_pb2.UpdateEventResponse(event=event_message(event))

    async def _edit(self, person: Person, event_id: UUID, change: EventChange) -> domain.Event:
        """Edits an event, once inventory has the capacities that the edit needs."""
        asked = None
        if change.tiers is not None:
            asked = await self._database.run(
                lambda session: handlers.ask_capacity(session, person, event_id, change)
            )
        if asked is None:
            return await self._database.run(
                lambda session: handlers.edit_event(
                    session, person, event_id, change, released_for=self._released_for
                )
            )
        whole = await self._inventory.set_capacity(asked)
        if whole is None:
            raise OvertakenError
        try:
            return await self._database.run(
                lambda session: handlers.edit_event(
                    session,
                    person,
                    event_id,
                    change,
                    made=asked,
                    whole=whole,
                    released_for=self._released_for,
                )
            )
        except CatalogError:
            await self._take_back(asked)
            raise

    async def _take_back(self, made: CapacityEdit) -> None:
        """Lets inventory have again what the catalog says; where it can't, the catalog follows."""
        undo = await self._database.run(lambda session: handlers.take_back_capacity(session, made))
        if undo is None:
            return
        with suppress(CatalogError, RemoteError):
            whole = await self._inventory.set_capacity(undo)
            if whole is not None:
                await self._database.run(
                    lambda session: handlers.capacity_settled(session, undo, whole)
                )

    async def DeleteEvent(  # noqa: N802
        self, request: catalog_pb2.DeleteEventRequest, _context: Call
    ) -> catalog_pb2.DeleteEventResponse:
        person, event_id = who_asks(), event_id_of(request.event_id)
        await self._database.run(
            lambda session: handlers.delete_event(
                session, person, event_id, request.expected_version
            )
        )
        return catalog_pb2.DeleteEventResponse()

    async def CountEvents(  # noqa: N802
        self, request: catalog_pb2.CountEventsRequest, _context: Call
    ) -> catalog_pb2.CountEventsResponse:
        person = who_asks()
        active, total = await self._database.run(
            lambda session: handlers.count_events(session, person, own_only=request.own_only)
        )
        return catalog_pb2.CountEventsResponse(active=active, total=total)

    async def PublishEvent(  # noqa: N802
        self, request: catalog_pb2.PublishEventRequest, context: Call
    ) -> catalog_pb2.PublishEventResponse:
        person, event_id = who_asks(), event_id_of(request.event_id)

        async def work(session: Session) -> catalog_pb2.PublishEventResponse:
            event = await handlers.publish_event(session, person, event_id)
            return catalog_pb2.PublishEventResponse(event=event_message(event))

        return await once(self._database, request, catalog_pb2.PublishEventResponse, work, context)

    async def CancelEvent(  # noqa: N802
        self, request: catalog_pb2.CancelEventRequest, context: Call
    ) -> catalog_pb2.CancelEventResponse:
        person, event_id = who_asks(), event_id_of(request.event_id)
        reason = line(request.reason)

        async def work(session: Session) -> catalog_pb2.CancelEventResponse:
            event = await handlers.cancel_event(session, person, event_id, reason)
            return catalog_pb2.CancelEventResponse(event=event_message(event))

        return await once(self._database, request, catalog_pb2.CancelEventResponse, work, context)

    async def GetEvent(  # noqa: N802
        self, request: catalog_pb2.GetEventRequest, _context: Call
    ) -> catalog_pb2.GetEventResponse:
        viewer, event_id = who_looks(), event_id_of(request.event_id)
        event = await self._database.run(
            lambda session: handlers.get_event(session, viewer, event_id)
        )
        return catalog_pb2.GetEventResponse(event=event_message(event))

    async def ReadEvents(  # noqa: N802
        self, request: catalog_pb2.ReadEventsRequest, _context: Call
    ) -> catalog_pb2.ReadEventsResponse:
        if not 1 <= len(request.items) <= _MOST_READ:
            raise InvalidFilterError("So many can't be read.", items=f"must be 1-{_MOST_READ}")
        ids = [parse_uuid(item.event_id) for item in request.items]
        known = {id: item.known_stamp for id, item in zip(ids, request.items, strict=True) if id}
        found = await self._database.run(lambda session: handlers.read_events(session, known))
        reply = catalog_pb2.ReadEventsResponse()
        for id in ids:
            stamp, event = found.get(id, ("", None)) if id else ("", None)
            reply.results.add(stamp=stamp, event=event_message(event) if event else None)
        return reply


def _tier_draft(tier: catalog_pb2.Tier, number: int, *, may_exist: bool = False) -> TierDraft:
    section_ids = []
    for text in tier.section_ids:
        id = parse_uuid(text)
        if id is None:
            raise domain.unknown_section(number)
        section_ids.append(id)
    tier_id = parse_uuid(tier.id) if may_exist else None
    if may_exist and tier.id and tier_id is None:
        raise InvalidEventError("A tier has no such id.", **{f"tiers.{number}.id": "must be an id"})
    return TierDraft(line(tier.name), tier.price, section_ids, tier.capacity, tier_id)


def _line(draft: catalog_pb2.EventDraft, field: str) -> str:
    return line(str(getattr(draft, field)))


def _lines(draft: catalog_pb2.EventDraft, field: str) -> str:
    return lines(str(getattr(draft, field)))


def _code(draft: catalog_pb2.EventDraft, field: str) -> str:
    return str(getattr(draft, field))


def _number(draft: catalog_pb2.EventDraft, field: str) -> int:
    return int(getattr(draft, field))


def _maybe_time(draft: catalog_pb2.EventDraft, field: str) -> datetime | None:
    if not draft.HasField(field):  # type: ignore[arg-type] # the callers' are times
        return None
    return instant(getattr(draft, field), field, InvalidEventError)


def _time(draft: catalog_pb2.EventDraft, field: str) -> datetime:
    moment = _maybe_time(draft, field)
    if moment is None:
        raise InvalidEventError(f"{field} is missing.", **{field: "must be given"})
    return moment


def _venue(draft: catalog_pb2.EventDraft, field: str) -> UUID | None:
    return venue_id_of(getattr(draft, field)) if getattr(draft, field) else None


def _limit(draft: catalog_pb2.EventDraft, field: str) -> int:
    return _number(draft, field) or domain.DEFAULT_MAX_PER_CUSTOMER


def _policy(draft: catalog_pb2.EventDraft, field: str) -> RefundPolicy:
    if not draft.HasField(field):  # type: ignore[arg-type] # the caller's is a policy
        return RefundPolicy()
    return RefundPolicy(draft.refund_policy.until_hours_before, draft.refund_policy.percent)


# What an organizer says of an event, and how each field of it is read.
_FIELDS: Mapping[str, Callable[[catalog_pb2.EventDraft, str], Any]] = {
    "title": _line,
    "description": _lines,
    "category": _code,
    "venue_id": _venue,
    "location": _line,
    "starts_at": _time,
    "ends_at": _time,
    "doors_at": _maybe_time,
    "timezone": _code,
    "currency": _code,
    "max_per_customer": _limit,
    "sales_from": _maybe_time,
    "sales_to": _maybe_time,
    "refund_policy": _policy,
    "tax_basis_points": _number,
    "terms": _lines,
}


def _event_draft(draft: catalog_pb2.EventDraft) -> domain.EventDraft:
    return domain.EventDraft(**{field: read(draft, field) for field, read in _FIELDS.items()})


def _event_change(request: catalog_pb2.UpdateEventRequest) -> EventChange:
    fields = set(request.fields)
    unknown = fields - {*_FIELDS, "tiers"}
    if unknown:
        raise InvalidEventError(
            "There is no such field.", **dict.fromkeys(sorted(unknown)[:20], "is no field")
        )
    tiers = [_tier_draft(tier, number, may_exist=True) for number, tier in enumerate(request.tiers)]
    return EventChange(
        {field: read(request.draft, field) for field, read in _FIELDS.items() if field in fields},
        tiers if "tiers" in fields else None,
        request.expected_version,
    )


def event_message(event: domain.Event) -> catalog_pb2.Event:
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
            starts_at=timestamp(draft.starts_at),
            ends_at=timestamp(draft.ends_at),
            doors_at=timestamp(draft.doors_at),
            timezone=draft.timezone,
            currency=draft.currency,
            max_per_customer=draft.max_per_customer,
            sales_from=timestamp(draft.sales_from),
            sales_to=timestamp(draft.sales_to),
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
        venue=venue_message(event.venue) if event.venue else None,
        capacity=event.capacity,
        cancel_reason=event.cancel_reason,
        version=event.version,
        created_at=timestamp(event.created_at),
        updated_at=timestamp(event.updated_at),
        availability=catalog_pb2.Event.Availability(
            available=event.availability.available,
            capacity=event.availability.capacity,
            sales_open=event.availability.sales_open,
        )
        if event.availability
        else None,
        rating=catalog_pb2.Event.Rating(
            average_hundredths=event.rating.hundredths, count=event.rating.count
        )
        if event.rating
        else None,
        images=map(image_message, event.images),
        moved=catalog_pb2.Event.Moved(
            at=timestamp(event.moved.at), cancel_until=timestamp(event.moved.cancel_until)
        )
        if event.moved
        else None,
    )
