"""What travels with a request through gRPC and messages, without being passed by hand."""

from __future__ import annotations

import re
import time
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING
from uuid import UUID

from chassis.callers import Identity
from chassis.ids import uuid7

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,100}")

request_id: ContextVar[str] = ContextVar("request_id", default="-")
_identity: ContextVar[Identity | None] = ContextVar("identity", default=None)
_request_ids: ContextVar[Sequence[str]] = ContextVar("request_ids", default=())
_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)


def accept_request_id(offered: str | None) -> str:
    """The offered request id if it is a harmless one, else a new one."""
    if offered and _REQUEST_ID.fullmatch(offered):
        return offered
    return str(uuid7())


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


def request_ids(count: int) -> Sequence[str]:
    """The request ids of the `count` messages that are being handled together, in their order."""
    known = _request_ids.get()
    return known if len(known) == count else [request_id.get()] * count


@contextmanager
def requests(ids: Sequence[str]) -> Iterator[None]:
    """Runs the block as part of the requests that led to several messages, one id for each."""
    token = _request_ids.set(ids)
    try:
        with request(id=ids[0] if len(set(ids)) == 1 else "-"):
            yield
    finally:
        _request_ids.reset(token)


def seconds_left() -> float | None:
    """Seconds until the request's deadline (negative once past); None where there is none."""
    deadline = _deadline.get()
    return None if deadline is None else deadline - time.monotonic()


def begin(*, id: str, identity: Identity | None = None, seconds: float | None = None) -> None:
    """Makes the rest of the current task part of the request `id`, which it alone serves."""
    request_id.set(id)
    _identity.set(identity)
    _deadline.set(None if seconds is None else time.monotonic() + seconds)


@contextmanager
def request(
    *, id: str, identity: Identity | None = None, seconds: float | None = None
) -> Iterator[None]:
    """Runs the block as part of the request `id`, which must end within `seconds`."""
    tokens = (
        request_id.set(id),
        _identity.set(identity),
        _deadline.set(None if seconds is None else time.monotonic() + seconds),
    )
    try:
        yield
    finally:
        request_id.reset(tokens[0])
        _identity.reset(tokens[1])
        _deadline.reset(tokens[2])
