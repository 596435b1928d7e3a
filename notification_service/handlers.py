"""Use cases: one transaction each."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from chassis.database import Session
from notification_service import storage
from notification_service.domain import EndedBooking, UnknownPersonError, code_mail, ending_mail


async def deliver_code(
    session: Session, *, email: str, purpose: str, code: str, expires_at: datetime
) -> None:
    """Writes the mail that brings a one-time code."""
    now = await session.now()
    minutes = max(1, round((expires_at - now).total_seconds() / 60))
    await storage.add_mail(session, code_mail(email, purpose, code, minutes))


async def remember_person(
    session: Session, *, user_id: UUID, email: str, name: str, version: int
) -> None:
    """Remembers where to write to somebody."""
    await storage.save_person(session, user_id, email, name, version)


async def tell_ending(session: Session, booking: EndedBooking) -> None:
    """Writes to the buyer how their booking ended.

    Raises:
        UnknownPersonError: their address has not arrived yet.
    """
    person = await storage.find_person(session, booking.customer_id)
    if person is None:
        raise UnknownPersonError(str(booking.customer_id))
    await storage.add_mail(session, ending_mail(person, booking))
