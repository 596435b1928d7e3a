"""What /metrics shows of the sagas."""

from __future__ import annotations

from booking_service.figures import OLDEST_SECONDS, WAITING, read_sagas
from booking_service.saga import State
from booking_service.storage import sagas

from .box import ASHA, Box


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
