"""Ports are claimed when they are chosen: two systems that start at once never choose the same."""

from __future__ import annotations

import socket
import subprocess
import sys
import textwrap

import pytest
from typer.testing import CliRunner

from deploy import __main__ as command
from deploy import local, processes

_CLAIMANT = textwrap.dedent(
    """
    import sys
    from deploy import processes
    # So few that they meet, and enough where other tests hold some.
    processes._PORTS = range(20_000, 20_060)
    print(*processes.free_ports(10), flush=True)
    sys.stdin.read()
    """
)


def _claimant() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _CLAIMANT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _ports(claimant: subprocess.Popen[str]) -> list[int]:
    assert claimant.stdout is not None
    return [int(port) for port in claimant.stdout.readline().split()]


def test_processes_that_choose_at_once_choose_different_ports_and_give_them_back() -> None:
    claimants = [_claimant() for _ in range(3)]
    try:
        chosen = [port for claimant in claimants for port in _ports(claimant)]
    finally:
        for claimant in claimants:
            claimant.communicate()
    assert len(chosen) == len(set(chosen)) == 30
    again = _claimant()
    try:
        assert len(_ports(again)) == 10
    finally:
        again.communicate()


def test_a_port_is_claimed_once_and_a_listener_keeps_it() -> None:
    port = processes.free_port()
    assert port not in processes.free_ports(50)
    with socket.create_server(("127.0.0.1", port)):
        assert not processes.claim_port(port)


def test_a_gateway_beside_another_takes_another_port(monkeypatch: pytest.MonkeyPatch) -> None:
    port = processes.free_port()
    monkeypatch.setattr(local, "DEFAULT_PORT", port)
    monkeypatch.delenv("PARTERRE_PORT", raising=False)
    assert local.gateway_port() == port
    with socket.create_server(("127.0.0.1", port)):
        assert local.gateway_port() != port


def test_a_system_in_the_background_takes_the_usual_port(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    monkeypatch.setattr(local, "DEFAULT_PORT", port)
    monkeypatch.delenv("PARTERRE_PORT", raising=False)
    chosen: list[bool] = []

    def started(_home: object) -> None:
        # As the process does that runs the system while this one waits for it.
        claim = f"from deploy import processes; print(processes.claim_port({port}))"
        child = [sys.executable, "-c", claim]
        chosen.append(subprocess.check_output(child, text=True).strip() == "True")

    monkeypatch.setattr(command, "_up_detached", started)
    assert CliRunner().invoke(command.app, ["up", "--detach"]).exit_code == 0
    assert chosen == [True]
