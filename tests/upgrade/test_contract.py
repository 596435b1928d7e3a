"""What this version has in common with the last release, whose processes run beside its own."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import FileDescriptor
from parterre.messages.v1 import messages_pb2

from chassis.topology import Topology
from deploy.released import RELEASED, migrations

ROOT = Path(__file__).parents[2]
MESSAGES = "parterre/messages/v1/messages.proto"


@pytest.fixture(scope="module")
def release() -> Any:
    return json.loads((RELEASED / "release.json").read_text())


def released_file(name: str) -> FileDescriptor:
    files = descriptor_pb2.FileDescriptorSet.FromString((RELEASED / "contract.binpb").read_bytes())
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:  # each after those it needs
        pool.Add(file)
    return pool.FindFileByName(name)


def breaking(protos: Path) -> str:
    done = subprocess.run(
        [Path(sys.executable).with_name("buf"), "breaking", "--against",
         RELEASED / "contract.binpb"],
        cwd=protos,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )  # fmt: skip
    return done.stdout + done.stderr


@pytest.fixture
def protos(tmp_path: Path) -> Path:
    """A copy of the contract, to be changed."""
    return Path(shutil.copytree(ROOT / "protos", tmp_path / "protos"))


@pytest.mark.parametrize(
    ("file", "before", "after", "why"),
    [
        ("messages/v1/messages.proto", "bool exists = 4;", "bool is_there = 14;", "deleted"),
        ("messages/v1/messages.proto", "string booking_id = 1;", "int64 booking_id = 1;", "type"),
        ("messages/v1/messages.proto", "message EventOpened", "message EventIsOpen", "deleted"),
        ("booking/v1/booking.proto", "rpc GetBooking(", "rpc FetchBooking(", "deleted"),
        ("messages/v1/messages.proto", "bool exists = 4;",
         "bool exists = 4; string why = 99;", None),
    ],
    ids=["number", "type", "message", "rpc", "added"],
)  # fmt: skip
def test_what_the_last_release_could_not_read_is_refused(
    protos: Path, file: str, before: str, after: str, why: str | None
) -> None:
    changed = protos / "parterre" / file
    text = changed.read_text()
    assert before in text
    changed.write_text(text.replace(before, after))
    found = breaking(protos)
    assert (why in found) if why else (found == "")


def test_every_message_of_the_last_release_still_goes_where_it_went() -> None:
    before = Topology.of(released_file(MESSAGES))
    now = Topology.of(messages_pb2.DESCRIPTOR)
    assert before.addresses.items() <= now.addresses.items()
    for queue, addresses in before.queues.items():
        assert set(addresses) <= set(now.queues.get(queue, ())), queue


def test_a_released_migration_is_not_changed(release: Any) -> None:
    now = migrations()
    assert {name: now.get(name) for name in release["migrations"]} == release["migrations"]
