"""Events: the places they have, which never change, and the terms of their sale, which may."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from uuid import UUID

from cachetools import LRUCache

from chassis.database import Row as Record
from chassis.database import Session
from inventory_service.domain import (
    Area,
    Layout,
    Opening,
    Row,
    Section,
    Terms,
    TermsChange,
    Tier,
)

# Of a large hall so many seats are written at a time, and a row more: others have their turns, in
# this process and at the server, before the next.
_PLACES_AT_ONCE = 2_000
_PLACE_COLUMNS = (
    "seat_nos",
    "section_ids",
    "row_nos",
    "row_labels",
    "positions",
    "numbers",
    "xs",
    "ys",
)
# The seats of all layouts in memory.
_SEATS_KEPT = 400_000

# Of two at once the second waits for the first, and finds its event.
_OPEN_EVENT = """
INSERT INTO event (event_id, status, organizer_id, currency, max_per_customer, sales_from,
                   sales_to, starts_at, capacity, focal_x, focal_y)
VALUES (CAST(:event_id AS uuid), 'OPEN', CAST(:organizer_id AS uuid), CAST(:currency AS text),
        CAST(:max_per_customer AS integer), CAST(:sales_from AS timestamptz),
        CAST(:sales_to AS timestamptz), CAST(:starts_at AS timestamptz),
        CAST(:capacity AS integer), CAST(:focal_x AS double precision),
        CAST(:focal_y AS double precision))
    ON CONFLICT (event_id) DO NOTHING
"""

_CAPACITY = "SELECT capacity FROM event WHERE event_id = :event_id"

_CAPACITY_VERSION = """
SELECT capacity, capacity_version FROM event WHERE event_id = :event_id
"""

# Of two at once the second waits for the first, and is judged by the version that left.
_HEAR_CAPACITY_EDIT = """
UPDATE event SET capacity_version = :version
 WHERE event_id = :event_id AND capacity_version < :version
   AND CAST(:instead_of AS bigint) IN (0, capacity_version)
"""

# Under the locks of the sections' pools, which are had first.
_RESIZE_SECTIONS = """
UPDATE section SET capacity = told.capacity
  FROM unnest(CAST(:section_ids AS uuid[]), CAST(:capacities AS integer[]))
       AS told (section_id, capacity)
 WHERE section.event_id = :event_id AND section.section_id = told.section_id
"""

_RESIZE_EVENT = """
UPDATE event SET capacity = capacity + CAST(:by AS integer) WHERE event_id = :event_id
RETURNING capacity
"""

_CLOSE_EVENT = """
INSERT INTO event (event_id, status) VALUES (CAST(:event_id AS uuid), 'CLOSED')
    ON CONFLICT (event_id) DO UPDATE SET status = 'CLOSED'
"""

_ADD_TIERS = """
INSERT INTO tier (event_id, tier_id, ordinal, name, price)
SELECT CAST(:event_id AS uuid), * FROM unnest(CAST(:ids AS uuid[]), CAST(:ordinals AS integer[]),
                                CAST(:names AS text[]), CAST(:prices AS bigint[]))
"""

_ADD_SECTIONS = """
INSERT INTO section (event_id, section_id, ordinal, name, tier_id, kind, capacity,
                     area_x, area_y, area_width, area_height)
SELECT CAST(:event_id AS uuid), * FROM unnest(CAST(:ids AS uuid[]), CAST(:ordinals AS integer[]),
                                CAST(:names AS text[]), CAST(:tier_ids AS uuid[]),
                                CAST(:kinds AS text[]), CAST(:capacities AS integer[]),
                                CAST(:area_xs AS double precision[]),
                                CAST(:area_ys AS double precision[]),
                                CAST(:area_widths AS double precision[]),
                                CAST(:area_heights AS double precision[]))
"""

_ADD_POOLS = """
INSERT INTO pool (event_id, section_id, capacity)
SELECT event_id, section_id, capacity FROM section
 WHERE event_id = :event_id AND kind = 'STANDING'
"""

_ADD_PLACES = """
INSERT INTO seat_place (event_id, seat_no, section_id, row_no, row_label, position, number, x, y)
SELECT CAST(:event_id AS uuid), * FROM unnest(
    CAST(:seat_nos AS integer[]), CAST(:section_ids AS uuid[]), CAST(:row_nos AS integer[]),
    CAST(:row_labels AS text[]), CAST(:positions AS integer[]), CAST(:numbers AS text[]),
    CAST(:xs AS double precision[]), CAST(:ys AS double precision[]))
"""

_ADD_SEATS = """
INSERT INTO seat (event_id, seat_no)
SELECT CAST(:event_id AS uuid), seat_no FROM unnest(CAST(:seat_nos AS integer[])) AS seat_no
"""

_FIND_EVENT = """
SELECT currency, focal_x, focal_y FROM event
 WHERE event_id = :event_id AND organizer_id IS NOT NULL
"""

# One statement, one snapshot: prices are of just this version.
_TERMS = """
SELECT terms_version AS version, max_per_customer,
       ARRAY(SELECT tier_id FROM tier WHERE tier.event_id = event.event_id ORDER BY ordinal) AS ids,
       ARRAY(SELECT name FROM tier WHERE tier.event_id = event.event_id ORDER BY ordinal) AS names,
       ARRAY(SELECT price FROM tier WHERE tier.event_id = event.event_id ORDER BY ordinal) AS prices
  FROM event WHERE event_id = :event_id AND organizer_id IS NOT NULL
"""

# Of two at once the second waits for the first, and is judged by the version that left. The tiers
# change under the event's row lock alone.
_CHANGE_TERMS = """
UPDATE event SET terms_version = :version, max_per_customer = :max_per_customer,
                 sales_from = :sales_from, sales_to = :sales_to, starts_at = :starts_at
 WHERE event_id = :event_id AND organizer_id IS NOT NULL AND terms_version < :version
"""

_CHANGE_TIERS = """
UPDATE tier SET name = new.name, price = new.price
  FROM unnest(CAST(:ids AS uuid[]), CAST(:names AS text[]), CAST(:prices AS bigint[]))
       AS new (tier_id, name, price)
 WHERE tier.event_id = :event_id AND tier.tier_id = new.tier_id
"""

_SECTIONS = """
SELECT section_id, name, tier_id, capacity, area_x, area_y, area_width, area_height
  FROM section WHERE event_id = :event_id ORDER BY ordinal
"""

_ROWS = """
SELECT section_id, row_label, min(seat_no) AS first, array_agg(number ORDER BY seat_no) AS numbers,
       array_agg(x ORDER BY seat_no) AS xs, array_agg(y ORDER BY seat_no) AS ys
  FROM seat_place WHERE event_id = :event_id
 GROUP BY section_id, row_no, row_label ORDER BY first
"""
_OWNED = """
SELECT event_id, organizer_id, status = 'OPEN' AS open, terms_version FROM event
 WHERE event_id = :event_id AND organizer_id IS NOT NULL
"""

FIND_SALE = """
SELECT status = 'OPEN' AS open, clock_timestamp() AS now, terms_version,
       coalesce(sales_from, '-infinity') <= clock_timestamp()
           AND sales_to > clock_timestamp() AS selling
  FROM event WHERE event_id = :event_id
"""


async def open_event(session: Session, opening: Opening) -> int:
    """Puts an event's places on sale, once; returns the capacity it has now."""
    layout = opening.layout
    event_id = layout.event_id
    inserted = await session.execute(
        _OPEN_EVENT,
        event_id=event_id,
        organizer_id=opening.organizer_id,
        currency=layout.currency,
        max_per_customer=layout.max_per_customer,
        sales_from=opening.sales_from,
        sales_to=opening.sales_to,
        starts_at=opening.starts_at,
        capacity=layout.capacity,
        focal_x=layout.focal[0],
        focal_y=layout.focal[1],
    )
    if not inserted.rowcount:
        return await find_capacity(session, event_id)
    await session.execute(
        _ADD_TIERS,
        event_id=event_id,
        ids=list(layout.tiers),
        ordinals=list(range(len(layout.tiers))),
        names=[tier.name for tier in layout.tiers.values()],
        prices=[tier.price for tier in layout.tiers.values()],
    )
    await session.execute(
        _ADD_SECTIONS,
        event_id=event_id,
        ids=[section.id for section in layout.sections],
        ordinals=list(range(len(layout.sections))),
        names=[section.name for section in layout.sections],
        tier_ids=[section.tier_id for section in layout.sections],
        kinds=[section.kind for section in layout.sections],
        capacities=[section.capacity for section in layout.sections],
        area_xs=[section.area and section.area.x for section in layout.sections],
        area_ys=[section.area and section.area.y for section in layout.sections],
        area_widths=[section.area and section.area.width for section in layout.sections],
        area_heights=[section.area and section.area.height for section in layout.sections],
    )
    await session.execute(_ADD_POOLS, event_id=event_id)
    for places in _places(layout.sections):
        await session.together(
            (_ADD_PLACES, {"event_id": event_id, **places}),
            (_ADD_SEATS, {"event_id": event_id, "seat_nos": places["seat_nos"]}),
        )
    return layout.capacity


def _places(sections: Iterable[Section]) -> Iterator[Mapping[str, list[Any]]]:
    """The columns of all numbered seats, in the order of their numbers, part by part."""
    columns = _no_places()
    for section in sections:
        for row_no, row in enumerate(section.rows):
            count = len(row.numbers)
            columns["seat_nos"] += range(row.first, row.first + count)
            columns["section_ids"] += [section.id] * count
            columns["row_nos"] += [row_no] * count
            columns["row_labels"] += [row.label] * count
            columns["positions"] += range(count)
            columns["numbers"] += row.numbers
            columns["xs"] += row.xs
            columns["ys"] += row.ys
            if len(columns["seat_nos"]) >= _PLACES_AT_ONCE:
                yield columns
                columns = _no_places()
    if columns["seat_nos"]:
        yield columns


def _no_places() -> dict[str, list[Any]]:
    return {name: [] for name in _PLACE_COLUMNS}


async def close_event(session: Session, event_id: UUID) -> None:
    """Takes an event off sale; one that was never opened can't be opened any more."""
    await session.execute(_CLOSE_EVENT, event_id=event_id)


async def find_capacity(session: Session, event_id: UUID) -> int:
    """Seats and places of the event together."""
    return int(await session.scalar(_CAPACITY, event_id=event_id))


async def find_capacity_version(session: Session, event_id: UUID) -> Record | None:
    """Seats and places of the event together (`capacity`), and the newest edit of them."""
    return await session.first(_CAPACITY_VERSION, event_id=event_id)


async def hear_capacity_edit(
    session: Session, event_id: UUID, version: int, *, instead_of: int = 0
) -> bool:
    """Notes an edit of capacities; False where a newer one was heard, or not the one it undoes."""
    noted = await session.execute(
        _HEAR_CAPACITY_EDIT, event_id=event_id, version=version, instead_of=instead_of
    )
    return noted.rowcount == 1


async def resize(
    session: Session, event_id: UUID, capacities: Mapping[UUID, int], *, by: int
) -> int:
    """Says of sections, and of their event, what their locked pools say; returns the event's."""
    session.defer(
        _RESIZE_SECTIONS,
        event_id=event_id,
        section_ids=list(capacities),
        capacities=list(capacities.values()),
    )
    return int(await session.scalar(_RESIZE_EVENT, event_id=event_id, by=by))


async def find_owned(session: Session, event_id: UUID) -> Record | None:
    """Whose an event is: `organizer_id`, and whether it is `open`; None where it never was."""
    return await session.first(_OWNED, event_id=event_id)


async def find_sale(session: Session, event_id: UUID) -> Record | None:
    """Whether the event is `open`, whether it is `selling`, and `now`, by the database's clock.

    And the `terms_version`, for `Layouts.find`: what costs how much is read in the transaction
    that needs it, whatever this process remembers.
    """
    return await session.first(FIND_SALE, event_id=event_id)


async def change_terms(session: Session, change: TermsChange) -> bool:
    """Puts newer terms in place of older ones; False where there are no older ones."""
    changed = await session.execute(
        _CHANGE_TERMS,
        event_id=change.event_id,
        version=change.terms.version,
        max_per_customer=change.terms.max_per_customer,
        sales_from=change.sales_from,
        sales_to=change.sales_to,
        starts_at=change.starts_at,
    )
    if not changed.rowcount:
        return False
    tiers = change.terms.tiers.values()
    await session.execute(
        _CHANGE_TIERS,
        event_id=change.event_id,
        ids=[tier.id for tier in tiers],
        names=[tier.name for tier in tiers],
        prices=[tier.price for tier in tiers],
    )
    return True


async def find_terms(session: Session, event_id: UUID) -> Terms | None:
    """The terms as they are now, or None where the event was never opened."""
    row = await session.first(_TERMS, event_id=event_id)
    if row is None:
        return None
    tiers = zip(row.ids, row.names, row.prices, strict=True)
    return Terms(row.version, row.max_per_customer, {tier[0]: Tier(*tier) for tier in tiers})


class Layouts:
    """The layouts of the events asked for last: their places, which never change, and terms."""

    def __init__(self) -> None:
        self._kept: LRUCache[UUID, Layout] = LRUCache(
            _SEATS_KEPT, getsizeof=lambda layout: min(_SEATS_KEPT, layout.seat_count + 100)
        )

    def known(self, event_id: UUID, terms_version: int) -> Layout | None:
        """The event's layout, if it is in memory under these terms or newer ones."""
        layout = self._kept.get(event_id)
        return layout if layout and layout.terms_version >= terms_version else None

    async def find(self, session: Session, event_id: UUID, terms_version: int) -> Layout | None:
        """The event's layout, or None where it was never opened.

        `terms_version` is that of the event as this transaction has read it: its terms are those,
        or newer ones.
        """
        layout = self._kept.get(event_id)
        if layout is None:
            layout = await _load_layout(session, event_id)
        elif layout.terms_version < terms_version:
            terms = await find_terms(session, event_id)
            layout = layout.under(terms) if terms else None
        else:
            return layout
        if layout is not None:
            self._kept[event_id] = layout
        return layout


async def _load_layout(session: Session, event_id: UUID) -> Layout | None:
    event = await session.first(_FIND_EVENT, event_id=event_id)
    terms = await find_terms(session, event_id)
    if event is None or terms is None:
        return None
    sections = await session.all(_SECTIONS, event_id=event_id)
    rows: dict[UUID, list[Row]] = {section.section_id: [] for section in sections}
    for row in await session.all(_ROWS, event_id=event_id):
        rows[row.section_id].append(Row(row.row_label, row.first, row.numbers, row.xs, row.ys))
    return Layout(
        event_id=event_id,
        currency=event.currency,
        max_per_customer=terms.max_per_customer,
        focal=(event.focal_x, event.focal_y),
        tiers=terms.tiers,
        sections=[
            Section(
                s.section_id,
                s.name,
                s.tier_id,
                rows[s.section_id],
                s.capacity,
                None if s.area_x is None else Area(s.area_x, s.area_y, s.area_width, s.area_height),
            )
            for s in sections
        ],
        terms_version=terms.version,
    )
