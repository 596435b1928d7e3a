"""People, their sessions, and what was done."""

from __future__ import annotations

from typing import Literal

from parterre.auth.v1 import auth_pb2
from typing_extensions import TypedDict

from presentation.views.base import time


class User(TypedDict):
    """A person, as they see themselves."""

    id: str
    email: str
    name: str
    role: str
    phone: str | None
    country: str | None
    organizer_requested: bool
    created_at: str


class Registered(TypedDict):
    """A new account."""

    user: User


class Session(TypedDict):
    """An access token; the refresh token travels in a cookie."""

    access_token: str
    token_type: Literal["Bearer"]
    expires_in: int
    user: User


class OpenSession(TypedDict):
    """A device somebody is signed in on; `current` where the question came from it."""

    id: str
    address: str
    user_agent: str
    created_at: str
    last_used_at: str
    current: bool


class ManagedUser(User):
    """A person, as admins see them."""

    disabled: bool
    last_log_in_at: str | None


class AuditEntry(TypedDict):
    """Something that was done; null where nobody was signed in, or it concerns nobody."""

    id: str
    at: str
    action: str
    actor_id: str | None
    subject_id: str | None
    detail: dict[str, str]


class Accepted(TypedDict):
    """Says nothing of the address, by design; `otp_id` comes back along with the code."""

    message: str
    otp_id: str


def user(person: auth_pb2.User) -> User:
    """A person, as they see themselves."""
    return {
        "id": person.id,
        "email": person.email,
        "name": person.name,
        "role": person.role,
        "phone": person.phone or None,
        "country": person.country or None,
        "organizer_requested": person.organizer_requested,
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
        "action": it.action,
        "actor_id": it.actor_id or None,
        "subject_id": it.subject_id or None,
        "detail": dict(it.detail),
    }
