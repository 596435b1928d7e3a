"""What the operator is told of money: the trial balance, and what the provider says of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from chassis.ids import uuid7
from deploy.postgres import Postgres
from ops import ledger, reconcile
from ops.reconcile import Difference
from payment_service.domain import Listed, ProviderUnavailableError

from .test_payment import (  # the desk's fixtures come with it
    AMOUNT,
    Desk,
    OpenDesk,
    Purchase,
    approve,
    captured,
    open_desk,
    provider_at,
    sandbox,
    waiting_wallet,
)
from .test_sandbox_provider import API_KEY, Sandbox, running

__all__ = ["open_desk", "sandbox"]


@pytest.fixture
async def own(tmp_path: Path) -> AsyncIterator[Sandbox]:
    """A provider whose books hold this test's charges alone."""
    async with running(tmp_path / "sandbox.db") as provider:
        yield provider


@pytest.fixture
async def desk(open_desk: OpenDesk, own: Sandbox) -> AsyncIterator[Desk]:
    async with open_desk(at=own) as opened:
        yield opened


async def compared(desk: Desk) -> list[Difference]:
    provider = provider_at(str(desk.sandbox.http.base_url))
    try:
        found = await reconcile.compare(desk.database.url, provider, since=0, settle_seconds=0.0)
    finally:
        await provider.aclose()
    return list(found.differences)


def as_admin(postgres: Postgres, desk: Desk) -> psycopg.Connection:
    name = psycopg.conninfo.conninfo_to_dict(desk.database.url)["dbname"]
    return psycopg.connect(postgres.admin_url, dbname=name, autocommit=True)


# --- reconcile -----------------------------------------------------------------------------------


def json_of(capsys: pytest.CaptureFixture[str]) -> Any:
    """The JSON that a command printed; the sandbox of this process writes its log there, too."""
    return json.loads("{" + f"\n{capsys.readouterr().out}".rpartition("\n{")[2])


async def test_books_that_agree_have_no_differences(desk: Desk) -> None:
    plain, back = [await captured(desk, amount) for amount in (1000, 2000)]
    declined, unknown, voided, failed = Purchase(), Purchase(), Purchase(), Purchase()
    await waiting_wallet(desk)
    await desk.send(
        back.refund(amount=500),
        back.refund(10),
        plain.give_back(),
        declined.charge("tok_declined"),
        unknown.charge("tok_nobody_knows"),
        failed.charge("tok_capture_fails"),
        voided.charge("tok_action_required"),
    )
    await desk.until(voided, "ACTION_REQUIRED")
    await desk.send(voided.give_back())
    await desk.until(voided, "GIVEN_BACK")
    for refused in (declined, unknown, failed):
        await desk.until(refused, "CHARGE_REFUSED")
    await desk.idle_but_for(1)

    assert await compared(desk) == []


async def test_more_charges_than_a_page_are_all_compared(desk: Desk) -> None:
    for number in range(230):
        await desk.sandbox.charge("tok_ok", key=f"charge:{UUID(int=number)}:1")
    found = await compared(desk)
    assert {each.key for each in found} == {f"charge:{UUID(int=n)}:1" for n in range(230)}
    assert {each.what for each in found} == {"MISSING_HERE"}


async def test_each_kind_of_difference_is_told(desk: Desk, postgres: Postgres) -> None:
    kept, lost, less, back, unposted = [await captured(desk, 1000) for _ in range(5)]
    stray = f"charge:{uuid7()}:1"
    await desk.sandbox.charge("tok_ok", key=stray, amount=7)
    ours = await desk.charge(back)
    await desk.sandbox.refund(ours["id"], 300, "not-ours")
    with as_admin(postgres, desk) as connection:
        for change in (
            "UPDATE payment.attempt SET provider_key = 'charge:gone'"
            f" WHERE payment_id = '{lost.id}'",
            f"UPDATE payment.payment SET amount = 900 WHERE id = '{less.id}'",
            "ALTER TABLE payment.ledger_posting DISABLE TRIGGER USER",
            "DELETE FROM payment.ledger_posting WHERE transaction_id IN (SELECT id FROM"
            f" payment.ledger_transaction WHERE payment_id = '{unposted.id}')",
        ):
            connection.execute(change)

    found = [(each.key, each.what, each.theirs, each.ours) for each in await compared(desk)]
    assert sorted(found) == sorted(
        [
            (stray, "MISSING_HERE", "AUTHORIZED, captured NPR 0.00, refunded NPR 0.00", ""),
            (
                f"charge:{lost.id}:1",
                "MISSING_HERE",
                "CAPTURED, captured NPR 10.00, refunded NPR 0.00",
                "",
            ),
            ("charge:gone", "MISSING_THERE", "", "CAPTURED, captured NPR 10.00"),
            (f"charge:{less.id}:1", "AMOUNT_DIFFERS", "NPR 10.00", "NPR 9.00"),
            (f"charge:{back.id}:1", "REFUND_MISSING_HERE not-ours", "NPR 3.00", ""),
            (f"charge:{back.id}:1", "REFUNDS_NOT_IN_LEDGER", "NPR 3.00", "NPR 0.00"),
            (f"charge:{back.id}:1", "REFUNDED_DIFFERS", "NPR 3.00", "NPR 0.00"),
            (f"charge:{unposted.id}:1", "CAPTURE_NOT_IN_LEDGER", "NPR 10.00", "NPR 0.00"),
        ]
    )
    assert kept.id not in json.dumps(found)


async def test_a_refund_of_an_old_charge_is_compared_too(desk: Desk) -> None:
    payment = await captured(desk, 1000)
    charge = await desk.charge(payment)
    # As if the charge had been made long before: the provider's own list of charges omits it.
    await desk.sandbox.refund(charge["id"], 10, "not-ours")
    provider = provider_at(str(desk.sandbox.http.base_url))
    made = datetime.fromisoformat(charge["created_at"]).timestamp()
    listed = [each.id async for each in provider.list_charges(made + 3600)]
    assert listed == []
    lately = [each.refunds async for each in provider.list_charges(made - 3600)]
    assert lately == [{"not-ours": 10}]
    await provider.aclose()


async def test_what_differs_is_looked_up_when_asked_for(open_desk: OpenDesk, own: Sandbox) -> None:
    payment = Purchase()
    async with open_desk(at=own) as desk:
        await desk.send(payment.charge(method="KHALTI"))
        await desk.until(payment, "ACTION_REQUIRED")
    async with open_desk(at=own, like=desk, working=False) as idle:
        await approve(idle, payment)
        assert [each.what for each in await compared(idle)] == [
            "STATE_DIFFERS",
            "CAPTURE_DIFFERS",
            "CAPTURE_NOT_IN_LEDGER",
        ]
        await idle.scalar("DELETE FROM provider_call RETURNING 1")  # nobody would ever look again
        assert await reconcile.look_again(idle.database.url, [(UUID(payment.id), 1)]) == 1
    async with open_desk(at=own, like=desk) as again:
        await again.until(payment, "CHARGED")
        assert await compared(again) == []
        # Final by now: nothing is left to look up.
        assert await reconcile.look_again(again.database.url, [(UUID(payment.id), 1)]) == 0


async def test_what_unknown_charges_hold_goes_back_once_and_nothing_else_does(
    desk: Desk, postgres: Postgres, capsys: pytest.CaptureFixture[str]
) -> None:
    """As after a restore: the provider has charges of bookings that are gone."""
    kept, under_way = await captured(desk, 1000), f"charge:{uuid7()}:1"
    taken, partly, set_aside = (f"charge:{uuid7()}:1" for _ in range(3))
    ids = {}
    for key in (taken, partly, set_aside, under_way, "of-somebody-else"):
        ids[key] = (await desk.sandbox.charge("tok_ok", key=key, amount=700)).json()["id"]
        if key != set_aside:
            await desk.sandbox.post(f"/v1/charges/{ids[key]}/capture")
    await desk.sandbox.refund(ids[partly], 300, "before")
    with as_admin(postgres, desk) as connection:
        connection.execute(
            # This service's tests have no bookings but what is needed here.
            "CREATE SCHEMA IF NOT EXISTS booking;"
            "CREATE TABLE booking.booking (booking_id int, payment_id uuid);"
            "CREATE TABLE booking.saga (booking_id int, state text);"
            f"INSERT INTO booking.booking VALUES (1, '{under_way.split(':')[1]}'),"
            f" (2, '{taken.split(':')[1]}');"
            "INSERT INTO booking.saga VALUES (1, 'CHARGING'), (2, 'EXPIRED');"
            "GRANT USAGE ON SCHEMA booking TO PUBLIC;"
            "GRANT SELECT ON ALL TABLES IN SCHEMA booking TO PUBLIC;"
        )
    provider = provider_at(str(desk.sandbox.http.base_url))
    for _ in range(2):  # again has no second effect
        found = await reconcile.compare(desk.database.url, provider, since=0, settle_seconds=0.0)
        done = await reconcile.give_back(desk.database.url, provider, found.unknown)
    listed = {charge.key: charge async for charge in provider.list_charges(0)}
    await provider.aclose()
    asked: list[Listed] = []
    code = await asyncio.to_thread(
        reconcile.report,
        desk.database.url,
        sandbox_url=str(desk.sandbox.http.base_url),
        api_key=API_KEY,
        hours=1.0,
        payment_url=None,
        agree=lambda unknown: bool(asked.extend(unknown)),
        as_json=True,
    )
    told = json_of(capsys)
    assert (code, told["given_back"]) == (1, [])  # nobody agreed
    assert {charge.key for charge in asked} == {under_way, "of-somebody-else"}

    assert {key: listed[key].refunded for key in ids} == {
        taken: 700,
        partly: 700,
        set_aside: 0,
        under_way: 0,
        "of-somebody-else": 0,
    }
    assert listed[set_aside].state == "VOIDED"
    assert listed[f"charge:{kept.id}:1"].refunded == 0
    # What is left is told, and why.
    assert {each.key: each.outcome.split(":")[0] for each in done} == {
        under_way: "left",
        "of-somebody-else": "left",
    }
    assert {each.key for each in await compared(desk)} == {under_way, "of-somebody-else"}


async def test_a_provider_that_is_away_is_no_agreement(desk: Desk) -> None:
    await desk.sandbox.fault("error_500")
    with pytest.raises(ProviderUnavailableError):
        await compared(desk)


# --- the trial balance ---------------------------------------------------------------------------


@pytest.fixture
def with_bookings(postgres: Postgres, desk: Desk) -> Iterator[psycopg.Connection]:
    """An admin's connection, and what the report needs of booking's schema."""
    with as_admin(postgres, desk) as connection:
        yield _with_bookings(connection, desk)


def _with_bookings(connection: psycopg.Connection, desk: Desk) -> psycopg.Connection:
    connection.execute("CREATE TABLE booking.booking (payment_id uuid, event_id uuid)")
    role = desk.database.url.split("//")[1].split(":")[0]
    connection.execute(f"GRANT USAGE ON SCHEMA booking TO {role}")
    connection.execute(f"GRANT SELECT ON booking.booking TO {role}")
    return connection


async def test_the_trial_balance_sums_to_zero_whatever_it_is_asked_of(
    desk: Desk, with_bookings: psycopg.Connection
) -> None:
    one, other = await captured(desk, 1000, fees=100), await captured(desk, 2000)
    await desk.send(one.refund(40))
    await desk.until(one, "REFUNDED")
    event, organizer, url = uuid7(), UUID(int=7), desk.database.url
    with_bookings.execute("INSERT INTO booking.booking VALUES (%s, %s)", (one.id, event))

    whole = ledger.trial_balance(url)
    assert whole.is_balanced
    assert [(each.account, each.debit, each.credit, each.closing) for each in whole.accounts] == [
        ("house_fees", 40, 100, -60),
        (f"organizer_payable:{organizer}", 360, 2900, -2540),
        ("provider_receivable:sandbox", 3000, 400, 2600),
    ]
    of_event = ledger.trial_balance(url, event=event)
    assert [each.closing for each in of_event.accounts] == [-60, -540, 600]
    assert ledger.trial_balance(url, organizer=organizer) == whole
    assert ledger.trial_balance(url, organizer=uuid7()).accounts == []
    later = datetime.now(UTC) + timedelta(hours=1)
    after = ledger.trial_balance(url, since=later)
    assert [(each.opening, each.debit, each.closing) for each in after.accounts] == [
        (-60, 0, -60),
        (-2540, 0, -2540),
        (2600, 0, 2600),
    ]
    assert ledger.trial_balance(url, until=later - timedelta(hours=2)).accounts == []
    assert other.amount == 2000


async def test_a_ledger_that_does_not_balance_is_told_and_fails(
    desk: Desk, with_bookings: psycopg.Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    await captured(desk, AMOUNT)
    report = {"event": None, "organizer": None, "since": None, "until": None, "as_json": True}
    assert ledger.report(desk.database.url, **report) == 0  # type: ignore[arg-type]
    with_bookings.execute("ALTER TABLE payment.ledger_posting DISABLE TRIGGER USER")
    with_bookings.execute("UPDATE payment.ledger_posting SET amount = amount + 1 WHERE amount > 0")
    capsys.readouterr()

    assert ledger.report(desk.database.url, **report) == 1  # type: ignore[arg-type]
    told = json_of(capsys)
    assert (told["off"], len(told["unbalanced"]), told["balanced"]) == ({"NPR": 1}, 1, False)
    assert ledger.report("postgresql://127.0.0.1:1/none", **report) == 2  # type: ignore[arg-type]
