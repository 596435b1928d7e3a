"""Proto-JSON by plans that are made once for each type of message.

`json_format` looks every field's type up anew, in Python. A plan knows it, and takes a fifth of the
time. It covers what our messages are made of, and of the spellings that proto-JSON allows the one
that is written; all else is left to `json_format`, which stays the judge.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeVar

import orjson
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

M = TypeVar("M", bound=Message)
Convert = Callable[[Any], Any]

_TIMESTAMP = "google.protobuf.Timestamp"


class _UnusualError(Exception):
    """Left to `json_format`."""


def dumps(message: Message) -> str:
    """The message as proto-JSON, under the proto's own names.

    Raises:
        google.protobuf.json_format.SerializeToJsonError: it can't be written so.
    """
    try:
        return orjson.dumps(_writer(message.DESCRIPTOR)(message)).decode()
    except (_UnusualError, orjson.JSONEncodeError):
        return json_format.MessageToJson(message, indent=None, preserving_proto_field_name=True)


def loads(body: bytes, kind: type[M]) -> M:
    """The message of that type; fields that it does not have are ignored.

    Raises:
        google.protobuf.json_format.ParseError, UnicodeDecodeError: the body is no such message.
    """
    try:
        message: M = _reader(kind.DESCRIPTOR)(orjson.loads(body))
    except (_UnusualError, ValueError, TypeError):
        return json_format.Parse(body, kind(), ignore_unknown_fields=True)
    return message


@cache
def _writer(descriptor: Descriptor) -> Convert:
    if descriptor.full_name == _TIMESTAMP:
        return lambda message: message.ToJsonString()
    if _is_special(descriptor):
        return _unusual
    fields = {field.name: _field_writer(field) for field in descriptor.fields}

    def write(message: Message) -> dict[str, Any]:
        return {field.name: fields[field.name](value) for field, value in message.ListFields()}

    return write


def _field_writer(field: FieldDescriptor) -> Convert:
    write = _value_writer(field)
    if not field.is_repeated:
        return write
    return lambda values: [write(value) for value in values]


def _value_writer(field: FieldDescriptor) -> Convert:
    inner = field.message_type
    if inner is not None:
        # Looked up when there is a value: a type may be a part of itself.
        return lambda message: _writer(inner)(message)  # noqa: PLW0108
    if field.enum_type is not None:
        names = {number: value.name for number, value in field.enum_type.values_by_number.items()}
        return lambda number: names.get(number, number)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return _unusual
    return _WRITERS.get(field.cpp_type, _unusual)


@cache
def _reader(descriptor: Descriptor) -> Convert:
    kind = GetMessageClass(descriptor)
    if descriptor.full_name == _TIMESTAMP:

        def read_moment(text: Any) -> Message:
            moment = kind()
            moment.FromJsonString(text)  # type: ignore[attr-defined]  # a Timestamp
            return moment

        return read_moment
    if _is_special(descriptor):
        return _unusual
    fields = {field.name: _field_reader(field) for field in descriptor.fields}
    # Another spelling of a field; absent here are those that are spelt alike.
    others = {field.json_name for field in descriptor.fields} - fields.keys()

    def read(content: Any) -> Message:
        if type(content) is not dict:
            raise _UnusualError
        values: dict[str, Any] = {}
        for name, value in content.items():
            field = fields.get(name)
            if field is not None:
                values[name] = field(value)
            elif name in others or name.startswith("["):
                raise _UnusualError
        return kind(**values)

    return read


def _field_reader(field: FieldDescriptor) -> Convert:
    if field.containing_oneof is not None:
        return _unusual  # two of one are an error there, and the last one wins here
    read = _value_reader(field)
    if not field.is_repeated:
        return read

    def read_all(values: Any) -> Any:
        if type(values) is not list:
            raise _UnusualError
        return [read(value) for value in values]

    return read_all


def _value_reader(field: FieldDescriptor) -> Convert:
    inner = field.message_type
    if inner is not None:
        return lambda content: _reader(inner)(content)  # noqa: PLW0108 - as above
    if field.enum_type is not None:
        numbers: Mapping[Any, int] = {
            name: value.number for name, value in field.enum_type.values_by_name.items()
        }

        def read_name(name: Any) -> int:
            if type(name) is not str or name not in numbers:
                raise _UnusualError
            return numbers[name]

        return read_name
    if field.type == FieldDescriptor.TYPE_BYTES:
        return _unusual
    return _READERS.get(field.cpp_type, _unusual)


def _is_special(descriptor: Descriptor) -> bool:
    """Whether its JSON is not simply that of its fields."""
    return descriptor.full_name.startswith("google.protobuf.") or descriptor.GetOptions().map_entry


def _same(value: Any) -> Any:
    return value


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise _UnusualError
    return value


def _unusual(_value: Any) -> Any:
    raise _UnusualError


def _exactly(kind: type) -> Convert:
    def read(value: Any) -> Any:
        if type(value) is not kind:
            raise _UnusualError
        return value

    return read


def _read_large(value: Any) -> int:
    if type(value) is not str:
        raise _UnusualError
    number = int(value)
    if str(number) != value:
        raise _UnusualError
    return number


_WRITERS: Mapping[int, Convert] = {
    FieldDescriptor.CPPTYPE_BOOL: _same,
    FieldDescriptor.CPPTYPE_STRING: _same,
    FieldDescriptor.CPPTYPE_INT32: _same,
    FieldDescriptor.CPPTYPE_UINT32: _same,
    FieldDescriptor.CPPTYPE_INT64: str,
    FieldDescriptor.CPPTYPE_UINT64: str,
    FieldDescriptor.CPPTYPE_DOUBLE: _finite,
}
_READERS: Mapping[int, Convert] = {
    FieldDescriptor.CPPTYPE_BOOL: _exactly(bool),
    FieldDescriptor.CPPTYPE_STRING: _exactly(str),
    FieldDescriptor.CPPTYPE_INT32: _exactly(int),
    FieldDescriptor.CPPTYPE_UINT32: _exactly(int),
    FieldDescriptor.CPPTYPE_INT64: _read_large,
    FieldDescriptor.CPPTYPE_UINT64: _read_large,
    FieldDescriptor.CPPTYPE_DOUBLE: _exactly(float),
}
