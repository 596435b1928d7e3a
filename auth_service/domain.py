"""People and what they prove: rules, limits, errors."""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

REGISTER = "REGISTER"
PASSWORD_RESET = "PASSWORD_RESET"  # noqa: S105 - a purpose, no password
CUSTOMER = "CUSTOMER"
ORGANIZER = "ORGANIZER"
ADMIN = "ADMIN"

# Narrower than RFC 5321: no quoted local parts, ASCII only, so that lower-casing is unambiguous.
_EMAIL = re.compile(r"(?=.{3,254}\Z)[\w.!#$%&'*+/=?^`{|}~-]{1,64}@([\w-]+\.)+[\w-]{2,63}", re.ASCII)
_PHONE = re.compile(r"\+[1-9][0-9]{6,14}")  # E.164
_COUNTRY = re.compile(r"[A-Z]{2}")  # ISO 3166-1 alpha-2
_PASSWORD_LENGTH = range(8, 129)  # characters; NIST SP 800-63B asks for 8 at least
_NAME_LENGTH = range(1, 101)
_MAX_LOCAL_PART_TO_IGNORE = 2  # "al@example.org" must not forbid every password with "al" in it


class AuthError(Exception):
    """A refusal of auth_service."""

    kind = "INVALID"
    reason = "INVALID_ACCOUNT"

    def __init__(self, detail: str, **metadata: str) -> None:
        super().__init__(detail)
        self.metadata: Mapping[str, str] = metadata


class InvalidAccountError(AuthError):
    """What somebody says of themselves is malformed; the metadata names the fields."""


class WeakPasswordError(AuthError):
    """A password that would be guessed."""

    reason = "WEAK_PASSWORD"

    def __init__(self, why: str) -> None:
        super().__init__(why, password=why)


class InvalidCodeError(AuthError):
    """A one-time code that is wrong, used, void or too old: the caller is not told which."""

    reason = "INVALID_CODE"

    def __init__(self) -> None:
        why = "The code is wrong or no longer valid."
        super().__init__(why, otp=why)


class CodeThrottledError(AuthError):
    """Too many codes were asked for, for one address."""

    kind = "THROTTLED"
    reason = "CODE_THROTTLED"


class EmailTakenError(AuthError):
    """The address has an account."""

    kind = "CONFLICT"
    reason = "EMAIL_TAKEN"


class InvalidCredentialsError(AuthError):
    """No such account, or not its password: the caller is not told which."""

    kind = "UNAUTHENTICATED"
    reason = "INVALID_CREDENTIALS"

    def __init__(self) -> None:
        super().__init__("The e-mail address or the password is wrong.")


class LoginThrottledError(AuthError):
    """Too many failed log-ins for one address."""

    kind = "THROTTLED"
    reason = "LOGIN_THROTTLED"


class AccountDisabledError(AuthError):
    """Told only to whom has proved to be the account's owner."""

    kind = "FORBIDDEN"
    reason = "ACCOUNT_DISABLED"

    def __init__(self) -> None:
        super().__init__("This account is disabled.")


class AccountNotFoundError(AuthError):
    """There is no such account."""

    kind = "NOT_FOUND"
    reason = "ACCOUNT_NOT_FOUND"


class InvalidRefreshTokenError(AuthError):
    """A refresh token that is unknown, too old, used before, or of a session that has ended."""

    kind = "UNAUTHENTICATED"
    reason = "INVALID_REFRESH_TOKEN"

    def __init__(self) -> None:
        super().__init__("The session has ended; log in again.")


@dataclass(frozen=True, slots=True)
class Limits:
    """How long things live and how often they may be tried.

    Raises:
        ValueError: an access token or a code would live longer than ten minutes, or something
            not at all.
    """

    access_seconds: int = 600
    refresh_seconds: int = 30 * 24 * 3600
    refresh_grace_seconds: int = 10  # a rotated token is still answered, its reply may be lost
    code_seconds: int = 600
    code_tries: int = 5
    code_interval_seconds: int = 60
    codes_an_hour: int = 5
    free_log_in_failures: int = 5  # from this one on they are followed by a wait: 1 s, doubling
    longest_log_in_wait_seconds: int = 900

    def __post_init__(self) -> None:
        if not 0 < self.access_seconds <= 600 or not 0 < self.code_seconds <= 600:
            raise ValueError("access tokens and codes live for ten minutes at most")
        if min(self.refresh_seconds, self.code_tries, self.codes_an_hour) < 1:
            raise ValueError("a limit of nothing at all shuts everybody out")


@dataclass(frozen=True, slots=True)
class Account:
    """A person."""

    id: UUID
    email: str
    name: str
    role: str
    phone: str
    country: str
    organizer_requested: bool
    created_at: datetime
    disabled: bool
    version: int


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a log-in is checked against."""

    account: Account
    password_hash: str
    password_version: int


@dataclass(frozen=True, slots=True)
class Applicant:
    """Somebody who wants an account; every field is as it will be stored."""

    email: str
    name: str
    phone: str
    country: str
    role: str


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a session is carried on with."""

    access_token: str
    expires_in: int  # seconds
    refresh_token: str
    refresh_expires_in: int  # seconds
    account: Account


@dataclass(frozen=True, slots=True)
class DeliverCode:
    """Message: a code is to be mailed."""

    email: str
    purpose: str
    code: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class UserChanged:
    """Message: somebody registered, or changed name or address."""

    user_id: UUID
    email: str
    name: str
    version: int


def parse_email(text: str) -> str:
    """The address in the form it is stored and compared in.

    Raises:
        InvalidAccountError: it is not an address mail can be sent to.
    """
    email = text.strip().lower()
    if not _EMAIL.fullmatch(email):
        why = "This is not an e-mail address."
        raise InvalidAccountError(why, email=why)
    return email


def parse_purpose(text: str) -> str:
    """What a one-time code is for.

    Raises:
        InvalidAccountError: there is no such purpose.
    """
    if text not in {REGISTER, PASSWORD_RESET}:
        why = "This is neither REGISTER nor PASSWORD_RESET."
        raise InvalidAccountError(why, purpose=why)
    return text


def parse_applicant(*, email: str, name: str, phone: str, country: str, role: str) -> Applicant:
    """Somebody who wants an account.

    Raises:
        InvalidAccountError: something is malformed; every such field is named.
    """
    wrong: dict[str, str] = {}
    address = ""
    try:
        address = parse_email(email)
    except InvalidAccountError as error:
        wrong |= error.metadata
    name = unicodedata.normalize("NFC", name).strip()
    if len(name) not in _NAME_LENGTH or not name.isprintable():
        wrong["name"] = "A name has 1 to 100 printable characters."
    if phone and not _PHONE.fullmatch(phone):
        wrong["phone"] = "A phone number is written as +, country code and number (E.164)."
    if country and not _COUNTRY.fullmatch(country):
        wrong["country"] = "A country is two capital letters (ISO 3166-1)."
    if role not in {"", CUSTOMER, ORGANIZER}:
        wrong["role"] = "This is neither CUSTOMER nor ORGANIZER."
    if wrong:
        raise InvalidAccountError("Some fields are not right.", **wrong)
    return Applicant(address, name, phone, country, role or CUSTOMER)


def parse_password(text: str) -> str:
    """The password in the form it is hashed in, so that every keyboard's spelling is the same."""
    return unicodedata.normalize("NFKC", text)


def check_password(password: str, email: str, common: AbstractSet[str]) -> None:
    """Refuses a password that would be guessed; `common` are case-folded.

    Raises:
        WeakPasswordError: and why.
    """
    if len(password) not in _PASSWORD_LENGTH:
        raise WeakPasswordError("A password has 8 to 128 characters.")
    folded = password.casefold()
    if folded in common or len(set(folded)) < 3:
        raise WeakPasswordError("This password is among the first that are tried.")
    local_part = email.partition("@")[0]
    if len(local_part) > _MAX_LOCAL_PART_TO_IGNORE and local_part in folded:
        raise WeakPasswordError("A password must not contain the name of your e-mail address.")


def code_digest(pepper: bytes, email: str, purpose: str, code: str) -> bytes:
    """A code's stored form: worth nothing without the pepper, nor for another address."""
    return hmac.digest(pepper, "\0".join((purpose, email, code)).encode(), hashlib.sha256)


def token_digest(token: str) -> bytes:
    """A refresh token's stored form; 256 random bits need no salt."""
    return hashlib.sha256(token.encode()).digest()
