"""What answers are made of: pages, money, times, keys."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Annotated, Generic, Literal, TypeVar

from google.protobuf.timestamp_pb2 import Timestamp
from parterre.catalog.v1 import catalog_pb2
from parterre.types.v1 import types_pb2
from pydantic import WithJsonSchema
from typing_extensions import TypedDict

ItemT = TypeVar("ItemT")

# What a text is, for those who read the description.
Id = Annotated[str, WithJsonSchema({"type": "string", "format": "uuid"})]
Time = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
Link = Annotated[str, WithJsonSchema({"type": "string", "format": "uri-reference"})]
Email = Annotated[str, WithJsonSchema({"type": "string", "format": "email"})]
CurrencyCode = Annotated[str, WithJsonSchema({"type": "string", "pattern": "^[A-Z]{3}$"})]
CountryCode = Annotated[str, WithJsonSchema({"type": "string", "pattern": "^[A-Z]{2}$"})]
BookingReference = Annotated[
    str, WithJsonSchema({"type": "string", "pattern": "^PT-[0-9A-HJKMNP-TV-Z]{8}$"})
]
Percent = Annotated[int, WithJsonSchema({"type": "integer", "minimum": 0, "maximum": 100})]
Count = Annotated[int, WithJsonSchema({"type": "integer", "minimum": 0})]


class View(TypedDict):
    """An answer, or a part of one: the text below each field describes it to clients."""


class Page(View, Generic[ItemT]):
    """A page of a list."""

    items: list[ItemT]
    """What is on this page, in the list's order."""
    next_cursor: str | None
    """Give it as `cursor` to get the next page; null on the last one."""


def page(items: Iterable[ItemT], next_cursor: str = "") -> Page[ItemT]:
    """A page; an empty cursor says it is the last."""
    return {"items": list(items), "next_cursor": next_cursor or None}


class Money(View):
    """An amount of money."""

    amount: int
    """In minor units of the currency, such as paisa; JPY has none, so 500 is 500 yen there."""
    currency: CurrencyCode
    """ISO 4217."""


def money(amount: int, currency: str) -> Money:
    """`amount` minor units of `currency`."""
    return {"amount": amount, "currency": currency}


class Area(View):
    """A rectangle on the plan of a hall, in the organizer's own units."""

    x: float
    """Its middle, to the right, seen from the hall towards the stage."""
    y: float
    """Its middle, away from the stage."""
    width: float
    """From left to right."""
    height: float
    """From front to back."""


def area(it: catalog_pb2.SectionArea | types_pb2.Area) -> Area:
    """Where people stand."""
    return {"x": it.x, "y": it.y, "width": it.width, "height": it.height}


def time(moment: Timestamp) -> str:
    """RFC 3339, UTC."""
    return _time(moment.seconds, moment.nanos)


# An event's times are shown again and again, and holds that were made together end together.
@lru_cache(maxsize=4096)
def _time(seconds: int, nanos: int) -> str:
    return Timestamp(seconds=seconds, nanos=nanos).ToJsonString()


class Key(View):
    """A public key (RFC 8037)."""

    kty: Literal["OKP"]
    """The key's family: an octet key pair."""
    crv: Literal["Ed25519"]
    """The key's curve."""
    kid: str
    """The key's name; a signature names it too."""
    x: str
    """The public key, base64url."""
    alg: Literal["EdDSA"]
    """What the key signs by."""
    use: Literal["sig"]
    """What the key is for: signatures."""


class KeySet(View):
    """Public keys (RFC 7517)."""

    keys: list[Key]
    """Those that may have signed what is still good."""
