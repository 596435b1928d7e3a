"""Settings of notification_service, from environment variables NOTIFICATION_..."""

from collections.abc import Iterator

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

    def unsafe(self) -> Iterator[str]:
        """As of every service; and without SMTP nobody would get a ticket, or a code."""
        yield from super().unsafe()
        if self.smtp_url is None or not self.smtp_url.get_secret_value():
            yield "NOTIFICATION_SMTP_URL is not set: mails would stay here; give smtp(s)://..."
