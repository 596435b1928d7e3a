"""Systems to be broken, people who use them, and the whole system all tests share."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from rich.console import Console

from chassis import failpoints
from deploy.local import read_run
from ops.client import Client
from ops.demo import Stage, stage_for
from ops.fsck import check_all
from tests.running import Breakable, System, new_system

from .patience import somebody

__all__ = ["Breakable", "System", "new_system"]


@pytest.fixture(scope="module")
def breakable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Breakable]:
    """A system of the module's own, to be broken."""
    folder = tmp_path_factory.mktemp("breakable")
    points = folder / "armed"
    points.mkdir()
    made = new_system(folder)
    environment = {**made.environment, failpoints.VARIABLE: str(points)}
    system = Breakable(made.home, environment, points)
    up = system.command("up", "--detach")
    assert up.returncode == 0, up.stdout + up.stderr
    try:
        yield system
    finally:
        if read_run(system.home):
            down = system.command("down")
            assert down.returncode == 0, down.stdout + down.stderr


@pytest.fixture
def asha(breakable: Breakable) -> Iterator[Client]:
    """A customer."""
    with somebody(breakable.gateway) as person:
        yield person


@pytest.fixture
def bikram(breakable: Breakable) -> Iterator[Client]:
    """Another customer."""
    with somebody(breakable.gateway) as person:
        yield person


@pytest.fixture
def stage(system: System) -> Iterator[Stage]:
    """Two fresh customers in front of the seated event."""
    console = Console(file=io.StringIO(), width=160)
    with stage_for(system.home / "run.json", console) as stage:
        yield stage


@pytest.fixture
def nothing_is_wrong_afterwards(breakable: Breakable) -> Iterator[None]:
    """Checks I1 to I10 once the test is over."""
    yield
    found = check_all(breakable.run["database"]["reader"])
    assert [(one.check.title, one.shown) for one in found if one.violations] == []
