"""An event with very many bookings is called off: all are told, in batches, by whoever is there."""

from __future__ import annotations

import asyncio

import pytest
from parterre.messages.v1 import messages_pb2

from booking_service import clockwork, messaging
from booking_service.domain import Fees, Instrument, Method
from booking_service.handlers import bookings
from booking_service.handlers.sagas import Answer, hear
from booking_service.saga import Facts, Happening
from chassis.database import Database
from chassis.ids import uuid7
from tests.component.conftest import MakeDatabase

from .box import Box

_BATCH = 100
_CARD = Instrument(Method.CARD, "tok_ok")


async def confirm_many(box: Box, count: int) -> None:
    """So many confirmed bookings, each a customer's own."""
    for _ in range(count // _BATCH):
        made = []
        async with box.database.transaction() as session:
            for _ in range(_BATCH):
                who = uuid7()
                hold = box.holds[box.hold(str(who))]
                view = await bookings.make(
                    session, hold, who, _CARD, [], coupon_code="", fees=Fees()
                )
                made.append(view.booking.id)
        for step, happening in enumerate(
            (Happening.RESERVED, Happening.AUTHORIZED, Happening.SOLD, Happening.CAPTURED), 1
        ):
            async with box.database.transaction() as session:
                answers = [Answer(id, happening, Facts(step=step)) for id in made]
                await hear(session, box.wakeups, answers)


@pytest.mark.parametrize("count", [1_000, pytest.param(10_000, marks=pytest.mark.slow)])
async def test_every_booking_of_an_event_called_off_is_refunded_once_whoever_tells_them(
    box: Box, make_database: MakeDatabase, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setattr(clockwork, "_PACE_SECONDS", 0)
    other = await make_database("booking", encode=messaging.encode, like=box.database)
    await confirm_many(box, count)
    await box.hears(messages_pb2.EventCancelled(event_id=str(box.event_id), reason="rain"))

    # One stops in the middle, as if it were killed; two others go on at the same time.
    assert 0 < await clockwork.tell_once(box.database, box.wakeups) < count

    async def go_on(place: Database) -> None:
        while await clockwork.tell_once(place, box.wakeups):
            pass

    await asyncio.gather(go_on(box.database), go_on(other))
    async with box.database.transaction() as session:
        states = await session.all("SELECT state, count(*) AS sagas FROM saga GROUP BY state")
        asked = await session.scalar(
            "SELECT count(DISTINCT (body::jsonb)->>'refund_id') FROM outbox"
            " WHERE type LIKE '%RefundPayment'"
        )
        sent = await session.scalar("SELECT count(*) FROM outbox WHERE type LIKE '%RefundPayment'")
        good = await session.scalar("SELECT count(*) FROM ticket WHERE status <> 'REVOKED'")
    assert [(row.state, row.sagas) for row in states] == [("REFUNDING", count)]
    assert (asked, sent, good) == (count, count, 0)
