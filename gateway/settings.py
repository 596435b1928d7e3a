"""Settings of the gateway, from environment variables GATEWAY_..."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, HttpUrl, SecretStr
from pydantic_settings import NoDecode, SettingsConfigDict

from chassis.settings import ProcessSettings


def _comma_separated(value: Any) -> Any:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_comma_separated)]


# A throttle of a hundred times what it is by itself is as good as none.
_AS_GOOD_AS_OFF = 100
_THROTTLES = (
    "person_rate", "person_burst", "address_rate", "address_burst", "person_concurrent",
    "address_concurrent", "person_streams", "address_streams", "coupon_guesses",
)  # fmt: skip
_EVERYBODY = frozenset({"*", "0.0.0.0/0", "::/0"})


class Settings(ProcessSettings):
    """What the gateway needs to know."""

    model_config = SettingsConfigDict(env_prefix="GATEWAY_")

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=1, le=65535)

    # host:port of each service.
    auth_address: str
    catalog_address: str
    inventory_address: str
    booking_address: str
    payment_address: str
    notification_address: str

    # The broker says which sessions have ended and which seats have changed; without it sessions
    # are asked for every 5 seconds, and seats each time somebody looks.
    amqp_url: SecretStr | None = None

    # The API's description and its page; always shown in the local profile.
    docs: bool = False
    # Where people find the web page, for links that others keep; without it, as it was called.
    public_url: HttpUrl | None = None
    # Origins whose pages may call the API from a browser, comma-separated; the exact list.
    cors_origins: Names = ()
    # Addresses whose X-Forwarded-For and -Proto are believed, comma-separated.
    trusted_proxies: Names = ()

    # Names and addresses by which the gateway is called (the header Host), without ports, comma-
    # separated; another one is refused. On a developer's machine its own are known; none elsewhere:
    # any, for a proxy in front that looks.
    hosts: Names = ()

    # Requests in progress whose body is there; what comes on top is refused at once. In all, of one
    # person, and of one address without a token.
    max_concurrent: int = Field(default=1000, ge=1)
    person_concurrent: int = Field(default=100, ge=1)
    address_concurrent: int = Field(default=100, ge=1)
    # Of them, requests that hold or book: while there are so many, one more hold is refused, so
    # that whoever has a hold can still book it, and the provider's messages about payments still
    # come through.
    max_concurrent_purchases: int = Field(default=200, ge=1)
    # Connections: in all, and of one address that is no trusted proxy's.
    max_connections: int = Field(default=10_000, ge=1)
    address_connections: int = Field(default=200, ge=1)
    # A request's head, and how long one is waited for, also on a new connection.
    head_bytes: int = Field(default=16 * 1024, ge=1024, le=64 * 1024)
    head_fields: int = Field(default=100, ge=20)
    head_seconds: float = Field(default=10, gt=0)
    # A whole body, and how many bytes a second it has to come with after the first five seconds.
    body_seconds: float = Field(default=30, gt=0)
    body_bytes_per_second: float = Field(default=1024, gt=0)
    # How long a connection may be idle between two requests.
    keep_alive_seconds: float = Field(default=65, gt=0)
    # Requests a second and at once, of one person and of one address without a token.
    person_rate: float = Field(default=100, gt=0)
    person_burst: int = Field(default=200, ge=1)
    address_rate: float = Field(default=50, gt=0)
    address_burst: int = Field(default=200, ge=1)

    # Codes that are no coupon's which a person may try at once, and how long until the next.
    coupon_guesses: int = Field(default=10, ge=1)
    coupon_guess_seconds: float = Field(default=60, gt=0)

    # Whether a client may have its request traced, by its traceparent; the trace that it names is
    # gone on with anyway.
    trusts_traceparent: bool = False

    # Streams of seats that are open: in all, of one person, of one address without a token.
    max_streams: int = Field(default=5000, ge=0)
    person_streams: int = Field(default=3, ge=0)
    address_streams: int = Field(default=50, ge=0)
    # A word now and then to a silent stream, and when each ends, to come again elsewhere.
    stream_heartbeat_seconds: float = Field(default=15, gt=0)
    stream_life_seconds: float = Field(default=3600, gt=0)
    # How often the seats that are looked at are compared with inventory's.
    seats_check_seconds: float = Field(default=10, gt=0)

    def unsafe(self) -> Iterator[str]:
        """As of every process; and doors that stand open to everybody."""
        yield from super().unsafe()
        if any("*" in origin for origin in self.cors_origins):
            yield "GATEWAY_CORS_ORIGINS has a *: list the exact origins that may call the API"
        if set(self.trusted_proxies) & _EVERYBODY:
            yield (
                "GATEWAY_TRUSTED_PROXIES believes everybody: list the addresses of the proxies in "
                "front"
            )
        for name in _THROTTLES:
            usual = type(self).model_fields[name].default
            if getattr(self, name) > usual * _AS_GOOD_AS_OFF:
                yield f"{self.variable(name)} is as good as off: leave it at {usual} or near"

    @property
    def is_local(self) -> bool:
        """Whether this is a developer's machine."""
        return self.profile == "local"

    @property
    def address_factor(self) -> int:
        """How much more an address may: everybody comes from one in load and acceptance runs."""
        return 1000 if self.is_local else 1

    @property
    def known_hosts(self) -> frozenset[bytes]:
        """The hosts that are answered, lower case; empty: any."""
        own = ("localhost", "127.0.0.1", "[::1]", self.host) if self.is_local else ()
        return frozenset(name.lower().encode() for name in (*self.hosts, *own))

    @property
    def shows_docs(self) -> bool:
        """Whether the API's description is served."""
        return self.docs or self.is_local
