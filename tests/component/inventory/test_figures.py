"""What /metrics shows of the holds."""

from __future__ import annotations

from inventory_service.figures import HOLDS, read_holds

from .box import Box


async def test_live_holds_are_shown(box: Box) -> None:
    event = await box.opened()
    await box.hold(event, seats=[1, 2])

    async with box.database.transaction() as session:
        await read_holds(session)

    assert HOLDS.labels("live")._value.get() == 1
    assert HOLDS.labels("over")._value.get() == 0
    assert HOLDS.labels("asked")._value.get() == 0
