"""Settings: frozen, and no development secret in production."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from notification_service.settings import Settings

SOUND = {
    "profile": "production",
    "internal_port": 9000,
    "jwks_url": "http://auth:9000/.well-known/jwks.json",
    "service_key": "k" * 43,
    "grpc_port": 9001,
    "database_url": "postgresql://role:word@db/parterre",
    "amqp_url": "amqp://user:word@mq/",
}


def test_production_refuses_to_start_on_a_development_secret() -> None:
    with pytest.raises(ValidationError, match="development secret"):
        Settings(**{**SOUND, "service_key": "insecure-key"})
    assert Settings(**{**SOUND, "profile": "local", "service_key": "insecure-key"})


def test_a_failed_start_does_not_print_what_it_was_given() -> None:
    with pytest.raises(ValidationError) as refused:
        Settings(**{**SOUND, "grpc_port": "canary-port", "service_key": "canary-key"})
    assert "canary" not in str(refused.value)


def test_half_a_tls_configuration_is_refused() -> None:
    with pytest.raises(ValidationError, match="belong together"):
        Settings(**SOUND, tls_key="/etc/tls/key.pem")


def test_settings_can_not_be_changed() -> None:
    settings = Settings(**SOUND)
    with pytest.raises(ValidationError):
        settings.grpc_port = 1  # type: ignore[misc]
