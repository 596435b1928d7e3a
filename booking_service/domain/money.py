"""Amounts, in whole minor units of one currency."""

from __future__ import annotations

from dataclasses import dataclass

# The most that a booking costs, minor units: as much as a price may be, and as payment takes.
MAX_AMOUNT = 10**12


@dataclass(frozen=True, slots=True)
class Price:
    """What a booking costs, in minor units of one currency."""

    subtotal: int
    discount: int
    tax: int
    fees: int
    total: int
    currency: str


@dataclass(frozen=True, slots=True)
class Fees:
    """What is added for the house: a share of what the tickets cost, and so much for each."""

    basis_points: int = 0  # 250 are 2.5 %
    per_ticket: int = 0  # minor units


def half_up(numerator: int, denominator: int) -> int:
    """The quotient of two whole numbers, not negative, rounded half up: the one rounding there is.

    Every amount is a whole number of minor units; nothing is ever a fraction in between.
    """
    return (2 * numerator + denominator) // (2 * denominator)
