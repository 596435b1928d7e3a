"""What comes in as people read, type and scan it."""

from __future__ import annotations

import pytest
from parterre.auth.v1 import auth_pb2
from parterre.booking.v1 import booking_pb2

from chassis.identity import Role
from tests.contract import samples
from tests.contract.conftest import Edge

WRITTEN = [
    "PT-7K2M9QXA",
    "pt-7k2m9qxa",
    "PT7K2M9QXA",
    "7K2M9QXA",
    "7k2m-9qxa",
    "PT%207K2M%209QXA",
    "PT-7K2M9QXA%20",
    "PT\u20117K2M9QXA",
]


@pytest.mark.parametrize("written", WRITTEN)
async def test_a_reference_is_read_in_whatever_case_and_with_whatever_hyphens(
    edge: Edge, written: str
) -> None:
    edge.booking.answers["GetBooking"] = booking_pb2.GetBookingResponse(booking=samples.booking())
    assert (await edge.get(f"/bookings/{written}")).status_code == 200
    assert edge.booking.asked.reference == samples.REFERENCE


async def test_o_is_read_as_0_and_i_and_l_as_1(edge: Edge) -> None:
    edge.booking.answers["AttemptPayment"] = booking_pb2.AttemptPaymentResponse(
        booking=samples.booking()
    )
    body = {"booking_reference": "pt-oil0OIL1", "method": "KHALTI"}
    assert (await edge.post("/payments", body)).status_code == 201
    assert edge.booking.asked.reference == "PT-01100111"


@pytest.mark.parametrize("written", ["PT-7K2M9QX", "PT-7K2M9QXU", "PT-7K2M9QXAB", "x" * 500])
async def test_what_is_no_reference_is_not_found(edge: Edge, written: str) -> None:
    answer = await edge.get(f"/bookings/{written}")
    assert (answer.status_code, answer.json()["reason"]) == (404, "BOOKING_NOT_FOUND")
    body = {"booking_reference": written, "method": "KHALTI"}
    refused = await edge.post("/payments", body)
    [error] = refused.json()["errors"]
    assert error["message"] == "Must be a booking's reference, such as PT-7K2M9QXA"
    assert not edge.booking.calls


async def test_addresses_and_codes_are_trimmed(edge: Edge) -> None:
    edge.auth.answers["Register"] = auth_pb2.RegisterResponse(user=samples.user())
    body = {
        "email": " Asha@Parterre.example\r\n",
        "otp": "\u0967\u0968\u0969 456 ",
        "password": "plum-Kettle7",
        "name": "Asha",
        "phone": "+977 981-234 (5678)",
    }
    assert (await edge.post("/auth/register", body, role=None)).status_code == 201
    asked = edge.auth.asked
    assert (asked.email, asked.code, asked.phone) == (
        "asha@parterre.example",
        "123456",
        "+9779812345678",
    )


@pytest.mark.parametrize(
    "scanned", ["a.b-c_d", "\ufeffa.b-c_d\r\n", " a.b-c_d\n", "]Q1a.b-c_d", "a.b\n-c_d\u200b"]
)
async def test_a_scanner_may_put_around_a_token_what_it_likes(edge: Edge, scanned: str) -> None:
    edge.booking.answers["CheckIn"] = booking_pb2.CheckInResponse(result="WRONG_EVENT")
    answer = await edge.post(
        f"/events/{samples.EVENT}/check-ins", {"token": scanned}, role=Role.ORGANIZER
    )
    assert answer.status_code == 200
    assert edge.booking.asked.token == "a.b-c_d"
