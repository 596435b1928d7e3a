"""A message's bytes: binary protobuf. JSON is still read, for what was sent before it was."""

from __future__ import annotations

from typing import Final, TypeVar

from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message

PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"

M = TypeVar("M", bound=Message)


class UnreadablePayloadError(Exception):
    """Bytes that are not a message of the type they are said to be."""


def read_payload(body: bytes, content_type: str | None, kind: type[M]) -> M:
    """The message; fields that are not known are ignored.

    Raises:
        UnreadablePayloadError: it is none of that type.
    """
    try:
        if content_type == PROTOBUF:
            return kind.FromString(body)
        if content_type == JSON:
            return json_format.Parse(body, kind(), ignore_unknown_fields=True)
    except (DecodeError, json_format.ParseError, UnicodeDecodeError) as error:
        raise UnreadablePayloadError(f"not a {kind.DESCRIPTOR.full_name}: {error}") from error
    raise UnreadablePayloadError(f"content type {content_type}")


def as_json(message: Message) -> str:
    """The message in one line for people, its fields named as in the proto file."""
    return json_format.MessageToJson(
        message, preserving_proto_field_name=True, indent=None, ensure_ascii=False
    )
