"""The settings every process has. Each process adds its own and its environment prefix.

Frozen objects, made once in `__main__` and passed in.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

# A local development secret is recognised by this prefix, and refused in production.
INSECURE_PREFIX = "insecure-"


def _json(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


class ProcessSettings(BaseSettings):
    """What the gateway and every service have in common."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,  # a failed start must not print the secrets it was given
    )

    profile: Literal["local", "production"] = "production"
    log_level: str = "INFO"
    # The internal HTTP port: /metrics, /healthz, /readyz.
    internal_host: str = "127.0.0.1"
    internal_port: int
    # Where access tokens' keys are: auth_service's internal port.
    jwks_url: str
    # This process's own Ed25519 key (32 bytes, base64url), to sign calls that no person makes.
    service_key: SecretStr
    # Public keys (32 bytes, base64url) of the processes that may call this one, by name; JSON.
    service_peers: Annotated[dict[str, str], NoDecode, BeforeValidator(_json)] = Field(
        default_factory=dict
    )
    # Mutual TLS between processes: three PEM files, or none for plain text on a trusted loopback.
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    tls_authority: Path | None = None
    # How long a stopping process lets requests and messages in flight finish.
    drain_seconds: float = 10.0

    @model_validator(mode="after")
    def _no_insecure_secret_in_production(self) -> Self:
        if self.profile != "production":
            return self
        for name in type(self).model_fields:
            value = getattr(self, name)
            text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
            if INSECURE_PREFIX in text:
                raise ValueError(f"{name} is a development secret; production needs its own")
        return self

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        files = (self.tls_certificate, self.tls_key, self.tls_authority)
        if any(files) and not all(files):
            raise ValueError("tls_certificate, tls_key and tls_authority belong together")
        return self


class ServiceSettings(ProcessSettings):
    """What every gRPC service has: a port, a schema, a broker."""

    grpc_host: str = "127.0.0.1"
    grpc_port: int
    # postgresql://role:password@host:port/database; the role sees its own schema only.
    database_url: SecretStr
    amqp_url: SecretStr
    database_pool_size: int = Field(default=10, ge=1, le=100)
    # How long a request waits for a free connection before it is refused as overloaded.
    database_acquire_seconds: float = 2.0
    database_statement_seconds: float = 5.0
    database_lock_seconds: float = 2.0
    grpc_max_concurrent: int = Field(default=1000, ge=1)
