"""Which fact is told to whom, once."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import permutations
from uuid import UUID

import pytest
from parterre.messages.v1 import messages_pb2
from parterre.types.v1 import types_pb2

from chassis.ids import uuid7
from chassis.timestamps import timestamp
from notification_service.domain import Event, Lane, remind_at
from notification_service.handlers import events, people
from notification_service.storage import mails
from tests.component.conftest import MakeDatabase

from .conftest import STARTS_AT, code_message, ended, handle, mailed, scalar, user


def returned(customer: str, **changed: object) -> messages_pb2.MoneyReturned:
    money = messages_pb2.MoneyReturned(
        refund_id=str(uuid7()),
        payment_id=str(uuid7()),
        booking_id=str(uuid7()),
        booking_reference="PT-ABCD1234",
        customer_id=customer,
        amount=types_pb2.Money(amount=500, currency="NPR"),
        refunded_amount=500,
        captured_amount=1000,
        reason="A seat was wet",
    )
    for name, value in changed.items():
        setattr(money, name, value)
    return money


async def test_each_ending_has_its_mail_and_a_called_off_event_and_a_late_payment_theirs(
    make_database: MakeDatabase,
) -> None:
    database = await make_database("notification")
    asha = str(uuid7())
    await handle(
        database,
        user(asha),
        *(ended(asha, status) for status in ("CONFIRMED", "FAILED", "EXPIRED")),
        ended(asha, "CANCELLED", reason="CANCELLED_BY_CUSTOMER"),
        ended(asha, "CANCELLED", reason="EVENT_CANCELLED"),
        ended(asha, "EXPIRED", reason="PAID_LATE_SEATS_GONE"),
    )
    assert sorted(await mailed(database)) == [
        "booking_cancelled",
        "booking_confirmed",
        "booking_expired",
        "booking_failed",
    ]


async def test_money_that_went_back_is_told_unless_the_bookings_own_mail_says_so(
    make_database: MakeDatabase,
) -> None:
    database = await make_database("notification")
    asha = str(uuid7())
    await handle(
        database,
        returned(asha),
        returned(asha, reason="EVENT_CANCELLED", refunded_amount=1000),
        returned(asha, reason="CANCELLED_BY_CUSTOMER"),
        returned(asha, reason="PAYMENT_VOIDED", paid_late=True),
    )
    assert sorted(await mailed(database)) == ["money_returned", "money_returned", "paid_late"]


async def test_a_fact_that_comes_again_is_told_once(make_database: MakeDatabase) -> None:
    database = await make_database("notification")
    asha = str(uuid7())
    facts = [
        ended(asha, "CONFIRMED"),
        returned(asha),
        messages_pb2.OrganizerApproved(user_id=asha, at=timestamp(STARTS_AT)),
        messages_pb2.NewDeviceSignedIn(
            user_id=asha,
            session_id=str(uuid7()),
            user_agent="Firefox",
            address="203.0.113.7",
            at=timestamp(STARTS_AT),
        ),
    ]
    await handle(database, *facts)
    await handle(database, *facts)
    assert sorted(await mailed(database)) == [
        "booking_confirmed",
        "money_returned",
        "new_device",
        "organizer_approved",
    ]


async def test_whoever_keeps_no_cookie_is_told_of_a_log_in_once_a_day(
    make_database: MakeDatabase,
) -> None:
    database = await make_database("notification")
    asha = str(uuid7())

    def log_in(user_agent: str, day: int) -> messages_pb2.NewDeviceSignedIn:
        return messages_pb2.NewDeviceSignedIn(
            user_id=asha,
            session_id=str(uuid7()),
            user_agent=user_agent,
            address="203.0.113.7",
            at=timestamp(datetime(2027, 1, day, tzinfo=UTC)),
        )

    await handle(
        database, log_in("curl", 1), log_in("curl", 1), log_in("curl", 2), log_in("Firefox", 1)
    )
    assert await mailed(database) == ["new_device"] * 3


async def test_a_mail_waits_for_an_address_that_has_not_arrived(
    make_database: MakeDatabase,
) -> None:
    database = await make_database("notification")
    asha = str(uuid7())
    await handle(database, ended(asha, "CONFIRMED"))
    async with database.transaction() as session:
        assert not await mails.lease(session, {Lane.USUAL: 10}, lease_seconds=30)
    await handle(database, user(asha, language="ne"))
    async with database.transaction() as session:
        [row] = await mails.lease(session, {Lane.USUAL: 10}, lease_seconds=30)
    assert (row.email, row.person_language) == ("asha@example.org", "ne")


@pytest.mark.parametrize("together", [True, False], ids=["in one batch", "one by one"])
@pytest.mark.parametrize("order", [*permutations(range(3))])
async def test_of_a_bookings_endings_no_older_one_is_told_after_a_newer_one(
    make_database: MakeDatabase, order: tuple[int, ...], together: bool
) -> None:
    database = await make_database("notification")
    customer, booking = str(uuid7()), str(uuid7())
    statuses = ["EXPIRED", "CONFIRMED", "CANCELLED"]
    endings = [ended(customer, statuses[at], booking_id=booking, version=at + 1) for at in order]
    if together:
        await handle(database, *endings)
        told = ["booking_cancelled"]
    else:
        for ending in endings:
            await handle(database, ending)
        newest = [at for place, at in enumerate(order) if at == max(order[: place + 1])]
        told = [f"booking_{statuses[at].lower()}" for at in newest]
    await handle(database, *endings)  # told again, it changes nothing
    assert await mailed(database) == told


async def test_many_are_told_together(make_database: MakeDatabase) -> None:
    database = await make_database("notification")
    customers = [str(uuid7()) for _ in range(30)]
    await handle(database, *(user(id) for id in customers))
    await handle(database, *(ended(id, "CONFIRMED") for id in customers))
    await handle(database, *(code_message(f"{number:06}") for number in range(30)))
    assert sorted(await mailed(database)) == ["booking_confirmed"] * 30 + ["code"] * 30


@pytest.mark.parametrize("together", [True, False], ids=["in one batch", "one by one"])
async def test_an_older_address_does_not_overwrite_a_newer_one(
    make_database: MakeDatabase, together: bool
) -> None:
    database = await make_database("notification")
    id = str(uuid7())
    told = [user(id, 2, "new@example.org"), user(id, 1, "old@example.org")]
    for batch in [told] if together else [[each] for each in told]:
        await handle(database, *batch)
    assert await scalar(database, "SELECT email FROM person") == "new@example.org"


async def test_a_code_that_nobody_is_to_have_is_not_mailed(make_database: MakeDatabase) -> None:
    database = await make_database("notification")
    wanted, by_a_version_before = code_message("111111"), code_message("222222")
    unwanted = code_message("333333", to="taken@example.org")
    wanted.is_wanted, unwanted.is_wanted = True, False
    await handle(database, wanted, unwanted, by_a_version_before)
    async with database.transaction() as session:
        rows = await session.all("SELECT recipient FROM mail")
    assert [row.recipient for row in rows] == ["asha@example.org"] * 2


async def test_a_code_that_is_too_old_is_neither_shown_nor_sent_nor_kept(
    make_database: MakeDatabase,
) -> None:
    database = await make_database("notification")
    await handle(database, code_message("111111"), code_message("222222"))
    async with database.transaction() as session:
        await session.execute(
            "UPDATE mail SET expires_at = clock_timestamp() WHERE body = '111111'"
        )
    await handle(database, code_message("333333", until=1))

    async with database.transaction() as session:
        leased = await mails.lease(session, {Lane.URGENT: 10}, lease_seconds=30)
    async with database.transaction() as session:
        assert await mails.purge_expired(session, 10) == 1
        assert await mails.purge_expired(session, 10) == 0
        kept = await session.all("SELECT body, outcome FROM mail ORDER BY body")
    assert [row.body for row in leased] == ["222222"]
    assert [tuple(row) for row in kept] == [("", "EXPIRED"), ("222222", "")]


async def test_of_each_lane_as_many_mails_are_taken_as_it_has_room_for(
    make_database: MakeDatabase,
) -> None:
    database = await make_database("notification")
    asha = str(uuid7())
    await handle(database, user(asha), *(ended(asha, "CONFIRMED") for _ in range(3)))
    await handle(database, code_message("111111"), code_message("222222"))

    async def taken(room: dict[Lane, int]) -> list[tuple[int, str]]:
        async with database.transaction() as session:
            rows = await mails.lease(session, room, lease_seconds=30)
        return sorted((row.lane, row.kind) for row in rows)

    assert await taken({Lane.MANY: 5}) == []
    assert await taken({Lane.URGENT: 1, Lane.USUAL: 2}) == [
        (Lane.URGENT, "code"),
        (Lane.USUAL, "booking_confirmed"),
        (Lane.USUAL, "booking_confirmed"),
    ]
    assert await taken(dict.fromkeys(Lane, 9)) == [
        (Lane.URGENT, "code"),
        (Lane.USUAL, "booking_confirmed"),
    ]


async def test_mails_of_long_ago_are_forgotten(make_database: MakeDatabase) -> None:
    database = await make_database("notification")
    await handle(database, ended(str(uuid7()), "CONFIRMED"), ended(str(uuid7()), "FAILED"))
    async with database.transaction() as session:
        await session.execute(
            "UPDATE mail SET created_at = clock_timestamp() - interval '91 days'"
            " WHERE kind = 'booking_failed'"
        )
        assert await mails.forget_old(session, 10, days=90) == 1
    assert await mailed(database) == ["booking_confirmed"]


@pytest.mark.parametrize(
    ("timezone", "at"),
    [
        ("Asia/Kathmandu", datetime(2027, 1, 1, 4, 15, tzinfo=UTC)),
        ("Pacific/Auckland", datetime(2027, 1, 1, 21, tzinfo=UTC)),
        ("America/Los_Angeles", datetime(2027, 1, 1, 18, tzinfo=UTC)),
        ("No/Such_Zone", datetime(2027, 1, 1, 10, tzinfo=UTC)),
    ],
)
def test_people_are_reminded_at_ten_on_the_day_before_at_the_event(
    timezone: str, at: datetime
) -> None:
    assert remind_at(STARTS_AT, timezone) == at


async def test_an_event_is_reminded_of_once_and_anew_when_it_moves_and_never_when_it_is_off(
    make_database: MakeDatabase,
) -> None:
    database = await make_database("notification")
    event_id = uuid7()

    def published(version: int, starts_in: str) -> Event:
        return Event(event_id, uuid7(), "The Tempest", "Hall", moments[starts_in], "UTC", version)

    async with database.transaction() as session:
        row = await session.one(
            "SELECT clock_timestamp() + interval '8 hours' AS soon,"
            " clock_timestamp() + interval '9 hours' AS later"
        )
    moments = {"soon": row.soon, "later": row.later}

    async def reminded(event: Event | None) -> int:
        async with database.transaction() as session:
            if event is not None:
                await events.remember(session, event)
            await session.execute(
                "UPDATE event SET remind_at = clock_timestamp() WHERE remind_at IS NOT NULL"
            )
            await events.remind(session, 10)
        return int(await scalar(database, "SELECT count(*) FROM announcement"))

    assert await reminded(published(1, "soon")) == 1
    assert await reminded(published(2, "soon")) == 1  # its title changed, say
    assert await reminded(published(3, "later")) == 2
    await handle(
        database, messages_pb2.EventCancelled(event_id=str(event_id), reason="Rain all day")
    )
    assert await reminded(None) == 3  # that it is off
    kinds = await scalar(database, "SELECT array_agg(kind ORDER BY id) FROM announcement")
    assert kinds == ["event_tomorrow", "event_tomorrow", "event_cancelled"]


async def test_whoever_wants_a_kind_no_more_is_not_sent_it(make_database: MakeDatabase) -> None:
    database = await make_database("notification")
    asha, bina = str(uuid7()), str(uuid7())
    await handle(database, user(asha), user(bina, email="bina@example.org"))
    async with database.transaction() as session:
        await people.unsubscribe(session, asha, "booking_expired")
    await handle(database, ended(asha, "EXPIRED"), ended(bina, "EXPIRED"))
    async with database.transaction() as session:
        rows = await mails.lease(session, {Lane.USUAL: 10}, lease_seconds=30)
    assert {row.person_id: row.is_unwanted for row in rows} == {
        UUID(asha): True,
        UUID(bina): False,
    }
