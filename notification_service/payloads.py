"""What is sent to organizers' systems: what happened, and the object of it as the API shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from notification_service.domain.webhooks import Parcel
from notification_service.rpc.bookings import Bookings
from notification_service.rpc.events import Events
from presentation.views import bookings as booking_views
from presentation.views import catalog as event_views
from presentation.views import tickets as ticket_views


class Payloads:
    """Puts together what is sent."""

    def __init__(self, bookings: Bookings, events: Events) -> None:
        self._bookings = bookings
        self._events = events

    async def write(self, parcel: Parcel) -> bytes:
        """The body, as JSON; the object is as it stands now, or null where it is no longer there.

        Raises:
            RemoteError: what it shows can't be had now.
        """
        return orjson.dumps(
            {
                "type": parcel.fact,
                "timestamp": parcel.at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                "data": {**parcel.said, **await self._object(parcel)},
            }
        )

    async def _object(self, parcel: Parcel) -> Mapping[str, Any]:
        noun = parcel.fact.partition(".")[0]
        if noun == "event":
            event = await self._events.find(parcel.said["event_id"])
            return {"event": event_views.event(event) if event else None}
        if noun in {"booking", "payment", "ticket"}:
            shown = await self._bookings.show(parcel.said["booking_id"])
            if noun != "ticket":
                return {"booking": booking_views.booking(shown.booking) if shown else None}
            tickets = shown.tickets if shown else ()
            # Never its token: who has that gets in.
            return {
                "ticket": next(
                    (
                        ticket_views.admitted_ticket(ticket)
                        for ticket in tickets
                        if ticket.id == parcel.said["ticket_id"]
                    ),
                    None,
                )
            }
        return {}
