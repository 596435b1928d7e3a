"""What a provider has to be called for, and when."""

from __future__ import annotations

from collections.abc import Sequence

from payment_service.domain.charges import FINAL, ChargeState, Kind, rank
from payment_service.domain.payments import Attempt, Payment
from payment_service.domain.steps import is_undone

_UNCERTAIN = 0.25, 30.0
_WAITING = 2.0, 30.0
_WATCHING = 5.0, 3600.0
# About a day of look-ups for a charge that may still turn up; after that its webhook alone tells.
WATCH_LOOKS = 32


def next_call(payment: Payment, attempt: Attempt, *, look_up: bool = False) -> Kind | None:
    """What the provider has to be called for now; None: the charge is at rest.

    `look_up`: the last call had no answer or there are news, so look before acting.
    """
    if attempt.charge in FINAL:
        return None
    if look_up:
        return Kind.LOOKUP
    if payment.keeps(attempt):
        # What is only set aside lacks its capture: charging under the same key makes up for it.
        to_charge = attempt.charge in {ChargeState.UNKNOWN, ChargeState.AUTHORIZED}
        return Kind.CHARGE if to_charge else Kind.LOOKUP
    undecided = attempt.charge in {ChargeState.PENDING, ChargeState.REQUIRES_ACTION}
    recallable = attempt.charge is ChargeState.AUTHORIZED or (undecided and attempt.voidable)
    return Kind.VOID if recallable else Kind.LOOKUP


def pause_seconds(
    payment: Payment, attempt: Attempt, kind: Kind, *, tries: int, jitter: float
) -> float | None:
    """How long to wait before the call `kind`; None: no more.

    `tries`: calls since the charge last moved; `jitter` in [0, 1) takes up to half away.
    """
    if tries == 0 and kind in {Kind.CHARGE, Kind.VOID}:
        return 0.0
    times = _UNCERTAIN
    if kind is Kind.LOOKUP and is_watched(payment, attempt):
        if tries >= WATCH_LOOKS:
            return None
        times = _WATCHING
    elif attempt.charge in {ChargeState.PENDING, ChargeState.REQUIRES_ACTION}:
        times = _WAITING
    return backoff_seconds(*times, tries=tries, jitter=jitter)


def is_watched(payment: Payment, attempt: Attempt) -> bool:
    """Whether the charge was given up, and is looked up only lest it turns up after all."""
    return not payment.keeps(attempt) and is_undone(attempt)


def is_waiting(payment: Payment, attempt: Attempt) -> bool:
    """Whether it is the customer's or the provider's turn, so that many look-ups are no alarm."""
    return is_watched(payment, attempt) or attempt.charge in {
        ChargeState.PENDING,
        ChargeState.REQUIRES_ACTION,
    }


def behind(claimed: ChargeState) -> tuple[ChargeState, ...]:
    """The states of which a charge that is `claimed` to be so would be news."""
    return tuple(state for state in ChargeState if rank(state) < rank(claimed))


def backoff_seconds(first: float, longest: float, *, tries: int, jitter: float) -> float:
    """Doubles from `first` to `longest` with the number of tries, less up to half by `jitter`."""
    return float(min(longest, first * 2 ** min(tries, 30)) * (1 - jitter / 2))


def totals(attempts: Sequence[Attempt]) -> tuple[int, int]:
    """What was captured and what went back, over all attempts, minor units."""
    return sum(each.captured for each in attempts), sum(each.refunded for each in attempts)
