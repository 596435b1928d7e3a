"""Checks what Kubernetes would be told, whole overlays as kustomize puts them together.

    python -m deploy.cluster_check <file>...

What no schema of Kubernetes' own says: custom resources by their projects' schemas
(`deploy/k8s/schemas/`), the restricted Pod Security Standard, one scaler per Deployment, a network
rule for each edge of `deploy.plan` and for no other, secrets and queues that exist.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jsonschema
import yaml
from parterre.messages.v1 import messages_pb2

from chassis.topology import Topology
from deploy.manifests import HOME, RPC
from deploy.plan import CONNECTIONS, Secrets
from deploy.secret_files import Servers, secret_files

Resource = dict[str, Any]
# Of the API groups that kubernetes-validate knows itself.
_OWN_GROUPS = ("apps", "autoscaling", "batch", "networking.k8s.io", "policy")
_VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim",
    "projected", "secret",
}  # fmt: skip


def load(file: Path) -> list[Resource]:
    """The resources of a file."""
    return [resource for resource in yaml.safe_load_all(file.read_text()) if resource]


def findings(resources: Sequence[Resource]) -> Iterator[str]:
    """What is wrong with an overlay, a sentence each."""
    yield from _doubles(resources)
    yield from _custom(resources)
    yield from _scalers(resources)
    yield from _queues(resources)
    for resource in resources:
        yield from _pods(resource)
    yield from _secrets(resources)
    if any(resource["kind"] == "NetworkPolicy" for resource in _ours(resources)):
        yield from _edges(resources)


def unchecked(resources: Iterable[Resource]) -> Sequence[str]:
    """The kinds of custom resources that there is no schema of here."""
    schemas = _schemas()
    return sorted({kind for kind in map(_kind, resources) if _is_custom(kind)} - set(schemas))


def _name(resource: Resource) -> str:
    return f"{resource['kind']} {resource['metadata']['name']}"


def _kind(resource: Resource) -> str:
    return f"{resource['apiVersion']} {resource['kind']}"


def _is_custom(kind: str) -> bool:
    group = kind.partition(" ")[0].rpartition("/")[0]
    return bool(group) and group not in _OWN_GROUPS


def _ours(resources: Iterable[Resource]) -> list[Resource]:
    return [
        resource
        for resource in resources
        if resource["metadata"].get("labels", {}).get("app.kubernetes.io/part-of") == "parterre"
    ]


def _doubles(resources: Iterable[Resource]) -> Iterator[str]:
    many = Counter(
        (_kind(resource), resource["metadata"].get("namespace"), resource["metadata"]["name"])
        for resource in resources
    )
    for (kind, _namespace, name), count in many.items():
        if count > 1:
            yield f"{kind} {name} is there {count} times"


# --- custom resources ---------------------------------------------------------------------------


def _schemas() -> Mapping[str, Any]:
    return {
        schema["title"]: schema
        for schema in (json.loads(file.read_text()) for file in HOME.glob("schemas/*.json"))
    }


def _custom(resources: Iterable[Resource]) -> Iterator[str]:
    schemas = {kind: _strict(schema) for kind, schema in _schemas().items()}
    for resource in resources:
        schema = schemas.get(_kind(resource))
        if schema is not None:
            for error in jsonschema.Draft202012Validator(schema).iter_errors(resource):
                yield f"{_name(resource)}: {error.json_path}: {error.message}"


def _strict(schema: Any, *, top: bool = True) -> Any:
    """The schema, refusing fields it does not know, which a server would drop without a word."""
    if isinstance(schema, list):
        return [_strict(each, top=False) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {
        name: {field: _strict(each, top=False) for field, each in value.items()}
        if name == "properties"
        else _strict(value, top=False)
        for name, value in schema.items()
    }
    known = "properties" in made and not made.get("x-kubernetes-preserve-unknown-fields")
    if known and not top and "additionalProperties" not in made and made.get("type") == "object":
        made["additionalProperties"] = False
    if top:
        # Its fields are Kubernetes' own, which a resource's schema leaves out.
        made["properties"]["metadata"] = {"type": "object"}
        made["additionalProperties"] = False
    return made


# --- scaling ------------------------------------------------------------------------------------


def _scalers(resources: Iterable[Resource]) -> Iterator[str]:
    scalers: dict[tuple[str, str], list[str]] = {}
    there = set()
    for resource in resources:
        if resource["kind"] in {"HorizontalPodAutoscaler", "ScaledObject"}:
            target = resource["spec"]["scaleTargetRef"]
            key = (target.get("kind", "Deployment"), target["name"])
            scalers.setdefault(key, []).append(_name(resource))
        if resource["kind"] == "Deployment":
            there.add((resource["kind"], resource["metadata"]["name"]))
            if "replicas" in resource["spec"]:
                scalers.setdefault(("Deployment", resource["metadata"]["name"]), []).append(
                    f"{_name(resource)}'s own replicas"
                )
    for (kind, name), by in scalers.items():
        if len(by) > 1:
            yield f"{kind} {name} is scaled by {' and by '.join(by)}: leave one of them"
        if (kind, name) not in there:
            yield f"{by[0]} scales {kind} {name}, which is not there"


def _queues(resources: Iterable[Resource]) -> Iterator[str]:
    known = Topology.of(messages_pb2.DESCRIPTOR).queues
    for resource in resources:
        if resource["kind"] == "ScaledObject":
            for trigger in resource["spec"]["triggers"]:
                queue = trigger["metadata"].get("queueName")
                if queue and queue not in known:
                    yield f"{_name(resource)} looks at the queue {queue}, which nobody declares"


# --- pods ---------------------------------------------------------------------------------------


def _pods(resource: Resource) -> Iterator[str]:
    """By the Pod Security Standard "restricted", and what else every pod of ours has."""
    if resource["kind"] not in {"Deployment", "StatefulSet", "Job", "CronJob"}:
        return
    pod = _template_of(resource)["spec"]
    security = pod.get("securityContext", {})
    wanted = {
        "runs as another account than root": security.get("runAsNonRoot") is True,
        "has a seccomp profile": security.get("seccompProfile", {}).get("type") == "RuntimeDefault",
        "has no token of a ServiceAccount": pod.get("automountServiceAccountToken") is False,
        "is apart from the host": not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys(),
        "has restricted kinds of volumes": all(
            set(volume) - {"name"} <= _VOLUMES for volume in pod.get("volumes", ())
        ),
    }
    for container in (*pod.get("initContainers", ()), *pod["containers"]):
        own = container.get("securityContext", {})
        wanted |= {
            "takes no more rights": own.get("allowPrivilegeEscalation") is False,
            "has a read-only root": own.get("readOnlyRootFilesystem") is True,
            "drops all capabilities": own.get("capabilities") == {"drop": ["ALL"]},
            "has a limit of memory": "memory" in container.get("resources", {}).get("limits", {}),
        }
        if resource["kind"] == "Deployment":
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                wanted[f"has a {probe}"] = probe in container
            wanted["waits before it stops"] = "preStop" in container.get("lifecycle", {})
    for what, so in wanted.items():
        if not so:
            yield f"{_name(resource)}: it must be said that it {what}"


def _template_of(resource: Resource) -> Resource:
    """What its pods are made from; empty: it makes none."""
    spec = resource.get("spec") or {}
    if resource["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    template: Resource = spec.get("template", {})
    return template


def _secrets(resources: Iterable[Resource]) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        made = secret_files(Secrets(Path(folder) / "secrets.json"), Servers())
    for resource in resources:
        for name in _secrets_of(resource):
            # Those of TLS are cert-manager's.
            if not name.endswith("-tls") and name.removeprefix("parterre-") not in made:
                yield f"{_name(resource)} needs the secret {name}, which nothing makes"


def _secrets_of(resource: Resource) -> Iterator[str]:
    spec = resource.get("spec") or {}
    for volume in _template_of(resource).get("spec", {}).get("volumes", ()):
        if "secret" in volume:
            yield volume["secret"]["secretName"]
    for target in spec.get("secretTargetRef", ()):
        yield target["name"]


# --- the network --------------------------------------------------------------------------------


def _edges(resources: Iterable[Resource]) -> Iterator[str]:
    """Who may connect to whose RPCs, both sides, against `deploy.plan.CONNECTIONS`."""
    wanted = {(caller, callee) for callee in CONNECTIONS for caller in CONNECTIONS[callee]}
    policies = [resource for resource in resources if resource["kind"] == "NetworkPolicy"]
    let_in, let_out = set(), set()
    for policy in policies:
        spec = policy["spec"]
        own = _process_of(spec["podSelector"])
        for rule in spec.get("ingress", ()):
            if _has_port(rule):
                let_in |= {(peer, own) for peer in _peers(rule.get("from"))}
        for rule in spec.get("egress", ()):
            if _has_port(rule):
                let_out |= {(own, peer) for peer in _peers(rule.get("to"))}
    for side, found in (("let in", let_in), ("let out", let_out)):
        for caller, callee in sorted(wanted - found):
            yield f"{caller} calls {callee}, and is not {side}"
        for caller, callee in sorted(found - wanted):
            yield f"{caller} is {side} to {callee}, which it never calls"
    denied = {
        kind
        for policy in policies
        if not policy["spec"]["podSelector"] and not set(policy["spec"]) & {"ingress", "egress"}
        for kind in policy["spec"]["policyTypes"]
    }
    for kind in sorted({"Ingress", "Egress"} - denied):
        yield f"no NetworkPolicy denies all {kind} that no other allows"


def _has_port(rule: Resource) -> bool:
    ports = rule.get("ports")
    return not ports or any(port.get("port") in {RPC, "rpc"} for port in ports)


def _process_of(selector: Resource) -> str:
    name: str = selector.get("matchLabels", {}).get("app.kubernetes.io/name", "anybody")
    return name


def _peers(peers: Sequence[Resource] | None) -> Iterator[str]:
    if not peers:
        yield "anybody"
    for peer in peers or ():
        if "podSelector" in peer and "namespaceSelector" not in peer:
            yield _process_of(peer["podSelector"])
        elif "ipBlock" not in peer:
            yield "another namespace"


def main() -> int:
    """Prints what is wrong, and which kinds could not be checked; 1 if anything is wrong."""
    wrong = False
    for argument in sys.argv[1:]:
        resources = load(Path(argument))
        for finding in findings(resources):
            wrong = True
            print(f"{argument}: {finding}")
        if kinds := unchecked(resources):
            print(f"{argument}: not checked, for want of a schema: {', '.join(kinds)}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
