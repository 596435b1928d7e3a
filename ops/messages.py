"""Messages as people read them: binary protobuf, printed as JSON."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from google.protobuf import json_format
from parterre.messages.v1 import messages_pb2

from chassis.payloads import PROTOBUF, UnreadablePayloadError, as_json, read_payload
from chassis.topology import Topology

_TYPES = Topology.of(messages_pb2.DESCRIPTOR).types
_TYPE = re.compile("|".join(re.escape(name) for name in sorted(_TYPES, key=len, reverse=True)))
# As PostgreSQL writes bytes; COPY doubles the backslash.
_BYTES = re.compile(r"\\{1,2}x((?:[0-9a-f]{2})*)")


def shown(type: str, body: bytes, content_type: str | None) -> object:
    """A message's content as JSON has it; its bytes in hex where it can't be read."""
    try:
        message = read_payload(body, content_type, _TYPES[type])
    except (KeyError, UnreadablePayloadError):
        return f"\\x{body.hex()}"
    return json_format.MessageToDict(message, preserving_proto_field_name=True)


def readable(lines: Iterable[str]) -> Iterator[str]:
    """What psql prints of outbox rows, with JSON in place of bytes.

    A line that names a message's type and has bytes as PostgreSQL writes them, in hex, gets those
    as JSON; every other line, and bytes that are none of that type, are left as they are.
    """
    for line in lines:
        named = _TYPE.search(line)
        yield _BYTES.sub(lambda found: _read(named[0], found), line) if named else line  # noqa: B023


def _read(type: str, found: re.Match[str]) -> str:
    try:
        return as_json(read_payload(bytes.fromhex(found[1]), PROTOBUF, _TYPES[type]))
    except UnreadablePayloadError:
        return found[0]
