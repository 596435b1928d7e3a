"""How long the gateway keeps what it is given for a key."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from parterre.auth.v1 import auth_pb2

from chassis.api_keys import new_key
from chassis.errors import RemoteError
from chassis.identity import TokenVerifier
from gateway.api_keys import ApiKeys
from gateway.problems import ProblemError
from gateway.rates import RateLimiter
from tests.component.conftest import TestKeys


class Auth:
    """auth_service, which knows every key until it is told otherwise."""

    rpc = SimpleNamespace(ExchangeApiKey=None)

    def __init__(self, keys: TestKeys) -> None:
        self._keys = keys
        self.asked = 0
        self.knows = True

    async def as_gateway(self, _method: Any, _request: Any) -> auth_pb2.ExchangeApiKeyResponse:
        self.asked += 1
        if not self.knows:
            raise RemoteError(grpc.StatusCode.UNAUTHENTICATED, "INVALID_API_KEY", "No.", {})
        return auth_pb2.ExchangeApiKeyResponse(
            access_token=self._keys.for_api_key("owner", "sales:read", sid="key"), expires_in=600
        )


class Ended(set[str]):
    """Sessions that ended, all of them known."""

    is_complete = True


class Case:
    """A gateway's keys, at a time of the test's own."""

    def __init__(self) -> None:
        keys = TestKeys()
        self.now = 1000.0
        self.ended = Ended()
        self.auth = Auth(keys)
        verifier = TokenVerifier("gateway", keys, {}, self.ended)
        addresses = RateLimiter(1, 5)
        self.keys = ApiKeys(self.auth, verifier, addresses, lambda: self.now)  # type: ignore[arg-type]
        self.key = new_key()

    async def use(self) -> str:
        try:
            return (await self.keys.verify(self.key, "192.0.2.7")).subject
        except ProblemError as problem:
            return problem.reason


@pytest.fixture
def case() -> Case:
    return Case()


async def test_a_token_is_kept_until_shortly_before_it_expires(case: Case) -> None:
    assert await case.use() == "owner"
    case.now += 539
    assert await case.use() == "owner"
    assert case.auth.asked == 1
    case.now += 2
    assert await case.use() == "owner"
    assert case.auth.asked == 2


async def test_a_key_whose_session_has_ended_is_refused_at_once(case: Case) -> None:
    await case.use()
    case.ended.add("key")
    case.auth.knows = False
    assert await case.use() == "INVALID_API_KEY"
    assert await case.use() == "INVALID_API_KEY"
    assert case.auth.asked == 2  # the second time; then it is known to be wrong for a second


async def test_a_wrong_key_is_asked_about_again_after_a_second(case: Case) -> None:
    case.auth.knows = False
    for _ in range(3):
        assert await case.use() == "INVALID_API_KEY"
    assert case.auth.asked == 1
    case.now += 1.1
    case.auth.knows = True
    assert await case.use() == "owner"


async def test_of_keys_that_are_not_known_an_address_has_so_many_asked_about(case: Case) -> None:
    known = case.key
    assert await case.use() == "owner"
    case.auth.knows = False
    said = []
    for _ in range(6):
        case.key = new_key()
        said.append(await case.use())
    assert said == ["INVALID_API_KEY"] * 4 + ["RATE_LIMITED"] * 2
    assert case.auth.asked == 5
    case.key = known
    assert await case.use() == "owner"  # nobody is asked
    case.key = new_key()
    case.now += 1.1
    assert await case.use() == "INVALID_API_KEY"
