"""Item 9: whether an address has an account could be told by how long a code took to ask for."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import httpx
import pytest

from chassis.ids import uuid7
from tests.component.conftest import MakeDatabase, make_database, template

from .accounts import Accounts, running_accounts, without_code

__all__ = ["make_database", "template"]

_PAIRS = 60
# Standard deviations by which the ranks of two like samples differ once in a million runs. That the
# work is the same is told by the statements and messages; this is for what nobody thought of.
_GENEROUS_Z = 5.0


@pytest.fixture
async def accounts(make_database: MakeDatabase) -> AsyncIterator[Accounts]:
    async with running_accounts(make_database) as accounts:
        yield accounts


async def known_and_unknown(accounts: Accounts, pairs: int) -> list[tuple[str, bool]]:
    """Addresses of one length, by turns one that has an account and one that has none."""
    addresses = [(f"{number:05}@parterre.example", number % 2 == 0) for number in range(2 * pairs)]
    for email, has_account in addresses:
        if has_account:
            await accounts.execute(
                "INSERT INTO account (id, email, name, role, password_hash)"
                " VALUES (:id, :email, 'Asha', 'CUSTOMER', '$argon2id$')",
                id=uuid7(),
                email=email,
            )
    return addresses


@pytest.mark.parametrize("purpose", ["REGISTER", "PASSWORD_RESET"])
async def test_the_answer_and_what_is_said_to_others_are_the_same(
    accounts: Accounts, purpose: str
) -> None:
    answers: list[httpx.Response] = []
    for email, _has_account in await known_and_unknown(accounts, 2):
        body = {"email": email, "purpose": purpose}
        answers.append(await accounts.post("/auth/otp", body))
    said = [
        (
            answer.status_code,
            answer.json()["message"],
            len(answer.content),
            sorted(set(answer.headers) - {"date", "x-request-id"}),
        )
        for answer in answers
    ]
    assert said == [said[0]] * 4
    sizes = {message.ByteSize() for message in await accounts.messages()}
    assert len(sizes) == 1
    contents = {without_code(message).SerializeToString() for message in await accounts.messages()}
    assert len(contents) == 1
    assert len(await accounts.messages()) == 4


async def test_how_long_an_answer_takes_does_not_tell(accounts: Accounts) -> None:
    took: dict[bool, list[float]] = {True: [], False: []}
    addresses = await known_and_unknown(accounts, _PAIRS)
    async with accounts.client() as client:
        for email, has_account in addresses:
            body = {"email": email, "purpose": "PASSWORD_RESET"}
            began = time.perf_counter()
            answer = await client.post("/auth/otp", json=body)
            took[has_account].append(time.perf_counter() - began)
            assert answer.status_code == 202
    assert abs(rank_sum_z(took[True], took[False])) < _GENEROUS_Z


def rank_sum_z(some: list[float], others: list[float]) -> float:
    """How far apart two samples are, in standard deviations (Mann and Whitney, 1947)."""
    ordered = sorted([(value, True) for value in some] + [(value, False) for value in others])
    ranks = sum(rank for rank, (_value, is_some) in enumerate(ordered, 1) if is_some)
    n, m = len(some), len(others)
    mean, variance = n * (n + m + 1) / 2, n * m * (n + m + 1) / 12
    return float((ranks - mean) / variance**0.5)


def test_the_comparison_tells_samples_apart_that_differ() -> None:
    assert rank_sum_z([3.0, 4.0] * 50, [1.0, 2.0] * 50) > _GENEROUS_Z
    assert abs(rank_sum_z([1.0, 4.0] * 50, [2.0, 3.0] * 50)) < 1
