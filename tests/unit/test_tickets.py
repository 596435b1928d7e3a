"""Ticket tokens: what was signed verifies, and nothing else does."""

from __future__ import annotations

import secrets

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from booking_service.domain import InvalidTicketError
from booking_service.tickets import Claims, TicketKeys
from chassis.ids import uuid7

KEYS = TicketKeys(secrets.token_bytes(32))
CLAIMS = Claims(uuid7(), uuid7(), "49999", 1)
TOKEN = KEYS.sign(CLAIMS)


@pytest.mark.parametrize("seat_id", ["", "0", "49999", "Stalls/C/12"])
def test_a_token_says_what_was_signed_and_fits_a_small_code(seat_id: str) -> None:
    claims = Claims(uuid7(), uuid7(), seat_id, 65_535)
    token = KEYS.sign(claims)
    assert KEYS.verify(token) == claims
    assert len(token) <= 200


def test_the_same_ticket_has_the_same_token_every_time() -> None:
    assert KEYS.sign(CLAIMS) == TOKEN


@pytest.mark.parametrize("at", range(len(TOKEN)))
def test_a_token_altered_anywhere_is_refused(at: int) -> None:
    for other in ("A", "B", "_", ".", "é"):
        altered = TOKEN[:at] + other + TOKEN[at + 1 :]
        if altered != TOKEN:
            with pytest.raises(InvalidTicketError):
                KEYS.verify(altered)


@pytest.mark.parametrize("length", range(len(TOKEN)))
def test_a_token_cut_anywhere_is_refused(length: int) -> None:
    with pytest.raises(InvalidTicketError):
        KEYS.verify(TOKEN[:length])


@pytest.mark.parametrize("more", ["=", "A", ".", ".A", "\n", " ", "A" * 400])
def test_a_token_with_something_added_is_refused(more: str) -> None:
    with pytest.raises(InvalidTicketError):
        KEYS.verify(TOKEN + more)


@given(st.text(max_size=310))
def test_anything_else_is_refused_and_never_breaks(text: str) -> None:
    with pytest.raises(InvalidTicketError):
        KEYS.verify(text)


def test_a_ticket_of_another_key_is_refused() -> None:
    with pytest.raises(InvalidTicketError):
        TicketKeys(secrets.token_bytes(32)).verify(TOKEN)


def test_after_a_rotation_old_tickets_still_verify_and_both_keys_are_published() -> None:
    raw = secrets.token_bytes(32)
    public = Ed25519PrivateKey.from_private_bytes(raw).public_key().public_bytes_raw()
    old = TicketKeys(raw)
    rotated = TicketKeys(secrets.token_bytes(32), [public])
    assert rotated.verify(old.sign(CLAIMS)) == CLAIMS
    assert list(rotated.public_keys.values())[1] == public
    with pytest.raises(InvalidTicketError):
        old.verify(rotated.sign(CLAIMS))
