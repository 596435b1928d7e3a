"""Writes Grafana's dashboards into `deploy/observability/dashboards/`.

    python -m deploy.dashboards            writes the files
    python -m deploy.dashboards --check    fails where what is committed differs
    python -m deploy.dashboards --rules    prints every query as a rule, for promtool to read

A test holds every query to the metrics and labels that there are (`tests/unit/test_watching.py`).
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "observability" / "dashboards"
_COLUMNS = 24  # that Grafana divides a page into
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_SCHEMA = 39  # of dashboards, as Grafana 11 writes them; newer ones read it

Json = dict[str, Any]


@dataclass(frozen=True)
class Panel:
    """What is drawn: queries, each with its legend."""

    title: str
    queries: Sequence[tuple[str, str]]
    unit: str = "short"
    description: str = ""
    width: int = 8
    kind: str = "timeseries"  # or stat: the newest values as numbers
    bad_from: float | None = None  # a stat is red from there on
    stacked: bool = False


@dataclass(frozen=True)
class Dashboard:
    """A page of panels, in rows under headings."""

    name: str
    title: str
    rows: Mapping[str, Sequence[Panel]]
    variables: Sequence[tuple[str, str]] = ()  # a name, and the query of its values

    def json(self) -> Json:
        """As Grafana reads it."""
        return {
            "uid": f"parterre-{self.name}",
            "title": f"Parterre: {self.title}",
            "tags": ["parterre"],
            "schemaVersion": _SCHEMA,
            "version": 1,
            "editable": False,
            "graphTooltip": 1,
            "timezone": "browser",
            "refresh": "30s",
            "time": {"from": "now-3h", "to": "now"},
            "templating": {"list": list(self._variables())},
            "links": [
                {
                    "title": "Parterre",
                    "type": "dashboards",
                    "tags": ["parterre"],
                    "asDropdown": False,
                    "keepTime": True,
                }
            ],
            "annotations": {"list": []},
            "panels": list(self._panels()),
        }

    def _variables(self) -> Iterator[Json]:
        yield {
            "name": "datasource",
            "label": "Prometheus",
            "type": "datasource",
            "query": "prometheus",
            "current": {"text": "Prometheus", "value": "prometheus"},
        }
        for name, query in self.variables:
            yield {
                "name": name,
                "type": "query",
                "datasource": _SOURCE,
                "query": query,
                "refresh": 2,  # when the time changes
                "sort": 1,
                "includeAll": name != "process",
                "multi": name != "process",
                "allValue": ".*",
                "current": {"text": "All", "value": "$__all"} if name != "process" else {},
            }

    def _panels(self) -> Iterator[Json]:
        number, top = 0, 0
        for heading, panels in self.rows.items():
            number += 1
            place = {"x": 0, "y": top, "w": _COLUMNS, "h": 1}
            yield {
                "id": number,
                "type": "row",
                "title": heading,
                "collapsed": False,
                "gridPos": place,
                "panels": [],
            }
            top += 1
            left = lowest = 0
            for panel in panels:
                number += 1
                height = 4 if panel.kind == "stat" else 8
                if left + panel.width > _COLUMNS:
                    top, left, lowest = top + lowest, 0, 0
                place = {"x": left, "y": top, "w": panel.width, "h": height}
                yield _drawn(panel, number, place)
                left, lowest = left + panel.width, max(lowest, height)
            top += lowest


def _drawn(panel: Panel, number: int, place: Json) -> Json:
    steps: list[Json] = [{"color": "green", "value": None}]
    if panel.bad_from is not None:
        steps.append({"color": "red", "value": panel.bad_from})
    defaults: Json = {
        "unit": panel.unit,
        "min": 0,
        "thresholds": {"mode": "absolute", "steps": steps},
    }
    options: Json
    if panel.kind == "stat":
        options = {
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "colorMode": "background" if panel.bad_from is not None else "value",
            "graphMode": "area",
            "textMode": "auto",
        }
    else:
        defaults["custom"] = {
            "lineWidth": 1,
            "fillOpacity": 20 if panel.stacked else 5,
            "showPoints": "never",
            "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
        }
        options = {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": _SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": options,
        "targets": [
            {
                "refId": chr(ord("A") + at),
                "datasource": _SOURCE,
                "expr": query,
                "legendFormat": legend,
            }
            for at, (query, legend) in enumerate(panel.queries)
        ],
    }


def _number(title: str, query: str, **more: Any) -> Panel:
    """One number, or one for each legend."""
    legend = more.pop("legend", "")
    return Panel(title, [(query, legend)], kind="stat", width=more.pop("width", 4), **more)


def _quantiles(metric: str, selected: str, by: str = "") -> Sequence[tuple[str, str]]:
    """The median and the slowest hundredth of a histogram."""
    grouped = f"le, {by}" if by else "le"
    return [
        (
            f"histogram_quantile({share}, sum by ({grouped})"
            f" (rate({metric}_bucket{{{selected}}}[$__rate_interval])))",
            f"{name} {{{{{by}}}}}" if by else name,
        )
        for share, name in ((0.5, "p50"), (0.99, "p99"))
    ]


# Without what a client may have wait, or keeps open: as deploy/observability/rules/ has it.
_PROMPT = 'route!~"/api/v1/bookings.*|.*/(stream|images)|.*pdf.*"'
_HOLDS = 'method="POST", route="/api/v1/holds"'
_CONSUMED = "parterre_messages_consumed_total"
_QUEUE = "parterre_queue_messages"

OVERVIEW = Dashboard(
    "overview",
    "overview",
    {
        "Is all well?": [
            _number(
                "Processes down",
                'count(up{job="parterre"} == 0) or vector(0)',
                bad_from=1,
            ),
            _number(
                "Errors",
                'sum(rate(parterre_http_answers_total{status="5xx"}[5m]))'
                " / sum(rate(parterre_http_answers_total[5m]))",
                unit="percentunit",
                bad_from=0.005,
            ),
            _number(
                "Slower than a second",
                "parterre:http_slow:ratio_rate5m",
                unit="percentunit",
                bad_from=0.01,
            ),
            _number(
                "Dead letters",
                f'sum(max by (queue) ({_QUEUE}{{queue=~".*\\\\.dead"}}))',
                bad_from=1,
            ),
            _number(
                "Oldest message in an outbox",
                "max(parterre_outbox_oldest_seconds)",
                unit="s",
                bad_from=60,
            ),
            _number("Ledger unbalanced", "max(parterre_ledger_unbalanced)", bad_from=1),
        ],
        "Requests": [
            Panel(
                "Answers a second",
                [
                    (
                        "sum by (status) (rate(parterre_http_answers_total[$__rate_interval]))",
                        "{{status}}",
                    )
                ],
                "reqps",
                stacked=True,
            ),
            Panel(
                "Time to answer",
                _quantiles("parterre_http_server_seconds", _PROMPT),
                "s",
                "Without streams, uploads, documents and bookings, whose answer may be waited for.",
            ),
            Panel(
                "Slowest routes",
                [
                    (
                        "topk(8, sum by (route)"
                        f" (rate(parterre_http_server_seconds_sum{{{_PROMPT}}}[$__rate_interval]))"
                        " / sum by (route)"
                        f" (rate(parterre_http_server_seconds_count{{{_PROMPT}}}"
                        "[$__rate_interval])))",
                        "{{route}}",
                    )
                ],
                "s",
                "The mean of each route's answers.",
            ),
            Panel(
                "Refusals by reason",
                [
                    (
                        "topk(10, sum by (reason)"
                        " (rate(parterre_problems_total[$__rate_interval])))",
                        "{{reason}}",
                    )
                ],
                "reqps",
                width=12,
            ),
            Panel(
                "Alerts raised by the code",
                [
                    (
                        "sum by (kind) (increase(parterre_alerts_total[$__rate_interval])) > 0",
                        "{{kind}}",
                    )
                ],
                width=12,
            ),
        ],
        "What they stand on": [
            Panel(
                "CPU",
                [
                    (
                        "sum by (process) (rate(process_cpu_seconds_total"
                        '{job="parterre"}[$__rate_interval]))',
                        "{{process}}",
                    )
                ],
                "percentunit",
                "Of one core.",
            ),
            Panel(
                "Memory",
                [
                    (
                        'sum by (process) (process_resident_memory_bytes{job="parterre"})',
                        "{{process}}",
                    )
                ],
                "bytes",
            ),
            Panel(
                "Transactions that wait for a connection",
                [("sum by (process) (parterre_database_pool_waiting)", "{{process}}")],
            ),
        ],
        "Which build": [
            Panel(
                "Processes by version",
                [("count by (version) (parterre_build_info)", "{{version}}")],
                width=12,
            ),
            Panel(
                "Began anew",
                [
                    (
                        "sum by (process)"
                        ' (changes(process_start_time_seconds{job="parterre"}[15m]))',
                        "{{process}}",
                    )
                ],
                width=12,
            ),
        ],
    },
)

ON_SALE = Dashboard(
    "on-sale",
    "on-sale",
    {
        "What is sold": [
            _number(
                "Tickets sold, this hour",
                'sum(increase(parterre_tickets_total{what="sold"}[1h]))',
            ),
            _number(
                "Bookings confirmed, this hour",
                'sum(increase(parterre_bookings_ended_total{state="CONFIRMED"}[1h]))',
            ),
            _number("Holds that live", 'max(parterre_holds{state="live"})'),
            _number("People who watch seats", "sum(parterre_seat_stream_listeners)"),
            _number(
                "Holds that fail",
                f'sum(rate(parterre_http_answers_total{{{_HOLDS}, status="5xx"}}[5m]))'
                f" / sum(rate(parterre_http_answers_total{{{_HOLDS}}}[5m]))",
                unit="percentunit",
                bad_from=0.05,
            ),
            _number(
                "Bookings that wait to be paid",
                'max(parterre_sagas_waiting{state="AWAITING_PAYMENT"})',
            ),
        ],
        "Holds": [
            Panel(
                "Holds a second",
                [
                    (
                        "sum by (status)"
                        f" (rate(parterre_http_answers_total{{{_HOLDS}}}[$__rate_interval]))",
                        "{{status}}",
                    )
                ],
                "reqps",
                "2xx: made. 4xx: taken, or too many. 5xx: an error.",
                stacked=True,
            ),
            Panel(
                "Time to hold",
                _quantiles("parterre_http_server_seconds", _HOLDS),
                "s",
            ),
            Panel(
                "Why holds are refused",
                [
                    (
                        "sum by (reason) (rate(parterre_problems_total{reason=~"
                        '"SEATS_UNAVAILABLE|NOT_ENOUGH_CAPACITY|NO_ADJACENT_SEATS|CUSTOMER_LIMIT'
                        '|HOLD_LIMIT|SALES_CLOSED|EVENT_NOT_ON_SALE|OVERLOADED|RATE_LIMITED"}'
                        "[$__rate_interval]))",
                        "{{reason}}",
                    )
                ],
                "reqps",
                stacked=True,
            ),
            Panel(
                "Items that travel together",
                [
                    (
                        "sum by (batcher)"
                        " (rate(parterre_batch_items_sum[$__rate_interval]))"
                        " / sum by (batcher)"
                        " (rate(parterre_batch_items_count[$__rate_interval]))",
                        "{{batcher}}",
                    )
                ],
                description="More of them share one call or transaction, the more there are.",
            ),
            Panel(
                "Holds",
                [("max by (state) (parterre_holds)", "{{state}}")],
            ),
            Panel(
                "inventory: calls a second",
                [
                    (
                        "sum by (code)"
                        ' (rate(parterre_rpc_answers_total{process="inventory"}'
                        "[$__rate_interval]))",
                        "{{code}}",
                    )
                ],
                "reqps",
                stacked=True,
            ),
        ],
        "Bookings": [
            Panel(
                "Bookings that came to rest, a second",
                [
                    (
                        "sum by (state) (rate(parterre_bookings_ended_total[$__rate_interval]))",
                        "{{state}}",
                    )
                ],
                "ops",
                stacked=True,
            ),
            Panel(
                "Tickets a second",
                [("sum by (what) (rate(parterre_tickets_total[$__rate_interval]))", "{{what}}")],
                "ops",
            ),
            Panel(
                "The provider's time for a charge",
                _quantiles("parterre_provider_seconds", 'kind="CHARGE"', "provider"),
                "s",
            ),
        ],
        "People who watch": [
            Panel(
                "Streams",
                [
                    ("sum(parterre_seat_stream_listeners)", "seats"),
                    ("sum(parterre_notice_stream_listeners)", "notices"),
                ],
                width=12,
            ),
            Panel(
                "Deltas and snapshots a second",
                [
                    ("sum(rate(parterre_seat_stream_deltas_total[$__rate_interval]))", "deltas"),
                    (
                        "sum(rate(parterre_seat_stream_snapshots_total[$__rate_interval]))",
                        "snapshots",
                    ),
                    ("sum(rate(parterre_seat_states_mended_total[$__rate_interval]))", "mended"),
                ],
                "ops",
                width=12,
            ),
        ],
        "What gives way first": [
            Panel(
                "CPU",
                [
                    (
                        "sum by (process, instance) (rate(process_cpu_seconds_total"
                        '{process=~"gateway|inventory|booking|payment"}[$__rate_interval]))',
                        "{{process}} {{instance}}",
                    )
                ],
                "percentunit",
                "1 is all that a process can use.",
            ),
            Panel(
                "Connections to the database in use",
                [
                    (
                        "sum by (process) (parterre_database_pool_in_use)"
                        " / sum by (process) (parterre_database_pool_size)",
                        "{{process}}",
                    )
                ],
                "percentunit",
            ),
            Panel(
                "Messages that wait",
                [(f'max by (queue) ({_QUEUE}{{queue!~".*\\\\.(retry|dead)"}})', "{{queue}}")],
            ),
        ],
    },
)

SAGAS_AND_MONEY = Dashboard(
    "sagas-and-money",
    "sagas and money",
    {
        "Sagas": [
            Panel(
                "Sagas that wait, by state",
                [("max by (state) (parterre_sagas_waiting)", "{{state}}")],
                stacked=True,
            ),
            Panel(
                "For how long the oldest has been in its state",
                [("max by (state) (parterre_saga_oldest_seconds)", "{{state}}")],
                "s",
            ),
            Panel(
                "How often the oldest step was sent again",
                [("max by (state) (parterre_saga_most_resends)", "{{state}}")],
            ),
            Panel(
                "Came to rest, a second",
                [
                    (
                        "sum by (state) (rate(parterre_bookings_ended_total[$__rate_interval]))",
                        "{{state}}",
                    )
                ],
                "ops",
                stacked=True,
                width=12,
            ),
            Panel(
                "Reservations whose booking has not said that it exists",
                [('max(parterre_holds{state="asked"})', "holds")],
                width=12,
            ),
        ],
        "Money": [
            Panel(
                "Taken, by currency, in an hour",
                [
                    (
                        "sum by (currency) (increase(parterre_money_captured_total[1h]))",
                        "{{currency}}",
                    )
                ],
                description="Minor units of each currency.",
            ),
            Panel(
                "Given back, by currency, in an hour",
                [
                    (
                        "sum by (currency) (increase(parterre_money_refunded_total[1h]))",
                        "{{currency}}",
                    )
                ],
                description="Minor units of each currency.",
            ),
            Panel(
                "Whose fate is unknown",
                [("max by (provider) (parterre_money_unknown)", "{{provider}}")],
            ),
            _number(
                "Unknown for",
                "max by (provider) (parterre_money_unknown_oldest_seconds)",
                legend="{{provider}}",
                unit="s",
                bad_from=900,
                width=8,
            ),
            _number("Ledger unbalanced", "max(parterre_ledger_unbalanced)", bad_from=1, width=8),
            _number("fsck found", "max(parterre_fsck_violations)", bad_from=1, width=8),
            _number(
                "fsck was",
                "min(parterre_fsck_age_seconds)",
                unit="s",
                bad_from=26 * 3600,
                width=8,
            ),
            _number(
                "Breaker open",
                "max by (provider) (parterre_provider_breaker_open)",
                legend="{{provider}}",
                bad_from=1,
                width=8,
            ),
        ],
        "The provider": [
            Panel(
                "Calls a second",
                [
                    (
                        "sum by (kind, outcome)"
                        " (rate(parterre_provider_calls_total[$__rate_interval]))",
                        "{{kind}} {{outcome}}",
                    )
                ],
                "ops",
                stacked=True,
            ),
            Panel(
                "Its time",
                _quantiles("parterre_provider_seconds", "", "kind"),
                "s",
            ),
            Panel(
                "The sandbox provider's answers a second",
                [
                    (
                        "sum by (status) (rate(parterre_sandbox_answers_total[$__rate_interval]))",
                        "{{status}}",
                    )
                ],
                "reqps",
            ),
        ],
        "Messages": [
            Panel(
                "In outboxes",
                [("max by (process) (parterre_outbox_waiting)", "{{process}}")],
            ),
            Panel(
                "Age of the oldest in an outbox",
                [("max by (process) (parterre_outbox_oldest_seconds)", "{{process}}")],
                "s",
            ),
            Panel("In queues", [(f"max by (queue) ({_QUEUE}) > 0", "{{queue}}")]),
            Panel(
                "Taken a second, by outcome",
                [(f"sum by (outcome) (rate({_CONSUMED}[$__rate_interval]))", "{{outcome}}")],
                "ops",
                stacked=True,
            ),
            Panel(
                "Failed, by type",
                [
                    (
                        "sum by (type)"
                        f' (increase({_CONSUMED}{{outcome=~"failed|dead"}}[$__rate_interval])) > 0',
                        "{{type}}",
                    )
                ],
            ),
            Panel(
                "Parked for a newer version",
                [("max by (queue) (parterre_messages_parked) > 0", "{{queue}}")],
            ),
        ],
        "What people and organizers hear": [
            Panel(
                "Mails a second",
                [
                    (
                        "sum by (outcome) (rate(parterre_mails_total[$__rate_interval]))",
                        "{{outcome}}",
                    )
                ],
                "ops",
                stacked=True,
            ),
            Panel(
                "Mails and webhooks that wait",
                [
                    ("max(parterre_mails_waiting)", "mails"),
                    ("max(parterre_webhooks_waiting)", "webhooks"),
                ],
            ),
            Panel(
                "Webhooks a second",
                [
                    (
                        "sum by (outcome) (rate(parterre_webhooks_total[$__rate_interval]))",
                        "{{outcome}}",
                    ),
                    (
                        "sum by (why) (increase("
                        "parterre_webhook_endpoints_switched_off_total[$__rate_interval])) > 0",
                        "switched off: {{why}}",
                    ),
                ],
                "ops",
            ),
        ],
    },
)

_ONE = 'process="$process", instance=~"$instance"'

SERVICE = Dashboard(
    "service",
    "one service",
    {
        "$process": [
            _number(
                "Version",
                f"count by (version) (parterre_build_info{{{_ONE}}})",
                legend="{{version}}",
            ),
            _number("Up for", f"time() - min(process_start_time_seconds{{{_ONE}}})", unit="s"),
            _number(
                "Alerts in a day",
                f"sum(increase(parterre_alerts_total{{{_ONE}}}[1d])) or vector(0)",
                bad_from=1,
            ),
            _number(
                "Overdue answers of the database, in a day",
                f"sum(increase(parterre_database_answers_overdue_total{{{_ONE}}}[1d]))",
                bad_from=1,
            ),
            _number(
                "Figures not read, in an hour",
                f"sum(increase(parterre_figures_unread_total{{{_ONE}}}[1h])) or vector(0)",
                bad_from=1,
            ),
            _number(
                "Replays, in an hour",
                f"sum(increase(parterre_idempotency_replays_total{{{_ONE}}}[1h]))",
            ),
        ],
        "Calls": [
            Panel(
                "Calls a second, by code",
                [
                    (
                        "sum by (code)"
                        f" (rate(parterre_rpc_answers_total{{{_ONE}}}[$__rate_interval]))",
                        "{{code}}",
                    )
                ],
                "reqps",
                stacked=True,
            ),
            Panel(
                "Calls a second, by method",
                [
                    (
                        "topk(10, sum by (method)"
                        f" (rate(parterre_rpc_answers_total{{{_ONE}}}[$__rate_interval])))",
                        "{{method}}",
                    )
                ],
                "reqps",
            ),
            Panel(
                "Time, the slowest hundredth of each method",
                [
                    (
                        "topk(10, histogram_quantile(0.99, sum by (le, method)"
                        f" (rate(parterre_rpc_server_seconds_bucket{{{_ONE}}}"
                        "[$__rate_interval]))))",
                        "{{method}}",
                    )
                ],
                "s",
            ),
        ],
        "The process": [
            Panel(
                "CPU",
                [
                    (
                        "sum by (instance)"
                        f" (rate(process_cpu_seconds_total{{{_ONE}}}[$__rate_interval]))",
                        "{{instance}}",
                    )
                ],
                "percentunit",
                "1 is all that it can use.",
            ),
            Panel(
                "Memory",
                [(f"sum by (instance) (process_resident_memory_bytes{{{_ONE}}})", "{{instance}}")],
                "bytes",
            ),
            Panel(
                "The event loop is late by",
                _quantiles("parterre_event_loop_lag_seconds", _ONE),
                "s",
            ),
            Panel(
                "Open files and sockets",
                [
                    (
                        f"max by (instance) (process_open_fds{{{_ONE}}}"
                        f" / process_max_fds{{{_ONE}}})",
                        "{{instance}}",
                    )
                ],
                "percentunit",
                "Of what it may have.",
            ),
            Panel(
                "Connections to the database",
                [
                    (f"sum(parterre_database_pool_in_use{{{_ONE}}})", "in use"),
                    (f"sum(parterre_database_pool_size{{{_ONE}}})", "there may be"),
                    (f"sum(parterre_database_pool_waiting{{{_ONE}}})", "wait for one"),
                ],
            ),
            Panel(
                "Its certificate ends in",
                [
                    (
                        f"min(parterre_certificate_expires_timestamp_seconds{{{_ONE}}} > 0)"
                        " - time()",
                        "the first",
                    )
                ],
                "s",
                "Nothing: it has none.",
            ),
            Panel(
                "Log-ins refused a second",
                [
                    (
                        "sum by (why)"
                        f" (rate(parterre_log_ins_refused_total{{{_ONE}}}[$__rate_interval]))",
                        "{{why}}",
                    ),
                    (
                        "sum(rate(parterre_password_hashing_cpu_seconds_total"
                        f"{{{_ONE}}}[$__rate_interval]))",
                        "CPU for hashing",
                    ),
                ],
                description="auth alone has them.",
            ),
        ],
        "Messages": [
            Panel(
                "Sent a second, by type",
                [
                    (
                        "topk(10, sum by (type)"
                        f" (rate(parterre_messages_published_total{{{_ONE}}}[$__rate_interval])))",
                        "{{type}}",
                    )
                ],
                "ops",
            ),
            Panel(
                "Taken a second, by type",
                [
                    (
                        "topk(10, sum by (type, outcome)"
                        f" (rate({_CONSUMED}{{{_ONE}}}[$__rate_interval])))",
                        "{{type}} {{outcome}}",
                    )
                ],
                "ops",
            ),
            Panel(
                "In its queues, and its outbox",
                [
                    (f"max by (queue) ({_QUEUE}{{{_ONE}}}) > 0", "{{queue}}"),
                    (f"max(parterre_outbox_waiting{{{_ONE}}})", "outbox"),
                    (f"min by (queue) (parterre_queue_consumers{{{_ONE}}})", "who take {{queue}}"),
                ],
            ),
        ],
    },
    variables=[
        ("process", "label_values(parterre_build_info, process)"),
        ("instance", 'label_values(parterre_build_info{process="$process"}, instance)'),
    ],
)

DASHBOARDS = (OVERVIEW, ON_SALE, SAGAS_AND_MONEY, SERVICE)


def files() -> Mapping[str, str]:
    """What is to stand in each file."""
    return {
        f"{each.name}.json": json.dumps(each.json(), indent=1, ensure_ascii=False) + "\n"
        for each in DASHBOARDS
    }


def rules() -> str:
    """A file of rules, with every query and some value in the place of each variable."""
    queries = [
        re.sub(r"\$\w+", "5m", target["expr"])
        for each in DASHBOARDS
        for panel in each.json()["panels"]
        for target in panel.get("targets", ())
    ]
    rules = [{"record": f"query:{at}", "expr": query} for at, query in enumerate(queries)]
    return json.dumps({"groups": [{"name": "dashboards", "rules": rules}]})


def main() -> int:
    """Writes the files, or with --check says which are not as they would be written."""
    made = files()
    if sys.argv[1:] == ["--rules"]:
        print(rules())
        return 0
    if sys.argv[1:] == ["--check"]:
        there = {file.name: file.read_text() for file in FOLDER.glob("*.json")}
        stale = {name for name in made.keys() | there.keys() if made.get(name) != there.get(name)}
        for name in sorted(stale):
            print(f"{FOLDER.name}/{name} is not current: run make manifests", file=sys.stderr)
        return 1 if stale else 0
    FOLDER.mkdir(exist_ok=True)
    for name, text in made.items():
        (FOLDER / name).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
