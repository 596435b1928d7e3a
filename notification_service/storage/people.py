"""Table `person`: whom to write to, and in which language."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from chassis.database import Session
from notification_service.domain import MailsWritten, Person

# An older version that arrives late never overwrites a newer one. Sets are taken in one order, so
# that two processes never wait for one another.
_SAVE_PEOPLE = """
INSERT INTO person (user_id, email, name, version, language, may_organize)
SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:emails AS text[]), CAST(:names AS text[]),
                     CAST(:versions AS bigint[]), CAST(:languages AS text[]),
                     CAST(:may_organize AS boolean[])) AS told (id)
 ORDER BY id
    ON CONFLICT (user_id) DO UPDATE
   SET email = excluded.email, name = excluded.name, version = excluded.version,
       language = excluded.language,
       may_organize = coalesce(excluded.may_organize, person.may_organize)
 WHERE person.version < excluded.version
    OR (person.version = excluded.version AND person.may_organize IS NULL)
"""
_FIND_PEOPLE = """
SELECT user_id AS id, email, name, version, language, may_organize FROM person
 WHERE user_id = ANY(ARRAY(SELECT unnest(CAST(:ids AS uuid[]))))
"""


def save(session: Session, people: Sequence[Person]) -> None:
    """Remembers people, one entry for each, unless something newer is known."""
    if people:
        session.defer(
            _SAVE_PEOPLE,
            ids=[person.id for person in people],
            emails=[person.email for person in people],
            names=[person.name for person in people],
            versions=[person.version for person in people],
            languages=[person.language for person in people],
            may_organize=[person.may_organize for person in people],
        )
        session.note(MailsWritten())  # some may have waited for the address


async def find(session: Session, ids: Collection[UUID]) -> Mapping[UUID, Person]:
    """The people whose addresses have arrived, by id."""
    rows = await session.all(_FIND_PEOPLE, ids=list(ids)) if ids else ()
    return {row.id: Person(*row) for row in rows}
