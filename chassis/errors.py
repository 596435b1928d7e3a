"""How errors travel: a domain error becomes a gRPC status with `ErrorInfo`, and back.

A service's `domain.py` raises exceptions with `kind`, `reason`, `metadata` (see `DomainError`);
the gRPC server turns them into a status in one place, and the client into `RemoteError`.
`ErrorInfo` is `google.rpc.ErrorInfo` (AIP-193).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import grpc
from google.rpc import error_details_pb2, status_pb2

DOMAIN = "parterre"
_DETAILS_KEY = "grpc-status-details-bin"

# What a domain may say, and what it is called on the wire.
CODES: Mapping[str, grpc.StatusCode] = {
    "INVALID": grpc.StatusCode.INVALID_ARGUMENT,
    "UNAUTHENTICATED": grpc.StatusCode.UNAUTHENTICATED,
    "FORBIDDEN": grpc.StatusCode.PERMISSION_DENIED,
    "NOT_FOUND": grpc.StatusCode.NOT_FOUND,
    "STATE": grpc.StatusCode.FAILED_PRECONDITION,  # as the object stands now it can't be done
    "STALE": grpc.StatusCode.ABORTED,  # the object has changed since the caller looked
    "THROTTLED": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "UNAVAILABLE": grpc.StatusCode.UNAVAILABLE,
}


@runtime_checkable
class DomainError(Protocol):
    """What an exception must have to be told to a caller; anything else is an INTERNAL error."""

    kind: str  # a key of CODES
    reason: str  # UPPER_SNAKE, stable, a row of docs/problems.md
    metadata: Mapping[str, str]  # for programs; its str() is the detail, for people


class ServiceError(Exception):
    """An error the chassis itself raises towards a caller."""

    def __init__(self, kind: str, reason: str, detail: str, **metadata: str) -> None:
        super().__init__(detail)
        self.kind = kind
        self.reason = reason
        self.metadata: Mapping[str, str] = metadata


class RemoteError(Exception):
    """Another service refused or failed.

    `reason` is empty where the failure has none: the service is down, too late, or at fault.
    `trailers` are the call's other trailing metadata.
    """

    def __init__(
        self,
        code: grpc.StatusCode,
        reason: str,
        detail: str,
        metadata: Mapping[str, str],
        trailers: Mapping[str, str | bytes] | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.reason = reason
        self.detail = detail
        self.metadata = metadata
        self.trailers = trailers or {}


def overloaded(retry_after_seconds: int = 1) -> ServiceError:
    """The refusal of work there is no room for: the caller may retry after some seconds."""
    return ServiceError(
        "UNAVAILABLE",
        "OVERLOADED",
        "The service is busy; try again in a moment.",
        retry_after=str(retry_after_seconds),
    )


def unavailable() -> ServiceError:
    """The refusal while something the service needs does not answer."""
    return ServiceError(
        "UNAVAILABLE",
        "SERVICE_UNAVAILABLE",
        "Something this needs does not answer right now; try again in a moment.",
        retry_after="2",
    )


def to_trailers(
    code: grpc.StatusCode, reason: str, detail: str, metadata: Mapping[str, str]
) -> tuple[tuple[str, bytes], ...]:
    """The trailing metadata that carries an error's `ErrorInfo`."""
    info = error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN, metadata=dict(metadata))
    status = status_pb2.Status(code=code.value[0], message=detail)
    status.details.add().Pack(info)
    return ((_DETAILS_KEY, status.SerializeToString()),)


def from_call(error: grpc.aio.AioRpcError) -> RemoteError:
    """The error of a failed call, with what its `ErrorInfo` says."""
    detail = error.details() or ""
    trailers = dict(error.trailing_metadata() or ())
    packed_status = trailers.pop(_DETAILS_KEY, b"")
    if isinstance(packed_status, bytes):
        for packed in status_pb2.Status.FromString(packed_status).details:
            info = error_details_pb2.ErrorInfo()
            if packed.Unpack(info):
                return RemoteError(error.code(), info.reason, detail, dict(info.metadata), trailers)
    return RemoteError(error.code(), "", detail, {}, trailers)
