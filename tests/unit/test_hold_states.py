"""What becomes of a hold: the pure rules of the saga's commands."""

from __future__ import annotations

from itertools import product
from uuid import UUID, uuid4

import pytest

from inventory_service.domain import (
    SEATS_OF,
    STEPS,
    Command,
    HoldState,
    HoldStatus,
    Outcome,
    SeatsOrder,
    shown_status,
    step,
)

MINE = UUID(int=1)


def state(status: HoldStatus, *, booking_id: UUID | None = MINE, due: bool = False) -> HoldState:
    saga_step = 5 if booking_id else 0
    return HoldState(uuid4(), uuid4(), uuid4(), status, due, 1, 2, 0, booking_id, saga_step)


def command(which: Command, version: int = 1, saga_step: int = 5) -> SeatsOrder:
    return SeatsOrder(which, MINE, uuid4(), uuid4(), saga_step, version)


@pytest.mark.parametrize(("which", "status"), list(product(Command, HoldStatus)))
def test_a_command_done_twice_is_answered_twice_and_changes_once(
    which: Command, status: HoldStatus
) -> None:
    first = step(command(which), state(status), event_open=True)
    if first is None or first.to is None:
        return
    second = step(command(which), state(first.to), event_open=True)
    assert second == (None, first.outcome, "")


@pytest.mark.parametrize(("which", "status"), list(product(Command, HoldStatus)))
def test_another_bookings_hold_is_never_touched(which: Command, status: HoldStatus) -> None:
    planned = step(command(which), state(status, booking_id=UUID(int=2)), event_open=True)
    assert planned is None or planned.to is None


@pytest.mark.parametrize(("which", "status"), list(product(Command, HoldStatus)))
def test_of_two_commands_the_newer_has_its_way_and_the_older_no_answer(
    which: Command, status: HoldStatus
) -> None:
    for older in (0, 1, 4):
        assert step(command(which, saga_step=older), state(status), event_open=True) is None
    newer = step(command(which, saga_step=6), state(status), event_open=True)
    assert newer == step(command(which), state(status), event_open=True)


def test_a_command_without_a_step_has_no_effect() -> None:
    fresh = state(HoldStatus.ACTIVE, booking_id=None)
    assert all(step(command(each, saga_step=0), fresh, event_open=True) is None for each in Command)


@pytest.mark.parametrize("which", [Command.RELEASE, Command.RESTOCK])
def test_what_is_given_back_is_free_whatever_it_was(which: Command) -> None:
    for status in HoldStatus:
        assert SEATS_OF[STEPS[which][status].to or status] == "AVAILABLE"


@pytest.mark.parametrize(
    ("held", "version", "is_open", "reason"),
    [
        (state(HoldStatus.ACTIVE, booking_id=None, due=True), 1, True, "HOLD_EXPIRED"),
        (state(HoldStatus.ACTIVE, booking_id=None), 2, True, "HOLD_CHANGED"),
        (state(HoldStatus.ACTIVE, booking_id=None), 1, False, "EVENT_NOT_ON_SALE"),
        (state(HoldStatus.RELEASED, booking_id=None), 1, True, "HOLD_RELEASED"),
        (state(HoldStatus.EXPIRED, booking_id=None), 1, True, "HOLD_EXPIRED"),
    ],
)
def test_a_reserve_that_comes_too_late_says_why(
    held: HoldState, version: int, is_open: bool, reason: str
) -> None:
    planned = step(command(Command.RESERVE, version), held, event_open=is_open)
    assert planned == (None, Outcome.RESERVE_REFUSED, reason)


@pytest.mark.parametrize("status", HoldStatus)
def test_a_sell_is_never_refused(status: HoldStatus) -> None:
    planned = step(command(Command.SELL), state(status), event_open=False)
    if status in {HoldStatus.RESERVED, HoldStatus.SOLD}:
        assert planned is not None
        assert (planned.to or status, planned.outcome) == (HoldStatus.SOLD, Outcome.SOLD)
    else:
        assert planned == (None, None, "HOLD_NOT_RESERVED")


@pytest.mark.parametrize("status", HoldStatus)
def test_an_unsell_of_before_does_nothing(status: HoldStatus) -> None:
    assert step(command(Command.UNSELL, saga_step=9), state(status), event_open=True) is None


@pytest.mark.parametrize(
    ("held", "still_sells", "expected"),
    [
        (state(HoldStatus.RELEASED), True, (HoldStatus.SOLD, Outcome.RECLAIMED, "")),
        (state(HoldStatus.EXPIRED), True, (HoldStatus.SOLD, Outcome.RECLAIMED, "")),
        (state(HoldStatus.RELEASED), False, (None, Outcome.RECLAIM_REFUSED, "SALES_CLOSED")),
        (state(HoldStatus.SOLD), False, (None, Outcome.RECLAIMED, "")),
        # What was never the booking's.
        *(
            (state(status, booking_id=booking_id), True, (None, Outcome.RECLAIM_REFUSED, taken))
            for taken in ["SEATS_UNAVAILABLE"]
            for status, booking_id in [
                (HoldStatus.RELEASED, None),
                (HoldStatus.EXPIRED, None),
                (HoldStatus.ACTIVE, None),
                (HoldStatus.RELEASED, UUID(int=2)),
            ]
        ),
    ],
)
def test_a_late_payment_takes_back_what_was_its_bookings_while_the_event_sells(
    held: HoldState, still_sells: bool, expected: tuple[HoldStatus | None, Outcome, str]
) -> None:
    planned = step(command(Command.RECLAIM), held, event_open=still_sells, still_sells=still_sells)
    assert planned == expected


def test_seats_move_when_they_are_sold_and_not_when_they_are_reserved() -> None:
    reserved, sold = state(HoldStatus.ACTIVE), state(HoldStatus.RESERVED)
    assert not reserved.moves(HoldStatus.RESERVED).changes_places
    assert sold.moves(HoldStatus.SOLD).changes_places
    assert sold.moves(HoldStatus.EXPIRED).gives_back


def test_the_owner_sees_four_statuses() -> None:
    assert shown_status(HoldStatus.ACTIVE, due=False) == "ACTIVE"
    assert shown_status(HoldStatus.ACTIVE, due=True) == "EXPIRED"
    assert shown_status(HoldStatus.RESERVED, due=True) == "BOOKED"
    assert shown_status(HoldStatus.SOLD, due=True) == "BOOKED"
    assert shown_status(HoldStatus.RELEASED, due=True) == "RELEASED"
