"""The gRPC server: only declared methods, only verified callers, errors mapped in one place."""

from __future__ import annotations

import asyncio
import time
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Mapping,
)
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health, health_pb2
from parterre.options.v1 import options_pb2

from chassis import context as request_context
from chassis import tracing
from chassis.database import DatabaseError, PoolTimeoutError, is_lost, is_overload, is_transient
from chassis.errors import (
    CODES,
    DomainError,
    RemoteError,
    ServiceError,
    overloaded,
    to_trailers,
    unavailable,
)
from chassis.identity import Identity, Role, TokenVerifier, forbidden, unauthenticated
from chassis.logs import get_logger
from chassis.scopes import confining_field, require_object, require_scope, scopes_of
from chassis.subjects import as_attributes, subject_of
from chassis.telemetry import RPC_ANSWERS, RPC_SECONDS
from chassis.tracing import Span, SpanKind

MAX_MESSAGE_BYTES = 4 * 1024 * 1024
# Of all the parts of a stream that a caller sends.
MAX_STREAM_BYTES = 8 * 1024 * 1024
_DEFAULT_SECONDS = 10.0
_SLOWEST_SECONDS = 60.0
_ROLES: Mapping[int, Role] = {
    options_pb2.ACCESS_CUSTOMER: Role.CUSTOMER,
    options_pb2.ACCESS_ORGANIZER: Role.ORGANIZER,
    options_pb2.ACCESS_ADMIN: Role.ADMIN,
}
_PROCESSES: Mapping[int, str] = {
    options_pb2.ACCESS_GATEWAY: "gateway",
    options_pb2.ACCESS_BOOKING: "booking",
    options_pb2.ACCESS_NOTIFICATION: "notification",
}

# Shown for every method from the start.
_USUAL_CODES = frozenset(
    {
        *CODES.values(),
        grpc.StatusCode.OK,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.INTERNAL,
    }
)

log = get_logger(__name__)

Call = grpc.aio.ServicerContext[Any, Any]
# A method that answers in parts is a generator, and sends each as it comes; its reply is None.
Handler = Callable[[Any, Any], Awaitable[Message | None]]
PartsHandler = Callable[[Any, Any], AsyncGenerator[Message]]


class UndeclaredAccessError(Exception):
    """An RPC's proto does not say who may call it."""


def access_of(method: MethodDescriptor) -> int:
    """Who may call the method: an `options_pb2.Access`, as its proto says.

    Raises:
        UndeclaredAccessError: it does not say.
    """
    access: int = method.GetOptions().Extensions[options_pb2.access]
    if access == options_pb2.ACCESS_UNSPECIFIED:
        raise UndeclaredAccessError(f"{method.full_name} does not declare who may call it")
    return access


def permits(access: int, identity: Identity) -> bool:
    """Whether `identity` may call an RPC that declares `access`."""
    if access == options_pb2.ACCESS_ANYONE:
        return True
    process = _PROCESSES.get(access)
    if process is not None:
        return identity.is_process and identity.subject == process
    needed = _ROLES.get(access)
    return needed is not None and identity.role is not None and identity.role >= needed


async def permitted(
    verifier: TokenVerifier, token: str, access: int, scopes: frozenset[str] = frozenset()
) -> Identity:
    """Whose token it is, if they may call an RPC that declares `access` and `scopes`.

    Raises:
        ServiceError: UNAUTHENTICATED, FORBIDDEN; UNAVAILABLE where that can't be told yet.
    """
    identity = await verifier.verify(token)
    if not permits(access, identity):
        raise forbidden()
    require_scope(identity, scopes)
    return identity


async def customer_of(verifier: TokenVerifier, token: str) -> UUID:
    """The person whose token came with an item of a call; an API key's is good for none.

    Raises:
        ServiceError: as `permitted`.
    """
    return UUID((await permitted(verifier, token, options_pb2.ACCESS_CUSTOMER)).subject)


def _guard(
    method: MethodDescriptor, handle: Handler, verifier: TokenVerifier
) -> Callable[[Message, Call], Awaitable[Message | None]]:
    access, scopes, confining = access_of(method), scopes_of(method), confining_field(method)
    observe = RPC_SECONDS.labels(method.full_name).observe
    answers = {code: RPC_ANSWERS.labels(method.full_name, code.name) for code in _USUAL_CODES}

    answered_well = answers[grpc.StatusCode.OK]
    name = f"{method.containing_service.full_name}/{method.name}"

    async def guarded(request: Message, call: Call) -> Message | None:
        began = time.perf_counter()
        metadata = dict(call.invocation_metadata() or ())
        remaining: float | None = call.time_remaining()  # None where the caller set no deadline
        seconds = min(_DEFAULT_SECONDS if remaining is None else remaining, _SLOWEST_SECONDS)
        id, trace = tracing.origin_of(
            _text(metadata.get("x-request-id")), _text(metadata.get("traceparent"))
        )
        span = tracing.start(name, trace, SpanKind.SERVER)
        # gRPC serves each call in a task of its own.
        request_context.begin(id=id, traceparent=tracing.within(span, trace))
        told = request_context.take_notes()
        if not method.client_streaming:
            told |= subject_of(request)
        try:
            if seconds <= 0:
                raise TimeoutError  # before any work is done
            identity = await permitted(verifier, _bearer(metadata), access, scopes)
            if identity.confined_to and not (confining and method.client_streaming):
                require_object(identity, getattr(request, confining) if confining else "")
            told["who"] = identity.subject
            request_context.begin(identity=identity, seconds=seconds)
            async with asyncio.timeout(seconds):
                reply = await handle(request, call)
        except Exception as error:  # the one place where errors become statuses
            code, reason, detail, facts = status_of(error, method.full_name, id)
            took = time.perf_counter() - began
            observe(took)
            counted = answers.get(code) or RPC_ANSWERS.labels(method.full_name, code.name)
            counted.inc()
            _tell(span, name, took, {"status": code.name, "reason": reason, **told})
            # What the handler marked the call with (a replayed refusal, say) would else be lost.
            marks = tuple(call.trailing_metadata() or ())
            await call.abort(code, detail, (*marks, *to_trailers(code, reason, detail, facts)))
            raise AssertionError("abort returned") from error
        took = time.perf_counter() - began
        observe(took)
        answered_well.inc()
        _tell(span, name, took, {"status": "OK", **told})
        return reply

    return guarded


def _tell(span: Span | None, name: str, seconds: float, told: Mapping[str, object]) -> None:
    """The call's line in the log, and the end of its span."""
    log.info("rpc", method=name, milliseconds=round(seconds * 1000, 1), **told)
    if span is not None:
        id = request_context.request_id.get()
        failed = str(told.get("reason", ""))
        tracing.end(span, {"request_id": id, **as_attributes(told)}, failed=failed)


def _bounded(method: MethodDescriptor, handle: Handler) -> Handler:
    """Hands the parts of a stream on until they are too many bytes in all.

    The first says which object it is about.
    """
    confining = confining_field(method)

    async def parts(messages: AsyncIterable[Message]) -> AsyncIterator[Message]:
        left = MAX_STREAM_BYTES
        is_first = True
        async for message in messages:
            if is_first and confining:
                require_object(request_context.caller(), getattr(message, confining))
            is_first = False
            left -= message.ByteSize()
            if left < 0:
                raise ServiceError(
                    "INVALID", "BODY_TOO_LARGE", f"A stream has at most {MAX_STREAM_BYTES} bytes."
                )
            yield message

    async def bounded(messages: AsyncIterable[Message], call: Call) -> Message | None:
        return await handle(parts(messages), call)

    return bounded


def _sent_in_parts(handle: PartsHandler) -> Handler:
    """Sends the parts of an answer as they come, all within the call's one deadline."""

    async def sent(request: Message, call: Call) -> None:
        async with aclosing(handle(request, call)) as parts:
            async for part in parts:
                await call.write(part)

    return sent


def _text(value: str | bytes | None) -> str | None:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _bearer(metadata: Mapping[str, str | bytes]) -> str:
    scheme, _, token = (_text(metadata.get("authorization")) or "").partition(" ")
    if scheme != "Bearer" or not token:
        raise unauthenticated("A bearer token is needed.")
    return token


def status_of(
    error: Exception, method: str, id: str
) -> tuple[grpc.StatusCode, str, str, Mapping[str, str]]:
    """What a caller is told of an error: code, reason, detail, metadata."""
    if isinstance(error, RemoteError) and error.reason:
        return error.code, error.reason, error.detail, error.metadata
    if isinstance(error, TimeoutError):
        return grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED", "It took too long.", {}
    if isinstance(error, PoolTimeoutError) or (
        # What was tried again in vain has done nothing either.
        isinstance(error, DatabaseError) and (is_overload(error) or is_transient(error))
    ):
        error = overloaded()
    elif isinstance(error, RemoteError) or (isinstance(error, DatabaseError) and is_lost(error)):
        log.warning("dependency unavailable", method=method, request_id=id, error=repr(error))
        error = unavailable()
    if isinstance(error, DomainError):
        return CODES[error.kind], error.reason, str(error), error.metadata
    log.error("unexpected error", method=method, request_id=id, exc_info=error)
    return grpc.StatusCode.INTERNAL, "INTERNAL", "Something went wrong on our side.", {}


def service_handler(
    descriptor: ServiceDescriptor, servicer: object, verifier: TokenVerifier
) -> grpc.GenericRpcHandler:
    """The handler of every RPC of the service, each behind its declared access.

    Raises:
        UndeclaredAccessError: an RPC does not declare who may call it.
        NotImplementedError: an RPC takes and gives parts; none does so far.
    """
    handlers = {}
    for method in descriptor.methods:
        handle = getattr(servicer, method.name)
        kind = grpc.unary_unary_rpc_method_handler
        if method.client_streaming and method.server_streaming:
            raise NotImplementedError(f"{method.full_name} takes and gives parts")
        if method.client_streaming:
            handle, kind = _bounded(method, handle), grpc.stream_unary_rpc_method_handler
        elif method.server_streaming:
            handle, kind = _sent_in_parts(handle), grpc.unary_stream_rpc_method_handler
        handlers[method.name] = kind(
            _guard(method, handle, verifier),
            request_deserializer=GetMessageClass(method.input_type).FromString,
            response_serializer=GetMessageClass(method.output_type).SerializeToString,
        )
    return grpc.method_handlers_generic_handler(descriptor.full_name, handlers)


def _health_handler(status: health.aio.HealthServicer) -> grpc.GenericRpcHandler:
    """Health as anybody may ask for it: `Watch`, which never ends, would take the calls' places."""
    check = grpc.unary_unary_rpc_method_handler(
        status.Check,
        request_deserializer=health_pb2.HealthCheckRequest.FromString,
        response_serializer=health_pb2.HealthCheckResponse.SerializeToString,
    )
    return grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": check})


@asynccontextmanager
async def serve_grpc(
    descriptor: ServiceDescriptor,
    servicer: object,
    verifier: TokenVerifier,
    *,
    address: str,
    max_concurrent: int,
    drain_seconds: float,
    connection_seconds: float = 120.0,
    tls: tuple[Path, Path, Path] | None = None,
    beside: Mapping[ServiceDescriptor, object] | None = None,
) -> AsyncIterator[None]:
    """Serves one service, with the standard health service beside it, until the block ends.

    `beside` are services that the chassis answers for, with their servicers.

    `servicer` may be a function: it is given the verifier, for a service that also takes tokens
    from within messages, and returns the servicer.

    Calls beyond `max_concurrent` are refused with RESOURCE_EXHAUSTED by gRPC itself. A connection
    that is `connection_seconds` old (a tenth more or less, so that callers do not all come at once)
    takes no more calls, and ends when those under way have ended.

    Raises:
        UndeclaredAccessError: an RPC does not declare who may call it.
        RuntimeError: the address can't be had.
    """
    server = grpc.aio.server(
        maximum_concurrent_rpcs=max_concurrent,
        options=[
            ("grpc.so_reuseport", 0),
            ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
            ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
            ("grpc.max_connection_age_ms", round(connection_seconds * 1000)),
            ("grpc.max_connection_age_grace_ms", round(_SLOWEST_SECONDS * 1000)),
        ],
    )
    if callable(servicer):
        servicer = servicer(verifier)
    server.add_generic_rpc_handlers((service_handler(descriptor, servicer, verifier),))
    for other, its_servicer in (beside or {}).items():
        server.add_generic_rpc_handlers((service_handler(other, its_servicer, verifier),))
    status = health.aio.HealthServicer()
    server.add_generic_rpc_handlers((_health_handler(status),))
    if tls:
        certificate, key, authority = (path.read_bytes() for path in tls)
        credentials = grpc.ssl_server_credentials(
            [(key, certificate)], root_certificates=authority, require_client_auth=True
        )
        server.add_secure_port(address, credentials)
    else:
        server.add_insecure_port(address)
    await server.start()
    await status.set(descriptor.full_name, health_pb2.HealthCheckResponse.SERVING)
    try:
        yield
    finally:
        await status.enter_graceful_shutdown()
        await server.stop(drain_seconds)
