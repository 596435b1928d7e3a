"""Item 12 of issue 14: what is tried on API keys, with the real auth_service behind the gateway."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator

import httpx
import pytest

from auth_service.domain import api_key_digest
from chassis.api_keys import new_key
from chassis.ids import uuid7
from tests.component.conftest import MakeDatabase, make_database, template

from .accounts import OWNER, STRANGER, Accounts, reason_of, running_accounts

__all__ = ["make_database", "template"]

FIGURES = "/organizer/dashboard"
ENDS = {
    "revoked": "revoked_at = clock_timestamp()",
    "expired": "expires_at = clock_timestamp()",
    "of a customer": "last_used_at = NULL",  # as the account is one
}


@pytest.fixture
async def accounts(make_database: MakeDatabase) -> AsyncIterator[Accounts]:
    async with running_accounts(make_database, address_keys=20, address_key_seconds=60) as accounts:
        await accounts.register()
        yield accounts


async def tried(
    accounts: Accounts, key: str, *, address: str = OWNER, path: str = FIGURES
) -> httpx.Response:
    async with accounts.client(address) as program:
        return await program.get(path, headers={"Authorization": f"Bearer {key}"})


async def a_key_that_is_over(accounts: Accounts, how: str) -> str:
    key = new_key()
    await accounts.execute(
        "INSERT INTO api_key (id, account_id, name, prefix, digest, scopes)"
        " SELECT :id, id, 'x', 'ptk_', :digest, ARRAY['sales:read'] FROM account",
        id=uuid7(),
        digest=api_key_digest(key),
    )
    await accounts.execute(
        f"UPDATE api_key SET created_at = created_at - interval '1 h', {ENDS[how]}"
        " WHERE digest = :digest",
        digest=api_key_digest(key),
    )
    return key


async def test_guesses_are_throttled_by_address_whatever_is_tried_at_once(
    accounts: Accounts,
) -> None:
    answers = await asyncio.gather(
        *(tried(accounts, new_key(), address=STRANGER) for _ in range(30))
    )
    reasons = [reason_of(answer) for answer in answers]
    assert reasons.count("INVALID_API_KEY") == 20
    assert reasons.count("ADDRESS_THROTTLED") == 10
    throttled = next(each for each in answers if each.status_code == 429)
    assert 0 < int(throttled.headers["retry-after"]) <= 60
    # Nobody else has to wait for it.
    assert reason_of(await tried(accounts, new_key())) == "INVALID_API_KEY"


async def test_no_answer_tells_a_key_that_was_one_from_a_key_that_never_was(
    accounts: Accounts,
) -> None:
    never = await tried(accounts, new_key())
    for how in ENDS:
        answer = await tried(accounts, await a_key_that_is_over(accounts, how))
        assert answer.status_code == never.status_code == 401
        assert answer.headers["www-authenticate"] == never.headers["www-authenticate"]
        told, never_told = answer.json(), never.json()
        del told["request_id"], never_told["request_id"]
        assert told == never_told


async def test_nor_does_how_long_it_takes(accounts: Accounts) -> None:
    await accounts.execute("DELETE FROM address_throttle")
    took: dict[str, list[float]] = {"never": [], "revoked": []}
    for _ in range(9):
        keys = {"never": new_key(), "revoked": await a_key_that_is_over(accounts, "revoked")}
        for kind, key in keys.items():
            began = time.perf_counter()
            await tried(accounts, key)
            took[kind].append(time.perf_counter() - began)
    never, revoked = (statistics.median(each) for each in took.values())
    assert max(never, revoked) < 5 * min(never, revoked), took


async def test_what_cannot_be_a_key_is_no_work(accounts: Accounts) -> None:
    for key in ("ptk_" + "a" * 4000, "ptk_" + "é" * 38, "ptk_" + "0" * 38):
        async with accounts.client() as program:
            headers = {b"Authorization": f"Bearer {key}".encode("latin-1")}
            answer = await program.get(FIGURES, headers=headers)
        assert reason_of(answer) == "INVALID_API_KEY"
    assert await accounts.scalar("SELECT count(*) FROM address_throttle WHERE kind = 'KEY'") == 0
