"""Accounts: who somebody is, and what admins change of it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from gateway.bodies.base import UUID, Country, Email, Id, Input, PageQuery, Short, not_found

Phone = Annotated[
    str, StringConstraints(pattern=r"^\+[1-9][0-9]{6,14}$"), Field(description="E.164")
]
NewPassword = Annotated[str, StringConstraints(min_length=8, max_length=128)]
Password = Annotated[str, StringConstraints(min_length=1, max_length=128)]
Code = Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")]
OtpId = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"),
    Field(description="Of the answer that asked for the code: opaque"),
]
UserId = Annotated[str, not_found("USER_NOT_FOUND", UUID)]
SessionId = Annotated[str, not_found("SESSION_NOT_FOUND", UUID)]


class CodeWish(Input):
    """Asks for a one-time code."""

    email: Email = Field(examples=["asha@parterre.example"])
    purpose: Literal["REGISTER", "PASSWORD_RESET"]


class Registration(Input):
    """A new account."""

    email: Email = Field(examples=["asha@parterre.example"])
    password: NewPassword = Field(repr=False, examples=["correct horse battery"])
    name: Short = Field(examples=["Asha"])
    otp: Code = Field(repr=False, examples=["481516"])
    otp_id: OtpId | None = Field(
        default=None,
        description="Of the answer that asked for the code. A wrong try counts against this code "
        "alone; without it, against the network it comes from.",
        examples=["7f1c2b1e-53c5-4b8e-9d0e-0c5d6a1f2e3b"],
    )
    phone: Phone | None = Field(default=None, examples=["+9779812345678"])
    country: Country | None = Field(default=None, examples=["NP"])
    role: Literal["CUSTOMER", "ORGANIZER"] = "CUSTOMER"


class Credentials(Input):
    """Who logs in."""

    email: Email = Field(examples=["asha@parterre.example"])
    password: Password = Field(repr=False, examples=["correct horse battery"])


class PasswordReset(Input):
    """A new password for an address that a one-time code has verified."""

    email: Email = Field(examples=["asha@parterre.example"])
    otp: Code = Field(repr=False, examples=["481516"])
    otp_id: OtpId | None = Field(
        default=None,
        description="Of the answer that asked for the code. A wrong try counts against this code "
        "alone; without it, against the network it comes from.",
        examples=["7f1c2b1e-53c5-4b8e-9d0e-0c5d6a1f2e3b"],
    )
    new_password: NewPassword = Field(repr=False, examples=["correct horse battery"])


class PasswordChange(Input):
    """A new password, by whom knows the old one."""

    current_password: Password = Field(repr=False, examples=["correct horse battery"])
    new_password: NewPassword = Field(repr=False, examples=["staple of another horse"])


class ProfileChange(Input):
    """What to change of oneself; what is absent stays, a phone or country of null is removed."""

    name: Short | None = None
    phone: Phone | None = Field(default=None, examples=["+9779812345678"])
    country: Country | None = Field(default=None, examples=["NP"])
    organizer_requested: bool | None = Field(
        default=None,
        strict=True,
        description="True asks for the role ORGANIZER, granted at once where sign-up is open; "
        "false takes the request back.",
    )


class AccountChange(Input):
    """What an admin changes of an account; what is absent stays."""

    role: Literal["CUSTOMER", "ORGANIZER", "ADMIN"] | None = None
    disabled: bool | None = Field(default=None, strict=True)


class UserQuery(PageQuery):
    """Which accounts."""

    q: Short | None = Field(default=None, description="Part of the address or the name")
    role: Literal["CUSTOMER", "ORGANIZER", "ADMIN"] | None = None
    status: Literal["ACTIVE", "DISABLED", "ORGANIZER_REQUESTED"] | None = None


class AuditQuery(PageQuery):
    """Which entries of the audit trail."""

    user_id: Id | None = Field(default=None, description="By or to this person")
    action: str | None = Field(default=None, pattern=r"^[A-Z_]{1,40}$", examples=["ROLE_CHANGED"])
