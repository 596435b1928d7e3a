"""The rules of auth_service."""

from __future__ import annotations

from uuid import UUID

import pytest

from auth_service.domain import (
    InvalidAccountError,
    InvalidCursorError,
    Limits,
    WeakPasswordError,
    check_password,
    code_digest,
    from_cursor,
    parse_applicant,
    parse_email,
    parse_password,
    throttled_by,
    to_cursor,
)
from auth_service.passwords import COMMON


def test_an_address_is_kept_in_lower_case() -> None:
    assert parse_email(" Asha.Rai+box@Example.ORG ") == "asha.rai+box@example.org"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "asha",
        "asha@",
        "@example.org",
        "asha@example",
        "asha@example..org",
        "a b@example.org",
        "asha@example.org\nbcc: all@example.org",
        "asha\0@example.org",
        "äsha@example.org",
        '"<x>"@example.org',
        "a" * 65 + "@example.org",
        "asha@" + "a." * 130 + "org",
    ],
)
def test_what_mail_cannot_be_sent_to_is_refused(text: str) -> None:
    with pytest.raises(InvalidAccountError) as refused:
        parse_email(text)
    assert set(refused.value.metadata) == {"email"}


def test_every_malformed_field_is_named() -> None:
    with pytest.raises(InvalidAccountError) as refused:
        parse_applicant(email="asha", name=" \t ", phone="98410", country="np", role="ADMIN")
    assert set(refused.value.metadata) == {"email", "name", "phone", "country", "role"}


def test_who_asks_for_no_role_becomes_a_customer() -> None:
    applicant = parse_applicant(
        email="asha@example.org", name=" Asha ", phone="+9779841000000", country="NP", role=""
    )
    assert (applicant.name, applicant.role) == ("Asha", "CUSTOMER")


@pytest.mark.parametrize(
    "password",
    ["seven77", "x" * 129, "Password1", "QWERTY123", "abababababab", "my-Asha.Rai-secret"],
)
def test_a_password_that_would_be_guessed_is_refused(password: str) -> None:
    with pytest.raises(WeakPasswordError) as refused:
        check_password(password, "asha.rai@example.org", COMMON)
    assert set(refused.value.metadata) == {"password"}


@pytest.mark.parametrize(
    "password", ["plum-Kettle7", "ab mein Freund", "पासवर्ड नयाँ छ", "x7" * 4 + "!"]
)
def test_a_password_that_would_not_be_guessed_is_accepted(password: str) -> None:
    check_password(password, "ab@example.org", COMMON)


def test_the_list_of_common_passwords_is_usable() -> None:
    assert len(COMMON) >= 1000
    assert all(entry == entry.casefold() and len(entry) >= 8 for entry in COMMON)


def test_two_keyboards_spellings_of_a_password_are_the_same() -> None:
    assert parse_password("Cafe\u0301-\u212b-ngstrom") == parse_password("Caf\u00e9-\u00c5-ngstrom")


def test_a_code_is_bound_to_address_purpose_and_pepper() -> None:
    digests = {
        code_digest(pepper, email, purpose, "123456")
        for pepper in (b"one", b"two")
        for email in ("asha@example.org", "bina@example.org")
        for purpose in ("REGISTER", "PASSWORD_RESET")
    }
    assert len(digests) == 8


def test_no_setting_makes_tokens_or_codes_live_longer_than_ten_minutes() -> None:
    with pytest.raises(ValueError, match="ten minutes"):
        Limits(access_seconds=601)
    with pytest.raises(ValueError, match="ten minutes"):
        Limits(code_seconds=3600)


@pytest.mark.parametrize(
    ("address", "by"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("", ""),
        ("unix\0:", "unix:"),
        ("x" * 100, "x" * 64),
    ],
)
def test_a_client_is_throttled_by_what_it_cannot_change_at_will(address: str, by: str) -> None:
    assert throttled_by(address) == by


def test_a_cursor_gives_its_id_back_and_nothing_else_is_one() -> None:
    id = UUID("01a1fd54-a20b-75d0-b4af-5e040ab7dd29")
    assert from_cursor(to_cursor(id)) == id
    for text in ("x", "AAAA", "=", "ä", to_cursor(id) + "AA"):
        with pytest.raises(InvalidCursorError):
            from_cursor(text)
