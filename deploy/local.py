"""The whole system on one bare machine: real servers, every service a process of its own.

`LocalSystem.run` starts everything, keeps it running (a process that dies is started again), and
stops everything it started when it is told to. Its state lives in one folder: databases, queues,
secrets, logs; a second run finds it again.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg

from chassis import failpoints
from deploy.plan import (
    DATABASE,
    HOST,
    MODULES,
    PROCESSES,
    TRACES,
    Ports,
    Secrets,
    database_passwords,
    environments,
    migrator_url,
    reader_url,
)
from deploy.postgres import Postgres
from deploy.processes import (
    SetupError,
    claim_port,
    claimed,
    free_port,
    require_free,
    start,
    tail,
)
from deploy.provision import MIGRATOR, migrate_all, provision, url_for
from deploy.rabbitmq import RabbitMQ, ensure_installed
from ops.client import ProblemError
from ops.seed import Account, Seeded, demo_accounts, seed

DEFAULT_PORT = 8080
_READY_SECONDS = 60.0
_STOP_SECONDS = 20.0
_WATCH_SECONDS = 0.2
# A process that dies more often than this is not started again: something is wrong with it.
_RESTARTS = 5
_RESTARTS_WITHIN_SECONDS = 60.0
# On one machine the gateway goes before all that works for it (nice(2)): whom the others have no
# time for, it refuses at once. Three times their share of a core is enough for that.
BEHIND_THE_GATEWAY = 5
# What a process is told of the environment it was started from.
_INHERITED = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "VIRTUAL_ENV",
    failpoints.VARIABLE,
)

Step = Callable[[str], None]


def default_home() -> Path:
    """Where the state lives: PARTERRE_HOME, else `.parterre` in the checkout."""
    return Path(os.environ.get("PARTERRE_HOME") or Path(__file__).parents[1] / ".parterre")


def gateway_port() -> int:
    """PARTERRE_PORT, else 8080, or another where that is taken: a second system starts, too.

    Raises:
        SetupError: PARTERRE_PORT is no port.
    """
    text = os.environ.get("PARTERRE_PORT", "")
    if not text:
        return DEFAULT_PORT if claim_port(DEFAULT_PORT) else free_port()
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise SetupError(f"PARTERRE_PORT is {text!r}; it must be a port, for example 8080.")
    return int(text)


def read_run(home: Path) -> dict[str, Any] | None:
    """What runs, as `run.json` says; None where nothing does."""
    try:
        run: dict[str, Any] = json.loads((home / "run.json").read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return run if alive(run["pids"]["supervisor"]) else None


def alive(pid: int) -> bool:
    """Whether a process with this id runs (and is no zombie)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True  # no /proc here
    return state != "Z"


class LocalSystem:
    """Everything that runs, and how to start and stop it. Use it from the main thread."""

    def __init__(self, home: Path, port: int) -> None:
        self.home = home
        self.logs = home / "logs"
        self._port = port
        self._secrets = Secrets(home / "secrets.json")
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._deaths: dict[str, deque[float]] = {name: deque() for name in PROCESSES}
        self._environments: Mapping[str, Mapping[str, str]] = {}
        self._postgres: Postgres | None = None
        self._rabbitmq: RabbitMQ | None = None
        self._seeded = Seeded([], [])
        self._stop = threading.Event()

    @contextmanager
    def running(self, step: Step) -> Iterator[dict[str, Any]]:
        """Starts everything, telling each `step`; gives what `run.json` says; stops everything.

        Raises:
            SetupError: something this machine lacks, or a process that does not come up.
        """
        self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.logs.mkdir(exist_ok=True)
        with ExitStack() as stack:
            stack.enter_context(
                claimed(
                    self.home / "lock",
                    wait_seconds=0,
                    refusal=f"Parterre runs already ({self.home}): see make status, make down.",
                )
            )
            require_free(self._port, "The gateway")
            ports = Ports.load(self.home / "ports.json", self._port)
            admin_url = self._start_database(stack, step)
            amqp_url = self._prepare_broker(step)
            accounts = demo_accounts(lambda email: self._secrets.password(f"account.{email}"))
            self._environments = environments(
                self.home, ports, self._secrets, admin_url, amqp_url, accounts[0].email, os.environ
            )
            step("Starting the services")
            stack.callback(self._stop_children)
            for name in PROCESSES:
                self._start_child(name)
            if self._rabbitmq is not None:
                step("Starting RabbitMQ")
                stack.callback(self._rabbitmq.stop)
                self._rabbitmq.start()
            # The services must stop before the broker does: they drain through it.
            stack.callback(self._stop_children)
            step("Waiting until every service is ready")
            self._wait_until_ready(ports)
            step("Making the demo data")
            self._seeded = self._seed(accounts)
            run = self._write_run(ports, admin_url, amqp_url)
            stack.callback((self.home / "run.json").unlink, missing_ok=True)
            yield run

    def keep_running(self, tell: Step) -> None:
        """Starts again whatever dies, until `stop` is called.

        Raises:
            SetupError: a process keeps dying.
        """
        while not self._stop.wait(_WATCH_SECONDS):
            for name, child in self._children.items():
                if child.poll() is not None:
                    tell(f"{name} ended (status {child.returncode}); starting it again")
                    self._restart(name)
            for server in (self._postgres, self._rabbitmq):
                if server is not None and not alive(server.pid):
                    tell(f"{type(server).__name__} ended; starting it again")
                    server.start()
                    self._rewrite_pids()

    def stop(self) -> None:
        """Asks `keep_running` to return; safe in a signal handler."""
        self._stop.set()

    # --- the servers ---------------------------------------------------------------------------

    def _start_database(self, stack: ExitStack, step: Step) -> str:
        admin_url = os.environ.get("DATABASE_URL")
        if not admin_url:
            step("Starting PostgreSQL")
            self._postgres = Postgres(self.home / "postgres", niceness=BEHIND_THE_GATEWAY)
            stack.enter_context(self._postgres)
            admin_url = self._postgres.admin_url
        step("Preparing the schemas")
        passwords = database_passwords(self._secrets)
        try:
            provision(admin_url, DATABASE, passwords)
            migrate_all(url_for(admin_url, DATABASE, MIGRATOR, passwords[MIGRATOR]))
        except psycopg.Error as error:
            raise SetupError(
                f"PostgreSQL refused: {error}. If DATABASE_URL is set, it must name a server where"
                " its role may create databases and roles."
            ) from error
        return admin_url

    def _prepare_broker(self, step: Step) -> str:
        if url := os.environ.get("AMQP_URL"):
            return url
        ensure_installed(step)
        self._rabbitmq = RabbitMQ(self.home / "rabbitmq", niceness=BEHIND_THE_GATEWAY)
        return self._rabbitmq.url

    # --- the processes -------------------------------------------------------------------------

    def _start_child(self, name: str) -> None:
        log = self.logs / f"{name}.log"
        self._children[name] = self._start_process(name, self._environments[name], log)

    @staticmethod
    def _start_process(
        name: str, environment: Mapping[str, str], log: Path
    ) -> subprocess.Popen[bytes]:
        env = {key: os.environ[key] for key in _INHERITED if key in os.environ}
        return start(
            [sys.executable, "-m", MODULES[name]],
            # gRPC's core would write lines of a form of its own between ours.
            env={**env, "PYTHONUNBUFFERED": "1", "GRPC_VERBOSITY": "NONE", **environment},
            log=log,
            niceness=0 if name == "gateway" else BEHIND_THE_GATEWAY,
        )

    def _restart(self, name: str) -> None:
        now = time.monotonic()
        deaths = self._deaths[name]
        deaths.append(now)
        while deaths and deaths[0] < now - _RESTARTS_WITHIN_SECONDS:
            deaths.popleft()
        if len(deaths) > _RESTARTS:
            raise SetupError(f"{name} keeps ending: see {self.logs / name}.log.")
        self._start_child(name)
        self._rewrite_pids()

    def _stop_children(self) -> None:
        """The gateway first, so that nothing new comes in; then the others, all at once."""
        for names in (["gateway"], [name for name in PROCESSES if name != "gateway"]):
            children = [self._children.pop(name) for name in names if name in self._children]
            for child in children:
                if child.poll() is None:
                    child.send_signal(signal.SIGTERM)
            deadline = time.monotonic() + _STOP_SECONDS
            for child in children:
                try:
                    child.wait(max(0.1, deadline - time.monotonic()))
                except subprocess.TimeoutExpired:
                    os.killpg(child.pid, signal.SIGKILL)
                    child.wait()

    def _wait_until_ready(self, ports: Ports) -> None:
        urls = {name: f"http://{HOST}:{port}/readyz" for name, port in ports.internal.items()}
        urls["sandbox"] = f"http://{HOST}:{ports.sandbox}/healthz"
        urls["catcher"] = f"http://{HOST}:{ports.caught}/healthz"
        deadline = time.monotonic() + _READY_SECONDS
        with httpx.Client(timeout=3.0) as http:
            for name, url in urls.items():
                while not _answers(http, url):
                    log = self.logs / f"{name}.log"
                    if self._children[name].poll() is not None:
                        raise SetupError(f"{name} ended while starting. {tail(log)}")
                    if time.monotonic() > deadline:
                        raise SetupError(f"{name} did not become ready. {tail(log)}")
                    time.sleep(0.1)

    # --- what others are told ------------------------------------------------------------------

    def _seed(self, accounts: list[Account]) -> Seeded:
        gateway = f"http://{HOST}:{self._port}"
        today = datetime.now(UTC).date()
        try:
            seeded = seed(gateway, accounts, today)
        except (ProblemError, httpx.HTTPError, TimeoutError) as error:
            raise SetupError(f"The demo data could not be made: {error}") from error
        return seeded

    def _write_run(self, ports: Ports, admin_url: str, amqp_url: str) -> dict[str, Any]:
        run = {
            "gateway": f"http://{HOST}:{ports.gateway}",
            "sandbox": f"http://{HOST}:{ports.sandbox}",
            **self._seeded.as_json(),
            "pids": self._pids(),
            "internal": {name: f"http://{HOST}:{port}" for name, port in ports.internal.items()},
            # What the operator's command works on.
            "database": {
                "reader": reader_url(self._secrets, admin_url),
                "auth": self._environments["auth"]["AUTH_DATABASE_URL"],
                "payment": self._environments["payment"]["PAYMENT_DATABASE_URL"],
                "notification": self._environments["notification"]["NOTIFICATION_DATABASE_URL"],
                "migrator": migrator_url(self._secrets, admin_url),
            },
            "amqp": amqp_url,
            "traces": str((self.home / TRACES).absolute()),
            "provider": {"api_key": self._environments["payment"]["PAYMENT_SANDBOX_API_KEY"]},
            "rpc": {name: f"{HOST}:{port}" for name, port in ports.rpc.items()},
        }
        self._store_run(run)
        return run

    def _rewrite_pids(self) -> None:
        file = self.home / "run.json"
        if file.exists():
            self._store_run({**json.loads(file.read_text()), "pids": self._pids()})

    def _pids(self) -> dict[str, int]:
        pids = {"supervisor": os.getpid()}
        pids |= {name: child.pid for name, child in self._children.items()}
        if self._postgres is not None:
            pids["postgres"] = self._postgres.pid
        if self._rabbitmq is not None:
            pids["rabbitmq"] = self._rabbitmq.pid
        return pids

    def _store_run(self, run: dict[str, Any]) -> None:
        # Whoever reads it finds the old or the new one whole.
        fresh = self.home / "run.json.new"
        fresh.touch(mode=0o600)
        fresh.write_text(json.dumps(run, indent=2))
        fresh.replace(self.home / "run.json")


def _answers(http: httpx.Client, url: str) -> bool:
    try:
        return http.get(url).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False
