"""One transaction on payments: they are read at once, changed in memory, and written at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import inf
from uuid import UUID

from chassis.context import Origin
from chassis.database import Session
from chassis.ids import uuid7
from payment_service import domain, ledger
from payment_service.domain import Kind, MoneyReturned, Payment, PaymentNotFoundError, Refund, Step
from payment_service.ledger import Entry
from payment_service.storage import calls, payments, postings, refunds
from payment_service.storage.calls import Claimed, Due, PutOff


@dataclass(frozen=True, slots=True)
class Call:
    """A call to be made to a provider, and what it is made with."""

    kind: Kind
    claimed: Claimed
    # Of what led to it; not known of one that came by the work list.
    origin: Origin | None = None


@dataclass(frozen=True, slots=True)
class Lease:
    """How many calls this process can make at once by itself, and how long each is its own."""

    room: int = 0
    seconds: float = 0.0


NO_LEASE = Lease()
# By provider.
Leases = Callable[[str], Lease]


def no_leases(_provider: str) -> Lease:
    """Leaves every call to the work list."""
    return NO_LEASE


@dataclass(frozen=True, slots=True)
class Todo:
    """What is to be done once a transaction is committed."""

    calls: Sequence[Call] = ()  # by this process, at once
    # By provider, seconds until the work list has something due, where that is new.
    due_in: Mapping[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class Work:
    """The payments of one transaction, locked: as they were read, and as they are now."""

    read: Mapping[UUID, Payment]
    now: dict[UUID, Payment] = field(init=False)
    refunds: dict[UUID, tuple[Payment, Refund]] = field(default_factory=dict)
    finished: list[UUID] = field(default_factory=list)
    dropped: list[UUID] = field(default_factory=list)
    later: list[PutOff] = field(default_factory=list)
    # Of what leads to what is applied now; without one, the current one.
    origin: Origin | None = None
    _messages: list[tuple[object, Origin | None]] = field(default_factory=list)
    _entries: list[Entry] = field(default_factory=list)
    # Charges that the provider may have to be called about, in the order in which that came up, and
    # what led to it.
    _due: dict[tuple[UUID, int], Origin | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.now = dict(self.read)

    def find(self, id: UUID) -> Payment:
        """The payment as it is now.

        Raises:
            PaymentNotFoundError: there is none.
        """
        payment = self.now.get(id)
        if payment is None:
            raise PaymentNotFoundError("There is no such payment.")
        return payment

    def apply(self, step: Step, *, but: int | None = None) -> None:
        """Takes a step: state, ledger, refunds, replies, and calls, but for the attempt `but`."""
        after = step.payment
        before = self.now[after.id]
        for attempt in after.attempts:
            known = before.find(attempt.number)
            if attempt.captured and (known is None or not known.captured):
                self._entries.append(
                    ledger.captured(
                        after.id,
                        attempt.number,
                        provider=attempt.provider,
                        organizer_id=_organizer(after),
                        amount=attempt.captured,
                        fees=min(after.fees, attempt.captured),
                        currency=after.currency,
                    )
                )
            if attempt.number != but and (known != attempt or before.void != after.void):
                self.call_for(after.id, attempt.number)
        self.refunds |= {refund.id: (after, refund) for refund in step.refunds}
        self._messages += [(reply, self.origin) for reply in step.replies]
        if step.paid_back is not None:
            self._messages.append((step.paid_back, self.origin))
        self.now[after.id] = after

    def give_back(self, payment: Payment, refund: Refund, at: datetime) -> None:
        """Notes that a refund was made, and tells of it."""
        self.finished.append(refund.id)
        attempt = payment.attempt(refund.attempt)
        self._entries.append(
            ledger.refunded(
                payment.id,
                refund.attempt,
                refund.id,
                provider=attempt.provider,
                organizer_id=_organizer(payment),
                amount=refund.amount,
                before=attempt.refunded,
                captured=attempt.captured,
                fees=min(payment.fees, attempt.captured),
                currency=payment.currency,
            )
        )
        self.apply(domain.refunded(payment, refund))
        told = MoneyReturned(self.now[payment.id], refund, at)
        self._messages.append((told, self.origin))

    def call_for(self, payment_id: UUID, attempt: int) -> None:
        """Has the provider called about a charge, if there is something to call for in the end."""
        self._due[payment_id, attempt] = self.origin

    def write(self, session: Session, leases: Leases = no_leases) -> Todo:
        """Writes it all down."""
        mine, due = self._share_out(leases)
        payments.save(session, self.read, self.now)
        refunds.add(session, self.refunds.values())
        refunds.finish(session, self.finished)
        postings.post(session, self._entries)
        calls.drop(session, self.dropped)
        calls.put_off(session, self.later)
        calls.schedule(session, due)
        calls.schedule_refunds(session, list(self.refunds.values()))
        for message, origin in self._messages:
            session.send(message, origin=origin)
        due_in: dict[str, float] = {}
        for each in self.later:
            due_in[each.provider] = min(each.pause_seconds, due_in.get(each.provider, inf))
        at_once = [each.provider for each in due if each.kind is None]
        at_once += [
            payment.attempt(each.attempt).provider for payment, each in self.refunds.values()
        ]
        return Todo(mine, due_in | dict.fromkeys(at_once, 0.0))

    def _charges_due(self) -> Iterator[tuple[UUID, int]]:
        for id, number in self._due:
            payment = self.now[id]
            if domain.next_call(payment, payment.attempt(number)) is not None:
                yield id, number

    def _share_out(self, leases: Leases) -> tuple[Sequence[Call], Sequence[Due]]:
        """The charges due, and those calls for them that this process makes itself.

        They need not go by way of the work list, for they can't be on it yet. Where one is on it
        after all, by a webhook, both are made, under one key; this one's result is refused and the
        other's counts.
        """
        room: dict[str, int] = {}
        mine: list[Call] = []
        due: list[Due] = []
        for id, number in self._charges_due():
            payment, before = self.now[id], self.read[id]
            attempt, known = payment.attempt(number), before.find(number)
            kind = domain.next_call(payment, attempt)
            at_rest = known is None or domain.next_call(before, known) is None
            lease = leases(attempt.provider)
            left = room.setdefault(attempt.provider, lease.room)
            call_id = uuid7()
            if left > 0 and kind is not None and at_rest:
                room[attempt.provider] = left - 1
                claimed = Claimed(call_id, 1, payment, attempt, None, look_up=False, tries=1)
                mine.append(Call(kind, claimed, self._due[id, number]))
                due.append(Due(call_id, id, number, attempt.provider, kind, lease.seconds))
            else:
                due.append(Due(call_id, id, number, attempt.provider))
        return mine, due


def _organizer(payment: Payment) -> UUID:
    assert payment.organizer_id is not None  # noqa: S101 - only tombstones have none
    return payment.organizer_id
