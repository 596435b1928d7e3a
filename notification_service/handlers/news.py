"""News: what is told to whom, by mail and in the app; and what people want to be told."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from chassis.database import Row, Session
from notification_service.domain import (
    Draft,
    NoticeNotFoundError,
    NoticesChanged,
    Preference,
    all_preferences,
    parse_preferences,
)
from notification_service.storage import mails, notices
from notification_service.storage import preferences as wishes


def tell(session: Session, drafts: Sequence[Draft]) -> None:
    """Mails the news, and shows it in the app to whom has an account."""
    mails.add(session, drafts)
    people = notices.add(session, drafts)
    if people:
        session.send(NoticesChanged(people))


async def read(session: Session, person: UUID, id: UUID | None) -> Row:
    """Marks one of a person's own notices as read.

    Raises:
        NoticeNotFoundError: there is no such notice, or it is another's.
    """
    notice = await notices.read(session, person, id) if id else None
    if notice is None:
        raise NoticeNotFoundError("There is no such notice.")
    session.send(NoticesChanged([person]))
    return notice


async def read_all(session: Session, person: UUID) -> None:
    """Marks all of a person's notices as read."""
    await notices.read_all(session, person)
    session.send(NoticesChanged([person]))


async def wanted(session: Session, person: UUID) -> Sequence[Preference]:
    """What a person wants to be told."""
    return all_preferences(await wishes.switched_off(session, str(person)))


async def want(
    session: Session, person: UUID, asked: Sequence[tuple[str, str, bool]]
) -> Sequence[Preference]:
    """Replaces what a person wants to be told; what is not named is wanted.

    Raises:
        InvalidPreferenceError: see `parse_preferences`.
    """
    off = parse_preferences(asked)
    wishes.replace(session, str(person), off)
    return all_preferences(off)
