"""Item 15: whoever had a hold could try out an event's coupons, a hundred a second."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from parterre.booking.v1 import booking_pb2

from booking_service.domain import CouponUnknownError
from chassis.refusals import write_refusal
from gateway.rates import RateLimiter
from tests.contract import samples
from tests.contract.conftest import Edge, RefusalError, running_gateway

QUOTE = "/bookings/quote"


def quote(code: str | None) -> dict[str, Any]:
    return {"hold_id": samples.HOLD, **({"coupon_code": code} if code else {})}


def order(code: str) -> dict[str, Any]:
    return {**quote(code), "payment_method": "CARD", "payment_token": "tok_ok"}


def answers_of_booking(edge: Edge, refusal: type[RefusalError], good: str = "") -> None:
    """One code there is; a booking is refused as a quote is."""
    unknown = refusal("INVALID", "COUPON_UNKNOWN")

    def quoted(request: Any) -> Any:
        known = request.coupon_code in {"", good}
        return booking_pb2.QuoteBookingResponse(price=samples.price()) if known else unknown

    async def booked(request: Any) -> Any:
        response = booking_pb2.CreateBookingsResponse()
        for place, _item in enumerate(request.items):
            result = response.results.add(place=place)
            result.refusal.CopyFrom(refused_coupon())
        yield response

    edge.booking.answers["QuoteBooking"] = quoted
    edge.booking.answers["CreateBookings"] = booked


def refused_coupon() -> Any:
    response = booking_pb2.CreateBookingsResponse()
    result = response.results.add()
    error = CouponUnknownError("There is no such coupon.", coupon_code="is unknown")
    write_refusal(result.refusal, error, method="CreateBookings", request_id="-")
    return result.refusal


async def test_codes_are_guessed_ten_times_by_quotes_and_bookings_alike(
    refusal: type[RefusalError],
) -> None:
    async with running_gateway() as edge:
        answers_of_booking(edge, refusal)
        asha = {"Authorization": f"Bearer {edge.keys.token()}"}
        wishes = [
            edge.post(QUOTE, quote(f"GUESS-{number}"), headers=asha)
            if number % 2
            else edge.post("/bookings", order(f"GUESS-{number}"), headers=asha)
            for number in range(30)
        ]
        answers = await asyncio.gather(*wishes)
        told = [answer.json()["reason"] for answer in answers]
        assert sorted(set(told)) == ["COUPON_UNKNOWN", "RATE_LIMITED"]
        assert told.count("COUPON_UNKNOWN") == 10
        for answer in answers:
            if answer.json()["reason"] == "RATE_LIMITED":
                assert answer.status_code == 429
                assert 1 <= int(answer.headers["retry-after"]) <= 60
        # Whoever has no code to try is not kept waiting for it.
        assert (await edge.post(QUOTE, quote(None), headers=asha)).status_code == 200
        bikram = await edge.post(QUOTE, quote("GUESS-1"))
        assert bikram.json()["reason"] == "COUPON_UNKNOWN"


async def test_codes_are_no_easier_to_try_without_a_hold(refusal: type[RefusalError]) -> None:
    async with running_gateway() as edge:
        edge.booking.answers["QuoteBooking"] = refusal("NOT_FOUND", "COUPON_UNKNOWN")
        asha = {"Authorization": f"Bearer {edge.keys.token()}"}
        told = []
        for number in range(12):
            wanted = {
                "event_id": samples.EVENT,
                "seat_ids": [str(number)],
                "coupon_code": f"G-{number}",
            }
            told.append((await edge.post(QUOTE, wanted, headers=asha)).json()["reason"])
        assert told == ["COUPON_UNKNOWN"] * 10 + ["RATE_LIMITED"] * 2


async def test_a_code_that_is_one_is_no_guess(refusal: type[RefusalError]) -> None:
    async with running_gateway(coupon_guesses=2) as edge:
        answers_of_booking(edge, refusal, good="EARLY-BIRD")
        asha = {"Authorization": f"Bearer {edge.keys.token()}"}
        for _ in range(5):
            assert (await edge.post(QUOTE, quote("EARLY-BIRD"), headers=asha)).status_code == 200
        edge.booking.answers["QuoteBooking"] = refusal("NOT_FOUND", "HOLD_NOT_FOUND")
        for _ in range(5):
            assert (await edge.post(QUOTE, quote("EARLY-BIRD"), headers=asha)).status_code == 404


@pytest.mark.parametrize("guesses", [1, 3])
def test_what_is_forgiven_is_as_if_it_had_not_been(guesses: int) -> None:
    limiter = RateLimiter(1 / 60, guesses)
    for _ in range(3):
        for _ in range(guesses):
            assert limiter.hit("asha", 0).allowed
        assert not limiter.hit("asha", 0).allowed
        for _ in range(guesses):
            limiter.forgive("asha")
    limiter.forgive("stranger")
    assert limiter.hit("stranger", 0).remaining == guesses - 1
