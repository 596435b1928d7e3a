"""Settings of payment_service, from environment variables PAYMENT_..."""

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from chassis.settings import ServiceSettings


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
    # Calls to the provider in flight at once.
    concurrency: int = Field(default=32, ge=1, le=500)
