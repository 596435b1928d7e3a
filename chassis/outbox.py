"""The transactional outbox: messages commit with the state they speak of; a relay publishes them.

A row is leased from the start to the process that writes it: its relay has the message in memory
when the transaction has committed. Rows whose lease has run out, because their process died or the
broker would not take them, and rows that no relay had room for, are claimed from the table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from google.protobuf.message import Message

from chassis.context import Origin
from chassis.ids import uuid7
from chassis.payloads import PROTOBUF

# Longer than a confirm is waited for, so that a slow broker is not sent everything twice.
LEASE_SECONDS = 15.0
_STORE_SQL = """
INSERT INTO outbox (id, type, payload, headers, due_at)
SELECT id, type, payload,
       jsonb_build_object('request_id', request_id, 'traceparent', traceparent),
       clock_timestamp() + make_interval(secs => :lease_seconds)
  FROM unnest(CAST(:ids AS uuid[]), CAST(:types AS text[]), CAST(:payloads AS bytea[]),
              CAST(:request_ids AS text[]), CAST(:traceparents AS text[]))
       AS each (id, type, payload, request_id, traceparent)
"""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message, written."""

    type: str  # the proto message's full name
    body: bytes  # binary protobuf


@dataclass(frozen=True, slots=True)
class Entry:
    """A message as the outbox keeps it."""

    id: UUID
    type: str
    body: bytes
    origin: Origin  # what it is part of
    content_type: str = PROTOBUF

    @classmethod
    def of(cls, message: Outgoing, origin: Origin) -> Entry:
        """The message under an id of its own."""
        return cls(uuid7(), message.type, message.body, origin)

    @property
    def headers(self) -> Mapping[str, str]:
        """What travels with it through the broker."""
        headers = {"request_id": self.origin.request_id}
        if self.origin.traceparent:
            headers["traceparent"] = self.origin.traceparent
        return headers


Encode = Callable[[object], Outgoing]


class Publisher(Protocol):
    """Who publishes messages from memory as soon as they are committed; `chassis.relay.Relay`."""

    def has_room(self, count: int) -> bool:
        """Whether it takes so many messages."""

    def take(self, entries: Sequence[Entry]) -> None:
        """Publishes messages whose rows were leased to this process, and have been committed."""


def encoded(message: Message) -> Outgoing:
    """The outbox's form of a proto message."""
    return Outgoing(message.DESCRIPTOR.full_name, message.SerializeToString())


def outbox_statement(entries: Sequence[Entry], *, leased: bool) -> tuple[str, Mapping[str, Any]]:
    """The statement that writes messages to the outbox; `leased` to this process's relay."""
    return _STORE_SQL, {
        "ids": [entry.id for entry in entries],
        "types": [entry.type for entry in entries],
        "payloads": [entry.body for entry in entries],
        "request_ids": [entry.origin.request_id for entry in entries],
        "traceparents": [entry.origin.traceparent for entry in entries],
        "lease_seconds": LEASE_SECONDS if leased else 0.0,
    }
