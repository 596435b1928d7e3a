"""How one can pay here, and what the tokens of cards look like: one that is mistyped is refused
before anything is booked.

payment_service knows; here it is kept for a while. Where it can't be asked any token passes: the
provider has the last word anyway, and its refusal is an attempt that failed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from parterre.payment.v1 import payment_pb2, payment_pb2_grpc

from chassis.errors import RemoteError
from gateway.problems import ProblemError
from gateway.services import Remote
from presentation.views import payments as views

_KEPT_SECONDS = 300.0
_AGAIN_SECONDS = 10.0  # after it could not be asked
_CARD = "CARD"


class PaymentMethods:
    """How one can pay, and what the tokens of cards look like."""

    def __init__(
        self,
        payment: Remote[payment_pb2_grpc.PaymentServiceStub],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._payment = payment
        self._clock = clock
        self._offered: views.PaymentMethods | None = None
        self._names: frozenset[str] = frozenset()
        self._prefixes: tuple[str, ...] = ()
        self._ask_at = clock()

    async def offered(self) -> views.PaymentMethods:
        """How one can pay; as it was heard last, where payment_service can't be asked now.

        Raises:
            RemoteError: it can't be asked, and never was.
        """
        if self._offered is None:
            return await self._ask()
        if self._clock() >= self._ask_at:
            with suppress(RemoteError):
                return await self._ask()
        return self._offered

    async def check(self, method: str | None, token: str | None) -> None:
        """Lets the token of a card pass that may be one.

        Raises:
            ProblemError: INVALID_PAYMENT_TOKEN, there can't be such a card.
        """
        if method != _CARD or not token:
            return
        if self._clock() >= self._ask_at:
            with suppress(RemoteError):
                await self._ask()
        if not self._may_be(token):
            raise ProblemError(
                "INVALID_PAYMENT_TOKEN",
                "No card has this token.",
                errors=[
                    {
                        "field": "payment_token",
                        "message": "Must be the token of a card, as the provider gave it",
                    }
                ],
            )

    def _may_be(self, token: str) -> bool:
        if not (self._names or self._prefixes):
            return True
        return token in self._names or any(map(token.startswith, self._prefixes))

    async def _ask(self) -> views.PaymentMethods:
        # Set before it is asked: of many who come together, one asks.
        self._ask_at = self._clock() + _AGAIN_SECONDS
        request = payment_pb2.DescribeCardTokensRequest()
        reply = await self._payment.as_gateway(self._payment.rpc.DescribeCardTokens, request)
        if not reply.methods:
            _add_methods(reply)
        self._names, self._prefixes = frozenset(reply.names), tuple(reply.prefixes)
        self._offered = views.payment_methods(reply)
        self._ask_at = self._clock() + _KEPT_SECONDS
        return self._offered


def _add_methods(reply: payment_pb2.DescribeCardTokensResponse) -> None:
    """What a payment_service of the version before does not say: it has the sandbox provider."""
    cards = [{"token": name, "name": name} for name in reply.names]
    reply.methods.add(method=_CARD, test=True, test_cards=cards)
    for wallet in ("KHALTI", "ESEWA"):
        reply.methods.add(method=wallet, test=True)
