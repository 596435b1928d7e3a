"""Takes down what a release is, for the versions after it to be held to.

`make released`, run on the revision that is released, writes `tests/upgrade/released/`: its
contract (`contract.binpb`, a FileDescriptorSet), and in `release.json` the revision and every
migration with its digest. `make protos-check` and tests/upgrade/ compare with it.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from alembic.script import ScriptDirectory

from chassis.migrate import chain_of
from deploy.provision import SCHEMAS

RELEASED = Path(__file__).parents[1] / "tests" / "upgrade" / "released"


def migrations() -> Mapping[str, str]:
    """The SHA-256 of every migration's file, by `<package>/<revision>`, oldest first."""
    found: dict[str, str] = {}
    for package in SCHEMAS.values():
        scripts = list(ScriptDirectory.from_config(chain_of(package)).walk_revisions())
        for script in reversed(scripts):
            digest = hashlib.sha256(Path(script.path).read_bytes()).hexdigest()
            found[f"{package}/{script.revision}"] = digest
    return found


def take_down() -> None:
    """Writes down the revision that is checked out.

    Raises:
        subprocess.CalledProcessError: git or buf failed; it has said why.
    """
    RELEASED.mkdir(parents=True, exist_ok=True)
    revision = subprocess.run(
        ["git", "rev-parse", "HEAD"], check=True, capture_output=True, text=True
    ).stdout.strip()
    buf = Path(sys.executable).with_name("buf")
    subprocess.run(
        [buf, "build", "--exclude-source-info", "-o", RELEASED / "contract.binpb"],
        check=True,
        cwd="protos",
    )
    release = {"revision": revision, "migrations": migrations()}
    (RELEASED / "release.json").write_text(json.dumps(release, indent=1) + "\n")


if __name__ == "__main__":
    take_down()
