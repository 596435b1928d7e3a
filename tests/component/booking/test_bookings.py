"""booking_service on a real database: bookings, their sagas, tickets, and races for them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID

import pytest
from parterre.booking.v1 import booking_pb2
from parterre.inventory.v1 import inventory_pb2, inventory_pb2_grpc
from parterre.messages.v1 import messages_pb2
from parterre.types.v1 import types_pb2

from booking_service import clockwork, messaging
from booking_service.domain import Hold, HoldNotFoundError, Ticket, UnknownBookingError
from booking_service.handlers.sagas import Move, advance
from booking_service.rpc import Holds
from booking_service.saga import Happening
from booking_service.storage import events, tickets, underway
from chassis.broker import Broker
from chassis.consumer import Consumer, Received
from chassis.context import caller
from chassis.database import DatabaseError, IntegrityError
from chassis.identity import Role
from chassis.ids import uuid7
from tests.component.conftest import MakeDatabase, Serve, Until

from .box import ADMIN, ASHA, BIKRAM, KEYS, ORGANIZER, Box, Payment, Seats, moment, reasons, refused

# --- the way through -------------------------------------------------------------------------


async def test_a_booking_goes_from_hold_to_tickets(box: Box) -> None:
    hold_id = box.hold()
    seat = box.holds[hold_id].lines[0].seat_id
    booking = await box.create(
        ASHA, hold_id, attendees=[booking_pb2.Attendee(seat_id=seat, name="Asha")]
    )

    assert booking.status == "PENDING"
    assert booking.reference.startswith("PT-")
    assert (booking.price.subtotal, booking.price.tax) == (120_000, 15_600)
    assert booking.price.total == 135_600
    assert (booking.payment.status, booking.payment.method) == ("INITIATED", "CARD")
    assert booking.expires_at.ToDatetime() - booking.created_at.ToDatetime() == timedelta(
        minutes=10
    )
    await box.seats(booking, Seats.OUTCOME_RESERVED)
    await box.paid(booking, Payment.OUTCOME_AUTHORIZED)
    assert (await box.get(booking)).payment.status == "AUTHORIZED"
    await box.seats(booking, Seats.OUTCOME_SOLD)
    assert list(await box.tickets(booking)) == []
    await box.paid(booking, Payment.OUTCOME_CAPTURED)

    confirmed = await box.get(booking)
    assert (confirmed.status, confirmed.payment.status) == ("CONFIRMED", "CAPTURED")
    assert not confirmed.HasField("expires_at")
    tickets = await box.tickets(booking)
    assert [(ticket.line.number, ticket.attendee_name) for ticket in tickets] == [
        ("12", "Asha"),
        ("13", ""),
        ("", ""),
        ("", ""),
    ]
    for ticket in tickets:
        claims = KEYS.verify(ticket.token)
        assert str(claims.ticket_id) == ticket.id
        assert (claims.event_id, claims.seat_id) == (box.event_id, ticket.line.seat_id)
        request = booking_pb2.GetTicketRequest(ticket_id=ticket.id)
        alone = (await box.caller.as_person(ASHA, "GetTicket", request)).ticket
        assert alone == ticket
        assert await refused(box.caller.as_person(BIKRAM, "GetTicket", request)) == (
            "TICKET_NOT_FOUND"
        )
    sent = dict(await box.sent(booking))
    assert list(sent) == [
        "ReserveSeats",
        "AuthorizePayment",
        "SellSeats",
        "CapturePayment",
        "BookingEnded",
    ]
    assert sent["ReserveSeats"]["hold_version"] == 3
    assert sent["ReserveSeats"]["seats"]["hold_id"] == str(hold_id)
    assert sent["AuthorizePayment"]["amount"] == {"amount": "135600", "currency": "NPR"}
    assert sent["AuthorizePayment"]["token"] == "tok_ok"
    assert sent["BookingEnded"]["status"] == "CONFIRMED"
    asked = [body.get("seats", body).get("step") for body in sent.values()]
    assert asked == [1, 2, 3, 4, None]
    steps = [(entry.step, entry.state) for entry in await box.timeline(booking)]
    assert steps == [
        ("CREATED", "SECURING"),
        ("RESERVED", "AUTHORIZING"),
        ("AUTHORIZED", "SELLING"),
        ("SOLD", "CAPTURING"),
        ("CAPTURED", "CONFIRMED"),
    ]


async def test_a_card_token_is_kept_only_until_it_was_passed_on(box: Box) -> None:
    booking = await box.create(ASHA, box.hold(), payment_token="tok_secret")
    token = "SELECT token FROM saga WHERE booking_id = :id"
    assert await box.scalar(token, booking) == "tok_secret"
    await box.seats(booking, Seats.OUTCOME_RESERVED)
    assert await box.scalar(token, booking) == ""


async def test_a_booking_with_nothing_to_pay_never_meets_payment(box: Box) -> None:
    booking = await box.create(ASHA, box.hold(price=0))
    assert not booking.HasField("payment")
    await box.seats(booking, Seats.OUTCOME_RESERVED)
    await box.seats(booking, Seats.OUTCOME_SOLD)
    assert (await box.get(booking)).status == "CONFIRMED"
    assert (await box.cancel(booking)).status == "CANCELLING"
    await box.seats(booking, Seats.OUTCOME_RESTOCKED)
    assert (await box.get(booking)).status == "CANCELLED"
    assert await box.asked(booking) == [
        "ReserveSeats",
        "SellSeats",
        "BookingEnded",
        "RestockSeats",
        "BookingEnded",
    ]


async def test_a_declined_card_leaves_two_more_tries_then_the_seats_go_back(box: Box) -> None:
    booking = await box.to_authorizing()
    for attempt in (1, 2):
        await box.paid(booking, Payment.OUTCOME_AUTHORIZATION_REFUSED, reason="CARD_DECLINED")
        shown = await box.get(booking, wait=20)
        assert (shown.status, shown.payment.status) == ("PENDING", "FAILED")
        assert shown.payment.refused_because == "CARD_DECLINED"
        again = await box.attempt(booking, method="KHALTI", payment_token="")
        assert (again.payment.attempt, again.payment.method) == (attempt + 1, "KHALTI")
        assert again.payment.status == "INITIATED"
    await box.paid(booking, Payment.OUTCOME_AUTHORIZED, step=2)
    assert await box.state(booking) == "AUTHORIZING"  # an old attempt's answer
    await box.paid(booking, Payment.OUTCOME_AUTHORIZATION_REFUSED, reason="CARD_DECLINED")
    await box.seats(booking, Seats.OUTCOME_RELEASED)
    ended = await box.get(booking)
    assert (ended.status, ended.reason) == ("FAILED", "CARD_DECLINED")
    attempts = [body for type, body in await box.sent(booking) if type == "AuthorizePayment"]
    assert [(body["attempt"], body.get("token", "")) for body in attempts] == [
        (1, "tok_ok"),
        (2, ""),
        (3, ""),
    ]


async def test_a_payment_is_not_tried_twice_at_once_nor_after_the_end(box: Box) -> None:
    booking = await box.to_authorizing()
    assert await refused(box.attempt(booking)) == "PAYMENT_IN_PROGRESS"
    assert await refused(box.attempt(booking, method="CASH")) == "INVALID_PAYMENT_METHOD"
    assert await refused(box.attempt(booking, who=BIKRAM)) == "BOOKING_NOT_FOUND"
    assert await refused(box.attempt(booking, who=ORGANIZER)) == "BOOKING_NOT_FOUND"
    await box.paid(booking, Payment.OUTCOME_AUTHORIZED)
    assert await refused(box.attempt(booking)) == "BOOKING_STATE"


# --- making one ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("EXPIRED", "HOLD_EXPIRED"),
        ("RELEASED", "HOLD_NOT_ACTIVE"),
        ("BOOKED", "HOLD_ALREADY_BOOKED"),
    ],
)
async def test_only_an_active_hold_can_be_booked(box: Box, status: str, reason: str) -> None:
    assert await refused(box.create(ASHA, box.hold(status=status))) == reason


async def test_bad_requests_are_refused_by_their_reason(box: Box) -> None:
    hold_id = box.hold()
    assert await refused(box.create(BIKRAM, hold_id)) == "HOLD_NOT_FOUND"
    assert await refused(box.create(ASHA, uuid7())) == "HOLD_NOT_FOUND"
    assert await refused(box.create(ASHA, "nonsense")) == "HOLD_NOT_FOUND"
    assert await refused(box.create(ASHA, hold_id, coupon_code="FREE")) == "COUPON_UNKNOWN"
    assert await refused(box.create(ASHA, hold_id, payment_token="")) == "INVALID_PAYMENT_METHOD"
    crowd = [booking_pb2.Attendee(name="Asha")] * 3
    assert await refused(box.create(ASHA, hold_id, attendees=crowd)) == "INVALID_ATTENDEES"
    unknown = box.hold(event_id=uuid7())
    assert await refused(box.create(ASHA, unknown)) == "EVENT_NOT_READY"
    await box.hears(messages_pb2.EventCancelled(event_id=str(box.event_id), reason="rain"))
    assert await refused(box.create(ASHA, hold_id)) == "EVENT_IS_CANCELLED"


async def test_a_quote_says_what_the_booking_will_cost(box: Box) -> None:
    hold_id = box.hold()
    request = booking_pb2.QuoteBookingRequest(hold_id=str(hold_id))
    quote = await box.caller.as_person(ASHA, "QuoteBooking", request)
    booking = await box.create(ASHA, hold_id)
    assert quote.price == booking.price
    assert list(quote.lines) == list(booking.lines)


async def test_of_many_bookings_of_one_hold_at_once_one_is_made(
    box: Box, make_database: MakeDatabase, serve: Serve
) -> None:
    other = Box(await make_database("booking", encode=messaging.encode, like=box.database))
    await other.open(serve)
    other.holds = box.holds
    for _ in range(5):
        hold_id = box.hold()
        outcomes = await asyncio.gather(
            *(place.create(ASHA, hold_id) for place in (box, other) for _ in range(4)),
            return_exceptions=True,
        )
        assert reasons(outcomes) == ["HOLD_ALREADY_BOOKED"] * 7


async def test_the_same_key_replays_the_first_answer_whatever_became_of_the_hold(box: Box) -> None:
    hold_id = box.hold()
    first = await box.create(ASHA, hold_id, idempotency_key="k1")
    box.holds[hold_id] = Hold(
        hold_id, box.event_id, UUID(ASHA), "BOOKED", 3, "NPR", box.holds[hold_id].lines
    )
    assert await box.create(ASHA, hold_id, idempotency_key="k1") == first
    del box.holds[hold_id]
    assert await box.create(ASHA, hold_id, idempotency_key="k1") == first
    box.inventory_is_down = True
    assert await box.create(ASHA, hold_id, idempotency_key="k1") == first
    other = box.create(ASHA, uuid7(), idempotency_key="k1")
    assert await refused(other) == "IDEMPOTENCY_KEY_REUSED"
    assert len(await box.sent(first)) == 1


async def test_a_hold_is_fetched_from_inventory_in_the_callers_name(box: Box, serve: Serve) -> None:
    asked: list[str] = []

    class Inventory(inventory_pb2_grpc.InventoryServiceServicer):
        async def GetHold(self, request: Any, _context: Any) -> Any:  # noqa: N802 - the proto's name
            asked.append(caller().subject)
            if request.hold_id == str(known):
                money = types_pb2.Money(amount=700, currency="NPR")
                hold = inventory_pb2.Hold(
                    id=request.hold_id,
                    event_id=str(box.event_id),
                    customer_id=ASHA,
                    status="ACTIVE",
                    version=2,
                    total=money,
                    lines=[types_pb2.Line(seat_id="1", tier="Best", quantity=1, price=money)],
                )
                return inventory_pb2.GetHoldResponse(hold=hold)
            raise HoldNotFoundError("There is no such hold.")

    known = uuid7()
    service = inventory_pb2.DESCRIPTOR.services_by_name["InventoryService"]
    inventory = await serve(
        "inventory", service, Inventory(), inventory_pb2_grpc.InventoryServiceStub
    )
    holds = Holds(inventory.client)
    box.fetch_hold = holds.fetch  # type: ignore[method-assign]  # the dict's stand-in steps aside
    await box.open(serve)
    box.caller.keys._key = inventory.keys._key  # one signer of access tokens, as auth_service is

    booking = await box.create(ASHA, known)
    assert booking.price.subtotal == 700
    assert await refused(box.create(BIKRAM, known)) == "HOLD_NOT_FOUND"
    assert await refused(box.create(ASHA, uuid7())) == "HOLD_NOT_FOUND"
    assert asked == [ASHA, BIKRAM, ASHA]


# --- the way back ----------------------------------------------------------------------------


async def test_nobody_pays_in_time_and_the_seats_go_back(box: Box) -> None:
    booking = await box.to_authorizing()
    await box.let_time_pass(booking)
    await box.paid(booking, Payment.OUTCOME_VOIDED)
    await box.seats(booking, Seats.OUTCOME_RELEASED)
    ended = await box.get(booking)
    assert (ended.status, ended.reason) == ("EXPIRED", "PAYMENT_TIMED_OUT")
    assert (await box.asked(booking))[2:] == ["VoidPayment", "ReleaseSeats", "BookingEnded"]


async def test_no_answer_about_the_seats_releases_them_all_the_same(box: Box) -> None:
    booking = await box.create(ASHA, box.hold())
    await box.let_time_pass(booking)
    assert await box.asked(booking) == ["ReserveSeats", "ReleaseSeats"]
    await box.seats(booking, Seats.OUTCOME_RESERVED)  # late
    assert await box.state(booking) == "RELEASING"
    await box.seats(booking, Seats.OUTCOME_RELEASED)
    assert (await box.get(booking)).status == "EXPIRED"
    assert [entry.outcome for entry in await box.timeline(booking)] == [
        "DONE",
        "DONE",
        "IGNORED",
        "DONE",
    ]


async def test_a_command_that_is_not_answered_is_sent_again(box: Box) -> None:
    booking = await box.to_capturing()
    for _ in range(3):
        await box.let_time_pass(booking)
    assert (await box.asked(booking)).count("CapturePayment") == 4
    captures = [body for type, body in await box.sent(booking) if type == "CapturePayment"]
    assert captures == [captures[0]] * 4  # an answer to any of them is good
    await box.paid(booking, Payment.OUTCOME_CAPTURED)
    assert (await box.get(booking)).status == "CONFIRMED"
    assert [entry.outcome for entry in await box.timeline(booking)][4:7] == ["RESENT"] * 3


async def test_a_refused_capture_unsells_voids_and_releases(box: Box) -> None:
    booking = await box.to_capturing()
    await box.paid(booking, Payment.OUTCOME_CAPTURE_REFUSED, reason="CARD_DECLINED")
    await box.seats(booking, Seats.OUTCOME_UNSOLD)
    await box.paid(booking, Payment.OUTCOME_VOIDED)
    await box.seats(booking, Seats.OUTCOME_RELEASED)
    ended = await box.get(booking)
    assert (ended.status, ended.reason) == ("FAILED", "CARD_DECLINED")
    assert list(await box.tickets(booking)) == []


async def test_a_late_payment_confirms_where_the_seats_are_free(box: Box) -> None:
    booking = await box.to_authorizing()
    await box.let_time_pass(booking)
    await box.paid(booking, Payment.OUTCOME_VOIDED)
    await box.seats(booking, Seats.OUTCOME_RELEASED)
    await box.paid(booking, Payment.OUTCOME_PAID_LATE)
    assert (await box.get(booking)).status == "PENDING"
    await box.seats(booking, Seats.OUTCOME_RECLAIMED)
    await box.paid(booking, Payment.OUTCOME_CAPTURED)
    assert (await box.get(booking)).status == "CONFIRMED"
    assert len(await box.tickets(booking)) == 4


async def test_a_late_payment_goes_back_where_they_are_gone(box: Box) -> None:
    booking = await box.to_authorizing()
    await box.let_time_pass(booking)
    await box.paid(booking, Payment.OUTCOME_VOIDED)
    await box.seats(booking, Seats.OUTCOME_RELEASED)
    await box.paid(booking, Payment.OUTCOME_PAID_LATE)
    await box.seats(booking, Seats.OUTCOME_RECLAIM_REFUSED, "SEATS_UNAVAILABLE")
    await box.paid(booking, Payment.OUTCOME_VOIDED)
    await box.seats(booking, Seats.OUTCOME_RELEASED)
    endings = [body for type, body in await box.sent(booking) if type == "BookingEnded"]
    assert [(body["status"], body["reason"]) for body in endings] == [
        ("EXPIRED", "PAYMENT_TIMED_OUT"),
        ("EXPIRED", "PAID_LATE_SEATS_GONE"),
    ]


# --- cancelling ------------------------------------------------------------------------------


async def test_giving_up_before_paying_voids_and_releases(box: Box) -> None:
    booking = await box.to_authorizing()
    assert (await box.cancel(booking)).status == "PENDING"
    assert (await box.cancel(booking)).status == "PENDING"  # asked twice
    await box.paid(booking, Payment.OUTCOME_VOIDED)
    await box.seats(booking, Seats.OUTCOME_RELEASED)
    ended = await box.get(booking)
    assert (ended.status, ended.reason) == ("FAILED", "GIVEN_UP")
    assert await refused(box.cancel(booking)) == "BOOKING_STATE"
    assert (await box.asked(booking)).count("VoidPayment") == 1


async def test_a_booking_that_is_being_confirmed_is_busy(box: Box) -> None:
    booking = await box.to_capturing()
    assert await refused(box.cancel(booking)) == "BOOKING_BUSY"
    assert await box.state(booking) == "CAPTURING"


async def test_a_buyer_gets_what_the_policy_says_and_the_tickets_stop_admitting_at_once(
    box: Box,
) -> None:
    booking = await box.to_confirmed()
    before = await box.tickets(booking)
    assert (await box.cancel(booking)).status == "CANCELLING"
    after = await box.tickets(booking)
    assert {ticket.status for ticket in after} == {"REVOKED"}
    versions = [KEYS.verify(ticket.token).version for ticket in (before[0], after[0])]
    assert versions == [1, 2]
    await box.paid(booking, Payment.OUTCOME_REFUNDED)
    await box.seats(booking, Seats.OUTCOME_RESTOCKED)
    ended = await box.get(booking)
    assert (ended.status, ended.payment.status) == ("CANCELLED", "PARTIALLY_REFUNDED")
    sent = await box.sent(booking)
    assert [body["amount"] for type, body in sent if type == "RefundPayment"] == ["67800"]
    assert sent[-1][1]["amount"] == {"amount": "67800", "currency": "NPR"}


async def test_too_late_for_the_buyer_is_not_too_late_for_organizer_and_admin(box: Box) -> None:
    await box.publish(starts_at=moment(datetime.now(UTC) + timedelta(hours=23)), version=2)
    first, second = [await box.to_confirmed() for _ in range(2)]
    assert await refused(box.cancel(first)) == "CANCELLATION_CLOSED"
    assert await refused(box.cancel(first, who=BIKRAM)) == "BOOKING_NOT_FOUND"
    await box.cancel(first, who=ORGANIZER, role=Role.ORGANIZER)
    await box.cancel(second, who=ADMIN, role=Role.ADMIN)
    for booking in (first, second):
        refunds = [body for type, body in await box.sent(booking) if type == "RefundPayment"]
        assert [body["amount"] for body in refunds] == ["135600"]
        assert (await box.get(booking)).reason == "CANCELLED_BY_ORGANIZER"


async def test_the_policy_of_the_day_of_booking_holds(box: Box) -> None:
    booking = await box.to_confirmed()
    harsher = types_pb2.RefundPolicy(until_hours_before=24, percent=0)
    await box.publish(refund_policy=harsher, version=2)
    await box.cancel(booking)
    assert (await box.sent(booking))[-1][1]["amount"] == "67800"


async def test_five_cancellations_at_once_make_one_refund(
    box: Box, make_database: MakeDatabase, serve: Serve
) -> None:
    other = Box(await make_database("booking", encode=messaging.encode, like=box.database))
    await other.open(serve)
    booking = await box.to_confirmed()
    outcomes = await asyncio.gather(
        *(place.cancel(booking) for place in (box, other, box, other, box))
    )
    assert {outcome.status for outcome in outcomes} == {"CANCELLING"}
    assert (await box.asked(booking)).count("RefundPayment") == 1


async def test_an_event_that_is_called_off_ends_every_booking_batch_by_batch(box: Box) -> None:
    secured = await box.create(ASHA, box.hold())
    authorizing = await box.to_authorizing()
    capturing = await box.to_capturing()
    confirmed = await box.to_confirmed()
    failed = await box.create(ASHA, box.hold())
    await box.seats(failed, Seats.OUTCOME_RESERVE_REFUSED, "HOLD_EXPIRED")
    elsewhere = Box(box.database)
    elsewhere.caller = box.caller
    await elsewhere.publish()
    elsewhere.holds = box.holds
    other = await elsewhere.to_confirmed()

    # An answer nobody waits for, between the cancellation and its telling, must not hide it.
    await box.hears(messages_pb2.EventCancelled(event_id=str(box.event_id), reason="rain"))
    await box.paid(confirmed, Payment.OUTCOME_CAPTURED)
    async with box.database.transaction() as session:
        assert len(await underway.lock_of_event(session, box.event_id, 2)) == 2
    assert await clockwork.tell_once(box.database, box.wakeups) == 4
    assert await clockwork.tell_once(box.database, box.wakeups) == 0

    bookings = (secured, authorizing, capturing, confirmed, failed, other)
    states = [await box.state(booking) for booking in bookings]
    assert states == [
        "RELEASING",
        "VOIDING",
        "CAPTURING",
        "REFUNDING",
        "FAILED",
        "CONFIRMED",
    ]
    await box.paid(capturing, Payment.OUTCOME_CAPTURED)
    assert await box.state(capturing) == "REFUNDING"
    assert list(await box.tickets(capturing)) == []
    for booking in (capturing, confirmed):
        refunds = [body for type, body in await box.sent(booking) if type == "RefundPayment"]
        assert [body["amount"] for body in refunds] == ["135600"]
    async with box.database.transaction() as session:
        assert await events.unsettled(session, 10) == [box.event_id]
        await session.execute(
            "UPDATE cancelled_event SET cancelled_at = cancelled_at - interval '6 minutes'"
        )
    await clockwork.tell_once(box.database, box.wakeups)
    async with box.database.transaction() as session:
        assert await events.unsettled(session, 10) == []


async def test_a_payment_after_the_event_was_called_off_goes_back(box: Box) -> None:
    booking = await box.to_authorizing()
    await box.cancel(booking)
    await box.paid(booking, Payment.OUTCOME_VOIDED)
    await box.seats(booking, Seats.OUTCOME_RELEASED)
    await box.hears(messages_pb2.EventCancelled(event_id=str(box.event_id), reason="rain"))
    await box.paid(booking, Payment.OUTCOME_PAID_LATE)
    assert await box.state(booking) == "VOIDING"


# --- races and redelivery --------------------------------------------------------------------


async def test_a_reply_delivered_again_has_no_effect(box: Box) -> None:
    booking = await box.to_authorizing()
    reply = Payment(booking_id=booking.id, step=2, outcome=Payment.OUTCOME_AUTHORIZED)
    consumer = Consumer(
        "booking.replies", box.queues["booking.replies"], box.database, cast("Broker", None)
    )
    received = Received(uuid7(), reply.DESCRIPTOR.full_name, "test", reply, cast("Any", None))
    for batch in ([received, received], [received]):
        await consumer.apply(batch)
    # The same answer under another id, as to a command that was sent again.
    await box.hears(reply)
    assert (await box.asked(booking)).count("SellSeats") == 1
    assert [entry.outcome for entry in await box.timeline(booking)][2:] == ["DONE", "IGNORED"]


async def test_answers_that_come_together_move_each_booking_as_if_they_came_alone(
    box: Box,
) -> None:
    going, paying, failing = [await box.create(ASHA, box.hold()) for _ in range(3)]
    await box.seats(paying, Seats.OUTCOME_RESERVED)
    consumer = Consumer(
        "booking.replies", box.queues["booking.replies"], box.database, cast("Broker", None)
    )

    def seats(booking: Any, outcome: Any, step: int) -> Any:
        return Seats(booking_id=booking.id, outcome=outcome, step=step, reason="HOLD_EXPIRED")

    def paid(booking: Any, outcome: Any, step: int) -> Any:
        return Payment(booking_id=booking.id, outcome=outcome, step=step)

    together = [
        seats(going, Seats.OUTCOME_RESERVED, 1),
        paid(paying, Payment.OUTCOME_AUTHORIZED, 2),
        seats(failing, Seats.OUTCOME_RESERVE_REFUSED, 1),
        paid(going, Payment.OUTCOME_AUTHORIZED, 2),
        seats(going, Seats.OUTCOME_SOLD, 3),
        seats(going, Seats.OUTCOME_SOLD, 3),  # told twice
        paid(going, Payment.OUTCOME_CAPTURED, 4),
        seats(paying, Seats.OUTCOME_SOLD, 3),
        messages_pb2.PaymentRefunded(
            booking_id=going.id, refunded_amount=135_600, captured_amount=135_600
        ),
    ]
    await consumer.apply(
        [
            Received(uuid7(), reply.DESCRIPTOR.full_name, "test", reply, cast("Any", None))
            for reply in together
        ]
    )
    states = [await box.state(booking) for booking in (going, paying, failing)]
    assert states == ["RESTOCKING", "CAPTURING", "FAILED"]
    assert [entry.outcome for entry in await box.timeline(going)] == [
        *["DONE"] * 4,
        "IGNORED",
        *["DONE"] * 2,
    ]
    assert {ticket.status for ticket in await box.tickets(going)} == {"REVOKED"}
    assert await box.asked(going) == [
        "ReserveSeats",
        "AuthorizePayment",
        "SellSeats",
        "CapturePayment",
        "RestockSeats",
        "BookingEnded",
    ]


async def test_commands_carry_the_request_id_of_the_answer_that_led_to_them(box: Box) -> None:
    bookings = [await box.create(ASHA, box.hold()) for _ in range(2)]
    consumer = Consumer(
        "booking.replies", box.queues["booking.replies"], box.database, cast("Broker", None)
    )
    name = Seats.DESCRIPTOR.full_name
    replies = [Seats(booking_id=it.id, outcome=Seats.OUTCOME_RESERVED, step=1) for it in bookings]
    origins = ["first", "second"]
    await consumer.apply(
        [
            Received(uuid7(), name, origin, reply, cast("Any", None))
            for origin, reply in zip(origins, replies, strict=True)
        ]
    )
    async with box.database.transaction() as session:
        rows = await session.all(
            "SELECT body::jsonb->>'booking_id' AS id, headers->>'request_id' AS origin"
            "  FROM outbox WHERE type LIKE '%AuthorizePayment'"
        )
    assert {row.id: row.origin for row in rows} == {
        booking.id: origin for booking, origin in zip(bookings, origins, strict=True)
    }


async def test_an_answer_to_an_older_step_has_no_effect(box: Box) -> None:
    booking = await box.to_authorizing()
    await box.let_time_pass(booking)
    void = await box.step(booking)
    await box.paid(booking, Payment.OUTCOME_PAID_LATE)  # between the Void and its answer
    await box.paid(booking, Payment.OUTCOME_VOIDED, step=void)
    assert await box.state(booking) == "VOIDING"
    voids = [body["step"] for type, body in await box.sent(booking) if type == "VoidPayment"]
    assert voids == [void, void + 1]
    await box.paid(booking, Payment.OUTCOME_VOIDED, step=void + 1)
    await box.seats(booking, Seats.OUTCOME_RELEASED)
    assert (await box.get(booking)).status == "EXPIRED"


async def test_a_reply_about_no_booking_is_not_swallowed(box: Box) -> None:
    with pytest.raises(UnknownBookingError):
        await box.hears(Seats(booking_id=str(uuid7()), outcome=Seats.OUTCOME_SOLD))


async def test_of_a_deadline_and_a_reply_at_once_one_wins_and_the_other_settles(
    box: Box, make_database: MakeDatabase
) -> None:
    other = await make_database("booking", encode=messaging.encode, like=box.database)
    bookings = [await box.to_authorizing() for _ in range(20)]
    async with box.database.transaction() as session:
        await session.execute("UPDATE saga SET deadline_at = clock_timestamp()")
    replies = (
        box.hears(Payment(booking_id=booking.id, step=2, outcome=Payment.OUTCOME_AUTHORIZED), other)
        for booking in bookings
    )
    await asyncio.gather(
        *(clockwork.meet_deadlines(box.database, box.wakeups) for _ in range(3)), *replies
    )
    for booking in bookings:
        asked = await box.asked(booking)
        state = await box.state(booking)
        assert (state, asked[2:]) in [("SELLING", ["SellSeats"]), ("VOIDING", ["VoidPayment"])]


async def test_two_deadline_loops_never_take_the_same_saga(
    box: Box, make_database: MakeDatabase
) -> None:
    other = await make_database("booking", encode=messaging.encode, like=box.database)
    bookings = [await box.to_capturing() for _ in range(10)]
    async with box.database.transaction() as session:
        await session.execute("UPDATE saga SET deadline_at = clock_timestamp()")
    met = await asyncio.gather(
        *(clockwork.meet_deadlines(database, box.wakeups) for database in (box.database, other) * 3)
    )
    assert sum(met) == 10
    for booking in bookings:
        assert (await box.asked(booking)).count("CapturePayment") == 2


async def test_a_saga_that_was_not_locked_is_never_overwritten(box: Box) -> None:
    booking = await box.to_authorizing()
    id = UUID(booking.id)
    async with box.database.transaction() as session:
        stale = (await underway.lock_by_ids(session, [id]))[id]
    await box.paid(booking, Payment.OUTCOME_AUTHORIZED)
    with pytest.raises(DatabaseError):
        async with box.database.transaction() as session:
            await advance(session, box.wakeups, [Move(stale, Happening.DEADLINE)])
    assert await box.state(booking) == "SELLING"
    assert "VoidPayment" not in await box.asked(booking)


async def test_two_valid_tickets_for_a_seat_are_impossible(box: Box) -> None:
    booking = await box.to_confirmed()
    async with box.database.transaction() as session:
        locked = await underway.lock_by_ids(session, [UUID(booking.id)])
    [held] = locked.values()
    again = Ticket(uuid7(), 0, booking.lines[0].seat_id, "")
    with pytest.raises(IntegrityError):
        async with box.database.transaction() as session:
            tickets.add(session, [(held.booking, [again])])
    await box.cancel(booking)
    async with box.database.transaction() as session:
        tickets.add(session, [(held.booking, [again])])


# --- seeing ----------------------------------------------------------------------------------


async def test_a_booking_is_seen_by_buyer_organizer_and_admin_only(box: Box) -> None:
    booking = await box.to_confirmed()
    for who, role in (
        (ASHA, Role.CUSTOMER),
        (ORGANIZER, Role.ORGANIZER),
        (ADMIN, Role.ADMIN),
    ):
        assert (await box.get(booking, who, role=role)).reference == booking.reference
        assert len(await box.timeline(booking, who, role=role)) == 5
    for who, role in ((BIKRAM, Role.CUSTOMER), (BIKRAM, Role.ORGANIZER)):
        assert await refused(box.get(booking, who, role=role)) == "BOOKING_NOT_FOUND"
        assert await refused(box.timeline(booking, who, role=role)) == "BOOKING_NOT_FOUND"
    for who in (BIKRAM, ORGANIZER):
        assert await refused(box.tickets(booking, who)) == "BOOKING_NOT_FOUND"


async def test_waiting_ends_when_the_booking_does(box: Box) -> None:
    booking = await box.to_capturing()
    waiting = asyncio.create_task(box.get(booking, wait=20))
    await box.paid(booking, Payment.OUTCOME_CAPTURED)
    assert (await waiting).status == "CONFIRMED"


async def test_waiting_ends_when_the_customer_is_needed(box: Box) -> None:
    booking = await box.to_authorizing(payment_method="KHALTI", payment_token="")
    waiting = asyncio.create_task(box.get(booking, wait=20))
    await box.paid(booking, Payment.OUTCOME_ACTION_REQUIRED, action_url="https://wallet.example/1")
    shown = (await waiting).payment
    assert (shown.status, shown.action_url) == ("REQUIRES_ACTION", "https://wallet.example/1")
    await box.paid(booking, Payment.OUTCOME_AUTHORIZED)
    assert (await box.get(booking)).payment.action_url == ""


async def test_waiting_sees_what_another_process_did(
    box: Box, make_database: MakeDatabase, until: Until
) -> None:
    other = Box(await make_database("booking", encode=messaging.encode, like=box.database))
    booking = await box.to_capturing()
    waiting = asyncio.create_task(box.get(booking, wait=20))

    async def registered() -> bool:
        return bool(box.wakeups._waiting)

    await until(registered)
    await other.paid(booking, Payment.OUTCOME_CAPTURED)
    assert (await waiting).status == "CONFIRMED"
    assert not box.wakeups._waiting


async def test_waiting_for_what_does_not_come_ends_with_what_there_is(box: Box) -> None:
    booking = await box.to_authorizing()
    assert (await box.get(booking, wait=1)).status == "PENDING"


async def test_bookings_are_listed_newest_first_page_by_page(box: Box) -> None:
    bookings = [await box.create(ASHA, box.hold()) for _ in range(5)]
    await box.create(BIKRAM, box.hold(BIKRAM))
    await box.seats(bookings[2], Seats.OUTCOME_RESERVE_REFUSED)

    async def page(**facts: Any) -> Any:
        request = booking_pb2.ListBookingsRequest(**({"limit": 2} | facts))
        return await box.caller.as_person(ASHA, "ListBookings", request)

    seen: list[str] = []
    cursor = ""
    while True:
        reply = await page(cursor=cursor)
        seen += [booking.reference for booking in reply.bookings]
        cursor = reply.next_cursor
        if not cursor:
            break
    assert seen == [booking.reference for booking in reversed(bookings)]
    failed = await page(status="FAILED")
    assert [booking.id for booking in failed.bookings] == [bookings[2].id]
    assert len((await page(event_id=str(box.event_id), limit=100)).bookings) == 5
    assert len((await page(event_id=str(uuid7()))).bookings) == 0
    for bad in ({"limit": 0}, {"limit": 101}, {"status": "LOST"}, {"event_id": "x"}):
        assert await refused(page(**bad)) == "INVALID_FILTER"
    assert await refused(page(cursor="!")) == "INVALID_CURSOR"


async def test_anybody_may_have_the_keys_that_verify_tickets(box: Box) -> None:
    reply = await box.caller.as_gateway("ListTicketKeys", booking_pb2.ListTicketKeysRequest())
    assert {key.key_id: key.public_key for key in reply.keys} == dict(KEYS.public_keys)


async def test_an_older_event_never_overwrites_a_newer_one(box: Box) -> None:
    await box.publish(title="Newer", version=3)
    await box.publish(title="Older", version=2)
    assert (await box.create(ASHA, box.hold())).event.title == "Newer"
