"""Settings: frozen, and production refuses to start on what would be unsafe."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict
from pydantic import ValidationError

from auth_service.settings import Settings as AuthSettings
from booking_service.settings import Settings as BookingSettings
from catalog_service.settings import Settings as CatalogSettings
from chassis.identity import encode_key
from chassis.settings import ProcessSettings, given
from deploy.processes import SetupError
from deploy.provision import SCHEMAS, provision, role_of, url_for
from deploy.settings import ProvisionSettings
from gateway.settings import Settings as GatewaySettings
from inventory_service.settings import Settings as InventorySettings
from notification_service.settings import Settings
from payment_service.sandbox.settings import Settings as SandboxSettings
from payment_service.settings import Settings as PaymentSettings

KEY = encode_key(bytes(range(32)))
WORD = "a-long-random-word"
PROCESS = {
    "profile": "production",
    "internal_port": 9000,
    "jwks_url": "https://auth:9002/.well-known/jwks.json",
    "service_key": KEY,
    "tls_certificate": "/etc/tls/tls.crt",
    "tls_key": "/etc/tls/tls.key",
    "tls_authority": "/etc/tls/ca.crt",
}
SERVICE = PROCESS | {
    "grpc_port": 9001,
    "service_peers": {"gateway": KEY},
    "database_url": f"postgresql://role:{WORD}@db/parterre",
    "amqp_url": f"amqp://user:{WORD}@mq/",
}
SOUND = SERVICE | {
    "booking_address": "booking:9001",
    "catalog_address": "catalog:9001",
    "smtp_url": f"smtps://user:{WORD}@mail:465",
    "unsubscribe_link": "https://box.example/api/v1/unsubscribe/{token}",
    "webhook_key": "h" * 32,
}
ADDRESSES = {
    f"{name}_address": f"{name}:9001"
    for name in ("auth", "catalog", "inventory", "booking", "payment", "notification")
}
# Every process as production would have it.
ALL: dict[type[ProcessSettings], dict[str, Any]] = {
    Settings: SOUND,
    AuthSettings: SERVICE | {"code_pepper": "p" * 32, "keys_port": 9002},
    BookingSettings: SERVICE | {"inventory_address": "inventory:9001", "ticket_key": KEY},
    CatalogSettings: SERVICE | {"inventory_address": "i:9001", "media_url": "s3://pictures"},
    InventorySettings: SERVICE,
    PaymentSettings: SERVICE
    | {
        "sandbox_url": "https://sandbox",
        "sandbox_api_key": "k" * 32,
        "sandbox_webhook_secret": "w" * 32,
    },
    GatewaySettings: PROCESS | ADDRESSES | {"cors_origins": "https://shop.example"},
}


@pytest.mark.parametrize("process", ALL, ids=lambda process: process.__module__)
def test_production_starts_on_what_is_safe(process: type[ProcessSettings]) -> None:
    assert process(**ALL[process]).profile == "production"


# What is wrong, in which process, and what the refusal names and advises.
UNSAFE: list[tuple[type[ProcessSettings], dict[str, Any], str]] = [
    (Settings, {"service_key": "insecure-key"}, "NOTIFICATION_SERVICE_KEY is a development secret"),
    (Settings, {"service_key": ""}, "NOTIFICATION_SERVICE_KEY is shorter than 16"),
    (Settings, {"service_key": "k" * 20}, "NOTIFICATION_SERVICE_KEY is no key: give 32 random"),
    (Settings, {"service_peers": {}}, "NOTIFICATION_SERVICE_PEERS is empty: name the public keys"),
    (Settings, {"smtp_url": None}, "NOTIFICATION_SMTP_URL is not set"),
    (Settings, {"smtp_url": ""}, "NOTIFICATION_SMTP_URL is not set"),
    (Settings, {"smtp_url": "smtp://u:pw@mail"}, "NOTIFICATION_SMTP_URL has no password of 16"),
    (
        Settings,
        {"tls_certificate": None, "tls_key": None, "tls_authority": None},
        "NOTIFICATION_TLS_CERTIFICATE is not set: .*NOTIFICATION_NETWORK_IS_ENCRYPTED=true",
    ),
    (Settings, {"jwks_url": "http://auth:9000/jwks"}, "NOTIFICATION_JWKS_URL is not https"),
    (
        Settings,
        {"database_url": "postgresql://role@db/parterre"},
        "NOTIFICATION_DATABASE_URL has no password of 16",
    ),
    (Settings, {"amqp_url": "amqp://guest:guest@mq/"}, "NOTIFICATION_AMQP_URL has no password"),
    (BookingSettings, {"ticket_key": ""}, "BOOKING_TICKET_KEY is shorter than 16"),
    (BookingSettings, {"ticket_key": "t" * 60}, "BOOKING_TICKET_KEY is no key: give 32 random"),
    (AuthSettings, {"keys_port": None}, "AUTH_KEYS_PORT is not set"),
    (
        AuthSettings,
        {"limits": {"address_passwords": 1_000_000}},
        "AUTH_LIMITS__ADDRESS_PASSWORDS is as good as off: leave it at 100",
    ),
    (
        AuthSettings,
        {"limits": {"address_code_seconds": 0.001}},
        "AUTH_LIMITS__ADDRESS_CODE_SECONDS is as good as off",
    ),
    (
        AuthSettings,
        {"bootstrap_admin_email": "a@x.example", "bootstrap_admin_password": "short"},
        "AUTH_BOOTSTRAP_ADMIN_PASSWORD is shorter",
    ),
    (PaymentSettings, {"sandbox_webhook_secret": "short"}, "PAYMENT_SANDBOX_WEBHOOK_SECRET is"),
    (GatewaySettings, {"cors_origins": "*"}, "GATEWAY_CORS_ORIGINS has a \\*: list the exact"),
    (GatewaySettings, {"cors_origins": "https://*.x.example"}, "GATEWAY_CORS_ORIGINS has a"),
    (GatewaySettings, {"trusted_proxies": "10.0.0.1, *"}, "GATEWAY_TRUSTED_PROXIES believes every"),
    (GatewaySettings, {"trusted_proxies": "0.0.0.0/0"}, "GATEWAY_TRUSTED_PROXIES believes every"),
    (GatewaySettings, {"person_rate": 100_000}, "GATEWAY_PERSON_RATE is as good as off: leave it"),
    (GatewaySettings, {"coupon_guesses": 10_000}, "GATEWAY_COUPON_GUESSES is as good as off"),
]  # fmt: skip


@pytest.mark.parametrize(("process", "changes", "said"), UNSAFE)
def test_production_refuses_to_start_and_says_what_to_do(
    process: type[ProcessSettings], changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValidationError, match=said):
        process(**{**ALL[process], **changes})
    assert process(**{**ALL[process], **changes, "profile": "local"})


@pytest.mark.parametrize("missing", ["service_key", "database_url", "amqp_url"])
def test_what_is_not_given_at_all_is_missed(missing: str) -> None:
    with pytest.raises(ValidationError, match=f"{missing}\n.*required"):
        Settings(**{name: value for name, value in SOUND.items() if name != missing})


def test_a_network_that_encrypts_by_itself_may_be_said_to() -> None:
    plain = {"tls_certificate": None, "tls_key": None, "tls_authority": None}
    assert Settings(**{**SOUND, **plain, "network_is_encrypted": True})


def test_all_that_is_unsafe_is_told_at_once() -> None:
    with pytest.raises(ValidationError) as refused:
        GatewaySettings(**{**ALL[GatewaySettings], "cors_origins": "*", "trusted_proxies": "*"})
    assert "CORS_ORIGINS" in str(refused.value)
    assert "TRUSTED_PROXIES" in str(refused.value)


def test_a_failed_start_does_not_print_what_it_was_given() -> None:
    for changes in (
        {"grpc_port": "canary-port"},
        {"service_key": "canary"},
        {"amqp_url": "canary"},
    ):
        with pytest.raises(ValidationError) as refused:
            Settings(**{**SOUND, **changes})
        assert "canary" not in str(refused.value)


def test_half_a_tls_configuration_is_refused() -> None:
    with pytest.raises(ValidationError, match="belong together"):
        Settings(**{**SOUND, "tls_certificate": None})


def test_settings_can_not_be_changed() -> None:
    settings = Settings(**SOUND)
    with pytest.raises(ValidationError):
        settings.grpc_port = 1  # type: ignore[misc]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of secrets."""
    monkeypatch.setenv("PARTERRE_SECRETS", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("process", ALL, ids=lambda process: process.__module__)
def test_every_setting_may_be_a_file_of_its_variables_name(
    process: type[ProcessSettings], folder: Path
) -> None:
    for name, value in ALL[process].items():
        prefix = str(process.model_config["env_prefix"])
        text = value if isinstance(value, str) else json.dumps(value)
        (folder / f"{prefix}{name}".lower()).write_text(f"{text}\n")
    assert process() == process(**ALL[process])


def test_the_environment_goes_before_a_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "notification_sender").write_text("file@parterre.example")
    (folder / "mailbox_url").write_text("of-the-file\n")
    assert Settings(**SOUND).sender == "file@parterre.example"
    assert given("MAILBOX_URL") == "of-the-file"
    monkeypatch.setenv("NOTIFICATION_SENDER", "variable@parterre.example")
    monkeypatch.setenv("MAILBOX_URL", "of-the-environment")
    assert Settings(**SOUND).sender == "variable@parterre.example"
    assert given("MAILBOX_URL") == "of-the-environment"
    assert given("ANOTHER_URL") is None


@pytest.mark.parametrize("process", ALL, ids=lambda process: process.__module__)
def test_an_empty_variable_is_one_that_is_not_set(
    process: type[ProcessSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = process(**ALL[process])
    for name in process.model_fields.keys() - ALL[process].keys():
        monkeypatch.setenv(f"{process.model_config['env_prefix']}{name}".upper(), "")
    assert process(**ALL[process]) == usual
    assert usual.trace_folder is None


def test_what_production_refuses_it_refuses_of_a_file_too(folder: Path) -> None:
    (folder / "notification_smtp_url").write_text("insecure-canary")
    with pytest.raises(ValidationError, match="NOTIFICATION_SMTP_URL is a development") as refused:
        Settings(**{name: value for name, value in SOUND.items() if name != "smtp_url"})
    assert "canary" not in str(refused.value)


def test_a_folder_of_secrets_that_is_not_there_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARTERRE_SECRETS", str(tmp_path / "absent"))
    with pytest.raises(NotADirectoryError, match="PARTERRE_SECRETS"):
        Settings(**SOUND)


def test_the_sandbox_reads_its_secrets_from_files_too(folder: Path) -> None:
    for name in ("api_key", "webhook_secret"):
        (folder / f"sandbox_{name}").write_text(WORD)
    (folder / "sandbox_port").write_text("8090")
    (folder / "sandbox_database").write_text("sandbox.sqlite3")
    settings = SandboxSettings.given()
    assert settings.api_key.get_secret_value() == WORD
    assert settings.port == 8090


URLS = {
    "migrate_database_url": "postgresql://parterre_migrator:m@db/parterre",
    "provision_database_url": "postgresql://postgres:p@db/postgres",
    **{
        f"{schema}_database_url": f"postgresql://{role_of(schema)}:{schema}@db/parterre"
        for schema in SCHEMAS
    },
}


def test_provisioning_takes_roles_and_passwords_from_the_services_own_addresses() -> None:
    settings = ProvisionSettings(**URLS)
    assert settings.database == "parterre"
    passwords = {role_of(schema): schema for schema in SCHEMAS}
    assert settings.passwords == {"parterre_migrator": "m", **passwords}


def test_addresses_may_name_a_primary_and_its_standby() -> None:
    def twice(url: str) -> str:
        return url.replace("@db/", "@db:5432,standby:5433/") + "?target_session_attrs=read-write"

    settings = ProvisionSettings(**{name: twice(url) for name, url in URLS.items()})
    assert settings.database == "parterre"
    assert settings.passwords["parterre_auth"] == "auth"
    made = url_for(twice("postgresql://postgres:p@db/postgres"), "parterre", "reader", "a/b@c")
    assert conninfo_to_dict(made) == {
        "host": "db,standby",
        "port": "5432,5433",
        "dbname": "parterre",
        "user": "reader",
        "password": "a/b@c",
        "target_session_attrs": "read-write",
    }


def test_an_address_that_cannot_be_read_is_refused_without_its_password() -> None:
    url = "postgresql://parterre_auth:s3cret@db/parterre?s3cret"
    with pytest.raises(SetupError, match="can't be read") as refused:
        ProvisionSettings(**{**URLS, "auth_database_url": url}).passwords  # noqa: B018 - it raises
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"auth_database_url": "postgresql://parterre_auth:a@db/other"}, "one database"),
        ({"auth_database_url": "postgresql://parterre_booking:a@db/parterre"}, "parterre_auth"),
        ({"auth_database_url": "postgresql://parterre_auth@db/parterre"}, "parterre_auth"),
    ],
)
def test_provisioning_refuses_addresses_that_do_not_belong_together(
    changes: dict[str, Any], said: str
) -> None:
    settings = ProvisionSettings(**{**URLS, **changes})
    with pytest.raises(SetupError, match=said):
        provision("postgresql://nowhere.invalid/", settings.database, settings.passwords)
