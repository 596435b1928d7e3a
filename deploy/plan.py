"""The whole system in one place: every process, its ports, its environment."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chassis.identity import decode_key, encode_key
from deploy.processes import claim_port, free_port
from deploy.provision import MIGRATOR, READER, SCHEMAS, role_of, url_for

DATABASE = "parterre"
HOST = "127.0.0.1"
# The folder of traces, in the system's own.
TRACES = "traces"
# Who calls whom: a process knows the public keys of its callers only.
CALLERS: Mapping[str, tuple[str, ...]] = {
    "auth": ("gateway",),
    "catalog": ("gateway", "notification"),
    "inventory": ("gateway", "booking"),
    "booking": ("gateway", "notification"),
    "payment": ("gateway",),
    "notification": ("gateway",),
    "gateway": (),
}
# Who connects to whose RPCs: its callers, and who calls it with the token of a person alone.
CONNECTIONS: Mapping[str, tuple[str, ...]] = {
    **CALLERS,
    "inventory": (*CALLERS["inventory"], "catalog"),
}
SERVICES = tuple(SCHEMAS)
# In the order of starting; stopped the other way round.
PROCESSES = ("sandbox", "catcher", *SERVICES, "gateway")
MODULES: Mapping[str, str] = {
    **SCHEMAS,
    "sandbox": "payment_service.sandbox",
    "catcher": "notification_service.catcher",
    "gateway": "gateway",
}


# On one's own machine, unless something else is given.
_USUAL: Mapping[str, str] = {
    "AUTH_ORGANIZER_SIGNUP": "open",
    # Everybody comes from one address here.
    "AUTH_LIMITS__ADDRESS_PASSWORDS": "1000000",
    "AUTH_LIMITS__ADDRESS_CODES": "1000000",
}


@dataclass(frozen=True)
class Ports:
    """Where each process listens, on the loopback address."""

    rpc: Mapping[str, int]  # each service's gRPC port
    internal: Mapping[str, int]  # health and metrics of each service and the gateway
    sandbox: int
    smtp: int  # the catcher of mails
    caught: int  # what it caught, over HTTP
    gateway: int

    @classmethod
    def load(cls, file: Path, gateway: int) -> Ports:
        """The ports used last time where they can be had, else others; kept in `file`."""
        names = [*(f"rpc.{name}" for name in SERVICES)]
        names += [*(f"internal.{name}" for name in (*SERVICES, "gateway"))]
        names += ["sandbox", "smtp", "caught"]
        kept: dict[str, int] = json.loads(file.read_text()) if file.exists() else {}
        chosen = {
            name: kept[name] if name in kept and claim_port(kept[name]) else free_port()
            for name in names
        }
        file.write_text(json.dumps(chosen))
        return cls(
            rpc={name: chosen[f"rpc.{name}"] for name in SERVICES},
            internal={name: chosen[f"internal.{name}"] for name in (*SERVICES, "gateway")},
            sandbox=chosen["sandbox"],
            smtp=chosen["smtp"],
            caught=chosen["caught"],
            gateway=gateway,
        )


class Secrets:
    """The system's secrets, made at random the first time and kept in a file only we can read."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._kept: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}

    def get(self, name: str) -> str:
        """A secret of 32 random bytes, base64url; also good as an Ed25519 private key."""
        return self.keep(name, lambda: encode_key(secrets.token_bytes(32)))

    def public(self, name: str) -> str:
        """The public half of the Ed25519 key `name`."""
        key = Ed25519PrivateKey.from_private_bytes(decode_key(self.get(name)))
        return encode_key(key.public_key().public_bytes_raw())

    def password(self, name: str) -> str:
        """A password people can type."""
        return self.keep(name, _typeable)

    def keep(self, name: str, make: Callable[[], str]) -> str:
        """What is kept as `name`, else what `make` makes of it now."""
        if name not in self._kept:
            self._kept[name] = make()
            self._file.touch(mode=0o600)
            self._file.write_text(json.dumps(self._kept, indent=1))
        return self._kept[name]


def _typeable() -> str:
    raw = base64.b32encode(secrets.token_bytes(10)).decode().lower()
    return "-".join(raw[at : at + 4] for at in range(0, 16, 4))


def database_passwords(secret: Secrets) -> Mapping[str, str]:
    """The password of each database role."""
    roles = [MIGRATOR, READER, *(role_of(schema) for schema in SCHEMAS)]
    return {role: secret.get(f"database.{role}") for role in roles}


def reader_url(secret: Secrets, admin_url: str) -> str:
    """Where the operator's commands read all schemas."""
    return url_for(admin_url, DATABASE, READER, database_passwords(secret)[READER])


def migrator_url(secret: Secrets, admin_url: str) -> str:
    """Where the demo's bookings are moved into the past."""
    return url_for(admin_url, DATABASE, MIGRATOR, database_passwords(secret)[MIGRATOR])


def environments(  # noqa: PLR0917 - everything the processes' environments are made of
    home: Path,
    ports: Ports,
    secret: Secrets,
    admin_url: str,
    amqp_url: str,
    admin_email: str,
    given: Mapping[str, str] = MappingProxyType({}),
) -> Mapping[str, Mapping[str, str]]:
    """Each process's own environment variables.

    Of those that are `given`, a process is told the ones of its own prefix: GATEWAY_CORS_ORIGINS is
    the gateway's. They take the place of what is usual here (`_USUAL`), but not of what holds the
    system together: profile, addresses, ports, keys.
    """
    passwords = database_passwords(secret)
    gateway_url = f"http://{HOST}:{ports.gateway}"
    made: dict[str, dict[str, str]] = {}
    for name in (*SERVICES, "gateway"):
        prefix = name.upper()
        peers = {peer: secret.public(f"service.{peer}") for peer in CALLERS[name]}
        made[name] = {
            f"{prefix}_PROFILE": "local",
            f"{prefix}_INTERNAL_PORT": str(ports.internal[name]),
            f"{prefix}_JWKS_URL": f"http://{HOST}:{ports.internal['auth']}/.well-known/jwks.json",
            f"{prefix}_SERVICE_KEY": secret.get(f"service.{name}"),
            f"{prefix}_SERVICE_PEERS": json.dumps(peers),
        }
    for name in SERVICES:
        prefix = name.upper()
        role = role_of(name)
        made[name] |= {
            f"{prefix}_GRPC_PORT": str(ports.rpc[name]),
            f"{prefix}_DATABASE_URL": url_for(admin_url, DATABASE, role, passwords[role]),
            f"{prefix}_AMQP_URL": amqp_url,
        }
        made["gateway"][f"GATEWAY_{prefix}_ADDRESS"] = f"{HOST}:{ports.rpc[name]}"
    made["gateway"] |= {
        "GATEWAY_HOST": HOST,
        "GATEWAY_PORT": str(ports.gateway),
        "GATEWAY_AMQP_URL": amqp_url,
    }
    made["auth"] |= {
        "AUTH_CODE_PEPPER": secret.get("auth.code_pepper"),
        "AUTH_BOOTSTRAP_ADMIN_EMAIL": admin_email,
        "AUTH_BOOTSTRAP_ADMIN_PASSWORD": secret.password(f"account.{admin_email}"),
    }
    made["catalog"]["CATALOG_INVENTORY_ADDRESS"] = f"{HOST}:{ports.rpc['inventory']}"
    made["booking"] |= {
        "BOOKING_TICKET_KEY": secret.get("booking.ticket_key"),
        "BOOKING_INVENTORY_ADDRESS": f"{HOST}:{ports.rpc['inventory']}",
    }
    made["notification"] |= {
        "NOTIFICATION_BOOKING_ADDRESS": f"{HOST}:{ports.rpc['booking']}",
        "NOTIFICATION_CATALOG_ADDRESS": f"{HOST}:{ports.rpc['catalog']}",
        "NOTIFICATION_SMTP_URL": f"smtp://{HOST}:{ports.smtp}",
        "NOTIFICATION_MAILBOX_URL": f"http://{HOST}:{ports.caught}",
        "NOTIFICATION_WEBHOOK_KEY": secret.get("notification.webhook_key"),
        "NOTIFICATION_BOOKING_LINK": f"{gateway_url}/bookings/{{reference}}",
        "NOTIFICATION_UNSUBSCRIBE_LINK": f"{gateway_url}/api/v1/unsubscribe/{{token}}",
    }
    made["catcher"] = {
        "CATCHER_SMTP_PORT": str(ports.smtp),
        "CATCHER_HTTP_PORT": str(ports.caught),
    }
    sandbox_url = f"http://{HOST}:{ports.sandbox}"
    made["payment"] |= {
        "PAYMENT_SANDBOX_URL": sandbox_url,
        "PAYMENT_SANDBOX_API_KEY": secret.get("sandbox.api_key"),
        "PAYMENT_SANDBOX_WEBHOOK_SECRET": secret.get("sandbox.webhook_secret"),
        "PAYMENT_RETURN_URL": f"{gateway_url}/bookings",
    }
    made["sandbox"] = {
        "SANDBOX_PORT": str(ports.sandbox),
        "SANDBOX_DATABASE": str(home / "sandbox.sqlite3"),
        "SANDBOX_API_KEY": secret.get("sandbox.api_key"),
        "SANDBOX_WEBHOOK_URL": f"{gateway_url}/api/v1/webhooks/payments/sandbox",
        "SANDBOX_WEBHOOK_SECRET": secret.get("sandbox.webhook_secret"),
        "SANDBOX_PUBLIC_URL": sandbox_url,
    }
    usual = {**_USUAL, "CATALOG_MEDIA_URL": (home / "media").absolute().as_uri()}
    for name in (*SERVICES, "gateway"):
        # Whoever tries something here sees all of it; under load the few a second cost nothing.
        usual[f"{name.upper()}_TRACE_FOLDER"] = str((home / TRACES).absolute())
        usual[f"{name.upper()}_TRACE_RATIO"] = "1"
        usual[f"{name.upper()}_TRACE_PER_SECOND"] = "20"
    usual |= given
    return {
        name: {
            **{key: value for key, value in usual.items() if key.startswith(f"{name.upper()}_")},
            **own,
        }
        for name, own in made.items()
    }
