"""What is shown of money that is under way, and of the ledger."""

from __future__ import annotations

from collections.abc import Collection

from prometheus_client import Gauge

from chassis.database import Session
from chassis.figures import MOST_COUNTED
from payment_service.ledger import provider_receivable
from payment_service.storage import calls, postings

# Transactions of the ledger: enough for minutes of the busiest sale, between two looks.
_NEWEST = 1000

UNKNOWN = Gauge(
    "parterre_money_unknown",
    "Charges without an answer or only set aside, and refunds that are not done, by provider;"
    f" {MOST_COUNTED} at most",
    ["provider"],
)
UNKNOWN_OLDEST_SECONDS = Gauge(
    "parterre_money_unknown_oldest_seconds",
    "For how long the oldest of them has been so, seconds; 0: there is none",
    ["provider"],
)
UNBALANCED = Gauge(
    "parterre_ledger_unbalanced",
    f"Transactions among the ledger's newest {_NEWEST} that do not sum to zero; 0 in good health",
)


class MoneyFigures:
    """Reads them, for providers that are known."""

    def __init__(self, providers: Collection[str]) -> None:
        self._accounts = [provider_receivable(name) for name in providers]
        self._gauges = {
            name: (UNKNOWN.labels(name), UNKNOWN_OLDEST_SECONDS.labels(name)) for name in providers
        }

    async def read(self, session: Session) -> None:
        """How much money is unknown, and whether the ledger balances."""
        rows = {row.provider: row for row in await calls.unknown(session, MOST_COUNTED)}
        for name, (unknown, oldest) in self._gauges.items():
            row = rows.get(name)
            unknown.set(row.calls if row else 0)
            oldest.set(row.oldest_seconds if row else 0)
        UNBALANCED.set(await postings.unbalanced(session, _NEWEST))
        for currency in await postings.currencies(session, self._accounts):
            postings.show(currency)
