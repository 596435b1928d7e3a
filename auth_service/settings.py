"""Settings of auth_service, from environment variables AUTH_..."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from auth_service.domain import Limits
from chassis.settings import ServiceSettings

# A throttle of a hundred times what it is by itself is as good as none.
_AS_GOOD_AS_OFF = 100
# Of these more is looser; of waits and intervals less is.
_COUNTS = (
    "code_tries", "codes_an_hour", "account_codes", "network_tries", "account_tries",
    "free_log_in_failures", "account_log_in_failures", "address_passwords", "address_codes",
    "address_keys", "api_keys",
)  # fmt: skip
_WAITS = (
    "code_interval_seconds", "account_code_seconds", "network_try_seconds", "account_try_seconds",
    "longest_log_in_wait_seconds", "account_log_in_seconds", "address_password_seconds",
    "address_code_seconds", "address_key_seconds",
)  # fmt: skip


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

    # With TLS between processes: where its keys and the list of ended sessions are, for processes
    # with a certificate; without: they are on the internal port.
    keys_port: int | None = None

    def unsafe(self) -> Iterator[str]:
        """As of every service; and throttles that hold nobody up."""
        yield from super().unsafe()
        given, usual = asdict(self.limits), asdict(Limits())
        loose = [name for name in _COUNTS if given[name] > usual[name] * _AS_GOOD_AS_OFF]
        loose += [name for name in _WAITS if given[name] < usual[name] / _AS_GOOD_AS_OFF]
        for name in loose:
            variable = f"AUTH_LIMITS__{name.upper()}"
            yield f"{variable} is as good as off: leave it at {usual[name]} or near"
        if self.tls_certificate is not None and self.keys_port is None:
            yield "AUTH_KEYS_PORT is not set: with TLS the signing keys are given out there"

    @model_validator(mode="after")
    def _bootstrap_is_whole(self) -> Self:
        if (self.bootstrap_admin_email is None) != (self.bootstrap_admin_password is None):
            raise ValueError("bootstrap_admin_email and bootstrap_admin_password belong together")
        return self
