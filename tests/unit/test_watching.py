"""Alerts, dashboards and runbooks speak of what there is: metrics, labels, commands, pages."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from ops import metrics
from ops.cli import app

ROOT = Path(__file__).parents[2]
WATCHES = ROOT / "deploy" / "observability"
RUNBOOKS = ROOT / "docs" / "runbooks"
# What Prometheus adds to whatever it reads, by its configuration.
TARGET = {"job", "process", "instance"}
# What processes show besides their own, by Prometheus's library for Python, and who reads them.
OTHERS = {
    "up",
    "process_cpu_seconds_total",
    "process_max_fds",
    "process_open_fds",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "rabbitmq_connections",
}


def groups() -> list[dict[str, Any]]:
    return [
        group
        for file in sorted((WATCHES / "rules").glob("*.yaml"))
        for group in yaml.safe_load(file.read_text())["groups"]
    ]


def rules() -> list[dict[str, Any]]:
    return [rule for group in groups() for rule in group["rules"]]


def alerts() -> dict[str, dict[str, Any]]:
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


@cache
def shown() -> dict[str, set[str]]:
    """The labels of everything that our processes show, by its name in a query."""
    known: dict[str, set[str]] = {name: set() for name in OTHERS}
    for owned in metrics.catalogue().values():
        for name, metric in owned.items():
            labels = set(metrics.labels_of(metric))
            known[name] = labels
            if next(iter(metric.describe())).type == "histogram":
                known |= {f"{name}_{part}": labels for part in ("count", "sum")}
                known[f"{name}_bucket"] = labels | {"le"}
    return known


def flaws(expression: str, recorded: set[str]) -> Iterator[str]:
    """What of an expression there is not."""
    bare = re.sub(r'"(?:[^"\\]|\\.)*"', '""', expression)
    selectors = re.findall(r"\b([a-z_][a-z0-9_:]*)\b(?!\s*\()(?:\{([^}]*)\})?", bare)
    named = {
        name: matchers for name, matchers in selectors if re.search("[_:]", name) or name == "up"
    }
    labels = set(TARGET)
    for name, matchers in named.items():
        if name in recorded or name in KEYWORDS:
            continue
        if name not in shown():
            yield f"nobody shows {name}"
            continue
        own = shown()[name] | TARGET
        labels |= own
        for label in re.findall(r"([a-z_]+)\s*[=!]", matchers):
            if label not in own:
                yield f"{name} has no label {label}"
    for listed in re.findall(r"\b(?:by|on|without|ignoring)\s*\(([^)]*)\)", bare):
        for label in filter(None, re.split(r"[\s,]+", listed)):
            if label not in labels:
                yield f"nothing in {expression} has the label {label}"


KEYWORDS = {"group_left", "group_right", "__rate_interval", "__range", "__interval"}


def dashboards() -> dict[str, dict[str, Any]]:
    return {
        file.stem: json.loads(file.read_text())
        for file in sorted((WATCHES / "dashboards").glob("*.json"))
    }


def expressions(dashboard: dict[str, Any]) -> Iterator[str]:
    """Every query of a dashboard, its variables' too, with values in the place of variables."""
    queries = [
        target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())
    ]
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            asked = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"])
            assert asked, variable["query"]
            queries.append(f"count by ({asked[2]}) ({asked[1]})")
    for query in queries:
        yield re.sub(r"\$\{?\w+\}?", "5m", query)


def test_what_is_not_there_is_found_in_an_expression() -> None:
    assert list(flaws("sum by (state) (parterre_saga_oldest_seconds) > 1", set())) == []
    assert list(flaws('up{job="x"} == 0 or absent(up{process="a_b"})', set())) == []
    for wrong in (
        "parterre_sagas_lost",
        'parterre_holds{phase="live"}',
        "sum by (queue) (parterre_holds)",
        "parterre_http_server_seconds_total",
        'parterre_http_server_seconds_count{le="1.0"}',
        "parterre:never:recorded",
    ):
        assert list(flaws(wrong, set())), wrong


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.get("alert") or rule["record"])
def test_a_rule_asks_for_what_is_shown(rule: dict[str, Any]) -> None:
    recorded = {each["record"] for each in rules() if "record" in each}
    assert list(flaws(rule["expr"], recorded)) == []


@pytest.mark.parametrize("name", dashboards())
def test_a_dashboard_asks_for_what_is_shown_and_nothing_lies_on_another(name: str) -> None:
    dashboard = dashboards()[name]
    recorded = {each["record"] for each in rules() if "record" in each}
    asked = list(expressions(dashboard))
    assert len(asked) > 15
    assert [flaw for each in asked for flaw in flaws(each, recorded)] == []
    places = [panel["gridPos"] for panel in dashboard["panels"]]
    fields = [
        (x, y)
        for place in places
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(fields) == len(set(fields))
    assert max(x for x, _y in fields) < 24
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(places)


def test_the_dashboards_show_every_metric() -> None:
    asked = " ".join(each for board in dashboards().values() for each in expressions(board))
    for owned in metrics.catalogue().values():
        for name in owned:
            assert name in asked or name in NOT_DRAWN, name


# Of these the counts beside them are drawn.
NOT_DRAWN = {
    "parterre_messages_parked_oldest_seconds",
    "parterre_sandbox_seconds",
    "parterre_webhooks_overdue_seconds",
}


def test_every_alert_says_how_urgent_it_is_and_has_a_page() -> None:
    pages = {file.name for file in RUNBOOKS.glob("*.md")} - {"README.md"}
    index = (RUNBOOKS / "README.md").read_text()
    for name, alert in alerts().items():
        page = re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower() + ".md"
        assert alert["annotations"]["runbook"] == f"docs/runbooks/{page}"
        assert alert["annotations"]["summary"]
        severity = alert["labels"]["severity"]
        assert severity in {"page", "ticket"}
        text = (RUNBOOKS / page).read_text()
        assert text.startswith(f"# {name}\n\n`{severity}`: ")
        headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
        assert headings == ["What it means", "What to look at", "What to do"]
        assert f"| [{name}]({page}) | {severity} |" in index
        pages.discard(page)
    assert pages == set()


def test_of_every_alert_it_is_played_when_it_comes_and_when_not() -> None:
    played: dict[str, set[bool]] = {name: set() for name in alerts()}
    for test in yaml.safe_load((WATCHES / "rules-test.yaml").read_text())["tests"]:
        for case in test["alert_rule_test"]:
            played[case["alertname"]].add(bool(case["exp_alerts"]))
    assert played == {name: {True, False} for name in alerts()}


def commands(text: str) -> Iterator[str]:
    """What a page says to type: lines of its blocks, and what stands in backquotes."""
    for block in re.findall(r"^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        yield from (line.partition("#")[0].strip() for line in block.splitlines())
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    yield from (" ".join(span.split()) for span in re.findall(r"`([^`]+)`", text))


@pytest.mark.parametrize("page", sorted(RUNBOOKS.glob("*.md")), ids=lambda page: page.stem)
def test_what_a_runbook_says_to_type_and_to_read_is_there(page: Path) -> None:
    text = page.read_text()
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for command in commands(text):
        words = command.split()
        if command.startswith("make "):
            assert words[1] in targets, command
        if command.startswith("parterre ") and words[1] != "…":
            understands(words[1:], command)
        for file in re.findall(r"(?:docs|deploy)/[\w./-]+\w", command):
            assert (ROOT / file).exists(), command
    for link in re.findall(r"\]\(([^)#]+)", text):
        assert (page.parent / link).exists(), link
    for expression in commands(text):
        if "parterre_" in expression:
            assert list(flaws(expression, set())) == [], expression


def understands(words: list[str], command: str) -> None:
    """Follows the words to a command of `parterre`, whose options they must be."""
    found: Any = typer.main.get_command(app)
    while words and hasattr(found, "commands"):
        assert words[0] in found.commands, command
        found = found.commands[words.pop(0)]
    assert not hasattr(found, "commands"), command
    options = {option for parameter in found.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options, command
