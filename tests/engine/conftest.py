"""Parterre in containers, as `deploy/compose.yaml` says; the engine and the images are there.

`make test-engine` sees to both, and tells by DOCKER, DOCKER_HOST and …_IMAGE.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.processes import free_port
from ops.client import Client

DEPLOY = Path(__file__).parents[2] / "deploy"
_COMMAND_SECONDS = 400
# Of each container's log the end is kept, where a test fails.
_KEPT_LINES = 20_000
_KEPT_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True)
class Containers:
    """A system in containers, and the commands of whoever operates it."""

    environment: Mapping[str, str]
    secrets: Path

    @property
    def gateway(self) -> str:
        """Where HAProxy answers."""
        return f"https://localhost:{self.environment['PARTERRE_PORT']}"

    def docker(self, *words: str, check: bool = True) -> str:
        """What the engine's program prints; its complaints are the failure's message."""
        done = subprocess.run(
            [self.environment["DOCKER"], *words],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=_COMMAND_SECONDS,
            check=False,
        )
        if check and done.returncode:
            pytest.fail(f"{' '.join(words)}: {done.stdout[-3000:]}{done.stderr[-3000:]}")
        return done.stdout

    def compose(self, *words: str, check: bool = True) -> str:
        """One of Compose's commands."""
        return self.docker("compose", *words, check=check)

    def script(self, word: str) -> str:
        """What `deploy/compose.sh` prints, as `make compose-up` and the like call it."""
        done = subprocess.run(
            ["bash", str(DEPLOY / "compose.sh"), word],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=_COMMAND_SECONDS,
            check=False,
        )
        if done.returncode:
            logs = self.compose("logs", "--tail", "20", check=False)
            pytest.fail(f"{word}: {done.stdout[-4000:]}{done.stderr[-2000:]}{logs[-8000:]}")
        return done.stdout

    def ids(self, service: str) -> Sequence[str]:
        """The ids of a service's containers that run."""
        return self.compose("ps", "--quiet", service).split()

    def keep_logs(self) -> Path:
        """Writes the end of every container's log to a file each; gives their folder."""
        folder = self.secrets.parent / "logs"
        folder.mkdir(exist_ok=True)
        for id in self.compose("ps", "--all", "--quiet", check=False).split():
            name = self.docker("inspect", "--format", "{{.Name}}", id, check=False).strip(" /\n")
            done = subprocess.run(
                [self.environment["DOCKER"], "logs", "--tail", str(_KEPT_LINES), id],
                env=self.environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=_COMMAND_SECONDS,
                check=False,
            )
            (folder / f"{name or id}.log").write_bytes(done.stdout[-_KEPT_BYTES:])
        return folder

    def operator(self, *words: str) -> str:
        """What one of the operator's commands prints, which must succeed."""
        return self.compose("run", "--rm", "--no-deps", "operator", "parterre", *words)

    def somebody(self, role: str) -> Client:
        """Somebody of the demo's people, logged in."""
        accounts = json.loads((self.secrets / "demo/accounts.json").read_text())["accounts"]
        account = next(one for one in accounts if one["role"] == role)
        return Client(self.gateway).log_in(account["email"], account["password"])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keeps the logs of all containers where a test has failed, and says where they are."""
    report = yield
    if report.failed and call.when == "call":
        for system in getattr(item, "funcargs", {}).values():
            if isinstance(system, Containers):
                report.sections.append(("logs of all containers", str(system.keep_logs())))
    return report


@contextmanager
def running(folder: Path, *overlays: str, **settings: str) -> Iterator[Containers]:
    """A system of these files, demo data in it, gone with all it kept when the block ends."""
    files = [DEPLOY / "compose.yaml", *(DEPLOY / f"compose.{name}.yaml" for name in overlays)]
    secrets = folder / "secrets"
    environment = {
        **os.environ,
        "PARTERRE_IMAGE": "parterre:local",
        "PARTERRE_SECRETS_HOME": str(secrets),
        "COMPOSE_FILE": ":".join(map(str, files)),
        "COMPOSE_PROJECT_NAME": "parterre-test",
        "PARTERRE_EDGE_SUBNET": "172.31.251.0/24",
        **{
            f"PARTERRE_{name}PORT": str(free_port())
            for name in ("", "PAGE_", "MAIL_", "PROMETHEUS_", "GRAFANA_")
        },
        **settings,
    }
    containers = Containers(environment, secrets)
    before = os.environ.get("SSL_CERT_FILE")
    # A run that was cut off has left its containers, and volumes with other passwords.
    _take_down(containers)
    try:
        containers.script("up")
        os.environ["SSL_CERT_FILE"] = str(secrets / "demo/certificate.pem")
        yield containers
    finally:
        if before is None:
            os.environ.pop("SSL_CERT_FILE", None)
        else:
            os.environ["SSL_CERT_FILE"] = before
        _take_down(containers)


def _take_down(containers: Containers) -> None:
    """Takes away what any overlay may have made; again where the engine lags behind itself.

    Debian's says of a network now and then that a container which is gone is still on it: then it
    is told to forget that.
    """
    environment = containers.environment
    files = ":".join(map(str, sorted(DEPLOY.glob("compose*.yaml"))))
    for tries_left in reversed(range(3)):
        done = subprocess.run(
            ["bash", str(DEPLOY / "compose.sh"), "down"],
            env={**environment, "COMPOSE_FILE": files, "VOLUMES": "1"},
            timeout=_COMMAND_SECONDS,
            capture_output=True,
            text=True,
            check=False,
        )
        if not done.returncode:
            return
        if not tries_left:
            pytest.fail(f"down: {done.stdout[-3000:]}{done.stderr[-3000:]}")
        _empty_networks(containers)
        time.sleep(2)


def _empty_networks(containers: Containers) -> None:
    project = f"label=com.docker.compose.project={containers.environment['COMPOSE_PROJECT_NAME']}"
    for network in containers.docker("network", "ls", "--quiet", "--filter", project).split():
        told = containers.docker("network", "inspect", network, "--format", "{{json .Containers}}")
        for on_it in (json.loads(told) or {}).values():
            containers.docker(
                "network", "disconnect", "--force", network, on_it["Name"], check=False
            )


@pytest.fixture(scope="module")
def containers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Containers]:
    """`deploy/compose.yaml` alone; its demo has been played, so that its events are on sale."""
    with running(tmp_path_factory.mktemp("compose")) as system:
        yield system
