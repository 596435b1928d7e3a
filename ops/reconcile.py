"""Compares the provider's own books with ours: payments, refunds and the ledger, charge by charge.

Both sides move while they are read, so what differs is looked at once more a little later, and only
what still differs is told.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from chassis.database import Database, DatabaseError
from ops.terminal import as_text, console, money, show
from ops.verdicts import WELL, WRONG, untold
from payment_service.domain import (
    FINAL,
    Charge,
    ChargeState,
    Listed,
    ProviderUnavailableError,
    Refunded,
    Refused,
    Result,
    Unknown,
    Unreachable,
    parse_provider_key,
    refund_key,
)
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
# Whether anything here could still come to ask for the charge.
_AWAITED = """
SELECT EXISTS (SELECT FROM payment.attempt WHERE provider_key = %(key)s)
    OR EXISTS (SELECT FROM payment.payment WHERE id = %(payment_id)s)
    OR EXISTS (SELECT FROM booking.booking JOIN booking.saga USING (booking_id)
                WHERE payment_id = %(payment_id)s
                  AND state NOT IN ('FAILED', 'EXPIRED', 'CANCELLED'))
"""
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
    unknown: Sequence[Listed] = ()  # those that hold money and that we know nothing of


@dataclass(frozen=True, slots=True)
class GivenBack:
    """What became of an unknown charge."""

    key: str
    amount: str  # major units
    outcome: str  # RETURNED, LET_GO, or why not


def differences(theirs: Listed | None, ours: Ours | None) -> Sequence[Difference]:
    """What differs about one charge; amounts are told in major units."""
    if ours is None:
        assert theirs is not None  # noqa: S101 - one of the two names the charge
        if theirs.state in FINAL and theirs.captured == theirs.refunded:
            return []  # it holds nobody's money: declined, let go, or given back
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
        unknown: list[Listed] = []
        keys = [*differing, *sorted(left)]
        for start in range(0, len(keys), _BATCH):
            batch = keys[start : start + _BATCH]
            # Theirs first: what they have we must know, a moment later at the latest.
            listed = {key: await provider.find_listed(key) for key in batch}
            known = await _named(connection, provider.name, batch)
            for key in batch:
                theirs_now = listed[key]
                if theirs_now is None and key not in known:
                    continue
                told = differences(theirs_now, known.get(key))
                found += told
                if told and theirs_now is not None and key not in known:
                    unknown.append(theirs_now)
                if told and key in known:
                    payments[key] = known[key].payment_id, known[key].number
        return Findings(charges, found, payments, unknown)


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


async def give_back(
    reader_url: str, provider: Provider, charges: Sequence[Listed]
) -> Sequence[GivenBack]:
    """Gives back what charges hold that nothing here knows of, as after a restore.

    Each is looked at once more before: one that a booking under way may still ask for is left, and
    so is one whose key is not of our making. Again it has no second effect.

    Raises:
        psycopg.Error: our side can't be read.
    """
    done: list[GivenBack] = []
    async with await psycopg.AsyncConnection.connect(reader_url, autocommit=True) as connection:
        for charge in charges:
            outcome = await _give_back(connection, provider, charge)
            left = charge.captured - charge.refunded or charge.amount
            done.append(GivenBack(charge.key, money(left, charge.currency), outcome))
    return done


async def _give_back(
    connection: psycopg.AsyncConnection[tuple[bool]], provider: Provider, charge: Listed
) -> str:
    parsed = parse_provider_key(charge.key)
    if parsed is None:
        return "left: its key is not of Parterre's making"
    asked = await connection.execute(_AWAITED, {"key": charge.key, "payment_id": parsed[0]})
    if await asked.fetchone() != (False,):
        return "left: a booking here may still ask for it; try again when that has ended"
    if charge.state is ChargeState.CAPTURED:
        left = charge.captured - charge.refunded
        result = await provider.refund(f"give-back:{charge.key}", charge.id, left)
        return "RETURNED" if isinstance(result, Refunded) else _refusal(result)
    result = await provider.void(charge.key, charge.id)
    is_void = isinstance(result, Charge) and result.state is ChargeState.VOIDED
    return "LET_GO" if is_void else _refusal(result)


def _refusal(result: Result) -> str:
    match result:
        case Unknown(why) | Unreachable(why):
            return f"not yet: {why}; try again"
        case Refused(reason):
            return f"the provider refuses: {reason}; try again when it has been decided there"
        case _:
            return "not yet: the provider has not decided; try again"


def report(
    reader_url: str,
    *,
    sandbox_url: str,
    api_key: str,
    hours: float,
    payment_url: str | None,
    agree: Callable[[Sequence[Listed]], bool] | None = None,
    as_json: bool,
) -> int:
    """Prints what differs. 0: nothing; 1: something; 2: it can't be told.

    `payment_url`: where look-ups are asked for; None: none are. `agree` is shown what is unknown
    here before that is given back; None: nothing is.
    """

    def provider() -> SandboxProvider:
        return SandboxProvider(
            url=sandbox_url,
            api_key=api_key,
            webhook_secrets=[],
            return_url=None,
            deadline_seconds=_DEADLINE_SECONDS,
            connections=4,
        )

    try:
        found, asked = asyncio.run(_run(reader_url, provider, hours, payment_url))
        back: Sequence[GivenBack] = ()
        if agree is not None and found.unknown and agree(found.unknown):
            back = asyncio.run(_give_all_back(reader_url, provider, found.unknown))
    except (psycopg.Error, DatabaseError, ProviderUnavailableError) as error:
        return untold(error)
    code = WRONG if found.differences else WELL
    if as_json:
        rows = [asdict(each) for each in found.differences]
        told = {"charges": found.charges, "differences": rows, "looked_up": asked}
        print(as_text({**told, "given_back": [asdict(each) for each in back]}))
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
    if back:
        show(out, ("Key", "Amount", "Outcome"), [(e.key, e.amount, e.outcome) for e in back])
    return code


async def _run(
    reader_url: str, make: Callable[[], Provider], hours: float, payment_url: str | None
) -> tuple[Findings, int]:
    async with aclosing(make()) as provider:
        found = await compare(reader_url, provider, since=time.time() - hours * 3600)
    if payment_url is None or not found.payments:
        return found, 0
    return found, await look_again(payment_url, found.payments.values())


async def _give_all_back(
    reader_url: str, make: Callable[[], Provider], charges: Sequence[Listed]
) -> Sequence[GivenBack]:
    async with aclosing(make()) as provider:
        return await give_back(reader_url, provider, charges)
