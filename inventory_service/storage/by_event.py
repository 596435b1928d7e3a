"""What is asked of several events at once, event by event.

A statement that locks or changes rows names its one event: a database that is spread by event
(docs/growing.md) then knows where it goes. They share a round trip, in the order of the events.

Ids that are joined from an array are said once more (`= ANY`): else a plan may read all that the
event has, where statistics are older than most of its rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import TypeVar
from uuid import UUID

from chassis.database import Row as Record
from chassis.database import Session, Statement

T = TypeVar("T")


def by_event(things: Iterable[T], event_of: Callable[[T], UUID]) -> Iterator[tuple[UUID, list[T]]]:
    """The things of each event, in the order of the events, which is that of the locks."""
    for event_id, those in groupby(sorted(things, key=event_of), event_of):
        yield event_id, list(those)


async def rows_of(session: Session, statements: Sequence[Statement]) -> list[Record]:
    """The rows of all the statements, had in one round trip."""
    if not statements:
        return []
    return [row for result in await session.together(*statements) for row in result.rows]


# By the index of their ids, of whichever events: who has only a hold's id learns its event, which
# never changes, before anything is locked.
_EVENTS = """
SELECT event_id, hold_id FROM hold
 WHERE hold_id = ANY(ARRAY(SELECT unnest(CAST(:hold_ids AS uuid[]))))
"""


async def events_of(session: Session, hold_ids: Iterable[UUID]) -> dict[UUID, UUID]:
    """The events of holds, by their ids; of those that there are."""
    rows = await session.all(_EVENTS, hold_ids=list(hold_ids))
    return {row.hold_id: row.event_id for row in rows}
