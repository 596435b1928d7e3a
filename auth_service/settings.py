"""Settings of auth_service, from environment variables AUTH_..."""

from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from auth_service.domain import Limits
from chassis.settings import ServiceSettings


class Settings(ServiceSettings):
    """What the service needs to know."""

    model_config = SettingsConfigDict(env_prefix="AUTH_", env_nested_delimiter="__")

    # Keys the stored form of one-time codes; a new one voids the codes under way.
    code_pepper: SecretStr = Field(min_length=32)
    # "open": who registers as an organizer is one at once; "approval": an admin decides.
    organizer_signup: Literal["open", "approval"] = "approval"
    # The first admin's account, made at start where the address has none.
    bootstrap_admin_email: str | None = None
    bootstrap_admin_password: SecretStr | None = None
    # Passwords are hashed by so many threads; so many more may wait for one, as far as they are
    # likely to get it within so many seconds.
    hashing_threads: int = Field(default=2, ge=1, le=64)
    hashing_waiting: int = Field(default=200, ge=0, le=10_000)
    hashing_wait_seconds: float = Field(default=2.5, gt=0, le=60)
    # AUTH_LIMITS__CODE_SECONDS=300 and so on.
    limits: Limits = Limits()

    @model_validator(mode="after")
    def _bootstrap_is_whole(self) -> Self:
        if (self.bootstrap_admin_email is None) != (self.bootstrap_admin_password is None):
            raise ValueError("bootstrap_admin_email and bootstrap_admin_password belong together")
        return self
