"""Writes what Kubernetes is told of the processes, from `deploy.plan`, into `deploy/k8s/`.

    python -m deploy.manifests            writes the files
    python -m deploy.manifests --check    fails where what is committed differs

A file per process and the network's rules are in the base; the component `tls` has each process's
certificate; `monitoring` has the alerts of `deploy/observability/rules/`. What differs by cluster
(images, servers, scaling, secrets) is in the overlays, by hand.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from deploy.plan import CONNECTIONS, MODULES, SERVICES

HOME = Path(__file__).parent / "k8s"
# The alerts, as Prometheus beside Compose reads them.
RULES = Path(__file__).parent / "observability" / "rules" / "parterre.yaml"
RPC, INTERNAL, KEYS, PUBLIC = 9001, 9000, 9002, 8080
DATABASE, BROKER = 5432, 5672
PROCESSES = (*SERVICES, "gateway")
# Whom a process calls outside the cluster: TCP ports.
_OUTSIDE: Mapping[str, tuple[int, ...]] = {
    "catalog": (443,),  # pictures in an S3
    "payment": (443,),  # the payment provider
    # The mail server, and organizers' webhooks.
    "notification": (443, 465, 587, 8443),
}
# Addresses within, which calls to the outside have no business with (RFC 1918, 3927, 6598).
_INSIDE = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10"]
# Millicores and MiB asked for, MiB at most. A CPU is not capped: a process that is held up holds
# up everybody who waits for it.
_NEEDS: Mapping[str, tuple[int, int, int]] = {
    "auth": (250, 192, 512),
    "catalog": (200, 256, 1280),  # its program that draws pictures may take 768
    "inventory": (500, 192, 512),
    "booking": (300, 192, 512),
    "payment": (200, 192, 512),
    "notification": (100, 192, 512),
    "gateway": (500, 256, 768),
}
_DRAIN_SECONDS = 10
# Until everybody has heard that it takes no more: the endpoints of a stopping pod go first.
_FAREWELL_SECONDS = 5

Resource = dict[str, Any]


def files() -> Mapping[str, str]:
    """What is to stand in each file, by its path below `deploy/k8s/`."""
    made = {f"base/processes/{name}.yaml": _text(_process(name)) for name in PROCESSES}
    made["base/network-policies.yaml"] = _text(_policies())
    made["tls/processes.yaml"] = _text(map(_with_tls, PROCESSES))
    made["tls/certificates.yaml"] = _text(map(_certificate, PROCESSES))
    made["monitoring/alerts.yaml"] = _text([_alerts()])
    return made


def _text(resources: Iterable[Resource]) -> str:
    head = "# Written by `make manifests` from deploy/manifests.py: change that.\n"
    return head + yaml.safe_dump_all(resources, sort_keys=False, width=100)


def _named(kind: str, api: str, name: str, process: str, **more: Any) -> Resource:
    labels = {"app.kubernetes.io/name": process, "app.kubernetes.io/part-of": "parterre"}
    return {
        "apiVersion": api,
        "kind": kind,
        "metadata": {"name": name, "labels": labels},
        **more,
    }


def _selected(process: str) -> Resource:
    return {"matchLabels": {"app.kubernetes.io/name": process}}


def _process(name: str) -> Iterator[Resource]:
    yield _named("ServiceAccount", "v1", name, name, automountServiceAccountToken=False)
    yield _named("Deployment", "apps/v1", name, name, spec=_deployment(name))
    ports = {"internal": INTERNAL}
    ports |= {"http": PUBLIC} if name == "gateway" else {"rpc": RPC}
    if name == "auth":
        ports["keys"] = KEYS
    yield _named(
        "Service",
        "v1",
        name,
        name,
        spec={
            # A name with every pod's address: callers share their calls out themselves.
            **({} if name == "gateway" else {"clusterIP": "None"}),
            "selector": {"app.kubernetes.io/name": name},
            "ports": [
                {"name": port, "port": number, "targetPort": port} for port, number in ports.items()
            ],
        },
    )
    yield _named(
        "PodDisruptionBudget",
        "policy/v1",
        name,
        name,
        spec={"maxUnavailable": 1, "selector": _selected(name)},
    )


def _deployment(name: str) -> Resource:
    # How many there are is the overlay's business: a scaler's, where there is one.
    return {
        "strategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
        },
        "revisionHistoryLimit": 5,
        "progressDeadlineSeconds": 300,
        "selector": _selected(name),
        "template": {
            "metadata": {
                "labels": {
                    "app.kubernetes.io/name": name,
                    "app.kubernetes.io/part-of": "parterre",
                }
            },
            "spec": _pod(name),
        },
    }


def _pod(name: str) -> Resource:
    return {
        "serviceAccountName": name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": _FAREWELL_SECONDS + 3 * _DRAIN_SECONDS,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "runAsGroup": 10001,
            "fsGroup": 10001,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": key,
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": _selected(name),
            }
            for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
        ],
        "containers": [_container(name)],
        "volumes": [
            {"name": "secrets", "secret": {"secretName": f"parterre-{name}", "defaultMode": 0o440}},
            {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}},
        ],
    }


def _container(name: str) -> Resource:
    millicores, asked, most = _NEEDS[name]
    ports = {"internal": INTERNAL}
    ports |= {"http": PUBLIC} if name == "gateway" else {"rpc": RPC}
    if name == "auth":
        ports["keys"] = KEYS

    def probe(path: str, **more: int) -> Resource:
        return {"httpGet": {"path": path, "port": "internal"}, "timeoutSeconds": 5, **more}

    return {
        "name": "process",
        "image": "parterre",
        "args": ["python", "-m", MODULES[name]],
        "env": [
            {"name": variable, "value": value} for variable, value in _environment(name).items()
        ],
        "ports": [{"name": port, "containerPort": number} for port, number in ports.items()],
        # Two minutes to start; alive while it answers at all; ready while what it needs answers.
        "startupProbe": probe("/healthz", periodSeconds=2, failureThreshold=60),
        "livenessProbe": probe("/healthz", periodSeconds=10, failureThreshold=3),
        "readinessProbe": probe("/readyz", periodSeconds=5, failureThreshold=3),
        "lifecycle": {"preStop": {"sleep": {"seconds": _FAREWELL_SECONDS}}},
        "resources": {
            "requests": {"cpu": f"{millicores}m", "memory": f"{asked}Mi"},
            "limits": {"memory": f"{most}Mi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "secrets", "mountPath": "/run/secrets", "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - a volume of the pod's own
        ],
    }


def _environment(name: str) -> Mapping[str, str]:
    """What every cluster has alike; an overlay adds the profile and TLS."""
    prefix = name.upper()
    made = {
        f"{prefix}_INTERNAL_HOST": "0.0.0.0",  # noqa: S104 - the network policies say who may
        f"{prefix}_INTERNAL_PORT": str(INTERNAL),
        f"{prefix}_JWKS_URL": f"http://auth:{INTERNAL}/.well-known/jwks.json",
        f"{prefix}_DRAIN_SECONDS": str(_DRAIN_SECONDS),
    }
    if name == "gateway":
        made |= {"GATEWAY_HOST": "0.0.0.0", "GATEWAY_PORT": str(PUBLIC)}  # noqa: S104
    else:
        made |= {f"{prefix}_GRPC_HOST": "0.0.0.0", f"{prefix}_GRPC_PORT": str(RPC)}  # noqa: S104
    for callee in SERVICES:
        if name in CONNECTIONS[callee]:
            made[f"{prefix}_{callee.upper()}_ADDRESS"] = f"{callee}:{RPC}"
    return made


# --- mutual TLS between processes --------------------------------------------------------------


def _with_tls(name: str) -> Resource:
    """A patch of the process's Deployment: its certificate, and where the signing keys are."""
    prefix, place = name.upper(), "/run/tls"
    variables = {
        f"{prefix}_TLS_CERTIFICATE": f"{place}/tls.crt",
        f"{prefix}_TLS_KEY": f"{place}/tls.key",
        f"{prefix}_TLS_AUTHORITY": f"{place}/ca.crt",
        f"{prefix}_JWKS_URL": f"https://auth:{KEYS}/.well-known/jwks.json",
    }
    if name == "auth":
        variables["AUTH_KEYS_PORT"] = str(KEYS)
    container = {
        "name": "process",
        "env": [{"name": variable, "value": value} for variable, value in variables.items()],
        "volumeMounts": [{"name": "tls", "mountPath": place, "readOnly": True}],
    }
    volume = {"name": "tls", "secret": {"secretName": f"{name}-tls", "defaultMode": 0o440}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"template": {"spec": {"containers": [container], "volumes": [volume]}}},
    }


def _certificate(name: str) -> Resource:
    """For cert-manager: server and client at once, under the name the process is called by."""
    return _named(
        "Certificate",
        "cert-manager.io/v1",
        name,
        name,
        spec={
            "secretName": f"{name}-tls",
            "commonName": name,
            "dnsNames": [name],
            "duration": "2160h",
            "renewBefore": "720h",
            "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
            "usages": ["digital signature", "server auth", "client auth"],
            "issuerRef": {"name": "parterre", "kind": "Issuer"},
        },
    )


# --- alerts -----------------------------------------------------------------------------------


def _alerts() -> Resource:
    """The alert rules, for Prometheus's operator."""
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {
            "name": "parterre",
            "namespace": "parterre",
            "labels": {"app.kubernetes.io/part-of": "parterre"},
        },
        "spec": yaml.safe_load(RULES.read_text()),
    }


# --- the network: nothing is allowed but what stands here --------------------------------------


def _policies() -> Iterator[Resource]:
    yield _policy("deny-all", {}, policyTypes=["Ingress", "Egress"])
    dns = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
        "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
    }
    names = [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]
    yield _policy("names", {}, egress=[{"to": [dns], "ports": names}])
    for callee in SERVICES:
        for caller in CONNECTIONS[callee]:
            yield from _edge(f"rpc-{caller}-to-{callee}", caller, callee, [RPC])
    # Signing keys and the list of ended sessions: over TLS on a port of their own.
    for caller in PROCESSES:
        if caller != "auth":
            yield from _edge(f"keys-{caller}-to-auth", caller, "auth", [INTERNAL, KEYS])
    for process in SERVICES:
        yield _reaches(process, "database", DATABASE)
    for process in PROCESSES:
        yield _reaches(process, "broker", BROKER)
    for job in ("provision", "migrate", "fsck"):
        yield _reaches(job, "database", DATABASE)
    yield _reaches("fsck", "broker", BROKER)
    for process, ports in _OUTSIDE.items():
        yield _policy(
            f"outside-of-{process}",
            _selected(process),
            egress=[{"to": [_the_world()], "ports": _tcp(ports)}],
        )
    yield _policy(
        "public-to-gateway",
        _selected("gateway"),
        ingress=[{"from": [_labelled("parterre.example/ingress")], "ports": _tcp([PUBLIC])}],
    )
    yield _policy(
        "metrics",
        {"matchLabels": {"app.kubernetes.io/part-of": "parterre"}},
        ingress=[{"from": [_labelled("parterre.example/monitoring")], "ports": _tcp([INTERNAL])}],
    )


def _policy(name: str, selected: Resource, **spec: Any) -> Resource:
    kinds = [kind for kind in ("Ingress", "Egress") if kind.lower() in spec]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/part-of": "parterre"}},
        "spec": {"podSelector": selected, "policyTypes": kinds, **spec},
    }


def _edge(name: str, caller: str, callee: str, ports: Sequence[int]) -> Iterator[Resource]:
    """Both sides of who may connect to whom: the callee lets in, the caller may go out."""
    yield _policy(
        f"{name}-in",
        _selected(callee),
        ingress=[{"from": [{"podSelector": _selected(caller)}], "ports": _tcp(ports)}],
    )
    yield _policy(
        f"{name}-out",
        _selected(caller),
        egress=[{"to": [{"podSelector": _selected(callee)}], "ports": _tcp(ports)}],
    )


def _reaches(process: str, what: str, port: int) -> Resource:
    """To the database or the broker, whose pods an overlay labels so, in whatever namespace."""
    target = {
        "namespaceSelector": {"matchLabels": {f"parterre.example/{what}": "true"}},
        "podSelector": {"matchLabels": {f"parterre.example/{what}": "true"}},
    }
    return _policy(
        f"{what}-of-{process}",
        _selected(process),
        egress=[{"to": [target], "ports": _tcp([port])}],
    )


def _labelled(label: str) -> Resource:
    """Every pod of the namespaces with this label."""
    return {"namespaceSelector": {"matchLabels": {label: "true"}}}


def _the_world() -> Resource:
    return {"ipBlock": {"cidr": "0.0.0.0/0", "except": _INSIDE}}


def _tcp(ports: Sequence[int]) -> list[Resource]:
    return [{"protocol": "TCP", "port": port} for port in ports]


def main() -> int:
    """Writes the files, or with --check says which are not as they would be written."""
    made = files()
    if sys.argv[1:] == ["--check"]:
        there = {f"base/processes/{file.name}" for file in HOME.glob("base/processes/*.yaml")}
        stale = {name for name, text in made.items() if _read(HOME / name) != text}
        stale |= there - set(made)
        for name in sorted(stale):
            print(f"deploy/k8s/{name} is not current: run make manifests", file=sys.stderr)
        return 1 if stale else 0
    for name, text in made.items():
        (HOME / name).parent.mkdir(parents=True, exist_ok=True)
        (HOME / name).write_text(text)
    return 0


def _read(file: Path) -> str:
    return file.read_text() if file.exists() else ""


if __name__ == "__main__":
    sys.exit(main())
