"""Whose call it is, or whose part of it."""

from __future__ import annotations

from uuid import UUID

from parterre.options.v1 import options_pb2

from chassis.context import caller
from chassis.grpc_server import permits
from chassis.identity import TokenVerifier, forbidden


def customer() -> UUID:
    """The person who calls."""
    return UUID(caller().subject)


async def customer_of(verifier: TokenVerifier, token: str) -> UUID:
    """The person whose token came with an item of a call.

    Raises:
        ServiceError: UNAUTHENTICATED, FORBIDDEN; UNAVAILABLE where that can't be told yet.
    """
    identity = await verifier.verify(token)
    if not permits(options_pb2.ACCESS_CUSTOMER, identity):
        raise forbidden()
    return UUID(identity.subject)
