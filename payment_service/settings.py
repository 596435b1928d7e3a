"""Settings of payment_service, from environment variables PAYMENT_..."""

from collections.abc import Mapping

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from chassis.settings import ServiceSettings
from payment_service.domain import METHODS


class Settings(ServiceSettings):
    """What the service needs to know."""

    model_config = SettingsConfigDict(env_prefix="PAYMENT_")

    sandbox_url: str
    sandbox_api_key: SecretStr
    sandbox_webhook_secret: SecretStr
    # The secret before, while the provider's is being changed: both are good.
    sandbox_webhook_secret_old: SecretStr | None = None
    # Where a provider's page sends the customer back to; `?booking=PT-...` is added.
    # None: it tells them that they may close it.
    return_url: str | None = None
    # How long one call to the provider may take, all in all.
    provider_seconds: float = Field(default=5.0, gt=0, le=60)
    # How many requests to authorize may go unanswered, and unfound, before an attempt is refused.
    max_tries: int = Field(default=3, ge=1, le=10)
    # Calls to each provider in flight at once.
    concurrency: int = Field(default=64, ge=1, le=500)
    # Which provider each method goes by, as JSON. A payment that was begun goes on by its own.
    providers: Mapping[str, str] = dict.fromkeys(METHODS, "sandbox")

    @field_validator("providers")
    @classmethod
    def _every_method(cls, providers: Mapping[str, str]) -> Mapping[str, str]:
        if set(providers) != set(METHODS):
            raise ValueError(f"a provider for each of {', '.join(METHODS)}")
        return providers

    @property
    def connections(self) -> int:
        """To each provider: the calls', and some for customers who ask to verify."""
        return self.concurrency + 8
