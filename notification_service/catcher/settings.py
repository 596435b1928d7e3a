"""Settings of the catcher, from environment variables CATCHER_..."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What the catcher needs to know."""

    model_config = SettingsConfigDict(env_prefix="CATCHER_", env_ignore_empty=True, frozen=True)

    host: str = "127.0.0.1"
    smtp_port: int
    http_port: int
    # It forgets the oldest beyond so many, and beyond so many bytes of all of them.
    most_mails: int = Field(default=2_000, ge=1)
    most_bytes: int = Field(default=64 * 1024 * 1024, ge=1024)
