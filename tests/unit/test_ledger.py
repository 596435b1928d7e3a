"""The ledger's transactions: what is debited, what is credited, and that it sums to zero."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payment_service import ledger
from payment_service.ledger import Entry, EntryKind, Posting

PAYMENT, ORGANIZER, REFUND = (UUID(int=number) for number in (1, 2, 3))


def captured(amount: int, fees: int = 0) -> Entry:
    return ledger.captured(
        PAYMENT,
        1,
        provider="sandbox",
        organizer_id=ORGANIZER,
        amount=amount,
        fees=fees,
        currency="NPR",
    )


def refunded(amount: int, *, before: int = 0, of: int = 10**12, fees: int = 0) -> Entry:
    return ledger.refunded(
        PAYMENT,
        1,
        REFUND,
        provider="sandbox",
        organizer_id=ORGANIZER,
        amount=amount,
        before=before,
        captured=of,
        fees=fees,
        currency="NPR",
    )


def test_a_capture_debits_the_provider_and_credits_the_organizer() -> None:
    entry = captured(1000)
    assert entry.postings == (
        Posting("provider_receivable:sandbox", 1000),
        Posting(f"organizer_payable:{ORGANIZER}", -1000),
    )


def test_what_is_the_houses_is_not_the_organizers() -> None:
    assert captured(1000, 150).postings == (
        Posting("provider_receivable:sandbox", 1000),
        Posting(f"organizer_payable:{ORGANIZER}", -850),
        Posting("house_fees", -150),
    )
    assert {each.account for each in captured(100, 100).postings} == {
        "provider_receivable:sandbox",
        "house_fees",
    }


@given(st.data(), st.integers(min_value=1, max_value=10**9))
def test_refunds_take_from_both_and_the_last_leaves_nothing(
    data: st.DataObject, taken: int
) -> None:
    fees = data.draw(st.integers(min_value=0, max_value=taken))
    entries, back = [captured(taken, fees)], 0
    while back < taken:
        amount = data.draw(
            st.integers(min_value=max(1, (taken - back) // 3), max_value=taken - back)
        )
        entries.append(refunded(amount, before=back, of=taken, fees=fees))
        back += amount
        kept = -sum(
            posting.amount
            for entry in entries
            for posting in entry.postings
            if posting.account == ledger.HOUSE_FEES
        )
        assert abs(kept * taken - fees * (taken - back)) * 2 <= taken  # the share, rounded
    balances: Counter[str] = Counter()
    for entry in entries:
        for posting in entry.postings:
            balances[posting.account] += posting.amount
    assert set(balances.values()) == {0}


@pytest.mark.parametrize(("amount", "before"), [(1, 100), (101, 0), (51, 50)])
def test_no_more_goes_back_than_was_captured(amount: int, before: int) -> None:
    with pytest.raises(ValueError, match="part"):
        refunded(amount, before=before, of=100)


@given(st.lists(st.integers(min_value=1, max_value=10**12), max_size=20))
def test_captures_and_refunds_sum_to_zero_and_refunds_undo_captures(amounts: list[int]) -> None:
    balances: Counter[str] = Counter()
    for amount in amounts:
        for entry in (captured(amount), refunded(amount)):
            assert sum(posting.amount for posting in entry.postings) == 0
            for posting in entry.postings:
                balances[posting.account] += posting.amount
    assert set(balances.values()) <= {0}


@pytest.mark.parametrize("amount", [0, -1])
def test_no_transaction_moves_nothing_or_less(amount: int) -> None:
    with pytest.raises(ValueError, match="positive"):
        captured(amount)
    with pytest.raises(ValueError, match="positive"):
        refunded(amount)


@pytest.mark.parametrize(
    "postings",
    [(Posting("a", 1),), (Posting("a", 2), Posting("b", -1)), (Posting("a", 0), Posting("b", 0))],
)
def test_postings_that_do_not_balance_are_no_transaction(postings: tuple[Posting, ...]) -> None:
    with pytest.raises(ValueError, match=r"zero|moves money"):
        Entry(EntryKind.CAPTURE, PAYMENT, 1, None, "NPR", postings)
