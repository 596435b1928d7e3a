"""Bookings, tickets and payments, as clients see them."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from parterre.booking.v1 import booking_pb2
from parterre.catalog.v1 import catalog_pb2
from parterre.notification.v1 import notification_pb2
from parterre.payment.v1 import payment_pb2
from parterre.types.v1 import types_pb2

from chassis.identity import Role
from chassis.ids import uuid7
from tests.contract import samples
from tests.contract.conftest import Edge, RefusalError, running_gateway

BOOKING = {"hold_id": samples.HOLD, "payment_method": "CARD", "payment_token": "tok_ok"}
PATH = f"/bookings/{samples.REFERENCE}"


async def test_a_quote_adds_up(edge: Edge) -> None:
    edge.booking.answers["QuoteBooking"] = booking_pb2.QuoteBookingResponse(
        lines=samples.lines(), price=samples.price()
    )
    answer = await edge.post("/bookings/quote", {"hold_id": samples.HOLD})
    assert answer.json()["total"] == {"amount": 509625, "currency": "NPR"}
    assert edge.booking.asked.hold_id == samples.HOLD


async def test_places_are_quoted_without_a_hold(edge: Edge) -> None:
    edge.booking.answers["QuoteBooking"] = booking_pb2.QuoteBookingResponse(
        lines=samples.lines(), price=samples.price(), unavailable_seat_ids=["17"]
    )
    wanted = {
        "event_id": samples.EVENT,
        "seat_ids": ["17"],
        "general": [{"tier_id": samples.TIER, "quantity": 2}],
        "coupon_code": "SAVE-10",
    }
    body = (await edge.post("/bookings/quote", wanted)).json()
    assert (body["available"], body["unavailable_seat_ids"]) == (False, ["17"])
    asked = edge.booking.asked
    assert (asked.hold_id, asked.event_id, list(asked.seat_ids)) == ("", samples.EVENT, ["17"])
    assert [(each.tier_id, each.quantity) for each in asked.general] == [(samples.TIER, 2)]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"event_id": samples.EVENT},
        {"seat_ids": ["17"]},
        {"hold_id": samples.HOLD, "event_id": samples.EVENT, "seat_ids": ["17"]},
        {"hold_id": samples.HOLD, "seat_ids": ["17"]},
        {"event_id": samples.EVENT, "seat_ids": []},
        {"event_id": samples.EVENT, "seat_ids": ["17"] * 101},
        {"event_id": samples.EVENT, "general": [{"tier_id": samples.TIER, "quantity": 0}]},
        {"event_id": samples.EVENT, "best_available": {"quantity": 2}},
    ],
)
async def test_a_quote_of_nothing_or_of_two_things_is_refused(
    edge: Edge, body: dict[str, Any]
) -> None:
    answer = await edge.post("/bookings/quote", body)
    assert (answer.status_code, answer.json()["reason"]) == (422, "VALIDATION_FAILED")
    assert not edge.booking.calls


async def test_a_booking_is_made_and_its_address_told(edge: Edge) -> None:
    made = booking_pb2.CreateBookingsResponse.Result(booking=samples.booking())
    edge.booking.answers["CreateBookings"] = booking_pb2.CreateBookingsResponse(results=[made])
    attendees = [{"seat_id": "17", "name": "Asha", "email": "Asha@Example.test"}]
    answer = await edge.post(
        "/bookings", {**BOOKING, "attendees": attendees}, headers={"Idempotency-Key": "k"}
    )
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/api/v1{PATH}"
    assert answer.json()["payment"]["action"] is None
    [item] = edge.booking.asked.items
    assert (item.order.payment_token, item.order.idempotency_key) == ("tok_ok", "k")
    assert item.order.attendees[0].email == "asha@example.test"
    assert (item.wait_seconds, item.request_id) == (0, answer.headers["x-request-id"])
    assert edge.booking.calls[0].identity.subject == "gateway"


async def test_a_booking_with_nothing_to_pay_needs_no_method(edge: Edge) -> None:
    free = samples.booking(status="CONFIRMED")
    free.ClearField("payment")
    made = booking_pb2.CreateBookingsResponse.Result(booking=free)
    edge.booking.answers["CreateBookings"] = booking_pb2.CreateBookingsResponse(results=[made])
    answer = await edge.post("/bookings", {"hold_id": samples.HOLD})
    assert (answer.status_code, answer.json()["status"]) == (201, "CONFIRMED")
    [item] = edge.booking.asked.items
    assert (item.order.payment_method, item.order.payment_token) == ("", "")


async def test_a_wallet_sends_the_customer_on(edge: Edge) -> None:
    edge.booking.answers["GetBooking"] = booking_pb2.GetBookingResponse(
        booking=samples.booking(action_url="https://pay.example/x")
    )
    body = (await edge.get(PATH)).json()
    assert body["payment"]["action"] == {"type": "REDIRECT", "url": "https://pay.example/x"}


async def test_a_free_booking_has_no_payment(edge: Edge) -> None:
    free = samples.booking(status="CONFIRMED")
    free.ClearField("payment")
    free.ClearField("expires_at")
    edge.booking.answers["GetBooking"] = booking_pb2.GetBookingResponse(booking=free)
    body = (await edge.get(PATH)).json()
    assert (body["payment"], body["expires_at"]) == (None, None)


@pytest.mark.parametrize("because", ["REFUND_POLICY", "EVENT_MOVED"])
async def test_a_confirmed_booking_says_what_cancelling_it_gives_back(
    edge: Edge, because: str
) -> None:
    booking = samples.booking(status="CONFIRMED")
    booking.cancellation.CopyFrom(
        booking_pb2.Cancellation(until=samples.at(), percent=100, because=because)
    )
    edge.booking.answers["GetBooking"] = booking_pb2.GetBookingResponse(booking=booking)
    body = (await edge.get(PATH)).json()
    assert body["cancellation"] == {
        "until": "2026-11-20T10:00:00Z",
        "percent": 100,
        "because": because,
    }


async def test_waiting_is_passed_on(edge: Edge) -> None:
    edge.booking.answers["GetBooking"] = booking_pb2.GetBookingResponse(booking=samples.booking())
    await edge.get(f"{PATH}?wait=20")
    assert edge.booking.asked.wait_seconds == 20


@pytest.mark.parametrize("wait", ["21", "-1", "1.5", "x"])
async def test_nobody_waits_too_long(edge: Edge, wait: str) -> None:
    answer = await edge.get(f"{PATH}?wait={wait}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "wait"


def with_its_ticket(token: str = "its.token") -> booking_pb2.Booking:
    booking = samples.booking(status="CONFIRMED")
    ticket = samples.ticket()
    ticket.token = token
    booking.tickets.append(ticket)
    return booking


@pytest.mark.parametrize("expand", ["event,tickets", "tickets,event"])
async def test_a_booking_is_shown_with_its_event_and_tickets(edge: Edge, expand: str) -> None:
    event = samples.event(str(uuid7()))
    booking = with_its_ticket()
    booking.event.id = event.id
    edge.booking.answers["GetBooking"] = booking_pb2.GetBookingResponse(booking=booking)
    edge.booking.answers["ListBookings"] = booking_pb2.ListBookingsResponse(bookings=[booking] * 2)
    edge.catalog.answers["ReadEvents"] = samples.read(event)
    body = (await edge.get(f"{PATH}?expand={expand}")).json()
    whole = (await edge.get(f"/events/{event.id}")).json()
    assert body["event"] == {**whole, "place": "Naach Ghar"}
    [ticket] = body["tickets"]
    assert ticket["token"] == "its.token"
    assert ticket["qr_url"] == f"/api/v1/tickets/{samples.TICKET}/qr.png"
    assert edge.booking.asked.with_tickets
    listed = (await edge.get(f"/bookings?expand={expand}")).json()
    assert listed["items"] == [body, body]
    assert len([call for call in edge.catalog.calls if call.method == "ReadEvents"]) == 1


async def test_only_what_is_asked_for_is_shown_whole(edge: Edge) -> None:
    booking = with_its_ticket(token="")
    edge.booking.answers["GetBooking"] = booking_pb2.GetBookingResponse(booking=booking)
    plain = (await edge.get(PATH)).json()
    assert "tickets" not in plain
    assert not edge.booking.asked.with_tickets
    body = (await edge.get(f"{PATH}?expand=tickets")).json()
    assert {**body, "tickets": None} == {**plain, "tickets": None}
    # Nobody but its buyer is told what lets one in.
    assert (body["tickets"][0]["token"], body["tickets"][0]["qr_url"]) == (None, None)
    assert edge.catalog.calls == []


async def test_a_booking_whose_event_is_not_to_be_had_is_shown_all_the_same(edge: Edge) -> None:
    booking = samples.booking()
    booking.event.id = str(uuid7())
    edge.booking.answers["GetBooking"] = booking_pb2.GetBookingResponse(booking=booking)
    edge.catalog.answers["ReadEvents"] = catalog_pb2.ReadEventsResponse()
    body = (await edge.get(f"{PATH}?expand=event")).json()
    assert body["event"]["title"] == "The Tempest"
    assert "tiers" not in body["event"]


@pytest.mark.parametrize("expand", ["", "seats", "event,event", "event,,tickets", "EVENT"])
async def test_what_can_not_be_shown_with_a_booking_is_refused(edge: Edge, expand: str) -> None:
    for path in (PATH, "/bookings"):
        answer = await edge.get(f"{path}?expand={expand}")
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "expand")


async def test_bookings_that_changed_are_asked_for(edge: Edge) -> None:
    edge.booking.answers["ListBookings"] = booking_pb2.ListBookingsResponse(
        bookings=[samples.booking()], next_cursor="next"
    )
    answer = await edge.get("/bookings?updated_since=2026-11-20T15:45:00%2B05:45")
    assert answer.json()["items"][0]["updated_at"] == "2026-11-20T10:00:01.500Z"
    assert edge.booking.asked.updated_since == samples.at()
    answer = await edge.get("/bookings?updated_since=yesterday")
    assert answer.json()["errors"][0]["field"] == "updated_since"


async def test_bookings_are_listed_by_status(edge: Edge) -> None:
    edge.booking.answers["ListBookings"] = booking_pb2.ListBookingsResponse(
        bookings=[samples.booking()]
    )
    answer = await edge.get("/bookings?status=PENDING")
    assert answer.json()["items"][0]["reference"] == samples.REFERENCE
    assert edge.booking.asked.status == "PENDING"


@pytest.mark.parametrize(
    ("method", "path", "body", "reason"),
    [
        ("POST", f"{PATH}/cancel", {"reason": "Ill"}, "Ill"),
        ("POST", f"{PATH}/cancel", None, ""),
        ("DELETE", PATH, None, ""),
    ],
)
async def test_a_booking_is_cancelled(
    edge: Edge, method: str, path: str, body: Any, reason: str
) -> None:
    edge.booking.answers["CancelBooking"] = booking_pb2.CancelBookingResponse(
        booking=samples.booking("CANCELLING")
    )
    edge.booking.trailers = (("idempotency-replayed", "true"),)
    answer = await edge.call(method, path, json=body, headers={"Idempotency-Key": "k"})
    assert (answer.status_code, answer.json()["status"]) == (202, "CANCELLING")
    assert answer.headers["idempotency-replayed"] == "true"
    asked = edge.booking.asked
    assert (asked.reason, asked.idempotency_key) == (reason, "k")


async def test_a_late_cancellation_is_refused(edge: Edge, refusal: type[RefusalError]) -> None:
    edge.booking.answers["CancelBooking"] = refusal("STATE", "CANCELLATION_CLOSED")
    answer = await edge.delete(PATH)
    assert (answer.status_code, answer.json()["reason"]) == (409, "CANCELLATION_CLOSED")


async def test_a_timeline_tells_every_step(edge: Edge) -> None:
    entry = booking_pb2.TimelineEntry(
        at=samples.at(), state="SECURING", step="CREATED", outcome="DONE", attempt=1
    )
    edge.booking.answers["GetTimeline"] = booking_pb2.GetTimelineResponse(entries=[entry])
    [step] = (await edge.get(f"{PATH}/timeline")).json()["items"]
    assert (step["state"], step["detail"]) == ("SECURING", None)


async def test_another_card_is_tried(edge: Edge) -> None:
    edge.booking.answers["AttemptPayment"] = booking_pb2.AttemptPaymentResponse(
        booking=samples.booking()
    )
    body = {"booking_reference": samples.REFERENCE, "method": "CARD", "payment_token": "tok_ok"}
    answer = await edge.post("/payments", body, headers={"Idempotency-Key": "k"})
    assert (answer.status_code, answer.json()["id"]) == (201, samples.PAYMENT)
    assert answer.json()["status"] == "INITIATED"
    assert edge.booking.asked.idempotency_key == "k"


async def test_a_payment_is_shown_and_verified(edge: Edge) -> None:
    edge.payment.answers["GetPayment"] = payment_pb2.GetPaymentResponse(payment=samples.payment())
    edge.payment.answers["VerifyPayment"] = payment_pb2.VerifyPaymentResponse(
        payment=samples.payment()
    )
    shown = await edge.get(f"/payments/{samples.PAYMENT}")
    verified = await edge.post(f"/payments/{samples.PAYMENT}/verify")
    assert shown.json() == verified.json()
    assert shown.json()["refunds"][0]["amount"] == {"amount": 100, "currency": "NPR"}


@pytest.mark.parametrize("amount", [0, -1, 10**12 + 1])
async def test_a_refund_of_nothing_is_refused_before_the_service(edge: Edge, amount: int) -> None:
    body = {"reason": "Goodwill", "amount": amount}
    answer = await edge.post(f"/payments/{samples.PAYMENT}/refunds", body, role=Role.ORGANIZER)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "amount")
    assert not edge.payment.calls


@pytest.mark.parametrize("amount", [None, 100, 1])
async def test_money_is_given_back(edge: Edge, amount: int | None) -> None:
    edge.payment.answers["CreateRefund"] = payment_pb2.CreateRefundResponse(
        payment=samples.payment()
    )
    body = {"reason": "Goodwill"} | ({} if amount is None else {"amount": amount})
    answer = await edge.post(
        f"/payments/{samples.PAYMENT}/refunds",
        body,
        role=Role.ORGANIZER,
        headers={"Idempotency-Key": "k"},
    )
    assert (answer.status_code, answer.json()["refunds"][0]["reason"]) == (202, "Goodwill")
    asked = edge.payment.asked
    assert (asked.payment_id, asked.reason, asked.idempotency_key) == (
        samples.PAYMENT,
        "Goodwill",
        "k",
    )
    assert (asked.amount if asked.HasField("amount") else None) == amount


@pytest.mark.parametrize(
    ("kind", "reason", "status"),
    [
        ("INVALID", "INVALID_REFUND", 422),
        ("STATE", "REFUND_TOO_LARGE", 409),
        ("STATE", "PAYMENT_NOT_CAPTURED", 409),
        ("NOT_FOUND", "PAYMENT_NOT_FOUND", 404),
    ],
)
async def test_a_refund_is_refused_for_a_reason(
    edge: Edge, refusal: type[RefusalError], kind: str, reason: str, status: int
) -> None:
    edge.payment.answers["CreateRefund"] = refusal(kind, reason)
    path = f"/payments/{samples.PAYMENT}/refunds"
    answer = await edge.post(path, {"amount": 1, "reason": "x"}, role=Role.ORGANIZER)
    assert (answer.status_code, answer.json()["reason"]) == (status, reason)


@pytest.mark.parametrize(
    "body", [{}, {"reason": " "}, {"reason": "x", "amount": 1.5}, {"reason": "x", "amount": "1"}]
)
async def test_a_refund_that_makes_no_sense_reaches_no_service(
    edge: Edge, body: dict[str, object]
) -> None:
    answer = await edge.post(f"/payments/{samples.PAYMENT}/refunds", body, role=Role.ORGANIZER)
    assert answer.status_code == 422
    assert edge.payment.calls == []


async def test_a_webhook_is_passed_on_as_it_came(edge: Edge) -> None:
    raw = b'{"id": "evt_1",  "b":\xff}'
    stored = payment_pb2.ReceiveWebhooksResponse.Result()
    edge.payment.answers["ReceiveWebhooks"] = payment_pb2.ReceiveWebhooksResponse(results=[stored])
    answer = await edge.call(
        "POST",
        "/webhooks/payments/sandbox",
        content=raw,
        headers={"Sandbox-Signature": "t=1,v1=x", "Content-Type": "text/plain"},
    )
    assert answer.status_code == 200
    [asked] = edge.payment.asked.webhooks
    assert (asked.provider, asked.body) == ("sandbox", raw)
    assert asked.request_id == answer.headers["x-request-id"]
    assert asked.headers["sandbox-signature"] == "t=1,v1=x"
    assert "authorization" not in asked.headers
    assert edge.payment.calls[0].identity.subject == "gateway"


async def test_a_forged_webhook_is_refused(edge: Edge) -> None:
    refusal = types_pb2.Refusal(
        code=grpc.StatusCode.UNAUTHENTICATED.value[0], reason="INVALID_SIGNATURE"
    )
    result = payment_pb2.ReceiveWebhooksResponse.Result(refusal=refusal)
    edge.payment.answers["ReceiveWebhooks"] = payment_pb2.ReceiveWebhooksResponse(results=[result])
    answer = await edge.post("/webhooks/payments/sandbox", {}, role=None)
    assert (answer.status_code, answer.json()["reason"]) == (401, "INVALID_SIGNATURE")


async def test_the_local_mailbox_is_read(edge: Edge) -> None:
    mail = notification_pb2.Mail(
        id=samples.PERSON, to="asha@parterre.example", kind="code", created_at=samples.at()
    )
    edge.notification.answers["ListMailbox"] = notification_pb2.ListMailboxResponse(mails=[mail])
    answer = await edge.get("/dev/mailbox?to=Asha@parterre.example", role=None)
    assert answer.json()["items"][0]["kind"] == "code"
    assert edge.notification.asked.to == "asha@parterre.example"


def on_its_page(edge: Edge, payment_status: str) -> None:
    """A booking whose page is open until it is waited past; the provider says how it stands."""

    def booking(request: booking_pb2.GetBookingRequest) -> booking_pb2.GetBookingResponse:
        done = request.past_page and payment_status == "CAPTURED"
        shown = samples.booking("CONFIRMED" if done else "PENDING", "" if done else "https://p/1")
        return booking_pb2.GetBookingResponse(booking=shown)

    edge.booking.answers["GetBooking"] = booking
    edge.payment.answers["VerifyPayment"] = payment_pb2.VerifyPaymentResponse(
        payment=payment_pb2.Payment(status=payment_status)
    )


async def test_after_an_approved_page_the_verdict_is_waited_for(edge: Edge) -> None:
    on_its_page(edge, "CAPTURED")
    body = (await edge.get(f"{PATH}?wait=20")).json()
    assert (body["status"], body["payment"]["action"]) == ("CONFIRMED", None)
    first, second = (call.request for call in edge.booking.calls)
    assert (first.past_page, second.past_page) == (False, True)
    assert second.wait_seconds in {19, 20}


async def test_a_page_that_is_still_open_is_shown_after_a_moment(edge: Edge) -> None:
    on_its_page(edge, "REQUIRES_ACTION")
    body = (await edge.get(f"{PATH}?wait=20")).json()
    assert (body["status"], body["payment"]["action"]["url"]) == ("PENDING", "https://p/1")
    assert edge.booking.calls[-1].request.wait_seconds == 1


async def test_a_provider_that_is_away_keeps_nobody_waiting(
    edge: Edge, refusal: type[RefusalError]
) -> None:
    on_its_page(edge, "REQUIRES_ACTION")
    edge.payment.answers["VerifyPayment"] = refusal("UNAVAILABLE", "PROVIDER_UNAVAILABLE")
    assert (await edge.get(f"{PATH}?wait=20")).json()["status"] == "PENDING"
    assert edge.booking.calls[-1].request.wait_seconds == 1


async def test_who_does_not_wait_asks_no_provider(edge: Edge) -> None:
    on_its_page(edge, "CAPTURED")
    assert (await edge.get(PATH)).json()["status"] == "PENDING"
    assert (len(edge.booking.calls), edge.payment.calls) == (1, [])


async def test_a_card_that_can_not_be_is_refused_before_anything_is_booked() -> None:
    async with running_gateway() as edge:
        edge.payment.answers["DescribeCardTokens"] = payment_pb2.DescribeCardTokensResponse(
            names=["tok_ok"]
        )
        wrong = {"method": "CARD", "payment_token": "tok_okay"}
        for path, body in (
            ("/bookings", {**BOOKING, "payment_token": "tok_okay"}),
            ("/payments", {"booking_reference": samples.REFERENCE, **wrong}),
        ):
            answer = await edge.post(path, body)
            assert (answer.status_code, answer.json()["reason"]) == (422, "INVALID_PAYMENT_TOKEN")
        assert not edge.booking.calls
        assert len(edge.payment.calls) == 1


async def test_anybody_is_told_how_one_can_pay(edge: Edge) -> None:
    answer = await edge.get("/payment-methods", role=None)
    assert answer.headers["cache-control"] == "public, max-age=60"
    card, *wallets = answer.json()["items"]
    assert (card["method"], card["flow"], card["test"]) == ("CARD", "TOKEN", True)
    assert card["test_cards"] == [{"token": "tok_ok", "name": "A good card"}]
    assert [(each["flow"], each["test_cards"]) for each in wallets] == [("REDIRECT", [])] * 2


async def test_how_one_can_pay_is_not_known_before_the_service_has_said_it(
    refusal: type[RefusalError],
) -> None:
    async with running_gateway() as edge:
        edge.payment.answers["DescribeCardTokens"] = refusal("UNAVAILABLE", "SERVICE_UNAVAILABLE")
        answer = await edge.get("/payment-methods", role=None)
        assert (answer.status_code, answer.json()["reason"]) == (503, "SERVICE_UNAVAILABLE")
