"""Coupons and fees: what they take off and add, and limits that hold whoever comes at once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from parterre.booking.v1 import booking_pb2
from parterre.messages.v1 import messages_pb2

from booking_service.domain import Fees
from chassis.database import IntegrityError
from chassis.errors import RemoteError
from chassis.identity import Role
from chassis.ids import uuid7
from tests.component.conftest import MakeDatabase, Serve, one_answer

from .box import ADMIN, ASHA, BIKRAM, ORGANIZER, Box, Seats, moment, reasons, refused

TOMORROW = moment(datetime.now(UTC) + timedelta(days=1))
YESTERDAY = moment(datetime.now(UTC) - timedelta(days=1))


async def update(box: Box, code: str = "SAVE-10", **facts: Any) -> Any:
    return (await box.organize("UpdateCoupon", code=code, **facts)).coupon


# --- what is paid ----------------------------------------------------------------------------


async def test_a_quote_is_what_the_booking_costs_and_uses_nothing(box: Box) -> None:
    await box.coupon()
    hold = box.hold()
    price = await box.quote(hold, "save-10")  # in whatever case
    assert (price.subtotal, price.discount) == (120_000, 12_000)
    assert (price.tax, price.total) == (14_040, 122_040)  # tax on what is left
    assert await box.uses() == 0
    booking = await box.create(ASHA, hold, coupon_code="save-10")
    assert (booking.price, booking.coupon_code) == (price, "SAVE-10")
    assert await box.uses() == 1


@pytest.mark.parametrize(
    ("coupon", "discount"),
    [
        ({"kind": "FIXED", "value": 5_000}, 5_000),
        ({"kind": "FIXED", "value": 10**9}, 120_000),
        ({"kind": "PERCENT", "value": 50, "max_discount": 7_000}, 7_000),
        ({"kind": "PERCENT", "value": 1}, 1_200),
        ({"kind": "PERCENT", "value": 10, "min_total": 120_000}, 12_000),
    ],
)
async def test_what_a_coupon_takes_off(box: Box, coupon: dict[str, Any], discount: int) -> None:
    await box.coupon(**coupon)
    assert (await box.quote(box.hold(), "SAVE-10")).discount == discount


async def test_a_booking_that_a_coupon_makes_free_never_meets_payment(box: Box) -> None:
    await box.coupon(kind="PERCENT", value=100)
    booking = await box.create(ASHA, box.hold(), coupon_code="SAVE-10")
    assert (booking.price.total, booking.HasField("payment")) == (0, False)
    assert booking.status == "CONFIRMED"
    assert sorted(await box.asked(booking)) == ["BookingEnded", "SellSeats"]
    await box.cancel(booking)
    await box.seats(booking, Seats.OUTCOME_RESTOCKED)
    assert await box.uses() == 0


def places(box: Box, **facts: Any) -> booking_pb2.QuoteBookingRequest:
    """Two seats and two standing places, without a hold."""
    return booking_pb2.QuoteBookingRequest(
        **(
            {
                "event_id": str(box.event_id),
                "seat_ids": ["12", "13"],
                "general": [{"tier_id": "u", "quantity": 2}],
            }
            | facts
        )
    )


async def test_places_are_quoted_without_a_hold_as_a_booking_of_them_costs(box: Box) -> None:
    await box.coupon()
    wanted = places(box, coupon_code="save-10")
    quote = await box.caller.as_person(ASHA, "QuoteBooking", wanted)
    booking = await box.create(ASHA, box.hold(), coupon_code="SAVE-10")
    assert quote.price == booking.price
    assert [line.quantity for line in quote.lines] == [1, 1, 2]
    assert (quote.available, list(quote.unavailable_seat_ids)) == (True, [])
    assert await box.uses() == 1  # the booking's
    box.inventory.taken.add("13")
    quote = await box.caller.as_person(ASHA, "QuoteBooking", wanted)
    assert quote.price == booking.price
    assert (quote.available, list(quote.unavailable_seat_ids)) == (False, ["13"])


async def test_a_quote_without_a_hold_is_refused_for_what_would_refuse_the_booking(
    box: Box,
) -> None:
    async def refuses(wanted: booking_pb2.QuoteBookingRequest) -> str:
        return await refused(box.caller.as_person(ASHA, "QuoteBooking", wanted))

    assert await refuses(places(box, coupon_code="NONE")) == "COUPON_UNKNOWN"
    await box.coupon("DEAR", min_total=120_001)
    assert await refuses(places(box, coupon_code="DEAR")) == "COUPON_MINIMUM"
    assert await refuses(places(box, event_id="x")) == "EVENT_NOT_FOUND"
    assert await refuses(booking_pb2.QuoteBookingRequest()) == "EVENT_NOT_FOUND"
    assert await refuses(places(box, event_id=str(uuid7()))) == "EVENT_NOT_READY"
    box.inventory.closed.add(box.event_id)
    assert await refuses(places(box)) == "EVENT_NOT_ON_SALE"
    box.inventory.closed.clear()
    await box.hears(messages_pb2.EventCancelled(event_id=str(box.event_id), reason="Rain"))
    assert await refuses(places(box)) == "EVENT_IS_CANCELLED"


async def test_the_houses_fee_is_quoted_and_a_gift_costs_none(box: Box, serve: Serve) -> None:
    await box.open(serve, Fees(basis_points=250, per_ticket=100))
    await box.coupon(value=100)
    hold = box.hold()
    price = await box.quote(hold)
    assert price.fees == 3_000 + 4 * 100
    assert price.total == 120_000 + 15_600 + 3_400
    assert (await box.quote(hold, "SAVE-10")).total == 0
    booking = await box.create(ASHA, hold)
    assert booking.price == price
    [charge] = await box.sent_as("ChargePayment", booking)
    assert (charge.amount.amount, charge.amount.currency, charge.fees) == (139_000, "NPR", 3_400)


# --- limits ----------------------------------------------------------------------------------


async def test_a_limit_holds_when_everybody_comes_at_once(
    box: Box, make_database: MakeDatabase, serve: Serve
) -> None:
    other = await box.another(make_database, serve)
    await box.coupon(usage_limit=7)
    people = [str(uuid7()) for _ in range(30)]
    outcomes = await asyncio.gather(
        *(
            place.create(who, box.hold(who), coupon_code="SAVE-10")
            for who, place in zip(people, [box, other] * 15, strict=True)
        ),
        return_exceptions=True,
    )
    assert reasons(outcomes) == ["COUPON_USED_UP"] * 23
    assert await box.uses() == 7


async def test_a_persons_limit_holds_when_they_try_from_everywhere(
    box: Box, make_database: MakeDatabase, serve: Serve
) -> None:
    other = await box.another(make_database, serve)
    await box.coupon(per_customer_limit=2)
    outcomes = await asyncio.gather(
        *(place.create(ASHA, box.hold(), coupon_code="SAVE-10") for place in [box, other] * 5),
        return_exceptions=True,
    )
    assert reasons(outcomes) == ["COUPON_USED_UP"] * 8
    assert await box.uses() == 2
    assert (await box.create(BIKRAM, box.hold(BIKRAM), coupon_code="SAVE-10")).price.discount


async def test_more_than_the_limit_is_impossible_whatever_any_code_does(box: Box) -> None:
    await box.coupon(usage_limit=1)
    with pytest.raises(IntegrityError):
        async with box.database.transaction() as session:
            await session.execute("UPDATE coupon SET used = 2")


async def test_a_retried_request_uses_the_coupon_once(box: Box) -> None:
    await box.coupon(usage_limit=1)
    hold = box.hold()
    facts = {"coupon_code": "SAVE-10", "idempotency_key": "k"}
    first = await box.create(ASHA, hold, **facts)
    assert await box.create(ASHA, hold, **facts) == first
    assert await box.uses() == 1


async def test_a_booking_that_is_refused_uses_nothing(box: Box) -> None:
    await box.coupon()
    hold = box.hold()
    await box.create(ASHA, hold)
    for key in ("", "k"):
        call = box.create(ASHA, hold, coupon_code="SAVE-10", idempotency_key=key)
        assert await refused(call) == "HOLD_ALREADY_BOOKED"
    assert await box.uses() == 0


# --- given back ------------------------------------------------------------------------------


async def test_a_use_comes_back_when_the_booking_fails(box: Box) -> None:
    await box.coupon(usage_limit=1, per_customer_limit=1)
    failed = await box.create(ASHA, box.hold(), coupon_code="SAVE-10")
    assert await refused(box.create(BIKRAM, box.hold(BIKRAM), coupon_code="SAVE-10")) == (
        "COUPON_USED_UP"
    )
    await box.to_failed(failed)
    assert await box.uses() == 0
    given_up = await box.create(ASHA, box.hold(), coupon_code="SAVE-10")
    await box.cancel(given_up)
    await box.to_rest(given_up)
    assert await box.uses() == 0
    expired = await box.create(ASHA, box.hold(), coupon_code="SAVE-10")
    await box.let_time_pass(expired)
    assert await box.uses() == 1  # until it has really come to nothing
    await box.to_rest(expired)
    assert await box.uses() == 0


@pytest.mark.parametrize(("percent", "uses"), [(100, 0), (50, 1)])
async def test_a_use_comes_back_with_the_whole_price_and_not_with_a_part(
    box: Box, percent: int, uses: int
) -> None:
    await box.publish(version=2, refund_policy={"until_hours_before": 24, "percent": percent})
    await box.coupon()
    booking = await box.to_confirmed(coupon_code="SAVE-10")
    await box.cancel(booking)
    await box.to_cancelled(booking)
    assert await box.uses() == uses
    if uses:  # and the rest goes back after all
        await box.refunded(booking, booking.price.total, booking.price.total)
        assert await box.uses() == 0
        await box.refunded(booking, booking.price.total, booking.price.total)
        assert await box.uses() == 0


# --- refusals --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("coupon", "reason"),
    [
        ({"valid_from": TOMORROW}, "COUPON_NOT_VALID"),
        ({"valid_to": YESTERDAY}, "COUPON_NOT_VALID"),
        ({"min_total": 120_001}, "COUPON_MINIMUM"),
    ],
)
async def test_why_a_coupon_is_refused(box: Box, coupon: dict[str, Any], reason: str) -> None:
    await box.coupon(**coupon)
    hold = box.hold()
    assert await refused(box.quote(hold, "SAVE-10")) == reason
    assert await refused(box.create(ASHA, hold, coupon_code="SAVE-10")) == reason
    assert await refused(box.quote(hold, "OTHER")) == "COUPON_UNKNOWN"
    assert await refused(box.create(ASHA, hold, coupon_code="OTHER")) == "COUPON_UNKNOWN"
    assert await box.uses() == 0
    assert (await box.create(ASHA, hold)).price.discount == 0


async def test_a_coupon_is_switched_off_and_on(box: Box) -> None:
    await box.coupon()
    assert not (await update(box, active=False)).active
    assert await refused(box.quote(box.hold(), "SAVE-10")) == "COUPON_NOT_VALID"
    assert (await update(box, code="save-10", active=True)).active
    assert (await box.quote(box.hold(), "SAVE-10")).discount


async def test_limits_change_but_never_below_what_is_used(box: Box) -> None:
    await box.coupon(usage_limit=5, min_total=1)
    for _ in range(2):
        await box.create(ASHA, box.hold(), coupon_code="SAVE-10")
    with pytest.raises(RemoteError) as error:
        await update(box, usage_limit=1)
    assert (error.value.reason, list(error.value.metadata)) == ("INVALID_COUPON", ["usage_limit"])
    changed = await update(box, usage_limit=2, min_total=0, per_customer_limit=9)
    assert (changed.usage_limit, changed.per_customer_limit, changed.used) == (2, 9, 2)
    assert not changed.HasField("min_total")
    unlimited = await update(box, usage_limit=0)
    assert (unlimited.HasField("usage_limit"), unlimited.per_customer_limit) == (False, 9)
    assert await update(box) == unlimited
    assert await refused(update(box, valid_from=TOMORROW, valid_to=YESTERDAY)) == "INVALID_COUPON"
    assert await refused(update(box, usage_limit=-1)) == "INVALID_COUPON"


@pytest.mark.parametrize(
    ("coupon", "field"),
    [
        ({"code": "no spaces"}, "code"),
        ({"code": "AB"}, "code"),
        ({"kind": "GIFT"}, "kind"),
        ({"value": 0}, "value"),
        ({"value": 101}, "value"),
        ({"kind": "FIXED", "value": 10**12 + 1}, "value"),
        ({"usage_limit": 0}, "usage_limit"),
        ({"max_discount": -1}, "max_discount"),
        ({"valid_from": TOMORROW, "valid_to": YESTERDAY}, "valid_to"),
    ],
)
async def test_a_coupon_that_can_not_be_is_refused_by_its_field(
    box: Box, coupon: dict[str, Any], field: str
) -> None:
    with pytest.raises(RemoteError) as error:
        await box.coupon(**coupon)
    assert (error.value.reason, list(error.value.metadata)) == ("INVALID_COUPON", [field])


async def test_of_two_coupons_with_one_code_there_is_one(box: Box) -> None:
    outcomes = await asyncio.gather(
        *(box.coupon(code) for code in ("twice", "TWICE", "Twice")), return_exceptions=True
    )
    assert reasons(outcomes) == ["COUPON_EXISTS"] * 2


async def test_coupons_are_the_organizers_and_listed_by_code_page_by_page(box: Box) -> None:
    for code in ("BBB", "AAA", "CCC"):
        await box.coupon(code)
    first = await box.organize("ListCoupons", limit=2)
    assert [coupon.code for coupon in first.coupons] == ["AAA", "BBB"]
    last = await box.organize("ListCoupons", limit=2, cursor=first.next_cursor)
    assert ([coupon.code for coupon in last.coupons], last.next_cursor) == (["CCC"], "")
    seen = await box.organize("ListCoupons", who=ADMIN, role=Role.ADMIN, limit=9)
    assert len(seen.coupons) == 3
    wish = booking_pb2.Coupon(code="MINE", kind="FIXED", value=1)
    for method, facts in (
        ("ListCoupons", {"limit": 9}),
        ("CreateCoupon", {"coupon": wish}),
        ("UpdateCoupon", {"code": "AAA", "active": False}),
    ):
        assert await refused(box.organize(method, who=BIKRAM, **facts)) == "EVENT_NOT_FOUND"
        elsewhere = box.organize(method, **facts, event_id=str(uuid7()))
        # What is made may be of a draft that is on its way here.
        unknown = "EVENT_NOT_READY" if method == "CreateCoupon" else "EVENT_NOT_FOUND"
        assert await refused(elsewhere) == unknown
    assert await refused(update(box, code="ZZZ")) == "COUPON_NOT_FOUND"


async def test_one_key_makes_one_coupon_and_one_refusal(box: Box) -> None:
    wish = booking_pb2.Coupon(code="ONCE", kind="PERCENT", value=10)
    facts = {"coupon": wish, "idempotency_key": "k"}
    made = await one_answer(lambda: box.organize("CreateCoupon", **facts))
    assert made.coupon.code == "ONCE"
    taken = {"coupon": wish, "idempotency_key": "l"}
    for _ in range(2):
        assert await refused(box.organize("CreateCoupon", **taken)) == "COUPON_EXISTS"


async def test_a_draft_has_coupons_of_its_organizer_alone(box: Box) -> None:
    draft = messages_pb2.EventPublished(
        event_id=str(uuid7()),
        organizer_id=ORGANIZER,
        title="A play",
        place="Patan",
        starts_at=TOMORROW,
        timezone="Asia/Kathmandu",
        currency="NPR",
        version=1,
    )
    wish = {"coupon": booking_pb2.Coupon(code="EARLY", kind="PERCENT", value=10)}
    event = {"event_id": draft.event_id}
    # Not heard of: no refusal to be kept under the key.
    call = box.organize("CreateCoupon", idempotency_key="k", **wish, **event)
    assert await refused(call) == "EVENT_NOT_READY"
    await box.hears(messages_pb2.EventDrafted(event=draft))
    for who in (ASHA, BIKRAM):
        assert await refused(box.organize("CreateCoupon", who=who, **wish, **event)) == (
            "EVENT_NOT_FOUND"
        )
    made = await box.organize("CreateCoupon", idempotency_key="k", **wish, **event)
    assert made.coupon.code == "EARLY"
    # It is published as it has become by then.
    draft.version, draft.currency = 2, "INR"
    await box.hears(draft)
    [listed] = (await box.organize("ListCoupons", limit=20, **event)).coupons
    assert listed.code == "EARLY"
