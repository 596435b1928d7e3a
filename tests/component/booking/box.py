"""booking_service on a real database, with inventory and payment played by hand."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from parterre.booking.v1 import booking_pb2, booking_pb2_grpc
from parterre.messages.v1 import messages_pb2
from parterre.types.v1 import types_pb2

from booking_service import clockwork, messaging
from booking_service.domain import Fees, Hold, HoldNotFoundError, Line
from booking_service.rpc import SERVICE, BookingServicer
from booking_service.tickets import TicketKeys
from booking_service.wakeups import Wakeups
from chassis.consumer import Together
from chassis.context import caller
from chassis.database import Database
from chassis.errors import RemoteError
from chassis.identity import Role
from chassis.ids import uuid7
from tests.component.conftest import Caller, Serve

KEYS = TicketKeys(secrets.token_bytes(32))
ASHA, BIKRAM, ORGANIZER, ADMIN = (str(uuid7()) for _ in range(4))
Seats = messages_pb2.SeatsReply
Payment = messages_pb2.PaymentReply


def moment(when: datetime) -> Timestamp:
    written = Timestamp()
    written.FromDatetime(when)
    return written


class Box:
    """The service with inventory's holds in a dict, and payment and inventory played by hand."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.wakeups = Wakeups()
        self.holds: dict[UUID, Hold] = {}
        self.inventory_is_down = False
        self.event_id = uuid7()
        self.queues = messaging.queues(self.wakeups)
        self.caller: Caller

    async def open(self, serve: Serve, fees: Fees | None = None) -> None:
        servicer = BookingServicer(
            self.database, self.wakeups, self.fetch_hold, KEYS, fees or Fees()
        )
        self.caller = await serve("booking", SERVICE, servicer, booking_pb2_grpc.BookingServiceStub)

    async def fetch_hold(self, hold_id: UUID) -> Hold:
        if self.inventory_is_down:
            raise RemoteError(cast("Any", None), "SERVICE_UNAVAILABLE", "down", {})
        hold = self.holds.get(hold_id)
        if hold is None or str(hold.customer_id) != caller().subject:
            raise HoldNotFoundError("There is no such hold.")
        return hold

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

    async def paid(self, booking: Any, outcome: Any, step: int = 0, **facts: str) -> None:
        """Payment answers: the newest step, unless told which."""
        await self.hears(
            Payment(
                booking_id=booking.id,
                payment_id=booking.payment.id,
                step=step or await self.step(booking),
                outcome=outcome,
                **facts,
            )
        )

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
        """Inventory has no seats for a new booking."""
        await self.seats(booking, Seats.OUTCOME_RESERVE_REFUSED, "HOLD_EXPIRED")

    async def to_cancelled(self, booking: Any) -> None:
        """All that a confirmed booking asks for is done."""
        if await self.state(booking) == "REFUNDING":
            await self.paid(booking, Payment.OUTCOME_REFUNDED)
        await self.seats(booking, Seats.OUTCOME_RESTOCKED)

    async def to_authorizing(self, who: str = ASHA, **facts: Any) -> Any:
        booking = await self.create(who, self.hold(who), **facts)
        await self.seats(booking, Seats.OUTCOME_RESERVED)
        return booking

    async def to_capturing(self, who: str = ASHA) -> Any:
        booking = await self.to_authorizing(who)
        await self.paid(booking, Payment.OUTCOME_AUTHORIZED)
        await self.seats(booking, Seats.OUTCOME_SOLD)
        return booking

    async def to_confirmed(self, who: str = ASHA) -> Any:
        booking = await self.to_capturing(who)
        await self.paid(booking, Payment.OUTCOME_CAPTURED)
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
                Line(secrets.token_hex(4), "s", "Stalls", "C", "12", "t", "Best", 1, price),
                Line(secrets.token_hex(4), "s", "Stalls", "C", "13", "t", "Best", 1, price),
                Line("", "p", "Pit", "", "", "u", "Standing", 2, price // 5),
            ],
        }
        self.holds[hold_id] = Hold(**(facts | changes))
        return hold_id

    async def create(self, who: str, hold: UUID | str, **facts: Any) -> Any:
        request = booking_pb2.CreateBookingRequest(
            **({"hold_id": str(hold), "payment_method": "CARD", "payment_token": "tok_ok"} | facts)
        )
        return (await self.caller.as_person(who, "CreateBooking", request)).booking

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

    async def sent(self, booking: Any) -> list[tuple[str, dict[str, Any]]]:
        """Every message about the booking, oldest first: nothing relays the outbox here."""
        async with self.database.transaction() as session:
            rows = await session.all("SELECT type, body FROM outbox ORDER BY id")
        messages = [(row.type.rpartition(".")[2], json.loads(row.body)) for row in rows]
        return [
            (type, body)
            for type, body in messages
            if booking.id in {body.get("booking_id"), body.get("seats", {}).get("booking_id")}
        ]

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
        assert await clockwork.meet_deadlines(self.database, self.wakeups) == 1


def reasons(outcomes: Sequence[Any]) -> list[str]:
    return [error.reason for error in outcomes if isinstance(error, RemoteError)]


async def refused(call: Any) -> str:
    with pytest.raises(RemoteError) as error:
        await call
    return error.value.reason
