"""Our own proto-JSON says and understands what protobuf's does."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st
from parterre.messages.v1 import messages_pb2

from chassis import proto_json
from chassis.topology import Topology

TYPES = Topology.of(messages_pb2.DESCRIPTOR).types
BITS = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
ODDITIES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**65), 2**65)
    | st.floats()
    | TEXTS
    | st.sampled_from(["1", "01", " 1", "-0", "1e3", "NaN", "2026-01-01T00:00:00Z", "OUTCOME_SOLD"])
    | st.lists(st.integers(0, 3) | TEXTS, max_size=2)
    | st.dictionaries(st.sampled_from(["step", "seatId", "units"]), st.integers(0, 3), max_size=2)
)


def values(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    if field.message_type is not None:
        one: st.SearchStrategy[Any] = messages(field.message_type)
    elif field.enum_type is not None:
        one = st.sampled_from([value.number for value in field.enum_type.values] + [77])
    elif field.cpp_type in BITS:
        one = st.integers(*BITS[field.cpp_type])
    elif field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        one = st.booleans()
    elif field.cpp_type == FieldDescriptor.CPPTYPE_DOUBLE:
        one = st.floats()
    elif field.type == FieldDescriptor.TYPE_BYTES:
        one = st.binary(max_size=5)
    else:
        one = TEXTS
    return st.lists(one, max_size=3) if field.is_repeated else one


def messages(descriptor: Any) -> st.SearchStrategy[Message]:
    if descriptor.full_name == "google.protobuf.Timestamp":
        return st.builds(
            Timestamp,
            seconds=st.integers(-62_135_596_800, 253_402_300_799),
            nanos=st.sampled_from([0, 1, 1_000, 5_000_000, 999_999_999]),
        )
    kind: type[Message] = GetMessageClass(descriptor)
    return st.fixed_dictionaries(
        {}, optional={field.name: values(field) for field in descriptor.fields}
    ).map(lambda content: kind(**content))


ANY = st.sampled_from(list(TYPES.values())).flatmap(lambda kind: messages(kind.DESCRIPTOR))


def by_protobuf(message: Message) -> str:
    return json_format.MessageToJson(message, indent=None, preserving_proto_field_name=True)


def same(one: Any, other: Any) -> bool:
    """Equal, type for type; NaN is NaN."""
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one):
        return math.isnan(other)
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and bool(one == other)


@given(ANY)
def test_it_writes_what_protobuf_writes(message: Message) -> None:
    written = proto_json.dumps(message)

    assert same(json.loads(written), json.loads(by_protobuf(message)))


@given(ANY)
def test_it_reads_what_was_written(message: Message) -> None:
    for body in (proto_json.dumps(message), by_protobuf(message)):
        read = proto_json.loads(body.encode(), type(message))

        assert read.SerializeToString(deterministic=True) == json_format.Parse(
            body, type(message)()
        ).SerializeToString(deterministic=True)


@given(ANY, st.data())
def test_it_judges_what_is_not_as_it_is_written_as_protobuf_does(
    message: Message, data: st.DataObject
) -> None:
    content = json.loads(by_protobuf(message))
    fields = type(message).DESCRIPTOR.fields
    names = [name for field in fields for name in (field.name, field.json_name)] + [
        "unknown",
        "[x]",
    ]
    content[data.draw(st.sampled_from(names))] = data.draw(ODDITIES)
    body = json.dumps(content).encode()
    try:
        expected = json_format.Parse(body, type(message)(), ignore_unknown_fields=True)
    except json_format.ParseError:
        with pytest.raises(json_format.ParseError):
            proto_json.loads(body, type(message))
    else:
        read = proto_json.loads(body, type(message))
        assert read.SerializeToString(deterministic=True) == expected.SerializeToString(
            deterministic=True
        )


@pytest.mark.parametrize("body", [b"", b"7", b"null", b"{", b"\xff", b'{"step": 1}x'])
def test_what_is_no_message_is_refused(body: bytes) -> None:
    with pytest.raises((json_format.ParseError, UnicodeDecodeError)):
        proto_json.loads(body, messages_pb2.SeatsReply)
