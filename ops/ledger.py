"""The trial balance: what every account of the ledger holds, and that it all sums to zero."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

import psycopg
from psycopg.rows import class_row, scalar_row

from ops.terminal import as_text, console, money, show
from ops.verdicts import WELL, WRONG, untold
from presentation.amounts import major_units

# Chosen transactions whole: both sides of each, or the sum would say nothing.
_CHOSEN = """
WITH chosen AS (
    SELECT id, created_at FROM payment.ledger_transaction
     WHERE (CAST(%(until)s AS timestamptz) IS NULL OR created_at < %(until)s)
       AND (CAST(%(event)s AS uuid) IS NULL OR payment_id IN
            (SELECT payment_id FROM booking.booking WHERE event_id = %(event)s))
       AND (CAST(%(organizer)s AS text) IS NULL OR EXISTS
            (SELECT FROM payment.ledger_posting
              WHERE transaction_id = id AND account = 'organizer_payable:' || %(organizer)s))
), posting AS (
    SELECT id, account, currency, amount,
           CAST(%(since)s AS timestamptz) IS NULL OR created_at >= %(since)s AS in_period
      FROM chosen JOIN payment.ledger_posting ON transaction_id = id
)
"""
_ACCOUNTS = (
    _CHOSEN
    + """
SELECT account, currency,
       coalesce(sum(amount) FILTER (WHERE NOT in_period), 0)::bigint AS opening,
       coalesce(sum(amount) FILTER (WHERE in_period AND amount > 0), 0)::bigint AS debit,
       coalesce(-sum(amount) FILTER (WHERE in_period AND amount < 0), 0)::bigint AS credit,
       sum(amount)::bigint AS closing
  FROM posting GROUP BY account, currency ORDER BY currency, account
"""
)
# A transaction without postings moves nothing, and says nothing.
_UNBALANCED = (
    _CHOSEN
    + """
SELECT id FROM chosen LEFT JOIN posting USING (id)
 GROUP BY id, currency HAVING coalesce(sum(amount), 1) <> 0 ORDER BY id
"""
)


@dataclass(frozen=True, slots=True)
class Balance:
    """An account in one currency, minor units: debit > 0, credit < 0."""

    account: str
    currency: str
    opening: int  # before the period
    debit: int  # in the period
    credit: int
    closing: int


@dataclass(frozen=True, slots=True)
class TrialBalance:
    """Every account, and what of the ledger does not sum to zero."""

    accounts: Sequence[Balance]
    off: dict[str, int]  # currency -> what the closing balances sum to, where that is not zero
    unbalanced: Sequence[UUID]  # transactions

    @property
    def is_balanced(self) -> bool:
        """Whether all of it sums to zero."""
        return not self.off and not self.unbalanced


def trial_balance(
    reader_url: str,
    *,
    event: UUID | None = None,
    organizer: UUID | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> TrialBalance:
    """Adds up the ledger, or what of it concerns an event or an organizer; in one snapshot.

    Raises:
        psycopg.Error: the database can't be read.
    """
    chosen = {
        "event": event,
        "organizer": None if organizer is None else str(organizer),
        "since": since,
        "until": until,
    }
    with psycopg.connect(reader_url) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        with connection.cursor(row_factory=class_row(Balance)) as cursor:
            accounts = cursor.execute(_ACCOUNTS, chosen).fetchall()
        with connection.cursor(row_factory=scalar_row) as cursor:
            unbalanced = cursor.execute(_UNBALANCED, chosen).fetchall()
    sums: dict[str, int] = {}
    for balance in accounts:
        sums[balance.currency] = sums.get(balance.currency, 0) + balance.closing
    return TrialBalance(
        accounts, {currency: sum_ for currency, sum_ in sums.items() if sum_}, unbalanced
    )


def report(
    reader_url: str,
    *,
    event: UUID | None,
    organizer: UUID | None,
    since: datetime | None,
    until: datetime | None,
    as_json: bool,
) -> int:
    """Prints the trial balance. 0: it balances; 1: it does not; 2: it can't be told."""
    out = console()
    try:
        found = trial_balance(
            reader_url, event=event, organizer=organizer, since=since, until=until
        )
    except psycopg.Error as error:
        return untold(error)
    if as_json:
        print(as_text({**asdict(found), "balanced": found.is_balanced}))
        return WELL if found.is_balanced else WRONG
    rows = [
        [
            each.account,
            each.currency,
            *(
                major_units(amount, each.currency)
                for amount in (each.opening, each.debit, each.credit, each.closing)
            ),
        ]
        for each in found.accounts
    ]
    columns = ("Account", "Currency", "Opening", "Debit", "Credit", "Closing")
    if rows:
        show(out, columns, rows, right="  rrrr")
    else:
        out.print("Nothing was posted.")
    for currency, sum_ in found.off.items():
        out.print(f"{money(sum_, currency)} is the sum, and not zero.", style="red")
    for id in found.unbalanced:
        out.print(f"Transaction {id} does not sum to zero.", style="red")
    if found.is_balanced:
        out.print("It all sums to zero. (A debit is positive.)", style="green")
    return WELL if found.is_balanced else WRONG
