"""What browsers are called by people."""

from __future__ import annotations

import pytest

from presentation.devices import device_name

_WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        (f"Mozilla/5.0 (X11; Linux x86_64) {_WEBKIT} Chrome/126.0 Safari/537.36", "Chrome, Linux"),
        (
            f"Mozilla/5.0 (Windows NT 10.0) {_WEBKIT} Chrome/126.0 Safari/537 Edg/126",
            "Edge, Windows",
        ),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15) Version/17.4 Safari/605", "Safari, Mac"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) Safari/604", "Safari, iPhone"),
        ("Mozilla/5.0 (Linux; Android 14) Gecko/126.0 Firefox/126.0", "Firefox, Android"),
        ("Firefox/126.0", "Firefox"),
        ("python-httpx/0.28.1", "python-httpx/0.28.1"),
        ("two\nlines", "two lines"),
        ("x" * 400, "x" * 60),
        ("", ""),
    ],
)
def test_a_device_is_named(user_agent: str, name: str) -> None:
    assert device_name(user_agent) == name
