"""API keys: making them, ending them, and what a call with one is made with."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from auth_service import storage
from auth_service.domain import (
    KEY_OWNERS,
    ApiKey,
    ApiKeyNotFoundError,
    ApiKeyWish,
    AuthError,
    InvalidApiKeyError,
    InvalidApiKeyWishError,
    KeyInUse,
    NoLongerOrganizerError,
    TooManyApiKeysError,
    UserNotFoundError,
    api_key_digest,
    check_limit,
    from_cursor,
    to_cursor,
)
from auth_service.handlers.auth import Auth, audit_own, unless_refused
from auth_service.handlers.sessions import tell_ended
from auth_service.handlers.throttles import count_wrong_key_from
from chassis.api_keys import new_key, shown_of
from chassis.database import Session
from chassis.ids import uuid7

# A token is asked for in ten minutes at the latest: more often nothing need be noted.
_LAST_USED_SECONDS = 300
_LONGEST_KEY = 100  # characters


async def create_api_key(
    session: Session, auth: Auth, account_id: UUID, wish: ApiKeyWish
) -> tuple[ApiKey, str]:
    """Makes a key; it itself is told here alone.

    Raises:
        InvalidApiKeyWishError: its time is over already.
        TooManyApiKeysError: the account has as many as it may.
        NoLongerOrganizerError: the caller was an organizer when their token was made.
    """
    owner = (await storage.lock_accounts(session, account_id)).get(account_id)
    if owner is None or owner.disabled or owner.role not in KEY_OWNERS:
        raise NoLongerOrganizerError
    id, key = uuid7(), new_key()
    prefix = shown_of(key)
    most = auth.limits.api_keys
    created_at, has_room = await storage.add_api_key(
        session, account_id, wish, id=id, prefix=prefix, digest=api_key_digest(key), most=most
    )
    if not has_room:
        raise TooManyApiKeysError(most)
    if created_at is None:
        raise InvalidApiKeyWishError(expires_at="Must be in the future.")
    audit_own(
        session,
        "API_KEY_CREATED",
        account_id,
        key_id=str(id),
        name=wish.name,
        prefix=prefix,
        scopes=" ".join(wish.scopes),
        event_id=str(wish.event_id or ""),
        expires_at=wish.expires_at.isoformat() if wish.expires_at else "",
    )
    made = ApiKey(
        id,
        wish.name,
        prefix,
        wish.scopes,
        wish.event_id,
        "ACTIVE",
        created_at,
        wish.expires_at,
        None,
        None,
    )
    return made, key


async def list_api_keys(
    auth: Auth, *, account_id: UUID, limit: int, cursor: str
) -> tuple[Sequence[ApiKey], str]:
    """A page of the account's keys, newest first, and the next one's cursor; empty: there is none.

    Raises:
        InvalidFilterError: the page's size is none.
        InvalidCursorError: no page was given with it.
    """
    check_limit(limit)
    async with auth.database.transaction() as session:
        found = await storage.list_api_keys(
            session, account_id, before=from_cursor(cursor), limit=limit + 1
        )
    return found[:limit], to_cursor(found[limit - 1].id) if len(found) > limit else ""


async def list_user_api_keys(
    auth: Auth, *, user_id: UUID, limit: int, cursor: str
) -> tuple[Sequence[ApiKey], str]:
    """A page of somebody's keys, as an admin sees them: as `list_api_keys`.

    Raises:
        UserNotFoundError: there is no such account.
        InvalidFilterError, InvalidCursorError
    """
    async with auth.database.transaction() as session:
        if await storage.find_account(session, user_id) is None:
            raise UserNotFoundError
    return await list_api_keys(auth, account_id=user_id, limit=limit, cursor=cursor)


async def revoke_api_key(auth: Auth, *, account_id: UUID, key_id: UUID, actor_id: UUID) -> None:
    """Ends one of the account's keys, as its owner or an admin; one that has ended stays so.

    Raises:
        ApiKeyNotFoundError: it has no such key.
    """

    async def work(session: Session) -> None:
        if await storage.revoke_api_key(session, key_id, account_id):
            tell_ended(session, [key_id])
            storage.audit(session, "API_KEY_REVOKED", account_id, actor_id, key_id=str(key_id))
        elif not await storage.has_api_key(session, key_id, account_id):
            raise ApiKeyNotFoundError

    await auth.database.run(work)


async def end_api_keys(session: Session, account_id: UUID, actor_id: UUID) -> None:
    """Ends all of the account's keys; it is locked, so that none is made meanwhile."""
    ended = await storage.revoke_api_keys(session, account_id)
    tell_ended(session, ended)
    for key_id in ended:
        storage.audit(session, "API_KEY_REVOKED", account_id, actor_id, key_id=str(key_id))


async def exchange_api_key(auth: Auth, *, key: str, address: str = "") -> tuple[str, int]:
    """The token that calls with the key are made with, and for how many seconds it is good.

    Only wrong keys count against the client's address: nobody can guess one, and whoever shares
    the address with somebody who tries is not kept out.

    Raises:
        InvalidApiKeyError: it is unknown, was revoked, has expired, or its owner may have none.
        AddressThrottledError: it is, and there were too many from the client's address.
    """
    limits = auth.limits

    async def work(session: Session) -> KeyInUse | AuthError:
        found = None
        if len(key) <= _LONGEST_KEY:
            found = await storage.use_api_key(
                session, api_key_digest(key), last_used_seconds=_LAST_USED_SECONDS
            )
        if isinstance(found, KeyInUse):
            return found
        refusal = await count_wrong_key_from(session, auth, address)
        if refusal is not None:
            return refusal
        if found is not None:
            storage.note_refused_api_key(session, found, address)
        return InvalidApiKeyError()

    found = unless_refused(await auth.database.run(work))
    seconds = limits.access_seconds
    if found.seconds_left is not None:
        seconds = min(seconds, max(1, int(found.seconds_left)))
    return auth.keys.api_key_token(found, seconds), seconds
