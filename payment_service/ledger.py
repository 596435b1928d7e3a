"""The ledger: double entry. Every transaction's postings sum to zero, in its one currency.

A debit is positive, a credit negative. When a charge is captured the provider owes us the money
(`provider_receivable`, an asset); what of it is the house's fee is ours (`house_fees`, income), and
the rest we owe to the organizer (`organizer_payable`, a liability). A refund is the same the other
way round, and takes from both in proportion. What a provider owes us must equal what it says.
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


# The account of what the house keeps.
HOUSE_FEES = "house_fees"


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
    fees: int,
    currency: str,
) -> Entry:
    """The transaction of a capture of `amount` minor units, of which `fees` are the house's.

    Raises:
        ValueError: the amount is not positive, or the fees are no part of it.
    """
    postings = _move(provider, organizer_id, _positive(amount), _part(fees, amount))
    return Entry(EntryKind.CAPTURE, payment_id, attempt, None, currency, postings)


def refunded(
    payment_id: UUID,
    attempt: int,
    refund_id: UUID,
    *,
    provider: str,
    organizer_id: UUID,
    amount: int,
    before: int,
    captured: int,
    fees: int,
    currency: str,
) -> Entry:
    """The transaction of a refund of `amount` minor units.

    It is a part of `captured`, of which `fees` were the house's and `before` went back before. The
    fees go back in proportion to all that went back so far, so that with the last of it none are
    left.

    Raises:
        ValueError: the amount is not positive, or more than was captured would have gone back.
    """
    back = fees_back(fees, before + _part(_positive(amount), captured - before), captured)
    fees_now = back - fees_back(fees, before, captured)
    postings = _move(provider, organizer_id, -amount, -fees_now)
    return Entry(EntryKind.REFUND, payment_id, attempt, refund_id, currency, postings)


def fees_back(fees: int, refunded: int, captured: int) -> int:
    """What of the fees went back with `refunded` of what was captured; rounded half up."""
    return (2 * fees * refunded + captured) // (2 * captured)


def _positive(amount: int) -> int:
    if amount <= 0:
        raise ValueError("an amount is positive")
    return amount


def _part(part: int, whole: int) -> int:
    if not 0 <= part <= whole:
        raise ValueError("a part is not more than the whole")
    return part


def _move(provider: str, organizer_id: UUID, amount: int, fees: int) -> tuple[Posting, ...]:
    postings = (
        Posting(provider_receivable(provider), amount),
        Posting(organizer_payable(organizer_id), fees - amount),
        Posting(HOUSE_FEES, -fees),
    )
    return tuple(posting for posting in postings if posting.amount)
