"""Charges as a state machine, and what each card token makes the provider do.

Money is integer minor units; times are Unix milliseconds, given as arguments.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum


class Method(StrEnum):
    CARD = "CARD"
    KHALTI = "KHALTI"
    ESEWA = "ESEWA"


class Status(StrEnum):
    PENDING = "PENDING"
    REQUIRES_ACTION = "REQUIRES_ACTION"
    AUTHORIZED = "AUTHORIZED"
    CAPTURED = "CAPTURED"
    DECLINED = "DECLINED"
    VOIDED = "VOIDED"
    PARTIALLY_REFUNDED = "PARTIALLY_REFUNDED"
    REFUNDED = "REFUNDED"


class Choice(StrEnum):
    """What a customer can do on the hosted page."""

    APPROVE = "approve"
    REFUSE = "refuse"
    ABANDON = "abandon"


CAPTURED_ONCE = frozenset({Status.CAPTURED, Status.PARTIALLY_REFUNDED, Status.REFUNDED})
APPROVED = CAPTURED_ONCE | {Status.AUTHORIZED}


class Refused(Exception):  # noqa: N818 - it is the provider's answer, not a fault of the program
    """The provider says no: `code` is part of the API, the message is for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What a card token makes the provider do."""

    status: Status = Status.AUTHORIZED
    """At first; one that is AUTHORIZED goes on at once where the order asks for its capture."""
    decline_code: str | None = None
    answer_after_seconds: float | None = 0.0
    """None: never answers."""
    recorded: bool = True
    first_try_fails: bool = False
    capture_fails: bool = False
    webhook_copies: int = 1


TOKENS: Mapping[str, Behaviour] = {
    "tok_ok": Behaviour(),
    "tok_declined": Behaviour(Status.DECLINED, decline_code="card_declined"),
    "tok_insufficient_funds": Behaviour(Status.DECLINED, decline_code="insufficient_funds"),
    "tok_slow": Behaviour(answer_after_seconds=3.0),
    "tok_timeout_charged": Behaviour(answer_after_seconds=None),
    "tok_timeout_not_charged": Behaviour(answer_after_seconds=None, recorded=False),
    "tok_error_500_once": Behaviour(first_try_fails=True),
    "tok_capture_fails": Behaviour(capture_fails=True),
    "tok_action_required": Behaviour(Status.REQUIRES_ACTION),
    "tok_webhook_late": Behaviour(Status.PENDING),
    "tok_webhook_duplicated": Behaviour(webhook_copies=2),
}
_WALLET = Behaviour(Status.REQUIRES_ACTION)


@dataclass(frozen=True, slots=True)
class Order:
    """What the merchant asked for; a repeated key must repeat all of it."""

    amount: int
    currency: str
    method: Method
    token: str | None
    reference: str
    return_url: str | None
    capture: bool = False
    """The money is taken as soon as it is set aside."""


@dataclass(frozen=True, slots=True)
class Charge:
    id: str
    idempotency_key: str
    order: Order
    status: Status
    captured_amount: int
    refunded_amount: int
    decline_code: str | None
    page_token: str
    """Whoever has it may decide on the hosted page: unguessable, and only in the page's address."""
    created_ms: int
    settles_ms: int | None
    """When a PENDING charge is decided."""

    @property
    def behaviour(self) -> Behaviour:
        return TOKENS[self.order.token] if self.order.token else _WALLET

    @property
    def has_page(self) -> bool:
        return self.behaviour.status is Status.REQUIRES_ACTION


@dataclass(frozen=True, slots=True)
class Refund:
    id: str
    charge_id: str
    idempotency_key: str
    amount: int
    created_ms: int


def open_charge(
    order: Order,
    *,
    charge_id: str,
    idempotency_key: str,
    page_token: str,
    now_ms: int,
    late_ms: int,
) -> Charge:
    """A new charge in the state in which its token starts. Raises Refused: `unknown_token`."""
    if order.token is not None and order.token not in TOKENS:
        raise Refused("unknown_token", "No card has this token.")
    behaviour = TOKENS[order.token] if order.token else _WALLET
    charge = Charge(
        id=charge_id,
        idempotency_key=idempotency_key,
        order=order,
        status=behaviour.status,
        captured_amount=0,
        refunded_amount=0,
        decline_code=behaviour.decline_code,
        page_token=page_token,
        created_ms=now_ms,
        settles_ms=now_ms + late_ms if behaviour.status is Status.PENDING else None,
    )
    return _authorized(charge) if charge.status is Status.AUTHORIZED else charge


def _authorized(charge: Charge) -> Charge:
    """The charge with its money set aside, or taken, where it is a wallet's or the order asks."""
    set_aside = replace(charge, status=Status.AUTHORIZED)
    if not charge.order.capture and charge.order.method is Method.CARD:
        return set_aside
    try:
        return capture(set_aside)
    except Refused as refused:
        return replace(charge, status=Status.DECLINED, decline_code=refused.code)


def capture(charge: Charge) -> Charge:
    """Takes the held money; again is harmless.

    Raises Refused: `capture_failed`, `invalid_state`.
    """
    if charge.status in CAPTURED_ONCE:
        return charge
    if charge.status is not Status.AUTHORIZED:
        raise Refused("invalid_state", f"A charge that is {charge.status} cannot be captured.")
    if charge.behaviour.capture_fails:
        raise Refused("capture_failed", "The card's bank did not release the money.")
    return replace(charge, status=Status.CAPTURED, captured_amount=charge.order.amount)


def void(charge: Charge) -> Charge:
    """Lets go of the hold; again is harmless.

    Raises Refused: `not_voidable` (a wallet's page cannot be recalled: the customer may approve
    later), `already_captured` (refund instead), `invalid_state`.
    """
    if charge.status is Status.VOIDED:
        return charge
    if charge.status in CAPTURED_ONCE:
        raise Refused("already_captured", "The money was taken; refund it instead.")
    if charge.status is Status.REQUIRES_ACTION and charge.order.method is not Method.CARD:
        raise Refused("not_voidable", "The customer can still approve this payment.")
    if charge.status is Status.DECLINED:
        raise Refused("invalid_state", "A declined charge holds nothing to void.")
    return replace(charge, status=Status.VOIDED)


def refund(charge: Charge, amount: int) -> Charge:
    """Gives `amount` back. Raises Refused: `refund_exceeds_capture`."""
    refunded = charge.refunded_amount + amount
    if refunded > charge.captured_amount:
        raise Refused("refund_exceeds_capture", "More than was captured and is not refunded yet.")
    whole = refunded == charge.captured_amount
    return replace(
        charge,
        status=Status.REFUNDED if whole else Status.PARTIALLY_REFUNDED,
        refunded_amount=refunded,
    )


def settle(charge: Charge) -> Charge:
    """What a PENDING charge becomes once its time has come; any other stays as it is."""
    return _authorized(charge) if charge.status is Status.PENDING else charge


def decide(charge: Charge, choice: Choice) -> Charge:
    """The customer's choice on the hosted page; the same choice again is harmless.

    A wallet is charged at once, a card is authorized, or charged where the order asks for it.
    Raises Refused: `invalid_state` once the charge was decided otherwise.
    """
    open_ = charge.status is Status.REQUIRES_ACTION
    repeated = (choice is Choice.APPROVE and charge.status in APPROVED) or (
        choice is Choice.REFUSE and charge.status is Status.DECLINED
    )
    if repeated or (open_ and choice is Choice.ABANDON):
        return charge
    if not open_:
        raise Refused("invalid_state", "This payment was decided already.")
    if choice is Choice.REFUSE:
        return replace(charge, status=Status.DECLINED, decline_code="refused_by_customer")
    return _authorized(charge)
