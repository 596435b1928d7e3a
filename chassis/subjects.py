"""What a message or request is about: its ids and references, for a line in the log and a span."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message


class _Fields(NamedTuple):
    own: Sequence[str]  # ids and references of its own
    within: Sequence[tuple[str, Sequence[str]]]  # and of the messages that are parts of it
    lists: Sequence[str]  # of items that are each part of another request


def subject_of(message: Message) -> dict[str, object]:
    """The message's ids and references by the names of their fields; those that are empty are not.

    `request_ids` are those of its items, where each is part of another request.
    """
    fields = _fields(message.DESCRIPTOR)
    told: dict[str, object] = {
        name: text for name in fields.own if (text := getattr(message, name))
    }
    for part, names in fields.within:
        inner = getattr(message, part)
        told |= {name: text for name in names if (text := getattr(inner, name))}
    for name in fields.lists:
        told["request_ids"] = [item.request_id for item in getattr(message, name)]
    return told


def _named(descriptor: Descriptor) -> Sequence[str]:
    return [
        field.name
        for field in descriptor.fields
        if field.type == FieldDescriptor.TYPE_STRING
        and not field.is_repeated
        and field.name.endswith(("_id", "reference"))
    ]


@cache
def _fields(descriptor: Descriptor) -> _Fields:
    within: list[tuple[str, Sequence[str]]] = []
    lists: list[str] = []
    for field in descriptor.fields:
        inner = field.message_type
        if inner is None:
            continue
        if not field.is_repeated:
            within.append((field.name, _named(inner)))
        elif "request_id" in inner.fields_by_name:
            lists.append(field.name)
    return _Fields(_named(descriptor), [each for each in within if each[1]], lists)


def as_attributes(subject: Mapping[str, object]) -> Mapping[str, object]:
    """What of a subject a span tells: of many, only how many."""
    return {
        name: len(value) if isinstance(value, list) else value for name, value in subject.items()
    }
