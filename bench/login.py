"""What a log-in costs besides its password's hash, and two hundred of them at once.

A real auth_service in a process of its own, on a real database and broker. The hash is measured
the same way: the same number of bare verifications in a process that does nothing else, before
and after, since machines are shared and noisy.
"""

from __future__ import annotations

import asyncio
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
from parterre.auth.v1 import auth_pb2, auth_pb2_grpc

from bench.figures import Row, cpu_seconds, resident_mib
from chassis.grpc_client import GrpcClient
from chassis.identity import ServiceTokens
from deploy.plan import DATABASE, Ports, Secrets, database_passwords, environments
from deploy.postgres import Postgres
from deploy.processes import start, stop, wait_until_ready
from deploy.provision import MIGRATOR, migrate_all, provision
from deploy.rabbitmq import RabbitMQ, ensure_installed

_EMAIL = "admin@example.org"
_LOG_INS = 300
_WARM_UP = 40
_AT_ONCE = 200
_PROBE_SECONDS = 0.01
_HASHES = """
import sys, time
from argon2 import PasswordHasher
from auth_service.passwords import _LANES, _MEMORY_KIB, _PASSES
hasher = PasswordHasher(_PASSES, _MEMORY_KIB, _LANES)
stored = hasher.hash("a-password-of-the-bench")
began = time.process_time()
for _ in range(int(sys.argv[1])):
    hasher.verify(stored, "a-password-of-the-bench")
print(time.process_time() - began)
"""


def run() -> Sequence[Row]:
    """The figures of log-ins."""
    with tempfile.TemporaryDirectory(prefix="parterre-bench-") as folder:
        home = Path(folder)
        home.chmod(0o755)
        ensure_installed(print)
        with Postgres(home / "postgres") as database, RabbitMQ(home / "rabbitmq") as broker:
            secret = Secrets(home / "secrets.json")
            passwords = database_passwords(secret)
            provision(database.admin_url, DATABASE, passwords)
            migrate_all(database.admin_url, DATABASE, passwords[MIGRATOR])
            ports = Ports.load(home / "ports.json", 8080)
            plan = environments(home, ports, secret, database.admin_url, broker.url, _EMAIL)
            with _auth_service(home, ports, plan["auth"]) as pid:
                return asyncio.run(_measure(pid, ports, secret))


@contextmanager
def _auth_service(home: Path, ports: Ports, environment: Mapping[str, str]) -> Iterator[int]:
    log = home / "auth.log"
    process = start(
        [sys.executable, "-m", "auth_service"],
        env={"PATH": os.environ["PATH"], **environment},
        log=log,
    )
    url = f"http://127.0.0.1:{ports.internal['auth']}/readyz"
    wait_until_ready(
        process, lambda: _is_ready(url), program="auth_service", log=log, within_seconds=60
    )
    try:
        yield process.pid
    finally:
        stop(process, grace_seconds=20)


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(url).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def _hash_ms() -> float:
    hashed = subprocess.run(
        [sys.executable, "-c", _HASHES, str(_LOG_INS)], capture_output=True, text=True, check=True
    )
    return float(hashed.stdout) / _LOG_INS * 1000


async def _measure(pid: int, ports: Ports, secret: Secrets) -> Sequence[Row]:
    client = GrpcClient(
        "auth",
        f"127.0.0.1:{ports.rpc['auth']}",
        ServiceTokens("gateway", secret.get("service.gateway")),
    )
    stub = auth_pb2_grpc.AuthServiceStub(client.channel)
    message = auth_pb2.LogInRequest(
        email=_EMAIL,
        password=secret.password(f"account.{_EMAIL}"),
        address="192.0.2.7",
        user_agent="bench",
    )

    async def log_in() -> float:
        began = time.perf_counter()
        await client.call(stub.LogIn, message, seconds=60)
        return time.perf_counter() - began

    for _ in range(_WARM_UP):
        await log_in()
    hash_before = await asyncio.to_thread(_hash_ms)
    idle = await _idle_cpu(pid)
    began, cpu = time.perf_counter(), cpu_seconds(pid)
    for _ in range(_LOG_INS):
        await log_in()
    took, cpu = time.perf_counter() - began, cpu_seconds(pid) - cpu
    whole = (cpu - idle * took) / _LOG_INS * 1000
    hashing = statistics.mean([hash_before, await asyncio.to_thread(_hash_ms)])

    memory = resident_mib(pid)
    done = asyncio.Event()
    probe = asyncio.create_task(_probe(ports, done))
    began = time.perf_counter()
    seconds = sorted(await asyncio.gather(*(log_in() for _ in range(_AT_ONCE))))
    took = time.perf_counter() - began
    done.set()
    slowest = await probe
    await client.close()
    generator = resource.getrusage(resource.RUSAGE_SELF)
    rest = whole - hashing
    return [
        Row("login", "CPU of auth_service a log-in", whole, "ms"),
        Row("login", "of that its password's hash", hashing, "ms"),
        Row("login", "the rest", rest, "ms", "<= 2", rest <= 2),
        Row("login", f"{_AT_ONCE} at once: answered", len(seconds), "log-ins"),
        Row("login", f"{_AT_ONCE} at once: a second", _AT_ONCE / took, "log-ins/s"),
        Row("login", f"{_AT_ONCE} at once: median", statistics.median(seconds), "s"),
        Row("login", f"{_AT_ONCE} at once: slowest", seconds[-1], "s"),
        Row(
            "login",
            f"{_AT_ONCE} at once: slowest answer of /healthz",
            slowest * 1000,
            "ms",
            "<= 100",
            slowest <= 0.1,
        ),
        Row("login", f"{_AT_ONCE} at once: memory grew by", resident_mib(pid) - memory, "MiB"),
        Row("login", "highest memory", resident_mib(pid, "VmHWM"), "MiB"),
        Row("login", "CPU of the generator", generator.ru_utime + generator.ru_stime, "s"),
    ]


async def _idle_cpu(pid: int) -> float:
    """What the process uses a second when nobody asks it anything."""
    before = cpu_seconds(pid)
    await asyncio.sleep(5)
    return (cpu_seconds(pid) - before) / 5


async def _probe(ports: Ports, done: asyncio.Event) -> float:
    """The slowest answer, in seconds, of what needs nothing but the event loop."""
    slowest = 0.0
    async with httpx.AsyncClient() as http:
        while not done.is_set():
            began = time.perf_counter()
            await http.get(f"http://127.0.0.1:{ports.internal['auth']}/healthz")
            slowest = max(slowest, time.perf_counter() - began)
            await asyncio.sleep(_PROBE_SECONDS)
    return slowest
