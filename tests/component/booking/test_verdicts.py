"""What `parterre fsck` found last: kept for admins, and measured."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from parterre.booking.v1 import booking_pb2

from booking_service import messaging
from booking_service.figures import FSCK_AGE_SECONDS, FSCK_VIOLATIONS, read_verdict
from chassis.identity import Role
from ops.fsck import Check, Finding
from ops.recording import checked
from tests.component.conftest import MakeDatabase

from .box import ADMIN, ASHA, Box, refused

NIGHT = datetime(2026, 11, 20, 3, tzinfo=UTC)
SEATS = Check("I1", "at most one good ticket a seat", "")
HOLDS = Check("I4", "no hold outlives its expiry", "")


async def verdict(box: Box, who: str = ADMIN, role: Role = Role.ADMIN) -> Any:
    return await box.caller.as_person(who, "GetVerdict", booking_pb2.GetVerdictRequest(), role=role)


async def measured(box: Box) -> tuple[float, float]:
    """How old the verdict is, and what it found."""
    async with box.database.transaction() as session:
        await read_verdict(session)
    return FSCK_AGE_SECONDS._value.get(), FSCK_VIOLATIONS._value.get()


def found(at: datetime, holds: int) -> Any:
    rows = [{"hold_id": "secret"}]
    return checked([Finding(SEATS, 0, [], 0.1), Finding(HOLDS, holds, rows, 0.2)], at, 1.5)


async def test_until_somebody_checks_it_is_said_that_nobody_did(box: Box) -> None:
    assert not (await verdict(box)).HasField("verdict")
    age, violations = await measured(box)
    assert 0 <= age < 3600  # as old as the table
    assert violations == 0


async def test_the_newest_verdict_is_kept_whatever_comes_late_or_twice(
    box: Box, make_database: MakeDatabase
) -> None:
    other = await make_database("booking", encode=messaging.encode, like=box.database)
    told = [found(NIGHT + timedelta(minutes=minute), minute) for minute in range(10)]
    await asyncio.gather(
        *(box.hears(each, place) for each in told[::-1] * 2 for place in (box.database, other))
    )
    shown = (await verdict(box)).verdict
    assert shown.began_at.ToDatetime(UTC) == NIGHT + timedelta(minutes=9)
    assert (shown.milliseconds, shown.checks) == (1500, 2)
    assert [(it.invariant, it.title, it.violations) for it in shown.findings] == [
        ("I4", HOLDS.title, 9)
    ]
    assert "secret" not in str(shown)
    assert (await measured(box))[1] == 9

    now = datetime.now(UTC)
    await box.hears(found(now, 0))
    assert list((await verdict(box)).verdict.findings) == []
    age, violations = await measured(box)
    assert (0 <= age < 60, violations) == (True, 0)


async def test_only_admins_see_it(box: Box) -> None:
    for role in (Role.CUSTOMER, Role.ORGANIZER):
        assert await refused(verdict(box, ASHA, role)) == "FORBIDDEN"
