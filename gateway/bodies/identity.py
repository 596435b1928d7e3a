"""Accounts: who somebody is, and what admins change of it."""

from __future__ import annotations

import unicodedata
from typing import Annotated, Any

from fastapi import Path
from pydantic import BeforeValidator, Field, StringConstraints

from chassis import text
from gateway.bodies import limits
from gateway.bodies.base import (
    UUID,
    UUID_SCHEMA,
    Country,
    Email,
    Id,
    Input,
    PageQuery,
    line,
    not_found,
)
from presentation.vocabulary import (
    AccountStatus,
    AuditAction,
    CodePurpose,
    Language,
    Role,
    SignUpRole,
)

# What people put between digits, to read them; and the most of it that is looked at.
_BETWEEN = dict.fromkeys(map(ord, "-.()/\u2010\u2011\u2012\u2013"))
_MOST_CHARACTERS = 50


def _undecorated(value: Any) -> Any:
    """Digits as machines write them: 123 456 and १२३ ४५६ are 123456."""
    if not isinstance(value, str) or len(value) > _MOST_CHARACTERS:
        return value
    return "".join(
        str(unicodedata.decimal(character, character))
        for character in text.unspaced(value).translate(_BETWEEN)
    )


Phone = Annotated[
    str, StringConstraints(pattern=r"^\+[1-9][0-9]{6,14}$"), BeforeValidator(_undecorated)
]
PersonName = Annotated[str, *line(limits.PERSON_NAME)]
BusinessName = Annotated[str, *line(limits.BUSINESS_NAME)]
NewPassword = Annotated[
    str, StringConstraints(min_length=limits.PASSWORD_LEAST, max_length=limits.PASSWORD)
]
Password = Annotated[str, StringConstraints(min_length=1, max_length=limits.PASSWORD)]
Code = Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$"), BeforeValidator(_undecorated)]
OtpId = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"),
]
UserId = Annotated[
    str, not_found("USER_NOT_FOUND", UUID), UUID_SCHEMA, Path(description="The account's id.")
]
SessionId = Annotated[
    str, not_found("SESSION_NOT_FOUND", UUID), UUID_SCHEMA, Path(description="The session's id.")
]


class CodeWish(Input):
    """Asks for a one-time code."""

    email: Email
    """Where to mail it."""
    purpose: CodePurpose
    """What it shall be good for."""


class Registration(Input):
    """A new account."""

    email: Email
    """The address to log in with; the code was mailed there."""
    password: NewPassword = Field(repr=False)
    """Long rather than strange: one of the commonest is refused."""
    name: PersonName
    """What to call them."""
    otp: Code = Field(repr=False)
    """The code that was mailed."""
    otp_id: OtpId | None = None
    """Of the answer that asked for the code. A wrong try counts against this code alone; without
    it, against the network it comes from."""
    phone: Phone | None = None
    """As E.164 writes it."""
    country: Country | None = None
    """ISO 3166-1 alpha-2."""
    role: SignUpRole = "CUSTOMER"
    """What to be; ORGANIZER may have to wait for an admin."""
    language: Language = "en"
    """In which mails are written to them: English or Nepali."""


class Credentials(Input):
    """Who logs in."""

    email: Email
    """The account's address."""
    password: Password = Field(repr=False)
    """The account's password."""


class PasswordReset(Input):
    """A new password for an address that a one-time code has verified."""

    email: Email
    """The account's address; the code was mailed there."""
    otp: Code = Field(repr=False)
    """The code that was mailed."""
    otp_id: OtpId | None = None
    """Of the answer that asked for the code. A wrong try counts against this code alone; without
    it, against the network it comes from."""
    new_password: NewPassword = Field(repr=False)
    """The password from now on."""


class PasswordChange(Input):
    """A new password, by whom knows the old one."""

    current_password: Password = Field(repr=False)
    """The password as it is."""
    new_password: NewPassword = Field(repr=False)
    """The password from now on."""


class ProfileChange(Input):
    """What to change of oneself; what is absent stays."""

    name: PersonName | None = None
    """What to call them."""
    phone: Phone | None = None
    """As E.164 writes it; null removes it."""
    country: Country | None = None
    """ISO 3166-1 alpha-2; null removes it."""
    language: Language | None = None
    """In which mails are written to them: English or Nepali."""
    organizer_requested: bool | None = Field(default=None, strict=True)
    """True asks for the role ORGANIZER, granted at once where sign-up is open; false takes the
    request back."""
    business_name: BusinessName | None = None
    """The name of the business that sells their events, for everybody to see. Another name waits
    for an admin's approval, but an admin's own and where sign-up is open; null removes it."""


class AccountChange(Input):
    """What an admin changes of an account; what is absent stays."""

    role: Role | None = None
    """What they may do."""
    disabled: bool | None = Field(default=None, strict=True)
    """True keeps them out, false lets them in again."""
    business_name: BusinessName | None = None
    """The name of the business that sells their events, for everybody to see; null removes it. It
    settles what they asked for."""


class UserQuery(PageQuery):
    """Which accounts."""

    q: Annotated[str, *line(limits.USER_QUERY)] | None = None
    """Part of the address or the name."""
    role: Role | None = None
    """Those that may do this."""
    status: AccountStatus | None = None
    """Those that stand so."""


class AuditQuery(PageQuery):
    """Which entries of the audit trail."""

    user_id: Id | None = None
    """Those by or about this person."""
    action: AuditAction | None = None
    """Those of this action."""
