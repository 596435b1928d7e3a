"""Dataclasses from rows by the names of their fields, and back."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import fields
from enum import Enum
from functools import cache
from types import UnionType
from typing import Any, Protocol, TypeVar, Union, get_args, get_origin, get_type_hints

from chassis.postgres import Row

T = TypeVar("T")


class Versioned(Protocol):
    """Something of which a newer version may be told."""

    @property
    def version(self) -> int: ...


VersionedT = TypeVar("VersionedT", bound=Versioned)
KeyT = TypeVar("KeyT", bound=Hashable)


def newest(told: Iterable[VersionedT], of: Callable[[VersionedT], KeyT]) -> dict[KeyT, VersionedT]:
    """Of what is told of each thing the newest version, by what `of` says it is of."""
    kept: dict[KeyT, VersionedT] = {}
    for each in told:
        if kept.setdefault(of(each), each).version < each.version:
            kept[of(each)] = each
    return kept


def read(kind: type[T], row: Row, **given: Any) -> T:
    """The dataclass whose fields are `given`, or else the row's columns of the same names.

    A field that is an enum is made one; NULL stays None.

    Raises:
        AttributeError: the row lacks a column.
    """
    values = {
        name: getattr(row, name) if enum is None else enum(getattr(row, name))
        for name, enum in _plan(kind)  # type: ignore[arg-type]  # a class is hashable
        if name not in given
    }
    return kind(**values, **given)


def flat(record: Any) -> dict[str, Any]:
    """A dataclass's values by their names; `asdict` would copy each of them deeply."""
    return {name: getattr(record, name) for name in _names(record.__class__)}


def columns(records: Sequence[Any], kind: type[Any]) -> Mapping[str, list[Any]]:
    """The values of many records, field by field, as arrays for `unnest`."""
    names = _names(kind)  # type: ignore[arg-type]  # as above
    return {name: [getattr(record, name) for record in records] for name in names}


@cache
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


@cache
def _plan(kind: Any) -> tuple[tuple[str, Callable[[Any], Any] | None], ...]:
    hints = get_type_hints(kind)
    return tuple((field.name, _enum(hints[field.name])) for field in fields(kind))


def _enum(hint: Any) -> Callable[[Any], Any] | None:
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint
    if get_origin(hint) in {Union, UnionType}:
        inner = [each for each in get_args(hint) if each is not type(None)]
        if len(inner) == 1 and isinstance(inner[0], type) and issubclass(inner[0], Enum):
            enum = inner[0]
            return lambda value: None if value is None else enum(value)
    return None
