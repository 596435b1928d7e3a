"""Use cases: one transaction each."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from chassis.database import Session
from notification_service import storage
from notification_service.domain import (
    Code,
    EndedBooking,
    Person,
    UnknownPersonError,
    code_mail,
    ending_mail,
)


async def deliver_codes(session: Session, codes: Sequence[Code]) -> None:
    """Writes the mails that bring one-time codes, where somebody is to have one."""
    now = await session.now()
    storage.add_mails(
        session,
        [code_mail(code, now) for code in codes if code.is_wanted and code.expires_at > now],
    )


async def remember_people(session: Session, people: Sequence[Person]) -> None:
    """Remembers where to write to people; of what is told of one, the newest."""
    newest: dict[UUID, Person] = {}
    for person in people:
        known = newest.setdefault(person.id, person)
        if known.version < person.version:
            newest[person.id] = person
    storage.save_people(session, list(newest.values()))


async def tell_endings(session: Session, bookings: Sequence[EndedBooking]) -> None:
    """Writes to buyers how their bookings ended: the newest ending of each, and no older one after.

    Raises:
        UnknownPersonError: an address has not arrived yet.
    """
    newest: dict[UUID, EndedBooking] = {}
    for booking in bookings:
        known = newest.setdefault(booking.booking_id, booking)
        if known.version < booking.version:
            newest[booking.booking_id] = booking
    untold = await storage.take_endings(session, list(newest.values()))
    told = [newest[id] for id in untold]
    people = await storage.find_people(session, {booking.customer_id for booking in told})
    missing = {booking.customer_id for booking in told} - people.keys()
    if missing:
        raise UnknownPersonError(", ".join(map(str, missing)))
    storage.add_mails(
        session, [ending_mail(people[booking.customer_id], booking) for booking in told]
    )
