"""Checks the compose files against the code.

Every folder of secrets that they mount is made, every process is there, and none of them is on a
network that it has no business on.

    python -m deploy.compose_check deploy/compose*.yaml
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from deploy.plan import CONNECTIONS, PROCESSES, SERVICES, Secrets
from deploy.secret_files import Servers, secret_files

# Who may be on which network; the jobs and the operator's commands besides.
_ON: Mapping[str, frozenset[str]] = {
    "edge": frozenset({"haproxy", "gateway"}),
    "rpc": frozenset({*SERVICES, "gateway", "operator", "prometheus", "jaeger"}),
    "db": frozenset({*SERVICES, "postgres", "provision", "migrate", "operator", "fsck"}),
    "broker": frozenset({*SERVICES, "gateway", "rabbitmq", "operator", "fsck", "prometheus"}),
}
_INTERNAL = ("rpc", "db", "broker")


def findings(file: str, content: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with a compose file, a sentence each."""
    services: Mapping[str, Any] = content["services"]
    with tempfile.TemporaryDirectory() as folder:
        made = secret_files(Secrets(Path(folder) / "secrets.json"), Servers())
    for name, service in services.items():
        for volume in service.get("volumes", ()):
            source = volume["source"] if isinstance(volume, dict) else ""
            if "PARTERRE_SECRETS_HOME" in source and source.rpartition("/")[2] not in made:
                yield f"{name} mounts {source}, which nothing makes"
        # A service of an overlay that only adds to another's has no image of its own.
        if "image" not in service:
            continue
        if not service.get("read_only") or service.get("cap_drop") != ["ALL"]:
            yield f"{name} has a root that it can write to, or capabilities"
        if "no-new-privileges:true" not in service.get("security_opt", ()):
            yield f"{name} may gain privileges"
        if "memory" not in service.get("deploy", {}).get("resources", {}).get("limits", {}):
            yield f"{name} has no limit of memory"
        for network in service.get("networks", ()):
            if name not in _ON.get(network, {name}):
                yield f"{name} is on the network {network}, where it has no business"
    if Path(file).name == "compose.yaml":
        yield from _whole(content)


def _whole(content: Mapping[str, Any]) -> Iterator[str]:
    services, networks = content["services"], content["networks"]
    for name in PROCESSES:
        if name not in services:
            yield f"the process {name} is not there"
    for name in _INTERNAL:
        if not networks[name].get("internal"):
            yield f"the network {name} has a way out of the host"
    for callee, callers in CONNECTIONS.items():
        for caller in callers:
            variable = f"{caller}_{callee}_address".upper()
            if services[caller]["environment"].get(variable) != f"{callee}:9001":
                yield f"{caller} is not told where {callee} is ({variable})"


def main() -> int:
    """Prints what is wrong; 1 if anything is."""
    wrong = [
        f"{file}: {finding}"
        for file in sys.argv[1:]
        for finding in findings(file, yaml.safe_load(Path(file).read_text()))
    ]
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
