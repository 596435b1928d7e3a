"""Payments: their values, and what the booking is told of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from payment_service.domain.charges import ChargeState

PROVIDER_TIMEOUT = "PROVIDER_TIMEOUT"
PAYMENT_VOIDED = "PAYMENT_VOIDED"
SUPERSEDED = "SUPERSEDED"
AMOUNT_TOO_LARGE = "AMOUNT_TOO_LARGE"
# The most that is charged at once, minor units: more than that no booking may cost.
MAX_AMOUNT = 10**12
AUTHORIZATION_LOST = "AUTHORIZATION_LOST"


class Status(StrEnum):
    """How a payment stands; an attempt uses all but the last two."""

    INITIATED = "INITIATED"
    REQUIRES_ACTION = "REQUIRES_ACTION"
    AUTHORIZED = "AUTHORIZED"  # set aside, and about to be captured
    CAPTURED = "CAPTURED"
    FAILED = "FAILED"
    VOIDED = "VOIDED"
    REFUNDED = "REFUNDED"
    PARTIALLY_REFUNDED = "PARTIALLY_REFUNDED"


class Outcome(StrEnum):
    """What the booking is told."""

    CHARGED = "CHARGED"
    CHARGE_REFUSED = "CHARGE_REFUSED"
    ACTION_REQUIRED = "ACTION_REQUIRED"
    GIVEN_BACK = "GIVEN_BACK"
    REFUNDED = "REFUNDED"
    PAID_LATE = "PAID_LATE"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to be paid: one charge. Money in minor units."""

    number: int
    method: str
    token: str | None = field(default=None, repr=False)  # until a charge is known
    provider: str = ""  # by name
    status: Status = Status.INITIATED
    reason: str = ""
    charge: ChargeState = ChargeState.UNKNOWN
    charge_id: str = ""
    action_url: str = ""
    voidable: bool = True  # until the provider says that it can't be recalled
    captured: int = 0
    refunding: int = 0  # asked to go back, what went back included
    refunded: int = 0  # went back
    created_at: datetime | None = None  # set by the database


@dataclass(frozen=True, slots=True)
class Refund:
    """Money on its way back."""

    id: UUID
    attempt: int
    amount: int  # minor units
    reason: str
    automatic: bool  # nobody asked for it: the charge was not wanted
    done: bool = False
    requested_by: UUID | None = None  # who asked for it without the saga
    created_at: datetime | None = None  # set by the database


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment: one per booking. A tombstone has no attempts, and only its ids."""

    id: UUID
    booking_id: UUID
    booking_reference: str = ""
    customer_id: UUID | None = None
    organizer_id: UUID | None = None
    amount: int = 0
    currency: str = ""
    void: bool = False  # a GiveBack was commanded
    status: Status = Status.INITIATED
    attempts: tuple[Attempt, ...] = ()
    created_at: datetime | None = None  # set by the database
    saga_step: int = 0  # the newest that commanded it: older ones have no effect
    fees: int = 0  # of the amount, what the house keeps
    refund_awaited: bool = False  # the saga asked for a refund, and was not told that all is back
    event_id: UUID | None = None  # None: a tombstone, or paid before this was kept

    @property
    def last(self) -> Attempt | None:
        """The newest attempt."""
        return self.attempts[-1] if self.attempts else None

    @property
    def paid(self) -> tuple[int, int]:
        """What the booking is paid: captured, and of that gone back; minor units.

        By one attempt alone: what an abandoned page brings is no part of it. Both only ever rise.
        """
        last = self.last
        if last is None or last.status is not Status.CAPTURED:
            return 0, 0
        return last.captured, last.refunded

    def find(self, number: int) -> Attempt | None:
        """The attempt with that number, if there is one."""
        return next((each for each in self.attempts if each.number == number), None)

    def attempt(self, number: int) -> Attempt:
        """The attempt with that number.

        Raises:
            LookupError: there is none.
        """
        attempt = self.find(number)
        if attempt is None:
            raise LookupError(f"payment {self.id} has no attempt {number}")
        return attempt

    def keeps(self, attempt: Attempt) -> bool:
        """Whether the attempt's charge is wanted; one that is not will be undone."""
        newest = self.attempts[-1].number == attempt.number
        return newest and not self.void and attempt.status is not Status.FAILED

    def with_attempt(self, changed: Attempt) -> Payment:
        """The payment with that attempt in the place of the one of the same number."""
        return replace(
            self,
            attempts=tuple(
                changed if each.number == changed.number else each for each in self.attempts
            ),
        )


# --- what is told, and what follows --------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reply:
    """What the booking is told."""

    booking_id: UUID
    payment_id: UUID
    outcome: Outcome
    attempt: int = 0
    reason: str = ""
    action_url: str = ""
    # Of the payment as it is after what is told.
    saga_step: int = 0
    captured: int = 0  # minor units, by the attempt that the booking is paid by
    refunded: int = 0  # minor units, of that


@dataclass(frozen=True, slots=True)
class PaidBack:
    """What the booking is told of money that went back without its asking."""

    booking_id: UUID
    payment_id: UUID
    captured: int  # minor units, by the attempt that the booking is paid by
    refunded: int  # minor units, of that
    reason: str


@dataclass(frozen=True, slots=True)
class MoneyReturned:
    """To whom it concerns: a refund was made."""

    payment: Payment  # as it is after it
    refund: Refund
    at: datetime  # by the database's clock


@dataclass(frozen=True, slots=True)
class ProviderState:
    """What the bookings are told of a provider."""

    provider: str
    methods: tuple[str, ...]  # that go by it
    available: bool  # it answers, so that a new payment does not only wait
    told_at: datetime  # by the database's clock: the newest holds


@dataclass(frozen=True, slots=True)
class Step:
    """The payment after something happened, whom to tell, and what to give back."""

    payment: Payment
    replies: tuple[Reply, ...] = ()
    refunds: tuple[Refund, ...] = ()
    paid_back: PaidBack | None = None


# --- commands ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ChargePayment:
    """Start an attempt of the payment, which is `offered` if there is none yet."""

    offered: Payment
    attempt: int
    method: str
    token: str | None = field(repr=False)

    @property
    def payment_id(self) -> UUID:
        """Which payment."""
        return self.offered.id

    @property
    def saga_step(self) -> int:
        """The saga's step that asks."""
        return self.offered.saga_step


@dataclass(frozen=True, slots=True)
class GiveBackPayment:
    """Undo the payment; where it has not begun, a tombstone keeps it from ever beginning."""

    payment_id: UUID
    booking_id: UUID
    saga_step: int

    @property
    def offered(self) -> Payment:
        """The tombstone."""
        return Payment(
            self.payment_id,
            self.booking_id,
            void=True,
            status=Status.VOIDED,
            saga_step=self.saga_step,
        )


@dataclass(frozen=True, slots=True)
class RefundPayment:
    """Give a share of what was captured, and is not going back already, back."""

    payment_id: UUID
    refund_id: UUID
    percent: int
    reason: str
    saga_step: int
    amount: int | None = None  # minor units, instead of the share: from a saga of before


Command = ChargePayment | GiveBackPayment | RefundPayment


def commanded(payment: Payment, saga_step: int) -> Payment | None:
    """The payment as a command of that step finds it; None where a newer one came before."""
    return replace(payment, saga_step=saga_step) if saga_step >= payment.saga_step else None
