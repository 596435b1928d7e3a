"""Settings of catalog_service, from environment variables CATALOG_..."""

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from chassis.settings import ServiceSettings


class Settings(ServiceSettings):
    """What the service needs to know."""

    model_config = SettingsConfigDict(env_prefix="CATALOG_")

    # host:port of inventory_service's RPCs.
    inventory_address: str
    # How long whoever had bought may cancel in full once an event was moved; at most until it
    # starts.
    moved_cancel_hours: int = Field(default=72, ge=1, le=8760)
    # Where pictures are kept: file:///folder, or s3://bucket/prefix.
    media_url: str
    # Of an S3 that is not Amazon's; keys that are not given are looked for as AWS tools do.
    media_endpoint: str | None = None
    media_region: str | None = None
    media_access_key: str | None = None
    media_secret_key: SecretStr | None = None
