"""Counting what is tried, and refusing what is too much."""

from __future__ import annotations

from auth_service import storage
from auth_service.domain import (
    AddressThrottledError,
    CodeThrottledError,
    LoginThrottledError,
    throttled_by,
)
from auth_service.handlers.auth import Auth
from chassis.database import Session


def code_throttled(wait: int) -> CodeThrottledError:
    """The refusal of one more code, or of a try of one."""
    return CodeThrottledError(f"Try again in {wait} seconds.", retry_after=str(wait))


def log_in_throttled(wait: int) -> LoginThrottledError:
    """The refusal of a log-in after too many failures."""
    return LoginThrottledError(
        f"Too many failed log-ins; try again in {wait} seconds.", retry_after=str(wait)
    )


async def count_password_from(session: Session, auth: Auth, address: str) -> None:
    """Counts one more password hashed for the client."""
    limits = auth.limits
    await _count_from(
        session, address, "PASSWORD", limits.address_passwords, limits.address_password_seconds
    )


async def count_code_from(session: Session, auth: Auth, address: str) -> None:
    """Counts one more code asked for by the client."""
    limits = auth.limits
    await _count_from(session, address, "CODE", limits.address_codes, limits.address_code_seconds)


async def count_wrong_key_from(
    session: Session, auth: Auth, address: str
) -> AddressThrottledError | None:
    """Counts one more wrong API key of the client: the refusal, where that is one too many."""
    limits = auth.limits
    try:
        await _count_from(session, address, "KEY", limits.address_keys, limits.address_key_seconds)
    except AddressThrottledError as error:
        return error
    return None


async def _count_from(
    session: Session, address: str, kind: str, at_once: int, seconds: float
) -> None:
    by = throttled_by(address)
    if not by:
        return  # a caller within the system, for nobody
    wait = await storage.count_address(session, by, kind, at_once=at_once, seconds=seconds)
    if wait:
        raise address_throttled(wait)


def address_throttled(wait: int) -> AddressThrottledError:
    """The refusal of a client that tried too much."""
    return AddressThrottledError(
        f"Too many tries from your address; try again in {wait} seconds.", retry_after=str(wait)
    )
