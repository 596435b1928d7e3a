"""What places would cost somebody, and whether they could have them: read, and nothing locked."""

from __future__ import annotations

from chassis.database import Session
from inventory_service.domain import EventNotFoundError, HoldOrder, Layout
from inventory_service.holding import storage
from inventory_service.holding.verdicts import Quoted, closed_because, quoted, understand
from inventory_service.storage import events
from inventory_service.storage.events import Layouts


async def quote(session: Session, layouts: Layouts, order: HoldOrder) -> tuple[Layout, Quoted]:
    """The event's layout, and what the places that are ordered would cost.

    What holds have whose time is over counts as free, as it is for who would hold it.

    Raises:
        InvalidHoldError, EventNotFoundError, EventNotOnSaleError, SalesClosedError,
        UnknownSeatsError, UnknownTierError, CustomerLimitError
    """
    order.check()
    sale = await events.find_sale(session, order.event_id)
    layout = await layouts.find(session, order.event_id, sale.terms_version if sale else 0)
    if closed := closed_because(sale, layout):
        raise closed
    if layout is None:
        raise EventNotFoundError
    request = understand(layout, order)
    seen = await storage.glance(
        session,
        order.event_id,
        order.customer_id,
        seat_nos=request.seat_nos,
        section_ids=[pool for _quantity, pools in request.pools for pool in pools],
    )
    return layout, quoted(layout, request, taken=seen.taken, held=seen.held, free=seen.free)
