"""What API keys may be good for, read from the contract: the scopes, and which an RPC asks for."""

from __future__ import annotations

from collections.abc import Sequence

from google.protobuf.descriptor import MethodDescriptor
from parterre.options.v1 import options_pb2

from chassis.callers import Identity
from chassis.errors import ServiceError

_PREFIX = "SCOPE_"


def _name_of(scope: options_pb2.Scope.ValueType) -> str:
    """SCOPE_CHECK_INS_WRITE is `check-ins:write`."""
    *noun, verb = options_pb2.Scope.Name(scope).removeprefix(_PREFIX).lower().split("_")
    return f"{'-'.join(noun)}:{verb}"


# All there are, in the contract's order.
SCOPES: Sequence[str] = tuple(
    _name_of(number)
    for number in options_pb2.Scope.values()
    if number != options_pb2.SCOPE_UNSPECIFIED
)


def scopes_of(method: MethodDescriptor) -> frozenset[str]:
    """The scopes that open an RPC to a token made for an API key; none: no such token."""
    return frozenset(map(_name_of, method.GetOptions().Extensions[options_pb2.scopes]))


def confining_field(method: MethodDescriptor) -> str:
    """The field of an RPC's request with the id of the object it is about; empty: it has none."""
    return next(
        (
            field.name
            for field in method.input_type.fields
            if field.GetOptions().Extensions[options_pb2.confines]
        ),
        "",
    )


def require_scope(identity: Identity, scopes: frozenset[str]) -> None:
    """Lets pass who is limited to no scopes, or has one of these.

    Raises:
        ServiceError: INSUFFICIENT_SCOPE, naming those that would do.
    """
    if identity.scopes is not None and not identity.scopes & scopes:
        if not scopes:
            raise ServiceError("FORBIDDEN", "INSUFFICIENT_SCOPE", "No API key is good for this.")
        named = " ".join(sorted(scopes))
        raise ServiceError(
            "FORBIDDEN", "INSUFFICIENT_SCOPE", f"This API key needs the scope {named}.", scope=named
        )


def require_object(identity: Identity, object_id: str) -> None:
    """Lets pass who is confined to no object, or to this one; empty: the call names none.

    Raises:
        ServiceError: INSUFFICIENT_SCOPE.
    """
    if identity.confined_to and object_id.lower() != identity.confined_to:
        raise ServiceError(
            "FORBIDDEN", "INSUFFICIENT_SCOPE", "This API key is confined to another object."
        )
