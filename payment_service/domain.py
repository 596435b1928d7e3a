"""Payments: what is known of each charge, what is wanted of it, and what follows.

A payment has up to three attempts, and each attempt is one charge at a provider, known by its
provider key. What the provider tells (`Charge` and the other results) only ever moves a charge
forward, so that late, doubled and reordered news are harmless. What is wanted is said by commands:
the last attempt is kept, unless it was refused or the payment voided; everything else is undone.
Every function here is pure: it takes a payment as it stands and gives the step that follows.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID, uuid5


class PaymentError(Exception):
    """A refusal of payment_service."""

    kind = "INVALID"
    reason = "INVALID_PAYMENT"

    def __init__(self, detail: str, **metadata: str) -> None:
        super().__init__(detail)
        self.metadata: Mapping[str, str] = metadata


class PaymentNotFoundError(PaymentError):
    """There is no such payment, or it is somebody else's."""

    kind = "NOT_FOUND"
    reason = "PAYMENT_NOT_FOUND"


class ProviderUnavailableError(PaymentError):
    """The provider did not answer; nothing is known that was not known before."""

    kind = "UNAVAILABLE"
    reason = "PROVIDER_UNAVAILABLE"


class UnknownProviderError(PaymentError):
    """No provider goes by that name here."""

    kind = "NOT_FOUND"
    reason = "UNKNOWN_PROVIDER"


class InvalidSignatureError(PaymentError):
    """A webhook that its provider did not sign."""

    kind = "UNAUTHENTICATED"
    reason = "INVALID_SIGNATURE"


class StaleWebhookError(PaymentError):
    """A webhook that was signed too long ago, or ahead of time."""

    kind = "UNAUTHENTICATED"
    reason = "STALE_WEBHOOK"


class InvalidWebhookError(PaymentError):
    """A webhook with a good signature and a body that can't be read, or too long a body."""

    reason = "INVALID_WEBHOOK"


class InvalidRefundError(PaymentError):
    """A refund of nothing, or without a reason."""

    reason = "INVALID_REFUND"


class RefundTooLargeError(PaymentError):
    """More than what is left of the capture."""

    kind = "CONFLICT"
    reason = "REFUND_TOO_LARGE"


class PaymentNotCapturedError(PaymentError):
    """There is no money to give back: none was taken, or not yet."""

    kind = "CONFLICT"
    reason = "PAYMENT_NOT_CAPTURED"


class NothingCapturedError(Exception):
    """A refund was commanded of a payment that never took any money."""


class Status(StrEnum):
    """How a payment stands; an attempt uses all but the last two."""

    INITIATED = "INITIATED"
    REQUIRES_ACTION = "REQUIRES_ACTION"
    AUTHORIZED = "AUTHORIZED"
    CAPTURED = "CAPTURED"
    FAILED = "FAILED"
    VOIDED = "VOIDED"
    REFUNDED = "REFUNDED"
    PARTIALLY_REFUNDED = "PARTIALLY_REFUNDED"


class ChargeState(StrEnum):
    """What is known of a charge."""

    UNKNOWN = "UNKNOWN"  # to be made, or made without an answer
    ABSENT = "ABSENT"  # looked up and not found; it may still turn up
    PENDING = "PENDING"
    REQUIRES_ACTION = "REQUIRES_ACTION"
    AUTHORIZED = "AUTHORIZED"
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


class CaptureWish(StrEnum):
    """Whether the booking asked for an attempt's money."""

    NONE = "NONE"
    WANTED = "WANTED"
    REFUSED = "REFUSED"


class Kind(StrEnum):
    """What a provider is called for."""

    AUTHORIZE = "AUTHORIZE"
    CAPTURE = "CAPTURE"
    VOID = "VOID"
    REFUND = "REFUND"
    LOOKUP = "LOOKUP"


class Outcome(StrEnum):
    """What the booking is told."""

    AUTHORIZED = "AUTHORIZED"
    AUTHORIZATION_REFUSED = "AUTHORIZATION_REFUSED"
    ACTION_REQUIRED = "ACTION_REQUIRED"
    CAPTURED = "CAPTURED"
    CAPTURE_REFUSED = "CAPTURE_REFUSED"
    VOIDED = "VOIDED"
    REFUNDED = "REFUNDED"
    PAID_LATE = "PAID_LATE"


PROVIDER_TIMEOUT = "PROVIDER_TIMEOUT"
PAYMENT_VOIDED = "PAYMENT_VOIDED"
SUPERSEDED = "SUPERSEDED"
NOT_AUTHORIZED = "NOT_AUTHORIZED"
AUTHORIZATION_LOST = "AUTHORIZATION_LOST"
MAX_REASON = 500  # characters


# --- what a provider may answer ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Charge:
    """A charge as its provider tells it."""

    state: ChargeState
    id: str = ""  # the provider's own
    captured: int = 0  # minor units
    reason: str = ""  # of a DECLINED one, in our words
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


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """A provider's event, its signature verified; what it claims is a hint and no more."""

    id: str
    key: str
    claims: ChargeState


# --- what is known -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to be paid: one charge. Money in minor units."""

    number: int
    method: str
    token: str | None = field(default=None, repr=False)  # until a charge is known
    status: Status = Status.INITIATED
    reason: str = ""
    charge: ChargeState = ChargeState.UNKNOWN
    charge_id: str = ""
    action_url: str = ""
    voidable: bool = True  # until the provider says that it can't be recalled
    capture: CaptureWish = CaptureWish.NONE
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
    automatic: bool  # nobody waits for a reply
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
    void: bool = False  # a Void was commanded
    status: Status = Status.INITIATED
    attempts: tuple[Attempt, ...] = ()
    created_at: datetime | None = None  # set by the database
    saga_step: int = 0  # the newest that commanded it: older ones have no effect

    @property
    def last(self) -> Attempt | None:
        """The newest attempt."""
        return self.attempts[-1] if self.attempts else None

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


@dataclass(frozen=True, slots=True)
class Reply:
    """What the booking is told."""

    booking_id: UUID
    payment_id: UUID
    outcome: Outcome
    attempt: int = 0
    reason: str = ""
    action_url: str = ""
    saga_step: int = 0  # set when it is sent


@dataclass(frozen=True, slots=True)
class PaidBack:
    """What the booking is told of money that went back without its asking."""

    booking_id: UUID
    payment_id: UUID
    captured: int  # minor units, by the attempt that the booking is paid by
    refunded: int  # minor units, of that
    reason: str


@dataclass(frozen=True, slots=True)
class ProviderState:
    """What the bookings are told of a provider."""

    provider: str
    available: bool  # it answers, so that a new payment does not only wait
    told_at: datetime  # by the database's clock: the newest holds


@dataclass(frozen=True, slots=True)
class Step:
    """The payment after something happened, whom to tell, and what to give back."""

    payment: Payment
    replies: tuple[Reply, ...] = ()
    refunds: tuple[Refund, ...] = ()
    paid_back: PaidBack | None = None


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


# --- commands ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Authorize:
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
class Capture:
    """Take the authorized money."""

    payment_id: UUID
    saga_step: int


@dataclass(frozen=True, slots=True)
class Void:
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
class GiveBack:
    """Give captured money back."""

    payment_id: UUID
    refund_id: UUID
    amount: int  # minor units
    reason: str
    saga_step: int


Command = Authorize | Capture | Void | GiveBack


def commanded(payment: Payment, saga_step: int) -> Payment | None:
    """The payment as a command of that step finds it; None where a newer one came before."""
    return replace(payment, saga_step=saga_step) if saga_step >= payment.saga_step else None


def authorize(payment: Payment, number: int, method: str, token: str | None) -> Step:
    """Starts an attempt, or answers as it stands when it was started before."""
    if payment.void:
        return Step(payment, (_refusal(payment, number, PAYMENT_VOIDED),))
    known, last = payment.find(number), payment.last
    if known is not None:
        return Step(payment, _as_it_stands(payment, known))
    if last is not None and last.status in {Status.AUTHORIZED, Status.CAPTURED}:
        # The customer paid by the attempt before while this one was on its way: charge no more.
        return Step(payment, (_reply(payment, Outcome.AUTHORIZED, number),))
    if last is not None and number < last.number:
        return Step(payment, (_refusal(payment, number, SUPERSEDED),))
    older = tuple(
        replace(each, status=Status.FAILED, reason=SUPERSEDED, token=None)
        if each.status in {Status.INITIATED, Status.REQUIRES_ACTION}
        else each
        for each in payment.attempts
    )
    return _follow(payment, replace(payment, attempts=(*older, Attempt(number, method, token))))


def capture(payment: Payment) -> Step:
    """Asks for the authorized money; answers at once where that is decided."""
    last = payment.last
    if last is None or payment.void:
        return Step(payment, (_reply(payment, Outcome.CAPTURE_REFUSED, reason=PAYMENT_VOIDED),))
    if last.status is Status.CAPTURED:
        return Step(payment, (_reply(payment, Outcome.CAPTURED),))
    if last.status is not Status.AUTHORIZED:
        reason = last.reason or NOT_AUTHORIZED
        return Step(payment, (_reply(payment, Outcome.CAPTURE_REFUSED, reason=reason),))
    if last.capture is CaptureWish.REFUSED:
        return Step(payment, (_reply(payment, Outcome.CAPTURE_REFUSED, reason=last.reason),))
    return Step(payment.with_attempt(replace(last, capture=CaptureWish.WANTED)))


def void(payment: Payment, unsent: Collection[int] = ()) -> Step:
    """Undoes whatever was or will be charged.

    `unsent`: attempts that never were sent to a provider and never will be.
    """
    attempts = tuple(
        replace(
            each, token=None, charge=ChargeState.VOIDED if each.number in unsent else each.charge
        )
        for each in payment.attempts
    )
    step = _follow(payment, replace(payment, void=True, attempts=attempts))
    if not step.replies and _voided(step.payment):
        return replace(step, replies=(_reply(payment, Outcome.VOIDED),))
    return step


def refund(
    payment: Payment, refund_id: UUID, amount: int, reason: str, known: Refund | None
) -> Step:
    """Gives money back, at most what is left of the capture; `known` is the refund of that id.

    Raises:
        NothingCapturedError: no money was ever taken.
    """
    told = (_reply(payment, Outcome.REFUNDED),)
    if known is not None:
        return Step(payment, told if known.done else ())
    last = payment.last
    if last is None or not last.captured:
        raise NothingCapturedError(str(payment.id))
    amount = min(amount, last.captured - last.refunding)
    if amount <= 0:  # all of it went back or is on its way: then the reply is on its way too
        return Step(payment, told if last.refunded == last.refunding else ())
    asked = Refund(refund_id, last.number, amount, reason, automatic=False)
    changed = replace(last, refunding=last.refunding + amount)
    return Step(payment.with_attempt(changed), refunds=(asked,))


def check_refund(amount: int | None, reason: str) -> None:
    """Refuses a refund that nobody could make sense of; `amount` in minor units.

    Raises:
        InvalidRefundError: of nothing, or without a reason.
    """
    if amount is not None and amount <= 0:
        raise InvalidRefundError("Nothing would go back.", amount="At least 1.")
    if not 0 < len(reason.strip()) <= MAX_REASON:
        raise InvalidRefundError("Say why.", reason=f"1 to {MAX_REASON} characters.")


def refund_by(
    payment: Payment, refund_id: UUID, amount: int | None, reason: str, requested_by: UUID
) -> Step:
    """Gives money back at the wish of the organizer or an admin; no amount: all that is left.

    Raises:
        PaymentNotCapturedError: no money was taken.
        RefundTooLargeError: there is not that much left.
    """
    last = payment.last
    if last is None or not last.captured:
        raise PaymentNotCapturedError("No money was taken by this payment.")
    left = last.captured - last.refunding
    amount = left if amount is None else amount
    if not 0 < amount <= left:
        raise RefundTooLargeError("That is more than what is left of the payment.", left=str(left))
    asked = Refund(
        refund_id, last.number, amount, reason, automatic=False, requested_by=requested_by
    )
    changed = replace(last, refunding=last.refunding + amount)
    return Step(payment.with_attempt(changed), refunds=(asked,))


# --- what providers tell -------------------------------------------------------------------------


def settle(
    payment: Payment, number: int, kind: Kind, result: Result, *, asked: int, max_tries: int
) -> Step:
    """What follows from the result of a call about an attempt's charge.

    `asked`: how many requests to authorize may have reached the provider.
    """
    attempt = payment.attempt(number)
    match result:
        case Charge():
            return observe(payment, number, result)
        case Refused(reason) if kind is Kind.AUTHORIZE:
            return observe(payment, number, Charge(ChargeState.DECLINED, reason=reason))
        case Refused(reason) if kind is Kind.CAPTURE and payment.keeps(attempt):
            changed = replace(attempt, capture=CaptureWish.REFUSED, reason=reason)
            reply = _reply(payment, Outcome.CAPTURE_REFUSED, reason=reason)
            return _follow(payment, payment.with_attempt(changed), (reply,))
        case Refused() if kind is Kind.VOID:
            return _follow(payment, payment.with_attempt(replace(attempt, voidable=False)))
        case Absent() if attempt.charge is ChargeState.UNKNOWN:
            return _not_found(payment, attempt, give_up=asked >= max_tries)
        case _:
            return Step(payment)


def observe(payment: Payment, number: int, charge: Charge) -> Step:
    """What follows from how a provider says a charge stands; old news change nothing."""
    attempt = payment.attempt(number)
    if _RANK[charge.state] <= _RANK[attempt.charge]:
        return Step(payment)
    known = replace(
        attempt,
        charge=charge.state,
        charge_id=charge.id or attempt.charge_id,
        action_url=charge.action_url,
        captured=charge.captured,
        token=None,
    )
    if not payment.keeps(attempt):
        return _observe_unwanted(payment, attempt, known)
    replies: tuple[Reply, ...] = ()
    match charge.state:
        case ChargeState.REQUIRES_ACTION:
            known = replace(known, status=Status.REQUIRES_ACTION)
            replies = _as_it_stands(payment, known)
        case ChargeState.AUTHORIZED:
            known = replace(known, status=Status.AUTHORIZED)
            replies = _as_it_stands(payment, known)
        case ChargeState.CAPTURED:
            known = replace(known, status=Status.CAPTURED)
            if attempt.status is not Status.AUTHORIZED:
                replies = _as_it_stands(payment, known)
            if attempt.capture is CaptureWish.WANTED:
                replies = (*replies, _reply(payment, Outcome.CAPTURED))
        case ChargeState.DECLINED | ChargeState.VOIDED:
            return _refuse(payment, known, charge.reason or AUTHORIZATION_LOST)
        case _:
            pass
    return _follow(payment, payment.with_attempt(known), replies)


def refunded(payment: Payment, done: Refund) -> Step:
    """What follows from a refund that the provider has made."""
    attempt = payment.attempt(done.attempt)
    changed = replace(attempt, refunded=attempt.refunded + done.amount)
    after = payment.with_attempt(changed)
    if done.requested_by is not None:
        # Of what the booking is paid by: an abandoned page's money is no part of the booking's.
        captured, back = changed.captured, changed.refunded
        told = PaidBack(payment.booking_id, payment.id, captured, back, done.reason)
        return replace(_follow(payment, after), paid_back=told)
    replies = () if done.automatic else (_reply(payment, Outcome.REFUNDED),)
    return _follow(payment, after, replies)


def _observe_unwanted(payment: Payment, attempt: Attempt, known: Attempt) -> Step:
    if known.charge is not ChargeState.CAPTURED:
        return _follow(payment, payment.with_attempt(known))
    newest = payment.attempts[-1].number == attempt.number
    late = _voided(payment) and newest and attempt.status is Status.VOIDED
    if attempt.status is not Status.FAILED:
        known = replace(known, status=Status.CAPTURED)
    if not late:
        return _follow(payment, payment.with_attempt(known))
    # The customer approved what could not be recalled. The payment stands again; the booking
    # says whether it is kept.
    changed = replace(payment, void=False).with_attempt(known)
    return _follow(payment, changed, (_reply(payment, Outcome.PAID_LATE),))


def _not_found(payment: Payment, attempt: Attempt, *, give_up: bool) -> Step:
    absent = replace(attempt, charge=ChargeState.ABSENT)
    if not payment.keeps(attempt):
        return _follow(payment, payment.with_attempt(absent))
    # Until it is given up, the next request under the same key may still make it.
    return _refuse(payment, absent, PROVIDER_TIMEOUT) if give_up else Step(payment)


def _refuse(payment: Payment, attempt: Attempt, reason: str) -> Step:
    failed = replace(attempt, status=Status.FAILED, reason=reason, token=None)
    replies: tuple[Reply, ...] = ()
    if attempt.status is not Status.AUTHORIZED:
        replies = (_refusal(payment, attempt.number, reason),)
    elif attempt.capture is CaptureWish.WANTED:
        replies = (_reply(payment, Outcome.CAPTURE_REFUSED, reason=reason),)
    return _follow(payment, payment.with_attempt(failed), replies)


# --- what follows from any change ----------------------------------------------------------------


def _follow(before: Payment, after: Payment, replies: tuple[Reply, ...] = ()) -> Step:
    """Gives back what was captured and is not wanted; ends the payment when all is undone."""
    refunds: list[Refund] = []
    for attempt in after.attempts:
        left = attempt.captured - attempt.refunding
        if left > 0 and not after.keeps(attempt):
            # The id is made of what is undone: however often that is decided, it is one refund.
            id = uuid5(after.id, f"undo:{attempt.number}")
            refunds.append(Refund(id, attempt.number, left, PAYMENT_VOIDED, automatic=True))
            after = after.with_attempt(replace(attempt, refunding=attempt.captured))
    if after.void and _all_undone(after):
        ended = tuple(
            each
            if each.status in {Status.FAILED, Status.CAPTURED}
            else replace(each, status=Status.VOIDED, token=None)
            for each in after.attempts
        )
        after = replace(after, attempts=ended)
    after = replace(after, status=status_of(after))
    if _voided(after) and not _voided(before):
        replies = (*replies, _reply(after, Outcome.VOIDED))
    return Step(after, replies, tuple(refunds))


def status_of(payment: Payment) -> Status:
    """How the payment as a whole stands."""
    last = payment.last
    if payment.void and _all_undone(payment):
        return Status.REFUNDED if last is not None and last.captured else Status.VOIDED
    if last is None:
        return Status.INITIATED
    if last.status is not Status.CAPTURED or not last.refunded:
        return last.status
    return Status.REFUNDED if last.refunded == last.captured else Status.PARTIALLY_REFUNDED


def _voided(payment: Payment) -> bool:
    return payment.void and payment.status in {Status.VOIDED, Status.REFUNDED}


def _all_undone(payment: Payment) -> bool:
    return all(_is_undone(attempt) for attempt in payment.attempts)


def _is_undone(attempt: Attempt) -> bool:
    match attempt.charge:
        case ChargeState.DECLINED | ChargeState.VOIDED | ChargeState.ABSENT:
            return True
        case ChargeState.CAPTURED:
            return attempt.refunded == attempt.captured
        case ChargeState.REQUIRES_ACTION:
            return not attempt.voidable
        case _:
            return False


def _reply(
    payment: Payment, outcome: Outcome, attempt: int = 0, reason: str = "", action_url: str = ""
) -> Reply:
    return Reply(payment.booking_id, payment.id, outcome, attempt, reason, action_url)


def _refusal(payment: Payment, number: int, reason: str) -> Reply:
    return _reply(payment, Outcome.AUTHORIZATION_REFUSED, number, reason)


def _as_it_stands(payment: Payment, attempt: Attempt) -> tuple[Reply, ...]:
    match attempt.status:
        case Status.INITIATED:
            return ()  # its reply is still to come
        case Status.REQUIRES_ACTION:
            url = attempt.action_url
            return (_reply(payment, Outcome.ACTION_REQUIRED, attempt.number, action_url=url),)
        case Status.AUTHORIZED | Status.CAPTURED:
            return (_reply(payment, Outcome.AUTHORIZED, attempt.number),)
        case _:
            return (_refusal(payment, attempt.number, attempt.reason or PAYMENT_VOIDED),)


# --- what to call the provider for, and when -----------------------------------------------------

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
        if attempt.charge is ChargeState.AUTHORIZED:
            return Kind.CAPTURE if attempt.capture is CaptureWish.WANTED else None
        return Kind.AUTHORIZE if attempt.charge is ChargeState.UNKNOWN else Kind.LOOKUP
    undecided = attempt.charge in {ChargeState.PENDING, ChargeState.REQUIRES_ACTION}
    recallable = attempt.charge is ChargeState.AUTHORIZED or (undecided and attempt.voidable)
    return Kind.VOID if recallable else Kind.LOOKUP


def pause_seconds(
    payment: Payment, attempt: Attempt, kind: Kind, *, tries: int, jitter: float
) -> float | None:
    """How long to wait before the call `kind`; None: no more.

    `tries`: calls since the charge last moved; `jitter` in [0, 1) takes up to half away.
    """
    if tries == 0 and kind in {Kind.CAPTURE, Kind.VOID}:
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
    return not payment.keeps(attempt) and _is_undone(attempt)


def is_waiting(payment: Payment, attempt: Attempt) -> bool:
    """Whether it is the customer's or the provider's turn, so that many look-ups are no alarm."""
    return is_watched(payment, attempt) or attempt.charge in {
        ChargeState.PENDING,
        ChargeState.REQUIRES_ACTION,
    }


def backoff_seconds(first: float, longest: float, *, tries: int, jitter: float) -> float:
    """Doubles from `first` to `longest` with the number of tries, less up to half by `jitter`."""
    return float(min(longest, first * 2 ** min(tries, 30)) * (1 - jitter / 2))


def totals(attempts: Sequence[Attempt]) -> tuple[int, int]:
    """What was captured and what went back, over all attempts, minor units."""
    return sum(each.captured for each in attempts), sum(each.refunded for each in attempts)
