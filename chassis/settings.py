"""The settings every process has. Each process adds its own and its environment prefix.

Frozen objects, made once in `__main__` and passed in. A setting comes from its environment
variable, else from the file of that name, in lower case, in the folder of secrets. In production a
process refuses to start on what would be unsafe there; each refusal names the setting and says what
to do.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
)

from chassis.identity import decode_key
from chassis.tracing import Traces

# A local development secret is recognised by this prefix, and refused in production.
INSECURE_PREFIX = "insecure-"
# Characters of a secret, or of the password in an address, that is not to be guessed.
SHORTEST_SECRET = 16


# Names the folder of secrets; unset: where Docker, Podman and Kubernetes mount them.
SECRETS_VARIABLE = "PARTERRE_SECRETS"
_SECRETS = "/run/secrets"


def secrets_folder() -> Path | None:
    """The folder whose files are settings, one each; None where there is none.

    Raises:
        NotADirectoryError: PARTERRE_SECRETS names what is no folder.
    """
    named = os.environ.get(SECRETS_VARIABLE)
    folder = Path(named or _SECRETS)
    if folder.is_dir():
        return folder
    if named:
        raise NotADirectoryError(f"{SECRETS_VARIABLE} is {named}, which is no folder")
    return None


def given(variable: str) -> str | None:
    """A setting that belongs to no process: its environment variable, else its secret file."""
    if value := os.environ.get(variable):
        return value
    folder = secrets_folder()
    file = folder / variable.lower() if folder else None
    return file.read_text().strip() if file and file.is_file() else None


class FromFiles(BaseSettings):
    """Settings that may also be files in the folder of secrets; the environment goes first.

    A variable that is there and empty is one that is not set, as in a file of Compose's.
    """

    model_config = SettingsConfigDict(env_ignore_empty=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic passes it
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - and this
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What is passed in, the environment, and the files."""
        folder = secrets_folder()
        files = (SecretsSettingsSource(settings_cls, secrets_dir=folder),) if folder else ()
        return (init_settings, env_settings, *files)


def _json(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


class ProcessSettings(FromFiles):
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
    # Says that the network itself encrypts what goes between processes (a service mesh, WireGuard),
    # so that production may start without the three files.
    network_is_encrypted: bool = False
    # Traces. Of the requests that begin in this process such a share is traced, so many a second at
    # most; what is part of another's trace goes by that. Without a place for spans there are none.
    trace_ratio: float = Field(default=0.01, ge=0, le=1)
    trace_per_second: float = Field(default=20, gt=0)
    # A collector: OTLP over gRPC, http://host:4317 in plain text, or https://.
    trace_otlp_url: str = Field(default="", pattern=r"^(https?://.+)?$")
    # A folder, for a file of this process's; the newest spans in so many bytes.
    trace_folder: Path | None = None
    trace_folder_bytes: int = Field(default=8 * 1024 * 1024, ge=1024 * 1024)
    # How long a stopping process lets requests and messages in flight finish.
    drain_seconds: float = 10.0

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        files = (self.tls_certificate, self.tls_key, self.tls_authority)
        if any(files) and not all(files):
            raise ValueError("tls_certificate, tls_key and tls_authority belong together")
        return self

    def unsafe(self) -> Iterator[str]:
        """What production must not start with, each a sentence; every process adds its own.

        Nothing that was given is repeated: it may be a secret.
        """
        for name in type(self).model_fields:
            yield from self._unsafe_secret(name)
        yield from self.unsafe_key("service_key")
        if self.tls_certificate is None and not self.network_is_encrypted:
            yield (
                f"{self.variable('tls_certificate')} is not set: give it with "
                f"{self.variable('tls_key')} and {self.variable('tls_authority')}, or set "
                f"{self.variable('network_is_encrypted')}=true where the network encrypts"
            )
        if self.tls_certificate is not None and not self.jwks_url.startswith("https://"):
            yield (
                f"{self.variable('jwks_url')} is not https: with TLS between processes the keys "
                "come over it too, from auth_service's AUTH_KEYS_PORT"
            )

    @property
    def traces(self) -> Traces:
        """Where spans go, and of what there are any."""
        return Traces(
            self.trace_ratio,
            self.trace_per_second,
            self.trace_otlp_url,
            self.trace_folder,
            self.trace_folder_bytes,
        )

    def variable(self, name: str) -> str:
        """The environment variable of a setting."""
        return f"{self.model_config.get('env_prefix', '')}{name}".upper()

    def unsafe_key(self, name: str) -> Iterator[str]:
        """What is wrong with a private key: it is not 32 bytes, base64url."""
        try:
            decode_key(getattr(self, name).get_secret_value())
        except ValueError:
            yield f"{self.variable(name)} is no key: give 32 random bytes, base64url"

    def _unsafe_secret(self, name: str) -> Iterator[str]:
        value, variable = getattr(self, name), self.variable(name)
        text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        if INSECURE_PREFIX in text:
            yield f"{variable} is a development secret: production needs its own"
        elif isinstance(value, SecretStr):
            parts = urlsplit(text) if "://" in text else None
            # A mail relay within the network may ask for no password; whoever is named has one.
            if parts and name == "smtp_url" and not parts.username:
                return
            if len((parts.password or "") if parts else text) < SHORTEST_SECRET:
                what = "has no password of" if parts else "is shorter than"
                yield f"{variable} {what} {SHORTEST_SECRET} characters: make a random one"

    @model_validator(mode="after")
    def _is_safe_in_production(self) -> Self:
        if self.profile == "production" and (unsafe := list(self.unsafe())):
            raise ValueError("unsafe in production: " + "; ".join(unsafe))
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
    # After so long a caller's connection is ended in good order: the caller looks its callee's name
    # up again, and finds the replicas that were added meanwhile.
    grpc_connection_seconds: float = Field(default=120.0, ge=1)

    def unsafe(self) -> Iterator[str]:
        """As of every process; and a service nobody may call has not been told who may."""
        yield from super().unsafe()
        if not self.service_peers:
            yield (
                f"{self.variable('service_peers')} is empty: name the public keys of the processes "
                "that may call this one"
            )
