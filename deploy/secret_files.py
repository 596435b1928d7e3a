"""The secrets of a system in containers: a folder of files for each of its processes.

A setting's file has its variable's name in lower case (`chassis/settings.py`).
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from deploy.plan import CALLERS, DATABASE, SERVICES, Secrets, database_passwords
from deploy.provision import MIGRATOR, READER, role_of
from ops.seed import demo_accounts

ADMIN_EMAIL = "admin@parterre.example"
_EDGE_DAYS = 825
_KEY_BEGINS = "-----BEGIN PRIVATE KEY-----"
# Everybody may read a file who gets at it: an engine mounts it as it is, for whatever account the
# process runs as. The folder around all of them is its owner's alone.
_FILE_MODE = 0o444
_FOLDER_MODE = 0o755

Files = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Servers:
    """Where the processes find what they stand on; by default, in `deploy/compose.yaml`."""

    database: str = "postgres:5432"
    broker: str = "broker:5672"


def secret_files(secret: Secrets, servers: Servers) -> Files:
    """Each process's files, by folder and name."""
    passwords = database_passwords(secret)
    urls = {
        role: f"postgresql://{role}:{password}@{servers.database}/{DATABASE}"
        for role, password in passwords.items()
    }
    superuser = secret.get("database.postgres")
    made: dict[str, dict[str, str]] = {}
    for name in (*SERVICES, "gateway"):
        peers = {peer: secret.public(f"service.{peer}") for peer in CALLERS[name]}
        made[name] = {
            f"{name}_service_key": secret.get(f"service.{name}"),
            f"{name}_service_peers": json.dumps(peers),
            f"{name}_amqp_url": _amqp_url(secret, servers, name),
        }
    for name in SERVICES:
        made[name][f"{name}_database_url"] = urls[role_of(name)]
    made["auth"] |= {
        "auth_code_pepper": secret.get("auth.code_pepper"),
        "auth_bootstrap_admin_email": ADMIN_EMAIL,
        "auth_bootstrap_admin_password": secret.password(f"account.{ADMIN_EMAIL}"),
    }
    made["booking"]["booking_ticket_key"] = secret.get("booking.ticket_key")
    made["notification"]["notification_webhook_key"] = secret.get("notification.webhook_key")
    made["payment"] |= {
        "payment_sandbox_api_key": secret.get("sandbox.api_key"),
        "payment_sandbox_webhook_secret": secret.get("sandbox.webhook_secret"),
    }
    made["sandbox"] = {
        "sandbox_api_key": secret.get("sandbox.api_key"),
        "sandbox_webhook_secret": secret.get("sandbox.webhook_secret"),
    }
    made["postgres"] = {"postgres_password": superuser}
    made["migrate"] = {"migrate_database_url": urls[MIGRATOR]}
    made["provision"] = {
        "provision_database_url": f"postgresql://postgres:{superuser}@{servers.database}/postgres",
        **made["migrate"],
        "reader_database_url": urls[READER],
        **{f"{name}_database_url": urls[role_of(name)] for name in SERVICES},
    }
    made["operator"] = {
        "reader_database_url": urls[READER],
        "auth_database_url": urls[role_of("auth")],
        "payment_database_url": urls[role_of("payment")],
        "notification_database_url": urls[role_of("notification")],
        "amqp_url": _amqp_url(secret, servers, "operator"),
        "payment_sandbox_api_key": secret.get("sandbox.api_key"),
    }
    # What checks regularly has no more than it needs.
    made["fsck"] = {name: made["operator"][name] for name in ("reader_database_url", "amqp_url")}
    made["rabbitmq"] = {
        "definitions.json": _definitions(secret),
        "erlang_cookie": secret.get("broker.erlang_cookie"),
    }
    # The sandbox provider shows its metrics to whoever holds its key.
    made["prometheus"] = {"sandbox_api_key": secret.get("sandbox.api_key")}
    made["grafana"] = {"grafana_password": secret.password("grafana")}
    edge = secret.keep("edge.pem", _edge_certificate)
    made["edge"] = {"edge.pem": edge}
    accounts = demo_accounts(lambda email: secret.password(f"account.{email}"))
    made["demo"] = {
        "accounts.json": json.dumps({"accounts": [asdict(account) for account in accounts]}),
        "certificate.pem": edge[: edge.index(_KEY_BEGINS)],
    }
    return made


def archive(files: Files, kept: str) -> bytes:
    """A tar archive of the folders, and of `secrets.json`, which `kept` is, for the next time."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:

        def add(name: str, mode: int, content: str | None = None) -> None:
            entry = tarfile.TarInfo(name)
            entry.mode = mode
            if content is None:
                entry.type = tarfile.DIRTYPE
                tar.addfile(entry)
            else:
                entry.size = len(content.encode())
                tar.addfile(entry, io.BytesIO(content.encode()))

        add("secrets.json", 0o600, kept)
        for folder, contents in files.items():
            add(folder, _FOLDER_MODE)
            for name, content in contents.items():
                add(f"{folder}/{name}", _FILE_MODE, content)
    return stream.getvalue()


def _amqp_url(secret: Secrets, servers: Servers, user: str) -> str:
    return f"amqp://{user}:{secret.get(f'broker.{user}')}@{servers.broker}/"


def _definitions(secret: Secrets) -> str:
    """RabbitMQ's users, as it imports them when it starts: one for each process."""
    users = (*SERVICES, "gateway", "operator")
    everything = {"vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}
    made = {
        "vhosts": [{"name": "/"}],
        "users": [
            {
                "name": user,
                "password_hash": _broker_hash(secret.get(f"broker.{user}")),
                "hashing_algorithm": "rabbit_password_hashing_sha256",
                "tags": ["monitoring"] if user == "operator" else [],
            }
            for user in users
        ],
        "permissions": [{"user": user, **everything} for user in users],
    }
    return json.dumps(made, indent=1)


def _broker_hash(password: str) -> str:
    """As RabbitMQ stores it (its documentation, "Passwords"): salt, and SHA-256 of both.

    The password has 32 random bytes of its own, so that its salt may be made of it: what is
    written is the same each time.
    """
    salt = hashlib.sha256(f"salt of {password}".encode()).digest()[:4]
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def _edge_certificate() -> str:
    """A certificate for localhost that nobody vouches for, with its key: to be replaced by one."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=_EDGE_DAYS))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return (made.public_bytes(Encoding.PEM) + private).decode()
