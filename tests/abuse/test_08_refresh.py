"""Item 8: within the grace, refreshing one token again and again forked a session into many."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.component.conftest import MakeDatabase, make_database, template

from .accounts import COOKIES, Accounts, reason_of, running_accounts

__all__ = ["make_database", "template"]


@pytest.fixture
async def accounts(make_database: MakeDatabase) -> AsyncIterator[Accounts]:
    async with running_accounts(make_database) as accounts:
        await accounts.register()
        yield accounts


async def refreshed(accounts: Accounts, token: str) -> httpx.Response:
    async with accounts.client() as thief:
        cookie = f"parterre_refresh={token}"
        return await thief.post("/auth/refresh", headers={**COOKIES, "Cookie": cookie})


async def logged_in(accounts: Accounts) -> str:
    async with accounts.client() as owner:
        return str((await accounts.log_in(owner)).cookies["parterre_refresh"])


async def test_a_token_refreshed_twenty_times_at_once_leaves_one_that_is_good(
    accounts: Accounts,
) -> None:
    token = await logged_in(accounts)
    answers = await asyncio.gather(*(refreshed(accounts, token) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
    tokens = [answer.cookies["parterre_refresh"] for answer in answers]
    again = await asyncio.gather(*(refreshed(accounts, each) for each in tokens))
    assert sorted(answer.status_code for answer in again) == [200] + [401] * 19
    assert await accounts.scalar("SELECT count(*) FROM session WHERE ended_at IS NULL") == 1


async def test_a_token_whose_successor_was_used_ends_the_session_even_within_the_grace(
    accounts: Accounts,
) -> None:
    token = await logged_in(accounts)
    successor = (await refreshed(accounts, token)).cookies["parterre_refresh"]
    newest = (await refreshed(accounts, successor)).cookies["parterre_refresh"]
    for each in (token, newest):
        assert reason_of(await refreshed(accounts, each)) == "INVALID_REFRESH_TOKEN"
    assert await accounts.scalar("SELECT count(*) FROM session WHERE ended_at IS NULL") == 0


async def test_a_session_is_not_carried_on_for_ever(accounts: Accounts) -> None:
    token = await logged_in(accounts)
    await accounts.execute("UPDATE session SET created_at = created_at - interval '90 days'")
    assert reason_of(await refreshed(accounts, token)) == "INVALID_REFRESH_TOKEN"
