"""What travels with a request through gRPC and messages, without being passed by hand."""

from __future__ import annotations

import re
import time
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from chassis.callers import Identity
from chassis.ids import uuid7

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# What stands where there is no request.
NO_REQUEST = "-"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,100}")


class Origin(NamedTuple):
    """The request that something is part of, as it travels with calls and messages."""

    request_id: str = NO_REQUEST
    # W3C's header, with the span that it is part of; empty: nobody knows a trace.
    traceparent: str = ""

    @property
    def is_known(self) -> bool:
        """Whether it is part of a request at all."""
        return self.request_id != NO_REQUEST


NO_ORIGIN = Origin()

request_id: ContextVar[str] = ContextVar("request_id", default=NO_REQUEST)
# A traceparent, as of `Origin`.
trace: ContextVar[str] = ContextVar("trace", default="")
_identity: ContextVar[Identity | None] = ContextVar("identity", default=None)
_origins: ContextVar[Sequence[Origin]] = ContextVar("origins", default=())
_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)
_notes: ContextVar[dict[str, object] | None] = ContextVar("notes", default=None)


def accept_request_id(offered: str | None) -> str:
    """The offered request id if it is a harmless one, else a new one."""
    if offered and offered != NO_REQUEST and _REQUEST_ID.fullmatch(offered):
        return offered
    return str(uuid7())


def origin() -> Origin:
    """The current request, with the span that is under way in it."""
    return Origin(request_id.get(), trace.get())


def current_identity() -> Identity | None:
    """Whose verified token came with the request; None outside one."""
    return _identity.get()


def caller() -> Identity:
    """Whose verified token came with the request.

    Raises:
        LookupError: outside a request; an RPC's body never sees it.
    """
    identity = _identity.get()
    if identity is None:
        raise LookupError("no caller: this runs outside a request")
    return identity


def caller_id() -> UUID:
    """The person who calls.

    Raises:
        LookupError: outside a request.
        ValueError: a process calls, not a person.
    """
    return UUID(caller().subject)


def origins(count: int | None = None) -> Sequence[Origin]:
    """The requests of the messages that are being handled together, in their order.

    Of `count` messages; None: of as many as there are.
    """
    known = _origins.get()
    return known if count is None or len(known) == count else [origin()] * count


@contextmanager
def requests(origins: Sequence[Origin]) -> Iterator[None]:
    """Runs the block as part of the requests that led to several messages, one for each."""
    token = _origins.set(origins)
    first = origins[0]
    is_one = all(each.request_id == first.request_id for each in origins)
    one = first if is_one else NO_ORIGIN
    try:
        with part_of(one):
            yield
    finally:
        _origins.reset(token)


def take_notes() -> dict[str, object]:
    """What the rest of the current task, and what it calls, will tell of itself by `note`.

    It is for the task's line in the log, and its span.
    """
    facts: dict[str, object] = {}
    _notes.set(facts)
    return facts


def note(**facts: object) -> None:
    """Tells of what goes on now: ids, references, a refusal's reason; nothing secret."""
    told = _notes.get()
    if told is not None:
        told.update(facts)


def part_of(origin: Origin) -> AbstractContextManager[None]:
    """Runs the block as part of the request that something came with."""
    return request(id=origin.request_id, traceparent=origin.traceparent)


def seconds_left() -> float | None:
    """Seconds until the request's deadline (negative once past); None where there is none."""
    deadline = _deadline.get()
    return None if deadline is None else deadline - time.monotonic()


def begin(
    *,
    id: str | None = None,
    traceparent: str | None = None,
    identity: Identity | None = None,
    seconds: float | None = None,
) -> None:
    """Makes the rest of the current task part of a request, which it alone serves.

    None: it is the same one as before.
    """
    if id is not None:
        request_id.set(id)
    if traceparent is not None:
        trace.set(traceparent)
    _identity.set(identity)
    _deadline.set(None if seconds is None else time.monotonic() + seconds)


@contextmanager
def request(
    *,
    id: str | None = None,
    traceparent: str | None = None,
    identity: Identity | None = None,
    seconds: float | None = None,
) -> Iterator[None]:
    """Runs the block as part of a request, within `seconds` and in the name of `identity`.

    Without an id and a trace they stay what they are.
    """
    tokens = (
        request_id.set(request_id.get() if id is None else id),
        trace.set(trace.get() if traceparent is None else traceparent),
        _identity.set(identity),
        _deadline.set(None if seconds is None else time.monotonic() + seconds),
    )
    try:
        yield
    finally:
        request_id.reset(tokens[0])
        trace.reset(tokens[1])
        _identity.reset(tokens[2])
        _deadline.reset(tokens[3])
