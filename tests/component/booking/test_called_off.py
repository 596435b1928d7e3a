"""An event with very many bookings is called off: all are told, in batches, by whoever is there."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest
from parterre.messages.v1 import messages_pb2

from booking_service import loops, messaging
from booking_service.handlers.sagas import Answer, hear
from booking_service.saga import Facts, Happening
from chassis.database import Database
from chassis.ids import uuid7
from tests.component.conftest import MakeDatabase

from .box import Box

_BATCH = 50


async def confirm_many(box: Box, count: int) -> None:
    """So many confirmed bookings, each a customer's own."""
    for _ in range(count // _BATCH):
        people = [str(uuid7()) for _ in range(_BATCH)]
        made = await box.create_all([box.order(who, box.hold(who)) for who in people])
        facts = Facts(step=2, captured=135_600)
        answers = [Answer(UUID(result.booking.id), Happening.CHARGED, facts) for result in made]
        async with box.database.transaction() as session:
            await hear(session, box.wakeups, answers)


@pytest.mark.parametrize("count", [1_000, pytest.param(10_000, marks=pytest.mark.slow)])
async def test_every_booking_of_an_event_called_off_is_refunded_once_whoever_tells_them(
    box: Box, make_database: MakeDatabase, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setattr(loops, "_PACE_SECONDS", 0)
    other = await make_database("booking", encode=messaging.encode, like=box.database)
    await confirm_many(box, count)
    await box.hears(messages_pb2.EventCancelled(event_id=str(box.event_id), reason="rain"))

    # One stops in the middle, as if it were killed; two others go on at the same time.
    assert 0 < await loops.tell_once(box.database, box.wakeups) < count

    async def go_on(place: Database) -> None:
        while await loops.tell_once(place, box.wakeups):
            pass

    await asyncio.gather(go_on(box.database), go_on(other))
    async with box.database.transaction() as session:
        states = await session.all("SELECT state, count(*) AS sagas FROM saga GROUP BY state")
        good = await session.scalar("SELECT count(*) FROM ticket WHERE status <> 'REVOKED'")
    refunds = [it for it, _ in await box.outbox() if isinstance(it, messages_pb2.RefundPayment)]
    assert [(row.state, row.sagas) for row in states] == [("REFUNDING", count)]
    assert (len({refund.refund_id for refund in refunds}), len(refunds), good) == (count, count, 0)
    assert {(refund.percent, refund.reason) for refund in refunds} == {(100, "EVENT_CANCELLED")}
