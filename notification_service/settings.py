"""Settings of notification_service, from environment variables NOTIFICATION_..."""

from collections.abc import Iterator
from email.utils import parseaddr
from pathlib import Path

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from chassis.settings import ServiceSettings


class Settings(ServiceSettings):
    """What the service needs to know."""

    model_config = SettingsConfigDict(env_prefix="NOTIFICATION_")

    # host:port of booking_service's RPCs.
    booking_address: str
    # host:port of catalog_service's RPCs.
    catalog_address: str
    # smtp://user:password@host:port, which must offer STARTTLS outside the local profile unless the
    # network encrypts; smtps://... for TLS from the start.
    smtp_url: SecretStr | None = None
    # Who signed the mail server's certificate (PEM); absent: whom this machine trusts.
    smtp_authority: Path | None = None
    sender: str = "Parterre <tickets@parterre.example>"
    # Where mails lead: the page of a booking, with {reference}; absent: mails show no such page.
    booking_link: str = ""
    # And what switches a kind of mail off, with {token}: .../api/v1/unsubscribe/{token}.
    unsubscribe_link: str = ""
    # Mails that go to all who visit an event are paced to so many a second, by each process.
    many_per_second: float = Field(default=20.0, gt=0, le=1000)
    # How often an organizer may write to those who go to an event.
    messages_per_day: int = Field(default=3, ge=1, le=100)
    # Seals the secrets that organizers' webhooks are signed with: random characters. With another
    # one they are lost, and organizers have to rotate theirs.
    webhook_key: SecretStr
    # Where the local catcher of mails shows what it caught; local profile only.
    mailbox_url: str = ""

    @field_validator("sender")
    @classmethod
    def _sender_has_an_address(cls, sender: str) -> str:
        if "@" not in parseaddr(sender)[1]:
            raise ValueError("is no address: Name <mail@example.org>")
        return sender

    @field_validator("booking_link", "unsubscribe_link")
    @classmethod
    def _link_names_what_it_leads_to(cls, link: str) -> str:
        if link and "{reference}" not in link and "{token}" not in link:
            raise ValueError("needs {reference}, or {token}, where that belongs")
        return link

    def unsafe(self) -> Iterator[str]:
        """As of every service; and without SMTP nobody would get a ticket, or a code."""
        yield from super().unsafe()
        if self.smtp_url is None or not self.smtp_url.get_secret_value():
            yield "NOTIFICATION_SMTP_URL is not set: mails would stay here; give smtp(s)://..."
        if self.booking_link and not self.booking_link.startswith("https://"):
            yield f"{self.variable('booking_link')} is not https: people follow it from their mail"
        if not self.unsubscribe_link.startswith("https://"):
            yield (
                f"{self.variable('unsubscribe_link')} is not https: give the address of "
                "/api/v1/unsubscribe/{token} at the gateway"
            )
