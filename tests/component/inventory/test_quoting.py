"""inventory_service: what places would cost, without a hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from parterre.inventory.v1 import inventory_pb2

from chassis.ids import uuid7

from .box import Box, Place, reason, refusal


async def quote(
    box: Box, event: Place, person: str = "", seats: Sequence[int | str] = (), tickets: int = 0
) -> Any:
    request = inventory_pb2.QuotePlacesRequest(
        event_id=event.event_id, seat_ids=[str(seat) for seat in seats]
    )
    if tickets:
        request.general.add(tier_id=event.standing_tier, quantity=tickets)
    return await box.call(person or str(uuid7()), "QuotePlaces", request)


async def test_a_quote_is_what_a_hold_would_keep_and_holds_nothing(box: Box) -> None:
    event = await box.opened()
    person = str(uuid7())
    quoted = await quote(box, event, person, [11, 2], 3)
    assert (quoted.available, list(quoted.unavailable_seat_ids)) == (True, [])
    assert quoted.currency == "NPR"
    assert await box.statuses(event) == {}
    assert await box.pool(event) == (0, 0, 0)
    hold = await box.hold(event, person, [11, 2], 3)
    assert list(quoted.lines) == list(hold.lines)


async def test_what_somebody_has_is_priced_and_named(box: Box) -> None:
    event = await box.opened(pools=(2, 3))
    hold = await box.hold(event, seats=[1, 2], tickets=4)
    quoted = await quote(box, event, seats=[2, 3], tickets=2)
    assert (quoted.available, list(quoted.unavailable_seat_ids)) == (False, ["2"])
    assert [(line.seat_id, line.quantity) for line in quoted.lines] == [("2", 1), ("3", 1), ("", 2)]
    assert not (await quote(box, event, tickets=2)).available
    assert (await quote(box, event, tickets=1)).available

    await box.let_expire(hold.id)  # nobody has come by to free its places

    quoted = await quote(box, event, seats=[2, 3], tickets=5)
    assert (quoted.available, list(quoted.unavailable_seat_ids)) == (True, [])


async def test_a_person_is_quoted_what_they_may_have(box: Box) -> None:
    event = await box.opened(most=4)
    person = str(uuid7())
    held = await box.hold(event, person, seats=[1, 2])
    assert (await quote(box, event, person, [3, 4])).available
    error = await refusal(quote(box, event, person, [3, 4, 5]))
    assert (error.reason, error.metadata["limit"]) == ("CUSTOMER_LIMIT", "4")
    assert await reason(quote(box, event, tickets=5)) == "CUSTOMER_LIMIT"
    await box.let_expire(held.id)
    assert (await quote(box, event, person, [1, 2, 3, 4])).available


@pytest.mark.parametrize(
    ("window", "why"),
    [
        ({"sales_from": Timestamp(seconds=4_000_000_000)}, "SALES_CLOSED"),
        ({"sales_to": Timestamp(seconds=1)}, "SALES_CLOSED"),
    ],
)
async def test_outside_the_sales_window_nothing_is_quoted(
    box: Box, window: dict[str, Any], why: str
) -> None:
    event = await box.opened(**window)
    assert await reason(quote(box, event, seats=[1])) == why


async def test_what_can_not_be_meant_is_refused_as_a_hold_of_it_is(box: Box) -> None:
    event = await box.opened()
    nowhere = Place(str(uuid7()), "", "", str(uuid7()), (), event.message)
    unknown = Place(event.event_id, "", "", str(uuid7()), (), event.message)
    for call, why in (
        (quote(box, event), "INVALID_HOLD"),
        (quote(box, event, seats=[1, 1]), "INVALID_HOLD"),
        (quote(box, event, seats=range(101)), "INVALID_HOLD"),
        (quote(box, event, tickets=-1), "INVALID_HOLD"),
        (quote(box, event, seats=[20]), "UNKNOWN_SEATS"),
        (quote(box, event, seats=["x"]), "UNKNOWN_SEATS"),
        (quote(box, unknown, tickets=1), "UNKNOWN_TIER"),
        (quote(box, nowhere, seats=[1]), "EVENT_NOT_FOUND"),
    ):
        assert await reason(call) == why
