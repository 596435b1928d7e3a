"""What the contract calls things: proto <-> domain."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from google.protobuf.message import Message
from parterre.auth.v1 import auth_pb2

from auth_service.domain import (
    Account,
    ApiKey,
    AuditEntry,
    DeviceToken,
    ManagedAccount,
    OpenSession,
    Tokens,
    UserNotFoundError,
)
from chassis.ids import parse_uuid

_NO_CODE = UUID(int=0)


def given(request: Message, field: str) -> Any:
    """The optional field's value; None where it is absent."""
    return getattr(request, field) if request.HasField(field) else None


def otp_id_of(text: str) -> UUID | None:
    """Which code is tried; None: the caller was given none."""
    return (parse_uuid(text) or _NO_CODE) if text else None


def user_id_of(text: str) -> UUID:
    """Whose id it is.

    Raises:
        UserNotFoundError: nobody's.
    """
    id = parse_uuid(text)
    if id is None:
        raise UserNotFoundError
    return id


def device_shape(device: DeviceToken) -> auth_pb2.Device:
    """What a device is known by, as the contract says it."""
    return auth_pb2.Device(token=device.token, expires_in=device.expires_in)


def session_shape(session: OpenSession, current: str) -> auth_pb2.Session:
    """An open session; `current`: the id of the one that asks."""
    message = auth_pb2.Session(
        id=str(session.id),
        address=session.address,
        user_agent=session.user_agent,
        current=str(session.id) == current,
    )
    message.created_at.FromDatetime(session.created_at)
    message.last_used_at.FromDatetime(session.last_used_at)
    return message


def api_key_shape(key: ApiKey) -> auth_pb2.ApiKey:
    """A key, without itself."""
    message = auth_pb2.ApiKey(
        id=str(key.id),
        name=key.name,
        prefix=key.prefix,
        scopes=key.scopes,
        event_id=str(key.event_id or ""),
        status=key.status,
    )
    message.created_at.FromDatetime(key.created_at)
    for name in ("expires_at", "last_used_at", "revoked_at"):
        at = getattr(key, name)
        if at is not None:
            getattr(message, name).FromDatetime(at)
    return message


def managed_shape(managed: ManagedAccount) -> auth_pb2.ManagedUser:
    """A person as admins see them."""
    message = auth_pb2.ManagedUser(
        user=user_shape(managed.account), disabled=managed.account.disabled
    )
    if managed.last_log_in_at is not None:
        message.last_log_in_at.FromDatetime(managed.last_log_in_at)
    return message


def entry_shape(entry: AuditEntry) -> auth_pb2.AuditEntry:
    """Something that was done."""
    message = auth_pb2.AuditEntry(
        id=str(entry.id),
        action=entry.action,
        actor_id=str(entry.actor_id or ""),
        subject_id=str(entry.subject_id or ""),
        detail=entry.detail,
    )
    message.at.FromDatetime(entry.at)
    return message


def user_shape(account: Account) -> auth_pb2.User:
    """A person as they see themselves."""
    user = auth_pb2.User(
        id=str(account.id),
        email=account.email,
        name=account.name,
        role=account.role,
        phone=account.phone,
        country=account.country,
        organizer_requested=account.organizer_requested,
        language=account.language,
        business_name=account.business_name,
        requested_business_name=account.requested_business_name,
    )
    user.created_at.FromDatetime(account.created_at)
    return user


def tokens_shape(tokens: Tokens) -> auth_pb2.Tokens:
    """What a session is carried on with."""
    return auth_pb2.Tokens(
        access_token=tokens.access_token,
        expires_in=tokens.expires_in,
        refresh_token=tokens.refresh_token,
        refresh_expires_in=tokens.refresh_expires_in,
        user=user_shape(tokens.account),
    )
