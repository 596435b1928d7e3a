"""inventory_service: the commands of bookings' sagas."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from datetime import timedelta
from uuid import UUID

import pytest
from parterre.inventory.v1 import inventory_pb2
from parterre.messages.v1 import messages_pb2
from prometheus_client import REGISTRY

from chassis.ids import uuid7

from .box import Box, Saga, reason


async def test_a_sale_from_hold_to_sold_and_back(box: Box) -> None:
    event = await box.opened()
    person = str(uuid7())
    saga = await Saga.begun(box, event, person, seats=[1, 2], tickets=3)
    stages = [
        ("Reserve", "RESERVED", {1: "HELD", 2: "HELD"}, (3, 0, 0), "BOOKED"),
        ("Sell", "SOLD", {1: "SOLD", 2: "SOLD"}, (0, 0, 3), "BOOKED"),
        ("Restock", "RESTOCKED", {}, (0, 0, 0), "RELEASED"),
    ]
    for command, outcome, seats, pool, status in stages:
        for send in (saga.send, saga.send_again):  # sent again: answered again, done once
            await send(command)
            assert await box.answers() == [(outcome, "")]
            assert await box.statuses(event) == seats
            assert await box.pool(event) == pool
            await box.check()
        get = inventory_pb2.GetHoldRequest(hold_id=saga.hold.id)
        assert (await box.call(person, "GetHold", get)).hold.status == status


async def test_a_reserved_hold_leaves_room_for_another_live_one(box: Box) -> None:
    event = await box.opened()
    person = str(uuid7())
    sagas = [await Saga.begun(box, event, person, seats=[n]) for n in range(2)]
    assert await reason(box.hold(event, person, seats=[5])) == "HOLD_LIMIT"
    await sagas[0].send("Reserve")
    await box.hold(event, person, seats=[5])


async def test_a_release_gives_everything_back_and_an_old_sell_comes_too_late(box: Box) -> None:
    event = await box.opened()
    saga = await Saga.begun(box, event, str(uuid7()), seats=[1], tickets=1)
    await saga.send("Reserve", "Sell", "Unsell")  # the last by a saga of before
    assert await box.statuses(event) == {1: "SOLD"}
    await saga.send("Release")
    await saga.send_again("Release")
    await saga.send_again("Sell", step=2)
    await saga.send_again("Reserve", step=1)
    assert await box.statuses(event) == {}
    assert await box.answers() == [
        ("RESERVED", ""),
        ("SOLD", ""),
        ("RELEASED", ""),
        ("RELEASED", ""),
    ]


def alerts() -> float:
    value = REGISTRY.get_sample_value("parterre_alerts_total", {"kind": "sell_without_reservation"})
    return value or 0.0


async def test_a_sell_that_finds_no_reservation_is_an_alert_and_has_no_answer(box: Box) -> None:
    event = await box.opened()
    person = str(uuid7())
    active = await Saga.begun(box, event, person, seats=[1])
    gone = await Saga.begun(box, event, person, seats=[2])
    await gone.send("Reserve", "Release")
    never = Saga(box, event, inventory_pb2.Hold(id=str(uuid7())), str(uuid7()))
    await box.answers()
    before = alerts()
    for saga in (active, gone, never):
        await saga.send("Sell")
    assert (await box.answers(), alerts() - before) == ([], 3)
    assert await box.statuses(event) == {1: "HELD"}
    assert (await box.kept(active.hold.id)).booking_id is None


async def test_an_answer_says_which_step_it_answers(box: Box) -> None:
    event = await box.opened()
    saga = await Saga.begun(box, event, str(uuid7()), seats=[1])
    await box.tell(saga.message("Reserve", step=1), saga.message("Sell", step=3))
    assert [reply.step for reply in await box.sent(messages_pb2.SeatsReply)] == [1, 3]


async def test_a_release_that_overtakes_its_reserve_blocks_it(box: Box) -> None:
    event = await box.opened()
    saga = await Saga.begun(box, event, str(uuid7()), seats=[1])
    await box.tell(saga.message("Release", step=2), saga.message("Reserve", step=1))
    never = Saga(box, event, inventory_pb2.Hold(id=str(uuid7())), str(uuid7()))
    await box.tell(never.message("Release", step=2), never.message("Reserve", step=1))
    assert await box.answers() == [("RELEASED", "")] * 2
    # Whatever is asked of a hold that never was: it has nothing to give.
    never.step = 2
    await never.send("Reserve", "Restock", "Reclaim")
    assert await box.answers() == [
        ("RESERVE_REFUSED", "HOLD_RELEASED"),
        ("RESTOCKED", ""),
        ("RECLAIM_REFUSED", "SEATS_UNAVAILABLE"),
    ]
    assert await box.statuses(event) == {}


async def test_of_two_steps_at_once_in_any_order_the_newer_has_its_way(box: Box) -> None:
    event = await box.opened(rows=1, seats=10, most=2)
    sagas = [await Saga.begun(box, event, str(uuid7()), seats=[n]) for n in range(10)]
    await asyncio.gather(
        *(
            box.tell(saga.message(name, step=step))
            for saga in sagas
            for name, step in (("Release", 2), ("Reserve", 1))
        )
    )
    assert await box.statuses(event) == {}
    assert Counter(outcome for outcome, _ in await box.answers())["RELEASED"] == 10


async def test_a_reserve_is_refused_when_the_hold_changed_or_expired(box: Box) -> None:
    event = await box.opened()
    person = str(uuid7())
    changed = await Saga.begun(box, event, person, seats=[1, 2])
    part = inventory_pb2.ReleaseHoldRequest(hold_id=changed.hold.id, seat_ids=["2"])
    await box.call(person, "ReleaseHold", part)
    await changed.send("Reserve")
    await box.tell(changed.message("Reserve", version=2))
    late = await Saga.begun(box, event, person, seats=[3])
    await box.let_expire(late.hold.id)
    await late.send("Reserve")
    closed = await Saga.begun(box, event, str(uuid7()), seats=[4])
    await box.tell(messages_pb2.EventCancelled(event_id=event.event_id))
    await closed.send("Reserve")
    assert await box.answers() == [
        ("RESERVE_REFUSED", "HOLD_CHANGED"),
        ("RESERVED", ""),
        ("RESERVE_REFUSED", "HOLD_EXPIRED"),
        ("RESERVE_REFUSED", "EVENT_NOT_ON_SALE"),
    ]


async def test_another_booking_can_neither_take_nor_free_the_seats(box: Box) -> None:
    event = await box.opened()
    saga = await Saga.begun(box, event, str(uuid7()), seats=[1])
    await saga.send("Reserve", "Sell")
    await box.answers()
    names = ("Reserve", "Sell", "Unsell", "Release", "Restock", "Reclaim")
    await box.tell(*(saga.message(name, booking_id=str(uuid7())) for name in names))
    assert [outcome for outcome, _reason in await box.answers()] == [
        "RESERVE_REFUSED",
        "RELEASED",
        "RESTOCKED",
        "RECLAIM_REFUSED",
    ]
    assert await box.statuses(event) == {1: "SOLD"}


async def test_a_late_payment_takes_the_same_seats_back(box: Box) -> None:
    event = await box.opened(most=6)
    person = str(uuid7())
    saga = await Saga.begun(box, event, person, seats=[1, 2], tickets=1)
    await saga.send("Reserve", "Release")
    await box.hold(event, person, seats=[8, 9], tickets=1)  # meanwhile, up to the limit with it
    await saga.send("Reclaim")
    await saga.send_again("Reclaim")
    await saga.send_again("Release", step=2)  # comes too late
    assert (await box.answers())[2:] == [("RECLAIMED", "")] * 2
    assert await box.statuses(event) == {1: "SOLD", 2: "SOLD", 8: "HELD", 9: "HELD"}
    assert await box.pool(event) == (1, 0, 1)
    await saga.send("Restock")
    await saga.send_again("Reclaim", step=3)
    assert await box.answers() == [("RESTOCKED", "")]
    assert await box.statuses(event) == {8: "HELD", 9: "HELD"}


async def test_a_late_payment_takes_back_no_more_than_a_person_may_have(box: Box) -> None:
    event = await box.opened(most=4)
    person = str(uuid7())
    sagas = []
    for n in range(4):  # each as much as they may have, given up before the next
        saga = await Saga.begun(box, event, person, seats=[4 * n, 4 * n + 1], tickets=2)
        await saga.send("Reserve", "Release")
        sagas.append(saga)
    await box.answers()
    await asyncio.gather(*(saga.send("Reclaim") for saga in sagas))  # all paid at once
    assert Counter(await box.answers()) == {
        ("RECLAIMED", ""): 1,
        ("RECLAIM_REFUSED", "CUSTOMER_LIMIT"): 3,
    }
    assert Counter((await box.statuses(event)).values()) == {"SOLD": 2}
    assert await box.pool(event) == (0, 0, 2)


async def test_what_a_person_holds_no_longer_does_not_count_against_their_late_payment(
    box: Box,
) -> None:
    event = await box.opened(most=2)
    person = str(uuid7())
    saga = await Saga.begun(box, event, person, seats=[1, 2])
    await saga.send("Reserve", "Release")
    due = await box.hold(event, person, seats=[5, 6])
    await saga.send("Reclaim")
    await box.let_expire(due.id)
    await saga.send_again("Reclaim")
    assert (await box.answers())[2:] == [
        ("RECLAIM_REFUSED", "CUSTOMER_LIMIT"),
        ("RECLAIMED", ""),
    ]


async def test_a_late_payment_confirms_no_event_that_sells_no_more(box: Box) -> None:
    ends = {"closed": timedelta(hours=1), "over": timedelta(minutes=-10), "just over": timedelta()}
    said = {}
    for name, end in ends.items():
        event = await box.opened(rows=1)
        saga = await Saga.begun(box, event, str(uuid7()), seats=[1], tickets=1)
        await saga.send("Reserve", "Release")
        await box.sql(
            "UPDATE event SET sales_to = clock_timestamp() + :end WHERE event_id = :id",
            end=end,
            id=UUID(event.event_id),
        )
        if name == "closed":
            await box.tell(messages_pb2.EventCancelled(event_id=event.event_id))
        await box.answers()
        await saga.send("Reclaim")
        (said[name],) = await box.answers()
    assert said == {
        "closed": ("RECLAIM_REFUSED", "SALES_CLOSED"),
        "over": ("RECLAIM_REFUSED", "SALES_CLOSED"),
        "just over": ("RECLAIMED", ""),
    }


async def test_what_expired_before_its_booking_could_have_it_is_taken_back_too(box: Box) -> None:
    event = await box.opened()
    saga = await Saga.begun(box, event, str(uuid7()), seats=[1, 2], tickets=1)
    stranger = Saga(box, event, saga.hold, str(uuid7()))
    await box.let_expire(saga.hold.id)
    await saga.send("Reserve")
    await box.hold(event, seats=[2])  # expires it
    await stranger.send("Reclaim")
    await box.sql(
        "UPDATE hold SET expires_at = clock_timestamp() - interval '1 s' WHERE status = 'ACTIVE'"
    )
    await box.sql(
        "UPDATE live_hold SET expires_at ="
        " (SELECT expires_at FROM hold WHERE hold.hold_id = live_hold.hold_id)"
    )
    await saga.send("Reclaim")
    assert await box.answers() == [
        ("RESERVE_REFUSED", "HOLD_EXPIRED"),
        ("RECLAIM_REFUSED", "SEATS_UNAVAILABLE"),
        ("RECLAIMED", ""),
    ]
    assert await box.statuses(event) == {1: "SOLD", 2: "SOLD"}


async def test_a_late_payment_for_resold_places_changes_nothing(box: Box) -> None:
    event = await box.opened(pools=(2,))
    saga = await Saga.begun(box, event, str(uuid7()), seats=[1, 2])
    crowd = await Saga.begun(box, event, str(uuid7()), seats=[5], tickets=2)
    for each in (saga, crowd):
        await each.send("Reserve", "Release")
    thief = await box.hold(event, seats=[2], tickets=1)
    await box.answers()
    await saga.send("Reclaim")
    await crowd.send("Reclaim")
    assert await box.answers() == [("RECLAIM_REFUSED", "SEATS_UNAVAILABLE")] * 2
    assert await box.statuses(event) == {2: "HELD"}
    await box.let_expire(thief.id)  # a due hold is not in the way
    # The same step once more succeeds now; as it had been refused, what follows is a Release.
    await saga.send_again("Reclaim")
    await crowd.send_again("Reclaim")
    assert await box.answers() == [("RECLAIMED", "")] * 2
    assert await box.statuses(event) == {1: "SOLD", 2: "SOLD", 5: "SOLD"}
    for each in (saga, crowd):
        await each.send("Release")
        await each.send_again("Reclaim", step=3)
    assert await box.answers() == [("RELEASED", "")] * 2
    assert await box.statuses(event) == {}


async def test_commands_in_any_order_and_number_leave_a_legal_history(box: Box) -> None:
    event = await box.opened(rows=1, seats=6, pools=(6,), most=6)
    pick = random.Random(7)
    names = ("Reserve", "Sell", "Unsell", "Release", "Restock", "Reclaim")
    sagas = [
        await Saga.begun(box, event, str(uuid7()), seats=[2 * n, 2 * n + 1], tickets=2)
        for n in range(3)
    ]

    async def buyer() -> None:
        for _ in range(15):
            await reason(box.hold(event, seats=pick.sample(range(6), 2), tickets=1))

    async def harass(saga: Saga) -> None:
        for _ in range(40):
            name, newest = pick.choice(names), saga.step
            await (saga.send(name) if pick.random() < 0.7 else saga.send_again(name, newest - 1))

    async def expire() -> None:
        for _ in range(15):
            await box.sql(
                "WITH due AS (UPDATE hold SET expires_at = clock_timestamp() - interval '1 s'"
                " WHERE status = 'ACTIVE' RETURNING hold_id) UPDATE live_hold"
                " SET expires_at = clock_timestamp() - interval '1 s' FROM due"
                " WHERE due.hold_id = live_hold.hold_id"
            )
            await asyncio.sleep(0)

    await asyncio.gather(*(harass(saga) for saga in sagas), buyer(), buyer(), expire())
    await box.check()


@pytest.mark.parametrize("seed", range(8))
async def test_a_batch_does_what_its_messages_do_one_by_one(box: Box, seed: int) -> None:
    pick = random.Random(seed)
    names = ("Reserve", "Sell", "Unsell", "Release", "Restock", "Reclaim")
    plan = [
        (pick.randrange(6), pick.choice(names), pick.choice((None, None, 1, 2, 3)))
        for _ in range(60)
    ]
    ends = []
    for together in (False, True):
        event = await box.opened(rows=1, seats=12, pools=(9, 9), most=4)
        sagas = [
            await Saga.begun(box, event, str(uuid7()), seats=[2 * n, 2 * n + 1], tickets=n % 3)
            for n in range(5)
        ]
        sagas.append(Saga(box, event, inventory_pb2.Hold(id=str(uuid7())), str(uuid7())))
        messages = [sagas[who].message(name, step=step) for who, name, step in plan]
        if together:
            await box.tell_together(*messages)
        else:
            await box.tell(*messages)
        rows = await box.sql(
            "SELECT seat_no, version, from_status, to_status FROM seat_journal"
            " WHERE event_id = :id ORDER BY seat_no, version",
            id=UUID(event.event_id),
        )
        kept = await box.sql(
            "SELECT status, booking_id IS NULL, saga_step FROM hold WHERE event_id = :id"
            " ORDER BY hold_id",
            id=UUID(event.event_id),
        )
        answers = Counter(await box.answers())
        ends.append(([*map(tuple, rows)], [*map(tuple, kept)], await box.pool(event), answers))
        await box.check()
    assert ends[0] == ends[1]


async def test_batches_of_two_processes_over_the_same_holds_never_stand_in_each_others_way(
    box: Box,
) -> None:
    event = await box.opened(rows=2, seats=20, most=4)
    sagas = [
        await Saga.begun(box, event, str(uuid7()), seats=[n, 39 - n], tickets=1) for n in range(20)
    ]
    for name in ("Reserve", "Sell", "Restock"):
        messages = [saga.message(name) for saga in sagas]
        await asyncio.gather(box.tell_together(*messages), box.tell_together(*reversed(messages)))
        assert len(set(await box.answers())) == 1
    assert await box.statuses(event) == {}
    assert await box.pool(event) == (0, 0, 0)


async def test_the_journal_can_only_grow(box: Box) -> None:
    event = await box.opened()
    await box.hold(event, seats=[1])
    for statement in ("DELETE FROM seat_journal", "UPDATE seat_journal SET version = 9"):
        with pytest.raises(Exception, match="permission denied"):
            await box.sql(statement)


async def test_what_concerns_several_events_is_done_for_each_of_them(box: Box) -> None:
    events = [await box.opened() for _ in range(5)]
    people = [str(uuid7()) for _ in events]
    sagas = [
        await Saga.begun(box, event, person, seats=[1, 2], tickets=2)
        for event, person in zip(events, people, strict=True)
    ]
    wanted = [
        (person, saga.hold.id, saga.booking_id) for person, saga in zip(people, sagas, strict=True)
    ]
    results = await box.reserve(*wanted)
    assert [result.booking_id for result in results] == [saga.booking_id for saga in sagas]
    for person, event in zip(people, events, strict=True):  # their slots are free
        await box.hold(event, person, seats=[3])
        await box.hold(event, person, seats=[4])
    for saga in sagas:
        saga.step = 1
    await box.tell_together(*(saga.message("Sell") for saga in sagas))
    assert await box.answers() == [("SOLD", "")] * len(sagas)
    for event in events:
        taken = await box.statuses(event)
        assert taken == {1: "SOLD", 2: "SOLD", 3: "HELD", 4: "HELD"}
        assert await box.pool(event) == (0, 0, 2)
    await box.tell_together(*(saga.message("Restock") for saga in sagas))
    for event in events:
        assert await box.statuses(event) == {3: "HELD", 4: "HELD"}
        assert await box.pool(event) == (0, 0, 0)
