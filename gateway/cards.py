"""What the tokens of cards look like: one that is mistyped is refused before anything is booked.

The provider's adapter knows; here it is kept for a while. Where it can't be asked any token passes:
the provider has the last word anyway, and its refusal is an attempt that failed.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from parterre.payment.v1 import payment_pb2, payment_pb2_grpc

from chassis.errors import RemoteError
from gateway.problems import ProblemError
from gateway.services import Remote

_KEPT_SECONDS = 300.0
_AGAIN_SECONDS = 10.0  # after it could not be asked
_CARD = "CARD"


class Cards:
    """What the tokens of cards look like."""

    def __init__(
        self,
        payment: Remote[payment_pb2_grpc.PaymentServiceStub],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._payment = payment
        self._clock = clock
        self._names: frozenset[str] = frozenset()
        self._prefixes: tuple[str, ...] = ()
        self._ask_at = clock()

    async def check(self, method: str | None, token: str | None) -> None:
        """Lets the token of a card pass that may be one.

        Raises:
            ProblemError: INVALID_PAYMENT_TOKEN, there can't be such a card.
        """
        if method != _CARD or not token:
            return
        if self._clock() >= self._ask_at:
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

    async def _ask(self) -> None:
        # Set before it is asked: of many who come together, one asks.
        self._ask_at = self._clock() + _AGAIN_SECONDS
        request = payment_pb2.DescribeCardTokensRequest()
        try:
            reply = await self._payment.as_gateway(self._payment.rpc.DescribeCardTokens, request)
        except RemoteError:
            return
        self._names, self._prefixes = frozenset(reply.names), tuple(reply.prefixes)
        self._ask_at = self._clock() + _KEPT_SECONDS
