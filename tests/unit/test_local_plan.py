"""What the processes of `make up` are told of the environment it was started from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from deploy.plan import Ports, Secrets, environments


def plan(home: Path, given: Mapping[str, str]) -> Mapping[str, Mapping[str, str]]:
    ports = Ports.load(home / "ports.json", 8080)
    return environments(
        home,
        ports,
        Secrets(home / "secrets.json"),
        "postgresql://localhost/postgres",
        "amqp://localhost",
        "admin@parterre.example",
        given,
    )


def test_a_process_is_told_the_settings_of_its_own(tmp_path: Path) -> None:
    given = {
        "GATEWAY_CORS_ORIGINS": "https://shop.example",
        "AUTH_ORGANIZER_SIGNUP": "closed",
        "SANDBOX_SLOW_SECONDS": "1",
        "HOME": "/root",
    }
    made = plan(tmp_path, given)
    assert made["gateway"]["GATEWAY_CORS_ORIGINS"] == "https://shop.example"
    assert made["auth"]["AUTH_ORGANIZER_SIGNUP"] == "closed"
    assert made["sandbox"]["SANDBOX_SLOW_SECONDS"] == "1"
    for name, environment in made.items():
        assert all(key.startswith(f"{name.upper()}_") for key in environment)


def test_what_is_usual_here_stays_where_nothing_is_given(tmp_path: Path) -> None:
    made = plan(tmp_path, {})
    assert made["auth"]["AUTH_ORGANIZER_SIGNUP"] == "open"
    assert made["catalog"]["CATALOG_MEDIA_URL"].startswith("file://")


def test_what_holds_the_system_together_is_not_to_be_changed(tmp_path: Path) -> None:
    given = {"GATEWAY_PORT": "1", "AUTH_PROFILE": "production", "BOOKING_DATABASE_URL": "nowhere"}
    made = plan(tmp_path, given)
    assert made["gateway"]["GATEWAY_PORT"] == "8080"
    assert made["auth"]["AUTH_PROFILE"] == "local"
    assert made["booking"]["BOOKING_DATABASE_URL"] != "nowhere"
