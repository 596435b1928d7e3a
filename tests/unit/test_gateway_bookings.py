"""Which bookings the gateway sends together, in front of a booking_service that a test plays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any, cast

import grpc
import pytest
from parterre.booking.v1 import booking_pb2
from parterre.types.v1 import types_pb2

from chassis import context
from chassis.errors import RemoteError, ServiceError
from chassis.identity import Identity, Role
from gateway.bookings import LIMITS, Answer, Bookings

Part = booking_pb2.CreateBookingsResponse
# Nobody is overtaken, however slow the machine is.
PATIENT = replace(LIMITS, slow_seconds=60)


class Call:
    """One call under way, answered by the test."""

    def __init__(self, request: Any, seconds: float) -> None:
        self.seconds = seconds
        self.items = list(request.items)
        self._parts: asyncio.Queue[Part | RemoteError | None] = asyncio.Queue()

    @property
    def asked(self) -> list[tuple[str, str, int]]:
        """Whose token, which hold, how long to wait."""
        return [(item.token, item.order.hold_id, item.wait_seconds) for item in self.items]

    def answer(self, *places: int) -> None:
        """Sends a part with the bookings of these places."""
        part = Part()
        for place in places:
            part.results.add(place=place, booking={"reference": self.items[place].order.hold_id})
        self._parts.put_nowait(part)

    def refuse(self, place: int, reason: str, *, replayed: bool = False) -> None:
        refusal = types_pb2.Refusal(
            code=grpc.StatusCode.FAILED_PRECONDITION.value[0], reason=reason
        )
        result = Part.Result(place=place, refusal=refusal, replayed=replayed)
        self._parts.put_nowait(Part(results=[result]))

    def end(self, error: RemoteError | None = None) -> None:
        self._parts.put_nowait(error)

    async def parts(self) -> AsyncGenerator[Part]:
        while (part := await self._parts.get()) is not None:
            if isinstance(part, RemoteError):
                raise part
            yield part


class Booking:
    """booking_service."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.rpc = self
        self.CreateBookings = None

    def parts_as_gateway(
        self, _method: object, request: Any, seconds: float
    ) -> AsyncGenerator[Part]:
        self.calls.append(Call(request, seconds))
        return self.calls[-1].parts()

    async def called(self, count: int) -> Call:
        async with asyncio.timeout(10):
            while len(self.calls) < count:
                await asyncio.sleep(0)
        return self.calls[count - 1]


@pytest.fixture
def booking() -> Booking:
    return Booking()


@pytest.fixture
def desk(booking: Booking) -> Bookings:
    return Bookings(cast("Any", booking), PATIENT)


def ask(desk: Bookings, person: str, *, wait: int = 0) -> asyncio.Task[Answer]:
    async def asking() -> Answer:
        identity = Identity(person, Role.CUSTOMER, "", f"token of {person}", 0)
        with context.request(id="test", identity=identity, seconds=30):
            order = booking_pb2.CreateBookingRequest(hold_id=f"hold of {person}")
            return await desk.create(order, wait_seconds=wait)

    return asyncio.create_task(asking())


async def settled() -> None:
    """Returns when whatever can go on without the test has."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_one_that_is_alone_goes_at_once(desk: Bookings, booking: Booking) -> None:
    anna = ask(desk, "anna")
    call = await booking.called(1)
    assert call.asked == [("token of anna", "hold of anna", 0)]
    assert call.seconds == 5
    call.answer(0)
    call.end()
    answer, replayed = await anna
    assert (answer.reference, replayed) == ("hold of anna", False)


async def test_those_that_come_while_bookings_are_being_made_go_as_one(
    desk: Bookings, booking: Booking
) -> None:
    anna = ask(desk, "anna")
    first = await booking.called(1)
    others = [ask(desk, "ben"), ask(desk, "chand", wait=7)]
    await settled()
    assert len(booking.calls) == 1
    first.answer(0)
    second = await booking.called(2)
    assert second.asked == [
        ("token of ben", "hold of ben", 0),
        ("token of chand", "hold of chand", 7),
    ]
    assert second.seconds == 12
    second.answer(1, 0)
    for call in booking.calls:
        call.end()
    assert [(await each)[0].reference for each in (anna, *others)] == [
        "hold of anna",
        "hold of ben",
        "hold of chand",
    ]


async def test_an_answer_ends_its_request_though_others_go_on_waiting(
    desk: Bookings, booking: Booking
) -> None:
    anna, ben = ask(desk, "anna", wait=20), ask(desk, "ben", wait=20)
    call = await booking.called(1)
    call.answer(1)
    assert (await ben)[0].reference == "hold of ben"
    assert not anna.done()
    call.answer(0)
    assert (await anna)[0].reference == "hold of anna"
    call.end()


async def test_bookings_that_are_made_and_only_waited_for_hold_up_nobody(
    desk: Bookings, booking: Booking
) -> None:
    waiting = [ask(desk, "anna", wait=20), ask(desk, "ben")]
    first = await booking.called(1)
    later = ask(desk, "chand", wait=20)
    await settled()
    assert len(booking.calls) == 1
    # All that do not wait have their answers: the bookings are made.
    first.answer(1)
    second = await booking.called(2)
    # An empty part says the same where all wait.
    last = ask(desk, "devi", wait=20)
    await settled()
    assert len(booking.calls) == 2
    second.answer()
    third = await booking.called(3)
    assert [item.order.hold_id for item in third.items] == ["hold of devi"]
    for call in (first, second, third):
        call.answer(0)
        call.end()
    await asyncio.gather(*waiting, later, last)


async def test_a_call_that_takes_long_to_make_its_bookings_is_overtaken(booking: Booking) -> None:
    desk = Bookings(cast("Any", booking), replace(LIMITS, slow_seconds=0))
    anna = ask(desk, "anna")
    first = await booking.called(1)
    ben = ask(desk, "ben")
    second = await booking.called(2)
    for call in (second, first):
        call.answer(0)
        call.end()
    assert (await ben)[0].reference == "hold of ben"
    assert (await anna)[0].reference == "hold of anna"


async def test_each_has_its_own_verdict(desk: Bookings, booking: Booking) -> None:
    anna, ben = ask(desk, "anna"), ask(desk, "ben")
    call = await booking.called(1)
    call.refuse(0, "HOLD_EXPIRED", replayed=True)
    call.answer(1)
    call.end()
    with pytest.raises(RemoteError) as refused:
        await anna
    assert (refused.value.code, refused.value.reason) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "HOLD_EXPIRED",
    )
    assert refused.value.trailers == {"idempotency-replayed": "true"}
    assert (await ben)[0].reference == "hold of ben"


@pytest.mark.parametrize(
    "error",
    [
        None,
        RemoteError(grpc.StatusCode.UNAVAILABLE, "", "socket closed", {}),
        RemoteError(grpc.StatusCode.INTERNAL, "", "stream reset", {}),
    ],
)
async def test_a_call_that_breaks_off_is_unavailability_to_the_rest_and_asks_nothing_twice(
    desk: Bookings, booking: Booking, error: RemoteError | None
) -> None:
    anna, ben = ask(desk, "anna"), ask(desk, "ben")
    call = await booking.called(1)
    call.answer(0)
    call.end(error)
    assert (await anna)[0].reference == "hold of anna"
    with pytest.raises(ServiceError) as failed:
        await ben
    assert failed.value.reason == "SERVICE_UNAVAILABLE"
    assert len(booking.calls) == 1


async def test_a_call_that_is_refused_as_a_whole_is_refused_to_each(
    desk: Bookings, booking: Booking
) -> None:
    asked = [ask(desk, "anna"), ask(desk, "ben")]
    call = await booking.called(1)
    call.end(RemoteError(grpc.StatusCode.UNAVAILABLE, "OVERLOADED", "Busy.", {"retry_after": "1"}))
    for each in asked:
        with pytest.raises(RemoteError) as refused:
            await each
        assert refused.value.reason == "OVERLOADED"
    assert len(booking.calls) == 1


async def test_more_than_may_wait_are_refused_at_once(booking: Booking) -> None:
    desk = Bookings(cast("Any", booking), replace(PATIENT, most=2))
    asked = [ask(desk, "early")]
    first = await booking.called(1)
    asked += [ask(desk, "anna"), ask(desk, "ben")]
    await settled()
    with pytest.raises(ServiceError) as refused:
        await ask(desk, "late")
    assert refused.value.reason == "OVERLOADED"
    first.answer(0)
    first.end()
    second = await booking.called(2)
    second.answer(0, 1)
    second.end()
    await asyncio.gather(*asked)


async def test_many_streams_that_are_waited_for_leave_room_for_more(booking: Booking) -> None:
    desk = Bookings(cast("Any", booking), replace(PATIENT, beside=1))
    asked = []
    for n in range(50):
        asked.append(ask(desk, f"{n}", wait=20))
        (await booking.called(n + 1)).answer()
        await settled()
    for call in booking.calls:
        call.answer(0)
        call.end()
    assert len({(await each)[0].reference for each in asked}) == 50
