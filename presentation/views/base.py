"""What answers are made of: pages, money, times, keys."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Generic, Literal, TypeVar

from google.protobuf.timestamp_pb2 import Timestamp
from typing_extensions import TypedDict

ItemT = TypeVar("ItemT")


class Page(TypedDict, Generic[ItemT]):
    """A page of a list."""

    items: list[ItemT]
    next_cursor: str | None


def page(items: Iterable[ItemT], next_cursor: str = "") -> Page[ItemT]:
    """A page; an empty cursor says it is the last."""
    return {"items": list(items), "next_cursor": next_cursor or None}


class Money(TypedDict):
    """An amount in minor units."""

    amount: int
    currency: str


def money(amount: int, currency: str) -> Money:
    """`amount` minor units of `currency`."""
    return {"amount": amount, "currency": currency}


def time(moment: Timestamp) -> str:
    """RFC 3339, UTC."""
    return _time(moment.seconds, moment.nanos)


# An event's times are shown again and again, and holds that were made together end together.
@lru_cache(maxsize=4096)
def _time(seconds: int, nanos: int) -> str:
    return Timestamp(seconds=seconds, nanos=nanos).ToJsonString()


class Key(TypedDict):
    """A public key (RFC 8037)."""

    kty: Literal["OKP"]
    crv: Literal["Ed25519"]
    kid: str
    x: str
    alg: Literal["EdDSA"]
    use: Literal["sig"]


class KeySet(TypedDict):
    """Public keys (RFC 7517)."""

    keys: list[Key]
