"""Item 11: guessing codes, across codes, and what is left of them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.component.conftest import MakeDatabase, make_database, template

from .accounts import ASHA, Accounts, reason_of, running_accounts

__all__ = ["make_database", "template"]


@pytest.fixture
async def accounts(make_database: MakeDatabase) -> AsyncIterator[Accounts]:
    async with running_accounts(make_database) as accounts:
        await accounts.register()
        yield accounts


async def test_an_hours_guesses_at_an_account_are_bounded_however_many_codes_are_asked_for(
    accounts: Accounts,
) -> None:
    """From sixty networks: ten codes, five tries each, and twenty without any."""
    looked_at = 0
    for network in range(60):
        address = f"198.{network}.100.7"
        wish = {"email": ASHA, "purpose": "PASSWORD_RESET"}
        answer = await accounts.post("/auth/otp", wish, address=address)
        given = {"otp_id": answer.json()["otp_id"]} if answer.status_code == 202 else {}
        for _ in range(6 if given else 1):
            body = {"email": ASHA, "otp": "000000", "new_password": "other-Kettle9", **given}
            answer = await accounts.post("/auth/password-reset", body, address=address)
            assert answer.status_code in {422, 429}  # one in a million would be 204
            looked_at += reason_of(answer) == "INVALID_CODE"
    used = "SELECT sum(5 - tries_left) FROM one_time_code WHERE purpose = 'PASSWORD_RESET'"
    assert await accounts.scalar(used) == 50
    # With the sixth try of each of the ten, at which nothing was looked.
    assert looked_at == 10 * 6 + 20
    noted = "SELECT count(*) FROM audit WHERE action = 'CODE_REFUSED' AND account_id IS NOT NULL"
    assert await accounts.scalar(noted) == looked_at
