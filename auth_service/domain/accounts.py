"""People, and what they say of themselves."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from auth_service.domain.errors import InvalidAccountError
from chassis.text import flaw_in_line, line

CUSTOMER = "CUSTOMER"
ORGANIZER = "ORGANIZER"
ADMIN = "ADMIN"
ROLES = frozenset({CUSTOMER, ORGANIZER, ADMIN})
# In which mails are written (BCP 47).
LANGUAGES = frozenset({"en", "ne"})
ENGLISH = "en"
STATUSES = ("ACTIVE", "DISABLED", "ORGANIZER_REQUESTED", "BUSINESS_NAME_REQUESTED")
# Narrower than RFC 5321: no quoted local parts, ASCII only, so that lower-casing is unambiguous.
_EMAIL = re.compile(r"(?=.{3,254}\Z)[\w.!#$%&'*+/=?^`{|}~-]{1,64}@([\w-]+\.)+[\w-]{2,63}", re.ASCII)
_PHONE = re.compile(r"\+[1-9][0-9]{6,14}")  # E.164
_COUNTRY = re.compile(r"[A-Z]{2}")  # ISO 3166-1 alpha-2
NAME_LENGTH = range(1, 101)


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
    language: str
    # Of the business that sells their events; "": none.
    business_name: str  # as an admin approved it
    requested_business_name: str  # as it waits for an admin


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
    language: str = ENGLISH


@dataclass(frozen=True, slots=True)
class Profile:
    """What somebody changes of themselves; None: left as it is."""

    name: str | None
    phone: str | None
    country: str | None
    request_organizer: bool | None
    language: str | None = None
    business_name: str | None = None


@dataclass(frozen=True, slots=True)
class ManagedAccount:
    """A person as an admin sees them."""

    account: Account
    last_log_in_at: datetime | None


@dataclass(frozen=True, slots=True)
class UserChanged:
    """Message: somebody registered, or what is told of them changed."""

    user_id: UUID
    email: str
    name: str
    version: int
    language: str
    may_organize: bool


@dataclass(frozen=True, slots=True)
class OrganizerApproved:
    """Message: an admin made somebody an organizer who had asked for it."""

    user_id: UUID
    at: datetime


def parse_email(text: str) -> str:
    """The address in the form it is stored and compared in.

    Raises:
        InvalidAccountError: it is not an address mail can be sent to.
    """
    email = text.strip().lower()
    if not _EMAIL.fullmatch(email):
        why = "Must be an e-mail address, such as asha@example.org"
        raise InvalidAccountError(why, email=why)
    return email


def parse_applicant(
    *, email: str, name: str, phone: str, country: str, role: str, language: str = ""
) -> Applicant:
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
    name = line(name)
    language = language or ENGLISH
    wrong |= _faults(name, phone, country, language)
    if role not in {"", CUSTOMER, ORGANIZER}:
        wrong["role"] = "This is neither CUSTOMER nor ORGANIZER."
    if wrong:
        raise InvalidAccountError("Some fields are not right.", **wrong)
    return Applicant(address, name, phone, country, role or CUSTOMER, language)


def parse_profile(
    *,
    name: str | None,
    phone: str | None,
    country: str | None,
    request_organizer: bool | None,
    language: str | None = None,
    business_name: str | None = None,
) -> Profile:
    """What somebody wants to change of themselves.

    Raises:
        InvalidAccountError: something is malformed; every such field is named.
    """
    name = None if name is None else line(name)
    wrong = _faults(
        "-" if name is None else name,
        phone or "",
        country or "",
        ENGLISH if language is None else language,
    )
    business_name, wrong_name = _business_name(business_name)
    wrong |= wrong_name
    if wrong:
        raise InvalidAccountError("Some fields are not right.", **wrong)
    return Profile(name, phone, country, request_organizer, language, business_name)


def _business_name(text: str | None) -> tuple[str | None, dict[str, str]]:
    """The name as it is stored, "" for none, and what is wrong with it; None: as it is."""
    if text is None:
        return None, {}
    name = line(text)
    flaw = flaw_in_line(name)
    if len(name) > NAME_LENGTH[-1]:
        return name, {"business_name": f"A name has 1 to {NAME_LENGTH[-1]} characters."}
    return name, {"business_name": f"A name {flaw}."} if name and flaw else {}


def _faults(name: str, phone: str, country: str, language: str) -> dict[str, str]:
    wrong: dict[str, str] = {}
    flaw = flaw_in_line(name)
    if len(name) not in NAME_LENGTH:
        wrong["name"] = f"A name has 1 to {NAME_LENGTH[-1]} characters."
    elif flaw:
        wrong["name"] = f"A name {flaw}."
    if phone and not _PHONE.fullmatch(phone):
        wrong["phone"] = "A phone number is written as +, country code and number (E.164)."
    if country and not _COUNTRY.fullmatch(country):
        wrong["country"] = "A country is two capital letters (ISO 3166-1)."
    if language not in LANGUAGES:
        wrong["language"] = "Mails are written in English (en) or Nepali (ne)."
    return wrong


def with_profile(account: Account, profile: Profile, *, signup_open: bool) -> Account:
    """The account after its owner's change.

    Who asks to be an organizer is one at once where sign-up is open, else waits for an admin; so
    does another name of their business, but for an admin's own.
    """
    changed = replace(
        account,
        name=account.name if profile.name is None else profile.name,
        phone=account.phone if profile.phone is None else profile.phone,
        country=account.country if profile.country is None else profile.country,
        language=account.language if profile.language is None else profile.language,
    )
    if profile.request_organizer is not None and account.role == CUSTOMER:
        granted = profile.request_organizer and signup_open
        changed = replace(
            changed,
            role=ORGANIZER if granted else CUSTOMER,
            organizer_requested=profile.request_organizer and not granted,
        )
    if profile.business_name is not None:
        asked = profile.business_name
        # To take a name away, or to stay with the one there is, needs nobody's approval.
        granted = signup_open or account.role == ADMIN or asked in {"", account.business_name}
        changed = replace(
            changed,
            business_name=asked if granted else account.business_name,
            requested_business_name="" if granted else asked,
        )
    return _told(account, changed)


def as_managed(
    account: Account,
    *,
    role: str | None,
    disabled: bool | None,
    business_name: str | None = None,
) -> Account:
    """The account after an admin's change; a role or a name that is given settles a request for
    another.

    Raises:
        InvalidAccountError: there is no such role, or the name is malformed; every such field is
            named.
    """
    business_name, wrong = _business_name(business_name)
    if role is not None and role not in ROLES:
        wrong["role"] = "This is neither CUSTOMER, ORGANIZER nor ADMIN."
    if wrong:
        raise InvalidAccountError(next(iter(wrong.values())), **wrong)
    changed = replace(
        account,
        role=account.role if role is None else role,
        organizer_requested=account.organizer_requested and role is None,
        disabled=account.disabled if disabled is None else disabled,
    )
    if business_name is not None:
        changed = replace(changed, business_name=business_name, requested_business_name="")
    return _told(account, changed)


def may_organize(account: Account) -> bool:
    """Whether events, keys and webhooks may be theirs now."""
    return account.role in {ORGANIZER, ADMIN} and not account.disabled


def _told(before: Account, after: Account) -> Account:
    """The account with another version, where something changed that others are told."""
    was, now = ((it.name, it.language, may_organize(it)) for it in (before, after))
    return replace(after, version=before.version + (now != was))
