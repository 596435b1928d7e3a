"""Webhooks: where they may go, how they are signed, how often they are tried."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook
from yarl import URL

from notification_service.domain import InvalidWebhookEndpointError, webhooks


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.org",
        "https://hooks.example.org/",
        "https://hooks.example.org:8443/a/b?c=d&e=%20",
        "https://xn--bcher-kva.example/hook",
        "https://8.8.8.8/hook",
        "https://[2606:4700:4700::1111]/hook",
    ],
)
def test_a_public_url_is_good(url: str) -> None:
    assert webhooks.flaw_in_url(url, allows_loopback=False) == ""


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hooks.example.org",
        "http://hooks.example.org/",
        "ftp://hooks.example.org/",
        "https://",
        "https:///path",
        "https://user@hooks.example.org/",
        "https://user:word@hooks.example.org/",
        "https://hooks.example.org@127.0.0.1/",
        "https://hooks.example.org#@127.0.0.1/",
        "https://hooks.example.org\\@127.0.0.1/",
        "https://hooks.example.org/a b",
        "https://hooks.example.org/\r\nHost: x",
        "https://hooks.example.org:22/",
        "https://hooks.example.org:99999/",
        "https://hooks.example.org:/",
        "https://b\u00fccher.example/",
        "https://127\u30020.0.1/",
        "https://\uff11\uff12\uff17.0.0.1/",
        "https://localhost/",
        "https://intranet/",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f.0.0.1/",
        "https://0177.0.0.1/",
        "https://169.254.169.254/latest/meta-data/",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[fe80::1%25eth0]/",
        "https://hooks.example.org./",
        "https://-a.example.org/",
        "https://" + "a" * 64 + ".example.org/",
        "https://hooks.example.org/" + "a" * 2000,
    ],
)
def test_any_other_is_refused_with_a_reason(url: str) -> None:
    assert webhooks.flaw_in_url(url, allows_loopback=False)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_plain_http_goes_to_this_machine_alone_and_where_that_is_allowed(host: str) -> None:
    assert webhooks.flaw_in_url(f"http://{host}:9000/hook", allows_loopback=True) == ""
    assert webhooks.flaw_in_url(f"http://{host}:9000/hook", allows_loopback=False)
    assert webhooks.flaw_in_url("http://10.0.0.1:9000/hook", allows_loopback=True)
    assert webhooks.flaw_in_url("http://hooks.example.org/", allows_loopback=True)


@given(st.text(alphabet="https://ex.amp1e@:[]%#?\\0127 ", max_size=40))
def test_whoever_calls_reads_the_same_host(rest: str) -> None:
    url = f"https://{rest}"
    if not webhooks.flaw_in_url(url, allows_loopback=False):
        read = URL(url, encoded=True)
        assert (
            read.raw_host == url.removeprefix("https://").split("/")[0].split("?")[0].split(":")[0]
        )
        assert read.user is None


def test_scheme_and_host_are_kept_in_small_letters() -> None:
    wish = webhooks.parse_endpoint(
        "HTTPS://Hooks.Example.ORG/Path", "", ["event.changed"], allows_loopback=False
    )
    assert wish.url == "https://hooks.example.org/Path"


def test_every_field_that_is_wrong_is_named() -> None:
    with pytest.raises(InvalidWebhookEndpointError) as refused:
        webhooks.parse_endpoint("x", "a\u2028b" * 60, ["no.such"], allows_loopback=False)
    assert set(refused.value.metadata) == {"url", "description", "facts"}
    with pytest.raises(InvalidWebhookEndpointError) as refused:
        webhooks.parse_endpoint("https://a.example/", "", [], allows_loopback=False)
    assert set(refused.value.metadata) == {"facts"}


def test_others_verify_what_is_signed_by_the_secret_of_before_or_of_now() -> None:
    old, new = (webhooks.secret_of(bytes([each]) * 32) for each in (1, 2))
    body, at = b'{"type": "event.changed"}', datetime.now(UTC)
    headers = {
        "webhook-id": "0193",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": webhooks.signatures([new, old], "0193", int(at.timestamp()), body),
    }
    for secret in (old, new):
        assert Webhook(secret).verify(body, headers) == json.loads(body)
    with pytest.raises(Exception, match="No matching signature"):
        Webhook(webhooks.secret_of(b"3" * 32)).verify(body, headers)


def test_what_fails_is_tried_for_about_a_day() -> None:
    pauses = []
    while (pause := webhooks.pause_after(len(pauses) + 1)) is not None:
        pauses.append(pause)
    assert pauses == sorted(pauses)
    assert timedelta(hours=22) < sum(pauses, timedelta()) < timedelta(hours=26)


def test_an_endpoint_that_fails_again_and_again_rests_longer_and_longer() -> None:
    rests = [webhooks.rest_after(failures) for failures in range(1, 1000)]
    assert rests[:2] == [timedelta(0)] * 2
    assert rests == sorted(rests)
    assert rests[-1] == timedelta(minutes=5)


def test_what_the_documentation_says_verifies_what_is_sent() -> None:
    [snippet] = re.findall(
        r"```python\n(.*?)```", Path("docs/webhooks.md").read_text(), flags=re.DOTALL
    )
    names: dict[str, Any] = {}
    exec(snippet, names)
    secret, at = webhooks.secret_of(b"s" * 32), int(datetime.now(UTC).timestamp())
    headers = {
        "webhook-id": "0193",
        "webhook-timestamp": str(at),
        "webhook-signature": webhooks.signatures([secret], "0193", at, b'{"type": "x"}'),
    }
    assert names["receive"](secret, headers, b'{"type": "x"}') == {"type": "x"}
    with pytest.raises(Exception, match="No matching signature"):
        names["receive"](secret, headers, b'{"type": "y"}')


def test_the_documentation_names_every_fact() -> None:
    page = Path("docs/webhooks.md").read_text()
    assert set(re.findall(r"^\| `(\w+\.\w+)` \|", page, flags=re.MULTILINE)) == set(webhooks.FACTS)
