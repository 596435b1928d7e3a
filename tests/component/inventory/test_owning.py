"""inventory_service: what people do with their holds."""

from __future__ import annotations

from datetime import timedelta

from parterre.inventory.v1 import inventory_pb2

from chassis.ids import uuid7
from tests.component.conftest import one_answer

from .box import Box, Saga, reason, refusal


async def test_another_persons_hold_is_not_there(box: Box) -> None:
    event = await box.opened()
    hold = await box.hold(event, seats=[1])
    stranger = str(uuid7())
    for id in (hold.id, str(uuid7()), "x"):
        for method, request in (
            ("GetHold", inventory_pb2.GetHoldRequest(hold_id=id)),
            ("ExtendHold", inventory_pb2.ExtendHoldRequest(hold_id=id)),
            ("AddToHold", inventory_pb2.AddToHoldRequest(hold_id=id, seat_ids=["2"])),
            ("ReleaseHold", inventory_pb2.ReleaseHoldRequest(hold_id=id)),
        ):
            assert await reason(box.call(stranger, method, request)) == "HOLD_NOT_FOUND"
    listed = await box.call(stranger, "ListHolds", inventory_pb2.ListHoldsRequest())
    assert not listed.holds
    assert await box.statuses(event) == {1: "HELD"}


async def test_holds_are_listed_newest_first_page_by_page(box: Box) -> None:
    events = [await box.opened() for _ in range(2)]
    person = str(uuid7())
    made = []
    for n in range(5):
        hold = await box.hold(events[n % 2], person, seats=[n])
        made.append(hold.id)
        await box.call(person, "ReleaseHold", inventory_pb2.ReleaseHoldRequest(hold_id=hold.id))
    seen: list[str] = []
    cursor = ""
    while True:
        page = await box.call(
            person, "ListHolds", inventory_pb2.ListHoldsRequest(limit=2, cursor=cursor)
        )
        assert len(page.holds) <= 2
        seen += [hold.id for hold in page.holds]
        cursor = page.next_cursor
        if not cursor:
            break
    assert seen == made[::-1]
    one = inventory_pb2.ListHoldsRequest(event_id=events[0].event_id, limit=100)
    assert [h.id for h in (await box.call(person, "ListHolds", one)).holds] == made[::2][::-1]
    bad = inventory_pb2.ListHoldsRequest(cursor="ä?")
    assert await reason(box.call(person, "ListHolds", bad)) == "INVALID_CURSOR"


async def test_a_hold_is_extended_up_to_its_cap(box: Box) -> None:
    event = await box.opened()
    person = str(uuid7())
    hold = await box.hold(event, person, seats=[1])

    async def extend(seconds: int) -> inventory_pb2.Hold:
        request = inventory_pb2.ExtendHoldRequest(hold_id=hold.id, seconds=seconds)
        return (await box.call(person, "ExtendHold", request)).hold

    assert await reason(extend(-1)) == "INVALID_HOLD"
    until = hold.expires_at.ToDatetime()
    for seconds, more in ((0, 300), (60, 60)):
        until += timedelta(seconds=more)
        assert (await extend(seconds)).expires_at.ToDatetime() == until
    longest = await extend(100_000)  # more than is allowed gives what is allowed
    assert longest.expires_at == hold.extendable_until
    assert await reason(extend(0)) == "HOLD_EXTENSION_LIMIT"
    await box.let_expire(hold.id)
    assert await reason(extend(0)) == "HOLD_EXPIRED"


async def test_a_hold_is_released_in_part_and_then_whole(box: Box) -> None:
    event = await box.opened(most=4)
    person = str(uuid7())
    hold = await box.hold(event, person, seats=[1, 2, 3], tickets=1)

    async def release(*seats: str) -> inventory_pb2.Hold:
        request = inventory_pb2.ReleaseHoldRequest(hold_id=hold.id, seat_ids=seats)
        return (await box.call(person, "ReleaseHold", request)).hold

    assert await reason(release("1", "4")) == "UNKNOWN_SEATS"
    left = await release("1", "3")
    assert (left.status, left.version, [line.seat_id for line in left.lines]) == (
        "ACTIVE",
        2,
        ["2", ""],
    )
    assert await reason(release("1")) == "UNKNOWN_SEATS"
    await box.hold(event, person, seats=[1, 3])
    await box.check()
    assert (await release()).status == "RELEASED"
    assert (await release()).status == "RELEASED"
    assert await reason(release("2")) == "HOLD_NOT_ACTIVE"
    assert await box.pool(event) == (0, 0, 0)
    assert await box.statuses(event) == {1: "HELD", 3: "HELD"}


async def test_a_hold_grows_and_shrinks_with_what_its_person_chooses(box: Box) -> None:
    event = await box.opened(most=6, pools=(3,))
    person = str(uuid7())
    hold = await box.hold(event, person, seats=[1])

    async def change(method: str, *seats: str, tickets: int = 0) -> inventory_pb2.Hold:
        kinds = {
            "AddToHold": inventory_pb2.AddToHoldRequest,
            "ReleaseHold": inventory_pb2.ReleaseHoldRequest,
        }
        request = kinds[method](hold_id=hold.id, seat_ids=seats)
        if tickets:
            request.general.add(tier_id=event.standing_tier, quantity=tickets)
        return (await box.call(person, method, request)).hold

    def told(changed: inventory_pb2.Hold) -> list[tuple[str, int]]:
        return [(line.seat_id, line.quantity) for line in changed.lines]

    grown = await change("AddToHold", "2", tickets=1)
    assert told(grown) == [("1", 1), ("2", 1), ("", 1)]
    assert (grown.id, grown.expires_at) == (hold.id, hold.expires_at)
    again = await change("AddToHold", "1", "2", "3", tickets=2)  # what it has stays
    assert told(again) == [("1", 1), ("2", 1), ("", 3), ("3", 1)]
    assert again.total.amount == 3 * 125000 + 3 * 50000
    over = await refusal(change("AddToHold", "4"))
    assert over.reason == "CUSTOMER_LIMIT"
    assert over.metadata == {"limit": "6", "held": "6"}
    less = await change("ReleaseHold", "1", "2", tickets=2)
    assert told(less) == [("", 1), ("3", 1)]
    assert await reason(change("ReleaseHold", tickets=2)) == "INVALID_HOLD"
    assert await reason(change("ReleaseHold", "3", tickets=-1)) == "INVALID_HOLD"
    assert await reason(change("AddToHold", tickets=3)) == "NOT_ENOUGH_CAPACITY"
    assert await reason(change("AddToHold")) == "INVALID_HOLD"
    assert await box.pool(event) == (1, 0, 0)
    assert (await change("ReleaseHold", "3", tickets=1)).status == "RELEASED"
    assert await reason(change("AddToHold", "5")) == "HOLD_NOT_ACTIVE"
    assert await box.statuses(event) == {}


async def test_what_cannot_be_added_is_refused_whole_and_said(box: Box) -> None:
    event = await box.opened(pools=(2,))
    person = str(uuid7())
    hold = await box.hold(event, person, seats=[1])
    other, due = await box.hold(event, seats=[2, 3]), await box.hold(event, seats=[4], tickets=2)
    await box.let_expire(due.id)

    async def add(*seats: int, tickets: int = 0, key: str = "") -> inventory_pb2.Hold:
        request = inventory_pb2.AddToHoldRequest(
            hold_id=hold.id, seat_ids=map(str, seats), idempotency_key=key
        )
        if tickets:
            request.general.add(tier_id=event.standing_tier, quantity=tickets)
        return (await box.call(person, "AddToHold", request)).hold

    refused = await refusal(add(3, 5))
    assert (refused.reason, refused.metadata["seat_ids"]) == ("SEATS_UNAVAILABLE", '["3"]')
    assert await reason(add(5, tickets=3)) == "NOT_ENOUGH_CAPACITY"
    assert await reason(add(1000)) == "UNKNOWN_SEATS"
    stranger = inventory_pb2.AddToHoldRequest(hold_id=other.id, seat_ids=["5"])
    assert await reason(box.call(person, "AddToHold", stranger)) == "HOLD_NOT_FOUND"
    assert await box.statuses(event) == dict.fromkeys((1, 2, 3), "HELD")
    # What holds have whose time is over is free.
    grown = await one_answer(lambda: add(4, tickets=2, key="more"))
    assert [line.seat_id for line in grown.lines] == ["1", "4", ""]
    await box.let_expire(hold.id)
    assert await reason(add(6)) == "HOLD_EXPIRED"


async def test_releasing_every_seat_one_by_one_releases_the_hold(box: Box) -> None:
    event = await box.opened()
    person = str(uuid7())
    hold = await box.hold(event, person, seats=[1, 2])
    for seat, status in (("1", "ACTIVE"), ("2", "RELEASED")):
        request = inventory_pb2.ReleaseHoldRequest(hold_id=hold.id, seat_ids=[seat])
        assert (await box.call(person, "ReleaseHold", request)).hold.status == status
    assert await box.statuses(event) == {}


async def test_a_booked_or_expired_hold_is_no_longer_its_owners_to_change(box: Box) -> None:
    event = await box.opened()
    person = str(uuid7())
    saga = await Saga.begun(box, event, person, seats=[1])
    due = await box.hold(event, person, seats=[2])
    await box.let_expire(due.id)
    await saga.send("Reserve")
    for method, kind in (
        ("ExtendHold", inventory_pb2.ExtendHoldRequest),
        ("ReleaseHold", inventory_pb2.ReleaseHoldRequest),
    ):
        booked = box.call(person, method, kind(hold_id=saga.hold.id))
        assert await reason(booked) == "HOLD_NOT_ACTIVE"
        assert await reason(box.call(person, method, kind(hold_id=due.id))) == "HOLD_EXPIRED"


async def test_one_key_extends_a_hold_once_and_releases_it_once(box: Box) -> None:
    event = await box.opened()
    person = str(uuid7())
    hold = await box.hold(event, person, seats=[1, 2])
    more = inventory_pb2.ExtendHoldRequest(hold_id=hold.id, seconds=60, idempotency_key="e")
    extended = await one_answer(lambda: box.call(person, "ExtendHold", more))
    gained = extended.hold.expires_at.ToDatetime() - hold.expires_at.ToDatetime()
    assert gained == timedelta(seconds=60)
    part = inventory_pb2.ReleaseHoldRequest(hold_id=hold.id, seat_ids=["1"], idempotency_key="r")
    left = await one_answer(lambda: box.call(person, "ReleaseHold", part))
    assert [line.seat_id for line in left.hold.lines] == ["2"]
