"""People as bookings know them, told by auth_service."""

from __future__ import annotations

from collections.abc import Sequence

from booking_service.domain import Person
from chassis.database import Row, Session

# An older version that arrives late never overwrites a newer one. In the order of ids, so that two
# that save at once never wait for each other in turns.
_SAVE = """
INSERT INTO person (user_id, email, name, words, version)
SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:emails AS text[]), CAST(:names AS text[]),
                     CAST(:words AS text[]), CAST(:versions AS bigint[])) AS told (id)
 ORDER BY id
    ON CONFLICT (user_id) DO UPDATE
   SET email = excluded.email, name = excluded.name, words = excluded.words,
       version = excluded.version
 WHERE person.version < excluded.version
"""
COLUMNS = """
       person.user_id, person.email AS buyer_email, person.name AS buyer_name,
       person.version AS buyer_version
"""


def save(session: Session, people: Sequence[Person]) -> None:
    """Remembers people, one entry for each, unless something newer is known.

    With the next statement.
    """
    if people:
        session.defer(
            _SAVE,
            ids=[person.id for person in people],
            emails=[person.email for person in people],
            names=[person.name for person in people],
            words=[person.words for person in people],
            versions=[person.version for person in people],
        )


def person_of(row: Row) -> Person | None:
    """The person a row has among its columns; None: nothing was heard of them yet."""
    if row.user_id is None:
        return None
    return Person(row.user_id, row.buyer_email, row.buyer_name, row.buyer_version)
