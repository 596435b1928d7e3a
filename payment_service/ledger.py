"""The ledger: double entry. Every transaction's postings sum to zero, in its one currency.

A debit is positive, a credit negative. When a charge is captured the provider owes us the money
(`provider_receivable`, an asset) and we owe it to the organizer (`organizer_payable`, a liability);
a refund is the same the other way round. What a provider owes us must equal what it says itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class EntryKind(StrEnum):
    """Why money moved."""

    CAPTURE = "CAPTURE"
    REFUND = "REFUND"


@dataclass(frozen=True, slots=True)
class Posting:
    """One line of a transaction."""

    account: str
    amount: int  # minor units; debit > 0, credit < 0


@dataclass(frozen=True, slots=True)
class Entry:
    """One transaction."""

    kind: EntryKind
    payment_id: UUID
    attempt: int
    refund_id: UUID | None
    currency: str
    postings: tuple[Posting, ...]

    def __post_init__(self) -> None:
        if sum(posting.amount for posting in self.postings) != 0:
            raise ValueError("a transaction's postings sum to zero")
        if any(posting.amount == 0 for posting in self.postings):
            raise ValueError("a posting moves money")


def provider_receivable(provider: str) -> str:
    """The account of what a provider owes us."""
    return f"provider_receivable:{provider}"


def organizer_payable(organizer_id: UUID) -> str:
    """The account of what we owe an organizer."""
    return f"organizer_payable:{organizer_id}"


def captured(
    payment_id: UUID,
    attempt: int,
    *,
    provider: str,
    organizer_id: UUID,
    amount: int,
    currency: str,
) -> Entry:
    """The transaction of a capture of `amount` minor units.

    Raises:
        ValueError: the amount is not positive.
    """
    postings = _move(provider, organizer_id, _positive(amount))
    return Entry(EntryKind.CAPTURE, payment_id, attempt, None, currency, postings)


def refunded(
    payment_id: UUID,
    attempt: int,
    refund_id: UUID,
    *,
    provider: str,
    organizer_id: UUID,
    amount: int,
    currency: str,
) -> Entry:
    """The transaction of a refund of `amount` minor units.

    Raises:
        ValueError: the amount is not positive.
    """
    postings = _move(provider, organizer_id, -_positive(amount))
    return Entry(EntryKind.REFUND, payment_id, attempt, refund_id, currency, postings)


def _positive(amount: int) -> int:
    if amount <= 0:
        raise ValueError("an amount is positive")
    return amount


def _move(provider: str, organizer_id: UUID, amount: int) -> tuple[Posting, ...]:
    return (
        Posting(provider_receivable(provider), amount),
        Posting(organizer_payable(organizer_id), -amount),
    )
