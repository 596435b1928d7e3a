"""People, their sessions, and what was done."""

from __future__ import annotations

from typing import Literal

from parterre.auth.v1 import auth_pb2

from presentation.views.base import Count, CountryCode, Email, Id, Time, View, time
from presentation.vocabulary import AuditAction, Language, Role, word


class User(View):
    """A person, as they see themselves."""

    id: Id
    """The account's id."""
    email: Email
    """The address they log in with."""
    name: str
    """What they are called."""
    role: Role
    """What they may do."""
    phone: str | None
    """Their number, as E.164 writes it."""
    country: CountryCode | None
    """ISO 3166-1 alpha-2."""
    organizer_requested: bool
    """They asked to be an organizer, and wait for an admin."""
    business_name: str | None
    """The name of the business that sells their events, as everybody sees it; null: none is
    approved."""
    requested_business_name: str | None
    """The name that they asked for, and that waits for an admin; null: none waits."""
    language: Language
    """In which mails are written to them: English or Nepali."""
    created_at: Time
    """When they registered."""


class Registered(View):
    """A new account."""

    user: User
    """Whose it is."""


class Session(View):
    """An access token; the refresh token travels in a cookie."""

    access_token: str
    """Send it as `Authorization: Bearer <access_token>`."""
    token_type: Literal["Bearer"]
    """How it is sent (RFC 6750)."""
    expires_in: Count
    """Seconds until the access token is refused: get another by `POST /auth/refresh` before."""
    user: User
    """Who logged in."""


class OpenSession(View):
    """A device somebody is signed in on; `current` where the question came from it."""

    id: Id
    """The session's id."""
    address: str
    """The network address it was opened from."""
    user_agent: str
    """What the device's program calls itself."""
    created_at: Time
    """When it was opened."""
    last_used_at: Time
    """When its access token was last renewed."""
    current: bool
    """Whether this very request came from it."""


class ManagedUser(User):
    """A person, as admins see them."""

    disabled: bool
    """They can't log in any more."""
    last_log_in_at: Time | None
    """When they logged in last; null: never."""


class AuditEntry(View):
    """Something that was done; null where nobody was signed in, or it concerns nobody."""

    id: Id
    """The entry's id."""
    at: Time
    """When it was done."""
    action: AuditAction
    """What was done."""
    actor_id: Id | None
    """Who did it; null: nobody who was signed in."""
    subject_id: Id | None
    """Whose account it concerns; null: nobody's."""
    detail: dict[str, str]
    """What there is to say besides, by name."""


class Accepted(View):
    """Says nothing of the address, by design; `otp_id` comes back along with the code."""

    message: str
    """What to tell the person."""
    otp_id: str
    """Send it along with the code that was mailed."""


def user(person: auth_pb2.User) -> User:
    """A person, as they see themselves."""
    return {
        "id": person.id,
        "email": person.email,
        "name": person.name,
        "role": word(person.role),
        "phone": person.phone or None,
        "country": person.country or None,
        "organizer_requested": person.organizer_requested,
        "business_name": person.business_name or None,
        "requested_business_name": person.requested_business_name or None,
        "language": word(person.language or "en"),
        "created_at": time(person.created_at),
    }


def session(tokens: auth_pb2.Tokens) -> Session:
    """What a client may know of its tokens."""
    return {
        "access_token": tokens.access_token,
        "token_type": "Bearer",
        "expires_in": tokens.expires_in,
        "user": user(tokens.user),
    }


def open_session(it: auth_pb2.Session) -> OpenSession:
    """A device somebody is signed in on."""
    return {
        "id": it.id,
        "address": it.address,
        "user_agent": it.user_agent,
        "created_at": time(it.created_at),
        "last_used_at": time(it.last_used_at),
        "current": it.current,
    }


def managed_user(it: auth_pb2.ManagedUser) -> ManagedUser:
    """A person, as admins see them."""
    return {
        **user(it.user),
        "disabled": it.disabled,
        "last_log_in_at": time(it.last_log_in_at) if it.HasField("last_log_in_at") else None,
    }


def audit_entry(it: auth_pb2.AuditEntry) -> AuditEntry:
    """Something that was done."""
    return {
        "id": it.id,
        "at": time(it.at),
        "action": word(it.action),
        "actor_id": it.actor_id or None,
        "subject_id": it.subject_id or None,
        "detail": dict(it.detail),
    }
