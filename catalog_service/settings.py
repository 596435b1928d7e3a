"""Settings of catalog_service, from environment variables CATALOG_..."""

from pydantic_settings import SettingsConfigDict

from chassis.settings import ServiceSettings


class Settings(ServiceSettings):
    """What the service needs to know: nothing of its own."""

    model_config = SettingsConfigDict(env_prefix="CATALOG_")
