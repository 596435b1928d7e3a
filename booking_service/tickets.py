"""Tickets as signed tokens: small enough for a QR code, verifiable without asking anybody.

A token is `base64url(claims).base64url(signature)`, Ed25519 (RFC 8032) over the claims' bytes:

    1 byte   layout, 1
    8 bytes  key id: the first of the public key's SHA-256
    16 bytes ticket id
    16 bytes event id
    2 bytes  version, big-endian; a revoked ticket's next one has a higher
    rest     the seat's id, UTF-8; none for a standing ticket
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from struct import Struct
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from booking_service.domain import InvalidTicketError

_LAYOUT = 1
_HEAD = Struct(">B8s16s16sH")
_LONGEST_SEAT = 64
_LONGEST_TOKEN = 300


@dataclass(frozen=True, slots=True)
class Claims:
    """What a ticket says."""

    ticket_id: UUID
    event_id: UUID
    seat_id: str  # empty: standing
    version: int


def _key_id(key: Ed25519PublicKey) -> bytes:
    return hashlib.sha256(key.public_bytes_raw()).digest()[:8]


class TicketKeys:
    """The key that signs tickets, and the public ones of before that still verify."""

    def __init__(self, private_key: bytes, old_public_keys: Sequence[bytes] = ()) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(private_key)
        current = self._private.public_key()
        keys = [current, *(Ed25519PublicKey.from_public_bytes(raw) for raw in old_public_keys)]
        self._id = _key_id(current)
        self._public = {_key_id(key): key for key in keys}

    @property
    def public_keys(self) -> Mapping[str, bytes]:
        """Every key that verifies, 32 bytes each, by its id; the signing one first."""
        return {id.hex(): key.public_bytes_raw() for id, key in self._public.items()}

    def sign(self, claims: Claims) -> str:
        """The token that says `claims`; the same at every call."""
        seat = claims.seat_id.encode()
        if len(seat) > _LONGEST_SEAT:
            raise ValueError("a seat's id is too long for a ticket")
        head = _HEAD.pack(
            _LAYOUT, self._id, claims.ticket_id.bytes, claims.event_id.bytes, claims.version
        )
        body = head + seat
        return f"{_encode(body)}.{_encode(self._private.sign(body))}"

    def verify(self, token: str) -> Claims:
        """What the token says.

        Raises:
            InvalidTicketError: it is not exactly as one of our keys signed it.
        """
        if len(token) > _LONGEST_TOKEN:
            raise InvalidTicketError("This is not a ticket.")
        body_text, _, signature_text = token.partition(".")
        body = _decode(body_text)
        if len(body) < _HEAD.size:
            raise InvalidTicketError("This is not a ticket.")
        layout, key_id, ticket_id, event_id, version = _HEAD.unpack_from(body)
        key = self._public.get(key_id)
        if layout != _LAYOUT or key is None:
            raise InvalidTicketError("This ticket was not made here.")
        try:
            key.verify(_decode(signature_text), body)
        except InvalidSignature as error:
            raise InvalidTicketError("This ticket has been altered.") from error
        seat = body[_HEAD.size :].decode()
        return Claims(UUID(bytes=ticket_id), UUID(bytes=event_id), seat, version)


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError as error:
        raise InvalidTicketError("This is not a ticket.") from error
    # Base64 has several spellings of the same bytes; a ticket has one.
    if _encode(raw) != text:
        raise InvalidTicketError("This is not a ticket.")
    return raw
