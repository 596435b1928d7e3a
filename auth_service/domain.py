"""People and what they prove: rules, limits, errors."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import unicodedata
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address
from uuid import UUID

from chassis.text import flaw_in_line, line

REGISTER = "REGISTER"
PASSWORD_RESET = "PASSWORD_RESET"  # noqa: S105 - a purpose, no password
CUSTOMER = "CUSTOMER"
ORGANIZER = "ORGANIZER"
ADMIN = "ADMIN"
ROLES = frozenset({CUSTOMER, ORGANIZER, ADMIN})
STATUSES = frozenset({"ACTIVE", "DISABLED", "ORGANIZER_REQUESTED"})

# Narrower than RFC 5321: no quoted local parts, ASCII only, so that lower-casing is unambiguous.
_EMAIL = re.compile(r"(?=.{3,254}\Z)[\w.!#$%&'*+/=?^`{|}~-]{1,64}@([\w-]+\.)+[\w-]{2,63}", re.ASCII)
_PHONE = re.compile(r"\+[1-9][0-9]{6,14}")  # E.164
_COUNTRY = re.compile(r"[A-Z]{2}")  # ISO 3166-1 alpha-2
_PASSWORD_LENGTH = range(8, 129)  # characters; NIST SP 800-63B asks for 8 at least
_NAME_LENGTH = range(1, 101)
_MAX_ADDRESS = 64  # characters of a client's address that are kept
_MAX_QUERY = 100  # characters
_MAX_PAGE = 100
_ACTION = re.compile(r"([A-Z_]{1,50})?")
_LAST_ID = UUID(int=2**128 - 1)
_NO_NETWORK = "-"  # of a caller within the system
_MAX_DEVICE = 120  # characters
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

    def __init__(self, why: str, field: str) -> None:
        super().__init__(why, **{field: why})


class InvalidCodeError(AuthError):
    """A one-time code that is wrong, used, void or too old: the caller is not told which."""

    reason = "INVALID_CODE"

    def __init__(self) -> None:
        why = "The code is wrong or no longer valid."
        super().__init__(why, otp=why)


class CodeThrottledError(AuthError):
    """Too many codes were asked for, for one address, or tried by whom none was given to."""

    kind = "THROTTLED"
    reason = "CODE_THROTTLED"


class EmailTakenError(AuthError):
    """The address has an account."""

    kind = "STATE"
    reason = "EMAIL_TAKEN"


class InvalidCredentialsError(AuthError):
    """No such account, or not its password: the caller is not told which."""

    kind = "UNAUTHENTICATED"
    reason = "INVALID_CREDENTIALS"

    def __init__(self) -> None:
        super().__init__("The e-mail address or the password is wrong.")


class LoginThrottledError(AuthError):
    """Too many failed log-ins for one address, from one network, or from all of them."""

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


class AddressThrottledError(AuthError):
    """Too much was tried from one client address."""

    kind = "THROTTLED"
    reason = "ADDRESS_THROTTLED"


class WrongPasswordError(AuthError):
    """Not the password the account has now."""

    reason = "WRONG_PASSWORD"

    def __init__(self) -> None:
        why = "This is not your password."
        super().__init__(why, current_password=why)


class SessionNotFoundError(AuthError):
    """No such open session, or another person's."""

    kind = "NOT_FOUND"
    reason = "SESSION_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("You have no such session.")


class UserNotFoundError(AuthError):
    """There is no account with this id; told to admins."""

    kind = "NOT_FOUND"
    reason = "USER_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("There is no such account.")


class OwnAccountError(AuthError):
    """An admin would shut themselves out."""

    kind = "STATE"
    reason = "OWN_ACCOUNT"

    def __init__(self) -> None:
        super().__init__("Your own role and access are for another admin to change.")


class NoLongerAdminError(AuthError):
    """The caller's token says ADMIN, but their account does not, or is disabled."""

    kind = "FORBIDDEN"
    reason = "FORBIDDEN"

    def __init__(self) -> None:
        super().__init__("This is not for you.")


class InvalidFilterError(AuthError):
    """There is nothing to search by that; the metadata names the filters."""

    reason = "INVALID_FILTER"


class InvalidCursorError(AuthError):
    """No page was ever given with that cursor."""

    reason = "INVALID_CURSOR"

    def __init__(self) -> None:
        super().__init__(
            "This cursor belongs to no page of this list.", cursor="is not one of this list's"
        )


@dataclass(frozen=True, slots=True)
class Limits:
    """How long things live and how often they may be tried.

    Raises:
        ValueError: an access token or a code would live longer than ten minutes, or something
            not at all.
    """

    access_seconds: int = 600
    refresh_seconds: int = 30 * 24 * 3600
    session_seconds: int = 90 * 24 * 3600  # however often it is refreshed
    sessions: int = 50  # open at once, of one account; the one used longest ago makes room
    refresh_grace_seconds: int = 10  # a rotated token is still answered, its reply may be lost
    code_seconds: int = 600
    code_tries: int = 5
    # For one address and purpose, asked for from one network.
    code_interval_seconds: int = 60
    codes_an_hour: int = 5
    # And from all networks together: so many at once, then one in so many seconds.
    account_codes: int = 10
    account_code_seconds: float = 360.0
    # Codes tried by whom none was given to, for one address and purpose: from one network since it
    # asked for one, and from all of them. The latter and `account_codes` times `code_tries` bound
    # what can be guessed.
    network_tries: int = 5
    network_try_seconds: float = 720.0
    account_tries: int = 20
    account_try_seconds: float = 180.0
    # Log-ins to one account from one network, one device or, to change the password, one session.
    free_log_in_failures: int = 5  # from this one on they are followed by a wait: 1 s, doubling
    longest_log_in_wait_seconds: int = 900
    # And from all networks together, but for devices that were logged in before.
    account_log_in_failures: int = 50
    account_log_in_seconds: float = 300.0
    device_seconds: int = 180 * 24 * 3600  # since it was logged in last
    # From one client address: so many at once, then one in so many seconds. The first pair is for
    # what has a password hashed or a code looked at (log-ins, registrations, resets).
    address_passwords: int = 100
    address_password_seconds: float = 2.0
    address_codes: int = 30
    address_code_seconds: float = 20.0

    def __post_init__(self) -> None:
        if not 0 < self.access_seconds <= 600 or not 0 < self.code_seconds <= 600:
            raise ValueError("access tokens and codes live for ten minutes at most")
        counts = (self.refresh_seconds, self.session_seconds, self.code_tries, self.codes_an_hour)
        shared = (self.account_codes, self.network_tries, self.account_tries)
        if min(*counts, *shared, self.account_log_in_failures, self.device_seconds) < 1:
            raise ValueError("a limit of nothing at all shuts everybody out")
        if min(self.sessions, self.address_passwords, self.address_codes) < 1:
            raise ValueError("a limit of nothing at all shuts everybody out")


@dataclass(frozen=True, slots=True)
class Device:
    """One that was logged in before, as it says itself, under our seal."""

    source: str  # what its failures are counted by
    password_version: int  # another password makes a stranger of it
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class DeviceToken:
    """What a device is known by at its next log-in."""

    token: str
    expires_in: int  # seconds


@dataclass(frozen=True, slots=True)
class Visitor:
    """Where somebody comes from who has proved nothing yet."""

    address: str  # as it is throttled; empty: a caller within the system
    network: str
    device: Device | None = None


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
class Profile:
    """What somebody changes of themselves; None: left as it is."""

    name: str | None
    phone: str | None
    country: str | None
    request_organizer: bool | None


@dataclass(frozen=True, slots=True)
class ManagedAccount:
    """A person as an admin sees them."""

    account: Account
    last_log_in_at: datetime | None


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A device somebody is logged in on."""

    id: UUID
    address: str
    user_agent: str
    created_at: datetime
    last_used_at: datetime


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Something that was done."""

    id: UUID
    at: datetime
    action: str
    actor_id: UUID | None
    subject_id: UUID | None
    detail: Mapping[str, str]


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
    """Message: a code was asked for, and is to be mailed where it `is_wanted`."""

    email: str
    purpose: str
    code: str
    expires_at: datetime
    is_wanted: bool


@dataclass(frozen=True, slots=True)
class UserChanged:
    """Message: somebody registered, or changed name or address."""

    user_id: UUID
    email: str
    name: str
    version: int


@dataclass(frozen=True, slots=True)
class SessionsRevoked:
    """Message: sessions ended; their access tokens are no longer good."""

    session_ids: tuple[UUID, ...]


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
    name = _tidied(name)
    wrong |= _faults(name, phone, country)
    if role not in {"", CUSTOMER, ORGANIZER}:
        wrong["role"] = "This is neither CUSTOMER nor ORGANIZER."
    if wrong:
        raise InvalidAccountError("Some fields are not right.", **wrong)
    return Applicant(address, name, phone, country, role or CUSTOMER)


def parse_profile(
    *, name: str | None, phone: str | None, country: str | None, request_organizer: bool | None
) -> Profile:
    """What somebody wants to change of themselves.

    Raises:
        InvalidAccountError: something is malformed; every such field is named.
    """
    name = None if name is None else _tidied(name)
    wrong = _faults("-" if name is None else name, phone or "", country or "")
    if wrong:
        raise InvalidAccountError("Some fields are not right.", **wrong)
    return Profile(name, phone, country, request_organizer)


def _tidied(name: str) -> str:
    return line(name)


def _faults(name: str, phone: str, country: str) -> dict[str, str]:
    wrong: dict[str, str] = {}
    flaw = flaw_in_line(name)
    if len(name) not in _NAME_LENGTH:
        wrong["name"] = "A name has 1 to 100 characters."
    elif flaw:
        wrong["name"] = f"A name {flaw}."
    if phone and not _PHONE.fullmatch(phone):
        wrong["phone"] = "A phone number is written as +, country code and number (E.164)."
    if country and not _COUNTRY.fullmatch(country):
        wrong["country"] = "A country is two capital letters (ISO 3166-1)."
    return wrong


def with_profile(account: Account, profile: Profile, *, signup_open: bool) -> Account:
    """The account after its owner's change.

    Who asks to be an organizer is one at once where sign-up is open, else waits for an admin.
    """
    changed = replace(
        account,
        name=account.name if profile.name is None else profile.name,
        phone=account.phone if profile.phone is None else profile.phone,
        country=account.country if profile.country is None else profile.country,
    )
    if profile.request_organizer is not None and account.role == CUSTOMER:
        granted = profile.request_organizer and signup_open
        changed = replace(
            changed,
            role=ORGANIZER if granted else CUSTOMER,
            organizer_requested=profile.request_organizer and not granted,
        )
    return replace(changed, version=account.version + (changed.name != account.name))


def as_managed(account: Account, *, role: str | None, disabled: bool | None) -> Account:
    """The account after an admin's change; a role that is given settles a request for another.

    Raises:
        InvalidAccountError: there is no such role.
    """
    if role is not None and role not in ROLES:
        why = "This is neither CUSTOMER, ORGANIZER nor ADMIN."
        raise InvalidAccountError(why, role=why)
    return replace(
        account,
        role=account.role if role is None else role,
        organizer_requested=account.organizer_requested and role is None,
        disabled=account.disabled if disabled is None else disabled,
    )


def throttled_by(address: str) -> str:
    """What a client is throttled by: its address; of IPv6 the /64 it has to itself (RFC 6177)."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return kept(address, _MAX_ADDRESS)
    if isinstance(parsed, IPv4Address):
        return str(parsed)
    return str(parsed.ipv4_mapped or IPv6Network((int(parsed), 64), strict=False))


def network_of(address: str) -> str:
    """Where tries against one account are counted together: the /24 of IPv4, the /64 of IPv6.

    Whoever has one address often has its neighbours too.
    """
    by = throttled_by(address)
    try:
        return str(IPv4Network((int(IPv4Address(by)), 24), strict=False))
    except ValueError:
        return by or _NO_NETWORK


def kept(text: str, length: int) -> str:
    """What the client says of itself, cut to size, without the one character that can't be kept."""
    return text.replace("\0", "")[:length]


def check_user_filter(query: str, role: str, status: str, limit: int) -> None:
    """Refuses what accounts can't be searched by; empty filters are none.

    Raises:
        InvalidFilterError: every such filter is named.
    """
    wrong = _limit_faults(limit)
    if len(query) > _MAX_QUERY or "\0" in query:
        wrong["q"] = "A search has 100 characters at most."
    if role and role not in ROLES:
        wrong["role"] = "This is neither CUSTOMER, ORGANIZER nor ADMIN."
    if status and status not in STATUSES:
        wrong["status"] = "This is neither ACTIVE, DISABLED nor ORGANIZER_REQUESTED."
    if wrong:
        raise InvalidFilterError("Some filters are not right.", **wrong)


def parse_audit_filter(user_id: str, action: str, limit: int) -> UUID | None:
    """Whom the entries are to be about; None: everybody.

    Raises:
        InvalidFilterError: every filter that is not right is named.
    """
    wrong = _limit_faults(limit)
    person: UUID | None = None
    try:
        person = UUID(user_id) if user_id else None
    except ValueError:
        wrong["user_id"] = "This is no account's id."
    if not _ACTION.fullmatch(action):
        wrong["action"] = "An action is written in capitals."
    if wrong:
        raise InvalidFilterError("Some filters are not right.", **wrong)
    return person


def _limit_faults(limit: int) -> dict[str, str]:
    return {} if 1 <= limit <= _MAX_PAGE else {"limit": "A page has 1 to 100 entries."}


def to_cursor(id: UUID) -> str:
    """The opaque form of the last id of a page."""
    return base64.urlsafe_b64encode(id.bytes).rstrip(b"=").decode()


def from_cursor(cursor: str) -> UUID:
    """The id that the page of `cursor` (empty: the first) comes after, in falling order.

    Raises:
        InvalidCursorError: it is none.
    """
    if not cursor:
        return _LAST_ID
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        return UUID(bytes=raw)
    except (binascii.Error, ValueError):
        raise InvalidCursorError from None


def like_pattern(query: str) -> str:
    """The LIKE pattern of whatever contains `query`, with its wildcards taken literally."""
    return "%" + re.sub(r"([\\%_])", r"\\\1", query) + "%"


def parse_password(text: str) -> str:
    """The password in the form it is hashed in, so that every keyboard's spelling is the same."""
    return unicodedata.normalize("NFKC", text)


def check_password(
    password: str, email: str, common: AbstractSet[str], *, field: str = "password"
) -> None:
    """Refuses a password, given as `field`, that would be guessed; `common` are case-folded.

    Raises:
        WeakPasswordError: and why.
    """
    if len(password) not in _PASSWORD_LENGTH:
        raise WeakPasswordError("A password has 8 to 128 characters.", field)
    folded = password.casefold()
    if folded in common or len(set(folded)) < 3:
        raise WeakPasswordError("This password is among the first that are tried.", field)
    local_part = email.partition("@")[0]
    if len(local_part) > _MAX_LOCAL_PART_TO_IGNORE and local_part in folded:
        why = "A password must not contain the name of your e-mail address."
        raise WeakPasswordError(why, field)


def code_digest(pepper: bytes, email: str, purpose: str, code: str) -> bytes:
    """A code's stored form: worth nothing without the pepper, nor for another address."""
    return hmac.digest(pepper, "\0".join((purpose, email, code)).encode(), hashlib.sha256)


def device_token(
    pepper: bytes, email: str, *, source: str, password_version: int, expires_at: datetime
) -> str:
    """What the device `source` is known by, for one account and password."""
    stated = f"{password_version}.{int(expires_at.timestamp())}.{source}"
    return f"{stated}.{_seal(pepper, email, stated)}"


def read_device(pepper: bytes, email: str, token: str) -> Device | None:
    """The device that the token was made for; None where it was not made here for this account."""
    stated, _, seal = token.rpartition(".")
    if len(token) > _MAX_DEVICE or not hmac.compare_digest(
        seal.encode(), _seal(pepper, email, stated).encode()
    ):
        return None
    password_version, expires_at, source = stated.split(".", 2)
    return Device(source, int(password_version), datetime.fromtimestamp(int(expires_at), UTC))


def _seal(pepper: bytes, email: str, stated: str) -> str:
    digest = hmac.digest(pepper, "\0".join(("DEVICE", email, stated)).encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def token_digest(token: str) -> bytes:
    """A refresh token's stored form; 256 random bits need no salt."""
    return hashlib.sha256(token.encode()).digest()
