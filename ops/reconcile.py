"""Compares the provider's own books with ours: payments, refunds and the ledger, charge by charge.

Both sides move while they are read, so what differs is looked at once more a little later, and only
what still differs is told.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from chassis.database import Database, DatabaseError
from ops.terminal import as_text, console, money, show
from ops.verdicts import WELL, WRONG, untold
from payment_service.domain import Listed, ProviderUnavailableError, refund_key
from payment_service.handlers import calls
from payment_service.providers import Provider
from payment_service.providers.sandbox import SandboxProvider

_SETTLE_SECONDS = 3.0
_DEADLINE_SECONDS = 10.0
_BATCH = 1000

_SELECT = """
SELECT provider_key AS key, payment_id, number, booking_reference AS reference, charge, charge_id,
       payment.amount, currency, attempt.captured, attempt.refunded,
       coalesce(taken.amount, 0)::bigint AS ledger_captured,
       coalesce(back.amount, 0)::bigint AS ledger_refunded, coalesce(back.refunds, '{}') AS refunds
  FROM payment.attempt JOIN payment.payment ON payment.id = payment_id
  LEFT JOIN LATERAL (
       SELECT sum(posting.amount) AS amount
         FROM payment.ledger_transaction entry
         JOIN payment.ledger_posting posting ON transaction_id = entry.id
        WHERE kind = 'CAPTURE' AND entry.payment_id = attempt.payment_id
          AND entry.attempt = attempt.number
          AND account = 'provider_receivable:' || %(provider)s) taken ON true
  LEFT JOIN LATERAL (
       SELECT jsonb_object_agg(refund.id, refund.amount) FILTER (WHERE done) AS refunds,
              -sum(posting.amount) AS amount
         FROM payment.refund
         LEFT JOIN payment.ledger_transaction entry ON entry.refund_id = refund.id
         LEFT JOIN payment.ledger_posting posting ON transaction_id = entry.id
                AND account = 'provider_receivable:' || %(provider)s
        WHERE refund.payment_id = attempt.payment_id AND refund.attempt = attempt.number
       ) back ON true
 WHERE attempt.provider = %(provider)s
"""
_RECENT = _SELECT + (  # noqa: S608 - constants
    " AND (attempt.created_at >= to_timestamp(%(since)s)"
    " OR (payment_id, number) IN (SELECT payment_id, attempt FROM payment.refund"
    " WHERE created_at >= to_timestamp(%(since)s)))"
)
_NAMED = _SELECT + " AND provider_key = ANY(%(keys)s)"


@dataclass(frozen=True, slots=True)
class Ours:
    """What we know of a charge; money in minor units."""

    key: str
    payment_id: UUID
    number: int
    reference: str
    charge: str
    charge_id: str
    amount: int
    currency: str
    captured: int
    refunded: int
    ledger_captured: int
    ledger_refunded: int
    refunds: Mapping[str, int]  # done ones, by id


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not the same on both sides."""

    key: str
    reference: str  # the booking's; empty where the charge is none of ours
    what: str
    theirs: str
    ours: str


@dataclass(frozen=True, slots=True)
class Findings:
    """What a comparison came to."""

    charges: int
    differences: Sequence[Difference]
    payments: Mapping[str, tuple[UUID, int]]  # key -> payment and attempt, of those that differ


def differences(theirs: Listed | None, ours: Ours | None) -> Sequence[Difference]:
    """What differs about one charge; amounts are told in major units."""
    if ours is None:
        assert theirs is not None  # noqa: S101 - one of the two names the charge
        captured, refunded = (
            money(each, theirs.currency) for each in (theirs.captured, theirs.refunded)
        )
        told = f"{theirs.state}, captured {captured}, refunded {refunded}"
        return [Difference(theirs.key, "", "MISSING_HERE", told, "")]
    found: list[Difference] = []

    def differ(what: str, there: int | str | None, here: int | str | None) -> None:
        if there != here:
            told = (_told(there, (theirs or ours).currency), _told(here, ours.currency))
            found.append(Difference(ours.key, ours.reference, what, *told))

    if theirs is None:
        # A request that is still to be made, or was refused unmade, leaves nothing there.
        if ours.charge_id or ours.ledger_captured:
            differ(
                "MISSING_THERE",
                "",
                f"{ours.charge}, captured {money(ours.captured, ours.currency)}",
            )
        return found
    differ("AMOUNT_DIFFERS", theirs.amount, ours.amount)
    differ("CURRENCY_DIFFERS", theirs.currency, ours.currency)
    differ("STATE_DIFFERS", theirs.state.value, ours.charge)
    differ("CAPTURE_DIFFERS", theirs.captured, ours.captured)
    differ("CAPTURE_NOT_IN_LEDGER", theirs.captured, ours.ledger_captured)
    back = {refund_key(UUID(id)): amount for id, amount in ours.refunds.items()}
    for key in sorted({*theirs.refunds, *back}):
        there, here = theirs.refunds.get(key), back.get(key)
        if here is None:
            differ(f"REFUND_MISSING_HERE {key}", there, "")
        elif there is None:
            differ(f"REFUND_MISSING_THERE {key}", "", here)
        else:
            differ(f"REFUND_DIFFERS {key}", there, here)
    differ("REFUNDS_NOT_IN_LEDGER", theirs.refunded, ours.ledger_refunded)
    differ("REFUNDED_DIFFERS", theirs.refunded, ours.refunded)
    return found


def _told(value: int | str | None, currency: str) -> str:
    return money(value, currency) if isinstance(value, int) else str(value)


async def compare(
    reader_url: str, provider: Provider, *, since: float, settle_seconds: float = _SETTLE_SECONDS
) -> Findings:
    """Compares everything that moved at or after `since` (Unix seconds).

    Raises:
        psycopg.Error: our side can't be read.
        ProviderUnavailableError: theirs can't.
    """
    differing: dict[str, None] = {}
    charges = 0
    async with await psycopg.AsyncConnection.connect(reader_url, autocommit=True) as connection:
        left = {ours.key async for ours in _ours(connection, _RECENT, provider.name, since=since)}
        async for theirs in _batches(provider.list_charges(since)):
            charges += len(theirs)
            known = await _named(connection, provider.name, [charge.key for charge in theirs])
            for charge in theirs:
                left.discard(charge.key)
                if differences(charge, known.get(charge.key)):
                    differing[charge.key] = None
        # Those that we know and that were not listed: made before, or there is something to tell.
        charges += len(left)
        if not differing and not left:
            return Findings(charges, (), {})
        if differing:
            await asyncio.sleep(settle_seconds)
        found: list[Difference] = []
        payments: dict[str, tuple[UUID, int]] = {}
        keys = [*differing, *sorted(left)]
        for start in range(0, len(keys), _BATCH):
            batch = keys[start : start + _BATCH]
            # Theirs first: what they have we must know, a moment later at the latest.
            listed = {key: await provider.find_listed(key) for key in batch}
            known = await _named(connection, provider.name, batch)
            for key in batch:
                if listed[key] is None and key not in known:
                    continue
                told = differences(listed[key], known.get(key))
                found += told
                if told and key in known:
                    payments[key] = known[key].payment_id, known[key].number
        return Findings(charges, found, payments)


async def _named(
    connection: psycopg.AsyncConnection[object], provider: str, keys: Sequence[str]
) -> dict[str, Ours]:
    return {ours.key: ours async for ours in _ours(connection, _NAMED, provider, keys=keys)}


async def _ours(
    connection: psycopg.AsyncConnection[object], sql: str, provider: str, **parameters: object
) -> AsyncIterator[Ours]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(sql, {"provider": provider, **parameters})
        async for row in cursor:
            yield Ours(**row)


async def _batches(charges: AsyncIterator[Listed]) -> AsyncIterator[Sequence[Listed]]:
    batch: list[Listed] = []
    async for charge in charges:
        batch.append(charge)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    yield batch


async def look_again(payment_url: str, charges: Iterable[tuple[UUID, int]]) -> int:
    """Has payment_service ask the provider about charges, by its own work list; gives how many.

    A charge that is final here is left as it is: money that moved after that needs a person.
    """
    database = Database(payment_url, "payment", pool_size=1)
    try:
        async with database.transaction() as session:
            return await calls.look_again(session, list(charges))
    finally:
        await database.close()


def report(
    reader_url: str,
    *,
    sandbox_url: str,
    api_key: str,
    hours: float,
    payment_url: str | None,
    as_json: bool,
) -> int:
    """Prints what differs. 0: nothing; 1: something; 2: it can't be told.

    `payment_url`: where look-ups are asked for; None: nothing is changed.
    """
    try:
        found, asked = asyncio.run(_run(reader_url, sandbox_url, api_key, hours, payment_url))
    except (psycopg.Error, DatabaseError, ProviderUnavailableError) as error:
        return untold(error)
    code = WRONG if found.differences else WELL
    if as_json:
        rows = [asdict(each) for each in found.differences]
        print(as_text({"charges": found.charges, "differences": rows, "looked_up": asked}))
        return code
    out = console()
    if found.differences:
        shown = [
            (each.reference or "-", each.key, each.what, each.theirs or "-", each.ours or "-")
            for each in found.differences
        ]
        show(out, ("Booking", "Key", "What", "Provider", "Here"), shown)
        out.print(f"{len(shown)} differences in {found.charges} charges.", style="red")
    else:
        out.print(f"{found.charges} charges, the same on both sides.", style="green")
    if payment_url is not None:
        out.print(f"{asked} will be looked up.")
    return code


async def _run(
    reader_url: str, sandbox_url: str, api_key: str, hours: float, payment_url: str | None
) -> tuple[Findings, int]:
    provider = SandboxProvider(
        url=sandbox_url,
        api_key=api_key,
        webhook_secrets=[],
        return_url=None,
        deadline_seconds=_DEADLINE_SECONDS,
        connections=4,
    )
    async with aclosing(provider):
        found = await compare(reader_url, provider, since=time.time() - hours * 3600)
    if payment_url is None or not found.payments:
        return found, 0
    return found, await look_again(payment_url, found.payments.values())
