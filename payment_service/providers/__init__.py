"""Payment providers: what each must offer. One adapter a file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Protocol

from payment_service.domain import Listed, Order, Result, WebhookEvent


class Provider(Protocol):
    """A payment provider.

    Calls never raise for what a provider does or fails to do: that is a `Result`. Each ends within
    the adapter's own deadline. A key names one charge or refund for good: the same key again has
    no second effect.
    """

    name: str

    async def authorize(self, order: Order) -> Result:
        """Sets money aside; some methods ask the customer first, or charge at once."""

    async def capture(self, key: str, charge_id: str) -> Result:
        """Takes the money that was set aside."""

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

    def read_webhook(
        self, headers: Mapping[str, str], body: bytes, now: float
    ) -> WebhookEvent | None:
        """The event, its signature verified; None: an event of a kind we don't need.

        `now`: Unix seconds.

        Raises:
            InvalidSignatureError, StaleWebhookError, InvalidWebhookError: it is not one.
        """
