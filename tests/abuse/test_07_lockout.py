"""Item 7: anyone could keep anyone locked out.

By failing to log in, by asking for all the codes an address may have, by trying wrong ones until
the right one was void, or by asking for another in its place.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import pytest

from tests.component.conftest import MakeDatabase, make_database, template
from tests.contract.conftest import Edge

from .accounts import ASHA, OWNER, PASSWORD, STRANGER, Accounts, reason_of, running_accounts

__all__ = ["make_database", "template"]

NEW_PASSWORD = "other-Kettle9"


@pytest.fixture
async def accounts(make_database: MakeDatabase) -> AsyncIterator[Accounts]:
    async with running_accounts(make_database) as accounts:
        await accounts.register()
        yield accounts


async def failed(accounts: Accounts, address: str) -> str:
    body = {"email": ASHA, "password": "guessed"}
    return reason_of(await accounts.post("/auth/login", body, address=address))


async def test_failures_of_one_network_keep_its_neighbours_out_and_nobody_else(
    accounts: Accounts, stays_healthy: Callable[[Edge], AbstractAsyncContextManager[None]]
) -> None:
    async with stays_healthy(accounts.edge):
        reasons = await asyncio.gather(
            *(failed(accounts, f"198.51.100.{host}") for host in range(60))
        )
    assert "LOGIN_THROTTLED" in reasons
    assert reasons.count("INVALID_CREDENTIALS") <= 6  # a second may pass
    async with accounts.client(OWNER) as owner:
        assert (await accounts.log_in(owner)).status_code == 200


async def test_failures_from_everywhere_are_bounded_and_do_not_keep_a_known_device_out(
    accounts: Accounts,
) -> None:
    async with accounts.client(OWNER) as owner:
        assert (await accounts.log_in(owner)).status_code == 200
        await owner.post("/auth/logout")  # the device stays known
        everywhere = [f"198.{network}.100.7" for network in range(20) for _ in range(4)]
        reasons = [await failed(accounts, address) for address in everywhere]
        assert reasons.count("INVALID_CREDENTIALS") == 50
        assert set(reasons[50:]) == {"LOGIN_THROTTLED"}
        # Wherever it is now, even among those that try.
        owner.headers["X-Forwarded-For"] = "198.1.100.9"
        assert (await accounts.log_in(owner)).status_code == 200
        # Which is no way around the throttle: its own failures count by themselves.
        own = [reason_of(await accounts.log_in(owner, "guessed")) for _ in range(8)]
        assert own == ["INVALID_CREDENTIALS"] * 5 + ["LOGIN_THROTTLED"] * 3


async def test_wrong_codes_and_new_ones_do_not_put_anybodys_code_out_of_use(
    accounts: Accounts,
) -> None:
    otp_id = await accounts.asked_code("PASSWORD_RESET")
    code = await accounts.mailed_code()
    theirs = await accounts.asked_code("PASSWORD_RESET", address=STRANGER)
    wrong = "000000" if code != "000000" else "000001"
    for given in ({"otp_id": theirs}, {}):
        for _ in range(8):
            body = {"email": ASHA, "otp": wrong, "new_password": NEW_PASSWORD, **given}
            answer = await accounts.post("/auth/password-reset", body, address=STRANGER)
            assert reason_of(answer) in {"INVALID_CODE", "ADDRESS_THROTTLED"}

    body = {"email": ASHA, "otp": code, "otp_id": otp_id, "new_password": NEW_PASSWORD}
    async with accounts.client(OWNER) as owner:
        assert (await owner.post("/auth/password-reset", json=body)).status_code == 204
        assert (await accounts.log_in(owner, NEW_PASSWORD)).status_code == 200


async def test_codes_a_stranger_asks_for_leave_some_to_everybody_else(
    accounts: Accounts,
) -> None:
    body = {"email": ASHA, "purpose": "PASSWORD_RESET"}
    asked = [
        await accounts.post("/auth/otp", body, address=f"198.51.100.{host}") for host in range(20)
    ]
    assert [answer.status_code for answer in asked] == [202] + [429] * 19
    await accounts.asked_code("PASSWORD_RESET", address=OWNER)


async def test_who_resets_the_password_gets_in_whatever_others_try(accounts: Accounts) -> None:
    for network in range(20):
        for _ in range(4):
            await failed(accounts, f"198.{network}.100.7")
    async with accounts.client("203.0.113.9") as owner:
        assert reason_of(await accounts.log_in(owner)) == "LOGIN_THROTTLED"
        otp_id = await accounts.asked_code("PASSWORD_RESET", address="203.0.113.9")
        body = {
            "email": ASHA,
            "otp": await accounts.mailed_code(),
            "otp_id": otp_id,
            "new_password": NEW_PASSWORD,
        }
        assert (await owner.post("/auth/password-reset", json=body)).status_code == 204
        assert (await accounts.log_in(owner, NEW_PASSWORD)).status_code == 200
        assert PASSWORD != NEW_PASSWORD
