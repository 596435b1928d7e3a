"""What becomes of a hold: its statuses, its reservation, and the commands of bookings' sagas."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from inventory_service.domain.holds import Hold


class HoldStatus(StrEnum):
    """Where a hold stands."""

    ACTIVE = "ACTIVE"
    RESERVED = "RESERVED"
    SOLD = "SOLD"
    RELEASED = "RELEASED"
    EXPIRED = "EXPIRED"


# What the seats of a hold are while it stands so. Reserving changes its row alone.
SEATS_OF: Mapping[HoldStatus, str] = {
    HoldStatus.ACTIVE: "HELD",
    HoldStatus.RESERVED: "HELD",
    HoldStatus.SOLD: "SOLD",
    HoldStatus.RELEASED: "AVAILABLE",
    HoldStatus.EXPIRED: "AVAILABLE",
}
_SHOWN: Mapping[HoldStatus, str] = {
    HoldStatus.ACTIVE: "ACTIVE",
    HoldStatus.RESERVED: "BOOKED",
    HoldStatus.SOLD: "BOOKED",
    HoldStatus.RELEASED: "RELEASED",
    HoldStatus.EXPIRED: "EXPIRED",
}


def shown_status(status: HoldStatus, *, due: bool) -> str:
    """The status as its owner sees it; `due` says that the hold's time is over."""
    return "EXPIRED" if status is HoldStatus.ACTIVE and due else _SHOWN[status]


# A reservation whose booking was not heard of for so long is asked after.
ASK_AFTER = timedelta(seconds=30)
# A payment that comes so long after the end of sales is still in time: as long as a booking waits
# for it.
PAYMENT_TIME = timedelta(minutes=10)


class Command(StrEnum):
    """What the booking's saga asks for."""

    RESERVE = "RESERVE"  # by sagas of before: those of today reserve by RPC
    SELL = "SELL"
    UNSELL = "UNSELL"  # by sagas of before, and ignored
    RELEASE = "RELEASE"
    RESTOCK = "RESTOCK"
    RECLAIM = "RECLAIM"


class Outcome(StrEnum):
    """How a command ended."""

    RESERVED = "RESERVED"
    RESERVE_REFUSED = "RESERVE_REFUSED"
    SOLD = "SOLD"
    RELEASED = "RELEASED"
    RESTOCKED = "RESTOCKED"
    RECLAIMED = "RECLAIMED"
    RECLAIM_REFUSED = "RECLAIM_REFUSED"


@dataclass(frozen=True, slots=True)
class SeatsOrder:
    """A command of the saga."""

    command: Command
    booking_id: UUID
    event_id: UUID
    hold_id: UUID
    saga_step: int
    hold_version: int = 0  # RESERVE only
    origin: tuple[str, str] | None = None  # request and trace: the answer carries them on


@dataclass(frozen=True, slots=True)
class SeatsAnswer:
    """How a command ended, to be told to the saga."""

    booking_id: UUID
    saga_step: int
    outcome: Outcome
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Somebody's hold, and the booking that is to be made of it."""

    hold_id: UUID
    customer_id: UUID
    booking_id: UUID


@dataclass(frozen=True, slots=True)
class Reservation:
    """A hold, as a booking that wants it finds it."""

    hold: Hold
    booking_id: UUID | None  # that it is reserved for
    event_open: bool


@dataclass(frozen=True, slots=True)
class AskReservation:
    """Whether the booking exists that a hold is reserved for, to be asked of booking_service."""

    booking_id: UUID
    event_id: UUID
    hold_id: UUID


@dataclass(frozen=True, slots=True)
class ReservationOrder:
    """What becomes of a reservation: its booking exists, or does not and never will."""

    booking_id: UUID
    hold_id: UUID
    exists: bool


class Step(NamedTuple):
    """What a command does to a hold: its next status (None: nothing changes) and the answer."""

    to: HoldStatus | None
    outcome: Outcome | None  # None: there is no answer to what can't be asked, and an alert
    reason: str = ""


_Table = Mapping[HoldStatus, Step]


def _stands(outcome: Outcome, *statuses: HoldStatus) -> dict[HoldStatus, Step]:
    return {status: Step(None, outcome) for status in statuses}


def _moves(to: HoldStatus, outcome: Outcome, *statuses: HoldStatus) -> dict[HoldStatus, Step]:
    return {status: Step(to, outcome) for status in statuses}


def _refuses(outcome: Outcome, **reasons: str) -> dict[HoldStatus, Step]:
    return {HoldStatus(status): Step(None, outcome, reason) for status, reason in reasons.items()}


_S = HoldStatus
# A reservation ends only by its own saga's Release, so a Sell always finds one.
_NOT_RESERVED = Step(None, None, "HOLD_NOT_RESERVED")
# Each command in each status. `step` lets no old command come here, so the newest has its way; one
# that was sent twice finds its effect standing and is answered so.
STEPS: Mapping[Command, _Table] = {
    Command.RESERVE: {
        **_moves(_S.RESERVED, Outcome.RESERVED, _S.ACTIVE),
        **_stands(Outcome.RESERVED, _S.RESERVED, _S.SOLD),
        **_refuses(Outcome.RESERVE_REFUSED, RELEASED="HOLD_RELEASED", EXPIRED="HOLD_EXPIRED"),
    },
    Command.SELL: {
        **_moves(_S.SOLD, Outcome.SOLD, _S.RESERVED),
        **_stands(Outcome.SOLD, _S.SOLD),
        **dict.fromkeys((_S.ACTIVE, _S.RELEASED, _S.EXPIRED), _NOT_RESERVED),
    },
    # Also what is SOLD: a Reclaim that was refused may have succeeded when it came once more.
    Command.RELEASE: {
        **_moves(_S.RELEASED, Outcome.RELEASED, _S.ACTIVE, _S.RESERVED, _S.SOLD),
        **_stands(Outcome.RELEASED, _S.RELEASED, _S.EXPIRED),
    },
    Command.RESTOCK: {
        **_moves(_S.RELEASED, Outcome.RESTOCKED, _S.ACTIVE, _S.RESERVED, _S.SOLD),
        **_stands(Outcome.RESTOCKED, _S.RELEASED, _S.EXPIRED),
    },
    # Of what was the booking's before: `step` refuses the rest.
    Command.RECLAIM: {
        **_moves(_S.SOLD, Outcome.RECLAIMED, _S.RELEASED, _S.EXPIRED, _S.RESERVED),
        **_stands(Outcome.RECLAIMED, _S.SOLD),
        **_refuses(Outcome.RECLAIM_REFUSED, ACTIVE="SEATS_UNAVAILABLE"),
    },
}
# The hold is another booking's: nothing of it changes.
_FOREIGN: Mapping[Command, Step] = {
    Command.RESERVE: Step(None, Outcome.RESERVE_REFUSED, "HOLD_NOT_ACTIVE"),
    Command.SELL: _NOT_RESERVED,
    Command.RELEASE: Step(None, Outcome.RELEASED),
    Command.RESTOCK: Step(None, Outcome.RESTOCKED),
    Command.RECLAIM: Step(None, Outcome.RECLAIM_REFUSED, "SEATS_UNAVAILABLE"),
}


@dataclass(frozen=True, slots=True)
class HoldState:
    """A hold as the saga's commands find it, its row locked."""

    event_id: UUID
    hold_id: UUID
    customer_id: UUID | None  # None: a tombstone
    status: HoldStatus
    due: bool
    version: int
    seats: int
    tickets: int
    booking_id: UUID | None  # whose commands it has seen
    saga_step: int  # the newest of them; 0: none

    def moves(self, to: HoldStatus) -> Move:
        """Its going to another status."""
        return Move(
            self.event_id,
            self.hold_id,
            self.customer_id,
            self.seats,
            self.tickets,
            self.status,
            to,
        )


@dataclass(frozen=True, slots=True)
class Move:
    """A hold goes from one status to another, and what it has goes along."""

    event_id: UUID
    hold_id: UUID
    customer_id: UUID | None  # None: a tombstone
    seats: int
    tickets: int
    was: HoldStatus
    to: HoldStatus

    @property
    def changes_places(self) -> bool:
        """Whether its places are something else afterwards."""
        return SEATS_OF[self.was] != SEATS_OF[self.to]

    @property
    def gives_back(self) -> bool:
        """Whether its places are free afterwards, and were not before."""
        return self.changes_places and SEATS_OF[self.to] == "AVAILABLE"


_REFUSED = {
    Command.RESERVE: Outcome.RESERVE_REFUSED,
    Command.RECLAIM: Outcome.RECLAIM_REFUSED,
}


def step(
    order: SeatsOrder, hold: HoldState, *, event_open: bool, still_sells: bool = True
) -> Step | None:
    """What the command does to the hold; None, no answer even, where a newer one came before.

    `event_open` matters to RESERVE, `still_sells` to RECLAIM: the event is open, and its sales
    ended no longer than `PAYMENT_TIME` ago. Whether what a RECLAIM takes back is free, and within
    the person's limit, is found where it is taken. A command without a step is older than any
    other.
    """
    if order.command is Command.UNSELL:
        return None
    if hold.booking_id not in (None, order.booking_id):
        return _FOREIGN[order.command]
    if order.saga_step < max(hold.saga_step, 1):
        return None
    refusals: Mapping[str, bool] = {}
    if order.command is Command.RESERVE and hold.status is HoldStatus.ACTIVE:
        refusals = {
            "HOLD_EXPIRED": hold.due,
            "HOLD_CHANGED": hold.version != order.hold_version,
            "EVENT_NOT_ON_SALE": not event_open,
        }
    elif order.command is Command.RECLAIM and SEATS_OF[hold.status] == "AVAILABLE":
        # What was never the booking's it can't have again.
        refusals = {"SALES_CLOSED": not still_sells, "SEATS_UNAVAILABLE": hold.booking_id is None}
    for reason, applies in refusals.items():
        if applies:
            return Step(None, _REFUSED[order.command], reason)
    return STEPS[order.command][hold.status]
