"""What the booking's saga asks for.

Each command brings the saga's step that asks. One older than the newest that was seen has no effect
and no answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from chassis.context import request_ids
from chassis.database import Session
from chassis.logs import get_logger
from payment_service import domain
from payment_service.domain import (
    Authorize,
    Capture,
    ChargeState,
    Command,
    GiveBack,
    Payment,
    Step,
    Void,
)
from payment_service.handlers.work import Lease, Todo, Work
from payment_service.storage import calls, payments, refunds

log = get_logger(__name__)


async def take(
    session: Session, commands: Sequence[Command], *, provider: str, lease: Lease
) -> Todo:
    """Takes commands, in their order.

    Raises:
        PaymentNotFoundError: there is no such payment.
        NothingCapturedError: money that was never taken can't go back.
    """
    offered: dict[UUID, Payment] = {}
    for command in commands:
        if isinstance(command, Authorize | Void):
            offered.setdefault(command.payment_id, command.offered)
    # The row first, whoever writes it: of an Authorize and a Void that meet, one finds the other.
    asked_for = {command.payment_id for command in commands}
    read = await payments.lock_payments(session, asked_for, offered=offered.values())
    taken_back = await calls.take_back_unsent(session, _maybe_unsent(read, commands))
    asked = {command.refund_id for command in commands if isinstance(command, GiveBack)}
    known_refunds = await refunds.read(session, asked)

    work = Work(provider, read)
    for command, work.request_id in zip(commands, request_ids(len(commands)), strict=True):
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
            case Authorize():
                step = domain.authorize(payment, command.attempt, command.method, command.token)
            case Capture():
                step = domain.capture(payment)
            case Void():
                unsent = [
                    each.number
                    for each in payment.attempts
                    if each.charge is ChargeState.UNKNOWN
                    and (
                        (payment.id, each.number) in taken_back
                        or read[payment.id].find(each.number) is None
                    )
                ]
                step = domain.void(payment, unsent)
            case GiveBack(_, id, amount, reason):
                asked_now = work.refunds.get(id)
                given = asked_now[1] if asked_now else known_refunds.get(id)
                step = domain.refund(payment, id, amount, reason, given)
        work.apply(step)
    for charge in taken_back:
        work.call_for(*charge)  # were it not voided, it would be forgotten
    return work.write(session, lease)


def _maybe_unsent(read: dict[UUID, Payment], commands: Sequence[Command]) -> list[tuple[UUID, int]]:
    """Charges that a Void among the commands undoes, and that may not have gone out yet."""
    newest = {id: payment.saga_step for id, payment in read.items()}
    found: dict[tuple[UUID, int], None] = {}
    for command in commands:
        id = command.payment_id
        if command.saga_step < newest.get(id, 0):
            continue
        newest[id] = command.saga_step
        if isinstance(command, Void) and id in read:
            for attempt in read[id].attempts:
                if attempt.charge is ChargeState.UNKNOWN:
                    found[id, attempt.number] = None
    return list(found)
