"""payment_service on a real database with the real sandbox provider."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import Mock
from uuid import UUID

import aio_pika
import alembic.command
import psycopg
import pytest
from google.protobuf.message import Message
from parterre.messages.v1 import messages_pb2
from parterre.payment.v1 import payment_pb2, payment_pb2_grpc
from parterre.types.v1 import types_pb2
from pydantic import SecretStr

from chassis.broker import Broker
from chassis.consumer import Together
from chassis.context import Origin, requests
from chassis.database import Database, DatabaseError, IntegrityError, Session
from chassis.errors import RemoteError
from chassis.identity import Role, encode_key
from chassis.ids import uuid7
from chassis.lifecycle import background
from chassis.migrate import migrate
from chassis.outbox import encoded
from chassis.payloads import PROTOBUF
from chassis.topology import COMMANDS, Topology
from deploy.postgres import Postgres
from deploy.processes import free_port
from deploy.provision import MIGRATOR, provision, role_of, url_for
from payment_service import loops, messaging
from payment_service.domain import METHODS, GiveBackPayment, Kind, NothingCapturedError, Result
from payment_service.figures import UNBALANCED, UNKNOWN, UNKNOWN_OLDEST_SECONDS, MoneyFigures
from payment_service.handlers.work import Lease, Todo
from payment_service.loops import Worker, Workers
from payment_service.providers import breaker
from payment_service.providers.sandbox import SandboxProvider
from payment_service.rpc import SERVICE, PaymentServicer
from payment_service.service import payment_service
from payment_service.settings import Settings
from payment_service.storage import payments as stored
from payment_service.storage import postings
from payment_service.storage.postings import CAPTURED, REFUNDED

from .conftest import PASSWORDS, Caller, MakeDatabase, Serve, one_answer
from .test_sandbox_provider import API_KEY, WEBHOOK_SECRET, Receiver, Sandbox, running

AMOUNT = 125000
RETURN_URL = "https://box.example/paid"
OLD_SECRET = "whsec_the_one_before"


def provider_at(
    url: str, *, deadline_seconds: float = 5.0, secrets: tuple[str, ...] = (WEBHOOK_SECRET,)
) -> SandboxProvider:
    return SandboxProvider(
        url=url,
        api_key=API_KEY,
        webhook_secrets=secrets,
        return_url=RETURN_URL,
        deadline_seconds=deadline_seconds,
        connections=40,
    )


M = TypeVar("M", bound=Message)


def outcome(reply: messages_pb2.PaymentReply) -> str:
    return messages_pb2.PaymentReply.Outcome.Name(reply.outcome).removeprefix("OUTCOME_")


@dataclass
class Desk:
    """One payment_service without its broker: commands in, replies out of the outbox."""

    database: Database
    workers: Workers
    sandbox: Sandbox
    handlers: Mapping[type[Any], Any]

    @property
    def worker(self) -> Worker:
        return self.workers.of("sandbox")

    async def send(self, *commands: Message) -> None:
        """Each in a transaction of its own."""
        for command in commands:

            async def work(session: Any, command: Message = command) -> None:
                handler = self.handlers[type(command)]
                if isinstance(handler, Together):
                    await handler.handle(session, [command])
                else:
                    await handler(session, command)

            await self.database.run(work)

    async def replies(self, payment: Purchase) -> list[tuple[str, str]]:
        """Outcome and reason of each reply so far."""
        return [(outcome(reply), reply.reason) for reply in await self.whole(payment)]

    async def steps(self, payment: Purchase) -> list[tuple[str, int]]:
        """Outcome and step of each reply so far."""
        return [(outcome(reply), reply.step) for reply in await self.whole(payment)]

    async def totals(self, payment: Purchase) -> list[tuple[str, int, int]]:
        """Outcome, and what was captured and refunded, of each reply so far."""
        return [
            (outcome(reply), reply.captured_amount, reply.refunded_amount)
            for reply in await self.whole(payment)
        ]

    async def whole(self, payment: Purchase) -> list[messages_pb2.PaymentReply]:
        replies = await self.sent(messages_pb2.PaymentReply)
        return [reply for reply in replies if reply.payment_id == payment.id]

    async def sent(self, kind: type[M]) -> list[M]:
        """What is in the outbox of a kind, oldest first."""
        async with self.database.transaction() as session:
            rows = await session.all(
                "SELECT payload FROM outbox WHERE type = :type ORDER BY id",
                type=kind.DESCRIPTOR.full_name,
            )
        return [kind.FromString(row.payload) for row in rows]

    async def outcomes(self, payment: Purchase) -> list[str]:
        return [outcome for outcome, _reason in await self.replies(payment)]

    async def told(self) -> list[bool]:
        """What was told of the provider so far: whether it answers."""
        told = await self.sent(messages_pb2.ProviderState)
        assert all(list(each.methods) == ["CARD", "ESEWA", "KHALTI"] for each in told)
        assert all(each.provider == "sandbox" for each in told)
        moments = [each.told_at.ToDatetime() for each in told]
        assert moments == sorted(set(moments))
        return [each.available for each in told]

    async def carry_out(self) -> None:
        """Makes and records what is due, where nobody else does."""
        claimed, _ = await self.worker.claim(100)
        await self.worker.record([(call, await self.worker.make(call)) for call in claimed])

    async def hurry(self) -> None:
        """Lets time pass for every call that waits."""
        async with self.database.transaction() as session:
            await session.execute(
                "UPDATE provider_call SET due_at = clock_timestamp() WHERE leased_until IS NULL"
            )
        self.worker.wake()

    async def until(self, payment: Purchase, outcome: str, times: int = 1) -> None:
        async def told() -> bool:
            return (await self.outcomes(payment)).count(outcome) >= times

        await self.eventually(told)

    async def idle(self) -> None:
        """Waits until no provider has to be called any more."""
        await self.idle_but_for(0)

    async def idle_but_for(self, calls: int) -> None:
        """Waits until no more than so many charges have to be looked up."""

        async def empty() -> bool:
            return bool(await self.scalar("SELECT count(*) FROM provider_call") == calls)

        await self.eventually(empty)

    async def eventually(self, holds: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(40):
            while not await holds():
                await self.hurry()
                await asyncio.sleep(0.05)

    async def scalar(self, sql: str, **parameters: Any) -> Any:
        async with self.database.transaction() as session:
            return await session.scalar(sql, **parameters)

    async def charge(self, payment: Purchase, attempt: int = 1) -> dict[str, Any]:
        """The one charge the provider has of an attempt."""
        found = await self.sandbox.by_key(f"charge:{payment.id}:{attempt}")
        assert len(found) == 1, found
        return found[0]


@dataclass(frozen=True)
class Purchase:
    """A payment as the booking knows it; its commands' steps rise in the order of the saga."""

    id: str = field(default_factory=lambda: str(uuid7()))
    booking_id: str = field(default_factory=lambda: str(uuid7()))
    customer_id: str = field(default_factory=lambda: str(uuid7()))
    amount: int = AMOUNT
    fees: int = 0

    def charge(
        self, token: str = "", method: str = "", attempt: int = 1
    ) -> messages_pb2.ChargePayment:
        return messages_pb2.ChargePayment(
            payment_id=self.id,
            booking_id=self.booking_id,
            booking_reference="PT-ABCD1234",
            customer_id=self.customer_id,
            attempt=attempt,
            amount=types_pb2.Money(amount=self.amount, currency="NPR"),
            fees=self.fees,
            method=method or "CARD",
            token=token,
            event_id=str(uuid7()),
            organizer_id=str(UUID(int=7)),
            step=1 + attempt,
        )

    def give_back(self, step: int = 11) -> messages_pb2.GiveBackPayment:
        return messages_pb2.GiveBackPayment(
            payment_id=self.id, booking_id=self.booking_id, step=step
        )

    def refund(
        self, percent: int = 0, *, amount: int = 0, refund_id: str = "", step: int = 12
    ) -> messages_pb2.RefundPayment:
        return messages_pb2.RefundPayment(
            payment_id=self.id,
            booking_id=self.booking_id,
            refund_id=refund_id or str(uuid7()),
            percent=percent,
            amount=amount,
            reason="CUSTOMER_CANCELLED",
            step=step,
        )


@pytest.fixture(scope="module")
async def sandbox(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sandbox]:
    folder = tmp_path_factory.mktemp("sandbox")
    async with running(folder / "sandbox.db", SANDBOX_WEBHOOK_LATE_SECONDS="1") as sandbox:
        yield sandbox


OpenDesk = Callable[..., Any]


@pytest.fixture
def open_desk(make_database: MakeDatabase, sandbox: Sandbox) -> OpenDesk:
    """Opens a desk; `working=False`: nobody makes its calls; `like=`: a second process's."""

    @asynccontextmanager
    async def open_(
        *,
        provider: SandboxProvider | None = None,
        deadline_seconds: float = 5.0,
        lease_seconds: float = 30.0,
        concurrency: int = 32,
        working: bool = True,
        like: Desk | None = None,
        at: Sandbox = sandbox,
    ) -> AsyncIterator[Desk]:
        database = await make_database(
            "payment", encode=messaging.encode, like=like.database if like else None
        )
        chosen = provider or provider_at(str(at.http.base_url), deadline_seconds=deadline_seconds)
        async with aclosing(chosen):
            workers = Workers(
                database,
                {"sandbox": chosen},
                methods=dict.fromkeys(METHODS, "sandbox"),
                concurrency=concurrency,
                max_tries=3,
                lease_seconds=lease_seconds,
            )
            desk = Desk(database, workers, at, messaging.commands(workers))
            async with AsyncExitStack() as stack:
                for name, loop in workers.loops().items() if working else ():
                    await stack.enter_async_context(background(name, loop))
                yield desk

    return open_


@pytest.fixture
async def desk(open_desk: OpenDesk) -> AsyncIterator[Desk]:
    async with open_desk() as desk:
        yield desk


async def served(serve: Serve, desk: Desk) -> Caller:
    servicer = PaymentServicer(desk.database, desk.workers)
    return await serve("payment", SERVICE, servicer, payment_pb2_grpc.PaymentServiceStub)


async def shown(caller: Caller, payment: Purchase) -> payment_pb2.Payment:
    request = payment_pb2.GetPaymentRequest(payment_id=payment.id)
    reply = await caller.as_person(payment.customer_id, "GetPayment", request)
    assert isinstance(reply.payment, payment_pb2.Payment)
    return reply.payment


async def waiting_wallet(desk: Desk) -> Purchase:
    payment = Purchase()
    await desk.send(payment.charge(method="KHALTI"))
    await desk.until(payment, "ACTION_REQUIRED")
    return payment


async def approve(desk: Desk, payment: Purchase, action: str = "approve") -> None:
    await desk.sandbox.choose((await desk.charge(payment))["action_url"], action)


async def captured(desk: Desk, amount: int = AMOUNT, fees: int = 0) -> Purchase:
    payment = Purchase(amount=amount, fees=fees)
    await desk.send(payment.charge("tok_ok"))
    await desk.until(payment, "CHARGED")
    return payment


# --- every token to its end ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("token", "deadline_seconds", "reply"),
    [
        ("tok_ok", 5.0, ("CHARGED", "")),
        ("tok_webhook_duplicated", 5.0, ("CHARGED", "")),
        ("tok_slow", 5.0, ("CHARGED", "")),
        ("tok_error_500_once", 5.0, ("CHARGED", "")),
        ("tok_timeout_charged", 0.5, ("CHARGED", "")),
        ("tok_webhook_late", 5.0, ("CHARGED", "")),
        ("tok_declined", 5.0, ("CHARGE_REFUSED", "CARD_DECLINED")),
        ("tok_insufficient_funds", 5.0, ("CHARGE_REFUSED", "INSUFFICIENT_FUNDS")),
        ("tok_nobody_knows", 5.0, ("CHARGE_REFUSED", "UNKNOWN_TOKEN")),
        ("tok_capture_fails", 5.0, ("CHARGE_REFUSED", "CAPTURE_FAILED")),
        ("tok_timeout_not_charged", 0.5, ("CHARGE_REFUSED", "PROVIDER_TIMEOUT")),
    ],
)
async def test_a_card_is_settled_once_and_its_token_forgotten(
    open_desk: OpenDesk, token: str, deadline_seconds: float, reply: tuple[str, str]
) -> None:
    payment = Purchase()
    async with open_desk(deadline_seconds=deadline_seconds) as desk:
        await desk.send(payment.charge(token))
        await desk.until(payment, reply[0])
        await desk.send(payment.charge(token))

        assert await desk.replies(payment) == [reply, reply]
        assert await desk.scalar("SELECT count(token) FROM attempt") == 0
        if reply[0] == "CHARGED":
            assert (await desk.charge(payment))["captured_amount"] == AMOUNT
            assert await desk.totals(payment) == [("CHARGED", AMOUNT, 0)] * 2
        else:
            assert await desk.totals(payment) == [("CHARGE_REFUSED", 0, 0)] * 2


async def test_what_was_only_set_aside_is_captured_by_the_next_call(desk: Desk) -> None:
    payment = Purchase()
    # The request of a version that did not capture at once reached the provider.
    await desk.sandbox.charge(
        "tok_ok",
        key=f"charge:{payment.id}:1",
        amount=AMOUNT,
        reference="PT-ABCD1234",
        return_url=f"{RETURN_URL}?booking=PT-ABCD1234",
    )
    await desk.send(payment.charge("tok_ok"))
    await desk.until(payment, "CHARGED")

    assert (await desk.charge(payment))["status"] == "CAPTURED"
    assert await desk.outcomes(payment) == ["CHARGED"]


async def test_a_capture_that_fails_lets_go_of_what_was_set_aside(desk: Desk) -> None:
    payment = Purchase()
    await desk.sandbox.charge("tok_capture_fails", key=f"charge:{payment.id}:1", amount=AMOUNT)
    await desk.send(payment.charge("tok_capture_fails"))
    await desk.until(payment, "CHARGE_REFUSED")
    await desk.idle()
    await desk.send(payment.give_back())

    assert await desk.replies(payment) == [("CHARGE_REFUSED", "CAPTURE_FAILED"), ("GIVEN_BACK", "")]
    assert (await desk.charge(payment))["status"] == "VOIDED"


@pytest.mark.parametrize("method", ["KHALTI", "ESEWA"])
async def test_an_approved_wallet_is_paid(desk: Desk, method: str) -> None:
    payment = Purchase()
    await desk.send(payment.charge(method=method))
    await desk.until(payment, "ACTION_REQUIRED")
    await approve(desk, payment)
    await desk.until(payment, "CHARGED")

    assert await desk.outcomes(payment) == ["ACTION_REQUIRED", "CHARGED"]


async def test_a_cards_extra_step_ends_in_a_charge(desk: Desk) -> None:
    payment = Purchase()
    await desk.send(payment.charge("tok_action_required"))
    await desk.until(payment, "ACTION_REQUIRED")
    await approve(desk, payment)
    await desk.until(payment, "CHARGED")
    assert (await desk.charge(payment))["status"] == "CAPTURED"


async def test_after_a_refused_wallet_another_attempt_may_succeed(desk: Desk) -> None:
    payment = await waiting_wallet(desk)
    await approve(desk, payment, "refuse")
    await desk.until(payment, "CHARGE_REFUSED")
    await desk.send(payment.charge("tok_ok", attempt=2))
    await desk.until(payment, "CHARGED")

    assert ("CHARGE_REFUSED", "REFUSED_BY_CUSTOMER") in await desk.replies(payment)
    assert (await desk.charge(payment, 2))["status"] == "CAPTURED"


# --- void ----------------------------------------------------------------------------------------


async def test_give_back_before_charge_never_calls_the_provider(desk: Desk) -> None:
    payment = Purchase()
    await desk.send(payment.give_back(), payment.charge("tok_ok"), payment.give_back())

    assert await desk.replies(payment) == [
        ("GIVEN_BACK", ""),
        ("GIVEN_BACK", ""),
    ]
    assert await desk.sandbox.by_key(f"charge:{payment.id}:1") == []


async def test_give_back_and_charge_at_once_end_given_back(open_desk: OpenDesk) -> None:
    async with open_desk() as one, open_desk(like=one) as other:
        payments = [Purchase() for _ in range(10)]
        await asyncio.gather(
            *(one.send(payment.charge("tok_ok")) for payment in payments),
            *(other.send(payment.give_back()) for payment in payments),
        )
        for payment in payments:
            await one.until(payment, "GIVEN_BACK")
        await one.idle()
        for payment in payments:
            charges = await one.sandbox.by_key(f"charge:{payment.id}:1")
            assert [charge["status"] for charge in charges] in ([], ["REFUNDED"])


async def test_inserts_of_one_payment_that_meet_never_fail(
    make_database: MakeDatabase,
) -> None:
    first = await make_database("payment")
    pools = [first, *[await make_database("payment", like=first) for _ in range(3)]]
    offered = [GiveBackPayment(uuid7(), uuid7(), saga_step=1).offered for _ in range(300)]

    async def insert(database: Database) -> None:
        for payment in offered:
            await ready.wait()  # one after another they would not meet
            async with database.transaction() as session:
                _, *rows = await session.together(
                    stored.adding([payment]), *stored.locking([payment.id])
                )
            found = stored.read(*rows)
            assert found[payment.id].booking_id == payment.booking_id

    ready = asyncio.Barrier(len(pools))
    await asyncio.gather(*map(insert, pools))


async def test_a_card_takes_an_open_wallet_pages_place_and_a_late_approval_goes_back(
    desk: Desk,
) -> None:
    payment = await waiting_wallet(desk)
    await desk.send(payment.charge("tok_ok", attempt=2))
    await desk.until(payment, "CHARGED")
    await approve(desk, payment)  # the page was still open
    await desk.eventually(lambda: _is_refunded(desk, payment))

    assert (await desk.charge(payment, 2))["status"] == "CAPTURED"
    assert await desk.outcomes(payment) == ["ACTION_REQUIRED", "CHARGED"]


async def test_a_page_approved_before_the_card_arrives_is_the_payment(desk: Desk) -> None:
    payment = await waiting_wallet(desk)
    await approve(desk, payment)
    await desk.until(payment, "CHARGED")
    await desk.send(payment.charge("tok_ok", attempt=2))

    assert await desk.sandbox.by_key(f"charge:{payment.id}:2") == []
    assert await desk.steps(payment) == [
        ("ACTION_REQUIRED", 2),
        ("CHARGED", 2),
        ("CHARGED", 3),
    ]


async def _is_refunded(desk: Desk, payment: Purchase) -> bool:
    return bool((await desk.charge(payment))["refunded_amount"])


async def test_give_back_in_flight_waits_for_the_charge_and_undoes_it(desk: Desk) -> None:
    payment = Purchase()
    await desk.send(payment.charge("tok_slow"))

    async def in_flight() -> bool:
        return bool(await desk.scalar("SELECT count(*) FROM provider_call WHERE kind IS NOT NULL"))

    await desk.eventually(in_flight)
    await desk.send(payment.give_back())
    assert await desk.outcomes(payment) == []
    await desk.until(payment, "GIVEN_BACK")

    assert await desk.outcomes(payment) == ["GIVEN_BACK"]
    assert (await desk.charge(payment))["status"] == "REFUNDED"


async def test_give_back_of_a_paid_wallet_refunds_it_in_full(desk: Desk) -> None:
    payment = await waiting_wallet(desk)
    await approve(desk, payment)
    await desk.until(payment, "CHARGED")
    await desk.send(payment.give_back())
    await desk.until(payment, "GIVEN_BACK")
    await desk.send(payment.give_back())

    assert (await desk.outcomes(payment)).count("GIVEN_BACK") == 2
    assert (await desk.charge(payment))["refunded_amount"] == AMOUNT


@pytest.mark.parametrize("kept", [True, False])
async def test_a_wallet_paid_after_it_was_given_back_is_told_once_then_kept_or_refunded(
    desk: Desk, kept: bool
) -> None:
    payment = await waiting_wallet(desk)
    await desk.send(payment.give_back())
    await desk.until(payment, "GIVEN_BACK")
    await approve(desk, payment)
    await desk.until(payment, "PAID_LATE")
    # One that gave it back before, sent again, is too late for the payment that stands again.
    await desk.send(payment.give_back())
    if not kept:
        await desk.send(payment.give_back(step=13))
        await desk.until(payment, "GIVEN_BACK", times=2)
    await desk.idle()

    assert (await desk.outcomes(payment)).count("PAID_LATE") == 1
    assert (await desk.charge(payment))["refunded_amount"] == (0 if kept else AMOUNT)


async def test_a_charge_that_turns_up_after_its_attempt_was_refused_is_voided(
    open_desk: OpenDesk,
) -> None:
    payment = Purchase()
    async with open_desk(deadline_seconds=0.5) as desk:
        await desk.send(payment.charge("tok_timeout_not_charged"))
        await desk.until(payment, "CHARGE_REFUSED")
        # The request that was given up arrives at the provider after all.
        await desk.sandbox.charge("tok_ok", key=f"charge:{payment.id}:1", amount=AMOUNT)
        await desk.idle()

        assert (await desk.charge(payment))["status"] == "VOIDED"
        assert await desk.replies(payment) == [("CHARGE_REFUSED", "PROVIDER_TIMEOUT")]


# --- the saga's steps ----------------------------------------------------------------------------


async def test_a_command_older_than_the_newest_has_no_effect_and_no_answer(desk: Desk) -> None:
    payment = await captured(desk)
    await desk.send(payment.refund(10))
    await desk.until(payment, "REFUNDED")
    before = await desk.replies(payment)
    await desk.send(payment.give_back(step=9), payment.charge("tok_ok"), payment.refund(10, step=9))
    await desk.idle()

    assert await desk.replies(payment) == before
    assert (await desk.charge(payment))["refunded_amount"] == AMOUNT // 10


async def test_every_reply_says_the_newest_step_that_was_seen(desk: Desk) -> None:
    payment = await waiting_wallet(desk)
    await approve(desk, payment)  # told without being asked again
    await desk.until(payment, "CHARGED")
    await desk.send(payment.refund(10))
    await desk.until(payment, "REFUNDED")

    assert await desk.steps(payment) == [("ACTION_REQUIRED", 2), ("CHARGED", 2), ("REFUNDED", 12)]


async def test_a_command_without_a_step_is_no_command(desk: Desk) -> None:
    payment = await captured(desk)
    with pytest.raises(IntegrityError, match="saga_step"):
        await desk.send(Purchase().give_back(step=0))
    with pytest.raises(IntegrityError, match="saga_step"):
        await desk.send(payment.give_back(step=0))
    await desk.send(payment.refund(100, step=0))
    await desk.idle()
    assert await desk.scalar("SELECT void FROM payment") is False
    assert await desk.outcomes(payment) == ["CHARGED"]


async def test_commands_of_the_version_before_are_ignored(desk: Desk) -> None:
    payment = await captured(desk)
    for kind in (
        messages_pb2.AuthorizePayment,
        messages_pb2.CapturePayment,
        messages_pb2.VoidPayment,
    ):
        await desk.send(kind(payment_id=payment.id))
    await desk.idle()
    assert await desk.outcomes(payment) == ["CHARGED"]


# --- crashes, fencing, a provider that is away ---------------------------------------------------


EXPIRE = "UPDATE provider_call SET due_at = now(), leased_until = now() - interval '1 second'"


async def test_a_crash_between_answer_and_recording_finds_the_same_charge(
    open_desk: OpenDesk,
) -> None:
    payment = Purchase()
    async with open_desk(working=False) as crashed:
        await crashed.send(payment.charge("tok_ok"))
        (call,), _ = await crashed.worker.claim(10)
        await crashed.worker.make(call)
    async with open_desk(like=crashed) as desk:
        made = await desk.charge(payment)
        async with desk.database.transaction() as session:
            await session.execute(EXPIRE)
        await desk.until(payment, "CHARGED")
        assert await desk.charge(payment) == made


async def test_replies_carry_the_request_id_of_their_command_by_way_of_the_provider(
    open_desk: OpenDesk,
) -> None:
    origins = {"first": Purchase(), "second": Purchase()}
    async with open_desk() as desk:

        async def work(session: Session) -> None:
            with requests([Origin(each) for each in origins]):
                commands = [payment.charge("tok_ok") for payment in origins.values()]
                await desk.handlers[messages_pb2.ChargePayment].handle(session, commands)

        await desk.database.run(work)
        for payment in origins.values():
            await desk.until(payment, "CHARGED")
        async with desk.database.transaction() as session:
            rows = await session.all(
                "SELECT payload, headers->>'request_id' AS origin FROM outbox"
                " WHERE type LIKE '%PaymentReply'"
            )
    replied = {row.origin: messages_pb2.PaymentReply.FromString(row.payload) for row in rows}
    assert {origin: reply.payment_id for origin, reply in replied.items()} == {
        origin: payment.id for origin, payment in origins.items()
    }


async def test_a_call_left_to_a_process_that_died_is_made_by_another_under_the_same_key(
    open_desk: OpenDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment = Purchase()
    left: list[Todo] = []
    async with open_desk(working=False) as died:
        monkeypatch.setattr(died.workers, "lease", lambda _provider: Lease(10, 30.0))
        monkeypatch.setattr(died.workers, "start", left.append)
        await died.send(payment.charge("tok_ok"))
        assert [call.kind for todo in left for call in todo.calls] == [Kind.CHARGE]
        assert (await died.worker.claim(10))[0] == []  # it is the first one's, for now
    async with open_desk(like=died, working=False) as desk:
        async with desk.database.transaction() as session:
            await session.execute(EXPIRE)
        (again,), _ = await desk.worker.claim(10)
        await desk.worker.record([(again, await desk.worker.make(again))])
        made = await desk.charge(payment)
        # It was not dead after all: the same charge, and its result is refused.
        (call,) = left[0].calls
        await desk.worker.record([(call, await desk.worker.make(call))])

        assert await desk.charge(payment) == made
        assert await desk.outcomes(payment) == ["CHARGED"]


async def test_what_a_stopped_worker_brings_late_is_refused(open_desk: OpenDesk) -> None:
    payment = Purchase()
    async with open_desk(working=False) as stopped, open_desk(like=stopped, working=False) as desk:
        await stopped.send(payment.charge("tok_declined"))
        (old,), _ = await stopped.worker.claim(10)
        late = await stopped.worker.make(old)
        assert (await desk.worker.claim(10))[0] == []
        async with desk.database.transaction() as session:
            await session.execute(EXPIRE)
        (new,), _ = await desk.worker.claim(10)
        await stopped.worker.record([(old, late)])
        assert await desk.outcomes(payment) == []

        await desk.worker.record([(new, await desk.worker.make(new))])
        await stopped.worker.record([(old, late)])
        assert await desk.outcomes(payment) == ["CHARGE_REFUSED"]


async def test_two_workers_charge_each_payment_once(open_desk: OpenDesk) -> None:
    payments = [Purchase() for _ in range(60)]
    async with open_desk() as one, open_desk(like=one) as other:
        half = len(payments) // 2
        await asyncio.gather(
            one.send(*(payment.charge("tok_ok") for payment in payments[:half])),
            other.send(*(payment.charge("tok_ok") for payment in payments[half:])),
        )
        for payment in payments:
            await one.until(payment, "CHARGED")
        captures = await one.scalar("SELECT count(*) FROM ledger_transaction")
        assert captures == len(payments)


@pytest.mark.parametrize("mode", ["down", "error_500", "hang", "malformed"])
async def test_a_provider_that_fails_for_a_while_delays_payments_and_loses_none(
    open_desk: OpenDesk, tmp_path: Path, mode: str
) -> None:
    payments = [Purchase() for _ in range(8)]
    async with (
        running(tmp_path / "sandbox.db") as failing,
        open_desk(at=failing, deadline_seconds=0.3) as desk,
    ):
        await failing.fault(mode)
        await desk.send(*(payment.charge("tok_ok") for payment in payments))

        async def tried() -> bool:
            tries = await desk.scalar("SELECT coalesce(sum(tries), 0) FROM provider_call")
            return int(tries) >= 5  # the breaker is open

        await desk.eventually(tried)
        assert not any([await desk.replies(payment) for payment in payments])
        await failing.fault("none")
        for payment in payments:
            await desk.until(payment, "CHARGED")
            assert (await desk.charge(payment))["status"] == "CAPTURED"


async def test_an_outage_is_told_while_it_lasts_and_ends_though_nobody_calls(
    open_desk: OpenDesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(breaker, "TELL_SECONDS", 0.0)
    monkeypatch.setattr(breaker, "OPEN_SECONDS", 0.1)
    async with (
        running(tmp_path / "sandbox.db") as failing,
        open_desk(at=failing, deadline_seconds=0.3) as desk,
    ):
        await captured(desk)
        assert await desk.told() == []
        await failing.fault("down")
        await desk.send(*(Purchase().charge("tok_ok") for _ in range(breaker.FAILURES)))

        async def told_twice() -> bool:
            return bool((await desk.told())[:2] == [False, False])

        await desk.eventually(told_twice)
        async with desk.database.transaction() as session:
            await session.execute("DELETE FROM provider_call")  # nothing is left to be asked
        await failing.fault("none")

        async def told_of_its_end() -> bool:
            return bool((await desk.told())[-1])

        await desk.eventually(told_of_its_end)
        assert (await desk.told()).count(True) == 1
        await captured(desk)


async def test_give_back_is_answered_at_once_for_what_never_reached_a_provider(
    open_desk: OpenDesk,
) -> None:
    payment = Purchase()
    async with open_desk(provider=provider_at(f"http://127.0.0.1:{free_port()}")) as desk:
        await desk.send(payment.charge("tok_ok"))

        async def tried() -> bool:
            return bool(await desk.scalar("SELECT count(*) FROM provider_call WHERE tries > 0"))

        await desk.eventually(tried)

        async def put_back() -> bool:
            free = "SELECT count(*) FROM provider_call WHERE leased_until IS NULL"
            return bool(await desk.scalar(free))

        async with asyncio.timeout(20):
            while not await put_back():
                await asyncio.sleep(0.02)
        await desk.send(payment.give_back())
        await desk.until(payment, "GIVEN_BACK")
        assert await desk.outcomes(payment) == ["GIVEN_BACK"]


async def test_calls_that_found_no_room_start_the_moment_there_is_some(
    open_desk: OpenDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loops, "_POLL_SECONDS", 3600.0)  # nothing here waits for the poll
    payments = [Purchase() for _ in range(40)]
    async with open_desk(concurrency=2) as desk:
        commands = [payment.charge("tok_ok") for payment in payments]
        handler = desk.handlers[messages_pb2.ChargePayment]
        await asyncio.gather(
            *(
                desk.database.run(lambda session, part=part: handler.handle(session, part))
                for part in (commands[:15], commands[15:16], commands[16:])
            )
        )
        async with asyncio.timeout(30):
            while await desk.scalar("SELECT count(*) FROM provider_call"):
                await asyncio.sleep(0.02)
        assert [await desk.outcomes(payment) for payment in payments] == [["CHARGED"]] * 40


async def test_a_claim_that_fails_leaves_the_calls_in_flight_alone(
    open_desk: OpenDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, next_ = Purchase(), Purchase()
    async with open_desk() as desk:
        await desk.send(slow.charge("tok_slow"))
        claim, failed = desk.worker.claim, asyncio.Event()

        async def fail_once(_limit: int) -> Any:
            monkeypatch.setattr(desk.worker, "claim", claim)
            failed.set()
            raise ConnectionError("the database is gone")

        monkeypatch.setattr(desk.worker, "claim", fail_once)
        desk.worker.wake()
        await asyncio.wait_for(failed.wait(), 10)
        await desk.send(next_.charge("tok_ok"))
        async with asyncio.timeout(20):
            while await desk.outcomes(slow) != ["CHARGED"]:
                await asyncio.sleep(0.05)

        assert await desk.outcomes(next_) == ["CHARGED"]
        # Made once: its lease never had to run out.
        assert await desk.scalar("SELECT count(*) FROM provider_call") == 0


async def test_nothing_is_asked_of_the_database_while_nothing_is_due(
    open_desk: OpenDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_desk() as desk:
        payment = await waiting_wallet(desk)
        async with desk.database.transaction() as session:
            await session.execute(
                "UPDATE provider_call SET due_at = clock_timestamp() + interval '1 hour',"
                " leased_until = NULL"
            )
        asked: list[int] = []
        claim = desk.worker.claim

        async def count(limit: int) -> Any:
            asked.append(limit)
            return await claim(limit)

        monkeypatch.setattr(desk.worker, "claim", count)
        await asyncio.sleep(2.0)
        assert len(asked) <= 1
        await approve(desk, payment)
        await desk.until(payment, "CHARGED")


class SecondProvider(SandboxProvider):
    """The same provider under another name, by which money moves."""

    name = "second"
    is_test = False


async def test_each_attempt_goes_by_its_own_provider(
    make_database: MakeDatabase, sandbox: Sandbox, tmp_path: Path
) -> None:
    database = await make_database("payment", encode=messaging.encode)
    async with running(tmp_path / "second.db") as elsewhere, AsyncExitStack() as stack:
        first = await stack.enter_async_context(aclosing(provider_at(str(sandbox.http.base_url))))
        second = await stack.enter_async_context(
            aclosing(
                SecondProvider(
                    url=str(elsewhere.http.base_url),
                    api_key=API_KEY,
                    webhook_secrets=[],
                    return_url=None,
                    deadline_seconds=5.0,
                    connections=4,
                )
            )
        )
        workers = Workers(
            database,
            {"sandbox": first, "second": second},
            methods={"CARD": "sandbox", "KHALTI": "second", "ESEWA": "sandbox"},
            concurrency=4,
            max_tries=3,
            lease_seconds=30.0,
        )
        asked = payment_pb2.DescribeCardTokensRequest()
        offered = await PaymentServicer(database, workers).DescribeCardTokens(asked, Mock())
        assert [(each.method, each.test, len(each.test_cards)) for each in offered.methods] == [
            ("CARD", True, len(offered.names)),
            ("KHALTI", False, 0),
            ("ESEWA", True, 0),
        ]
        for name, loop in workers.loops().items():
            await stack.enter_async_context(background(name, loop))
        handlers = messaging.commands(workers)
        desk, other = (
            Desk(database, workers, sandbox, handlers),
            Desk(database, workers, elsewhere, handlers),
        )
        payment = await waiting_wallet(other)
        assert await sandbox.by_key(f"charge:{payment.id}:1") == []
        await desk.send(payment.charge("tok_ok", attempt=2))
        await desk.until(payment, "CHARGED")
        await approve(other, payment)  # the page that was left

        async def paid_back() -> bool:
            workers.of("second").wake()
            return await _is_refunded(other, payment)

        await desk.eventually(paid_back)
        async with database.transaction() as session:
            rows = await session.all(
                "SELECT account, sum(amount)::integer AS amount FROM ledger_posting"
                " WHERE account LIKE 'provider%' GROUP BY account ORDER BY account"
            )
        assert [tuple(row) for row in rows] == [
            ("provider_receivable:sandbox", AMOUNT),
            ("provider_receivable:second", 0),
        ]
        # One that does not answer is no reason to leave the other alone.
        await elsewhere.fault("down")
        await desk.send(*(Purchase().charge(method="KHALTI") for _ in range(breaker.FAILURES)))
        told: list[messages_pb2.ProviderState] = []

        async def is_told() -> bool:
            workers.of("second").wake()
            told[:] = await desk.sent(messages_pb2.ProviderState)
            return bool(told)

        await desk.eventually(is_told)
        assert [(each.provider, list(each.methods), each.available) for each in told] == [
            ("second", ["KHALTI"], False)
        ]
        await captured(desk)


# --- rows of the version before ------------------------------------------------------------------


class Before:
    """The schema as the version before left it, and the way to the newest."""

    def __init__(self, admin: psycopg.Connection, migrator: str) -> None:
        self.admin, self._migrator = admin, migrator

    def payment(self, payment: Purchase, status: str, *, void: bool = False) -> None:
        self.admin.execute(
            "INSERT INTO payment.payment (id, booking_id, booking_reference, customer_id,"
            " organizer_id, amount, currency, void, status, saga_step)"
            " VALUES (%s, %s, 'PT-ABCD1234', %s, %s, %s, 'NPR', %s, %s, 5)",
            (
                payment.id,
                payment.booking_id,
                payment.customer_id,
                str(UUID(int=7)),
                payment.amount,
                void,
                status,
            ),
        )

    def attempt(self, payment: Purchase, status: str, charge: str, **known: Any) -> None:
        columns = {
            "payment_id": payment.id,
            "number": 1,
            "method": "CARD",
            "provider_key": f"charge:{payment.id}:1",
            "status": status,
            "charge": charge,
        } | known
        self.admin.execute(
            psycopg.sql.SQL("INSERT INTO payment.attempt ({}) VALUES ({})").format(
                psycopg.sql.SQL(", ").join(map(psycopg.sql.Identifier, columns)),
                psycopg.sql.SQL(", ").join(map(psycopg.sql.Literal, columns.values())),
            )
        )

    def call(self, payment: Purchase, kind: str, *, asked: int = 1) -> None:
        self.admin.execute(
            "INSERT INTO payment.provider_call (id, payment_id, attempt, kind, asked, tries, claim,"
            " due_at, leased_until) VALUES (%s, %s, 1, %s, %s, 1, 1, now(), now())",
            (str(uuid7()), payment.id, kind, asked),
        )

    def upgrade(self) -> None:
        migrate(self._migrator, "payment_service", "payment")


@pytest.fixture
async def before(postgres: Postgres) -> AsyncIterator[tuple[Before, str]]:
    """A database at 0003, the version before, and its name."""
    name = f"test_{uuid7().hex}"
    provision(postgres.admin_url, name, PASSWORDS)
    migrator = url_for(postgres.admin_url, name, MIGRATOR, PASSWORDS[MIGRATOR])
    with pytest.MonkeyPatch.context() as patch:
        upgrade = alembic.command.upgrade
        patch.setattr(alembic.command, "upgrade", lambda config, _head: upgrade(config, "0003"))
        migrate(migrator, "payment_service", "payment")
    with psycopg.connect(postgres.admin_url, dbname=name, autocommit=True) as admin:
        yield Before(admin, migrator), name


async def test_rows_of_the_version_before_end_well(
    before: tuple[Before, str], postgres: Postgres, sandbox: Sandbox
) -> None:
    old, name = before
    (asked, unsent, set_aside, wanted, refused, waiting, paid, voiding, refunding) = everything = [
        Purchase() for _ in range(9)
    ]

    async def authorized(payment: Purchase, token: str = "tok_ok") -> str:
        made = await sandbox.charge(token, key=f"charge:{payment.id}:1", amount=AMOUNT)
        return str(made.json()["id"])

    for payment in (asked, unsent):
        old.payment(payment, "INITIATED")
        old.attempt(payment, "INITIATED", "UNKNOWN", token="tok_ok")
        old.call(payment, "AUTHORIZE", asked=int(payment is asked))
    await authorized(asked)  # it reached the provider, and its answer was lost
    for payment, capture in ((set_aside, "NONE"), (wanted, "WANTED"), (refused, "REFUSED")):
        old.payment(payment, "AUTHORIZED")
        id = await authorized(payment, "tok_capture_fails" if payment is refused else "tok_ok")
        reason = {"reason": "CAPTURE_FAILED"} if payment is refused else {}
        old.attempt(payment, "AUTHORIZED", "AUTHORIZED", charge_id=id, capture=capture, **reason)
    old.call(wanted, "CAPTURE")
    old.payment(waiting, "REQUIRES_ACTION")
    page = await sandbox.charge(None, method="KHALTI", key=f"charge:{waiting.id}:1", amount=AMOUNT)
    old.attempt(
        waiting,
        "REQUIRES_ACTION",
        "REQUIRES_ACTION",
        method="KHALTI",
        charge_id=page.json()["id"],
        action_url=page.json()["action_url"],
    )
    old.call(waiting, "LOOKUP")
    for payment in (paid, refunding):
        old.payment(payment, "CAPTURED")
        id = await authorized(payment)
        await sandbox.post(f"/v1/charges/{id}/capture")
        old.attempt(
            payment,
            "CAPTURED",
            "CAPTURED",
            charge_id=id,
            captured=AMOUNT,
            refunding=400 * (payment is refunding),
            capture="WANTED",
        )
    old.admin.execute(
        "INSERT INTO payment.refund (id, payment_id, attempt, amount, reason, automatic)"
        " VALUES (%s, %s, 1, 400, 'CUSTOMER_CANCELLED', false)",
        (refund_id := str(uuid7()), refunding.id),
    )
    old.admin.execute(
        "INSERT INTO payment.provider_call (id, payment_id, attempt, refund_id)"
        " VALUES (%s, %s, 1, %s)",
        (str(uuid7()), refunding.id, refund_id),
    )
    old.payment(voiding, "AUTHORIZED", void=True)
    old.attempt(voiding, "AUTHORIZED", "AUTHORIZED", charge_id=await authorized(voiding))
    old.call(voiding, "VOID")

    old.upgrade()
    role = role_of("payment")
    database = Database(
        url_for(postgres.admin_url, name, role, PASSWORDS[role]), "payment", encode=messaging.encode
    )
    async with (
        aclosing(provider_at(str(sandbox.http.base_url))) as provider,
        AsyncExitStack() as stack,
    ):
        stack.push_async_callback(database.close)
        workers = Workers(
            database,
            {"sandbox": provider},
            methods=dict.fromkeys(METHODS, "sandbox"),
            concurrency=8,
            max_tries=3,
            lease_seconds=30.0,
        )
        desk = Desk(database, workers, sandbox, messaging.commands(workers))
        for title, loop in workers.loops().items():
            await stack.enter_async_context(background(title, loop))
        # What the booking asks again after its own migration.
        for payment in (asked, unsent, set_aside, wanted, refused, paid):
            command = payment.charge("tok_ok")
            command.step = 6
            await desk.send(command)
        await desk.send(waiting.give_back(step=6), voiding.give_back(step=6))
        for payment in (asked, unsent, set_aside, wanted, paid):
            await desk.until(payment, "CHARGED")
        await desk.until(refused, "CHARGE_REFUSED")
        for payment in (waiting, voiding):
            await desk.until(payment, "GIVEN_BACK")
        await desk.until(refunding, "REFUNDED")

        async def let_go() -> bool:
            return bool((await desk.charge(refused))["status"] == "VOIDED")

        await desk.eventually(let_go)
        assert await desk.replies(refused) == [("CHARGE_REFUSED", "CAPTURE_FAILED")]
        at_the_provider = [(await desk.charge(payment))["status"] for payment in everything]
    assert at_the_provider == [
        *["CAPTURED"] * 4,
        "VOIDED",
        "REQUIRES_ACTION",
        "CAPTURED",
        "VOIDED",
        "PARTIALLY_REFUNDED",
    ]


# --- refunds and the ledger ----------------------------------------------------------------------


async def test_refunds_at_once_never_exceed_the_capture(open_desk: OpenDesk) -> None:
    async with open_desk() as one, open_desk(like=one) as other:
        payment = await captured(one, amount=1000)
        await asyncio.gather(
            *(desk.send(payment.refund(amount=300)) for desk in (one, other) for _ in range(5))
        )
        await one.idle()

        refunded = await one.scalar("SELECT sum(amount) FROM refund WHERE done")
        assert refunded == (await one.charge(payment))["refunded_amount"] == 1000
        assert await one.scalar("SELECT sum(refunded) FROM attempt") == 1000


async def test_a_refund_is_made_once_however_often_it_is_commanded(open_desk: OpenDesk) -> None:
    async with open_desk() as one, open_desk(like=one) as other:
        payment = await captured(one)
        refund = payment.refund(amount=400)
        await asyncio.gather(*(desk.send(refund) for desk in (one, other) for _ in range(3)))
        await one.until(payment, "REFUNDED")
        await one.idle()
        replies = (await one.outcomes(payment)).count("REFUNDED")
        await one.send(refund)

        assert (await one.outcomes(payment)).count("REFUNDED") == replies + 1
        assert (await one.charge(payment))["refunded_amount"] == 400


async def test_a_refund_of_nothing_captured_is_an_error(desk: Desk) -> None:
    payment = Purchase()
    await desk.send(payment.charge("tok_declined"))
    await desk.until(payment, "CHARGE_REFUSED")
    with pytest.raises(NothingCapturedError):
        await desk.send(payment.refund(100))


async def test_the_ledger_equals_the_providers_balance(open_desk: OpenDesk, tmp_path: Path) -> None:
    async with running(tmp_path / "sandbox.db") as own, open_desk(at=own) as desk:
        _kept, partly, late = [await captured(desk, amount) for amount in (1000, 2000, 4000)]
        wallet = await waiting_wallet(desk)
        await desk.send(wallet.give_back())
        await desk.until(wallet, "GIVEN_BACK")
        await approve(desk, wallet)
        await desk.until(wallet, "PAID_LATE")
        await desk.send(partly.refund(amount=500), partly.refund(amount=100), late.give_back())
        await desk.idle()

        balance = (await own.http.get("/v1/balance")).json()["NPR"]
        receivable = await desk.scalar(
            "SELECT sum(amount) FROM ledger_posting WHERE account = 'provider_receivable:sandbox'"
        )
        unbalanced = await desk.scalar(
            "SELECT count(*) FROM (SELECT FROM ledger_posting GROUP BY transaction_id, currency"
            " HAVING sum(amount) <> 0) AS unbalanced"
        )
        assert receivable == balance["net"] == 1000 + 2000 - 600 + AMOUNT
        assert unbalanced == 0


async def test_the_houses_fees_are_the_houses_and_go_back_in_proportion(desk: Desk) -> None:
    async def balances(payment: Purchase) -> dict[str, int]:
        async with desk.database.transaction() as session:
            rows = await session.all(
                "SELECT split_part(account, ':', 1) AS account, sum(amount)::integer AS amount"
                "  FROM ledger_transaction JOIN ledger_posting ON transaction_id = id"
                " WHERE payment_id = :id GROUP BY 1",
                id=payment.id,
            )
        return {row.account: row.amount for row in rows}

    payment = await captured(desk, amount=1001, fees=101)
    assert await balances(payment) == {
        "provider_receivable": 1001,
        "organizer_payable": -900,
        "house_fees": -101,
    }
    await desk.send(payment.refund(50, step=12))
    await desk.until(payment, "REFUNDED")
    assert await balances(payment) == {
        "provider_receivable": 500,
        "organizer_payable": -450,
        "house_fees": -50,
    }
    await desk.send(payment.refund(33, step=13), payment.give_back(step=14))
    await desk.until(payment, "GIVEN_BACK")
    assert set((await balances(payment)).values()) == {0}
    all_for_the_house = await captured(desk, amount=70, fees=70)
    assert await balances(all_for_the_house) == {"provider_receivable": 70, "house_fees": -70}


async def test_the_ledger_refuses_what_does_not_balance_and_what_rewrites_it(desk: Desk) -> None:
    payment = await captured(desk)
    with pytest.raises(DatabaseError, match="does not sum to zero"):
        async with desk.database.transaction() as session:
            await session.execute(
                "INSERT INTO ledger_posting SELECT transaction_id, 'mine', currency, 1"
                " FROM ledger_posting LIMIT 1"
            )
    for statement in (
        "UPDATE ledger_posting SET amount = 1",
        "DELETE FROM ledger_posting",
        "UPDATE ledger_transaction SET kind = kind",
        "DELETE FROM ledger_transaction",
    ):
        with pytest.raises(DatabaseError, match="permission denied"):
            async with desk.database.transaction() as session:
                await session.execute(statement)
    with pytest.raises(IntegrityError, match="ledger_one_capture"):
        async with desk.database.transaction() as session:
            await session.execute(
                "INSERT INTO ledger_transaction (id, kind, payment_id, attempt)"
                " VALUES (gen_random_uuid(), 'CAPTURE', :id, 1)",
                id=payment.id,
            )
    with pytest.raises(IntegrityError, match="check constraint"):
        async with desk.database.transaction() as session:
            await session.execute("UPDATE attempt SET refunding = captured + 1")


# --- what /metrics shows -----------------------------------------------------------------------


async def test_money_is_counted_as_it_moves_and_what_is_open_is_shown(open_desk: OpenDesk) -> None:
    async with open_desk() as desk:
        before = CAPTURED.labels("NPR")._value.get(), REFUNDED.labels("NPR")._value.get()
        payment = await captured(desk, amount=1000, fees=100)
        await desk.send(payment.refund(30))
        await desk.until(payment, "REFUNDED")
        await waiting_wallet(desk)  # the customer's turn: nothing about it is unknown
        figures = MoneyFigures(["sandbox"])
        async with desk.database.transaction() as session:
            await figures.read(session)
        after = CAPTURED.labels("NPR")._value.get(), REFUNDED.labels("NPR")._value.get()
        assert (after[0] - before[0], after[1] - before[1]) == (1000, 300)
        assert (UNKNOWN.labels("sandbox")._value.get(), UNBALANCED._value.get()) == (0, 0)
    async with open_desk(working=False, like=desk) as idle:
        await idle.send(Purchase().charge("tok_ok"))
        async with idle.database.transaction() as session:
            await session.execute(
                "UPDATE attempt SET created_at = created_at - interval '1 hour'"
                " WHERE charge = 'UNKNOWN'"
            )
            await figures.read(session)
    assert UNKNOWN.labels("sandbox")._value.get() == 1
    assert UNKNOWN_OLDEST_SECONDS.labels("sandbox")._value.get() >= 3600


async def test_a_transaction_of_the_ledger_that_is_not_whole_is_shown(desk: Desk) -> None:
    payment = await captured(desk)
    async with desk.database.transaction() as session:
        await session.execute(
            "INSERT INTO ledger_transaction (id, kind, payment_id, attempt)"
            " VALUES (:id, 'CAPTURE', :payment, 2)",
            id=uuid7(),
            payment=payment.id,
        )
        await MoneyFigures(["sandbox"]).read(session)
        await session.execute("SET LOCAL enable_seqscan = off")
        unbalanced = await session.all(f"EXPLAIN {postings._UNBALANCED}", newest=10)
        currencies = await session.all(f"EXPLAIN {postings._CURRENCIES}", accounts=["one"])
        found = await postings.currencies(session, ["provider_receivable:sandbox", "house_fees"])
    assert UNBALANCED._value.get() == 1
    assert found == ["NPR"]
    for plan, index in ((unbalanced, "posting_pkey"), (currencies, "ledger_posting_account")):
        text = "\n".join(row[0] for row in plan)
        assert index in text
        assert "Seq Scan on ledger" not in text


# --- refunds that organizers and admins ask for --------------------------------------------------


ORGANIZER = str(UUID(int=7))


async def give_back(
    caller: Caller,
    payment: Purchase,
    amount: int | None,
    *,
    key: str = "",
    who: str = ORGANIZER,
    role: Role = Role.ORGANIZER,
    reason: str = "Goodwill",
) -> str:
    """Asks for a refund; what came of it."""
    request = payment_pb2.CreateRefundRequest(
        payment_id=payment.id, amount=amount, reason=reason, idempotency_key=key
    )
    try:
        reply = await caller.as_person(who, "CreateRefund", request, role)
    except RemoteError as error:
        return error.reason
    return str(reply.payment.refunds[-1].status)


async def paid_back(desk: Desk, payment: Purchase) -> list[tuple[int, int]]:
    """What the booking was told of money that went back without its asking: so much, of so much."""
    told = await desk.sent(messages_pb2.PaymentRefunded)
    return [
        (each.refunded_amount, each.captured_amount)
        for each in told
        if each.payment_id == payment.id
    ]


async def test_five_refunds_at_once_never_give_more_than_was_taken(
    open_desk: OpenDesk, serve: Serve
) -> None:
    async with open_desk() as one, open_desk(like=one) as other:
        payment = await captured(one, amount=1000)
        callers = [await served(serve, desk) for desk in (one, other)]
        outcomes = await asyncio.gather(
            *(give_back(callers[number % 2], payment, 300) for number in range(5))
        )
        await one.idle()

        assert sorted(outcomes) == ["PENDING"] * 3 + ["REFUND_TOO_LARGE"] * 2
        assert (await one.charge(payment))["refunded_amount"] == 900
        assert sorted(await paid_back(one, payment)) == [(300, 1000), (600, 1000), (900, 1000)]


async def test_one_key_is_one_refund_however_often_it_is_sent(
    open_desk: OpenDesk, serve: Serve
) -> None:
    async with open_desk() as one, open_desk(like=one) as other:
        payment = await captured(one, amount=1000)
        callers = [await served(serve, desk) for desk in (one, other)]
        outcomes = await asyncio.gather(
            *(give_back(callers[number % 2], payment, 300, key="k") for number in range(6))
        )
        await one.idle()

        assert set(outcomes) <= {"PENDING", "IDEMPOTENCY_IN_PROGRESS"}
        assert await give_back(callers[0], payment, 300, key="k") == "PENDING"
        assert await give_back(callers[0], payment, 301, key="k") == "IDEMPOTENCY_KEY_REUSED"
        assert (await one.charge(payment))["refunded_amount"] == 300


async def test_a_refund_that_can_not_be_is_refused_and_changes_nothing(
    desk: Desk, serve: Serve
) -> None:
    caller = await served(serve, desk)
    payment, open_ = await captured(desk, amount=1000), await waiting_wallet(desk)
    before = await desk.charge(payment)
    stranger = str(uuid7())

    assert [
        await give_back(caller, payment, 0),
        await give_back(caller, payment, -1),
        await give_back(caller, payment, 1, reason=" "),
        await give_back(caller, payment, 1, reason="x" * 501),
        await give_back(caller, payment, 1001),
        await give_back(caller, open_, 1),
        await give_back(caller, Purchase(), 1),
        await give_back(caller, payment, 1, who=stranger),
        await give_back(caller, payment, 1, who=payment.customer_id, role=Role.CUSTOMER),
    ] == [
        *["INVALID_REFUND"] * 4,
        "REFUND_TOO_LARGE",
        "PAYMENT_NOT_CAPTURED",
        *["PAYMENT_NOT_FOUND"] * 2,
        "FORBIDDEN",
    ]
    assert await desk.charge(payment) == before
    assert await desk.scalar("SELECT count(*) FROM refund") == 0
    assert await desk.scalar("SELECT sum(refunding) FROM attempt") == 0


async def test_an_admin_gives_back_all_that_is_left_and_the_booking_is_told(
    desk: Desk, serve: Serve
) -> None:
    caller = await served(serve, desk)
    payment, admin = await captured(desk, amount=1000), str(uuid7())
    assert await give_back(caller, payment, 400) == "PENDING"
    assert await give_back(caller, payment, None, who=admin, role=Role.ADMIN) == "PENDING"
    await desk.idle()

    assert await give_back(caller, payment, None) == "REFUND_TOO_LARGE"
    assert await paid_back(desk, payment) == [(400, 1000), (1000, 1000)]
    assert (await desk.outcomes(payment)).count("REFUNDED") == 0  # the saga did not ask
    seen = await shown(caller, payment)
    assert (seen.status, seen.refunded_amount) == ("REFUNDED", 1000)
    assert await desk.scalar("SELECT requested_by FROM refund WHERE amount = 600") == UUID(admin)
    told = await desk.sent(messages_pb2.MoneyReturned)
    assert [
        (
            each.amount.amount,
            each.refunded_amount,
            each.captured_amount,
            each.reason,
            each.paid_late,
        )
        for each in told
    ] == [(400, 400, 1000, "Goodwill", False), (600, 1000, 1000, "Goodwill", False)]
    assert {(each.customer_id, each.booking_id) for each in told} == {
        (payment.customer_id, payment.booking_id)
    }
    assert all(each.at.seconds for each in told)


@pytest.mark.parametrize("undone_by", ["refund", "give_back"])
async def test_the_saga_gives_back_what_an_organizer_has_left(
    desk: Desk, serve: Serve, undone_by: str
) -> None:
    caller = await served(serve, desk)
    payment = await captured(desk, amount=1000)
    await give_back(caller, payment, 400)
    await desk.send(payment.refund(100) if undone_by == "refund" else payment.give_back())
    await desk.until(payment, "REFUNDED" if undone_by == "refund" else "GIVEN_BACK")
    await desk.idle()

    assert (await desk.charge(payment))["refunded_amount"] == 1000
    amounts = await desk.scalar("SELECT array_agg(amount ORDER BY amount) FROM refund WHERE done")
    assert amounts == [400, 600]
    assert (await desk.totals(payment))[-1][1:] == (1000, 1000)


@pytest.mark.parametrize("under_way", [True, False])
async def test_the_policys_share_is_of_what_was_promised_to_go_back(
    open_desk: OpenDesk, serve: Serve, under_way: bool
) -> None:
    async with open_desk() as desk:
        payment = await captured(desk, amount=1000)
        await desk.idle()
    async with open_desk(like=desk, working=not under_way) as other:
        caller = await served(serve, other)
        await give_back(caller, payment, 600)
        if not under_way:
            await other.idle()
        await other.send(payment.refund(50))
    async with open_desk(like=desk) as again:
        await again.until(payment, "REFUNDED")
        await again.idle()

        assert (await again.charge(payment))["refunded_amount"] == 800
        # Told once, when nothing is on its way any more.
        assert await again.totals(payment) == [("CHARGED", 1000, 0), ("REFUNDED", 1000, 800)]


async def test_swapped_refunds_are_told_with_payments_own_totals(
    open_desk: OpenDesk, serve: Serve
) -> None:
    async with open_desk(working=False) as desk:
        caller = await served(serve, desk)
        payment = Purchase(amount=1000)
        await desk.send(payment.charge("tok_ok"))
        await desk.carry_out()
        await give_back(caller, payment, 600)
        await desk.send(payment.refund(50))
        calls, _ = await desk.worker.claim(10)
        by_amount = {call.claimed.refund.amount: call for call in calls if call.claimed.refund}
        for amount in (200, 600):  # the saga's own is done first
            call = by_amount[amount]
            await desk.worker.record([(call, await desk.worker.make(call))])

        assert await paid_back(desk, payment) == [(800, 1000)]
        assert await desk.totals(payment) == [("CHARGED", 1000, 0), ("REFUNDED", 1000, 800)]


# --- webhooks ------------------------------------------------------------------------------------


def signed(
    body: bytes, *, secret: str = WEBHOOK_SECRET, at: float | None = None
) -> payment_pb2.ReceiveWebhooksRequest.Webhook:
    unix = int(time.time() if at is None else at)
    digest = hmac.new(secret.encode(), f"{unix}.".encode() + body, hashlib.sha256).hexdigest()
    return payment_pb2.ReceiveWebhooksRequest.Webhook(
        provider="sandbox", body=body, headers={"sandbox-signature": f"t={unix},v1={digest}"}
    )


async def deliver(
    caller: Caller, *webhooks: payment_pb2.ReceiveWebhooksRequest.Webhook
) -> list[str]:
    """Webhooks that arrive together; the reason of each one's refusal, or nothing."""
    request = payment_pb2.ReceiveWebhooksRequest(webhooks=webhooks)
    reply = await caller.as_gateway("ReceiveWebhooks", request)
    assert len(reply.results) == len(webhooks)
    return [result.refusal.reason for result in reply.results]


def event(payment: Purchase, status: str, id: str = "") -> bytes:
    data = {"charge_id": "ch_x", "idempotency_key": f"charge:{payment.id}:1", "status": status}
    return json.dumps(
        {"id": id or f"evt_{uuid7()}", "type": "charge.updated", "created": 1, "data": data}
    ).encode()


async def test_webhooks_wake_look_ups_whose_answer_alone_counts(desk: Desk, serve: Serve) -> None:
    caller = await served(serve, desk)
    payment = await waiting_wallet(desk)
    # Forged by nobody, but wrong, doubled and in no order: the charge is still waiting.
    lie = event(payment, "CAPTURED", "evt_lie")
    for body in (lie, lie, event(payment, "DECLINED"), event(payment, "REQUIRES_ACTION")):
        assert await deliver(caller, signed(body)) == [""]
    assert await desk.scalar("SELECT count(*) FROM webhook_event") == 3
    assert await desk.outcomes(payment) == ["ACTION_REQUIRED"]

    await approve(desk, payment)
    await asyncio.gather(
        *(
            deliver(caller, *[signed(event(payment, "CAPTURED", f"evt_{number % 3}"))] * 2)
            for number in range(5)
        )
    )
    await desk.until(payment, "CHARGED")
    await desk.idle()
    assert await desk.outcomes(payment) == ["ACTION_REQUIRED", "CHARGED"]
    assert await desk.scalar("SELECT count(*) FROM webhook_event") == 6


def counted(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys that the provider is asked about from now on."""
    keys: list[str] = []
    provider = desk.worker.provider
    look_up = provider.look_up

    async def count(key: str) -> Result:
        keys.append(key)
        return await look_up(key)

    monkeypatch.setattr(provider, "look_up", count)
    return keys


@pytest.mark.parametrize("overtakes", [True, False])
async def test_a_webhook_that_says_what_is_known_causes_no_look_up(
    open_desk: OpenDesk, serve: Serve, monkeypatch: pytest.MonkeyPatch, overtakes: bool
) -> None:
    async with open_desk(working=False) as desk:
        caller, payment = await served(serve, desk), Purchase()
        looked_up = counted(desk, monkeypatch)
        await desk.send(payment.charge("tok_ok"))
        (call,), _ = await desk.worker.claim(10)
        result = await desk.worker.make(call)
        if overtakes:  # the answer that it repeats is not recorded yet
            await deliver(caller, signed(event(payment, "CAPTURED")))
        assert (await desk.worker.claim(10))[0] == []
        await desk.worker.record([(call, result)])
        await deliver(caller, signed(event(payment, "CAPTURED")))
        await desk.carry_out()

        assert await desk.outcomes(payment) == ["CHARGED"]
        assert await desk.scalar("SELECT count(*) FROM provider_call") == 0
        assert looked_up == []


async def test_a_webhook_ahead_of_the_answer_in_flight_causes_one_look_up(
    open_desk: OpenDesk, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_desk(working=False) as desk:
        caller, payment = await served(serve, desk), Purchase()
        looked_up = counted(desk, monkeypatch)
        await desk.send(payment.charge(method="KHALTI"))
        (call,), _ = await desk.worker.claim(10)
        result = await desk.worker.make(call)
        await approve(desk, payment)
        # Out of order, the older one last.
        for status in ("CAPTURED", "REQUIRES_ACTION"):
            assert await deliver(caller, signed(event(payment, status))) == [""]
        await desk.worker.record([(call, result)])
        await desk.carry_out()

        assert await desk.outcomes(payment) == ["ACTION_REQUIRED", "CHARGED"]
        assert looked_up == [f"charge:{payment.id}:1"]


async def test_each_webhook_of_a_set_is_answered_by_itself(desk: Desk, serve: Serve) -> None:
    caller = await served(serve, desk)
    good, forged = signed(event(Purchase(), "CAPTURED")), signed(b"{}", secret="whsec_wrong")
    elsewhere = signed(event(Purchase(), "CAPTURED"))
    elsewhere.provider = "stripe"
    old = signed(event(Purchase(), "CAPTURED"), at=time.time() - 400)
    unneeded = signed(b'{"id":"evt_1","type":"charge.seen","data":{"idempotency_key":"k"}}')

    assert await deliver(caller, forged, good, elsewhere, old, unneeded, good) == [
        "INVALID_SIGNATURE",
        "",
        "UNKNOWN_PROVIDER",
        "STALE_WEBHOOK",
        "",
        "",
    ]
    assert await desk.scalar("SELECT count(*) FROM webhook_event") == 1
    with pytest.raises(RemoteError, match="At most 64"):
        await deliver(caller, *[good] * 65)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"provider": "stripe"}, "UNKNOWN_PROVIDER"),
        ({"headers": {}}, "INVALID_SIGNATURE"),
        ({"headers": {"sandbox-signature": "t=,v1="}}, "INVALID_SIGNATURE"),
        ({"headers": {"sandbox-signature": "t=1,v1=ü"}}, "INVALID_SIGNATURE"),
        ({"body": b'{"id": "evt_other"}'}, "INVALID_SIGNATURE"),
        ({"secret": "whsec_wrong"}, "INVALID_SIGNATURE"),
        ({"at": -301}, "STALE_WEBHOOK"),
        ({"at": 310}, "STALE_WEBHOOK"),
        ({"sign": b"not json"}, "INVALID_WEBHOOK"),
        ({"sign": b"[]"}, "INVALID_WEBHOOK"),
        ({"sign": b"\xff\xfe"}, "INVALID_WEBHOOK"),
        ({"sign": event(Purchase(), "CAPTURED", "evt\0")}, "INVALID_WEBHOOK"),
        ({"sign": b"x" * (64 * 1024 + 1)}, "INVALID_WEBHOOK"),
    ],
)
async def test_a_webhook_that_is_not_the_providers_is_refused_and_not_stored(
    desk: Desk, serve: Serve, change: dict[str, Any], reason: str
) -> None:
    caller = await served(serve, desk)
    request = signed(
        change.get("sign", event(Purchase(), "CAPTURED")),
        secret=change.get("secret", WEBHOOK_SECRET),
        at=time.time() + change.get("at", 0),
    )
    if "headers" in change:
        request.headers.clear()
        request.headers.update(change["headers"])
    request.provider = change.get("provider", request.provider)
    request.body = change.get("body", request.body)

    assert await deliver(caller, request) == [reason]
    assert await desk.scalar("SELECT count(*) FROM webhook_event") == 0


async def test_two_secrets_are_good_while_one_replaces_the_other(
    open_desk: OpenDesk, sandbox: Sandbox, serve: Serve
) -> None:
    provider = provider_at(str(sandbox.http.base_url), secrets=(WEBHOOK_SECRET, OLD_SECRET))
    async with open_desk(provider=provider, working=False) as desk:
        caller = await served(serve, desk)
        for secret in (WEBHOOK_SECRET, OLD_SECRET):
            body = event(Purchase(), "CAPTURED")
            assert await deliver(caller, signed(body, secret=secret)) == [""]
        assert await desk.scalar("SELECT count(*) FROM webhook_event") == 2


async def test_a_webhook_settles_a_late_charge_without_waiting_for_the_poll(
    open_desk: OpenDesk, serve: Serve, tmp_path: Path
) -> None:
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    async with (
        server,
        running(
            tmp_path / "sandbox.db", webhook_url=receiver.url, SANDBOX_WEBHOOK_LATE_SECONDS="1"
        ) as own,
        open_desk(at=own) as desk,
    ):
        caller = await served(serve, desk)
        payment = Purchase()
        await desk.send(payment.charge("tok_webhook_late"))

        async def pending() -> bool:
            return bool(await desk.scalar("SELECT charge FROM attempt") == "PENDING")

        await desk.eventually(pending)
        await receiver.until(lambda: len(receiver.received) >= 2)
        async with desk.database.transaction() as session:
            await session.execute(
                "UPDATE provider_call SET due_at = clock_timestamp() + interval '1 hour'"
            )
        for headers, body in receiver.received:
            webhook = payment_pb2.ReceiveWebhooksRequest.Webhook(
                provider="sandbox", body=body, headers=headers
            )
            assert await deliver(caller, webhook) == [""]
        async with asyncio.timeout(20):
            while await desk.outcomes(payment) != ["CHARGED"]:
                await asyncio.sleep(0.05)


# --- what is shown -------------------------------------------------------------------------------


async def test_a_payment_is_shown_to_its_payer_and_admins_alone(desk: Desk, serve: Serve) -> None:
    caller = await served(serve, desk)
    payment = await waiting_wallet(desk)
    request = payment_pb2.GetPaymentRequest(payment_id=payment.id)
    stranger = str(uuid7())

    mine = await shown(caller, payment)
    admins = (await caller.as_person(stranger, "GetPayment", request, Role.ADMIN)).payment
    # But for the page's address, with which one can approve the payment.
    assert admins.action_url == ""
    admins.action_url = mine.action_url
    assert mine == admins
    assert (mine.status, mine.method, mine.amount.amount) == ("REQUIRES_ACTION", "KHALTI", AMOUNT)
    assert mine.action_url == (await desk.charge(payment))["action_url"]
    for id, role in ((payment.id, Role.ORGANIZER), (str(uuid7()), Role.ADMIN), ("x", Role.ADMIN)):
        with pytest.raises(RemoteError) as refused:
            await caller.as_person(
                stranger, "GetPayment", payment_pb2.GetPaymentRequest(payment_id=id), role
            )
        assert refused.value.reason == "PAYMENT_NOT_FOUND"
    verify = payment_pb2.VerifyPaymentRequest(payment_id=payment.id)
    with pytest.raises(RemoteError) as unseen:
        await caller.as_person(stranger, "VerifyPayment", verify, Role.ADMIN)
    assert unseen.value.reason == "PAYMENT_NOT_FOUND"


async def test_attempts_and_refunds_are_shown_and_the_page_only_while_it_is_needed(
    desk: Desk, serve: Serve
) -> None:
    caller = await served(serve, desk)
    payment = await waiting_wallet(desk)
    await approve(desk, payment, "refuse")
    await desk.until(payment, "CHARGE_REFUSED")
    await desk.send(payment.charge("tok_ok", attempt=2))
    await desk.until(payment, "CHARGED")
    await desk.send(payment.refund(amount=1000))
    await desk.until(payment, "REFUNDED")

    seen = await shown(caller, payment)
    assert [(each.status, each.reason) for each in seen.attempts] == [
        ("FAILED", "REFUSED_BY_CUSTOMER"),
        ("CAPTURED", ""),
    ]
    assert [(each.amount, each.status) for each in seen.refunds] == [(1000, "DONE")]
    assert (seen.status, seen.action_url) == ("PARTIALLY_REFUNDED", "")
    assert (seen.captured_amount, seen.refunded_amount) == (AMOUNT, 1000)


async def test_verify_asks_the_provider_now(open_desk: OpenDesk, serve: Serve) -> None:
    async with open_desk() as desk:
        payment = await waiting_wallet(desk)
    async with open_desk(like=desk, working=False) as idle:
        await approve(idle, payment)
        caller = await served(serve, idle)
        request = payment_pb2.VerifyPaymentRequest(payment_id=payment.id)
        replies = await asyncio.gather(
            *(caller.as_person(payment.customer_id, "VerifyPayment", request) for _ in range(4))
        )
        assert {reply.payment.status for reply in replies} == {"CAPTURED"}
        assert await idle.outcomes(payment) == ["ACTION_REQUIRED", "CHARGED"]


async def test_one_key_asks_the_provider_and_tells_of_it_once(
    open_desk: OpenDesk, serve: Serve
) -> None:
    async with open_desk() as desk:
        payment = await waiting_wallet(desk)
    async with open_desk(like=desk, working=False) as idle:
        caller = await served(serve, idle)
        request = payment_pb2.VerifyPaymentRequest(payment_id=payment.id, idempotency_key="k")

        async def verified(message: payment_pb2.VerifyPaymentRequest) -> Any:
            return await caller.as_person(payment.customer_id, "VerifyPayment", message)

        before = await one_answer(lambda: verified(request))
        assert before.payment.status == "REQUIRES_ACTION"
        await approve(idle, payment)
        assert await verified(request) == before
        request.idempotency_key = "another"
        assert (await verified(request)).payment.status == "CAPTURED"


async def test_verify_says_so_when_the_provider_does_not_answer(
    open_desk: OpenDesk, serve: Serve
) -> None:
    async with open_desk() as desk:
        payment = await waiting_wallet(desk)
    away = provider_at(f"http://127.0.0.1:{free_port()}")
    async with open_desk(like=desk, provider=away, working=False) as alone:
        caller = await served(serve, alone)
        request = payment_pb2.VerifyPaymentRequest(payment_id=payment.id)
        for _ in range(7):  # the breaker opens on the way
            with pytest.raises(RemoteError) as refused:
                await caller.as_person(payment.customer_id, "VerifyPayment", request)
            assert refused.value.reason == "PROVIDER_UNAVAILABLE"
        assert await alone.scalar("SELECT status FROM payment") == "REQUIRES_ACTION"


# --- the whole service ---------------------------------------------------------------------------


async def test_the_service_takes_commands_from_the_broker_and_answers_there(
    make_database: MakeDatabase, broker_url: str, sandbox: Sandbox
) -> None:
    database = await make_database("payment")
    settings = Settings(
        profile="local",
        internal_port=free_port(),
        jwks_url="http://127.0.0.1:1/none",
        service_key=SecretStr(encode_key(bytes(32))),
        grpc_port=free_port(),
        database_url=SecretStr(database.url),
        amqp_url=SecretStr(broker_url),
        sandbox_url=str(sandbox.http.base_url),
        sandbox_api_key=SecretStr(API_KEY),
        sandbox_webhook_secret=SecretStr(WEBHOOK_SECRET),
        return_url=RETURN_URL,
    )
    payments = [Purchase() for _ in range(20)]
    broker = Broker(broker_url, Topology.of(messages_pb2.DESCRIPTOR), process="test")
    heard: dict[str, str] = {}
    async with payment_service(settings), broker.channel(confirms=True) as channel:
        exchange = await channel.get_exchange(COMMANDS)
        replies = await channel.get_queue("booking.replies")

        async def publish(command: Message) -> None:
            written = encoded(command)
            message = aio_pika.Message(
                written.body,
                message_id=str(uuid7()),
                type=written.type,
                content_type=PROTOBUF,
            )
            for _ in range(2):  # delivered twice: charged once, and answered as it stands
                await exchange.publish(message, "payment.commands")

        async def hear() -> None:
            async with replies.iterator() as deliveries:
                async for delivery in deliveries:
                    await delivery.ack()
                    reply = messages_pb2.PaymentReply.FromString(delivery.body)
                    heard[reply.payment_id] = outcome(reply)
                    if len(heard) == len(payments):
                        return

        await asyncio.gather(*(publish(payment.charge("tok_ok")) for payment in payments))
        async with asyncio.timeout(40):
            await hear()
    await broker.close()

    assert heard == {payment.id: "CHARGED" for payment in payments}
    for payment in payments:
        (charge,) = await sandbox.by_key(f"charge:{payment.id}:1")
        assert charge["captured_amount"] == AMOUNT
