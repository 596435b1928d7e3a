"""Payment providers: what each must offer. One adapter a file; `registry` knows them by name."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from payment_service.domain import Listed, Order, Result, WebhookEvent


@dataclass(frozen=True, slots=True)
class CardTokens:
    """What the tokens of a provider's cards look like; with neither nothing is known of them."""

    names: Sequence[str] = ()  # every one there is
    prefixes: Sequence[str] = ()  # how each of them begins
    # Cards to try it with, by their tokens: how each behaves, in English. None where money moves.
    test_cards: Mapping[str, str] = field(default_factory=dict)


class Provider(Protocol):
    """A payment provider.

    Calls never raise for what a provider does or fails to do: that is a `Result`. Each ends within
    a few of the adapter's own deadlines. A key names one charge or refund for good: the same key
    again has no second effect.
    """

    name: str
    is_test: bool  # no money moves
    card_tokens: CardTokens

    async def charge(self, order: Order) -> Result:
        """Takes the money, in one go as far as the provider can; some methods ask the customer.

        Again under the same key it finds the same charge, and captures what is only set aside.
        Where the provider refuses to capture, what was set aside is let go, and the charge comes
        back as VOIDED, with the reason.
        """

    async def void(self, key: str, charge_id: str) -> Result:
        """Lets go of what was set aside; Refused where it can't be recalled any more."""

    async def refund(self, key: str, charge_id: str, amount: int) -> Result:
        """Gives `amount` minor units of a capture back."""

    async def look_up(self, key: str) -> Result:
        """The charge of that key, or Absent."""

    def list_charges(self, since: float) -> AsyncIterator[Listed]:
        """Every charge made, or paid back from, at or after `since` (Unix seconds); page by page.

        Raises:
            ProviderUnavailableError: it does not answer, or not in words that we know.
        """

    async def find_listed(self, key: str) -> Listed | None:
        """The charge of that key in the provider's own books.

        Raises:
            ProviderUnavailableError: it does not answer, or not in words that we know.
        """

    def verify_webhook(self, headers: Mapping[str, str], body: bytes) -> WebhookEvent | None:
        """The event, its signature verified; None: an event of a kind we don't need.

        Whether it was signed too long ago is for the database's clock to say.

        Raises:
            InvalidSignatureError, InvalidWebhookError: it is not one.
        """

    async def aclose(self) -> None:
        """Closes its connections."""
