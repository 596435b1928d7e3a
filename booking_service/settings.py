"""Settings of booking_service, from environment variables BOOKING_..."""

from collections.abc import Iterator

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from chassis.settings import ServiceSettings


class Settings(ServiceSettings):
    """What the service needs to know."""

    model_config = SettingsConfigDict(env_prefix="BOOKING_")

    # host:port of inventory_service's RPCs.
    inventory_address: str
    # The Ed25519 key that signs tickets: 32 bytes, base64url.
    ticket_key: SecretStr
    # Public keys (32 bytes, base64url) of before, whose tickets are still good; JSON list.
    ticket_old_keys: tuple[str, ...] = ()
    # What the house adds to a booking: hundredths of a percent of what is paid for the tickets, and
    # so many minor units of the event's currency for each that has a price.
    fee_basis_points: int = Field(default=0, ge=0, le=10_000)
    fee_per_ticket: int = Field(default=0, ge=0, le=10**9)

    def unsafe(self) -> Iterator[str]:
        """As of every service; and tickets are signed with a key."""
        yield from super().unsafe()
        yield from self.unsafe_key("ticket_key")
