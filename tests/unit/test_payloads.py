"""Messages' bytes, and how people read them."""

from __future__ import annotations

import json

import pytest
from google.protobuf import json_format
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st
from parterre.messages.v1 import messages_pb2
from parterre.types.v1 import types_pb2
from typer.testing import CliRunner

from chassis.outbox import encoded
from chassis.payloads import JSON, PROTOBUF, UnreadablePayloadError, as_json, read_payload
from ops.cli import app
from ops.messages import readable, shown

REPLY = messages_pb2.SeatsReply(
    booking_id="b", outcome=messages_pb2.SeatsReply.OUTCOME_SOLD, step=3
)
REPLY_TYPE = "parterre.messages.v1.SeatsReply"
REPLY_JSON = '{"booking_id": "b", "outcome": "OUTCOME_SOLD", "step": 3}'


@given(
    st.builds(
        messages_pb2.ChargePayment,
        payment_id=st.text(),
        amount=st.builds(
            types_pb2.Money,
            amount=st.integers(-(2**63), 2**63 - 1),
            currency=st.text(max_size=3),
        ),
        step=st.integers(-(2**31), 2**31 - 1),
    )
)
def test_a_message_is_read_as_it_was_written_in_either_form(
    message: messages_pb2.ChargePayment,
) -> None:
    kind = messages_pb2.ChargePayment
    assert read_payload(encoded(message).body, PROTOBUF, kind) == message
    assert read_payload(as_json(message).encode(), JSON, kind) == message
    assert read_payload(json_format.MessageToJson(message).encode(), JSON, kind) == message


def test_fields_of_another_version_are_ignored() -> None:
    newer = messages_pb2.DeliverCode(code="000001", expires_at=Timestamp(seconds=1))
    binary = newer.SerializeToString() + b"\xfa\x07\x03new"  # field 127
    text = b'{"code": "000001", "expires_at": "1970-01-01T00:00:01Z", "new": {"a": [1]}}'
    for body, content_type in ((binary, PROTOBUF), (text, JSON)):
        assert read_payload(body, content_type, messages_pb2.DeliverCode).code == "000001"


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"\xff", PROTOBUF),
        (b"{", JSON),
        (b"\xff", JSON),
        (b'{"code": 1}', JSON),
        (b"", "text/plain"),
        (b"", None),
    ],
)
def test_what_is_no_such_message_is_said_to_be_none(body: bytes, content_type: str | None) -> None:
    with pytest.raises(UnreadablePayloadError):
        read_payload(body, content_type, messages_pb2.DeliverCode)


def test_a_message_is_shown_by_its_type_or_in_hex() -> None:
    body = REPLY.SerializeToString()
    assert shown(REPLY_TYPE, body, PROTOBUF) == json.loads(REPLY_JSON)
    assert shown(REPLY_TYPE, REPLY_JSON.encode(), JSON) == json.loads(REPLY_JSON)
    assert shown(REPLY_TYPE, b"\xff", PROTOBUF) == "\\xff"
    assert shown("no.such.Type", b"\x01\x02", PROTOBUF) == "\\x0102"


def test_what_psql_prints_is_printed_with_its_payloads_as_json() -> None:
    payload = REPLY.SerializeToString().hex()
    printed = (
        "  id  |              type               | payload\n"
        "------+---------------------------------+--------\n"
        f" 1-2  | {REPLY_TYPE} | \\x{payload}\n"
        f"copied\t{REPLY_TYPE}\t\\\\x{payload}\n"
        f" 1-3  | {REPLY_TYPE} | \\xff\n"
        f" 1-4  | another.Type | \\x{payload}\n"
        f" 1-5  | {REPLY_TYPE} | \\x\n"
        "(4 rows)\n"
    )
    expected = (
        "  id  |              type               | payload\n"
        "------+---------------------------------+--------\n"
        f" 1-2  | {REPLY_TYPE} | {REPLY_JSON}\n"
        f"copied\t{REPLY_TYPE}\t{REPLY_JSON}\n"
        f" 1-3  | {REPLY_TYPE} | \\xff\n"
        f" 1-4  | another.Type | \\x{payload}\n"
        f" 1-5  | {REPLY_TYPE} | {{}}\n"
        "(4 rows)\n"
    )
    assert "".join(readable(printed.splitlines(keepends=True))) == expected
    assert CliRunner().invoke(app, ["messages"], input=printed).stdout == expected
