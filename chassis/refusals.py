"""Refusals of single items, where several travel in one call.

What the status of a call by itself would have been is a message in the reply: written by the
callee, and read by the caller as the error that the call would have raised.
"""

from __future__ import annotations

from collections.abc import Mapping

import grpc
from parterre.types.v1 import types_pb2

from chassis.errors import RemoteError
from chassis.grpc_server import status_of
from chassis.idempotency import REPLAYED

_CODES: Mapping[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}


def write_refusal(
    refusal: types_pb2.Refusal, error: Exception, *, method: str, request_id: str
) -> None:
    """Writes down what the caller of an item is told of `error`.

    `method` is the RPC's full name and `request_id` the item's: an error that nobody expected is
    logged with both, and told as INTERNAL with nothing else.
    """
    code, reason, detail, metadata = status_of(error, method, request_id)
    refusal.code = code.value[0]
    refusal.reason = reason
    refusal.detail = detail
    refusal.metadata.update(metadata)


def read_refusal(refusal: types_pb2.Refusal, *, replayed: bool = False) -> RemoteError:
    """The error that a call for the item alone would have raised, marked where it is `replayed`."""
    return RemoteError(
        _CODES.get(refusal.code, grpc.StatusCode.UNKNOWN),
        refusal.reason,
        refusal.detail,
        dict(refusal.metadata),
        dict((REPLAYED,)) if replayed else None,
    )
