"""What /metrics shows of the sagas."""

from __future__ import annotations

from booking_service.figures import OLDEST_SECONDS, WAITING, read_sagas
from booking_service.saga import State
from booking_service.storage import sagas
from booking_service.storage.sales import ENDED, TICKETS

from .box import ASHA, BIKRAM, Box


async def test_sagas_that_wait_are_shown_by_state_and_read_by_their_index(box: Box) -> None:
    for _ in range(2):
        await box.create(ASHA, box.hold())

    async with box.database.transaction() as session:
        await read_sagas(session)
        await session.execute("SET LOCAL enable_seqscan = off")
        plan = await session.all(f"EXPLAIN {sagas._WAITING}", most=10)

    shown = {state: WAITING.labels(state)._value.get() for state in State}
    assert shown.pop(State.CHARGING) == 2
    assert set(shown.values()) == {0}
    assert 0 <= OLDEST_SECONDS.labels(State.CHARGING)._value.get() < 60
    assert any("saga_due" in row[0] for row in plan)


async def test_a_saga_is_as_old_as_its_state_whatever_else_changes(box: Box) -> None:
    booking = await box.to_confirmed()
    async with box.database.transaction() as session:
        await session.execute("UPDATE saga SET entered_at = entered_at - interval '1 hour'")

    await box.let_time_pass(booking)  # its Sell is sent again
    async with box.database.transaction() as session:
        assert await session.scalar("SELECT resends FROM saga") == 1
        await read_sagas(session)
    assert OLDEST_SECONDS.labels(State.CONFIRMED)._value.get() >= 3600

    await box.cancel(booking)
    async with box.database.transaction() as session:
        await read_sagas(session)
    assert OLDEST_SECONDS.labels(State.CONFIRMED)._value.get() == 0
    assert OLDEST_SECONDS.labels(State.REFUNDING)._value.get() < 60


async def test_endings_and_tickets_are_counted_once_each(box: Box) -> None:
    before = counted()
    await box.to_expired()
    sold = await box.to_sold()
    ticket, *_ = await box.tickets(sold)
    await box.scan(ticket)
    await box.scan(ticket)
    cancelled = await box.to_sold(BIKRAM)
    await box.cancel(cancelled, BIKRAM)
    await box.to_cancelled(cancelled)

    assert {name: now - before[name] for name, now in counted().items()} == {
        "CONFIRMED": 2,
        "FAILED": 0,
        "EXPIRED": 1,
        "CANCELLED": 1,
        "sold": 8,
        "revoked": 4,
        "admitted": 1,
    }


def counted() -> dict[str, float]:
    states = ("CONFIRMED", "FAILED", "EXPIRED", "CANCELLED")
    kinds = ("sold", "revoked", "admitted")
    return {state: ENDED.labels(state)._value.get() for state in states} | {
        kind: TICKETS.labels(kind)._value.get() for kind in kinds
    }
