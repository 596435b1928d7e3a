"""Calls to another service: identity, request, trace and what is left of the deadline go along."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable
from pathlib import Path
from typing import Protocol, TypeVar, cast

import grpc
from google.protobuf.message import Message

from chassis import tracing
from chassis.context import current_identity, origin, seconds_left
from chassis.errors import RemoteError, from_call
from chassis.grpc_server import MAX_MESSAGE_BYTES
from chassis.identity import ServiceTokens
from chassis.tracing import SpanKind

RequestT = TypeVar("RequestT")
RequestT_contra = TypeVar("RequestT_contra", contravariant=True)
MessageT = TypeVar("MessageT", bound=Message)
ReplyT = TypeVar("ReplyT", bound=Message)
ReplyT_co = TypeVar("ReplyT_co", bound=Message, covariant=True)
Metadata = tuple[tuple[str, str], ...]

_DEFAULT_SECONDS = 5.0
# Kept back of the caller's deadline, so that its own answer still arrives in time.
_MARGIN_SECONDS = 0.05

_OPTIONS = [
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.lb_policy_name", "round_robin"),
    # A name is looked up again whenever a connection ends, but no more often than this.
    ("grpc.dns_min_time_between_resolutions_ms", 5_000),
]


class Method(Protocol[RequestT_contra, ReplyT_co]):
    """A method of a stub that gives one reply."""

    def __call__(
        self, request: RequestT_contra, /, *, timeout: float, metadata: Metadata
    ) -> Awaitable[ReplyT_co]: ...


class GrpcClient:
    """A channel to one service. Calls are never retried here: the caller knows what is safe.

    `address` is host:port, or a target of gRPC's own with its scheme. Calls go to every address
    that the host's name has, in turn. A replica that is added gets its share once a connection has
    ended, which the callee sees to (`grpc_connection_seconds`).
    """

    def __init__(
        self,
        callee: str,
        address: str,
        tokens: ServiceTokens,
        tls: tuple[Path, Path, Path] | None = None,
    ) -> None:
        self.callee = callee
        self._tokens = tokens
        target = address if "://" in address else f"dns:///{address}"
        if tls:
            certificate, key, authority = (path.read_bytes() for path in tls)
            credentials = grpc.ssl_channel_credentials(authority, key, certificate)
            self.channel = grpc.aio.secure_channel(target, credentials, options=_OPTIONS)
        else:
            self.channel = grpc.aio.insecure_channel(target, options=_OPTIONS)

    async def call(
        self,
        method: Method[RequestT, ReplyT],
        request: RequestT,
        *,
        seconds: float = _DEFAULT_SECONDS,
    ) -> ReplyT:
        """Calls `method` in the name of the current caller, else in this process's own.

        An RPC that takes its request in parts is given an async iterator of them.

        Raises:
            RemoteError: the callee refused, failed, or did not answer within `seconds` or what is
                left of the current request's deadline.
        """
        with tracing.part(_name(method), SpanKind.CLIENT):
            timeout, metadata = self._going_along(seconds)
            try:
                return await method(request, timeout=timeout, metadata=metadata)
            except grpc.aio.AioRpcError as error:
                raise from_call(error) from error

    async def call_with_trailers(
        self,
        method: Method[RequestT, ReplyT],
        request: RequestT,
        *,
        seconds: float = _DEFAULT_SECONDS,
    ) -> tuple[ReplyT, dict[str, str | bytes]]:
        """As `call`, with the trailing metadata of the reply."""
        with tracing.part(_name(method), SpanKind.CLIENT):
            timeout, metadata = self._going_along(seconds)
            call = method(request, timeout=timeout, metadata=metadata)
            try:
                reply = await call
                # Of whatever kind the call is: a Method says only that it can be waited for.
                trailers = dict(await cast("grpc.aio.Call", call).trailing_metadata() or ())
            except grpc.aio.AioRpcError as error:
                raise from_call(error) from error
            return reply, trailers

    async def parts(
        self,
        method: grpc.aio.UnaryStreamMultiCallable[MessageT, ReplyT],
        request: MessageT,
        *,
        seconds: float = _DEFAULT_SECONDS,
    ) -> AsyncGenerator[ReplyT]:
        """As `call`, for an RPC that answers in parts: each as it comes.

        `seconds` are for all of them. Who leaves off before the last closes the generator, which
        ends the call.

        Raises:
            RemoteError: the callee refused, failed, or was not done in time; parts that came
                before it were given.
        """
        timeout, metadata = self._going_along(seconds)
        call = method(request, timeout=timeout, metadata=metadata)
        try:
            async for reply in call:
                yield reply
        except grpc.aio.AioRpcError as error:
            raise from_call(error) from error
        finally:
            call.cancel()

    def _going_along(self, seconds: float) -> tuple[float, Metadata]:
        """The time-out and the metadata of a call made now."""
        left = seconds_left()
        timeout = seconds if left is None else min(seconds, left - _MARGIN_SECONDS)
        if timeout <= 0:
            raise RemoteError(grpc.StatusCode.DEADLINE_EXCEEDED, "", "no time left", {})
        identity = current_identity()
        token = identity.token if identity else self._tokens.token(self.callee)
        current = origin()
        id, traceparent = current if current.is_known else tracing.aside()
        return timeout, (
            ("authorization", f"Bearer {token}"),
            ("x-request-id", id),
            ("traceparent", traceparent),
        )

    async def close(self) -> None:
        """Closes the channel."""
        await self.channel.close()


def _name(method: object) -> str:
    """The method's name as a span has it: service and method (OpenTelemetry's rule for RPC).

    It is private to gRPC: only its interceptors are told, and to be one costs too much.
    """
    path: bytes | str = getattr(method, "_method", b"a call")
    return (path.decode() if isinstance(path, bytes) else path).lstrip("/")
