"""Migration 0005: what the version before left under way ends well under this one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
import psycopg
import pytest
from alembic import command
from google.protobuf import json_format
from sqlalchemy import create_engine, make_url

from booking_service import loops, messaging
from chassis.database import Database
from chassis.ids import uuid7
from chassis.migrate import chain_of, migrate
from chassis.payloads import JSON, read_payload
from deploy.postgres import Postgres
from deploy.provision import MIGRATOR, provision, role_of, url_for
from tests.component.conftest import PASSWORDS, Serve

from .box import ASHA, ORGANIZER, TYPES, Box, Payment, Seats, moment

TOTAL = 1_000


def migrate_to(url: str, revision: str) -> None:
    """Brings booking's schema up to one of its migrations."""
    config = chain_of("booking_service")
    engine = create_engine(
        make_url(url).set(drivername="postgresql+psycopg"),
        connect_args={"options": "-c search_path=booking"},
    )
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        config.attributes["schema"] = "booking"
        command.upgrade(config, revision)
        connection.commit()
    engine.dispose()


@dataclass(frozen=True, slots=True)
class Left:
    """A booking as the version before left it, enough of it for the box's helpers."""

    id: str
    reference: str
    customer_id: str
    payment_id: str
    hold_id: str
    total: int

    @property
    def payment(self) -> Any:
        return type("Payment", (), {"id": self.payment_id})


class Before:
    """Writes bookings as the version before wrote them."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self.event_id = uuid7()
        self._count = 0

    def write(self, table: str, **row: Any) -> None:
        names = ", ".join(row)
        values = ", ".join(["%s"] * len(row))
        self._connection.execute(
            f"INSERT INTO booking.{table} ({names}) VALUES ({values})",
            list(row.values()),
        )

    def event(self) -> None:
        self.write(
            "event",
            event_id=self.event_id,
            organizer_id=ORGANIZER,
            title="The Tempest",
            place="The Globe",
            starts_at="2100-01-01T00:00:00Z",
            timezone="UTC",
            currency="NPR",
            tax_basis_points=0,
            until_hours_before=24,
            percent=50,
            version=1,
        )

    def booking(self, state: str, step: int, *, total: int = TOTAL, **saga: Any) -> Left:
        self._count += 1
        left = Left(
            str(uuid7()), f"PT-0000000{self._count % 10}", ASHA, str(uuid7()), str(uuid7()), total
        )
        self.write(
            "booking",
            booking_id=left.id,
            reference=left.reference,
            hold_id=left.hold_id,
            hold_version=3,
            customer_id=ASHA,
            event_id=self.event_id,
            payment_id=left.payment_id,
            currency="NPR",
            subtotal=total,
            discount=0,
            tax=0,
            fees=0,
            total=total,
            until_hours_before=24,
            percent=50,
            created_at="2027-01-01T00:00:00Z",
        )
        self.write(
            "booking_line",
            booking_id=left.id,
            line_no=0,
            seat_id=f"seat-{self._count}",
            section_id="s",
            section="Stalls",
            row="A",
            number="1",
            tier_id="t",
            tier="Best",
            quantity=1,
            price=total,
        )
        ended = state in {"CONFIRMED", "FAILED", "EXPIRED", "CANCELLED"}
        facts = {
            "booking_id": left.id,
            "event_id": self.event_id,
            "state": state,
            "amount": total,
            "pay_by": "2100-01-01T00:00:00Z",
            "deadline_at": None if ended else "2100-01-01T00:00:00Z",
            "version": step,
            "step": step,
            "attempt": 1,
            "resends": 0,
            "ending": None,
            "reason": "",
            "event_off": False,
            "paid_late": False,
            "refund": 0,
            "action_url": "",
            "payment_status": "INITIATED" if total else "",
            "refused_because": "",
            "method": "CARD",
            "token": "",
        }
        self.write("saga", **(facts | saga))
        self.write(
            "timeline",
            booking_id=left.id,
            entry_no=1,
            at="2027-01-01T00:00:00Z",
            state="SECURING",
            step="CREATED",
            outcome="DONE",
            attempt=1,
            detail="",
        )
        if state in {"CONFIRMED", "REFUNDING", "RESTOCKING", "CANCELLED"}:
            self.write(
                "ticket",
                ticket_id=uuid7(),
                booking_id=left.id,
                line_no=0,
                event_id=self.event_id,
                seat_id=f"seat-{self._count}",
                attendee_name="",
                status="VALID" if state == "CONFIRMED" else "REVOKED",
            )
        return left

    def sent(self, type: str, **body: Any) -> None:
        """A message that was not relayed before the service stopped."""
        self.write(
            "outbox",
            id=uuid7(),
            type=f"parterre.messages.v1.{type}",
            body=orjson.dumps(body).decode(),
            headers='{"request_id": "of-before"}',
        )


Upgrade = Callable[[], Awaitable[Box]]


@dataclass
class Old:
    """A database at the version before, and the way to the new one."""

    before: Before
    upgrade: Upgrade


@pytest.fixture
async def old(postgres: Postgres, serve: Serve) -> Any:
    name = f"upgrade_{uuid7().hex}"
    provision(postgres.admin_url, name, PASSWORDS)
    migrator = url_for(postgres.admin_url, name, MIGRATOR, PASSWORDS[MIGRATOR])
    role = role_of("booking")
    url = url_for(postgres.admin_url, name, role, PASSWORDS[role])
    migrate_to(migrator, "0004")
    opened: list[Database] = []
    with psycopg.connect(migrator, autocommit=True) as connection:
        before = Before(connection)
        before.event()

        async def upgrade() -> Box:
            migrate(migrator, "booking_service", "booking")
            database = Database(url, "booking", encode=messaging.encode)
            opened.append(database)
            box = Box(database)
            box.event_id = before.event_id
            await box.open(serve)
            return box

        yield Old(before, upgrade)
    for database in opened:
        await database.close()


async def outbox_of_before(box: Box, left: Left) -> list[Any]:
    """What the migration itself sends about a booking, read as a consumer reads it."""
    async with box.database.transaction() as session:
        rows = await session.all("SELECT type, body FROM outbox WHERE body IS NOT NULL ORDER BY id")
    messages = [read_payload(row.body.encode(), JSON, TYPES[row.type]) for row in rows]
    return [it for it in messages if getattr(it, "seats", it).booking_id == left.id]


async def meet(box: Box, left: Left) -> None:
    """Lets the clock meet the saga's deadline, which the migration or the state has set."""
    await box.let_time_pass(left)


async def sent(box: Box, left: Left) -> list[str]:
    """What the new service itself has sent about a booking."""
    async with box.database.transaction() as session:
        rows = await session.all(
            "SELECT type, payload FROM outbox WHERE payload IS NOT NULL ORDER BY id"
        )
    messages = [TYPES[row.type].FromString(bytes(row.payload)) for row in rows]
    return [type(it).__name__ for it in messages if getattr(it, "seats", it).booking_id == left.id]


async def old_reply(box: Box, kind: type[Any], **facts: Any) -> None:
    """An answer of before, as it was queued: JSON, without totals."""
    body = json_format.MessageToJson(kind(**facts), preserving_proto_field_name=True)
    await box.hears(read_payload(body.encode(), JSON, kind))


# --- before the charge was known -------------------------------------------------------------


async def test_what_waits_for_its_seats_is_answered_by_the_message_of_before(old: Old) -> None:
    paid = old.before.booking("SECURING", 1, token="tok_ok")
    free = old.before.booking("SECURING", 1, total=0)
    lost = old.before.booking("SECURING", 1)
    gone = old.before.booking("SECURING", 1)
    box = await old.upgrade()
    for left in (paid, free):
        await old_reply(box, Seats, booking_id=left.id, outcome=Seats.OUTCOME_RESERVED, step=1)
    [charge] = await box.sent_as("ChargePayment", paid)
    assert (charge.token, charge.amount.amount, charge.step) == ("tok_ok", TOTAL, 2)
    assert await box.scalar("SELECT token FROM saga WHERE booking_id = :id", paid) == ""
    await box.paid(paid, Payment.OUTCOME_CHARGED)
    for left in (paid, free):
        assert (await box.get(left)).status == "CONFIRMED"
        assert len(await box.tickets(left)) == 1
    # No answer about the seats releases them all the same, and a late one means nothing.
    await meet(box, lost)
    assert await box.asked(lost) == ["ReleaseSeats"]
    await old_reply(box, Seats, booking_id=lost.id, outcome=Seats.OUTCOME_RESERVED, step=1)
    assert await box.state(lost) == "RELEASING"
    await box.to_rest(lost)
    ended = await box.get(lost)
    assert (ended.status, ended.reason) == ("EXPIRED", "SEATS_NOT_SECURED")
    await old_reply(
        box,
        Seats,
        booking_id=gone.id,
        outcome=Seats.OUTCOME_RESERVE_REFUSED,
        step=1,
        reason="HOLD_EXPIRED",
    )
    ended = await box.get(gone)
    assert (ended.status, ended.reason) == ("FAILED", "HOLD_EXPIRED")


@pytest.mark.parametrize(("state", "step"), [("AUTHORIZING", 2), ("SELLING", 3), ("CAPTURING", 4)])
async def test_what_was_on_its_way_to_be_paid_is_charged_under_the_same_key(
    old: Old, state: str, step: int
) -> None:
    left = old.before.booking(state, step, attempt=2, method="KHALTI")
    box = await old.upgrade()
    assert await box.state(left) == "CHARGING"
    [charge] = await outbox_of_before(box, left)
    assert type(charge).__name__ == "ChargePayment"
    assert (charge.payment_id, charge.attempt, charge.step) == (left.payment_id, 2, step)
    assert (charge.amount.amount, charge.amount.currency, charge.method) == (TOTAL, "NPR", "KHALTI")
    assert (charge.customer_id, charge.organizer_id) == (ASHA, ORGANIZER)
    assert (charge.booking_reference, charge.event_id) == (left.reference, str(box.event_id))
    # What was queued in the words of before means nothing more.
    for outcome in (
        Payment.OUTCOME_AUTHORIZED,
        Payment.OUTCOME_CAPTURED,
        Payment.OUTCOME_AUTHORIZATION_REFUSED,
        Payment.OUTCOME_CAPTURE_REFUSED,
        Payment.OUTCOME_VOIDED,
    ):
        await old_reply(box, Payment, booking_id=left.id, outcome=outcome, step=step)
    for seats in (Seats.OUTCOME_SOLD, Seats.OUTCOME_SELL_REFUSED, Seats.OUTCOME_UNSOLD):
        await old_reply(box, Seats, booking_id=left.id, outcome=seats, step=step)
    assert await box.state(left) == "CHARGING"
    await box.paid(left, Payment.OUTCOME_CHARGED)
    assert (await box.get(left)).status == "CONFIRMED"
    assert len(await box.tickets(left)) == 1
    assert await sent(box, left) == ["SellSeats", "BookingEnded"]


@pytest.mark.parametrize("state", ["SELLING", "CAPTURING"])
async def test_what_was_past_its_payment_deadline_has_a_minute_to_be_answered(
    old: Old, state: str
) -> None:
    left = old.before.booking(state, 3, pay_by="2020-01-01T00:00:00Z")
    box = await old.upgrade()
    in_time = "SELECT deadline_at > now() + interval '50 seconds' FROM saga WHERE booking_id = :id"
    assert await box.scalar(in_time, left)
    await meet(box, left)
    await box.to_rest(left)
    assert (await box.get(left)).status == "EXPIRED"


async def test_a_page_that_is_open_stays_open(old: Old) -> None:
    page = {"action_url": "https://wallet.example/1", "payment_status": "REQUIRES_ACTION"}
    left = old.before.booking("AUTHORIZING", 2, method="ESEWA", **page)
    box = await old.upgrade()
    shown = await box.get(left)
    assert (shown.status, shown.payment.action_url) == ("PENDING", "https://wallet.example/1")
    assert (await box.attempt(left)).payment.attempt == 2


async def test_who_was_to_choose_another_card_may_still(old: Old) -> None:
    left = old.before.booking(
        "AWAITING_PAYMENT", 2, payment_status="FAILED", refused_because="CARD_DECLINED"
    )
    box = await old.upgrade()
    assert (await box.attempt(left)).payment.attempt == 2
    await box.paid(left, Payment.OUTCOME_CHARGED)
    assert (await box.get(left)).status == "CONFIRMED"


async def test_a_free_one_that_was_being_sold_is_reserved_once_more_and_never_charged(
    old: Old,
) -> None:
    left = old.before.booking("SELLING", 2, total=0)
    box = await old.upgrade()
    [reserve] = await outbox_of_before(box, left)
    assert type(reserve).__name__ == "ReserveSeats"
    assert (reserve.seats.hold_id, reserve.seats.event_id) == (left.hold_id, str(box.event_id))
    assert (reserve.seats.step, reserve.hold_version) == (2, 3)
    # Its Sell may have been answered before.
    await old_reply(box, Seats, booking_id=left.id, outcome=Seats.OUTCOME_SOLD, step=2)
    assert await box.state(left) == "SECURING"
    await box.seats(left, Seats.OUTCOME_RESERVED)
    assert (await box.get(left)).status == "CONFIRMED"
    assert len(await box.tickets(left)) == 1
    assert await sent(box, left) == ["SellSeats", "BookingEnded"]


async def test_what_was_called_off_while_it_was_being_confirmed_goes_back_whole(old: Old) -> None:
    """Marked as told already, so that nobody tells it once more."""
    selling = old.before.booking("SELLING", 3, event_off=True)
    capturing = old.before.booking("CAPTURING", 4, event_off=True)
    free = old.before.booking("SELLING", 2, total=0, event_off=True)
    box = await old.upgrade()
    assert await loops.meet_deadlines(box.database, box.wakeups) == 3
    for left in (selling, capturing):
        assert await sent(box, left) == ["GiveBackPayment"]
        await box.paid(
            left, Payment.OUTCOME_GIVEN_BACK, captured_amount=TOTAL, refunded_amount=TOTAL
        )
    assert await sent(box, free) == ["ReleaseSeats"]
    for left in (selling, capturing, free):
        assert await outbox_of_before(box, left) == []
        await box.to_rest(left)
        ended = await box.get(left)
        assert (ended.status, ended.reason) == ("FAILED", "EVENT_CANCELLED")
        assert list(await box.tickets(left)) == []


# --- on the way back -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "ending", "reason"),
    [
        ("UNSELLING", "FAILED", "CARD_DECLINED"),
        ("VOIDING", "EXPIRED", "PAYMENT_TIMED_OUT"),
        ("VOIDING", "FAILED", "GIVEN_UP"),
    ],
)
async def test_what_was_on_its_way_back_gives_back_and_releases(
    old: Old, state: str, ending: str, reason: str
) -> None:
    left = old.before.booking(state, 3, ending=ending, reason=reason, resends=9)
    box = await old.upgrade()
    for outcome in (Payment.OUTCOME_VOIDED, Payment.OUTCOME_CAPTURE_REFUSED):
        await old_reply(box, Payment, booking_id=left.id, outcome=outcome, step=3)
    assert await box.state(left) == "GIVING_BACK"
    assert await loops.meet_deadlines(box.database, box.wakeups) == 1
    assert await sent(box, left) == ["GiveBackPayment"]
    await box.to_rest(left)
    ended = await box.get(left)
    assert (ended.status, ended.reason) == (ending, reason)
    assert await sent(box, left) == ["GiveBackPayment", "ReleaseSeats", "BookingEnded"]


async def test_what_was_releasing_or_had_ended_goes_on_as_it_was(old: Old) -> None:
    releasing = old.before.booking("RELEASING", 4, ending="EXPIRED", reason="PAYMENT_TIMED_OUT")
    expired = old.before.booking("EXPIRED", 4, ending="EXPIRED", reason="PAYMENT_TIMED_OUT")
    failed = old.before.booking("FAILED", 4, ending="FAILED", reason="GIVEN_UP")
    box = await old.upgrade()
    await old_reply(box, Seats, booking_id=releasing.id, outcome=Seats.OUTCOME_RELEASED, step=4)
    assert (await box.get(releasing)).status == "EXPIRED"
    await box.paid(expired, Payment.OUTCOME_PAID_LATE)
    assert await box.state(expired) == "RECLAIMING"
    await box.paid(failed, Payment.OUTCOME_PAID_LATE)
    assert await box.state(failed) == "GIVING_BACK"


async def test_a_payment_of_before_while_the_seats_were_released_goes_back(old: Old) -> None:
    """What was told of it then had no totals, so nobody knows that it is the whole price."""
    left = old.before.booking("RELEASING", 4, ending="EXPIRED", paid_late=True)
    box = await old.upgrade()
    await box.seats(left, Seats.OUTCOME_RELEASED)
    assert await box.state(left) == "GIVING_BACK"


async def test_what_was_paid_late_and_taken_back_is_confirmed(old: Old) -> None:
    free, gone = (
        old.before.booking("RECLAIMING", 5, ending="EXPIRED", payment_status="CAPTURED")
        for _ in range(2)
    )
    box = await old.upgrade()
    await old_reply(box, Seats, booking_id=free.id, outcome=Seats.OUTCOME_RECLAIMED, step=5)
    assert (await box.get(free)).status == "CONFIRMED"
    await box.seats(gone, Seats.OUTCOME_RECLAIM_REFUSED, "SEATS_UNAVAILABLE")
    await box.to_rest(gone)
    ended = await box.get(gone)
    assert (ended.status, ended.reason) == ("EXPIRED", "PAID_LATE_SEATS_GONE")
    assert (ended.payment.status, ended.refunded_amount) == ("REFUNDED", TOTAL)


# --- after it was confirmed ------------------------------------------------------------------


async def test_what_was_confirmed_stays_so_and_sells_nothing_again(old: Old) -> None:
    left = old.before.booking("CONFIRMED", 4, payment_status="CAPTURED")
    free = old.before.booking("CONFIRMED", 2, total=0)
    box = await old.upgrade()
    assert await loops.meet_deadlines(box.database, box.wakeups) == 0
    # The answer to the old capture, told once more.
    await old_reply(box, Payment, booking_id=left.id, outcome=Payment.OUTCOME_CAPTURED, step=4)
    assert (await box.get(left)).status == "CONFIRMED"
    await box.cancel(left)
    await box.cancel(free)
    [refund] = await box.sent_as("RefundPayment", left)
    assert (refund.percent, refund.step) == (50, 5)
    for booking in (left, free):
        await box.to_cancelled(booking)
        assert (await box.get(booking)).status == "CANCELLED"
    assert (await box.get(left)).refunded_amount == TOTAL // 2


async def test_a_confirmed_ones_event_that_is_called_off_refunds_it(old: Old) -> None:
    left = old.before.booking("CONFIRMED", 4, payment_status="CAPTURED")
    box = await old.upgrade()
    await box.hears(
        TYPES["parterre.messages.v1.EventCancelled"](event_id=str(box.event_id), reason="rain")
    )
    assert await loops.tell_once(box.database, box.wakeups) == 1
    [refund] = await box.sent_as("RefundPayment", left)
    assert refund.percent == 100


@pytest.mark.parametrize(
    ("saga", "percent", "back"),
    [
        ({"refund": 500, "refunds": 1}, 50, 500),
        ({"refund": 1000, "refunds": 1}, 100, 1000),
        # A part had gone back before; the organizer cancelled.
        ({"refund": 600, "refunds": 1, "refunded": 400}, 100, 1000),
        # The rest after a policy's share, for an event called off.
        ({"refund": 500, "refunds": 2, "refunded": 500, "event_off": True}, 100, 1000),
    ],
)
async def test_a_refund_under_way_is_asked_for_once_more_as_a_share(
    old: Old, saga: dict[str, Any], percent: int, back: int
) -> None:
    left = old.before.booking(
        "REFUNDING", 5, ending="CANCELLED", reason="CANCELLED_BY_CUSTOMER", **saga
    )
    box = await old.upgrade()
    await old_reply(box, Payment, booking_id=left.id, outcome=Payment.OUTCOME_REFUNDED, step=5)
    assert await box.state(left) == "REFUNDING"  # its totals are not known
    await meet(box, left)
    [refund] = await box.sent_as("RefundPayment", left)
    assert (refund.percent, refund.step) == (percent, 5)
    await box.paid(left, Payment.OUTCOME_REFUNDED, captured_amount=TOTAL, refunded_amount=back)
    await box.to_cancelled(left)
    ended = await box.get(left)
    assert (ended.status, ended.refunded_amount) == ("CANCELLED", back)


async def test_what_was_restocked_or_cancelled_ends_as_it_would_have(old: Old) -> None:
    facts: dict[str, Any] = {
        "ending": "CANCELLED",
        "reason": "CANCELLED_BY_CUSTOMER",
        "refund": 500,
        "refunds": 1,
        "refunded": 500,
        "payment_status": "PARTIALLY_REFUNDED",
    }
    restocking = old.before.booking("RESTOCKING", 6, **facts)
    cancelled = old.before.booking("CANCELLED", 6, **facts)
    box = await old.upgrade()
    await old_reply(box, Seats, booking_id=restocking.id, outcome=Seats.OUTCOME_RESTOCKED, step=6)
    for left in (restocking, cancelled):
        ended = await box.get(left)
        assert (ended.status, ended.refunded_amount) == ("CANCELLED", 500)
        assert ended.payment.status == "PARTIALLY_REFUNDED"
    await box.refunded(cancelled, TOTAL, TOTAL)  # the rest, by the organizer
    assert (await box.get(cancelled)).payment.status == "REFUNDED"


# --- all of it -------------------------------------------------------------------------------


async def test_what_the_service_of_before_had_not_relayed_is_published_in_its_own_words(
    old: Old,
) -> None:
    left = old.before.booking("SELLING", 3)
    old.before.sent("SellSeats", seats={"booking_id": left.id, "step": 3})
    box = await old.upgrade()
    kinds = [type(it).__name__ for it in await outbox_of_before(box, left)]
    assert sorted(kinds) == ["ChargePayment", "SellSeats"]


async def test_new_bookings_are_made_beside_those_of_before(old: Old) -> None:
    old.before.booking("CONFIRMED", 4, payment_status="CAPTURED")
    box = await old.upgrade()
    await box.publish(version=2, starts_at=moment(datetime(2100, 1, 1, tzinfo=UTC)))
    booking = await box.to_sold()
    assert (await box.get(booking)).status == "CONFIRMED"
