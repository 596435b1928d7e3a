"""Logging in, and the devices that are known from then on."""

from __future__ import annotations

import asyncio
import secrets
from datetime import datetime, timedelta

from prometheus_client import Counter

from auth_service import storage
from auth_service.domain import (
    AccountDisabledError,
    Action,
    AuthError,
    Credentials,
    DeviceToken,
    InvalidCredentialsError,
    NewDeviceSignedIn,
    Tokens,
    Visitor,
    device_token,
    kept,
    network_of,
    parse_email,
    parse_password,
    read_device,
    throttled_by,
    token_digest,
)
from auth_service.handlers.auth import MAX_ADDRESS, Auth
from auth_service.handlers.sessions import make_room, tokens_of
from auth_service.handlers.throttles import address_throttled, log_in_throttled
from auth_service.passwords import Hashing
from auth_service.storage import LogIn
from chassis.database import Session
from chassis.ids import uuid7

_MAX_USER_AGENT = 300
_MAX_TOLD_USER_AGENT = 200

LOG_INS_REFUSED = Counter(
    "parterre_log_ins_refused",
    "Log-ins by password that were refused: wrong, throttled, or the account is closed",
    ["why"],
)
_WRONG, _THROTTLED, _CLOSED = map(LOG_INS_REFUSED.labels, ("wrong", "throttled", "closed"))


async def log_in(
    auth: Auth, *, email: str, password: str, address: str, user_agent: str, device: str = ""
) -> tuple[Tokens, DeviceToken]:
    """Opens a session; the client is known from now on, by what it has to give as `device`.

    Failures count by account and network, and by account alone. Those of a known device count by
    themselves, so that nobody else's keep it out.

    Raises:
        InvalidAccountError: the address is malformed.
        InvalidCredentialsError: after the same work, whatever is wrong.
        LoginThrottledError: too many failures with this address, known or not; `retry_after`.
        AddressThrottledError: too many for the client's address; `retry_after` seconds.
        AccountDisabledError: address and password are right, but the account is disabled.
        ServiceError: OVERLOADED.
    """
    email, password = parse_email(email), parse_password(password)
    visitor = Visitor(
        throttled_by(address), network_of(address), read_device(auth.code_pepper, email, device)
    )
    with auth.passwords.place() as hashing:
        async with auth.turns.setdefault(email, asyncio.Lock()):
            client = _client(address, user_agent)
            return await _log_in(auth, hashing, email, password, visitor=visitor, client=client)


async def _log_in(
    auth: Auth,
    hashing: Hashing,
    email: str,
    password: str,
    *,
    visitor: Visitor,
    client: dict[str, str],
) -> tuple[Tokens, DeviceToken]:
    async def begin(session: Session) -> LogIn:
        return await storage.begin_log_in(session, email, visitor, auth.limits)

    begun = await auth.database.run(begin)
    if not (begun.address_may and begun.account_may):
        _THROTTLED.inc()
        raise await _log_in_refusal(auth, email, visitor, begun)
    known = begun.known
    good = await hashing.verify(known.password_hash if known else None, password)
    if good and known and hashing.outdated(known.password_hash):
        password_hash = await hashing.hash(password)
        async with auth.database.transaction() as session:
            await storage.replace_hash(session, known, password_hash)
    if known is None or not good:
        _WRONG.inc()
        await _note_failure(auth, email, begun, client)
        raise InvalidCredentialsError
    session_id, refresh_token = uuid7(), secrets.token_urlsafe(32)

    async def open_session(session: Session) -> datetime | None:
        if begun.open_sessions >= auth.limits.sessions:
            await make_room(session, auth, known.account.id)
        opened_at = await storage.open_session(
            session,
            session_id,
            known,
            source=begun.source,
            digest=token_digest(refresh_token),
            limits=auth.limits,
            client=client,
            commits=begun.from_known_device,
        )
        if opened_at is not None and not begun.from_known_device:
            session.send(
                NewDeviceSignedIn(
                    known.account.id,
                    session_id,
                    client["user_agent"][:_MAX_TOLD_USER_AGENT],
                    client["address"],
                    opened_at,
                )
            )
        return opened_at

    opened_at = await auth.database.run(open_session)
    if opened_at is None:
        _CLOSED.inc()
        await _note(auth, "LOG_IN_REFUSED", known, **client)
        raise AccountDisabledError if known.account.disabled else InvalidCredentialsError
    tokens = tokens_of(
        auth,
        known.account,
        session_id,
        opened_at,
        refresh_token,
        seconds_left=auth.limits.session_seconds,
    )
    source = begun.source if begun.from_known_device else ""
    return tokens, known_device(auth, email, known.password_version, opened_at, source)


def known_device(
    auth: Auth, email: str, password_version: int, now: datetime, source: str = ""
) -> DeviceToken:
    """What the client is known by from now on; `source`: as before."""
    seconds = auth.limits.device_seconds
    token = device_token(
        auth.code_pepper,
        email,
        source=source or f"device:{secrets.token_urlsafe(12)}",
        password_version=password_version,
        expires_at=now + timedelta(seconds=seconds),
    )
    return DeviceToken(token, seconds)


async def _note_failure(auth: Auth, email: str, begun: LogIn, client: dict[str, str]) -> None:
    known = begun.known
    async with auth.database.transaction() as session:
        if not begun.from_known_device:
            storage.count_strangers_failure(session, email, auth.limits)
        subject = known.account.id if known else None
        storage.audit(session, "LOG_IN_FAILED", subject, None, email=email, **client)


async def _note(auth: Auth, action: Action, known: Credentials | None, **detail: str) -> None:
    async with auth.database.transaction() as session:
        storage.audit(session, action, known.account.id if known else None, None, **detail)


async def _log_in_refusal(auth: Auth, email: str, visitor: Visitor, begun: LogIn) -> AuthError:
    limits = auth.limits
    async with auth.database.transaction() as session:
        if begun.address_may:
            wait = await storage.next_log_in_in(session, email, begun.source)
            if not begun.from_known_device:
                of_strangers = await storage.next_log_in_of_strangers_in(session, email, limits)
                wait = max(wait, of_strangers)
            return log_in_throttled(wait)
        wait = await storage.next_from_address_in(
            session,
            visitor.address,
            "PASSWORD",
            at_once=limits.address_passwords,
            seconds=limits.address_password_seconds,
        )
    return address_throttled(wait)


def _client(address: str, user_agent: str) -> dict[str, str]:
    return {
        "address": kept(address, MAX_ADDRESS),
        "user_agent": kept(user_agent, _MAX_USER_AGENT),
    }
