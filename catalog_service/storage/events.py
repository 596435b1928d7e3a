"""Tables `event`, `tier` and `tier_section`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from uuid import UUID

from catalog_service.domain import (
    Event,
    EventDraft,
    Image,
    Person,
    RefundPolicy,
    Tier,
    TierDraft,
    Venue,
    lowest_price,
)
from catalog_service.storage.venues import find_venue
from chassis.database import Row as DatabaseRow
from chassis.database import Session
from chassis.ids import uuid7

_ADD_EVENT = """
INSERT INTO event (id, organizer_id, title, description, category, venue_id, location, starts_at,
                   ends_at, doors_at, timezone, currency, max_per_customer, sales_from, sales_to,
                   refund_until_hours, refund_percent, tax_basis_points, terms, min_price)
VALUES (:id, :organizer_id, :title, :description, :category, :venue_id, :location, :starts_at,
        :ends_at, :doors_at, :timezone, :currency, :max_per_customer, :sales_from, :sales_to,
        :refund_until_hours, :refund_percent, :tax_basis_points, :terms, :min_price)
"""
_ADD_AVAILABILITY = "INSERT INTO availability (event_id, status) VALUES (:id, 'DRAFT')"
_ADD_TIER = """
INSERT INTO tier (id, event_id, position, name, price, capacity)
VALUES (:id, :event_id, :position, :name, :price, :capacity)
"""
_ADD_TIER_SECTION = """
INSERT INTO tier_section (event_id, section_id, tier_id, venue_id)
VALUES (:event_id, :section_id, :tier_id, :venue_id)
"""
SHOWN_STATUS = """
CASE WHEN event.status = 'PUBLISHED' AND event.ends_at <= now() THEN 'COMPLETED'
     ELSE event.status END
"""
# Tiers come with the event in one statement, so that they are of the version it says.
EVENT = (
    "SELECT event.*, "  # noqa: S608 - of constants alone
    + SHOWN_STATUS
    + """ AS shown_status,
       (SELECT json_agg(json_build_object(
                   'id', tier.id, 'name', tier.name, 'price', tier.price,
                   'capacity', tier.capacity,
                   'section_ids', ARRAY(SELECT section_id FROM tier_section
                                         WHERE tier_section.event_id = event.id
                                           AND tier_section.tier_id = tier.id
                                         ORDER BY section_id))
                   ORDER BY tier.position)
          FROM tier WHERE tier.event_id = event.id) AS tiers,
       (SELECT json_agg(json_build_object(
                   'id', image.id, 'role', image.role, 'widths', image.widths,
                   'width', image.width, 'height', image.height)
                   ORDER BY image.role, image.slot)
          FROM image WHERE image.event_id = event.id AND image.state = 'STORED') AS images
  FROM event LEFT JOIN venue ON venue.id = event.venue_id
"""
)
_FIND_EVENT = EVENT + " WHERE event.id = :id"
# Of any number who publish at once, one finds a draft; the others wait for it and find none.
_START_PUBLISHING = """
UPDATE event SET status = 'PUBLISHING', version = version + 1, open_tries = 1,
       open_due_at = clock_timestamp() + interval '15 seconds'
 WHERE id = :id AND status = 'DRAFT' AND organizer_id = :person
"""
# A cancellation that came first is not undone by inventory's late answer.
_FINISH_PUBLISHING = """
UPDATE event SET status = 'PUBLISHED', version = version + 1, open_due_at = NULL,
       capacity = :capacity
 WHERE id = :id AND status = 'PUBLISHING'
"""
# Leased by pushing the next time into the future, later each time: another process passes it by.
_TAKE_UNOPENED = """
UPDATE event SET open_tries = open_tries + 1,
       open_due_at = clock_timestamp()
           + least(interval '15 seconds' * 2 ^ least(open_tries, 10), interval '1 hour')
 WHERE id = (SELECT id FROM event WHERE status = 'PUBLISHING' AND open_due_at <= clock_timestamp()
              ORDER BY open_due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id
"""
_CANCEL_EVENT = """
UPDATE event SET status = 'CANCELLED', version = version + 1, open_due_at = NULL,
       cancel_reason = :reason
 WHERE id = :id AND (organizer_id = :person OR :is_admin)
   AND (status = 'PUBLISHING' OR (status = 'PUBLISHED' AND ends_at > clock_timestamp()))
"""


async def add_event(
    session: Session, organizer_id: UUID, draft: EventDraft, tiers: Sequence[TierDraft]
) -> UUID:
    """Stores a draft with its tiers; gives its id."""
    id = uuid7()
    facts = asdict(draft)
    policy = facts.pop("refund_policy")
    await session.execute(
        _ADD_EVENT,
        id=id,
        organizer_id=organizer_id,
        refund_until_hours=policy["until_hours_before"],
        refund_percent=policy["percent"],
        min_price=lowest_price(tiers),
        **facts,
    )
    session.defer(_ADD_AVAILABILITY, id=id)
    stored = [(uuid7(), tier) for tier in tiers]
    await session.execute_many(
        _ADD_TIER,
        [
            {
                "id": tier_id,
                "event_id": id,
                "position": position,
                "name": tier.name,
                "price": tier.price,
                "capacity": tier.capacity,
            }
            for position, (tier_id, tier) in enumerate(stored)
        ],
    )
    await session.execute_many(
        _ADD_TIER_SECTION,
        [
            {
                "event_id": id,
                "section_id": section_id,
                "tier_id": tier_id,
                "venue_id": draft.venue_id,
            }
            for tier_id, tier in stored
            for section_id in tier.section_ids
        ],
    )
    return id


async def find_event(session: Session, id: UUID) -> Event | None:
    """The event with its venue, whose sections come without their rows."""
    row = await session.first(_FIND_EVENT, id=id)
    if row is None:
        return None
    return event_of_row(row, row.venue_id and await find_venue(session, row.venue_id))


async def start_publishing(session: Session, id: UUID, person: Person) -> bool:
    """Takes the person's own event from DRAFT to PUBLISHING; False where it is no such draft."""
    result = await session.execute(_START_PUBLISHING, id=id, person=person.id)
    return result.rowcount == 1


async def finish_publishing(session: Session, id: UUID, capacity: int) -> bool:
    """Takes an event from PUBLISHING to PUBLISHED; False where it is not PUBLISHING."""
    result = await session.execute(_FINISH_PUBLISHING, id=id, capacity=capacity)
    return result.rowcount == 1


async def take_unopened(session: Session) -> UUID | None:
    """An event that inventory was asked to open and has not answered for in time."""
    id: UUID | None = await session.scalar(_TAKE_UNOPENED)
    return id


async def cancel_event(session: Session, id: UUID, person: Person, reason: str) -> bool:
    """Calls off an event on sale; False where it is none, or not the person's to call off."""
    result = await session.execute(
        _CANCEL_EVENT, id=id, person=person.id, is_admin=person.is_admin, reason=reason
    )
    return result.rowcount == 1


def event_of_row(row: DatabaseRow, venue: Venue | None) -> Event:
    draft = EventDraft(
        title=row.title,
        description=row.description,
        category=row.category,
        venue_id=row.venue_id,
        location=row.location,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        doors_at=row.doors_at,
        timezone=row.timezone,
        currency=row.currency,
        max_per_customer=row.max_per_customer,
        sales_from=row.sales_from,
        sales_to=row.sales_to,
        refund_policy=RefundPolicy(row.refund_until_hours, row.refund_percent),
        tax_basis_points=row.tax_basis_points,
        terms=row.terms,
    )
    tiers = [
        Tier(
            UUID(tier["id"]),
            tier["name"],
            tier["price"],
            [UUID(id) for id in tier["section_ids"]],
            tier["capacity"],
        )
        for tier in row.tiers or ()
    ]
    return Event(
        id=row.id,
        organizer_id=row.organizer_id,
        status=row.shown_status,
        draft=draft,
        tiers=tiers,
        venue=venue,
        capacity=row.capacity,
        cancel_reason=row.cancel_reason,
        version=row.version,
        created_at=row.created_at,
        images=[Image(**{**image, "id": UUID(image["id"])}) for image in row.images or ()],
    )
