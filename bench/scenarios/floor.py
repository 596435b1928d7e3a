"""What a bare authenticated request costs: gateway, one RPC, and a handler that does nothing.

Beside it the least that FastAPI and gRPC can do together, in the same run, for the ratio.
"""

from __future__ import annotations

import itertools
import json
import os
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import jwt
import uvloop
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.cpu import Meter
from bench.figures import Report
from bench.load import Call, Outcome, Visit, closed_loop, request
from bench.programs import KEY_ID
from chassis.identity import ACCESS_TYPE, ALGORITHM, AUDIENCE, ISSUER, encode_key
from chassis.ids import uuid7
from deploy.plan import SERVICES
from deploy.processes import free_ports, start, stop, wait_until_ready

_PEOPLE = 1000
_CONNECTIONS = 16
_ROUNDS = 4
_WARM_UP_SECONDS = 1.0
_SECONDS = 2.5
_GOAL = 1.4
_YARDSTICK_SECONDS = (0.3, 1.5)  # warm-up, and what counts


@dataclass(frozen=True, slots=True)
class _Side:
    """One of the two that are compared."""

    name: str
    port: int
    pids: Mapping[str, int]
    tokens: Iterator[str]


def run_alone(report: Report) -> None:
    """The floor needs no database and no broker.

    The two take turns, so that what else the machine does befalls both.
    """
    with tempfile.TemporaryDirectory(prefix="parterre-bench-") as folder, ExitStack() as stack:
        sides = [_echo(Path(folder), stack), _ours(Path(folder), stack)]
        outcomes: list[list[Outcome]] = [[], []]
        for _ in range(_ROUNDS):
            for side, of_side in zip(sides, outcomes, strict=True):
                of_side.append(_measure(side))
    cost = []
    for side, of_side in zip(sides, outcomes, strict=True):
        visits = sum(outcome.visits for outcome in of_side)
        seconds = sum(outcome.seconds for outcome in of_side)
        report.add(f"{side.name}: requests", visits / seconds, "/s")
        for name in (*side.pids, "generator"):
            used = sum(outcome.cpu[name] for outcome in of_side)
            report.add(f"{side.name}: CPU of the {name}", used / visits * 1000, "ms/request")
        cost.append(sum(outcome.system_cpu for outcome in of_side) / visits * 1000)
        report.add(f"{side.name}: CPU, the generator's not counted", cost[-1], "ms/request")
        medians = [outcome.milliseconds("floor", 0.5) for outcome in of_side]
        report.add(f"{side.name}: p50", statistics.median(medians), "ms")
    report.at_most("CPU: ours to theirs", cost[1] / cost[0], "times", _GOAL)


def yardstick() -> float:
    """CPU ms of a request of FastAPI and gRPC alone, now: a second and a half of it."""
    with tempfile.TemporaryDirectory(prefix="parterre-bench-") as folder, ExitStack() as stack:
        outcome = _measure(_echo(Path(folder), stack), *_YARDSTICK_SECONDS)
        return outcome.cpu_ms(outcome.visits)


def _echo(home: Path, stack: ExitStack) -> _Side:
    rpc, http = free_ports(2)
    env = {"RPC_PORT": str(rpc), "HTTP_PORT": str(http)}
    pids = {
        name: stack.enter_context(
            _running(home, ["-m", "bench.programs", f"echo-{name}"], env, port)
        )
        for name, port in (("service", rpc), ("gateway", http))
    }
    return _Side("FastAPI and gRPC alone", http, pids, itertools.repeat(""))


def _ours(home: Path, stack: ExitStack) -> _Side:
    signer = Ed25519PrivateKey.generate()
    rpc, internal, http, own_internal, nobody = free_ports(5)
    service = {
        "KEY": encode_key(signer.private_bytes_raw()),
        "RPC_PORT": str(rpc),
        "INTERNAL_PORT": str(internal),
    }
    gateway = {
        "GATEWAY_PROFILE": "local",
        "GATEWAY_PORT": str(http),
        "GATEWAY_INTERNAL_PORT": str(own_internal),
        "GATEWAY_JWKS_URL": f"http://127.0.0.1:{internal}/.well-known/jwks.json",
        "GATEWAY_SERVICE_KEY": encode_key(Ed25519PrivateKey.generate().private_bytes_raw()),
        "GATEWAY_SERVICE_PEERS": json.dumps({}),
        "GATEWAY_PERSON_RATE": "100000",
        "GATEWAY_PERSON_BURST": "100000",
        **{f"GATEWAY_{name.upper()}_ADDRESS": f"127.0.0.1:{nobody}" for name in SERVICES},
        "GATEWAY_AUTH_ADDRESS": f"127.0.0.1:{rpc}",
    }
    pids = {
        name: stack.enter_context(_running(home, argv, env, port))
        for name, argv, env, port in (
            ("service", ["-m", "bench.programs", "service"], service, rpc),
            ("gateway", ["-m", "gateway"], gateway, http),
        )
    }
    return _Side("ours", http, pids, itertools.cycle(_tokens(signer)))


def _tokens(signer: Ed25519PrivateKey) -> Sequence[str]:
    now = int(time.time())
    return [
        jwt.encode(
            {
                "iss": ISSUER,
                "aud": AUDIENCE,
                "sub": str(uuid7()),
                "role": "CUSTOMER",
                "sid": str(uuid7()),
                "nbf": now,
                "exp": now + 600,
            },
            signer,
            algorithm=ALGORITHM,
            headers={"typ": ACCESS_TYPE, "kid": KEY_ID},
        )
        for _ in range(_PEOPLE)
    ]


def _measure(side: _Side, warm_up: float = _WARM_UP_SECONDS, seconds: float = _SECONDS) -> Outcome:
    return uvloop.run(
        closed_loop(
            f"http://127.0.0.1:{side.port}",
            (_visit(token) for token in side.tokens),
            meter=Meter(side.pids),
            connections=_CONNECTIONS,
            warm_up=warm_up,
            seconds=seconds,
        )
    )


def _visit(token: str) -> Visit:
    yield Call("floor", request("PATCH", "/api/v1/users/me", token, b'{"name":"Asha"}'))


@contextmanager
def _running(home: Path, argv: Sequence[str], env: Mapping[str, str], port: int) -> Iterator[int]:
    log = home / f"{argv[-1]}.log"
    process = start([sys.executable, *argv], env={"PATH": os.environ["PATH"], **env}, log=log)
    wait_until_ready(process, lambda: _listens(port), program=argv[-1], log=log, within_seconds=30)
    try:
        yield process.pid
    finally:
        stop(process, grace_seconds=10)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
