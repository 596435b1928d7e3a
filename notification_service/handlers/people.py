"""People to write to, and what happens to their accounts."""

from __future__ import annotations

from collections.abc import Sequence

from chassis.database import Session
from chassis.ids import uuid7
from chassis.records import newest
from notification_service.domain import (
    ApprovedOrganizer,
    Code,
    DeviceSignIn,
    Person,
    code_mail,
    device_mail,
    organizer_mail,
)
from notification_service.handlers import news
from notification_service.storage import mails, preferences
from notification_service.storage import people as stored


async def deliver_codes(session: Session, codes: Sequence[Code]) -> None:
    """Writes the mails that bring one-time codes, where somebody is to have one.

    That each message is taken once is the inbox's doing.
    """
    now = await session.now()
    wanted = [code for code in codes if code.is_wanted and code.expires_at > now]
    mails.add(session, [code_mail(code, uuid7()) for code in wanted])


async def remember(session: Session, people: Sequence[Person]) -> None:
    """Remembers where to write to people; of what is told of one, the newest."""
    stored.save(session, list(newest(people, lambda person: person.id).values()))


async def tell_approvals(session: Session, approved: Sequence[ApprovedOrganizer]) -> None:
    """Tells people that they may sell."""
    news.tell(session, list(map(organizer_mail, approved)))


async def tell_new_devices(session: Session, signed_in: Sequence[DeviceSignIn]) -> None:
    """Tells people of log-ins from devices that their accounts did not know."""
    news.tell(session, list(map(device_mail, signed_in)))


async def unsubscribe(session: Session, addressee: str, kind: str) -> None:
    """Writes no more mails of a kind that is not essential."""
    preferences.save(session, addressee, kind, "MAIL", is_wanted=False)
