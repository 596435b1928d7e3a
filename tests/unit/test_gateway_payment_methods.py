"""How one can pay; a card's token that can't be one is refused, what is not known passes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import grpc
import pytest
from parterre.payment.v1 import payment_pb2

from chassis.errors import RemoteError
from gateway.payment_methods import PaymentMethods
from gateway.problems import ProblemError
from payment_service.providers.sandbox import SandboxProvider
from payment_service.sandbox import domain as sandbox

_REFUSAL = ("INVALID_PAYMENT_TOKEN", "payment_token")


class Payment:
    """payment_service, as far as it is asked here."""

    def __init__(self, **tokens: Any) -> None:
        self.tokens = tokens
        self.asked = 0
        self.is_away = False
        self.rpc = SimpleNamespace(DescribeCardTokens=None)

    async def as_gateway(self, _method: Any, _request: Any) -> Any:
        self.asked += 1
        if self.is_away:
            raise RemoteError(grpc.StatusCode.UNAVAILABLE, "", "", {})
        return payment_pb2.DescribeCardTokensResponse(**self.tokens)


class Clock:
    """A clock that is set."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


async def passes(cards: PaymentMethods, token: str | None, method: str | None = "CARD") -> bool:
    try:
        await cards.check(method, token)
    except ProblemError as problem:
        return (problem.reason, problem.errors[0]["field"]) != _REFUSAL
    return True


async def test_a_token_that_is_none_is_refused_and_the_service_is_asked_once() -> None:
    payment = Payment(names=["tok_ok", "tok_slow"], prefixes=["pm_"])
    cards = PaymentMethods(cast("Any", payment), Clock())
    assert [await passes(cards, token) for token in ("tok_ok", "pm_1", "tok_0k", "pm")] == [
        True,
        True,
        False,
        False,
    ]
    assert payment.asked == 1


@pytest.mark.parametrize(("method", "token"), [("KHALTI", "x"), (None, "x"), ("CARD", None)])
async def test_only_the_token_of_a_card_is_looked_at(method: str | None, token: str | None) -> None:
    payment = Payment(names=["tok_ok"])
    assert await passes(PaymentMethods(cast("Any", payment), Clock()), token, method)
    assert payment.asked == 0


async def test_what_is_not_known_passes_and_is_asked_for_again() -> None:
    payment, clock = Payment(names=["tok_ok"]), Clock()
    payment.is_away = True
    cards = PaymentMethods(cast("Any", payment), clock)
    assert await passes(cards, "anything")
    assert await passes(cards, "anything")
    assert payment.asked == 1
    payment.is_away, clock.now = False, 60
    assert not await passes(cards, "anything")
    # A provider that comes to know others is believed.
    payment.tokens, clock.now = {"prefixes": ["any"]}, 600
    assert await passes(cards, "anything")
    payment.tokens, clock.now = {}, 1200
    assert await passes(cards, "whatever")


def test_the_adapter_knows_the_sandboxs_tokens() -> None:
    assert set(SandboxProvider.card_tokens.names) == set(sandbox.TOKENS)
    assert SandboxProvider.card_tokens.test_cards.keys() == set(sandbox.TOKENS)


async def test_what_was_heard_last_is_offered_while_the_service_is_away() -> None:
    payment, clock = Payment(methods=[{"method": "ESEWA"}]), Clock()
    payment.is_away = True
    methods = PaymentMethods(cast("Any", payment), clock)
    with pytest.raises(RemoteError):
        await methods.offered()
    payment.is_away = False
    heard = await methods.offered()
    assert [each["method"] for each in heard["items"]] == ["ESEWA"]
    assert await methods.offered() == heard
    assert payment.asked == 2
    payment.is_away, clock.now = True, 1000
    assert await methods.offered() == heard
    assert await methods.offered() == heard
    assert payment.asked == 3  # and not at once again


async def test_a_service_of_the_version_before_offers_what_it_had() -> None:
    offered = await PaymentMethods(cast("Any", Payment(names=["tok_ok"])), Clock()).offered()
    assert [(each["method"], each["flow"], each["test"]) for each in offered["items"]] == [
        ("CARD", "TOKEN", True),
        ("KHALTI", "REDIRECT", True),
        ("ESEWA", "REDIRECT", True),
    ]
    assert offered["items"][0]["test_cards"] == [{"token": "tok_ok", "name": "tok_ok"}]
