"""Asking for one-time codes, and proving an address by them."""

from __future__ import annotations

import secrets
from uuid import UUID, uuid4

from auth_service import storage
from auth_service.domain import (
    PASSWORD_RESET,
    AuthError,
    DeliverCode,
    InvalidCodeError,
    code_digest,
    kept,
    network_of,
    parse_email,
    parse_purpose,
)
from auth_service.handlers.auth import MAX_ADDRESS, Auth
from auth_service.handlers.throttles import code_throttled, count_code_from
from chassis.database import Session


async def request_code(
    session: Session, auth: Auth, *, email: str, purpose: str, address: str = ""
) -> UUID:
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
    await count_code_from(session, auth, address)
    wait = await storage.count_code(session, email, purpose, network_of(address), limits)
    wait = wait or await storage.count_account(
        session,
        email,
        f"CODE_{purpose}",
        at_once=limits.account_codes,
        seconds=limits.account_code_seconds,
    )
    if wait:
        raise code_throttled(wait)
    expires_at = await storage.save_code(
        session, email, purpose, id=otp_id, digest=digest, limits=limits
    )
    is_wanted = await storage.knows(session, email) == (purpose == PASSWORD_RESET)
    storage.allow_tries(session, email, f"TRY_{purpose}", network_of(address))
    # To the second: parts of one are written in more bytes or fewer.
    until = expires_at.replace(microsecond=0)
    session.send(DeliverCode(email, purpose, code, until, is_wanted))
    return otp_id


async def prove(
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
            return code_throttled(wait)
        is_good = await storage.use_code(session, email, purpose, digest)
    if not is_good:
        by = kept(address, MAX_ADDRESS)
        storage.audit_code_refused(session, email, purpose=purpose, address=by)
        return InvalidCodeError()
    storage.void_codes(session, email, purpose)
    return None
