"""A real Prometheus, of Debian's package, beside a real system that is broken.

In the place of Alertmanager, which does not start where it is not installed, something hears what
it would be told.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import aio_pika
import httpx
import pytest
import yaml

from deploy import dashboards
from deploy.plan import SERVICES
from deploy.processes import free_port
from deploy.prometheus import ensure_installed

from .conftest import Breakable

OBSERVABILITY = Path(__file__).parents[2] / "deploy" / "observability"
_SECONDS = 150.0  # an alert waits up to a minute, and figures are read every 15 seconds


@dataclass(frozen=True)
class Watch:
    """Prometheus, and what it has told Alertmanager."""

    url: str
    heard: dict[str, datetime] = field(default_factory=dict)  # until when each alert is good

    def ask(self, what: str, **parameters: str) -> Any:
        """What Prometheus says."""
        url = f"{self.url}/api/v1/{what}"
        return httpx.get(url, params=parameters, timeout=10).raise_for_status().json()["data"]

    def firing(self) -> set[str]:
        """The alerts that are there, each with what it is about."""
        return {
            name_of(alert["labels"])
            for alert in self.ask("alerts")["alerts"]
            if alert["state"] == "firing"
        }

    def told(self) -> set[str]:
        """The alerts that Alertmanager heard of and are not over."""
        now = datetime.now(UTC)
        return {alert for alert, ends in self.heard.items() if ends > now}


def name_of(labels: dict[str, str]) -> str:
    return f"{labels['alertname']} {labels.get('process') or labels.get('queue') or ''}".strip()


@contextmanager
def alertmanager(heard: dict[str, datetime]) -> Iterator[int]:
    """Something that takes alerts as Alertmanager does (its API, version 2); gives its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            for alert in json.loads(self.rfile.read(int(self.headers["Content-Length"]))):
                heard[name_of(alert["labels"])] = datetime.fromisoformat(alert["endsAt"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_said: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def until(holds: Callable[[], bool], what: Callable[[], object]) -> None:
    deadline = time.monotonic() + _SECONDS
    while not holds():
        assert time.monotonic() < deadline, what()
        time.sleep(0.5)


@contextmanager
def watching(run: dict[str, Any], folder: Path) -> Iterator[Watch]:
    """Prometheus, with the rules as they are, over a system of `make up`."""
    port = free_port()
    watch = Watch(f"http://127.0.0.1:{port}")
    shipped = yaml.safe_load((OBSERVABILITY / "prometheus.yml").read_text())
    internal = {name: httpx.URL(url).netloc.decode() for name, url in run["internal"].items()}
    jobs = {job["job_name"]: job for job in shipped["scrape_configs"]}
    del jobs["rabbitmq"]  # of `make up` has no plugin for it
    # The addresses are this machine's, and everything is looked at more often.
    jobs["parterre"] = {
        "job_name": "parterre",
        "static_configs": [
            {"targets": [address], "labels": {"process": name}}
            for name, address in internal.items()
        ],
    }
    key = folder / "sandbox_api_key"
    key.write_text(run["provider"]["api_key"])
    jobs["sandbox"]["authorization"]["credentials_file"] = str(key)
    jobs["sandbox"]["static_configs"][0]["targets"] = [httpx.URL(run["sandbox"]).netloc.decode()]
    with ExitStack() as stack:
        hears = stack.enter_context(alertmanager(watch.heard))
        shipped |= {
            "global": {"scrape_interval": "5s", "evaluation_interval": "5s"},
            "rule_files": [str(OBSERVABILITY / "rules" / "*.yaml")],
            "scrape_configs": list(jobs.values()),
            "alerting": {
                "alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{hears}"]}]}]
            },
        }
        (folder / "prometheus.yml").write_text(yaml.safe_dump(shipped))
        log = stack.enter_context((folder / "log").open("wb"))
        process = subprocess.Popen(
            [
                str(ensure_installed() / "prometheus"),
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'prometheus'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=log,
            cwd=folder,
        )
        stack.callback(process.wait)
        stack.callback(process.terminate)

        def is_ready() -> bool:
            try:
                return httpx.get(f"{watch.url}/-/ready").status_code == 200
            except httpx.HTTPError:
                return False

        until(is_ready, (folder / "log").read_text)
        yield watch


async def bury(url: str, queue: str) -> None:
    """Sends what nobody can read."""
    async with await aio_pika.connect(url) as connection, connection.channel() as channel:
        await channel.default_exchange.publish(
            aio_pika.Message(b"?", message_id="of nobody", type="of.nobody"), queue
        )


async def purge(url: str, queue: str) -> None:
    async with await aio_pika.connect(url) as connection, connection.channel() as channel:
        await (await channel.get_queue(queue)).purge()


@pytest.mark.slow
@pytest.mark.timeout(420)
def test_alerts_come_with_a_fault_and_go_with_it(breakable: Breakable, tmp_path: Path) -> None:
    run = breakable.run
    expected = {*SERVICES, "gateway", "sandbox"}
    with watching(run, tmp_path) as watch:

        def seen() -> set[str]:
            found = watch.ask("query", query='up{job="parterre"} == 1')["result"]
            return {each["metric"]["process"] for each in found}

        until(lambda: seen() == expected, seen)
        until(lambda: bool(rules(watch)) and unhealthy(watch) == [], lambda: unhealthy(watch))
        for dashboard in dashboards.DASHBOARDS:
            for panel in dashboard.json()["panels"]:
                for target in panel.get("targets", ()):
                    query = target["expr"].replace("$__rate_interval", "1m")
                    query = query.replace("$process", "booking").replace("$instance", ".*")
                    watch.ask("query", query=query)
        assert watch.firing() == set()

        with breakable.standing_still("payment"):
            asyncio.run(bury(run["amqp"], "booking.replies"))
            broken = {"ServiceDown payment", "DeadLetters booking.replies.dead"}
            until(lambda: broken <= watch.firing(), watch.firing)
            until(lambda: broken <= watch.told(), watch.told)
        asyncio.run(purge(run["amqp"], "booking.replies.dead"))
        until(lambda: not broken & watch.firing(), watch.firing)
        until(lambda: not broken & watch.told(), watch.told)


def rules(watch: Watch) -> list[Any]:
    return [rule for group in watch.ask("rules")["groups"] for rule in group["rules"]]


def unhealthy(watch: Watch) -> list[str]:
    """Rules that were not worked out yet, or can't be."""
    return [
        f"{rule['name']}: {rule.get('lastError', '')}"
        for rule in rules(watch)
        if rule["health"] != "ok"
    ]
