"""What the saga asks of inventory and payment: a message for each step that asks for something."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self
from uuid import UUID

from booking_service.domain import Booking, Instrument, refund_id_of

if TYPE_CHECKING:
    from booking_service.saga.table import Saga


@dataclass(frozen=True, slots=True)
class Command:
    """What a step asks for; sent again, it is the same."""

    name: ClassVar[str]

    booking: Booking
    step: int  # the saga's: who is asked ignores one older than the newest it has seen

    @classmethod
    def of(cls, booking: Booking, saga: Saga, instrument: Instrument) -> Self:  # noqa: ARG003
        """The command of the state that the saga is in; `instrument` is what it is paid with."""
        return cls(booking, saga.step)


@dataclass(frozen=True, slots=True)
class ReserveSeats(Command):
    """To inventory: the hold is the booking's, and expires no more. Asked for by RPC."""

    name = "inventory.Reserve"


@dataclass(frozen=True, slots=True)
class SellSeats(Command):
    """To inventory: the reserved places are sold."""

    name = "inventory.Sell"


@dataclass(frozen=True, slots=True)
class ReleaseSeats(Command):
    """To inventory: the places are free, whatever they are now."""

    name = "inventory.Release"


@dataclass(frozen=True, slots=True)
class RestockSeats(Command):
    """To inventory: the places of a cancelled booking are free."""

    name = "inventory.Restock"


@dataclass(frozen=True, slots=True)
class ReclaimSeats(Command):
    """To inventory: sell the very places that were given back, if nothing stands against it."""

    name = "inventory.Reclaim"


@dataclass(frozen=True, slots=True)
class ChargePayment(Command):
    """To payment: begin an attempt, and take the money."""

    name = "payment.Charge"

    attempt: int
    instrument: Instrument

    @classmethod
    def of(cls, booking: Booking, saga: Saga, instrument: Instrument) -> Self:
        return cls(booking, saga.step, saga.attempt, instrument)


@dataclass(frozen=True, slots=True)
class GiveBackPayment(Command):
    """To payment: undo whatever was or will be charged."""

    name = "payment.GiveBack"


@dataclass(frozen=True, slots=True)
class RefundPayment(Command):
    """To payment: give back a share of what was not promised to go back already."""

    name = "payment.Refund"

    refund_id: UUID
    percent: int
    reason: str

    @classmethod
    def of(cls, booking: Booking, saga: Saga, instrument: Instrument) -> Self:  # noqa: ARG003
        refund_id = refund_id_of(booking.payment_id, saga.refunds)
        return cls(booking, saga.step, refund_id, saga.percent, saga.reason)
