"""Bookings that came to an end, and their money."""

from __future__ import annotations

from collections.abc import Sequence

from chassis.database import Session
from chassis.records import newest
from notification_service.domain import EndedBooking, ReturnedMoney, ending_mail, money_mail
from notification_service.domain.webhooks import Fact, ending, refund
from notification_service.handlers import news
from notification_service.storage import bookings as stored
from notification_service.storage import webhooks


async def tell_endings(session: Session, bookings: Sequence[EndedBooking]) -> None:
    """Writes to buyers how their bookings ended: the newest ending of each, and no older one after.

    Whose address has not arrived yet is written to when it has.
    """
    endings = newest(bookings, lambda booking: booking.booking_id)
    untold = await stored.take_endings(session, list(endings.values()))
    drafts = [ending_mail(endings[id]) for id in untold]
    news.tell(session, [draft for draft in drafts if draft is not None])
    # Each of them, for organizers' systems keep accounts of their own.
    facts = map(ending, bookings)
    await webhooks.add(session, [fact for fact in facts if fact is not None])


async def tell_refunds(session: Session, refunds: Sequence[ReturnedMoney]) -> None:
    """Writes to buyers that money went back, and tells organizers' systems."""
    drafts = list(map(money_mail, refunds))
    news.tell(session, [draft for draft in drafts if draft is not None])
    facts = map(refund, refunds)
    await webhooks.add(session, [fact for fact in facts if fact is not None])


async def tell_admissions(session: Session, admissions: Sequence[Fact]) -> None:
    """Tells organizers' systems of admissions; whoever is admitted stands there and knows."""
    await webhooks.add(session, admissions)
