"""payment_service on a real database with the real sandbox provider."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import aio_pika
import pytest
from google.protobuf import json_format
from google.protobuf.message import Message
from parterre.messages.v1 import messages_pb2
from parterre.payment.v1 import payment_pb2, payment_pb2_grpc
from parterre.types.v1 import types_pb2
from pydantic import SecretStr

from chassis.broker import Broker
from chassis.consumer import Together
from chassis.context import requests
from chassis.database import Database, DatabaseError, IntegrityError, Session
from chassis.errors import RemoteError
from chassis.identity import Role, encode_key
from chassis.ids import uuid7
from chassis.lifecycle import background
from chassis.outbox import encoded
from chassis.topology import COMMANDS, Topology
from deploy.processes import free_port
from payment_service import messaging
from payment_service.domain import Kind, NothingCapturedError, Void
from payment_service.handlers.work import Lease, Todo
from payment_service.providers import breaker
from payment_service.providers.sandbox import SandboxProvider
from payment_service.rpc import SERVICE, PaymentServicer
from payment_service.service import payment_service
from payment_service.settings import Settings
from payment_service.storage import payments as stored
from payment_service.worker import Worker

from .conftest import Caller, MakeDatabase, Serve
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


@dataclass
class Desk:
    """One payment_service without its broker: commands in, replies out of the outbox."""

    database: Database
    worker: Worker
    sandbox: Sandbox
    handlers: Mapping[type[Any], Any]

    async def send(self, *commands: Message) -> None:
        for command in commands:

            async def work(session: Any, command: Message = command) -> None:
                await self.handlers[type(command)].handle(session, [command])

            await self.database.run(work)

    async def replies(self, payment: Purchase) -> list[tuple[str, str]]:
        """Outcome and reason of each reply so far."""
        return [(outcome, reason) for outcome, reason, _step in await self._replies(payment)]

    async def steps(self, payment: Purchase) -> list[tuple[str, int]]:
        """Outcome and step of each reply so far."""
        return [(outcome, step) for outcome, _reason, step in await self._replies(payment)]

    async def _replies(self, payment: Purchase) -> list[tuple[str, str, int]]:
        async with self.database.transaction() as session:
            rows = await session.all(
                "SELECT body FROM outbox WHERE type LIKE '%PaymentReply'"
                " AND body::jsonb->>'payment_id' = :id ORDER BY id",
                id=payment.id,
            )
        return [
            (body["outcome"].removeprefix("OUTCOME_"), body.get("reason", ""), body["step"])
            for body in (json.loads(row.body) for row in rows)
        ]

    async def outcomes(self, payment: Purchase) -> list[str]:
        return [outcome for outcome, _reason in await self.replies(payment)]

    async def told(self) -> list[bool]:
        """What was told of the provider so far: whether it answers."""
        async with self.database.transaction() as session:
            rows = await session.all(
                "SELECT body FROM outbox WHERE type LIKE '%ProviderState' ORDER BY id"
            )
        told = [json_format.Parse(row.body, messages_pb2.ProviderState()) for row in rows]
        assert all(each.provider == "sandbox" for each in told)
        moments = [each.told_at.ToDatetime() for each in told]
        assert moments == sorted(set(moments))
        return [each.available for each in told]

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

        async def empty() -> bool:
            async with self.database.transaction() as session:
                return bool(await session.scalar("SELECT count(*) FROM provider_call") == 0)

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

    def authorize(
        self, token: str = "", method: str = "", attempt: int = 1
    ) -> messages_pb2.AuthorizePayment:
        return messages_pb2.AuthorizePayment(
            payment_id=self.id,
            booking_id=self.booking_id,
            booking_reference="PT-ABCD1234",
            customer_id=self.customer_id,
            attempt=attempt,
            amount=types_pb2.Money(amount=self.amount, currency="NPR"),
            method=method or "CARD",
            token=token,
            event_id=str(uuid7()),
            organizer_id=str(UUID(int=7)),
            step=1 + attempt,
        )

    def capture(self, step: int = 10) -> messages_pb2.CapturePayment:
        return messages_pb2.CapturePayment(
            payment_id=self.id, booking_id=self.booking_id, step=step
        )

    def void(self, step: int = 11) -> messages_pb2.VoidPayment:
        return messages_pb2.VoidPayment(payment_id=self.id, booking_id=self.booking_id, step=step)

    def refund(self, amount: int, refund_id: str = "") -> messages_pb2.RefundPayment:
        return messages_pb2.RefundPayment(
            payment_id=self.id,
            booking_id=self.booking_id,
            refund_id=refund_id or str(uuid7()),
            amount=amount,
            reason="CUSTOMER_CANCELLED",
            step=12,
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
        working: bool = True,
        like: Desk | None = None,
        at: Sandbox = sandbox,
    ) -> AsyncIterator[Desk]:
        database = await make_database(
            "payment", encode=messaging.encode, like=like.database if like else None
        )
        chosen = provider or provider_at(str(at.http.base_url), deadline_seconds=deadline_seconds)
        async with aclosing(chosen):
            worker = Worker(
                database, chosen, concurrency=32, max_tries=3, lease_seconds=lease_seconds
            )
            desk = Desk(
                database, worker, at, messaging.commands("sandbox", worker.lease, worker.start)
            )
            if not working:
                yield desk
                return
            async with background("provider-calls", worker.run):
                yield desk

    return open_


@pytest.fixture
async def desk(open_desk: OpenDesk) -> AsyncIterator[Desk]:
    async with open_desk() as desk:
        yield desk


async def served(serve: Serve, desk: Desk) -> Caller:
    servicer = PaymentServicer(desk.database, desk.worker)
    return await serve("payment", SERVICE, servicer, payment_pb2_grpc.PaymentServiceStub)


async def shown(caller: Caller, payment: Purchase) -> payment_pb2.Payment:
    request = payment_pb2.GetPaymentRequest(payment_id=payment.id)
    reply = await caller.as_person(payment.customer_id, "GetPayment", request)
    assert isinstance(reply.payment, payment_pb2.Payment)
    return reply.payment


async def waiting_wallet(desk: Desk) -> Purchase:
    payment = Purchase()
    await desk.send(payment.authorize(method="KHALTI"))
    await desk.until(payment, "ACTION_REQUIRED")
    return payment


async def approve(desk: Desk, payment: Purchase, action: str = "approve") -> None:
    await desk.sandbox.choose((await desk.charge(payment))["action_url"], action)


async def captured(desk: Desk, amount: int = AMOUNT) -> Purchase:
    payment = Purchase(amount=amount)
    await desk.send(payment.authorize("tok_ok"))
    await desk.until(payment, "AUTHORIZED")
    await desk.send(payment.capture())
    await desk.until(payment, "CAPTURED")
    return payment


# --- every token to its end ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("token", "deadline_seconds", "reply"),
    [
        ("tok_ok", 5.0, ("AUTHORIZED", "")),
        ("tok_webhook_duplicated", 5.0, ("AUTHORIZED", "")),
        ("tok_slow", 5.0, ("AUTHORIZED", "")),
        ("tok_error_500_once", 5.0, ("AUTHORIZED", "")),
        ("tok_timeout_charged", 0.5, ("AUTHORIZED", "")),
        ("tok_webhook_late", 5.0, ("AUTHORIZED", "")),
        ("tok_declined", 5.0, ("AUTHORIZATION_REFUSED", "CARD_DECLINED")),
        ("tok_insufficient_funds", 5.0, ("AUTHORIZATION_REFUSED", "INSUFFICIENT_FUNDS")),
        ("tok_nobody_knows", 5.0, ("AUTHORIZATION_REFUSED", "UNKNOWN_TOKEN")),
        ("tok_timeout_not_charged", 0.5, ("AUTHORIZATION_REFUSED", "PROVIDER_TIMEOUT")),
    ],
)
async def test_a_card_is_settled_once_and_its_token_forgotten(
    open_desk: OpenDesk, token: str, deadline_seconds: float, reply: tuple[str, str]
) -> None:
    payment = Purchase()
    async with open_desk(deadline_seconds=deadline_seconds) as desk:
        await desk.send(payment.authorize(token))
        await desk.until(payment, reply[0])
        await desk.send(payment.authorize(token))

        assert await desk.replies(payment) == [reply, reply]
        assert await desk.scalar("SELECT count(token) FROM attempt") == 0
        if reply[0] == "AUTHORIZED":
            await desk.send(payment.capture())
            await desk.until(payment, "CAPTURED")
            assert (await desk.charge(payment))["captured_amount"] == AMOUNT


async def test_a_capture_is_answered_once_done_and_again_when_asked_again(desk: Desk) -> None:
    payment = await captured(desk)
    await desk.send(payment.capture())

    assert await desk.outcomes(payment) == ["AUTHORIZED", "CAPTURED", "CAPTURED"]
    assert (await desk.charge(payment))["status"] == "CAPTURED"


async def test_a_capture_that_fails_is_refused_and_then_voided(desk: Desk) -> None:
    payment = Purchase()
    await desk.send(payment.authorize("tok_capture_fails"))
    await desk.until(payment, "AUTHORIZED")
    await desk.send(payment.capture())
    await desk.until(payment, "CAPTURE_REFUSED")
    await desk.send(payment.void())
    await desk.until(payment, "VOIDED")

    assert ("CAPTURE_REFUSED", "CAPTURE_FAILED") in await desk.replies(payment)
    assert (await desk.charge(payment))["status"] == "VOIDED"


@pytest.mark.parametrize("method", ["KHALTI", "ESEWA"])
async def test_an_approved_wallet_is_paid_and_its_capture_answered_at_once(
    desk: Desk, method: str
) -> None:
    payment = Purchase()
    await desk.send(payment.authorize(method=method))
    await desk.until(payment, "ACTION_REQUIRED")
    await approve(desk, payment)
    await desk.until(payment, "AUTHORIZED")
    await desk.send(payment.capture())

    assert await desk.outcomes(payment) == ["ACTION_REQUIRED", "AUTHORIZED", "CAPTURED"]


async def test_a_cards_extra_step_ends_in_an_authorization(desk: Desk) -> None:
    payment = Purchase()
    await desk.send(payment.authorize("tok_action_required"))
    await desk.until(payment, "ACTION_REQUIRED")
    await approve(desk, payment)
    await desk.until(payment, "AUTHORIZED")
    await desk.send(payment.capture())
    await desk.until(payment, "CAPTURED")


async def test_after_a_refused_wallet_another_attempt_may_succeed(desk: Desk) -> None:
    payment = await waiting_wallet(desk)
    await approve(desk, payment, "refuse")
    await desk.until(payment, "AUTHORIZATION_REFUSED")
    await desk.send(payment.authorize("tok_ok", attempt=2))
    await desk.until(payment, "AUTHORIZED")

    assert ("AUTHORIZATION_REFUSED", "REFUSED_BY_CUSTOMER") in await desk.replies(payment)
    assert (await desk.charge(payment, 2))["status"] == "AUTHORIZED"


# --- void ----------------------------------------------------------------------------------------


async def test_void_before_authorize_never_calls_the_provider(desk: Desk) -> None:
    payment = Purchase()
    await desk.send(payment.void(), payment.authorize("tok_ok"), payment.void())

    assert await desk.replies(payment) == [
        ("VOIDED", ""),
        ("VOIDED", ""),
    ]
    assert await desk.sandbox.by_key(f"charge:{payment.id}:1") == []


async def test_void_and_authorize_at_once_end_voided(open_desk: OpenDesk) -> None:
    async with open_desk() as one, open_desk(like=one) as other:
        payments = [Purchase() for _ in range(10)]
        await asyncio.gather(
            *(one.send(payment.authorize("tok_ok")) for payment in payments),
            *(other.send(payment.void()) for payment in payments),
        )
        for payment in payments:
            await one.until(payment, "VOIDED")
        await one.idle()
        for payment in payments:
            charges = await one.sandbox.by_key(f"charge:{payment.id}:1")
            assert [charge["status"] for charge in charges] in ([], ["VOIDED"])


async def test_inserts_of_one_payment_that_meet_never_fail(
    make_database: MakeDatabase,
) -> None:
    first = await make_database("payment")
    pools = [first, *[await make_database("payment", like=first) for _ in range(3)]]
    offered = [Void(uuid7(), uuid7(), saga_step=1).offered for _ in range(300)]

    async def insert(database: Database) -> None:
        for payment in offered:
            await ready.wait()  # one after another they would not meet
            async with database.transaction() as session:
                found = await stored.lock_payments(session, [payment.id], offered=[payment])
            assert found[payment.id].booking_id == payment.booking_id

    ready = asyncio.Barrier(len(pools))
    await asyncio.gather(*map(insert, pools))


async def test_a_card_takes_an_open_wallet_pages_place_and_a_late_approval_goes_back(
    desk: Desk,
) -> None:
    payment = await waiting_wallet(desk)
    await desk.send(payment.authorize("tok_ok", attempt=2))
    await desk.until(payment, "AUTHORIZED")
    await approve(desk, payment)  # the page was still open
    await desk.send(payment.capture())
    await desk.until(payment, "CAPTURED")
    await desk.eventually(lambda: _is_refunded(desk, payment))

    assert (await desk.charge(payment, 2))["status"] == "CAPTURED"
    assert await desk.outcomes(payment) == ["ACTION_REQUIRED", "AUTHORIZED", "CAPTURED"]


async def test_a_page_approved_before_the_card_arrives_is_the_payment(desk: Desk) -> None:
    payment = await waiting_wallet(desk)
    await approve(desk, payment)
    await desk.until(payment, "AUTHORIZED")
    await desk.send(payment.authorize("tok_ok", attempt=2), payment.capture())
    await desk.until(payment, "CAPTURED")

    assert await desk.sandbox.by_key(f"charge:{payment.id}:2") == []
    assert await desk.steps(payment) == [
        ("ACTION_REQUIRED", 2),
        ("AUTHORIZED", 2),
        ("AUTHORIZED", 3),
        ("CAPTURED", 10),
    ]


async def _is_refunded(desk: Desk, payment: Purchase) -> bool:
    return bool((await desk.charge(payment))["refunded_amount"])


async def test_void_in_flight_waits_for_the_charge_and_voids_it(desk: Desk) -> None:
    payment = Purchase()
    await desk.send(payment.authorize("tok_slow"))

    async def in_flight() -> bool:
        return bool(await desk.scalar("SELECT count(*) FROM provider_call WHERE kind IS NOT NULL"))

    await desk.eventually(in_flight)
    await desk.send(payment.void())
    assert await desk.outcomes(payment) == []
    await desk.until(payment, "VOIDED")

    assert await desk.outcomes(payment) == ["VOIDED"]
    assert (await desk.charge(payment))["status"] == "VOIDED"


async def test_void_of_a_paid_wallet_refunds_it_in_full(desk: Desk) -> None:
    payment = await waiting_wallet(desk)
    await approve(desk, payment)
    await desk.until(payment, "AUTHORIZED")
    await desk.send(payment.void(), payment.void())
    await desk.until(payment, "VOIDED")
    await desk.send(payment.void())

    assert (await desk.outcomes(payment)).count("VOIDED") == 2
    assert (await desk.charge(payment))["refunded_amount"] == AMOUNT


@pytest.mark.parametrize("kept", [True, False])
async def test_a_wallet_paid_after_its_void_is_told_once_then_kept_or_refunded(
    desk: Desk, kept: bool
) -> None:
    payment = await waiting_wallet(desk)
    await desk.send(payment.void())
    await desk.until(payment, "VOIDED")
    await approve(desk, payment)
    await desk.until(payment, "PAID_LATE")
    await desk.send(payment.capture(step=12) if kept else payment.void(step=12))
    await desk.until(payment, "CAPTURED" if kept else "VOIDED", times=1 if kept else 2)
    await desk.idle()

    assert (await desk.outcomes(payment)).count("PAID_LATE") == 1
    assert (await desk.charge(payment))["refunded_amount"] == (0 if kept else AMOUNT)


async def test_a_charge_that_turns_up_after_its_attempt_was_refused_is_voided(
    open_desk: OpenDesk,
) -> None:
    payment = Purchase()
    async with open_desk(deadline_seconds=0.5) as desk:
        await desk.send(payment.authorize("tok_timeout_not_charged"))
        await desk.until(payment, "AUTHORIZATION_REFUSED")
        # The request that was given up arrives at the provider after all.
        await desk.sandbox.charge("tok_ok", key=f"charge:{payment.id}:1", amount=AMOUNT)
        await desk.idle()

        assert (await desk.charge(payment))["status"] == "VOIDED"
        assert await desk.replies(payment) == [("AUTHORIZATION_REFUSED", "PROVIDER_TIMEOUT")]


# --- the saga's steps ----------------------------------------------------------------------------


async def test_a_command_older_than_the_newest_has_no_effect_and_no_answer(desk: Desk) -> None:
    payment = await captured(desk)
    before = await desk.replies(payment)
    await desk.send(payment.void(step=9), payment.authorize("tok_ok"), payment.capture(step=9))
    await desk.idle()

    assert await desk.replies(payment) == before
    assert (await desk.charge(payment))["status"] == "CAPTURED"
    assert (await desk.charge(payment))["refunded_amount"] == 0


async def test_every_reply_says_the_newest_step_that_was_seen(desk: Desk) -> None:
    payment = await waiting_wallet(desk)
    await approve(desk, payment)  # told without being asked again
    await desk.until(payment, "AUTHORIZED")
    await desk.send(payment.capture(), payment.refund(100))
    await desk.until(payment, "REFUNDED")

    assert await desk.steps(payment) == [
        ("ACTION_REQUIRED", 2),
        ("AUTHORIZED", 2),
        ("CAPTURED", 10),
        ("REFUNDED", 12),
    ]


async def test_a_command_without_a_step_is_no_command(desk: Desk) -> None:
    payment = Purchase()
    with pytest.raises(IntegrityError, match="saga_step"):
        await desk.send(payment.void(step=0))
    await desk.send(payment.authorize("tok_ok"))
    await desk.until(payment, "AUTHORIZED")
    await desk.send(payment.capture(step=0))
    assert await desk.scalar("SELECT capture FROM attempt") == "NONE"


# --- crashes, fencing, a provider that is away ---------------------------------------------------


EXPIRE = "UPDATE provider_call SET due_at = now(), leased_until = now() - interval '1 second'"


async def test_a_crash_between_answer_and_recording_finds_the_same_charge(
    open_desk: OpenDesk,
) -> None:
    payment = Purchase()
    async with open_desk(working=False) as crashed:
        await crashed.send(payment.authorize("tok_ok"))
        (call,) = await crashed.worker.claim(10)
        await crashed.worker.make(call)
    async with open_desk(like=crashed) as desk:
        made = await desk.charge(payment)
        async with desk.database.transaction() as session:
            await session.execute(EXPIRE)
        await desk.until(payment, "AUTHORIZED")
        assert await desk.charge(payment) == made


async def test_replies_carry_the_request_id_of_their_command_by_way_of_the_provider(
    open_desk: OpenDesk,
) -> None:
    origins = {"first": Purchase(), "second": Purchase()}
    async with open_desk() as desk:

        async def work(session: Session) -> None:
            with requests(list(origins)):
                commands = [payment.authorize("tok_ok") for payment in origins.values()]
                await desk.handlers[messages_pb2.AuthorizePayment].handle(session, commands)

        await desk.database.run(work)
        for payment in origins.values():
            await desk.until(payment, "AUTHORIZED")
        async with desk.database.transaction() as session:
            rows = await session.all(
                "SELECT body::jsonb->>'payment_id' AS id, headers->>'request_id' AS origin"
                "  FROM outbox WHERE type LIKE '%PaymentReply'"
            )
    assert {row.origin: row.id for row in rows} == {
        origin: str(payment.id) for origin, payment in origins.items()
    }


async def test_a_call_left_to_a_process_that_died_is_made_by_another_under_the_same_key(
    open_desk: OpenDesk,
) -> None:
    payment = Purchase()
    left: list[Todo] = []
    async with open_desk(working=False) as died:
        commands = messaging.commands("sandbox", lambda: Lease(10, 30.0), left.append)
        authorize = commands[messages_pb2.AuthorizePayment]
        assert isinstance(authorize, Together)

        async def work(session: Session) -> None:
            await authorize.handle(session, [payment.authorize("tok_ok")])

        await died.database.run(work)
        assert [call.kind for todo in left for call in todo.calls] == [Kind.AUTHORIZE]
        assert await died.worker.claim(10) == []  # it is the first one's, for now
    async with open_desk(like=died, working=False) as desk:
        async with desk.database.transaction() as session:
            await session.execute(EXPIRE)
        (again,) = await desk.worker.claim(10)
        await desk.worker.record([(again, await desk.worker.make(again))])
        made = await desk.charge(payment)
        # It was not dead after all: the same charge, and its result is refused.
        (call,) = left[0].calls
        await desk.worker.record([(call, await desk.worker.make(call))])

        assert await desk.charge(payment) == made
        assert await desk.outcomes(payment) == ["AUTHORIZED"]


async def test_what_a_stopped_worker_brings_late_is_refused(open_desk: OpenDesk) -> None:
    payment = Purchase()
    async with open_desk(working=False) as stopped, open_desk(like=stopped, working=False) as desk:
        await stopped.send(payment.authorize("tok_declined"))
        (old,) = await stopped.worker.claim(10)
        late = await stopped.worker.make(old)
        assert await desk.worker.claim(10) == []
        async with desk.database.transaction() as session:
            await session.execute(EXPIRE)
        (new,) = await desk.worker.claim(10)
        await stopped.worker.record([(old, late)])
        assert await desk.outcomes(payment) == []

        await desk.worker.record([(new, await desk.worker.make(new))])
        await stopped.worker.record([(old, late)])
        assert await desk.outcomes(payment) == ["AUTHORIZATION_REFUSED"]


async def test_two_workers_charge_each_payment_once(open_desk: OpenDesk) -> None:
    payments = [Purchase() for _ in range(60)]
    async with open_desk() as one, open_desk(like=one) as other:
        half = len(payments) // 2
        await asyncio.gather(
            one.send(*(payment.authorize("tok_ok") for payment in payments[:half])),
            other.send(*(payment.authorize("tok_ok") for payment in payments[half:])),
        )
        for payment in payments:
            await one.until(payment, "AUTHORIZED")
        await asyncio.gather(
            *(one.send(payment.capture()) for payment in payments),
            *(other.send(payment.capture()) for payment in payments),
        )
        for payment in payments:
            await one.until(payment, "CAPTURED")
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
        await desk.send(*(payment.authorize("tok_ok") for payment in payments))

        async def tried() -> bool:
            tries = await desk.scalar("SELECT coalesce(sum(tries), 0) FROM provider_call")
            return int(tries) >= 5  # the breaker is open

        await desk.eventually(tried)
        assert not any([await desk.replies(payment) for payment in payments])
        await failing.fault("none")
        for payment in payments:
            await desk.until(payment, "AUTHORIZED")
            assert (await desk.charge(payment))["status"] == "AUTHORIZED"


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
        await desk.send(*(Purchase().authorize("tok_ok") for _ in range(breaker.FAILURES)))

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


async def test_void_is_answered_at_once_for_what_never_reached_a_provider(
    open_desk: OpenDesk,
) -> None:
    payment = Purchase()
    async with open_desk(provider=provider_at(f"http://127.0.0.1:{free_port()}")) as desk:
        await desk.send(payment.authorize("tok_ok"))

        async def tried() -> bool:
            return bool(await desk.scalar("SELECT count(*) FROM provider_call WHERE tries > 0"))

        await desk.eventually(tried)

        async def put_back() -> bool:
            free = "SELECT count(*) FROM provider_call WHERE leased_until IS NULL"
            return bool(await desk.scalar(free))

        async with asyncio.timeout(20):
            while not await put_back():
                await asyncio.sleep(0.02)
        await desk.send(payment.void())
        await desk.until(payment, "VOIDED")
        assert await desk.outcomes(payment) == ["VOIDED"]


# --- refunds and the ledger ----------------------------------------------------------------------


async def test_refunds_at_once_never_exceed_the_capture(open_desk: OpenDesk) -> None:
    async with open_desk() as one, open_desk(like=one) as other:
        payment = await captured(one, amount=1000)
        await asyncio.gather(
            *(desk.send(payment.refund(300)) for desk in (one, other) for _ in range(5))
        )
        await one.idle()

        refunded = await one.scalar("SELECT sum(amount) FROM refund WHERE done")
        assert refunded == (await one.charge(payment))["refunded_amount"] == 1000
        assert await one.scalar("SELECT sum(refunded) FROM attempt") == 1000


async def test_a_refund_is_made_once_however_often_it_is_commanded(open_desk: OpenDesk) -> None:
    async with open_desk() as one, open_desk(like=one) as other:
        payment = await captured(one)
        refund = payment.refund(400)
        await asyncio.gather(*(desk.send(refund) for desk in (one, other) for _ in range(3)))
        await one.until(payment, "REFUNDED")
        await one.idle()
        replies = (await one.outcomes(payment)).count("REFUNDED")
        await one.send(refund)

        assert (await one.outcomes(payment)).count("REFUNDED") == replies + 1
        assert (await one.charge(payment))["refunded_amount"] == 400


async def test_a_refund_of_nothing_captured_is_an_error(desk: Desk) -> None:
    payment = Purchase()
    await desk.send(payment.authorize("tok_ok"))
    await desk.until(payment, "AUTHORIZED")
    with pytest.raises(NothingCapturedError):
        await desk.send(payment.refund(1))


async def test_the_ledger_equals_the_providers_balance(open_desk: OpenDesk, tmp_path: Path) -> None:
    async with running(tmp_path / "sandbox.db") as own, open_desk(at=own) as desk:
        plain, partly, late = [await captured(desk, amount) for amount in (1000, 2000, 4000)]
        wallet = await waiting_wallet(desk)
        await desk.send(wallet.void())
        await desk.until(wallet, "VOIDED")
        await approve(desk, wallet)
        await desk.until(wallet, "PAID_LATE")
        await desk.send(partly.refund(500), partly.refund(100), late.void(), plain.capture())
        await desk.send(wallet.capture(step=12))
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
    async with desk.database.transaction() as session:
        rows = await session.all(
            "SELECT body::jsonb AS body FROM outbox WHERE type LIKE '%PaymentRefunded'"
            " AND body::jsonb->>'payment_id' = :id ORDER BY id",
            id=payment.id,
        )
    return [(int(row.body["refunded_amount"]), int(row.body["captured_amount"])) for row in rows]


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
    payment, open_ = await captured(desk, amount=1000), Purchase()
    await desk.send(open_.authorize("tok_ok"))
    await desk.until(open_, "AUTHORIZED")
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


@pytest.mark.parametrize("undone_by", ["refund", "void"])
async def test_the_saga_gives_back_what_an_organizer_has_left(
    desk: Desk, serve: Serve, undone_by: str
) -> None:
    caller = await served(serve, desk)
    payment = await captured(desk, amount=1000)
    await give_back(caller, payment, 400)
    await desk.send(payment.refund(1000) if undone_by == "refund" else payment.void())
    await desk.until(payment, "REFUNDED" if undone_by == "refund" else "VOIDED")
    await desk.idle()

    assert (await desk.charge(payment))["refunded_amount"] == 1000
    amounts = await desk.scalar("SELECT array_agg(amount ORDER BY amount) FROM refund WHERE done")
    assert amounts == [400, 600]


# --- webhooks ------------------------------------------------------------------------------------


def signed(
    body: bytes, *, secret: str = WEBHOOK_SECRET, at: float | None = None
) -> payment_pb2.ReceiveWebhookRequest:
    unix = int(time.time() if at is None else at)
    digest = hmac.new(secret.encode(), f"{unix}.".encode() + body, hashlib.sha256).hexdigest()
    return payment_pb2.ReceiveWebhookRequest(
        provider="sandbox", body=body, headers={"sandbox-signature": f"t={unix},v1={digest}"}
    )


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
        await caller.as_gateway("ReceiveWebhook", signed(body))
    assert await desk.scalar("SELECT count(*) FROM webhook_event") == 3
    assert await desk.outcomes(payment) == ["ACTION_REQUIRED"]

    await approve(desk, payment)
    await asyncio.gather(
        *(
            caller.as_gateway("ReceiveWebhook", signed(event(payment, "CAPTURED", f"evt_{number}")))
            for number in range(5)
        )
    )
    await desk.until(payment, "AUTHORIZED")
    await desk.idle()
    assert await desk.outcomes(payment) == ["ACTION_REQUIRED", "AUTHORIZED"]


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

    with pytest.raises(RemoteError) as refused:
        await caller.as_gateway("ReceiveWebhook", request)

    assert refused.value.reason == reason
    assert await desk.scalar("SELECT count(*) FROM webhook_event") == 0


async def test_two_secrets_are_good_while_one_replaces_the_other(
    open_desk: OpenDesk, sandbox: Sandbox, serve: Serve
) -> None:
    provider = provider_at(str(sandbox.http.base_url), secrets=(WEBHOOK_SECRET, OLD_SECRET))
    async with open_desk(provider=provider, working=False) as desk:
        caller = await served(serve, desk)
        for secret in (WEBHOOK_SECRET, OLD_SECRET):
            body = event(Purchase(), "CAPTURED")
            await caller.as_gateway("ReceiveWebhook", signed(body, secret=secret))
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
        await desk.send(payment.authorize("tok_webhook_late"))

        async def pending() -> bool:
            return bool(await desk.scalar("SELECT charge FROM attempt") == "PENDING")

        await desk.eventually(pending)
        await receiver.until(lambda: len(receiver.received) >= 2)
        async with desk.database.transaction() as session:
            await session.execute(
                "UPDATE provider_call SET due_at = clock_timestamp() + interval '1 hour'"
            )
        for headers, body in receiver.received:
            await caller.as_gateway(
                "ReceiveWebhook",
                payment_pb2.ReceiveWebhookRequest(provider="sandbox", body=body, headers=headers),
            )
        async with asyncio.timeout(20):
            while await desk.outcomes(payment) != ["AUTHORIZED"]:
                await asyncio.sleep(0.05)


# --- what is shown -------------------------------------------------------------------------------


async def test_a_payment_is_shown_to_its_payer_and_admins_alone(desk: Desk, serve: Serve) -> None:
    caller = await served(serve, desk)
    payment = await waiting_wallet(desk)
    request = payment_pb2.GetPaymentRequest(payment_id=payment.id)
    stranger = str(uuid7())

    mine = await shown(caller, payment)
    admins = (await caller.as_person(stranger, "GetPayment", request, Role.ADMIN)).payment
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
    await desk.until(payment, "AUTHORIZATION_REFUSED")
    await desk.send(payment.authorize("tok_ok", attempt=2))
    await desk.until(payment, "AUTHORIZED")
    await desk.send(payment.capture())
    await desk.until(payment, "CAPTURED")
    await desk.send(payment.refund(1000))
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
        assert await idle.outcomes(payment) == ["ACTION_REQUIRED", "AUTHORIZED"]


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
    heard: Counter[tuple[str, str]] = Counter()
    async with payment_service(settings), broker.channel(confirms=True) as channel:
        exchange = await channel.get_exchange(COMMANDS)
        replies = await channel.get_queue("booking.replies")

        async def publish(command: Message) -> None:
            written = encoded(command)
            message = aio_pika.Message(
                written.body.encode(), message_id=str(uuid7()), type=written.type
            )
            for _ in range(2):  # delivered twice under one id: once is enough
                await exchange.publish(message, "payment.commands")

        async def hear() -> None:
            async with replies.iterator() as deliveries:
                async for delivery in deliveries:
                    await delivery.ack()
                    reply = json.loads(delivery.body)
                    heard[reply["payment_id"], reply["outcome"]] += 1
                    if reply["outcome"] == "OUTCOME_AUTHORIZED":
                        booking = next(each for each in payments if each.id == reply["payment_id"])
                        await publish(booking.capture())
                    if sum(heard.values()) == 2 * len(payments):
                        return

        await asyncio.gather(*(publish(payment.authorize("tok_ok")) for payment in payments))
        async with asyncio.timeout(40):
            await hear()
    await broker.close()

    expected = {
        (payment.id, f"OUTCOME_{outcome}"): 1
        for payment in payments
        for outcome in ("AUTHORIZED", "CAPTURED")
    }
    assert heard == expected
