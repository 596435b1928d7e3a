"""What a booking led to, process by process: its traces as trees, from the files of spans.

The files hold OTLP's JSON, an export a line, as `chassis.tracing.SpanFile` writes them and the
OpenTelemetry Collector's file exporter, too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from rich.text import Text
from rich.tree import Tree

from chassis.tracing import PREFIX
from ops import terminal
from ops.terminal import as_text, iso
from ops.verdicts import WELL, WRONG
from presentation.plain import one_line

# What names a booking besides its reference: found in the traces that know both.
_ALIASES = ("booking_id", "booking_reference", "hold_id", "payment_id")
# Of a whole of spans so many are shown; the first ones.
_MOST_TRACES = 50
_MOST_SPANS = 500
# What a line shows of a span, in this order.
_SHOWN = (
    "status", "outcome", "result", "reason", "booking_reference", "hold_id", "waited_milliseconds",
    "together",
)  # fmt: skip
_READS = ("GET ", "HEAD ")
_ERROR = 2  # OTLP's status code


@dataclass(frozen=True, slots=True)
class Span:
    """Something that a process did, as it told it."""

    trace_id: str  # 32 hexadecimal digits
    id: str
    parent_id: str  # empty: the first
    process: str
    name: str
    began_ns: int  # since 1970
    ended_ns: int
    failed: bool
    facts: Mapping[str, str]

    @property
    def milliseconds(self) -> float:
        """How long it took."""
        return (self.ended_ns - self.began_ns) / 1e6


@dataclass(frozen=True, slots=True)
class Trace:
    """What one request led to, or what a process began by itself."""

    id: str
    spans: Sequence[Span]  # in the order of their beginning

    @property
    def roots(self) -> Sequence[Span]:
        """Those whose parent is not here: the first, and what lost its parent."""
        known = {span.id for span in self.spans}
        return [span for span in self.spans if span.parent_id not in known]

    @property
    def is_read(self) -> bool:
        """Whether somebody only looked."""
        return self.spans[0].name.startswith(_READS)


def read(folder: Path) -> Iterator[Span]:
    """Every span in the folder's files; a line that is none (cut off, or being written) is not."""
    for file in sorted(folder.glob("*.jsonl*")):
        with file.open("rb") as lines:
            for line in lines:
                try:
                    yield from _spans(orjson.loads(line))
                except (ValueError, KeyError, TypeError):
                    continue


def _spans(export: Mapping[str, Any]) -> Iterator[Span]:
    for resource in export["resourceSpans"]:
        process = _facts(resource["resource"].get("attributes", ())).get("service.name", "-")
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                yield Span(
                    span["traceId"],
                    span["spanId"],
                    span.get("parentSpanId", ""),
                    process,
                    span["name"],
                    int(span["startTimeUnixNano"]),
                    int(span["endTimeUnixNano"]),
                    span.get("status", {}).get("code") == _ERROR,
                    _facts(span.get("attributes", ())),
                )


def _facts(attributes: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    return {
        each["key"].removeprefix(PREFIX): str(next(iter(each["value"].values()), ""))
        for each in attributes
    }


def find(spans: Iterable[Span], wanted: str, *, reads_too: bool = False) -> Sequence[Trace]:
    """The traces that `wanted` is part of, oldest first, without those of who only looked.

    It is a booking's reference, any id that a span tells of, a request's id or a trace's.
    """
    by_trace: defaultdict[str, list[Span]] = defaultdict(list)
    for span in spans:
        by_trace[span.trace_id].append(span)
    names, found = {wanted}, {wanted.replace("-", "").lower()} & set(by_trace)
    while True:
        met = {
            id
            for id, among in by_trace.items()
            if id not in found and any(names & set(span.facts.values()) for span in among)
        }
        found |= met
        if not wanted.startswith("PT-") or not met:
            break
        names |= {
            span.facts[alias]
            for id in met
            for span in by_trace[id]
            for alias in _ALIASES
            if alias in span.facts
        }
    traces = [Trace(id, sorted(by_trace[id], key=lambda span: span.began_ns)) for id in found]
    traces.sort(key=lambda trace: trace.spans[0].began_ns)
    return [trace for trace in traces if reads_too or not trace.is_read or trace.id == wanted]


def report(folder: Path, wanted: str, *, reads_too: bool, as_json: bool) -> int:
    """Prints the traces of a booking, or of whatever else is `wanted`."""
    console = terminal.console()
    if not folder.is_dir():
        console.print(f"There is no folder {folder}: no process writes its traces there.")
        return WRONG
    traces = find(read(folder), wanted, reads_too=reads_too)
    if as_json:
        print(as_text([_as_json(trace) for trace in traces]))
        return WELL if traces else WRONG
    if not traces:
        console.print(
            f"No trace tells of {wanted}: it was not sampled, is forgotten, or not written yet"
            " (it takes two seconds)."
        )
        return WRONG
    for trace in traces[:_MOST_TRACES]:
        console.print(as_tree(trace))
    if len(traces) > _MOST_TRACES:
        console.print(f"... and {len(traces) - _MOST_TRACES} more.")
    return WELL


def as_tree(trace: Trace) -> Tree:
    """A trace for people: each span with when it began, how long it took, and what it tells."""
    first = trace.spans[0].began_ns
    last = max(span.ended_ns for span in trace.spans)
    at = iso(datetime.fromtimestamp(first / 1e9, UTC))
    took = f"{(last - first) / 1e6:.1f} ms, {len(trace.spans)} spans"
    tree = Tree(Text(f"{at}  trace {trace.id}  {took}", style="bold"), guide_style="dim")
    children: defaultdict[str, list[Span]] = defaultdict(list)
    for span in trace.spans[:_MOST_SPANS]:
        children[span.parent_id].append(span)
    waiting = [(tree, span) for span in reversed(trace.roots[:_MOST_SPANS])]
    while waiting:
        branch, span = waiting.pop()
        grown = branch.add(_line(span, first))
        waiting += [(grown, child) for child in reversed(children.pop(span.id, []))]
    return tree


def _line(span: Span, first: int) -> Text:
    name = one_line(span.name).removeprefix("parterre.")
    told = [f"{name}={span.facts[name]}" for name in _SHOWN if span.facts.get(name)]
    line = Text(f"{(span.began_ns - first) / 1e6:9.1f} ms {span.milliseconds:+9.1f}  ")
    line.append(f"{one_line(span.process)} ", style="cyan")
    line.append(name, style="red" if span.failed else "bold")
    line.append(f"  {one_line(' '.join(told))}" if told else "", style="dim")
    return line


def _as_json(trace: Trace) -> Mapping[str, Any]:
    return {
        "trace_id": trace.id,
        "spans": [
            {
                "id": span.id,
                "parent_id": span.parent_id,
                "process": span.process,
                "name": span.name,
                "at": datetime.fromtimestamp(span.began_ns / 1e9, UTC),
                "milliseconds": round(span.milliseconds, 3),
                "failed": span.failed,
                "facts": dict(span.facts),
            }
            for span in trace.spans
        ],
    }
