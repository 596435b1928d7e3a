"""What the booking's saga asks for.

Each command brings the saga's step that asks. One older than the newest that was seen has no effect
and no answer. One that comes again has no second effect, and is answered as the payment stands.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from chassis.context import origins
from chassis.database import Session
from chassis.logs import get_logger
from payment_service import domain
from payment_service.domain import (
    ChargePayment,
    ChargeState,
    Command,
    GiveBackPayment,
    Payment,
    Refund,
    RefundPayment,
    Status,
    Step,
)
from payment_service.handlers.work import Leases, Todo, Work
from payment_service.storage import calls, payments, refunds

log = get_logger(__name__)


async def take(
    session: Session,
    commands: Sequence[Command],
    *,
    providers: Mapping[str, str],
    leases: Leases,
) -> Todo:
    """Takes commands, in their order; `providers` by method.

    Raises:
        PaymentNotFoundError: there is no such payment.
        NothingCapturedError: money that was never taken can't go back.
    """
    read, taken_back, known_refunds = await _read(session, commands)
    work = Work(read)
    for command, work.origin in zip(commands, origins(len(commands)), strict=True):
        payment = domain.commanded(work.find(command.payment_id), command.saga_step)
        if payment is None:
            log.info(
                "command older than the newest seen",
                command=type(command).__name__,
                saga_step=command.saga_step,
                newest=work.find(command.payment_id).saga_step,
                payment=command.payment_id,
            )
            continue
        step: Step
        match command:
            case ChargePayment():
                provider = providers[command.method]
                step = domain.charge(
                    payment, command.attempt, command.method, command.token, provider=provider
                )
            case GiveBackPayment():
                step = domain.give_back(payment, _unsent(payment, read[payment.id], taken_back))
            case RefundPayment(_, id, percent, reason, _, amount):
                asked_now = work.refunds.get(id)
                given = asked_now[1] if asked_now else known_refunds.get(id)
                step = domain.refund(payment, id, percent, reason, given, amount=amount)
        work.apply(step)
        last = step.payment.last
        if isinstance(command, ChargePayment) and last and last.status is Status.AUTHORIZED:
            # Set aside by a version that captured when it was told to, perhaps, and at rest since.
            work.call_for(payment.id, last.number)
    for charge in taken_back:
        work.call_for(*charge)  # were it not given back, it would be forgotten
    return work.write(session, leases)


async def _read(
    session: Session, commands: Sequence[Command]
) -> tuple[dict[UUID, Payment], set[tuple[UUID, int]], Mapping[UUID, Refund]]:
    """Payments, locked; calls that never went out, taken back; refunds. In one round trip.

    The payments' rows come first, whoever writes them: of a Charge and a GiveBack that meet, one
    finds the other.
    """
    offered: dict[UUID, Payment] = {}
    given_back: dict[UUID, int] = {}
    asked_back: list[UUID] = []
    for command in commands:
        if isinstance(command, RefundPayment):
            asked_back.append(command.refund_id)
            continue
        offered.setdefault(command.payment_id, command.offered)
        if isinstance(command, GiveBackPayment):
            newest = given_back.get(command.payment_id, 0)
            given_back[command.payment_id] = max(newest, command.saga_step)
    asked_for = {command.payment_id for command in commands}
    adding = [payments.adding(offered.values())] if offered else []
    results = await session.together(
        *adding,
        *payments.locking(asked_for),
        *([calls.taking_back_unsent(given_back)] if given_back else []),
        *([refunds.reading(asked_back)] if asked_back else []),
    )
    rows, attempts, *more = results[len(adding) :]
    unsent = calls.taken_back(more[0]) if given_back else set()
    return payments.read(rows, attempts), unsent, refunds.found(more[-1]) if asked_back else {}


def _unsent(
    payment: Payment, read: Payment, taken_back: Collection[tuple[UUID, int]]
) -> Collection[int]:
    """Attempts whose charge never went out: taken back, or begun just now."""
    return [
        each.number
        for each in payment.attempts
        if each.charge is ChargeState.UNKNOWN
        and ((payment.id, each.number) in taken_back or read.find(each.number) is None)
    ]
