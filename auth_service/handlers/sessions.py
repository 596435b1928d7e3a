"""Carrying sessions on, and ending them."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from auth_service import storage
from auth_service.domain import (
    Account,
    AuthError,
    InvalidRefreshTokenError,
    OpenSession,
    SessionNotFoundError,
    SessionsRevoked,
    Tokens,
    token_digest,
)
from auth_service.handlers.auth import Auth, audit_own, unless_refused
from chassis.database import Session

_MAX_REVOKED = 500  # in one message


async def make_room(session: Session, auth: Auth, account_id: UUID) -> None:
    """Ends the sessions used longest ago, so that one more may be opened."""
    ended = await storage.end_oldest_sessions(
        session, account_id, keep=auth.limits.sessions - 1, token_seconds=auth.token_seconds
    )
    tell_ended(session, ended)


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

    account, session_id, used_at, left = unless_refused(await auth.database.run(work))
    return tokens_of(auth, account, session_id, used_at, fresh, seconds_left=left)


async def log_out(auth: Auth, *, account_id: UUID, session_id: UUID) -> None:
    """Ends a session; one that has ended stays so."""

    async def work(session: Session) -> None:
        if await _end_session(session, session_id, account_id):
            audit_own(session, "LOGGED_OUT", account_id, session_id=str(session_id))

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
        audit_own(session, "SESSION_REVOKED", account_id, session_id=str(session_id))

    await auth.database.run(work)


async def ended_sessions(auth: Auth) -> Sequence[str]:
    """The sessions, and the API keys, that ended while their access tokens may still be good."""
    async with auth.database.transaction() as session:
        ended = [
            *await storage.ended_sessions(session, auth.token_seconds),
            *await storage.ended_api_keys(session, auth.token_seconds),
        ]
    return list(map(str, ended))


async def end_sessions(
    session: Session, auth: Auth, account_id: UUID, *, keep: UUID | None = None
) -> None:
    """Ends the account's sessions but `keep`.

    To leave none that is opened meanwhile, the account must be locked or changed before.
    """
    ended = await storage.end_sessions(
        session, account_id, keep=keep, token_seconds=auth.token_seconds
    )
    tell_ended(session, ended)


def tell_ended(session: Session, ended: Sequence[UUID]) -> None:
    """Says that these sessions, or API keys, are no longer good."""
    for first in range(0, len(ended), _MAX_REVOKED):
        session.send(SessionsRevoked(tuple(ended[first : first + _MAX_REVOKED])))


async def _end_session(session: Session, id: UUID, account_id: UUID) -> bool:
    ended = await storage.end_session(session, id, account_id)
    if ended:
        session.send(SessionsRevoked((id,)))
    return ended


def tokens_of(
    auth: Auth,
    account: Account,
    session_id: UUID,
    issued_at: datetime,
    refresh_token: str,
    *,
    seconds_left: int,
) -> Tokens:
    """What the session is carried on with."""
    limits = auth.limits
    return Tokens(
        auth.keys.access_token(account, session_id, issued_at, limits.access_seconds),
        limits.access_seconds,
        refresh_token,
        min(limits.refresh_seconds, seconds_left),
        account,
    )
