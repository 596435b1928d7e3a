"""Use cases.

Passwords are hashed between transactions, never inside one. A refusal that must be remembered (a
try counted, a session ended) is returned by the transaction, not raised in it: raising would undo
what it remembers.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID, uuid4
from weakref import WeakValueDictionary

from auth_service import storage
from auth_service.domain import (
    ADMIN,
    CUSTOMER,
    ORGANIZER,
    PASSWORD_RESET,
    REGISTER,
    Account,
    AccountDisabledError,
    AccountNotFoundError,
    AddressThrottledError,
    Applicant,
    AuthError,
    CodeThrottledError,
    Credentials,
    DeliverCode,
    DeviceToken,
    EmailTakenError,
    InvalidCodeError,
    InvalidCredentialsError,
    InvalidRefreshTokenError,
    Limits,
    LoginThrottledError,
    OpenSession,
    SessionNotFoundError,
    SessionsRevoked,
    Tokens,
    UserChanged,
    Visitor,
    WrongPasswordError,
    check_password,
    code_digest,
    device_token,
    kept,
    network_of,
    parse_applicant,
    parse_email,
    parse_password,
    parse_profile,
    parse_purpose,
    read_device,
    throttled_by,
    token_digest,
    with_profile,
)
from auth_service.keys import KeyRing
from auth_service.passwords import COMMON, Hashing, HashingPool
from auth_service.storage import LogIn
from chassis.database import Database, Session
from chassis.identity import LEEWAY_SECONDS
from chassis.ids import uuid7

T = TypeVar("T")

_MAX_ADDRESS = 64
_MAX_USER_AGENT = 300
_MAX_REVOKED = 500  # in one message
_FIRST_PASSWORD = 1  # an account's first version of it


@dataclass(frozen=True)
class Auth:
    """What the use cases work with."""

    database: Database
    keys: KeyRing
    passwords: HashingPool
    code_pepper: bytes
    organizer_signup_open: bool
    limits: Limits
    # One log-in at a time per address and process: several good ones at once must not meet the
    # throttle because each counts as failed until it has succeeded.
    turns: WeakValueDictionary[str, asyncio.Lock] = field(default_factory=WeakValueDictionary)

    @property
    def token_seconds(self) -> int:
        """How long after its session's last use an access token may still be taken for good."""
        return self.limits.access_seconds + 2 * LEEWAY_SECONDS


async def request_code(auth: Auth, *, email: str, purpose: str, address: str = "") -> UUID:
    """Mails a one-time code where that makes sense; the caller can't tell whether it did.

    A code is counted, stored and told of either way, by the same statements and messages; one that
    is not to be mailed is known to nobody. The answer is the id that it is tried with: wrong codes
    that come with it count against this one alone, so that nobody puts another's out of use.

    Raises:
        InvalidAccountError: address or purpose is malformed.
        CodeThrottledError: too many for this address; `retry_after` seconds.
        AddressThrottledError: too many for the client's address; `retry_after` seconds.
    """
    email, purpose = parse_email(email), parse_purpose(purpose)
    code, otp_id, limits = f"{secrets.randbelow(1_000_000):06}", uuid4(), auth.limits
    digest = code_digest(auth.code_pepper, email, purpose, code)

    async def work(session: Session) -> None:
        await _count_code_from(session, auth, address)
        wait = await storage.count_code(session, email, purpose, network_of(address), limits)
        wait = wait or await storage.count_account(
            session,
            email,
            f"CODE_{purpose}",
            at_once=limits.account_codes,
            seconds=limits.account_code_seconds,
        )
        if wait:
            raise _code_throttled(wait)
        expires_at = await storage.save_code(
            session, email, purpose, id=otp_id, digest=digest, limits=limits
        )
        is_wanted = await storage.knows(session, email) == (purpose == PASSWORD_RESET)
        storage.allow_tries(session, email, f"TRY_{purpose}", network_of(address))
        # To the second: parts of one are written in more bytes or fewer.
        until = expires_at.replace(microsecond=0)
        session.send(DeliverCode(email, purpose, code, until, is_wanted))

    await auth.database.run(work)
    return otp_id


def _code_throttled(wait: int) -> CodeThrottledError:
    return CodeThrottledError(f"Try again in {wait} seconds.", retry_after=str(wait))


async def _prove(
    session: Session,
    auth: Auth,
    email: str,
    purpose: str,
    code: str,
    *,
    otp_id: UUID | None,
    address: str,
) -> AuthError | None:
    """Uses the code up; or why it can't be, and the try is counted. Must be committed.

    Without the id of the code, the try counts against the network it comes from, for which all
    codes are void after the fifth until it asks for another, and with all such tries together: what
    strangers do so never costs the one who has the id anything.
    """
    limits, digest = auth.limits, code_digest(auth.code_pepper, email, purpose, code)
    if otp_id is not None:
        is_good = await storage.try_code(session, otp_id, email, purpose, digest)
    else:
        kind = f"TRY_{purpose}"
        wait = await storage.count_account(
            session,
            email,
            kind,
            network=network_of(address),
            at_once=limits.network_tries,
            seconds=limits.network_try_seconds,
        )
        if wait:
            return InvalidCodeError()  # void for this network, until it asks for another
        wait = await storage.count_account(
            session,
            email,
            kind,
            at_once=limits.account_tries,
            seconds=limits.account_try_seconds,
        )
        if wait:
            return _code_throttled(wait)
        is_good = await storage.use_code(session, email, purpose, digest)
    if not is_good:
        by = kept(address, _MAX_ADDRESS)
        storage.audit_code_refused(session, email, purpose=purpose, address=by)
        return InvalidCodeError()
    storage.void_codes(session, email, purpose)
    return None


async def register(
    auth: Auth,
    *,
    email: str,
    password: str,
    name: str,
    code: str,
    otp_id: UUID | None = None,
    phone: str = "",
    country: str = "",
    role: str = "",
    address: str = "",
) -> tuple[Account, DeviceToken]:
    """Makes an account of an address that the code proves; the client is known from now on.

    Raises:
        InvalidAccountError, WeakPasswordError: before the code is looked at, which stays good.
        InvalidCodeError: and one of its tries is used up.
        EmailTakenError: told only to whom the code was mailed.
        CodeThrottledError: too many were tried without an id; `retry_after` seconds.
        AddressThrottledError: too many from the client's address; `retry_after` seconds.
        ServiceError: OVERLOADED.
    """
    asked = parse_applicant(email=email, name=name, phone=phone, country=country, role=role)
    password = parse_password(password)
    check_password(password, asked.email, COMMON)
    waits = asked.role == ORGANIZER and not auth.organizer_signup_open
    applicant = replace(asked, role=CUSTOMER) if waits else asked
    with auth.passwords.place() as hashing:
        async with auth.database.transaction() as session:
            await _count_password_from(session, auth, address)
        password_hash = await hashing.hash(password)

    async def work(session: Session) -> Account | AuthError:
        refusal = await _prove(
            session, auth, applicant.email, REGISTER, code, otp_id=otp_id, address=address
        )
        if refusal is not None:
            return refusal
        account = await storage.add_account(
            session, applicant, password_hash, organizer_requested=waits
        )
        if account is None:
            return EmailTakenError("This address has an account; log in.")
        tell(session, account)
        storage.audit(session, "REGISTERED", account.id, account.id, role=account.role)
        return account

    account = _unless_refused(await auth.database.run(work))
    return account, _device(auth, account.email, _FIRST_PASSWORD, account.created_at)


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
        raise await _log_in_refusal(auth, email, visitor, begun)
    known = begun.known
    good = await hashing.verify(known.password_hash if known else None, password)
    if good and known and hashing.outdated(known.password_hash):
        password_hash = await hashing.hash(password)
        async with auth.database.transaction() as session:
            await storage.replace_hash(session, known, password_hash)
    if known is None or not good:
        await _note_failure(auth, email, begun, client)
        raise InvalidCredentialsError
    session_id, refresh_token = uuid7(), secrets.token_urlsafe(32)

    async def open_session(session: Session) -> datetime | None:
        if begun.open_sessions >= auth.limits.sessions:
            await _make_room(session, auth, known.account.id)
        return await storage.open_session(
            session,
            session_id,
            known,
            source=begun.source,
            digest=token_digest(refresh_token),
            limits=auth.limits,
            client=client,
        )

    opened_at = await auth.database.run(open_session)
    if opened_at is None:
        await _note(auth, "LOG_IN_REFUSED", known, **client)
        raise AccountDisabledError if known.account.disabled else InvalidCredentialsError
    tokens = _tokens(
        auth,
        known.account,
        session_id,
        opened_at,
        refresh_token,
        seconds_left=auth.limits.session_seconds,
    )
    source = begun.source if begun.from_known_device else ""
    return tokens, _device(auth, email, known.password_version, opened_at, source)


def _device(
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


async def _note(auth: Auth, action: str, known: Credentials | None, **detail: str) -> None:
    async with auth.database.transaction() as session:
        storage.audit(session, action, known.account.id if known else None, None, **detail)


async def _make_room(session: Session, auth: Auth, account_id: UUID) -> None:
    ended = await storage.end_oldest_sessions(
        session, account_id, keep=auth.limits.sessions - 1, token_seconds=auth.token_seconds
    )
    _tell_ended(session, ended)


async def refresh(auth: Auth, *, refresh_token: str) -> Tokens:
    """Rotates a refresh token; the access token has the role that the account has now.

    A token that was rotated more than ten seconds ago has been stolen, by whoever came first or
    by whoever comes now: the session ends for both. Sooner than that the reply may have been lost:
    it is answered again, unless what it was answered with was used, and that is no longer good. So
    a session has one token that carries it on, whatever is asked at once.

    Raises:
        InvalidRefreshTokenError: the session has ended, is too old, or never was.
    """
    digest, fresh = token_digest(refresh_token), secrets.token_urlsafe(32)

    async def work(session: Session) -> tuple[Account, UUID, datetime, int] | AuthError:
        family = await storage.lock_session(session, digest, auth.limits)
        if family is None:
            return InvalidRefreshTokenError()
        if not await storage.rotate(session, digest, auth.limits):
            if await storage.is_reused(session, digest, auth.limits):
                await _end_session(session, family.id, family.account_id)
                storage.audit(
                    session, "REFRESH_REUSED", family.account_id, None, session_id=str(family.id)
                )
            return InvalidRefreshTokenError()
        account = await storage.find_account(session, family.account_id)
        if account is None or account.disabled:
            return InvalidRefreshTokenError()
        storage.add_refresh_token(
            session, family.id, token_digest(fresh), auth.limits, parent=digest
        )
        used_at = await storage.touch_session(session, family.id)
        return account, family.id, used_at, int(family.seconds_left)

    account, session_id, used_at, left = _unless_refused(await auth.database.run(work))
    return _tokens(auth, account, session_id, used_at, fresh, seconds_left=left)


async def log_out(auth: Auth, *, account_id: UUID, session_id: UUID) -> None:
    """Ends a session; one that has ended stays so."""

    async def work(session: Session) -> None:
        if await _end_session(session, session_id, account_id):
            _audit_own(session, "LOGGED_OUT", account_id, session_id=str(session_id))

    await auth.database.run(work)


async def list_sessions(auth: Auth, *, account_id: UUID) -> Sequence[OpenSession]:
    """The account's open sessions, the last used first; a hundred at most."""
    async with auth.database.transaction() as session:
        return await storage.list_sessions(session, account_id, auth.limits)


async def revoke_session(auth: Auth, *, account_id: UUID, session_id: UUID) -> None:
    """Ends one of the account's sessions.

    Raises:
        SessionNotFoundError: it has no such open session.
    """

    async def work(session: Session) -> None:
        if not await _end_session(session, session_id, account_id):
            raise SessionNotFoundError
        _audit_own(session, "SESSION_REVOKED", account_id, session_id=str(session_id))

    await auth.database.run(work)


async def ended_sessions(auth: Auth) -> Sequence[str]:
    """The sessions that ended while their access tokens may still be good."""
    async with auth.database.transaction() as session:
        return [str(id) for id in await storage.ended_sessions(session, auth.token_seconds)]


async def update_profile(
    auth: Auth,
    *,
    account_id: UUID,
    name: str | None = None,
    phone: str | None = None,
    country: str | None = None,
    request_organizer: bool | None = None,
) -> Account:
    """Changes what is given; who becomes an organizer by it is one from their next refresh on.

    Raises:
        InvalidAccountError: something is malformed; every such field is named.
        AccountNotFoundError, AccountDisabledError: since the caller's token was made.
    """
    profile = parse_profile(
        name=name, phone=phone, country=country, request_organizer=request_organizer
    )

    async def work(session: Session) -> Account:
        before = _usable((await storage.lock_accounts(session, account_id)).get(account_id))
        after = with_profile(before, profile, signup_open=auth.organizer_signup_open)
        if after == before:
            return after
        await storage.save_account(session, after)
        if after.version != before.version:
            tell(session, after)
        _audit_own(session, "PROFILE_CHANGED", account_id)
        if after.role != before.role:
            changed = {"before": before.role, "after": after.role}
            _audit_own(session, "ROLE_CHANGED", account_id, **changed)
        elif after.organizer_requested and not before.organizer_requested:
            _audit_own(session, "ORGANIZER_REQUESTED", account_id)
        return after

    return await auth.database.run(work)


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
            raise _log_in_throttled(wait)
        return await storage.find_credentials_of(session, account_id)

    async def settle(session: Session) -> AuthError | None:
        if known is None or not good:
            _audit_own(session, "PASSWORD_CHANGE_FAILED", account_id)
            return WrongPasswordError()
        if not await storage.change_password(session, known, password_hash):
            return WrongPasswordError()
        await end_sessions(session, auth, account_id, keep=session_id)
        await storage.forgive_log_ins(session, account.email)
        _audit_own(session, "PASSWORD_CHANGED", account_id)
        return None

    with auth.passwords.place() as hashing:
        async with auth.turns.setdefault(account.email, asyncio.Lock()):
            known = await auth.database.run(claim)
            good = await hashing.verify(known.password_hash if known else None, current_password)
            password_hash = await hashing.hash(new_password) if good else ""
            _unless_refused(await auth.database.run(settle))


async def reset_password(
    auth: Auth,
    *,
    email: str,
    code: str,
    new_password: str,
    otp_id: UUID | None = None,
    address: str = "",
) -> DeviceToken:
    """Sets the password of the account whose address the code proves; ends all its sessions.

    The client is known from now on, so that its next log-in gets through whatever others tried.

    Raises:
        InvalidAccountError, WeakPasswordError: before the code is looked at, which stays good.
        InvalidCodeError: and one of its tries is used up; also where there is no such account.
        CodeThrottledError: too many were tried without an id; `retry_after` seconds.
        AddressThrottledError: too many from the client's address; `retry_after` seconds.
        ServiceError: OVERLOADED.
    """
    email, new_password = parse_email(email), parse_password(new_password)
    check_password(new_password, email, COMMON, field="new_password")
    with auth.passwords.place() as hashing:
        async with auth.database.transaction() as session:
            await _count_password_from(session, auth, address)
        password_hash = await hashing.hash(new_password)

    async def work(session: Session) -> tuple[int, datetime] | AuthError:
        refusal = await _prove(
            session, auth, email, PASSWORD_RESET, code, otp_id=otp_id, address=address
        )
        if refusal is not None:
            return refusal
        account = await storage.reset_password(session, email, password_hash)
        if account is None:
            return InvalidCodeError()
        await end_sessions(session, auth, account.id)
        await storage.forgive_log_ins(session, email)
        _audit_own(session, "PASSWORD_RESET", account.id)
        return account.password_version, account.at

    password_version, now = _unless_refused(await auth.database.run(work))
    return _device(auth, email, password_version, now)


async def get_account(auth: Auth, *, account_id: UUID) -> Account:
    """The account.

    Raises:
        AccountNotFoundError: there is none.
        AccountDisabledError: it was disabled after the caller's token was made.
    """
    async with auth.database.transaction() as session:
        return _usable(await storage.find_account(session, account_id))


def _usable(account: Account | None) -> Account:
    if account is None:
        raise AccountNotFoundError("There is no such account.")
    if account.disabled:
        raise AccountDisabledError
    return account


async def bootstrap_admin(auth: Auth, *, email: str, password: str) -> None:
    """Makes the first admin's account where the address has none; changes none that there is.

    Raises:
        InvalidAccountError, WeakPasswordError: the settings are not good enough.
    """
    admin = Applicant(parse_email(email), "Administrator", "", "", ADMIN)
    password = parse_password(password)
    check_password(password, admin.email, COMMON)
    async with auth.database.transaction() as session:
        if await storage.knows(session, admin.email):
            return
    with auth.passwords.place() as hashing:
        password_hash = await hashing.hash(password)

    async def work(session: Session) -> None:
        account = await storage.add_account(session, admin, password_hash)
        if account is not None:  # else another replica was faster
            tell(session, account)
            storage.audit(session, "REGISTERED", account.id, None, role=account.role)

    await auth.database.run(work)


def tell(session: Session, account: Account) -> None:
    """Says what others may know of the account."""
    session.send(UserChanged(account.id, account.email, account.name, account.version))


async def end_sessions(
    session: Session, auth: Auth, account_id: UUID, *, keep: UUID | None = None
) -> None:
    """Ends the account's sessions but `keep`.

    To leave none that is opened meanwhile, the account must be locked or changed before.
    """
    ended = await storage.end_sessions(
        session, account_id, keep=keep, token_seconds=auth.token_seconds
    )
    _tell_ended(session, ended)


def _tell_ended(session: Session, ended: Sequence[UUID]) -> None:
    for first in range(0, len(ended), _MAX_REVOKED):
        session.send(SessionsRevoked(tuple(ended[first : first + _MAX_REVOKED])))


async def _end_session(session: Session, id: UUID, account_id: UUID) -> bool:
    ended = await storage.end_session(session, id, account_id)
    if ended:
        session.send(SessionsRevoked((id,)))
    return ended


def _audit_own(session: Session, action: str, account_id: UUID, **detail: str) -> None:
    storage.audit(session, action, account_id, account_id, **detail)


async def _log_in_refusal(auth: Auth, email: str, visitor: Visitor, begun: LogIn) -> AuthError:
    limits = auth.limits
    async with auth.database.transaction() as session:
        if begun.address_may:
            wait = await storage.next_log_in_in(session, email, begun.source)
            if not begun.from_known_device:
                of_strangers = await storage.next_log_in_of_strangers_in(session, email, limits)
                wait = max(wait, of_strangers)
            return _log_in_throttled(wait)
        wait = await storage.next_from_address_in(
            session,
            visitor.address,
            "PASSWORD",
            at_once=limits.address_passwords,
            seconds=limits.address_password_seconds,
        )
    return _address_throttled(wait)


def _log_in_throttled(wait: int) -> LoginThrottledError:
    return LoginThrottledError(
        f"Too many failed log-ins; try again in {wait} seconds.", retry_after=str(wait)
    )


async def _count_password_from(session: Session, auth: Auth, address: str) -> None:
    limits = auth.limits
    await _count_from(
        session, address, "PASSWORD", limits.address_passwords, limits.address_password_seconds
    )


async def _count_code_from(session: Session, auth: Auth, address: str) -> None:
    limits = auth.limits
    await _count_from(session, address, "CODE", limits.address_codes, limits.address_code_seconds)


async def _count_from(
    session: Session, address: str, kind: str, at_once: int, seconds: float
) -> None:
    by = throttled_by(address)
    if not by:
        return  # a caller within the system, for nobody
    wait = await storage.count_address(session, by, kind, at_once=at_once, seconds=seconds)
    if wait:
        raise _address_throttled(wait)


def _address_throttled(wait: int) -> AddressThrottledError:
    return AddressThrottledError(
        f"Too many tries from your address; try again in {wait} seconds.", retry_after=str(wait)
    )


def _tokens(
    auth: Auth,
    account: Account,
    session_id: UUID,
    issued_at: datetime,
    refresh_token: str,
    *,
    seconds_left: int,
) -> Tokens:
    limits = auth.limits
    return Tokens(
        auth.keys.access_token(account, session_id, issued_at, limits.access_seconds),
        limits.access_seconds,
        refresh_token,
        min(limits.refresh_seconds, seconds_left),
        account,
    )


def _client(address: str, user_agent: str) -> dict[str, str]:
    return {
        "address": kept(address, _MAX_ADDRESS),
        "user_agent": kept(user_agent, _MAX_USER_AGENT),
    }


def _unless_refused(outcome: T | AuthError) -> T:
    if isinstance(outcome, AuthError):
        raise outcome
    return outcome
