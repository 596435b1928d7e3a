"""Putting events on sale and taking them off."""

from __future__ import annotations

from uuid import UUID

from chassis.database import Row as Record
from chassis.database import Session
from chassis.logs import get_logger
from inventory_service.domain import (
    EventIsOpen,
    EventNotFoundError,
    EventNotOnSaleError,
    Layout,
    Opening,
    TermsChange,
)
from inventory_service.storage import events
from inventory_service.storage.events import Layouts

log = get_logger(__name__)


async def open_event(session: Session, opening: Opening) -> None:
    """Puts an event's places on sale and says so; a second time it only says so."""
    capacity = await events.open_event(session, opening)
    session.send(EventIsOpen(opening.layout.event_id, capacity))


async def close_event(session: Session, event_id: UUID) -> None:
    """Lets nobody hold anything of the event any more."""
    await events.close_event(session, event_id)


async def change_terms(session: Session, change: TermsChange) -> None:
    """Lets new terms hold for holds made from now on; what is held keeps its price.

    An older change than one that was heard has no effect, nor one of an event that was not opened.
    """
    if not await events.change_terms(session, change):
        log.info("terms that are not newer", event_id=change.event_id, version=change.terms.version)


async def find_open_layout(session: Session, layouts: Layouts, event_id: UUID | None) -> Layout:
    """The layout of an event that is on sale.

    Raises:
        EventNotFoundError: there is none of that id.
        EventNotOnSaleError: it was called off.
    """
    _sale, layout = await find_on_sale(session, layouts, event_id)
    return layout


async def find_on_sale(
    session: Session, layouts: Layouts, event_id: UUID | None
) -> tuple[Record, Layout]:
    sale = await events.find_sale(session, event_id) if event_id else None
    if event_id is None or sale is None:
        raise EventNotFoundError
    layout = await layouts.find(session, event_id, sale.terms_version) if sale.open else None
    if layout is None:
        raise EventNotOnSaleError("This event is not on sale.")
    return sale, layout
