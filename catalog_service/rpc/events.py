"""Events, from draft to cancellation."""

from __future__ import annotations

from datetime import datetime

from parterre.catalog.v1 import catalog_pb2
from parterre.types.v1 import types_pb2

from catalog_service import domain
from catalog_service.domain import (
    InvalidEventError,
    RefundPolicy,
    TierDraft,
)
from catalog_service.handlers import events as handlers
from catalog_service.rpc.calls import (
    Call,
    Rpcs,
    event_id_of,
    instant,
    stamp,
    venue_id_of,
    who_asks,
    who_looks,
)
from catalog_service.rpc.images import image_message
from catalog_service.rpc.venues import venue_message
from chassis.ids import parse_uuid


class EventRpcs(Rpcs):
    """Events, from draft to cancellation."""

    async def CreateEvent(  # noqa: N802
        self, request: catalog_pb2.CreateEventRequest, _context: Call
    ) -> catalog_pb2.CreateEventResponse:
        person, draft = who_asks(), _event_draft(request.draft)
        tiers = [_tier_draft(tier, number) for number, tier in enumerate(request.tiers)]
        event = await self._database.run(
            lambda session: handlers.create_event(session, person, draft, tiers)
        )
        return catalog_pb2.CreateEventResponse(event=event_message(event))

    async def PublishEvent(  # noqa: N802
        self, request: catalog_pb2.PublishEventRequest, _context: Call
    ) -> catalog_pb2.PublishEventResponse:
        person, event_id = who_asks(), event_id_of(request.event_id)
        event = await self._database.run(
            lambda session: handlers.publish_event(session, person, event_id)
        )
        return catalog_pb2.PublishEventResponse(event=event_message(event))

    async def CancelEvent(  # noqa: N802
        self, request: catalog_pb2.CancelEventRequest, _context: Call
    ) -> catalog_pb2.CancelEventResponse:
        person, event_id = who_asks(), event_id_of(request.event_id)
        reason = request.reason.strip()
        event = await self._database.run(
            lambda session: handlers.cancel_event(session, person, event_id, reason)
        )
        return catalog_pb2.CancelEventResponse(event=event_message(event))

    async def GetEvent(  # noqa: N802
        self, request: catalog_pb2.GetEventRequest, _context: Call
    ) -> catalog_pb2.GetEventResponse:
        viewer, event_id = who_looks(), event_id_of(request.event_id)
        event = await self._database.run(
            lambda session: handlers.get_event(session, viewer, event_id)
        )
        return catalog_pb2.GetEventResponse(event=event_message(event))


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
            times[field] = instant(getattr(draft, field), field, InvalidEventError)
    for field in ("starts_at", "ends_at"):
        if field not in times:
            raise InvalidEventError(f"{field} is missing.", **{field: "is missing"})
    policy = draft.refund_policy
    return domain.EventDraft(
        title=draft.title.strip(),
        description=draft.description.strip(),
        category=draft.category,
        venue_id=venue_id_of(draft.venue_id) if draft.venue_id else None,
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
            starts_at=stamp(draft.starts_at),
            ends_at=stamp(draft.ends_at),
            doors_at=stamp(draft.doors_at),
            timezone=draft.timezone,
            currency=draft.currency,
            max_per_customer=draft.max_per_customer,
            sales_from=stamp(draft.sales_from),
            sales_to=stamp(draft.sales_to),
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
        created_at=stamp(event.created_at),
        images=map(image_message, event.images),
    )
