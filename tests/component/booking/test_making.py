"""Bookings that are asked for together: each judged by itself, made in one transaction."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from parterre.booking.v1 import booking_pb2
from parterre.messages.v1 import messages_pb2

from booking_service.domain import Reservation
from booking_service.storage import reservations
from booking_service.storage.bookings import BookingView
from chassis.errors import RemoteError
from chassis.ids import uuid7
from tests.component.conftest import MakeDatabase, Serve, Until

from .box import ADMIN, ASHA, BIKRAM, Box, Payment, Seats, moment, reasons, refused

CROWD = [booking_pb2.Attendee(name="Asha")] * 3


def told(results: list[Any]) -> list[str]:
    """What became of each: the booking's status, or the refusal's reason."""
    return [
        result.refusal.reason if result.HasField("refusal") else result.booking.status
        for result in results
    ]


async def transactions_of(box: Box) -> dict[str, int]:
    """The transaction each booking was made in."""
    async with box.database.transaction() as session:
        rows = await session.all("SELECT booking_id, xmin::text::bigint AS made_by FROM booking")
    return {str(row.booking_id): row.made_by for row in rows}


# --- sets ------------------------------------------------------------------------------------


async def test_thirty_orders_in_one_call_are_judged_each_by_itself(box: Box) -> None:
    await box.coupon(usage_limit=3)
    await box.coupon("ONCE", per_customer_limit=1)
    kept = box.hold()
    first = await box.create(ASHA, kept, idempotency_key="before")
    refused_before = box.hold()
    call = box.create(ASHA, refused_before, attendees=CROWD, idempotency_key="no")
    assert await refused(call) == "INVALID_ATTENDEES"
    taken = await box.create(ASHA, box.hold(), idempotency_key="taken")
    await box.coupon("LARGE", min_total=120_001)
    await box.coupon("OVER", valid_to=moment(datetime.now(UTC) - timedelta(days=1)))
    twice = box.hold()
    elsewhere, off = uuid7(), uuid7()
    await box.publish(event_id=str(off))
    await box.hears(messages_pb2.EventCancelled(event_id=str(off), reason="rain"))
    closed = uuid7()
    await box.publish(event_id=str(closed))
    box.inventory.closed.add(closed)
    strangers = [str(uuid7()) for _ in range(6)]

    def order(who: str, hold: Any = None, **facts: Any) -> Any:
        return box.order(who, hold or box.hold(who), **facts)

    nobody = order(ASHA)
    nobody.token = "x.y.z"
    orders: list[tuple[Any, str]] = [
        *((order(who), "PENDING") for who in strangers),
        (order(ASHA, kept, idempotency_key="before"), "PENDING"),
        (order(ASHA, refused_before, attendees=CROWD, idempotency_key="no"), "INVALID_ATTENDEES"),
        (order(ASHA, kept, idempotency_key="taken"), "IDEMPOTENCY_KEY_REUSED"),
        (order(ASHA, twice), "PENDING"),
        (order(ASHA, twice), "HOLD_ALREADY_BOOKED"),
        (order(ASHA, twice, coupon_code="SAVE-10"), "HOLD_ALREADY_BOOKED"),
        (order(ASHA, coupon_code="SAVE-10"), "PENDING"),
        (order(BIKRAM, coupon_code="save-10"), "PENDING"),
        (order(BIKRAM, coupon_code="ONCE"), "PENDING"),
        (order(BIKRAM, coupon_code="ONCE"), "COUPON_USED_UP"),
        (order(ASHA, coupon_code="NONE"), "COUPON_UNKNOWN"),
        (order(ASHA, coupon_code="LARGE"), "COUPON_MINIMUM"),
        (order(ASHA, coupon_code="OVER"), "COUPON_NOT_VALID"),
        (order(ASHA, payment_token=""), "INVALID_PAYMENT_METHOD"),
        (order(ASHA, attendees=CROWD), "INVALID_ATTENDEES"),
        (nobody, "INVALID_TOKEN"),
        (order(ASHA, uuid7()), "HOLD_NOT_FOUND"),
        (order(BIKRAM, kept), "HOLD_NOT_FOUND"),
        (order(ASHA, box.hold(status="EXPIRED")), "HOLD_EXPIRED"),
        (order(ASHA, box.hold(status="RELEASED")), "HOLD_NOT_ACTIVE"),
        (order(ASHA, box.hold(event_id=elsewhere)), "EVENT_NOT_READY"),
        (order(ASHA, box.hold(event_id=off)), "EVENT_IS_CANCELLED"),
        (order(ASHA, box.hold(event_id=closed)), "EVENT_NOT_ON_SALE"),
        (order(ASHA, box.hold(price=0), payment_method=""), "CONFIRMED"),
    ]
    assert len(orders) == 30
    results = await box.create_all([item for item, _ in orders])

    assert told(results) == [expected for _, expected in orders]
    assert results[6].booking == first
    assert [result.place for result in results if result.replayed] == [6, 7]
    for result, who in zip(results, strangers, strict=False):
        assert result.booking.customer_id == who
    made = [
        result.booking.id
        for result in results
        if result.HasField("booking") and not result.replayed
    ]
    transactions = await transactions_of(box)
    without_coupon = [result for result in results if not result.booking.coupon_code]
    together = [it.booking.id for it in without_coupon if it.booking.id in made]
    assert len(together) == 6 + 2
    assert len({transactions[id] for id in together}) == 1
    assert (await box.uses(), await box.uses("ONCE")) == (2, 1)
    assert len(box.inventory.asked[-1]) == 29  # in one call: of all that say who they are
    # Whatever was reserved and not booked is nobody's any more.
    assert set(box.inventory.reserved.values()) == {UUID(id) for id in [*made, first.id, taken.id]}


async def test_all_or_none_of_a_set_is_written_in_one_transaction(box: Box) -> None:
    people = [str(uuid7()) for _ in range(30)]
    results = await box.create_all([box.order(who, box.hold(who)) for who in people])
    assert told(results) == ["PENDING"] * 30
    assert len(set((await transactions_of(box)).values())) == 1


@pytest.mark.parametrize("count", [0, 65])
async def test_a_set_has_a_limit(box: Box, count: int) -> None:
    with pytest.raises(RemoteError) as error:
        await box.create_all([box.order(ASHA, box.hold())] * count)
    assert error.value.reason == "VALIDATION_FAILED"


async def test_only_the_gateway_makes_bookings(box: Box) -> None:
    wish = booking_pb2.CreateBookingsRequest(items=[box.order(ASHA, box.hold())])
    assert box.caller.booking is not None
    stub = box.caller.stub.CreateBookings
    with pytest.raises(RemoteError) as error:
        _ = [part async for part in box.caller.booking.parts(stub, wish)]
    assert error.value.reason == "FORBIDDEN"


async def test_of_one_key_twice_in_a_set_the_first_is_the_first(box: Box) -> None:
    hold = box.hold()
    items = [box.order(ASHA, hold, idempotency_key="k")] * 2
    results = await box.create_all(items)
    assert told(results) == ["PENDING", "IDEMPOTENCY_IN_PROGRESS"]
    again = await box.create(ASHA, hold, idempotency_key="k")
    assert again == results[0].booking
    assert not box.inventory.cancelled  # the one that is in progress has the reservation


# --- free ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "paying",
    [
        {"payment_method": "", "payment_token": ""},
        {"payment_method": "CARD", "payment_token": ""},
        {"payment_method": "CARD", "payment_token": "tok_ok"},
        {"payment_method": "KHALTI", "payment_token": ""},
    ],
)
@pytest.mark.parametrize("by_coupon", [False, True])
async def test_what_costs_nothing_is_confirmed_at_once_however_it_was_to_be_paid(
    box: Box, paying: dict[str, str], *, by_coupon: bool
) -> None:
    facts: dict[str, str] = dict(paying)
    hold = box.hold() if by_coupon else box.hold(price=0)
    if by_coupon:
        await box.coupon(value=100)
        facts["coupon_code"] = "SAVE-10"
    booking = await box.create(ASHA, hold, **facts)

    assert (booking.status, booking.price.total) == ("CONFIRMED", 0)
    assert not booking.HasField("payment")
    assert not booking.HasField("expires_at")
    assert len(await box.tickets(booking)) == 4
    assert sorted(await box.asked(booking)) == ["BookingEnded", "SellSeats"]
    [ended] = await box.sent_as("BookingEnded", booking)
    assert (ended.status, ended.amount.amount, len(ended.lines)) == ("CONFIRMED", 0, 3)
    [sell] = await box.sent_as("SellSeats", booking)
    assert sell.seats.step == 2
    sales = await box.organize("GetSales")
    assert (sales.bookings, sales.gross, sales.tickets) == (1, 0, 4)
    assert [(entry.step, entry.state) for entry in await box.timeline(booking)] == [
        ("CREATED", "SECURING"),
        ("RESERVED", "CONFIRMED"),
    ]
    await box.seats(booking, Seats.OUTCOME_SOLD)
    await box.cancel(booking)
    await box.seats(booking, Seats.OUTCOME_RESTOCKED)
    assert (await box.get(booking)).status == "CANCELLED"
    assert "ChargePayment" not in await box.asked(booking)
    if by_coupon:
        assert await box.uses() == 0


async def test_a_method_that_is_none_is_refused_though_nothing_is_to_pay(box: Box) -> None:
    hold = box.hold(price=0)
    assert await refused(box.create(ASHA, hold, payment_method="CASH")) == "INVALID_PAYMENT_METHOD"


async def test_without_a_method_a_paid_order_is_refused_and_its_hold_is_usable_again(
    box: Box,
) -> None:
    hold = box.hold()
    facts = {"payment_method": "", "payment_token": ""}
    with pytest.raises(RemoteError) as error:
        await box.create(ASHA, hold, **facts)
    assert error.value.reason == "INVALID_PAYMENT_METHOD"
    assert list(error.value.metadata) == ["payment_method"]
    assert (await box.quote(hold)).total == 135_600
    assert (await box.create(ASHA, hold)).status == "PENDING"


# --- waiting ---------------------------------------------------------------------------------


async def listening(box: Box, until: Until, count: int) -> None:
    async def all_of_them() -> bool:
        return len(box.wakeups._waiting) == count

    await until(all_of_them)


async def test_answers_come_as_bookings_come_to_rest_those_together_that_rest_together(
    box: Box, until: Until
) -> None:
    people = [str(uuid7()) for _ in range(5)]
    items = [box.order(who, box.hold(who), wait=20) for who in people]
    items.append(box.order(ASHA, box.hold()))  # does not wait
    items.append(box.order(ASHA, uuid7(), wait=20))  # is refused
    items.append(box.order(ASHA, box.hold(price=0), wait=20))  # is at rest
    parts: asyncio.Queue[Any] = asyncio.Queue()

    async def call() -> None:
        async for part in box.orders(items):
            parts.put_nowait(part)

    calling = asyncio.create_task(call())
    first = await parts.get()
    assert sorted(result.place for result in first.results) == [5, 6, 7]
    await listening(box, until, 5)
    made = {}
    async with box.database.transaction() as session:
        for row in await session.all("SELECT booking_id, customer_id, total FROM booking"):
            made[str(row.customer_id)] = row
    charged = [
        Payment(
            booking_id=str(made[who].booking_id),
            step=2,
            outcome=Payment.OUTCOME_CHARGED,
            captured_amount=made[who].total,
        )
        for who in people
    ]
    async with box.database.transaction() as session:
        handle: Any = box.queues["booking.replies"][messages_pb2.PaymentReply]
        await handle.handle(session, charged[:3])
    second = await parts.get()
    assert sorted(result.place for result in second.results) == [0, 1, 2]
    assert told(list(second.results)) == ["CONFIRMED"] * 3
    assert parts.empty()
    await box.hears(
        Payment(
            booking_id=str(made[people[3]].booking_id),
            step=2,
            outcome=Payment.OUTCOME_ACTION_REQUIRED,
            action_url="https://wallet.example/1",
        )
    )
    third = await parts.get()
    [result] = third.results
    assert (result.place, result.booking.payment.action_url) == (3, "https://wallet.example/1")
    await box.hears(
        Payment(
            booking_id=str(made[people[4]].booking_id),
            step=2,
            outcome=Payment.OUTCOME_CHARGE_REFUSED,
            reason="CARD_DECLINED",
        )
    )
    [result] = (await parts.get()).results
    assert (result.place, result.booking.payment.refused_because) == (4, "CARD_DECLINED")
    await calling
    assert not box.wakeups._waiting


async def test_when_the_time_is_over_a_booking_is_told_as_it_stands(box: Box) -> None:
    assert (await box.create(ASHA, box.hold(), wait=1)).status == "PENDING"
    assert not box.wakeups._waiting


async def test_the_calls_own_deadline_ends_the_wait_with_an_answer(box: Box) -> None:
    item = box.order(ASHA, box.hold(), wait=20)
    [part] = [part async for part in box.orders([item], seconds=2)]
    assert told(list(part.results)) == ["PENDING"]


async def test_a_caller_who_leaves_leaves_nobody_waiting(box: Box, until: Until) -> None:
    async def call() -> None:
        async for _ in box.orders([box.order(ASHA, box.hold(), wait=20)]):
            pass

    calling = asyncio.create_task(call())
    await listening(box, until, 1)
    calling.cancel()
    await listening(box, until, 0)


async def test_a_replay_that_waits_tells_how_the_booking_came_to_rest(
    box: Box, until: Until
) -> None:
    hold = box.hold()
    booking = await box.create(ASHA, hold, idempotency_key="k")
    calling = asyncio.create_task(box.create(ASHA, hold, wait=20, idempotency_key="k"))
    await listening(box, until, 1)
    await box.paid(booking, Payment.OUTCOME_CHARGED)
    assert (await calling).status == "CONFIRMED"
    # At rest already, and from another process.
    [result] = await box.create_all([box.order(ASHA, hold, wait=20, idempotency_key="k")])
    assert (result.booking.status, result.replayed) == ("CONFIRMED", True)
    # Who does not wait gets the very answer of the first time.
    assert await box.create(ASHA, hold, idempotency_key="k") == booking


async def test_what_another_process_did_is_seen_by_who_waits(
    box: Box, make_database: MakeDatabase, serve: Serve, until: Until
) -> None:
    other = await box.another(make_database, serve)
    calling = asyncio.create_task(box.create(ASHA, box.hold(), wait=20))
    await listening(box, until, 1)
    async with box.database.transaction() as session:
        id = await session.scalar("SELECT booking_id::text FROM booking")
    await other.hears(
        Payment(booking_id=id, step=2, outcome=Payment.OUTCOME_CHARGED, captured_amount=135_600)
    )
    assert (await calling).status == "CONFIRMED"


async def test_who_can_not_be_looked_after_is_told_that_the_booking_is_made(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lost(_view: BookingView) -> BookingView:
        raise ConnectionError("the database went away")

    monkeypatch.setattr(box.servicer, "_look", lost)
    items = [box.order(who, box.hold(who), wait=20) for who in (ASHA, BIKRAM)]
    async with asyncio.timeout(10):
        assert told(await box.create_all(items)) == ["PENDING"] * 2


# --- reservations ----------------------------------------------------------------------------


async def timeline_of(box: Box, booking_id: UUID) -> list[str]:
    async with box.database.transaction() as session:
        rows = await session.all(
            "SELECT step FROM timeline WHERE booking_id = :id ORDER BY entry_no", id=booking_id
        )
    return [row.step for row in rows]


async def test_a_refused_order_gives_its_reservation_back_and_its_id_is_never_used(
    box: Box,
) -> None:
    hold = box.hold()
    assert await refused(box.create(ASHA, hold, attendees=CROWD)) == "INVALID_ATTENDEES"
    [given] = box.inventory.cancelled
    assert (given.hold_id, given.event_id) == (hold, box.event_id)
    assert await timeline_of(box, given.booking_id) == ["DISOWNED"]
    assert (await box.create(ASHA, hold)).id != str(given.booking_id)


async def test_a_refusal_that_is_replayed_gives_its_reservation_back_as_well(box: Box) -> None:
    hold = box.hold()
    for _ in range(2):
        call = box.create(ASHA, hold, attendees=CROWD, idempotency_key="k")
        assert await refused(call) == "INVALID_ATTENDEES"
        assert hold not in box.inventory.reserved
    call = box.create(ASHA, hold, idempotency_key="k")
    assert await refused(call) == "IDEMPOTENCY_KEY_REUSED"
    assert hold not in box.inventory.reserved
    assert len(box.inventory.cancelled) == 3


async def test_with_inventory_away_a_refusal_is_answered_all_the_same(box: Box) -> None:
    hold = box.hold()
    box.inventory.is_deaf_to_cancel = True
    assert await refused(box.create(ASHA, hold, attendees=CROWD)) == "INVALID_ATTENDEES"
    disowned = box.inventory.reserved[hold]
    # What is disowned can't be made, by whoever comes next with the same reservation.
    with pytest.raises(RemoteError) as error:
        await box.create(ASHA, hold)
    assert (error.value.reason, dict(error.value.metadata)) == ("HOLD_BUSY", {"retry_after": "1"})
    assert error.value.code.name == "UNAVAILABLE"
    # Inventory asks, is told, and frees the hold.
    await ask(box, disowned, hold)
    assert await answers(box) == {str(disowned): False}
    box.inventory.is_deaf_to_cancel = False
    del box.inventory.reserved[hold]
    assert (await box.create(ASHA, hold)).status == "PENDING"


async def test_whatever_comes_of_giving_back_what_was_made_is_told(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def cancel(_reservations: object) -> None:
        raise RuntimeError("nobody expected this")

    monkeypatch.setattr(box.inventory, "cancel", cancel)
    items = [box.order(ASHA, box.hold()), box.order(ASHA, box.hold(), attendees=CROWD)]
    assert told(await box.create_all(items)) == ["PENDING", "INVALID_ATTENDEES"]


async def test_one_hold_that_is_busy_does_not_keep_others_from_being_booked(box: Box) -> None:
    box.inventory.is_deaf_to_cancel = True
    busy = box.hold()
    assert await refused(box.create(ASHA, busy, attendees=CROWD)) == "INVALID_ATTENDEES"
    people = [str(uuid7()) for _ in range(5)]
    items = [box.order(ASHA, busy), *(box.order(who, box.hold(who)) for who in people)]
    assert told(await box.create_all(items)) == ["HOLD_BUSY", *["PENDING"] * 5]


async def test_a_refused_order_never_takes_the_reservation_of_a_booking_that_was_made(
    box: Box,
) -> None:
    hold = box.hold()
    booking = await box.create(ASHA, hold)
    assert await refused(box.create(ASHA, hold, attendees=CROWD)) == "INVALID_ATTENDEES"
    assert await refused(box.create(ASHA, hold)) == "HOLD_ALREADY_BOOKED"
    assert not box.inventory.cancelled
    assert box.inventory.reserved[hold] == UUID(booking.id)
    await box.paid(booking, Payment.OUTCOME_CHARGED)
    assert (await box.get(booking)).status == "CONFIRMED"


async def test_of_a_good_and_a_refused_order_for_one_hold_at_once_one_settles_it(
    box: Box, make_database: MakeDatabase, serve: Serve
) -> None:
    other = await box.another(make_database, serve)
    made = 0
    for _ in range(25):
        hold = box.hold()
        good, bad = await asyncio.gather(
            box.create(ASHA, hold),
            other.create(ASHA, hold, attendees=CROWD),
            return_exceptions=True,
        )
        assert reasons([bad]) == ["INVALID_ATTENDEES"]
        if isinstance(good, RemoteError):
            assert good.reason == "HOLD_BUSY"
            good = await box.create(ASHA, hold)
        else:
            made += 1
        assert box.inventory.reserved[hold] == UUID(good.id)  # and never anybody else's
    assert made  # else it was no race


async def test_of_a_booking_and_its_being_disowned_at_once_one_is(
    box: Box, make_database: MakeDatabase
) -> None:
    """The two statements themselves, on two connections."""
    other = await make_database("booking", encode=box.database._encode, like=box.database)
    outcomes = set()
    for number in range(40):
        hold, id = box.hold(), uuid7()
        box.inventory.reserved[hold] = id

        async def disown(id: UUID = id, number: int = number) -> set[UUID]:
            await asyncio.sleep(number % 10 / 1000)  # spreads where they meet
            async with other.transaction() as session:
                return await reservations.disown(session, [id])

        made, disowned = await asyncio.gather(
            box.create(ASHA, hold), disown(), return_exceptions=True
        )
        assert not isinstance(disowned, BaseException)
        if isinstance(made, RemoteError):
            assert (made.reason, disowned) == ("HOLD_BUSY", {id})
            assert await timeline_of(box, id) == ["DISOWNED"]
        else:
            assert disowned == set()
            assert await timeline_of(box, id) == ["CREATED", "RESERVED"]
        outcomes.add(bool(disowned))
    assert outcomes == {True, False}


async def ask(box: Box, booking_id: UUID, hold_id: UUID) -> None:
    """Inventory asks after a reservation."""
    await box.hears(
        messages_pb2.AskReservation(
            booking_id=str(booking_id), event_id=str(box.event_id), hold_id=str(hold_id)
        )
    )


async def answers(box: Box) -> dict[str, bool]:
    """What inventory is told of bookings."""
    return {
        message.booking_id: message.exists
        for message, _ in await box.outbox()
        if isinstance(message, messages_pb2.Reservation)
    }


async def test_inventory_is_told_which_bookings_exist(box: Box) -> None:
    booking = await box.create(ASHA, box.hold())
    lost, hold = uuid7(), box.hold()
    await ask(box, UUID(booking.id), UUID(booking.hold_id))
    for _ in range(2):  # as often as it asks
        await ask(box, lost, hold)
    assert await answers(box) == {booking.id: True, str(lost): False}
    box.inventory.reserved[hold] = lost
    assert await refused(box.create(ASHA, hold)) == "HOLD_BUSY"
    [told_of] = [
        message
        for message, _ in await box.outbox()
        if isinstance(message, messages_pb2.Reservation) and message.exists
    ]
    assert (told_of.event_id, told_of.hold_id) == (str(box.event_id), booking.hold_id)


async def test_a_booking_that_has_ended_exists(box: Box) -> None:
    booking = await box.to_charging()
    await box.to_failed(booking)
    await ask(box, UUID(booking.id), UUID(booking.hold_id))
    assert await answers(box) == {booking.id: True}


async def test_a_booking_that_is_being_made_just_now_exists_or_never_will(
    box: Box, make_database: MakeDatabase, serve: Serve
) -> None:
    other = await box.another(make_database, serve)
    seen = set()
    for number in range(40):
        hold, id = box.hold(), uuid7()
        box.inventory.reserved[hold] = id

        async def asked(id: UUID = id, hold: UUID = hold, number: int = number) -> None:
            await asyncio.sleep(number % 10 / 1000)  # spreads where they meet
            await ask(other, id, hold)

        made, _ = await asyncio.gather(box.create(ASHA, hold), asked(), return_exceptions=True)
        exists = (await answers(box))[str(id)]
        assert exists is not isinstance(made, RemoteError)
        if not exists:
            assert reasons([made]) == ["HOLD_BUSY"]
        seen.add(exists)
    assert seen == {True, False}


async def test_who_asks_waits_for_a_booking_that_is_being_written(
    box: Box, make_database: MakeDatabase
) -> None:
    """Whoever asks must not be told of a moment at which it was neither."""
    other = await make_database("booking", encode=box.database._encode, like=box.database)
    id = uuid7()
    claim = (
        "INSERT INTO timeline (booking_id, entry_no, at, state, step, outcome, attempt, detail)"
        " VALUES (:id, 1, clock_timestamp(), 'SECURING', 'CREATED', 'DONE', 1, '')"
    )
    async with box.database.transaction() as writing:
        await writing.execute(claim, id=id)

        async def disown() -> set[UUID]:
            async with other.transaction() as session:
                return await reservations.disown(session, [id])

        asking = asyncio.create_task(disown())
        blocked = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        async with asyncio.timeout(10):
            while not await writing.scalar(blocked):
                await asyncio.sleep(0.01)
    assert await asking == set()


async def test_reservations_are_given_back_for_admins_and_customers_alike(box: Box) -> None:
    """A reservation is by its hold: who asked makes no difference."""
    hold = box.hold(ADMIN)
    assert await refused(box.create(ADMIN, hold, attendees=CROWD)) == "INVALID_ATTENDEES"
    assert [each.hold_id for each in box.inventory.cancelled] == [hold]
    assert isinstance(box.inventory.cancelled[0], Reservation)
