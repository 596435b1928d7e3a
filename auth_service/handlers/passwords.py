"""Another password: by whom knows the old one, or by a code."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from uuid import UUID

from auth_service import storage
from auth_service.domain import (
    PASSWORD_RESET,
    AuthError,
    Credentials,
    DeviceToken,
    InvalidCodeError,
    WrongPasswordError,
    check_password,
    parse_email,
    parse_password,
)
from auth_service.handlers.accounts import get_account
from auth_service.handlers.auth import Auth, audit_own, unless_refused
from auth_service.handlers.codes import prove
from auth_service.handlers.log_ins import known_device
from auth_service.handlers.sessions import end_sessions
from auth_service.handlers.throttles import count_password_from, log_in_throttled
from auth_service.passwords import COMMON
from chassis.database import Session


async def change_password(
    auth: Auth, *, account_id: UUID, session_id: UUID, current_password: str, new_password: str
) -> None:
    """Changes the account's password and ends its sessions but this one.

    Counts as a log-in: whoever found an open session can't guess the password through it.

    Raises:
        WeakPasswordError: before the current one is looked at.
        WrongPasswordError: the current one is another.
        LoginThrottledError: too many failures; `retry_after` seconds.
        AccountNotFoundError, AccountDisabledError: since the caller's token was made.
        ServiceError: OVERLOADED.
    """
    current_password, new_password = parse_password(current_password), parse_password(new_password)
    account = await get_account(auth, account_id=account_id)
    check_password(new_password, account.email, COMMON, field="new_password")

    async def claim(session: Session) -> Credentials | None:
        # Nobody's failed log-ins stand in the way of who is logged in, nor the other way round.
        source = f"session:{session_id}"
        wait = await storage.claim_log_in(session, account.email, source, auth.limits)
        if wait:
            raise log_in_throttled(wait)
        return await storage.find_credentials_of(session, account_id)

    async def settle(session: Session) -> AuthError | None:
        if known is None or not good:
            audit_own(session, "PASSWORD_CHANGE_FAILED", account_id)
            return WrongPasswordError()
        if not await storage.change_password(session, known, password_hash):
            return WrongPasswordError()
        await end_sessions(session, auth, account_id, keep=session_id)
        await storage.forgive_log_ins(session, account.email)
        audit_own(session, "PASSWORD_CHANGED", account_id)
        return None

    with auth.passwords.place() as hashing:
        async with auth.turns.setdefault(account.email, asyncio.Lock()):
            known = await auth.database.run(claim)
            good = await hashing.verify(known.password_hash if known else None, current_password)
            password_hash = await hashing.hash(new_password) if good else ""
            unless_refused(await auth.database.run(settle))


@dataclass(frozen=True, slots=True)
class Reset:
    """The password that an account shall have, once a code proves its address."""

    email: str
    password_hash: str


async def prepare_reset(auth: Auth, *, email: str, new_password: str, address: str = "") -> Reset:
    """Checks the password that shall be, and hashes it.

    Raises:
        InvalidAccountError, WeakPasswordError: before the code is looked at, which stays good.
        AddressThrottledError: too many from the client's address; `retry_after` seconds.
        ServiceError: OVERLOADED.
    """
    email, new_password = parse_email(email), parse_password(new_password)
    check_password(new_password, email, COMMON, field="new_password")
    with auth.passwords.place() as hashing:
        async with auth.database.transaction() as session:
            await count_password_from(session, auth, address)
        return Reset(email, await hashing.hash(new_password))


async def reset_password(
    session: Session,
    auth: Auth,
    asked: Reset,
    *,
    code: str,
    otp_id: UUID | None = None,
    address: str = "",
) -> DeviceToken | AuthError:
    """Sets the password of the account whose address the code proves; ends all its sessions.

    The client is known from now on, so that its next log-in gets through whatever others tried.
    Else a refusal, to be committed: InvalidCodeError, one of the code's tries is used up, also
    where there is no such account; CodeThrottledError, too many were tried without an id,
    `retry_after` seconds.
    """
    email = asked.email
    refusal = await prove(
        session, auth, email, PASSWORD_RESET, code, otp_id=otp_id, address=address
    )
    if refusal is not None:
        return refusal
    account = await storage.reset_password(session, email, asked.password_hash)
    if account is None:
        return InvalidCodeError()
    await end_sessions(session, auth, account.id)
    await storage.forgive_log_ins(session, email)
    audit_own(session, "PASSWORD_RESET", account.id)
    return known_device(auth, email, account.password_version, account.at)
