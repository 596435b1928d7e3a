"""Making accounts, and changing what people say of themselves."""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import UUID

from auth_service import storage
from auth_service.domain import (
    ADMIN,
    CUSTOMER,
    ORGANIZER,
    REGISTER,
    Account,
    AccountDisabledError,
    AccountNotFoundError,
    Applicant,
    AuthError,
    DeviceToken,
    EmailTakenError,
    UserChanged,
    UserNotFoundError,
    check_password,
    may_organize,
    parse_applicant,
    parse_email,
    parse_password,
    parse_profile,
    with_profile,
)
from auth_service.handlers.auth import Auth, audit_own
from auth_service.handlers.codes import prove
from auth_service.handlers.log_ins import known_device
from auth_service.handlers.throttles import count_password_from
from auth_service.passwords import COMMON
from chassis.database import Session

_FIRST_PASSWORD = 1  # an account's first version of it
_ANNOUNCED_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Registration:
    """Who shall have an account, once a code proves their address."""

    applicant: Applicant
    password_hash: str
    waits: bool  # to become an organizer


async def prepare_registration(
    auth: Auth,
    *,
    email: str,
    password: str,
    name: str,
    phone: str = "",
    country: str = "",
    role: str = "",
    language: str = "",
    address: str = "",
) -> Registration:
    """Checks what somebody says of themselves, and hashes the password.

    Raises:
        InvalidAccountError, WeakPasswordError: before the code is looked at, which stays good.
        AddressThrottledError: too many from the client's address; `retry_after` seconds.
        ServiceError: OVERLOADED.
    """
    asked = parse_applicant(
        email=email, name=name, phone=phone, country=country, role=role, language=language
    )
    password = parse_password(password)
    check_password(password, asked.email, COMMON)
    waits = asked.role == ORGANIZER and not auth.organizer_signup_open
    applicant = replace(asked, role=CUSTOMER) if waits else asked
    with auth.passwords.place() as hashing:
        async with auth.database.transaction() as session:
            await count_password_from(session, auth, address)
        password_hash = await hashing.hash(password)
    return Registration(applicant, password_hash, waits)


async def register(
    session: Session,
    auth: Auth,
    asked: Registration,
    *,
    code: str,
    otp_id: UUID | None = None,
    address: str = "",
) -> tuple[Account, DeviceToken] | AuthError:
    """Makes an account of an address that the code proves; the client is known from now on.

    Else a refusal, to be committed: InvalidCodeError, one of the code's tries is used up;
    EmailTakenError, told only to whom the code was mailed; CodeThrottledError, too many were tried
    without an id, `retry_after` seconds.
    """
    applicant = asked.applicant
    refusal = await prove(
        session, auth, applicant.email, REGISTER, code, otp_id=otp_id, address=address
    )
    if refusal is not None:
        return refusal
    account = await storage.add_account(
        session, applicant, asked.password_hash, organizer_requested=asked.waits
    )
    if account is None:
        return EmailTakenError("This address has an account; log in.")
    tell(session, account)
    storage.audit(session, "REGISTERED", account.id, account.id, role=account.role)
    return account, known_device(auth, account.email, _FIRST_PASSWORD, account.created_at)


async def update_profile(
    auth: Auth,
    *,
    account_id: UUID,
    name: str | None = None,
    phone: str | None = None,
    country: str | None = None,
    request_organizer: bool | None = None,
    language: str | None = None,
    business_name: str | None = None,
) -> Account:
    """Changes what is given; who becomes an organizer by it is one from their next refresh on.

    Raises:
        InvalidAccountError: something is malformed; every such field is named.
        AccountNotFoundError, AccountDisabledError: since the caller's token was made.
    """
    profile = parse_profile(
        name=name,
        phone=phone,
        country=country,
        request_organizer=request_organizer,
        language=language,
        business_name=business_name,
    )

    async def work(session: Session) -> Account:
        before = usable((await storage.lock_accounts(session, account_id)).get(account_id))
        after = with_profile(before, profile, signup_open=auth.organizer_signup_open)
        if after == before:
            return after
        await storage.save_account(session, after)
        if after.version != before.version:
            tell(session, after)
        audit_own(session, "PROFILE_CHANGED", account_id)
        if after.role != before.role:
            changed = {"before": before.role, "after": after.role}
            audit_own(session, "ROLE_CHANGED", account_id, **changed)
        elif after.organizer_requested and not before.organizer_requested:
            audit_own(session, "ORGANIZER_REQUESTED", account_id)
        if after.business_name != before.business_name:
            named = {"before": before.business_name, "after": after.business_name}
            audit_own(session, "BUSINESS_NAMED", account_id, **named)
        return after

    return await auth.database.run(work)


async def get_account(auth: Auth, *, account_id: UUID) -> Account:
    """The account.

    Raises:
        AccountNotFoundError: there is none.
        AccountDisabledError: it was disabled after the caller's token was made.
    """
    async with auth.database.transaction() as session:
        return usable(await storage.find_account(session, account_id))


async def get_organizer(auth: Auth, *, user_id: UUID) -> Account:
    """The account of somebody who sells.

    Raises:
        UserNotFoundError: there is nobody, or they sell nothing: their name is nobody's business.
    """
    async with auth.database.transaction() as session:
        account = await storage.find_account(session, user_id)
    if account is None or account.role not in {ORGANIZER, ADMIN}:
        raise UserNotFoundError
    return account


def usable(account: Account | None) -> Account:
    """The account, if it may be used."""
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


async def announce_some(session: Session) -> bool:
    """Tells again of some accounts of before; whether more may be left."""
    accounts = await storage.announce_some(session, _ANNOUNCED_AT_ONCE)
    for account in accounts:
        tell(session, account)
    return bool(accounts)


def tell(session: Session, account: Account) -> None:
    """Says what others may know of the account."""
    session.send(
        UserChanged(
            account.id,
            account.email,
            account.name,
            account.version,
            account.language,
            may_organize(account),
        )
    )
