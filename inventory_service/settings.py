"""Settings of inventory_service, from environment variables INVENTORY_..."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from chassis.settings import ServiceSettings


class Settings(ServiceSettings):
    """What the service needs to know."""

    model_config = SettingsConfigDict(env_prefix="INVENTORY_")

    # How long a hold lives, and how long it may live in all when it is extended.
    hold_seconds: int = Field(default=600, ge=1)
    hold_limit_seconds: int = Field(default=1200, ge=1)
    # The pause between two rounds of tidying up expired holds, and of asking after bookings: well
    # under half a minute, for a reservation without one is found within a minute.
    sweep_seconds: float = Field(default=5.0, gt=0, le=10)
