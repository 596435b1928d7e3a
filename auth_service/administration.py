"""What an admin does with other people's accounts, and the trail of what everybody did."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from auth_service import storage
from auth_service.domain import (
    ADMIN,
    ORGANIZER,
    Account,
    Action,
    AuditEntry,
    ManagedAccount,
    NoLongerAdminError,
    OrganizerApproved,
    OwnAccountError,
    UserNotFoundError,
    as_managed,
    check_user_filter,
    from_cursor,
    parse_audit_filter,
    to_cursor,
)
from auth_service.handlers import Auth, end_api_keys, end_sessions
from auth_service.handlers.accounts import tell
from chassis.database import Session


async def list_users(
    auth: Auth, *, query: str, role: str, status: str, limit: int, cursor: str
) -> tuple[Sequence[ManagedAccount], str]:
    """A page of accounts, newest first, and the cursor of the next one; empty: there is none.

    Raises:
        InvalidFilterError: a filter is not right; all of those are named.
        InvalidCursorError: no page was given with it.
    """
    check_user_filter(query, role, status, limit)
    async with auth.database.transaction() as session:
        found = await storage.list_accounts(
            session,
            before=from_cursor(cursor),
            query=query,
            role=role,
            status=status,
            limit=limit + 1,
        )
    return found[:limit], to_cursor(found[limit - 1].account.id) if len(found) > limit else ""


async def get_user(auth: Auth, *, user_id: UUID) -> ManagedAccount:
    """One account.

    Raises:
        UserNotFoundError: there is none.
    """
    async with auth.database.transaction() as session:
        account = await storage.find_account(session, user_id)
        if account is None:
            raise UserNotFoundError
        return ManagedAccount(account, await storage.last_log_in(session, user_id))


async def update_user(
    auth: Auth,
    *,
    admin_id: UUID,
    user_id: UUID,
    role: str | None,
    disabled: bool | None,
    business_name: str | None = None,
) -> ManagedAccount:
    """Changes somebody's role or the name of their business, disables or enables them; another role
    or none ends their sessions and API keys.

    Raises:
        UserNotFoundError: there is no such account.
        InvalidAccountError: there is no such role, or the name is malformed.
        OwnAccountError: an admin would take away their own role or access.
        NoLongerAdminError: the caller was an admin when their token was made.
    """

    async def work(session: Session) -> ManagedAccount:
        # Both locked: of two admins who shut each other out at once, one stays.
        accounts = await storage.lock_accounts(session, admin_id, user_id)
        admin, before = accounts.get(admin_id), accounts.get(user_id)
        if admin is None or admin.disabled or admin.role != ADMIN:
            raise NoLongerAdminError
        if before is None:
            raise UserNotFoundError
        after = as_managed(before, role=role, disabled=disabled, business_name=business_name)
        if admin_id == user_id and (after.role != ADMIN or after.disabled):
            raise OwnAccountError
        if after != before:
            await storage.save_account(session, after)
            await _audit_change(session, admin_id, before, after)
        if after.version != before.version:
            tell(session, after)
        if before.organizer_requested and after.role == ORGANIZER:
            session.send(OrganizerApproved(user_id, await session.now()))
        if after.role != before.role or (after.disabled and not before.disabled):
            await end_sessions(session, auth, user_id)
            await end_api_keys(session, user_id, admin_id)
        return ManagedAccount(after, await storage.last_log_in(session, user_id))

    return await auth.database.run(work)


async def _audit_change(session: Session, admin_id: UUID, before: Account, after: Account) -> None:
    if after.role != before.role:
        changed = {"before": before.role, "after": after.role}
        storage.audit(session, "ROLE_CHANGED", after.id, admin_id, **changed)
    elif after.organizer_requested != before.organizer_requested:
        storage.audit(session, "ORGANIZER_DECLINED", after.id, admin_id)
    if after.disabled != before.disabled:
        action: Action = "DISABLED" if after.disabled else "ENABLED"
        storage.audit(session, action, after.id, admin_id)
    if after.business_name != before.business_name:
        named = {"before": before.business_name, "after": after.business_name}
        storage.audit(session, "BUSINESS_NAMED", after.id, admin_id, **named)


async def list_audit(
    auth: Auth, *, user_id: str, action: str, limit: int, cursor: str
) -> tuple[Sequence[AuditEntry], str]:
    """A page of the trail, newest first, and the cursor of the next one; empty: there is none.

    Raises:
        InvalidFilterError: a filter is not right; all of those are named.
        InvalidCursorError: no page was given with it.
    """
    person = parse_audit_filter(user_id, action, limit)
    async with auth.database.transaction() as session:
        found = await storage.list_audit(
            session, before=from_cursor(cursor), person=person, action=action, limit=limit + 1
        )
    return found[:limit], to_cursor(found[limit - 1].id) if len(found) > limit else ""
