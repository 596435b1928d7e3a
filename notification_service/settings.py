"""Settings of notification_service, from environment variables NOTIFICATION_..."""

from pydantic import SecretStr
from pydantic_settings import SettingsConfigDict

from chassis.settings import ServiceSettings


class Settings(ServiceSettings):
    """What the service needs to know."""

    model_config = SettingsConfigDict(env_prefix="NOTIFICATION_")

    # smtp://user:password@host:port, smtps://... for TLS from the start; none: mails stay in the
    # local mailbox.
    smtp_url: SecretStr | None = None
    sender: str = "Parterre <tickets@parterre.example>"
