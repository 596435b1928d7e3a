"""Charges as providers know them: what is asked of a provider, and what it may answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

CARD = "CARD"
METHODS = (CARD, "KHALTI", "ESEWA")


class ChargeState(StrEnum):
    """What is known of a charge."""

    UNKNOWN = "UNKNOWN"  # to be made, or made without an answer
    ABSENT = "ABSENT"  # looked up and not found; it may still turn up
    PENDING = "PENDING"
    REQUIRES_ACTION = "REQUIRES_ACTION"
    AUTHORIZED = "AUTHORIZED"  # set aside, and to be captured or let go
    CAPTURED = "CAPTURED"
    DECLINED = "DECLINED"
    VOIDED = "VOIDED"


FINAL = frozenset({ChargeState.CAPTURED, ChargeState.DECLINED, ChargeState.VOIDED})
_RANK: Mapping[ChargeState, int] = {
    ChargeState.UNKNOWN: 0,
    ChargeState.ABSENT: 0,
    ChargeState.PENDING: 1,
    ChargeState.REQUIRES_ACTION: 2,
    ChargeState.AUTHORIZED: 3,
    **dict.fromkeys(FINAL, 4),
}


def rank(state: ChargeState) -> int:
    """How far a charge has come; it never goes back."""
    return _RANK[state]


class Kind(StrEnum):
    """What a provider is called for."""

    CHARGE = "CHARGE"
    VOID = "VOID"
    REFUND = "REFUND"
    LOOKUP = "LOOKUP"


# --- what a provider may answer ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Charge:
    """A charge as its provider tells it."""

    state: ChargeState
    id: str = ""  # the provider's own
    captured: int = 0  # minor units
    reason: str = ""  # of one that is DECLINED or VOIDED, in our words
    action_url: str = ""  # of one that is REQUIRES_ACTION


@dataclass(frozen=True, slots=True)
class Absent:
    """The provider knows no charge under the key."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The provider said no, for good."""

    reason: str  # in our words


@dataclass(frozen=True, slots=True)
class Refunded:
    """The money went back."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """No answer, or none that could be understood: the call may have had its effect."""

    why: str


@dataclass(frozen=True, slots=True)
class Unreachable:
    """The call never left: it had no effect."""

    why: str


Result = Charge | Absent | Refused | Refunded | Unknown | Unreachable


@dataclass(frozen=True, slots=True)
class Listed:
    """A charge in the provider's own books; money in minor units."""

    key: str
    id: str  # the provider's own
    state: ChargeState
    amount: int
    currency: str
    captured: int
    refunds: Mapping[str, int]  # what went back, by refund key

    @property
    def refunded(self) -> int:
        """What went back in all."""
        return sum(self.refunds.values())


@dataclass(frozen=True, slots=True)
class Order:
    """What a provider is asked to charge."""

    key: str
    amount: int  # minor units
    currency: str
    method: str
    token: str | None = field(repr=False)
    reference: str
    charge_id: str = ""  # of what is set aside already, and only to be captured


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """A provider's event, its signature verified; what it claims is a hint and no more."""

    id: str
    key: str
    claims: ChargeState
    # Unix seconds, and how far from the database's clock that may be.
    signed_at: float
    tolerance_seconds: float


# --- keys ----------------------------------------------------------------------------------------


def provider_key(payment_id: UUID, attempt: int) -> str:
    """The key under which a provider knows an attempt's charge: stored before it is ever used."""
    return f"charge:{payment_id}:{attempt}"


def parse_provider_key(key: str) -> tuple[UUID, int] | None:
    """Payment and attempt of a provider key; None where it is none of ours."""
    try:
        prefix, id, number = key.split(":")
        parsed = UUID(id), int(number)
    except ValueError:
        return None
    return parsed if prefix == "charge" and provider_key(*parsed) == key else None


def refund_key(refund_id: UUID) -> str:
    """The key under which a provider knows a refund."""
    return f"refund:{refund_id}"
