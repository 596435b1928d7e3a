"""Bookings asked for at the same moment, and answers that wait for one to come to rest."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import replace
from typing import Any

import grpc
import httpx
import pytest
from parterre.booking.v1 import booking_pb2
from parterre.types.v1 import types_pb2

from gateway import bookings
from gateway.bookings import Answer, Bookings
from tests.contract import samples
from tests.contract.conftest import Edge, RefusalError, grown

Part = booking_pb2.CreateBookingsResponse
Result = booking_pb2.CreateBookingsResponse.Result

PAYMENT = {"booking_reference": samples.REFERENCE, "method": "CARD", "payment_token": "tok_ok"}


def booked(place: int, status: str = "PENDING", *, replayed: bool = False) -> Result:
    booking = samples.booking(status)
    booking.reference = reference_of(place)
    return Result(place=place, booking=booking, replayed=replayed)


def reference_of(place: int) -> str:
    return f"PT-{place:08}"


def refused(
    place: int, code: grpc.StatusCode, reason: str, *, replayed: bool = False, **metadata: str
) -> Result:
    refusal = types_pb2.Refusal(code=code.value[0], reason=reason, detail="No.", metadata=metadata)
    return Result(place=place, refusal=refusal, replayed=replayed)


class Crowd:
    """People who ask for a booking at the same moment, and a booking_service that a test plays."""

    def __init__(self, edge: Edge) -> None:
        self.edge = edge
        self.at_the_desk: list[str] = []
        self.parts: asyncio.Queue[Part | Exception | None] = asyncio.Queue()
        edge.booking.answers["CreateBookings"] = self._answer

    async def _answer(self, _request: Any) -> AsyncGenerator[Part]:
        while (part := await self.parts.get()) is not None:
            if isinstance(part, Exception):
                raise part
            yield part

    def tell(self, *parts: Sequence[Result] | Exception | None) -> None:
        """What booking_service says, part by part; None ends the call."""
        for part in parts:
            it = part if part is None or isinstance(part, Exception) else Part(results=part)
            self.parts.put_nowait(it)

    def ask(
        self, key: str = "", *, prefer: str | None = None, token: str = ""
    ) -> asyncio.Task[httpx.Response]:
        headers = {"Authorization": f"Bearer {token or self.edge.keys.token()}"}
        if key:
            headers["Idempotency-Key"] = key
        if prefer is not None:
            headers["Prefer"] = prefer
        body = {"hold_id": samples.HOLD, "payment_method": "CARD", "payment_token": "tok_ok"}
        return asyncio.create_task(self.edge.post("/bookings", body, role=None, headers=headers))

    async def together(
        self, *asks: Callable[[], asyncio.Task[httpx.Response]]
    ) -> list[asyncio.Task[httpx.Response]]:
        """They wait at the gateway's desk, in this order, while one booking is being made."""
        early = self.ask()
        await grown(self.edge.booking.calls, 1)
        tasks = []
        for n, ask in enumerate(asks):
            tasks.append(ask())
            await grown(self.at_the_desk, n + 2)
        assert len(self.edge.booking.calls) == 1
        self.tell([booked(0)], None)
        assert (await early).status_code == 201
        await grown(self.edge.booking.calls, 2)
        return tasks

    @property
    def items(self) -> Any:
        """What the last call asked for."""
        call = self.edge.booking.calls[-1]
        assert (call.method, call.identity.subject) == ("CreateBookings", "gateway")
        return call.request.items


@pytest.fixture
def crowd(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> Crowd:
    crowd = Crowd(edge)
    create = Bookings.create

    async def seen(
        desk: Bookings, order: booking_pb2.CreateBookingRequest, *, wait_seconds: int = 0
    ) -> Answer:
        # Nobody is overtaken, however slow the machine is.
        patient = replace(bookings.LIMITS, slow_seconds=60)
        monkeypatch.setattr(desk._batcher, "_limits", patient)
        crowd.at_the_desk.append(order.hold_id)
        return await create(desk, order, wait_seconds=wait_seconds)

    monkeypatch.setattr(Bookings, "create", seen)
    return crowd


async def test_those_that_come_together_travel_in_one_call_each_with_its_own_token(
    crowd: Crowd,
) -> None:
    tokens = [crowd.edge.keys.token() for _ in range(3)]
    tasks = await crowd.together(
        lambda: crowd.ask("key 0", token=tokens[0]),
        lambda: crowd.ask("key 1", token=tokens[1], prefer="wait=7"),
        lambda: crowd.ask("key 2", token=tokens[2]),
    )
    assert [item.token for item in crowd.items] == tokens
    assert [item.order.idempotency_key for item in crowd.items] == ["key 0", "key 1", "key 2"]
    assert [item.wait_seconds for item in crowd.items] == [0, 7, 0]
    ids = [item.request_id for item in crowd.items]
    crowd.tell([booked(2), booked(0)], [booked(1, "CONFIRMED")], None)
    answers = [await task for task in tasks]
    assert [answer.headers["x-request-id"] for answer in answers] == ids
    assert [
        (answer.status_code, answer.json()["reference"], answer.json()["status"])
        for answer in answers
    ] == [
        (201, reference_of(0), "PENDING"),
        (201, reference_of(1), "CONFIRMED"),
        (201, reference_of(2), "PENDING"),
    ]
    assert answers[1].headers["location"] == f"/api/v1/bookings/{reference_of(1)}"
    assert [answer.headers.get("preference-applied") for answer in answers] == [
        None,
        "wait=7",
        None,
    ]


async def test_an_answer_that_is_there_does_not_wait_for_the_others(crowd: Crowd) -> None:
    slow, quick = await crowd.together(
        lambda: crowd.ask(prefer="wait=20"), lambda: crowd.ask(prefer="wait=20")
    )
    crowd.tell([booked(1, "CONFIRMED")])
    assert (await quick).json()["status"] == "CONFIRMED"
    assert not slow.done()
    crowd.tell([booked(0, "FAILED")], None)
    assert (await slow).json()["status"] == "FAILED"


async def test_who_waits_holds_up_nobody_who_comes_later(crowd: Crowd) -> None:
    [waiting] = await crowd.together(lambda: crowd.ask(prefer="wait=20"))
    crowd.tell([])  # it is made, and waited for
    later = crowd.ask()
    await grown(crowd.edge.booking.calls, 3)
    assert not waiting.done()
    # Both calls read what is told; either may have any part.
    crowd.tell([booked(0)], [booked(0)], None, None)
    assert [(await task).status_code for task in (waiting, later)] == [201, 201]


async def test_each_has_its_own_verdict_and_what_fails_spoils_no_neighbour(crowd: Crowd) -> None:
    tasks = await crowd.together(*(crowd.ask for _ in range(6)))
    conflict = grpc.StatusCode.FAILED_PRECONDITION
    crowd.tell(
        [
            booked(0),
            refused(1, conflict, "HOLD_EXPIRED"),
            refused(2, conflict, "COUPON_USED_UP", replayed=True),
            refused(3, grpc.StatusCode.UNAUTHENTICATED, "INVALID_TOKEN"),
            refused(4, grpc.StatusCode.UNAVAILABLE, "EVENT_NOT_READY", retry_after="3"),
            booked(5, replayed=True),
        ],
        None,
    )
    answers = [await task for task in tasks]
    assert [
        (
            answer.status_code,
            answer.json().get("reason"),
            answer.headers.get("idempotency-replayed"),
        )
        for answer in answers
    ] == [
        (201, None, None),
        (410, "HOLD_EXPIRED", None),
        (409, "COUPON_USED_UP", "true"),
        (401, "INVALID_TOKEN", None),
        (503, "EVENT_NOT_READY", None),
        (201, None, "true"),
    ]
    assert answers[4].headers["retry-after"] == "3"


@pytest.mark.parametrize("ends", ["by itself", "with an error"])
async def test_a_call_that_breaks_off_is_unavailability_to_the_rest(
    crowd: Crowd, refusal: type[RefusalError], ends: str
) -> None:
    answered, left = await crowd.together(crowd.ask, crowd.ask)
    error = refusal("UNAVAILABLE", "SERVICE_UNAVAILABLE") if ends == "with an error" else None
    crowd.tell([booked(0)], error)
    assert (await answered).status_code == 201
    answer = await left
    assert (answer.status_code, answer.json()["reason"]) == (503, "SERVICE_UNAVAILABLE")
    assert answer.headers["retry-after"]
    assert len(crowd.edge.booking.calls) == 2


async def test_more_than_go_in_one_call_go_in_two(crowd: Crowd) -> None:
    tasks = await crowd.together(*(crowd.ask for _ in range(70)))
    assert len(crowd.items) == 64
    crowd.tell([booked(place) for place in range(64)], None)
    await grown(crowd.edge.booking.calls, 3)
    assert len(crowd.items) == 6
    crowd.tell([booked(place) for place in range(6)], None)
    assert [(await task).status_code for task in tasks] == [201] * 70


@pytest.mark.parametrize(
    ("prefer", "asked", "applied"),
    [
        ("wait=10", 10, "wait=10"),
        ("wait=3600", 20, "wait=20"),
        ("respond-async, wait=5", 5, "wait=5"),
        ("wait=0", 0, "wait=0"),
        ("wait=soon", 0, None),
        ("wait=-1", 0, None),
        (None, 0, None),
    ],
)
async def test_waiting_is_asked_for_as_rfc_7240_says(
    crowd: Crowd, prefer: str | None, asked: int, applied: str | None
) -> None:
    crowd.tell([booked(0, "CONFIRMED")], None)
    answer = await crowd.ask(prefer=prefer)
    assert (answer.status_code, answer.json()["status"]) == (201, "CONFIRMED")
    assert answer.headers.get("preference-applied") == applied
    assert crowd.items[0].wait_seconds == asked


async def test_the_same_key_with_another_wait_is_the_same_request(crowd: Crowd) -> None:
    orders = []
    for prefer, replayed in (("wait=10", False), ("wait=5", True)):
        crowd.tell([booked(0, replayed=replayed)], None)
        answer = await crowd.ask("key", prefer=prefer)
        assert answer.headers.get("idempotency-replayed") == ("true" if replayed else None)
        orders.append(crowd.items[0].order)
    assert orders[0] == orders[1]


def attempted(edge: Edge) -> None:
    edge.booking.answers["AttemptPayment"] = booking_pb2.AttemptPaymentResponse(
        booking=samples.booking()
    )


async def test_another_attempt_is_answered_when_it_has_come_to_rest(edge: Edge) -> None:
    attempted(edge)
    rested = samples.booking("CONFIRMED")
    rested.payment.status = "CAPTURED"
    edge.booking.answers["GetBooking"] = booking_pb2.GetBookingResponse(booking=rested)
    answer = await edge.post("/payments", PAYMENT, headers={"Prefer": "wait=30"})
    assert (answer.status_code, answer.json()["status"]) == (201, "CAPTURED")
    assert answer.headers["preference-applied"] == "wait=20"
    assert answer.headers["location"] == f"/api/v1/payments/{samples.PAYMENT}"
    attempt, waited = edge.booking.calls
    assert (waited.request.reference, waited.request.wait_seconds) == (samples.REFERENCE, 20)
    assert attempt.identity == waited.identity


async def test_an_attempt_that_can_not_be_waited_for_is_told_as_it_stood(
    edge: Edge, refusal: type[RefusalError]
) -> None:
    attempted(edge)
    edge.booking.answers["GetBooking"] = refusal("UNAVAILABLE", "OVERLOADED")
    answer = await edge.post("/payments", PAYMENT, headers={"Prefer": "wait=5"})
    assert (answer.status_code, answer.json()["status"]) == (201, "INITIATED")
    assert "preference-applied" not in answer.headers


@pytest.mark.parametrize("prefer", [None, "wait=0", "wait=x"])
async def test_an_attempt_is_answered_at_once_where_nobody_asks_to_wait(
    edge: Edge, prefer: str | None
) -> None:
    attempted(edge)
    answer = await edge.post("/payments", PAYMENT, headers={"Prefer": prefer} if prefer else {})
    assert answer.json()["status"] == "INITIATED"
    assert [call.method for call in edge.booking.calls] == ["AttemptPayment"]


async def test_an_attempt_that_was_made_before_is_waited_for_as_the_first_time(edge: Edge) -> None:
    attempted(edge)
    rested = samples.booking("CONFIRMED")
    edge.booking.answers["GetBooking"] = booking_pb2.GetBookingResponse(booking=rested)
    edge.booking.trailers = (("idempotency-replayed", "true"),)
    headers = {"Prefer": "wait=5", "Idempotency-Key": "k"}
    answer = await edge.post("/payments", PAYMENT, headers=headers)
    assert answer.headers["idempotency-replayed"] == "true"
    assert answer.headers["preference-applied"] == "wait=5"
    assert [call.method for call in edge.booking.calls] == ["AttemptPayment", "GetBooking"]
    assert {call.identity for call in edge.booking.calls} == {edge.booking.calls[0].identity}


def test_both_headers_are_described(edge: Edge) -> None:
    for path in ("/api/v1/bookings", "/api/v1/payments"):
        operation = edge.document["paths"][path]["post"]
        [prefer] = [each for each in operation["parameters"] if each["name"] == "Prefer"]
        assert (prefer["in"], prefer["required"]) == ("header", False)
        good = operation["responses"]["201"]
        assert "Preference-Applied" in good["headers"]
        assert good["content"]["application/json"]["schema"]
