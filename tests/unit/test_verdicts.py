"""Who gets what, of those that ask together."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.batching import TryAgain
from inventory_service.domain import (
    BestAvailable,
    CustomerLimitError,
    HoldLimitError,
    HoldOrder,
    Layout,
    NoAdjacentSeatsError,
    NotEnoughCapacityError,
    Row,
    SeatsUnavailableError,
    Section,
    Tier,
    UnknownSeatsError,
)
from inventory_service.holding.verdicts import (
    Granted,
    Hindered,
    Outrun,
    Reasons,
    Truth,
    judge,
    reconsider,
    understand,
)

EVENT, STALLS, FLOOR, HALL, NEAR, FAR = (UUID(int=n) for n in range(1, 7))
ANNA, BEN, CARA = (UUID(int=n) for n in range(11, 14))
LAYOUT = Layout(
    event_id=EVENT,
    currency="NPR",
    max_per_customer=4,
    focal=(0.0, 0.0),
    tiers={STALLS: Tier(STALLS, "Stalls", 500), FLOOR: Tier(FLOOR, "Floor", 100)},
    sections=[
        Section(
            HALL,
            "Hall",
            STALLS,
            [Row("A", 0, [str(n) for n in range(10)], [float(n) for n in range(10)], [0.0] * 10)],
            10,
        ),
        Section(NEAR, "Near", FLOOR, [], 3),
        Section(FAR, "Far", FLOOR, [], 5),
    ],
)
NOBODY = Reasons({}, {}, [], [])


def order(person: UUID, *seats: int, tickets: int = 0, best: int = 0) -> HoldOrder:
    return HoldOrder(
        EVENT,
        person,
        [str(seat) for seat in seats],
        BestAvailable(best, None, None) if best else None,
        [(FLOOR, tickets)] if tickets else [],
    )


def truth(free: Sequence[int] = range(10), **known: dict[UUID, int]) -> Truth:
    return Truth(set(free), known.get("counted", {}), {}, known.get("pools", {NEAR: 3, FAR: 5}))


def test_who_came_first_gets_the_seat_and_the_other_is_told_which_is_gone() -> None:
    there = truth()
    first = judge(LAYOUT, there, understand(LAYOUT, order(ANNA, 1, 2)))
    second = judge(LAYOUT, there, understand(LAYOUT, order(BEN, 2, 3)))
    third = judge(LAYOUT, there, understand(LAYOUT, order(CARA, 3)))
    assert (first, third) == (Granted([1, 2], {}, 1), Granted([3], {}, 1))
    assert isinstance(second, SeatsUnavailableError)
    assert json.loads(second.metadata["seat_ids"]) == ["2"]


def test_a_refused_order_takes_nothing_so_a_smaller_one_is_served() -> None:
    there = truth(pools={NEAR: 1, FAR: 1})
    large = judge(LAYOUT, there, understand(LAYOUT, order(ANNA, 1, tickets=3)))
    small = judge(LAYOUT, there, understand(LAYOUT, order(BEN, 1, tickets=2)))
    assert isinstance(large, Hindered)
    assert isinstance(large.refusal, NotEnoughCapacityError)
    assert small == Granted([1], {NEAR: 1, FAR: 1}, 1)


def test_a_persons_limits_count_what_the_same_batch_gave_them() -> None:
    there = truth(counted={ANNA: 1})
    assert judge(LAYOUT, there, understand(LAYOUT, order(ANNA, 1, 2))) == Granted([1, 2], {}, 1)
    too_many = judge(LAYOUT, there, understand(LAYOUT, order(ANNA, 3, 4)))
    assert isinstance(too_many, Hindered)
    assert isinstance(too_many.refusal, CustomerLimitError)
    assert too_many.refusal.metadata == {"limit": "4", "held": "3"}
    assert judge(LAYOUT, there, understand(LAYOUT, order(ANNA, 3))) == Granted([3], {}, 2)
    third = judge(LAYOUT, truth(), understand(LAYOUT, order(BEN, 4)))
    assert isinstance(third, Granted)
    there.counted.clear()
    assert isinstance(judge(LAYOUT, there, understand(LAYOUT, order(ANNA, 5))), HoldLimitError)


def test_more_than_anybody_may_have_is_refused_whoever_else_holds_what() -> None:
    verdict = judge(LAYOUT, truth(free=[]), understand(LAYOUT, order(ANNA, 1, 2, 3, 4, 5)))
    assert isinstance(verdict, CustomerLimitError)


def test_chosen_seats_that_others_took_are_no_refusal() -> None:
    request = understand(LAYOUT, order(ANNA, best=2))
    assert judge(LAYOUT, truth(free=[4]), request, range(4, 6)) == Outrun()
    assert judge(LAYOUT, truth(free=[4, 5]), request, range(4, 6)) == Granted(range(4, 6), {}, 1)
    none = judge(LAYOUT, truth(), request, None)
    assert isinstance(none, Hindered)
    assert isinstance(none.refusal, NoAdjacentSeatsError)


def test_what_a_hold_costs_is_the_price_of_each_of_its_places() -> None:
    verdict = judge(LAYOUT, truth(), understand(LAYOUT, order(ANNA, 7, tickets=2)))
    assert isinstance(verdict, Granted)
    lines = [
        (line.seat_no, line.section_id, line.quantity, line.price) for line in verdict.lines(LAYOUT)
    ]
    assert lines == [(7, HALL, 1, 500), (None, NEAR, 2, 100)]


def test_seats_that_are_not_there_are_no_order() -> None:
    with pytest.raises(UnknownSeatsError):
        understand(LAYOUT, order(ANNA, 10))


@pytest.mark.parametrize(
    ("reasons", "expected"),
    [
        (replace(NOBODY, taken={1: None, 2: EVENT}), ["1"]),
        (replace(NOBODY, taken={1: FAR, 2: EVENT}), TryAgain),
        (NOBODY, TryAgain),  # they are free by now
    ],
)
def test_seats_of_due_holds_are_not_refused(reasons: Reasons, expected: object) -> None:
    verdict = judge(LAYOUT, truth(free=[3]), understand(LAYOUT, order(ANNA, 1, 2, 3)))
    assert isinstance(verdict, Hindered)
    final = reconsider(verdict, reasons)
    if isinstance(final, SeatsUnavailableError):
        assert json.loads(final.metadata["seat_ids"]) == expected
    else:
        assert isinstance(final, TryAgain)
        assert expected is TryAgain
        assert set(final.in_the_way) == {due for due in reasons.taken.values() if due}


def test_a_limit_or_a_shortage_stands_unless_a_due_hold_is_the_cause() -> None:
    over = judge(LAYOUT, truth(counted={ANNA: 4}), understand(LAYOUT, order(ANNA, 1)))
    short = judge(LAYOUT, truth(pools={NEAR: 0, FAR: 0}), understand(LAYOUT, order(BEN, tickets=1)))
    no_run = judge(LAYOUT, truth(), understand(LAYOUT, order(CARA, best=2)), None)
    causes = Reasons({}, {ANNA: [EVENT]}, [FLOOR], [HALL])
    for verdict, due in ((over, EVENT), (short, HALL), (no_run, FLOOR)):
        assert isinstance(verdict, Hindered)
        assert reconsider(verdict, NOBODY) is verdict.refusal
        assert reconsider(verdict, causes) == TryAgain(verdict.refusal, [due])


ORDERS = st.lists(
    st.builds(
        lambda person, seats, tickets: order(UUID(int=100 + person), *seats, tickets=tickets),
        st.integers(0, 5),
        st.sets(st.integers(0, 9), max_size=4),
        st.integers(0, 4),
    ).filter(lambda each: each.quantity > 0),
    max_size=30,
)


@given(ORDERS, st.sets(st.integers(0, 9)), st.integers(0, 3), st.integers(0, 5))
def test_nothing_is_given_twice_nor_refused_while_it_is_there(
    orders: Sequence[HoldOrder], free: set[int], near: int, far: int
) -> None:
    there = truth(list(free), pools={NEAR: near, FAR: far})
    given_seats: list[int] = []
    tickets = 0
    people: dict[UUID, int] = {}
    for each in orders:
        left, room = free - set(given_seats), near + far - tickets
        verdict = judge(LAYOUT, there, understand(LAYOUT, each))
        wanted = {int(seat) for seat in each.seat_ids}
        asked_tickets = sum(quantity for _tier, quantity in each.general)
        held = people.get(each.customer_id, 0)
        could = (
            wanted <= left
            and asked_tickets <= room
            and held + each.quantity <= LAYOUT.max_per_customer
            and not isinstance(verdict, HoldLimitError)
        )
        assert isinstance(verdict, Granted) == could
        if isinstance(verdict, Granted):
            given_seats += verdict.seat_nos
            tickets += sum(verdict.tickets.values())
            people[each.customer_id] = held + each.quantity
    assert len(set(given_seats)) == len(given_seats)
    assert set(given_seats) <= free
    assert there.pools[NEAR] >= 0 <= there.pools[FAR]
    assert sum(there.pools.values()) + tickets == near + far
    assert all(len(slots) <= 2 for slots in there.slots.values())
