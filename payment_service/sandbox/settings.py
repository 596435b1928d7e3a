"""Every setting of the sandbox provider, from the environment (`SANDBOX_…`) or secret files."""

import os
from pathlib import Path
from typing import Self

from pydantic import Field, HttpUrl, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix="SANDBOX_",
        env_ignore_empty=True,
        frozen=True,
        # A missing setting is reported together with the others, secrets among them.
        hide_input_in_errors=True,
    )

    host: str = "127.0.0.1"
    port: int = Field(ge=1, le=65535)
    database: Path
    """The file that holds everything; one process at a time keeps it open."""
    api_key: SecretStr = Field(min_length=8)
    webhook_url: HttpUrl | None = None
    """Where events go; without it none are made."""
    webhook_secret: SecretStr = Field(min_length=8)
    public_url: HttpUrl | None = None
    """How a customer's browser reaches the hosted page; by default host and port."""
    webhook_late_seconds: float = Field(default=5.0, ge=0, le=3600)
    """How long a `tok_webhook_late` charge stays PENDING."""

    @classmethod
    def given(cls) -> Self:
        """From the environment, else from the files in PARTERRE_SECRETS or /run/secrets."""
        folder = Path(os.environ.get("PARTERRE_SECRETS") or "/run/secrets")
        return cls(_secrets_dir=folder if folder.is_dir() else None)

    @property
    def page_base(self) -> str:
        return str(self.public_url or f"http://{self.host}:{self.port}").rstrip("/")
