"""Processes that run beside those of a system: a replica, another version, one behind something."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from deploy.plan import HOST, MODULES
from deploy.processes import free_port, tail
from tests.reaping import MARK

from .conftest import System

ROOT = Path(__file__).parents[2]
_READY_SECONDS = 60.0
_END_SECONDS = 20.0


@dataclass(frozen=True)
class Process:
    """One that runs beside."""

    popen: subprocess.Popen[bytes]
    internal: str  # where it tells its health
    address: str  # of its RPCs; of the gateway, of its REST

    @property
    def gateway(self) -> str:
        return f"http://{self.address}"

    def end(self) -> None:
        """As an operator ends it: SIGTERM, and it drains."""
        self.popen.terminate()
        assert self.popen.wait(_END_SECONDS) == 0


@contextmanager
def beside(
    system: System, name: str, *, code: Path = ROOT, otherwise: Mapping[str, str] | None = None
) -> Iterator[Process]:
    """Runs the process `name` once more, with settings of the one that runs, until the block ends.

    Its ports are its own; `otherwise` has more settings that are other; `code` is a checkout.
    """
    prefix = name.upper()
    port, internal = free_port(), free_port()
    serves = "GATEWAY_PORT" if name == "gateway" else f"{prefix}_GRPC_PORT"
    environment = {
        **psutil.Process(system.run["pids"][name]).environ(),
        MARK: os.environ[MARK],
        "PYTHONPATH": f"{code}:{code / 'protos' / 'gen'}",
        f"{prefix}_INTERNAL_PORT": str(internal),
        serves: str(port),
        **(otherwise or {}),
    }
    log = system.home / "logs" / f"{name}-{port}.log"
    with log.open("wb") as output:
        popen = subprocess.Popen(
            [sys.executable, "-m", MODULES[name]],
            cwd=code,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        process = Process(popen, f"http://{HOST}:{internal}", f"{HOST}:{port}")
        _wait_until_ready(process, log)
        yield process
    finally:
        popen.terminate()
        try:
            popen.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            popen.kill()
            popen.wait()


def _wait_until_ready(process: Process, log: Path) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while not is_ready(process.internal):
        if process.popen.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(f"it did not become ready. {tail(log)}")
        time.sleep(0.1)


def is_ready(internal: str) -> bool:
    """Whether a process says that it can work."""
    try:
        return httpx.get(f"{internal}/readyz").status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False
