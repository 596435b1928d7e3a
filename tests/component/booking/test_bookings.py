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

from booking_service import loops, messaging
from booking_service.domain import HoldNotFoundError, Reservation, Ticket, UnknownBookingError
from booking_service.handlers.sagas import Move, advance
from booking_service.rpc import Inventory
from booking_service.saga import Happening
from booking_service.storage import events, tickets, underway
from chassis.broker import Broker
from chassis.consumer import Consumer, Received
from chassis.context import Origin, caller
from chassis.database import DatabaseError, IntegrityError
from chassis.identity import Role
from chassis.ids import uuid7
from chassis.refusals import write_refusal
from tests.component.conftest import MakeDatabase, Serve, Until

from .box import ADMIN, ASHA, BIKRAM, KEYS, ORGANIZER, Box, Payment, Seats, moment, reasons, refused

# --- the way through -------------------------------------------------------------------------


async def test_a_booking_goes_from_hold_to_tickets(box: Box) -> None:
    hold_id = box.hold()
    seat = box.inventory.holds[hold_id].lines[0].seat_id
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
    assert list(await box.tickets(booking)) == []
    await box.paid(booking, Payment.OUTCOME_CHARGED)

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
    assert list(sent) == ["ChargePayment", "SellSeats", "BookingEnded"]
    charge, sell, ended = sent.values()
    assert (charge.amount.amount, charge.amount.currency) == (135_600, "NPR")
    assert (charge.token, charge.attempt, charge.fees) == ("tok_ok", 1, 0)
    assert (charge.payment_id, charge.customer_id) == (booking.payment.id, ASHA)
    assert (sell.seats.hold_id, sell.seats.event_id) == (str(hold_id), str(box.event_id))
    assert (ended.status, ended.amount.amount) == ("CONFIRMED", 135_600)
    assert (charge.step, sell.seats.step) == (2, 3)
    await box.seats(booking, Seats.OUTCOME_SOLD)
    steps = [(entry.step, entry.state) for entry in await box.timeline(booking)]
    assert steps == [
        ("CREATED", "SECURING"),
        ("RESERVED", "CHARGING"),
        ("CHARGED", "CONFIRMED"),
        ("SOLD", "CONFIRMED"),
    ]


async def test_a_card_token_is_passed_on_and_kept_nowhere(box: Box) -> None:
    booking = await box.create(ASHA, box.hold(), payment_token="tok_secret")
    assert await box.scalar("SELECT token FROM saga WHERE booking_id = :id", booking) == ""
    [charge] = await box.sent_as("ChargePayment", booking)
    assert charge.token == "tok_secret"


async def test_a_declined_card_leaves_two_more_tries_then_the_seats_go_back(box: Box) -> None:
    booking = await box.to_charging()
    for attempt in (1, 2):
        await box.paid(booking, Payment.OUTCOME_CHARGE_REFUSED, reason="CARD_DECLINED")
        shown = await box.get(booking, wait=20)
        assert (shown.status, shown.payment.status) == ("PENDING", "FAILED")
        assert shown.payment.refused_because == "CARD_DECLINED"
        again = await box.attempt(booking, method="KHALTI", payment_token="")
        assert (again.payment.attempt, again.payment.method) == (attempt + 1, "KHALTI")
        assert again.payment.status == "INITIATED"
    await box.paid(booking, Payment.OUTCOME_CHARGED, step=2)
    assert await box.state(booking) == "CHARGING"  # an old attempt's answer
    await box.paid(booking, Payment.OUTCOME_CHARGE_REFUSED, reason="CARD_DECLINED")
    await box.seats(booking, Seats.OUTCOME_RELEASED)
    ended = await box.get(booking)
    assert (ended.status, ended.reason) == ("FAILED", "CARD_DECLINED")
    attempts = await box.sent_as("ChargePayment", booking)
    assert [(each.attempt, each.token, each.step) for each in attempts] == [
        (1, "tok_ok", 2),
        (2, "", 3),
        (3, "", 4),
    ]


async def test_a_payment_is_not_tried_twice_at_once_nor_after_the_end(box: Box) -> None:
    booking = await box.to_charging()
    assert await refused(box.attempt(booking)) == "PAYMENT_IN_PROGRESS"
    assert await refused(box.attempt(booking, method="CASH")) == "INVALID_PAYMENT_METHOD"
    assert await refused(box.attempt(booking, who=BIKRAM)) == "BOOKING_NOT_FOUND"
    assert await refused(box.attempt(booking, who=ORGANIZER)) == "BOOKING_NOT_FOUND"
    await box.paid(booking, Payment.OUTCOME_CHARGED)
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
    assert await refused(box.create(ASHA, hold_id, payment_method="")) == "INVALID_PAYMENT_METHOD"
    assert await refused(box.create(ASHA, hold_id, payment_method="CASH")) == (
        "INVALID_PAYMENT_METHOD"
    )
    unknown = box.hold(event_id=uuid7())
    assert await refused(box.create(ASHA, unknown)) == "EVENT_NOT_READY"
    box.inventory.closed.add(box.event_id)
    assert await refused(box.create(ASHA, hold_id)) == "EVENT_NOT_ON_SALE"
    box.inventory.closed.clear()
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
    other = await box.another(make_database, serve)
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
    assert await box.create(ASHA, hold_id, idempotency_key="k1") == first
    del box.inventory.holds[hold_id]
    assert await box.create(ASHA, hold_id, idempotency_key="k1") == first
    box.inventory.is_down = True
    assert await box.create(ASHA, hold_id, idempotency_key="k1") == first
    other = box.create(ASHA, uuid7(), idempotency_key="k1")
    assert await refused(other) == "IDEMPOTENCY_KEY_REUSED"
    assert await refused(box.create(ASHA, hold_id)) == "SERVICE_UNAVAILABLE"
    assert len(await box.sent(first)) == 1
    assert not box.inventory.cancelled


async def test_holds_are_reserved_in_bookings_own_name_and_shown_in_the_callers(
    box: Box, serve: Serve
) -> None:
    """The client of inventory, against its contract."""
    known, other_hold, booking_id = uuid7(), uuid7(), uuid7()
    money = types_pb2.Money(amount=700, currency="NPR")
    asked: list[tuple[str, Any]] = []

    def as_held(status: str) -> inventory_pb2.Hold:
        return inventory_pb2.Hold(
            id=str(known),
            event_id=str(box.event_id),
            customer_id=ASHA,
            status=status,
            version=2,
            total=money,
            lines=[types_pb2.Line(seat_id="1", tier="Best", quantity=1, price=money)],
        )

    class Stand(inventory_pb2_grpc.InventoryServiceServicer):
        async def GetHold(self, request: Any, _context: Any) -> Any:  # noqa: N802 - the proto's name
            asked.append((caller().subject, request))
            if request.hold_id != str(known) or caller().subject != ASHA:
                raise HoldNotFoundError("There is no such hold.")
            return inventory_pb2.GetHoldResponse(hold=as_held("ACTIVE"))

        async def ReserveHolds(self, request: Any, _context: Any) -> Any:  # noqa: N802 - as above
            asked.append((caller().subject, request))
            reply = inventory_pb2.ReserveHoldsResponse()
            for item in request.items:
                result = reply.results.add()
                if item.hold_id == str(known):
                    result.hold.CopyFrom(as_held("BOOKED"))
                    result.booking_id, result.event_open = str(booking_id), True
                else:
                    missing = HoldNotFoundError("There is no such hold.")
                    write_refusal(result.refusal, missing, method="ReserveHolds", request_id="r")
            return reply

        async def CancelReservations(  # noqa: N802 - as above
            self, request: Any, _context: Any
        ) -> Any:
            asked.append((caller().subject, request))
            return inventory_pb2.CancelReservationsResponse()

    service = inventory_pb2.DESCRIPTOR.services_by_name["InventoryService"]
    inventory = await serve("inventory", service, Stand(), inventory_pb2_grpc.InventoryServiceStub)
    assert inventory.booking is not None
    box.inventory = cast("Any", Inventory(inventory.booking))  # the dicts step aside
    await box.open(serve)
    # One signer of access tokens, as auth_service is.
    box.caller.keys._key = inventory.keys._key

    request = booking_pb2.QuoteBookingRequest(hold_id=str(known))
    quote = await box.caller.as_person(ASHA, "QuoteBooking", request)
    assert quote.price.subtotal == 700
    assert await refused(box.caller.as_person(BIKRAM, "QuoteBooking", request)) == "HOLD_NOT_FOUND"
    good, missing = await box.create_all(
        [box.order(ASHA, known), box.order(BIKRAM, other_hold, attendees=[])]
    )
    assert (good.booking.price.subtotal, good.booking.id) == (700, str(booking_id))
    assert missing.refusal.reason == "HOLD_NOT_FOUND"
    crowd = [booking_pb2.Attendee(name="Asha")] * 2
    booking_id = uuid7()
    assert await refused(box.create(ASHA, known, attendees=crowd)) == "INVALID_ATTENDEES"
    assert [who for who, _ in asked] == [ASHA, BIKRAM, "booking", "booking", "booking"]
    reserve, _, cancel = [request for _, request in asked[2:]]
    assert [item.hold_id for item in reserve.items] == [str(known), str(other_hold)]
    assert len({item.booking_id for item in reserve.items}) == 2
    assert [item.request_id for item in reserve.items] == [f"of-{ASHA}", f"of-{BIKRAM}"]
    assert [(item.hold_id, item.booking_id) for item in cancel.items] == [
        (str(known), str(booking_id))
    ]


# --- the way back ----------------------------------------------------------------------------


async def test_nobody_pays_in_time_and_the_seats_go_back(box: Box) -> None:
    booking = await box.to_charging()
    await box.let_time_pass(booking)
    await box.paid(booking, Payment.OUTCOME_GIVEN_BACK)
    await box.seats(booking, Seats.OUTCOME_RELEASED)
    ended = await box.get(booking)
    assert (ended.status, ended.reason) == ("EXPIRED", "PAYMENT_TIMED_OUT")
    assert ended.payment.status == "VOIDED"
    assert (await box.asked(booking))[1:] == ["GiveBackPayment", "ReleaseSeats", "BookingEnded"]


async def test_a_command_that_is_not_answered_is_sent_again(box: Box) -> None:
    booking = await box.to_charging()
    await box.cancel(booking)
    for _ in range(3):
        await box.let_time_pass(booking)
    sent = await box.sent_as("GiveBackPayment", booking)
    assert sent == [sent[0]] * 4  # an answer to any of them is good
    await box.to_rest(booking)
    assert (await box.get(booking)).status == "FAILED"
    assert [entry.outcome for entry in await box.timeline(booking)][3:6] == ["RESENT"] * 3


async def test_a_sell_is_sent_again_until_it_is_answered_and_counts_once(box: Box) -> None:
    booking = await box.to_confirmed()
    for _ in range(3):
        await box.let_time_pass(booking)
    sells = await box.sent_as("SellSeats", booking)
    assert sells == [sells[0]] * 4
    assert len(await box.sent_as("BookingEnded", booking)) == 1
    dashboard = booking_pb2.GetDashboardRequest(own_only=False)
    shown = await box.caller.as_person(ADMIN, "GetDashboard", dashboard, role=Role.ADMIN)
    assert (shown.bookings, shown.sagas) == ({"CONFIRMED": 1}, {"CONFIRMED": 1})
    for _ in range(2):  # told twice, as to two sendings
        await box.seats(booking, Seats.OUTCOME_SOLD)
    deadline = "SELECT deadline_at FROM saga WHERE booking_id = :id"
    assert await box.scalar(deadline, booking) is None
    assert await loops.meet_deadlines(box.database, box.wakeups) == 0
    assert len(await box.tickets(booking)) == 4
    assert len(await box.sent_as("BookingEnded", booking)) == 1


async def test_a_sell_whose_answer_is_lost_does_not_keep_a_cancellation_waiting(box: Box) -> None:
    booking = await box.to_confirmed()
    await box.cancel(booking)
    await box.seats(booking, Seats.OUTCOME_SOLD, step=3)  # late
    assert await box.state(booking) == "REFUNDING"
    await box.to_cancelled(booking)
    assert (await box.get(booking)).status == "CANCELLED"


# --- cancelling ------------------------------------------------------------------------------


async def test_giving_up_before_paying_gives_back_and_releases(box: Box) -> None:
    booking = await box.to_charging()
    assert (await box.cancel(booking)).status == "PENDING"
    assert (await box.cancel(booking)).status == "PENDING"  # asked twice
    await box.paid(booking, Payment.OUTCOME_GIVEN_BACK)
    await box.seats(booking, Seats.OUTCOME_RELEASED)
    ended = await box.get(booking)
    assert (ended.status, ended.reason) == ("FAILED", "GIVEN_UP")
    assert await refused(box.cancel(booking)) == "BOOKING_STATE"
    assert (await box.asked(booking)).count("GiveBackPayment") == 1


async def test_giving_up_after_a_refused_card_only_releases(box: Box) -> None:
    booking = await box.to_charging()
    await box.paid(booking, Payment.OUTCOME_CHARGE_REFUSED, reason="CARD_DECLINED")
    await box.cancel(booking)
    assert (await box.asked(booking))[1:] == ["ReleaseSeats"]


async def test_a_charge_that_is_answered_after_it_was_given_up_goes_back(box: Box) -> None:
    booking = await box.to_charging()
    charge = await box.step(booking)
    await box.cancel(booking)
    await box.paid(booking, Payment.OUTCOME_CHARGED, step=charge)
    assert await box.state(booking) == "GIVING_BACK"
    await box.paid(
        booking, Payment.OUTCOME_GIVEN_BACK, captured_amount=135_600, refunded_amount=135_600
    )
    await box.seats(booking, Seats.OUTCOME_RELEASED)
    ended = await box.get(booking)
    assert (ended.status, ended.payment.status, ended.refunded_amount) == (
        "FAILED",
        "REFUNDED",
        135_600,
    )
    assert list(await box.tickets(booking)) == []


async def test_a_booking_that_is_taken_back_is_busy(box: Box) -> None:
    booking = await box.to_expired()
    await box.paid(booking, Payment.OUTCOME_PAID_LATE)
    assert await refused(box.cancel(booking)) == "BOOKING_BUSY"
    assert await box.state(booking) == "RECLAIMING"


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
    [refund] = await box.sent_as("RefundPayment", booking)
    assert (refund.percent, refund.reason) == (50, "CANCELLED_BY_CUSTOMER")
    assert (await box.sent_as("BookingEnded", booking))[-1].amount.amount == 67_800


async def test_too_late_for_the_buyer_is_not_too_late_for_organizer_and_admin(box: Box) -> None:
    await box.publish(starts_at=moment(datetime.now(UTC) + timedelta(hours=23)), version=2)
    first, second = [await box.to_confirmed() for _ in range(2)]
    assert await refused(box.cancel(first)) == "CANCELLATION_CLOSED"
    assert await refused(box.cancel(first, who=BIKRAM)) == "BOOKING_NOT_FOUND"
    await box.cancel(first, who=ORGANIZER, role=Role.ORGANIZER)
    await box.cancel(second, who=ADMIN, role=Role.ADMIN)
    for booking in (first, second):
        refunds = await box.sent_as("RefundPayment", booking)
        assert [refund.percent for refund in refunds] == [100]
        assert (await box.get(booking)).reason == "CANCELLED_BY_ORGANIZER"


async def test_the_policy_of_the_day_of_booking_holds(box: Box) -> None:
    booking = await box.to_confirmed()
    harsher = types_pb2.RefundPolicy(until_hours_before=24, percent=0)
    await box.publish(refund_policy=harsher, version=2)
    await box.cancel(booking)
    assert [refund.percent for refund in await box.sent_as("RefundPayment", booking)] == [50]


async def test_five_cancellations_at_once_make_one_refund(
    box: Box, make_database: MakeDatabase, serve: Serve
) -> None:
    other = await box.another(make_database, serve)
    booking = await box.to_confirmed()
    outcomes = await asyncio.gather(
        *(place.cancel(booking) for place in (box, other, box, other, box))
    )
    assert {outcome.status for outcome in outcomes} == {"CANCELLING"}
    assert (await box.asked(booking)).count("RefundPayment") == 1


async def test_an_event_that_is_called_off_ends_every_booking_batch_by_batch(box: Box) -> None:
    charging = await box.to_charging()
    awaiting = await box.to_charging()
    await box.paid(awaiting, Payment.OUTCOME_CHARGE_REFUSED, reason="CARD_DECLINED")
    confirmed = await box.to_confirmed()
    sold = await box.to_sold()
    free = await box.create(ASHA, box.hold(price=0))
    failed = await box.to_charging()
    await box.to_failed(failed)
    elsewhere = Box(box.database, box.inventory)
    elsewhere.caller = box.caller
    await elsewhere.publish()
    other = await elsewhere.to_confirmed()

    # An answer nobody waits for, between the cancellation and its telling, must not hide it.
    await box.hears(messages_pb2.EventCancelled(event_id=str(box.event_id), reason="rain"))
    await box.paid(confirmed, Payment.OUTCOME_CHARGED)
    async with box.database.transaction() as session:
        assert len(await underway.lock_of_event(session, box.event_id, 2)) == 2
    assert await loops.tell_once(box.database, box.wakeups) == 5
    assert await loops.tell_once(box.database, box.wakeups) == 0

    bookings = (charging, awaiting, confirmed, sold, free, failed, other)
    states = [await box.state(booking) for booking in bookings]
    assert states == [
        "GIVING_BACK",
        "RELEASING",
        "REFUNDING",
        "REFUNDING",
        "RESTOCKING",
        "FAILED",
        "CONFIRMED",
    ]
    for booking in (confirmed, sold):
        refunds = await box.sent_as("RefundPayment", booking)
        assert [(refund.percent, refund.reason) for refund in refunds] == [(100, "EVENT_CANCELLED")]
        assert {ticket.status for ticket in await box.tickets(booking)} == {"REVOKED"}
    async with box.database.transaction() as session:
        assert await events.unsettled(session, 10) == [box.event_id]
        await session.execute(
            "UPDATE cancelled_event SET cancelled_at = cancelled_at - interval '6 minutes'"
        )
    await loops.tell_once(box.database, box.wakeups)
    async with box.database.transaction() as session:
        assert await events.unsettled(session, 10) == []


# --- races and redelivery --------------------------------------------------------------------


async def test_a_reply_delivered_again_has_no_effect(box: Box) -> None:
    booking = await box.to_charging()
    reply = charged(booking)
    consumer = Consumer(
        "booking.replies", box.queues["booking.replies"], box.database, cast("Broker", None)
    )
    for batch in ([received(reply), received(reply)], [received(reply)]):
        await consumer.apply(batch)
    # The same answer under another id, as to a command that was sent again.
    await box.hears(reply)
    assert (await box.asked(booking)).count("SellSeats") == 1
    assert len(await box.tickets(booking)) == 4
    assert [entry.outcome for entry in await box.timeline(booking)][2:] == [
        "DONE",
        *["IGNORED"] * 3,
    ]


def charged(booking: Any, step: int = 2) -> Any:
    """What payment says of a charge."""
    return Payment(
        booking_id=booking.id,
        step=step,
        outcome=Payment.OUTCOME_CHARGED,
        captured_amount=booking.price.total,
    )


def received(message: Any, origin: str = "test") -> Received:
    """The message as a consumer has it."""
    return Received(
        uuid7(), message.DESCRIPTOR.full_name, Origin(origin), message, cast("Any", None)
    )


async def test_answers_that_come_together_move_each_booking_as_if_they_came_alone(
    box: Box,
) -> None:
    going, paying, failing = [await box.to_charging() for _ in range(3)]
    consumer = Consumer(
        "booking.replies", box.queues["booking.replies"], box.database, cast("Broker", None)
    )

    def seats(booking: Any, outcome: Any, step: int) -> Any:
        return Seats(booking_id=booking.id, outcome=outcome, step=step)

    asked = Reservation(uuid7(), box.event_id, uuid7())
    together = [
        charged(going),
        Payment(booking_id=failing.id, outcome=Payment.OUTCOME_CHARGE_REFUSED, step=2),
        messages_pb2.AskReservation(
            booking_id=str(asked.booking_id),
            event_id=str(asked.event_id),
            hold_id=str(asked.hold_id),
        ),
        seats(going, Seats.OUTCOME_SOLD, 3),
        seats(going, Seats.OUTCOME_SOLD, 3),  # told twice
        charged(going),  # and this
        charged(paying),
        messages_pb2.PaymentRefunded(
            booking_id=going.id, refunded_amount=135_600, captured_amount=135_600
        ),
    ]
    await consumer.apply([received(reply) for reply in together])
    states = [await box.state(booking) for booking in (going, paying, failing)]
    assert states == ["RESTOCKING", "CONFIRMED", "AWAITING_PAYMENT"]
    assert [entry.outcome for entry in await box.timeline(going)] == [
        *["DONE"] * 5,
        "IGNORED",
        "DONE",
    ]
    assert {ticket.status for ticket in await box.tickets(going)} == {"REVOKED"}
    assert sorted(await box.asked(going)) == [
        "BookingEnded",
        "ChargePayment",
        "RestockSeats",
        "SellSeats",
    ]
    [told] = [it for it, _ in await box.outbox() if isinstance(it, messages_pb2.Reservation)]
    assert (told.booking_id, told.exists) == (str(asked.booking_id), False)


async def test_commands_carry_the_request_id_of_the_answer_that_led_to_them(box: Box) -> None:
    bookings = [await box.to_charging(who) for who in (ASHA, BIKRAM)]
    consumer = Consumer(
        "booking.replies", box.queues["booking.replies"], box.database, cast("Broker", None)
    )
    origins = ["first", "second"]
    await consumer.apply(
        [
            received(charged(booking), origin)
            for origin, booking in zip(origins, bookings, strict=True)
        ]
    )
    sent = {
        (type(message).__name__, getattr(message, "seats", message).booking_id): origin
        for message, origin in await box.outbox()
    }
    for booking, who, origin in zip(bookings, (ASHA, BIKRAM), origins, strict=True):
        # The first of them, of the request that made it: each of its own, though they share a call.
        assert sent["ChargePayment", booking.id] == f"of-{who}"
        assert sent["SellSeats", booking.id] == origin
        assert sent["BookingEnded", booking.id] == origin


async def test_an_answer_to_an_older_step_has_no_effect(box: Box) -> None:
    booking = await box.to_charging()
    await box.let_time_pass(booking)
    first = await box.step(booking)
    await box.paid(booking, Payment.OUTCOME_PAID_LATE)  # between the GiveBack and its answer
    await box.paid(booking, Payment.OUTCOME_GIVEN_BACK, step=first)
    assert await box.state(booking) == "GIVING_BACK"
    sent = await box.sent_as("GiveBackPayment", booking)
    assert [each.step for each in sent] == [first, first + 1]
    await box.paid(booking, Payment.OUTCOME_GIVEN_BACK, step=first + 1)
    await box.seats(booking, Seats.OUTCOME_RELEASED)
    assert (await box.get(booking)).status == "EXPIRED"


async def test_a_reply_about_no_booking_is_not_swallowed(box: Box) -> None:
    with pytest.raises(UnknownBookingError):
        await box.hears(Seats(booking_id=str(uuid7()), outcome=Seats.OUTCOME_SOLD))


async def test_of_a_deadline_and_a_reply_at_once_one_wins_and_the_other_settles(
    box: Box, make_database: MakeDatabase
) -> None:
    other = await make_database("booking", encode=messaging.encode, like=box.database)
    bookings = [await box.to_charging() for _ in range(20)]
    async with box.database.transaction() as session:
        await session.execute("UPDATE saga SET deadline_at = clock_timestamp()")
    replies = (box.hears(charged(booking), other) for booking in bookings)
    await asyncio.gather(
        *(loops.meet_deadlines(box.database, box.wakeups) for _ in range(3)), *replies
    )
    for booking in bookings:
        asked = await box.asked(booking)
        state = await box.state(booking)
        assert (state, set(asked[1:])) in [
            ("CONFIRMED", {"SellSeats", "BookingEnded"}),
            ("GIVING_BACK", {"GiveBackPayment"}),
        ]


async def test_two_deadline_loops_never_take_the_same_saga(
    box: Box, make_database: MakeDatabase
) -> None:
    other = await make_database("booking", encode=messaging.encode, like=box.database)
    bookings = [await box.to_confirmed() for _ in range(10)]
    async with box.database.transaction() as session:
        await session.execute("UPDATE saga SET deadline_at = clock_timestamp()")
    met = await asyncio.gather(
        *(loops.meet_deadlines(database, box.wakeups) for database in (box.database, other) * 3)
    )
    assert sum(met) == 10
    for booking in bookings:
        assert (await box.asked(booking)).count("SellSeats") == 2


async def test_a_saga_that_was_not_locked_is_never_overwritten(box: Box) -> None:
    booking = await box.to_charging()
    id = UUID(booking.id)
    async with box.database.transaction() as session:
        stale = (await underway.lock_by_ids(session, [id], ()))[0][id]
    await box.paid(booking, Payment.OUTCOME_CHARGED)
    with pytest.raises(DatabaseError):
        async with box.database.transaction() as session:
            await advance(session, box.wakeups, [Move(stale, Happening.DEADLINE)])
    assert await box.state(booking) == "CONFIRMED"
    assert "GiveBackPayment" not in await box.asked(booking)


async def test_two_valid_tickets_for_a_seat_are_impossible(box: Box) -> None:
    booking = await box.to_confirmed()
    async with box.database.transaction() as session:
        locked, _ = await underway.lock_by_ids(session, [UUID(booking.id)], ())
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
        assert len(await box.timeline(booking, who, role=role)) == 3
    for who, role in ((BIKRAM, Role.CUSTOMER), (BIKRAM, Role.ORGANIZER)):
        assert await refused(box.get(booking, who, role=role)) == "BOOKING_NOT_FOUND"
        assert await refused(box.timeline(booking, who, role=role)) == "BOOKING_NOT_FOUND"
    for who in (BIKRAM, ORGANIZER):
        assert await refused(box.tickets(booking, who)) == "BOOKING_NOT_FOUND"


async def test_waiting_ends_when_the_booking_does(box: Box) -> None:
    booking = await box.to_charging()
    waiting = asyncio.create_task(box.get(booking, wait=20))
    await box.paid(booking, Payment.OUTCOME_CHARGED)
    assert (await waiting).status == "CONFIRMED"


async def test_waiting_ends_when_the_customer_is_needed(box: Box) -> None:
    booking = await box.to_charging(payment_method="KHALTI", payment_token="")
    waiting = asyncio.create_task(box.get(booking, wait=20))
    await box.paid(booking, Payment.OUTCOME_ACTION_REQUIRED, action_url="https://wallet.example/1")
    shown = (await waiting).payment
    assert (shown.status, shown.action_url) == ("REQUIRES_ACTION", "https://wallet.example/1")
    await box.paid(booking, Payment.OUTCOME_CHARGED)
    assert (await box.get(booking)).payment.action_url == ""


async def test_waiting_sees_what_another_process_did(
    box: Box, make_database: MakeDatabase, until: Until
) -> None:
    other = Box(await make_database("booking", encode=messaging.encode, like=box.database))
    booking = await box.to_charging()
    waiting = asyncio.create_task(box.get(booking, wait=20))

    async def registered() -> bool:
        return bool(box.wakeups._waiting)

    await until(registered)
    await other.paid(booking, Payment.OUTCOME_CHARGED)
    assert (await waiting).status == "CONFIRMED"
    assert not box.wakeups._waiting


async def test_waiting_for_what_does_not_come_ends_with_what_there_is(box: Box) -> None:
    booking = await box.to_charging()
    assert (await box.get(booking, wait=1)).status == "PENDING"


async def test_bookings_are_listed_newest_first_page_by_page(box: Box) -> None:
    bookings = [await box.create(ASHA, box.hold()) for _ in range(5)]
    await box.create(BIKRAM, box.hold(BIKRAM))
    await box.to_failed(bookings[2])

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


async def test_who_was_on_the_page_waits_for_what_comes_of_it(box: Box) -> None:
    booking = await box.to_charging()
    await box.paid(booking, Payment.OUTCOME_ACTION_REQUIRED, action_url="https://pay.example/1")
    request = booking_pb2.GetBookingRequest(reference=booking.reference, wait_seconds=20)
    shown = (await box.caller.as_person(ASHA, "GetBooking", request)).booking
    assert shown.payment.action_url  # at once: they have to go there
    request.past_page = True
    waiting = asyncio.create_task(box.caller.as_person(ASHA, "GetBooking", request))
    while not box.wakeups._waiting:
        await asyncio.sleep(0)
    await box.paid(booking, Payment.OUTCOME_CHARGED)
    confirmed = (await waiting).booking
    assert (confirmed.status, confirmed.payment.action_url) == ("CONFIRMED", "")
    request.wait_seconds = 0
    assert (await box.caller.as_person(ASHA, "GetBooking", request)).booking == confirmed
