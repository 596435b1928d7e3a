"""The system that is measured: a private one, whole, with people and events made the short way."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import jwt
import psycopg
from argon2 import PasswordHasher
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from psycopg import sql
from psycopg.conninfo import make_conninfo

from bench.cpu import Meter
from chassis.identity import (
    ACCESS_TYPE,
    ALGORITHM,
    AUDIENCE,
    ISSUER,
    LONGEST_ACCESS_SECONDS,
)
from chassis.ids import uuid7
from deploy.local import BEHIND_THE_GATEWAY, LocalSystem
from deploy.plan import DATABASE, HOST
from deploy.postgres import Postgres
from deploy.processes import SetupError, free_port, stop
from ops.client import Client

PASSWORD = "a-password-of-the-bench"  # noqa: S105 - of people who exist for a minute
_FSCK_SECONDS = 600
_SETTLE_SECONDS = 60.0
_STOP_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with an account and a fresh access token (ten minutes)."""

    id: str
    email: str
    token: str


@dataclass(frozen=True, slots=True)
class Second:
    """A process that runs beside another of its kind."""

    pid: int
    url: str  # of the gateway; of a service it is the address of its RPCs
    internal: str

    def is_ready(self) -> bool:
        """Whether it says that it can work."""
        try:
            return httpx.get(f"{self.internal}/readyz").is_success
        except httpx.HTTPError:
            return False


class _Private(LocalSystem):
    """The local system with some settings of its own, and room for a second of some processes."""

    def __init__(
        self,
        home: Path,
        port: int,
        overrides: Mapping[str, Mapping[str, str]],
        twice: Sequence[str],
    ) -> None:
        super().__init__(home, port)
        self._overrides = overrides
        self._second_ports = {name: free_port() for name in twice}

    def _start_child(self, name: str) -> None:
        own = {**self._environments[name], **self._overrides.get(name, {})}
        for service, port in self._second_ports.items():
            if service != "gateway":
                first = f"{HOST}:{self._environments[service][f'{service.upper()}_GRPC_PORT']}"
                both = f"ipv4:///{first},{HOST}:{port}"
                own = {key: both if value == first else value for key, value in own.items()}
        self._environments = {**self._environments, name: own}
        super()._start_child(name)

    @contextmanager
    def seconds(self) -> Iterator[Mapping[str, Second]]:
        """Runs the second of each, by name."""
        with ExitStack() as stack:
            made = {name: stack.enter_context(self._second(name)) for name in self._second_ports}
            deadline = time.monotonic() + _SETTLE_SECONDS
            for name, second in made.items():
                while not second.is_ready():
                    if time.monotonic() > deadline:
                        raise SetupError(f"The second {name} did not become ready.")
                    time.sleep(0.1)
            yield made

    @contextmanager
    def _second(self, name: str) -> Iterator[Second]:
        port, internal = self._second_ports[name], free_port()
        serves = "GATEWAY_PORT" if name == "gateway" else f"{name.upper()}_GRPC_PORT"
        own = {serves: str(port), f"{name.upper()}_INTERNAL_PORT": str(internal)}
        environment = {**self._environments[name], **own}
        child = self._start_process(name, environment, self.logs / f"{name}-second.log")
        try:
            yield Second(child.pid, f"http://{HOST}:{port}", f"http://{HOST}:{internal}")
        finally:
            stop(child, grace_seconds=_STOP_SECONDS)

    @property
    def postgres(self) -> Postgres:
        """The system's own server."""
        if self._postgres is None:
            raise RuntimeError("the bench needs a PostgreSQL of its own: unset DATABASE_URL")
        return self._postgres

    @property
    def admin_url(self) -> str:
        """Where the superuser connects, in the system's database."""
        return make_conninfo(self.postgres.admin_url, dbname=DATABASE)


class System:
    """What a scenario is given."""

    def __init__(self, local: _Private, run: Mapping[str, Any]) -> None:
        self.run = run
        self.url: str = run["gateway"]
        self.admin_url = local.admin_url
        self.home = local.home
        self._local = local
        self._pids = {name: pid for name, pid in run["pids"].items() if name != "supervisor"}
        self.meter = Meter(self._pids)
        # Health and metrics of every process, those that run twice among them.
        self.internal: Mapping[str, str] = run["internal"]
        self.more_gateways: Sequence[str] = ()
        self._hash = PasswordHasher(2, 19 * 1024, 1).hash(PASSWORD)

    @classmethod
    @contextmanager
    def running(
        cls,
        home: Path,
        overrides: Mapping[str, Mapping[str, str]] | None = None,
        twice: Sequence[str] = (),
    ) -> Iterator[System]:
        """Starts a whole private system in `home`; use it from the main thread.

        `overrides` are environment variables by process: `{"gateway": {"GATEWAY_...": "1"}}`.
        `twice` are the processes that `doubled` runs a second of.
        """
        local = _Private(home, free_port(), overrides or {}, twice)
        with local.running(lambda _step: None) as run:
            yield cls(local, run)

    @contextmanager
    def doubled(self) -> Iterator[None]:
        """Two of each process that may run twice, counted and called like the first."""
        alone = self.meter, self.internal
        with self._local.seconds() as seconds:
            named = {f"{name}, second": second for name, second in seconds.items()}
            self.meter = Meter(self._pids | {name: one.pid for name, one in named.items()})
            self.internal = {**self.internal, **{n: one.internal for n, one in named.items()}}
            self.more_gateways = [seconds["gateway"].url] if "gateway" in seconds else []
            try:
                yield
            finally:
                (self.meter, self.internal), self.more_gateways = alone, ()

    def people(self, count: int, role: str = "CUSTOMER") -> Sequence[Person]:
        """New accounts, their tokens signed with auth_service's own key.

        The rows are those that registering would have written; registering itself would cost a
        password hash each.
        """
        made = [uuid7() for _ in range(count)]
        emails = [f"{id.hex}@bench.example.org" for id in made]
        with psycopg.connect(self.admin_url) as connection:
            key = connection.execute(
                "SELECT kid, private_key FROM auth.signing_key WHERE retired_at IS NULL"
                " ORDER BY kid LIMIT 1"
            ).fetchone()
            assert key is not None  # noqa: S101 - auth_service runs
            connection.execute(
                "INSERT INTO auth.account (id, email, name, role, password_hash)"
                " SELECT id, email, 'Bench', %s, %s FROM unnest(%s::uuid[], %s::text[])"
                " AS person (id, email)",
                (role, self._hash, made, emails),
            )
            connection.execute(
                "INSERT INTO notification.person (user_id, email, name, version)"
                " SELECT id, email, 'Bench', 1 FROM unnest(%s::uuid[], %s::text[])"
                " AS person (id, email)",
                (made, emails),
            )
        signer = Ed25519PrivateKey.from_private_bytes(bytes(key[1]))
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "role": role,
            "iat": now,
            "nbf": now,
            "exp": now + LONGEST_ACCESS_SECONDS,
        }
        headers = {"typ": ACCESS_TYPE, "kid": str(key[0])}
        return [
            Person(
                str(id),
                email,
                jwt.encode(
                    {**claims, "sub": str(id), "sid": str(uuid7()), "jti": str(uuid7())},
                    signer,
                    algorithm=ALGORITHM,
                    headers=headers,
                ),
            )
            for id, email in zip(made, emails, strict=True)
        ]

    @contextmanager
    def organizer(self) -> Iterator[Client]:
        """The API as an organizer of the demo's."""
        account = next(one for one in self.run["accounts"] if one["role"] == "ORGANIZER")
        with Client(self.url) as client:
            yield client.log_in(account["email"], account["password"])

    def on_sale(
        self, *, halls: int = 1, rows: int = 0, seats: int = 0, standing: int = 0, **fields: Any
    ) -> Mapping[str, Any]:
        """An event on sale now: halls of `rows` rows of `seats` seats, a floor for `standing`.

        `fields` go with it as they are. Its one tier costs 1000.00 NPR.
        """
        starts = datetime.now(UTC).replace(microsecond=0) + timedelta(days=30)
        with self.organizer() as api:
            venue = api.post(
                "/venues",
                {
                    "name": "The Bench",
                    "address": "Test Marg 1",
                    "city": "Kathmandu",
                    "country": "NP",
                    "timezone": "Asia/Kathmandu",
                },
            )
            sections = []
            for hall in range(halls if rows else 0):
                seated = {
                    "name": f"Hall {hall + 1}",
                    "kind": "SEATED",
                    "rows": [{"label": str(row + 1), "seats": seats} for row in range(rows)],
                }
                sections.append(api.post(f"/venues/{venue['id']}/sections", seated)["id"])
            if standing:
                floor = {"name": "Floor", "kind": "STANDING", "capacity": standing}
                sections.append(api.post(f"/venues/{venue['id']}/sections", floor)["id"])
            event = api.post(
                "/events",
                {
                    "title": "Measured",
                    "description": "An event that is on sale to be measured.",
                    "category": "CONCERT",
                    "venue_id": venue["id"],
                    "starts_at": starts.strftime("%Y-%m-%dT%H:%M:%SZ"),
                    "ends_at": (starts + timedelta(hours=3)).strftime("%Y-%m-%dT%H:%M:%SZ"),
                    "currency": "NPR",
                    "tiers": [{"name": "Any", "price": 100_000, "section_ids": sections}],
                    **fields,
                },
            )
            api.post(f"/events/{event['id']}/publish")
            published: Mapping[str, Any] = api.wait_for(
                f"/events/{event['id']}",
                lambda body: body["status"] == "PUBLISHED",
                seconds=_SETTLE_SECONDS,
            )
            return published

    @contextmanager
    def standby(self) -> Iterator[str]:
        """A standby of the database, counted as a process of its own; where the superuser reads."""
        server = Postgres(
            self.home / "standby", primary=self._local.postgres, niceness=BEHIND_THE_GATEWAY
        )
        with server:
            alone, self.meter = self.meter, Meter({**self._pids, "standby": server.pid})
            try:
                yield make_conninfo(server.admin_url, dbname=DATABASE)
            finally:
                self.meter = alone

    def alter(self, setting: str, value: str) -> None:
        """Changes a setting of the database server, for all connections at once."""
        with psycopg.connect(self.admin_url, autocommit=True) as connection:
            connection.execute(
                sql.SQL("ALTER SYSTEM SET {} = {}").format(
                    sql.Identifier(setting), sql.Literal(value)
                )
            )
            connection.execute("SELECT pg_reload_conf()")

    def scalar(self, query: str, *values: Any) -> Any:
        """The first column of a query's first row, asked as the superuser."""
        with psycopg.connect(self.admin_url) as connection:
            row = connection.execute(query.encode(), values).fetchone()  # a constant of a scenario
        return None if row is None else row[0]

    def violations(self) -> str | None:
        """What `parterre fsck` says is wrong; None where nothing is."""
        checked = subprocess.run(
            [sys.executable, "-m", "ops", "fsck", "--run-file", str(self.home / "run.json")],
            capture_output=True,
            text=True,
            timeout=_FSCK_SECONDS,
            check=False,
        )
        return None if checked.returncode == 0 else checked.stdout + checked.stderr
