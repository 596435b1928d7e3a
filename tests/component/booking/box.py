"""booking_service on a real database, with inventory and payment played by hand."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import grpc
import jwt
import pytest
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp
from parterre.booking.v1 import booking_pb2, booking_pb2_grpc
from parterre.messages.v1 import messages_pb2
from parterre.types.v1 import types_pb2

from booking_service import loops, messaging
from booking_service.domain import (
    BookingError,
    Fees,
    Hold,
    HoldNotFoundError,
    Line,
    Reservation,
    half_up,
)
from booking_service.rpc import SERVICE, BookingServicer, Offer, Places, Wish
from booking_service.tickets import TicketKeys
from booking_service.wakeups import Wakeups
from chassis.consumer import Together
from chassis.context import caller, request
from chassis.database import Database
from chassis.errors import RemoteError
from chassis.identity import Role, TokenVerifier
from chassis.ids import uuid7
from chassis.refusals import read_refusal
from tests.component.conftest import Caller, MakeDatabase, Serve

KEYS = TicketKeys(secrets.token_bytes(32))
ASHA, BIKRAM, ORGANIZER, ADMIN = (str(uuid7()) for _ in range(4))
Item = booking_pb2.CreateBookingsRequest.Item
Seats = messages_pb2.SeatsReply
Payment = messages_pb2.PaymentReply
# The messages of the broker by their full names.
TYPES: dict[str, Any] = {
    descriptor.full_name: GetMessageClass(descriptor)
    for descriptor in messages_pb2.DESCRIPTOR.message_types_by_name.values()
}


def moment(when: datetime) -> Timestamp:
    written = Timestamp()
    written.FromDatetime(when)
    return written


def down() -> RemoteError:
    """What a call to a service that is not there ends with."""
    return RemoteError(grpc.StatusCode.UNAVAILABLE, "", "down", {})


class Inventory:
    """Inventory's holds and reservations, in dicts; it knows whose a hold is by itself."""

    def __init__(self) -> None:
        self.holds: dict[UUID, Hold] = {}
        self.reserved: dict[UUID, UUID] = {}  # the booking that asked first, by hold
        self.cancelled: list[Reservation] = []
        self.asked: list[Sequence[Wish]] = []
        self.closed: set[UUID] = set()  # events
        self.taken: set[str] = set()  # seats
        self.is_down = False
        self.is_deaf_to_cancel = False

    async def fetch(self, hold_id: UUID) -> Hold:
        if self.is_down:
            raise down()
        hold = self.holds.get(hold_id)
        if hold is None or str(hold.customer_id) != caller().subject:
            raise HoldNotFoundError("There is no such hold.")
        return self.as_it_stands(hold)

    async def quote(self, places: Places) -> Offer:
        if self.is_down:
            raise down()
        if UUID(places.event_id) in self.closed:
            raise RemoteError(grpc.StatusCode.FAILED_PRECONDITION, "EVENT_NOT_ON_SALE", "No.", {})
        seats = [
            Line(seat, "s", "Stalls", "C", seat, "t", "Best", 1, 50_000) for seat in places.seat_ids
        ]
        standing = [
            Line("", "p", "Pit", "", "", tier, "Standing", quantity, 10_000)
            for tier, quantity in places.general
        ]
        taken = [seat for seat in places.seat_ids if seat in self.taken]
        return Offer([*seats, *standing], "NPR", taken, not taken)

    async def reserve(self, wishes: Sequence[Wish]) -> Sequence[Hold | BookingError | RemoteError]:
        self.asked.append(wishes)
        await asyncio.sleep(0)  # as a call would, it lets others go on
        return [down() if self.is_down else self.reserve_one(wish) for wish in wishes]

    def reserve_one(self, wish: Wish) -> Hold | BookingError:
        hold = self.holds.get(wish.hold_id)
        subject = jwt.decode(wish.token, options={"verify_signature": False})["sub"]
        if hold is None or str(hold.customer_id) != subject:
            return HoldNotFoundError("There is no such hold.")
        if hold.status == "ACTIVE" and hold.event_id not in self.closed:
            self.reserved.setdefault(hold.id, wish.booking_id)
        return self.as_it_stands(hold)

    def as_it_stands(self, hold: Hold) -> Hold:
        booking_id = self.reserved.get(hold.id)
        status = "BOOKED" if booking_id else hold.status
        is_open = hold.event_id not in self.closed
        return replace(hold, status=status, booking_id=booking_id, event_open=is_open)

    async def cancel(self, reservations: Sequence[Reservation]) -> None:
        if self.is_down or self.is_deaf_to_cancel:
            raise down()
        for each in reservations:
            self.cancelled.append(each)
            if self.reserved.get(each.hold_id) == each.booking_id:
                del self.reserved[each.hold_id]


class Box:
    """The service, with payment and inventory played by hand."""

    def __init__(self, database: Database, inventory: Inventory | None = None) -> None:
        self.database = database
        self.wakeups = Wakeups()
        self.inventory = inventory or Inventory()
        self.event_id = uuid7()
        self.queues = messaging.queues(self.wakeups)
        self.servicer: BookingServicer
        self.caller: Caller

    async def open(self, serve: Serve, fees: Fees | None = None, like: Box | None = None) -> None:
        """Serves it; to the same people as another."""

        def servicer(verifier: TokenVerifier) -> BookingServicer:
            self.servicer = BookingServicer(
                self.database,
                self.wakeups,
                self.inventory,
                keys=KEYS,
                fees=fees or Fees(),
                verifier=verifier,
            )
            return self.servicer

        self.caller = await serve(
            "booking",
            SERVICE,
            servicer,
            booking_pb2_grpc.BookingServiceStub,
            keys=like.caller.keys if like else None,
        )

    async def another(self, make_database: MakeDatabase, serve: Serve) -> Box:
        """Another process of the service, on the same data and beside the same inventory."""
        database = await make_database("booking", encode=messaging.encode, like=self.database)
        other = Box(database, self.inventory)
        other.event_id = self.event_id
        await other.open(serve, like=self)
        return other

    # --- what others say -----------------------------------------------------------------

    async def hears(self, message: Any, database: Database | None = None) -> None:
        """Handles a message in a transaction of its own."""
        async with (database or self.database).transaction() as session:
            for handlers in self.queues.values():
                handle = handlers.get(type(message))
                if isinstance(handle, Together):
                    await handle.handle(session, [message])
                elif handle is not None:
                    await handle(session, message)

    async def publish(self, **changes: Any) -> None:
        facts = {
            "event_id": str(self.event_id),
            "organizer_id": ORGANIZER,
            "title": "The Tempest",
            "place": "The Globe",
            "starts_at": moment(datetime.now(UTC) + timedelta(days=30)),
            "timezone": "Asia/Kathmandu",
            "currency": "NPR",
            "tax_basis_points": 1300,
            "refund_policy": types_pb2.RefundPolicy(until_hours_before=24, percent=50),
            "version": 1,
        }
        await self.hears(messages_pb2.EventPublished(**(facts | changes)))

    async def seats(self, booking: Any, outcome: Any, reason: str = "", step: int = 0) -> None:
        """Inventory answers: the newest step, unless told which."""
        step = step or await self.step(booking)
        await self.hears(Seats(booking_id=booking.id, outcome=outcome, reason=reason, step=step))

    async def paid(self, booking: Any, outcome: Any, step: int = 0, **facts: Any) -> None:
        """Payment answers, with its totals: the newest step, unless told which."""
        totals = await self.totals(booking, outcome)
        await self.hears(
            Payment(
                **{
                    "booking_id": booking.id,
                    "payment_id": booking.payment.id,
                    "step": step or await self.step(booking),
                    "outcome": outcome,
                }
                | totals
                | facts
            )
        )

    async def totals(self, booking: Any, outcome: Any) -> dict[str, int]:
        """What payment has captured and given back when it says so, as it would reckon."""
        async with self.database.transaction() as session:
            saga = await session.one(
                "SELECT amount, captured, refunded, percent FROM saga WHERE booking_id = :id",
                id=UUID(booking.id),
            )
        captured, refunded = saga.captured, saga.refunded
        if outcome in {Payment.OUTCOME_CHARGED, Payment.OUTCOME_PAID_LATE}:
            captured = saga.amount
        elif outcome == Payment.OUTCOME_GIVEN_BACK:
            refunded = captured
        elif outcome == Payment.OUTCOME_REFUNDED:
            refunded += half_up((captured - refunded) * saga.percent, 100)
        return {"captured_amount": captured, "refunded_amount": refunded}

    async def refunded(self, booking: Any, refunded: int, captured: int = 135_600) -> None:
        """Payment says that an organizer gave so much back, in all."""
        await self.hears(
            messages_pb2.PaymentRefunded(
                booking_id=booking.id,
                payment_id=booking.payment.id,
                refunded_amount=refunded,
                captured_amount=captured,
                reason="goodwill",
            )
        )

    async def to_failed(self, booking: Any) -> None:
        """Its buyer gives up a booking that is being charged."""
        await self.cancel(booking, booking.customer_id)
        await self.to_rest(booking)

    async def to_rest(self, booking: Any) -> None:
        """All that a booking on its way back asks for is done."""
        if await self.state(booking) == "GIVING_BACK":
            await self.paid(booking, Payment.OUTCOME_GIVEN_BACK)
        if await self.state(booking) == "RELEASING":
            await self.seats(booking, Seats.OUTCOME_RELEASED)

    async def to_expired(self, who: str = ASHA, **facts: Any) -> Any:
        """A booking whose buyer did not pay in time."""
        booking = await self.to_charging(who, **facts)
        await self.let_time_pass(booking)
        await self.to_rest(booking)
        assert await self.state(booking) == "EXPIRED"
        return booking

    async def to_cancelled(self, booking: Any) -> None:
        """All that a cancelled booking asks for is done."""
        if await self.state(booking) == "REFUNDING":
            await self.paid(booking, Payment.OUTCOME_REFUNDED)
        await self.seats(booking, Seats.OUTCOME_RESTOCKED)

    async def to_charging(self, who: str = ASHA, **facts: Any) -> Any:
        """A new booking: its places are reserved, and its charge is asked for."""
        return await self.create(who, self.hold(who), **facts)

    async def to_confirmed(self, who: str = ASHA, **facts: Any) -> Any:
        """A booking that is paid; its Sell is not answered."""
        booking = await self.to_charging(who, **facts)
        await self.paid(booking, Payment.OUTCOME_CHARGED)
        return booking

    async def to_sold(self, who: str = ASHA, **facts: Any) -> Any:
        """A booking that is paid, and whose places are sold."""
        booking = await self.to_confirmed(who, **facts)
        await self.seats(booking, Seats.OUTCOME_SOLD)
        return booking

    # --- what people do ------------------------------------------------------------------

    def hold(self, who: str = ASHA, *, price: int = 50_000, **changes: Any) -> UUID:
        """A hold of two seats and two standing places."""
        hold_id = uuid7()
        facts = {
            "id": hold_id,
            "event_id": self.event_id,
            "customer_id": UUID(who),
            "status": "ACTIVE",
            "version": 3,
            "currency": "NPR",
            "lines": [
                Line(secrets.token_hex(8), "s", "Stalls", "C", "12", "t", "Best", 1, price),
                Line(secrets.token_hex(8), "s", "Stalls", "C", "13", "t", "Best", 1, price),
                Line("", "p", "Pit", "", "", "u", "Standing", 2, price // 5),
            ],
        }
        self.inventory.holds[hold_id] = Hold(**(facts | changes))
        return hold_id

    def order(self, who: str, hold: UUID | str, wait: int = 0, **facts: Any) -> Item:
        """What the gateway passes on of a person who books."""
        order = booking_pb2.CreateBookingRequest(
            **({"hold_id": str(hold), "payment_method": "CARD", "payment_token": "tok_ok"} | facts)
        )
        token = self.caller.keys.access(who, Role.CUSTOMER)
        return Item(token=token, request_id=f"of-{who}", order=order, wait_seconds=wait)

    async def orders(self, items: Sequence[Item], seconds: float = 30) -> AsyncIterator[Any]:
        """The parts of the answer, as they come."""
        wish = booking_pb2.CreateBookingsRequest(items=items)
        with request(id="test", seconds=seconds):
            stub = self.caller.stub.CreateBookings
            async for part in self.caller.client.parts(stub, wish, seconds=seconds):
                yield part

    async def create_all(self, items: Sequence[Item]) -> list[Any]:
        """The items' results, each in its place."""
        results = [result async for part in self.orders(items) for result in part.results]
        assert sorted(result.place for result in results) == list(range(len(items)))
        return sorted(results, key=lambda result: int(result.place))

    async def create(self, who: str, hold: UUID | str, wait: int = 0, **facts: Any) -> Any:
        """The booking; a refusal is raised."""
        [result] = await self.create_all([self.order(who, hold, wait, **facts)])
        if result.HasField("refusal"):
            raise read_refusal(result.refusal)
        return result.booking

    async def get(self, booking: Any, who: str = ASHA, wait: int = 0, **role: Any) -> Any:
        request = booking_pb2.GetBookingRequest(reference=booking.reference, wait_seconds=wait)
        return (await self.caller.as_person(who, "GetBooking", request, **role)).booking

    async def cancel(self, booking: Any, who: str = ASHA, key: str = "", **role: Any) -> Any:
        request = booking_pb2.CancelBookingRequest(
            reference=booking.reference, reason="changed my mind", idempotency_key=key
        )
        return (await self.caller.as_person(who, "CancelBooking", request, **role)).booking

    async def attempt(self, booking: Any, who: str = ASHA, **facts: str) -> Any:
        request = booking_pb2.AttemptPaymentRequest(
            **({"reference": booking.reference, "method": "CARD", "payment_token": "tok_2"} | facts)
        )
        return (await self.caller.as_person(who, "AttemptPayment", request)).booking

    async def tickets(self, booking: Any, who: str = ASHA) -> Any:
        request = booking_pb2.ListTicketsRequest(reference=booking.reference)
        return (await self.caller.as_person(who, "ListTickets", request)).tickets

    async def timeline(self, booking: Any, who: str = ASHA, **role: Any) -> Any:
        request = booking_pb2.GetTimelineRequest(reference=booking.reference)
        return (await self.caller.as_person(who, "GetTimeline", request, **role)).entries

    async def quote(self, hold: UUID, coupon: str = "", who: str = ASHA) -> Any:
        request = booking_pb2.QuoteBookingRequest(hold_id=str(hold), coupon_code=coupon)
        return (await self.caller.as_person(who, "QuoteBooking", request)).price

    # --- what organizers do --------------------------------------------------------------

    async def organize(
        self, method: str, who: str = ORGANIZER, role: Role = Role.ORGANIZER, **facts: Any
    ) -> Any:
        """Calls an organizer's RPC about the event."""
        wanted = getattr(booking_pb2, f"{method}Request")
        request = wanted(**({"event_id": str(self.event_id)} | facts))
        return await self.caller.as_person(who, method, request, role=role)

    async def coupon(self, code: str = "SAVE-10", **facts: Any) -> Any:
        wish = booking_pb2.Coupon(**({"code": code, "kind": "PERCENT", "value": 10} | facts))
        return (await self.organize("CreateCoupon", coupon=wish)).coupon

    async def uses(self, code: str = "SAVE-10") -> int:
        """How often a coupon is used, which its customers' counts and its uses say as well."""
        async with self.database.transaction() as session:
            row = await session.one(
                "SELECT used, (SELECT coalesce(sum(used), 0) FROM coupon_customer AS it"
                "               WHERE it.event_id = coupon.event_id AND it.code = coupon.code)"
                " AS customers, (SELECT count(*) FROM coupon_use AS it WHERE counted"
                "    AND it.event_id = coupon.event_id AND it.code = coupon.code) AS bookings"
                " FROM coupon WHERE event_id = :event_id AND code = :code",
                event_id=self.event_id,
                code=code,
            )
        assert row.used == row.customers == row.bookings
        return int(row.used)

    async def scan(self, ticket: Any, gate: str = "North", **facts: Any) -> Any:
        return await self.organize("CheckIn", token=ticket.token, gate=gate, **facts)

    # --- what is seen from inside --------------------------------------------------------

    async def outbox(self) -> list[tuple[Any, str]]:
        """Every message with its request's id, oldest first: nothing relays the outbox here."""
        async with self.database.transaction() as session:
            rows = await session.all(
                "SELECT type, payload, headers->>'request_id' AS request_id FROM outbox ORDER BY id"
            )
        return [(TYPES[row.type].FromString(bytes(row.payload)), row.request_id) for row in rows]

    async def sent(self, booking: Any) -> list[tuple[str, Any]]:
        """Every message about the booking, oldest first, by its type."""
        return [
            (type(message).__name__, message)
            for message, _ in await self.outbox()
            if booking.id == getattr(message, "seats", message).booking_id
        ]

    async def sent_as(self, kind: str, booking: Any) -> list[Any]:
        """The messages of one type about the booking, oldest first."""
        return [message for type, message in await self.sent(booking) if type == kind]

    async def asked(self, booking: Any) -> list[str]:
        return [type for type, _ in await self.sent(booking)]

    async def state(self, booking: Any) -> str:
        return str(await self.scalar("SELECT state FROM saga WHERE booking_id = :id", booking))

    async def step(self, booking: Any) -> int:
        return int(await self.scalar("SELECT step FROM saga WHERE booking_id = :id", booking))

    async def scalar(self, sql: str, booking: Any) -> Any:
        async with self.database.transaction() as session:
            return await session.scalar(sql, id=UUID(booking.id))

    async def let_time_pass(self, booking: Any) -> None:
        """Back-dates the booking's deadline, and lets the clock meet it."""
        async with self.database.transaction() as session:
            await session.execute(
                "UPDATE saga SET deadline_at = clock_timestamp() WHERE booking_id = :id",
                id=UUID(booking.id),
            )
        assert await loops.meet_deadlines(self.database, self.wakeups) == 1


def reasons(outcomes: Sequence[Any]) -> list[str]:
    return [error.reason for error in outcomes if isinstance(error, RemoteError)]


async def refused(call: Any) -> str:
    with pytest.raises(RemoteError) as error:
        await call
    return error.value.reason
