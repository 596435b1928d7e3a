"""Traces: what is taken of a client, what is sampled, and how the tree of a request is kept."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from chassis import context, tracing
from chassis.context import Origin
from chassis.tracing import Sampler, SpanFile, Traces, accept_traceparent, begun, trace_id_of
from ops import traces

ID = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
SAMPLED = f"00-{ID}-{PARENT}-01"
PLAIN = f"00-{ID}-{PARENT}-00"


class Kept(SpanExporter):
    """Keeps spans in memory."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def export(self, spans: list[ReadableSpan]) -> SpanExportResult:  # type: ignore[override]
        self.spans += spans
        return SpanExportResult.SUCCESS


@pytest.fixture
def kept() -> Iterator[Kept]:
    exporter = Kept()
    tracing.use("test", [exporter], Sampler(1, 1_000))
    yield exporter
    tracing.close()


@pytest.mark.parametrize(
    ("offered", "accepted"),
    [
        (SAMPLED, SAMPLED),
        (PLAIN, PLAIN),
        (f"00-{ID}-{PARENT}-03", SAMPLED),  # flags that are not known yet
        (f"cc-{ID}-{PARENT}-01", SAMPLED),  # a version to come, read as far as it is known
        (f"cc-{ID}-{PARENT}-01-what-comes", SAMPLED),
        (f"00-{ID}-{PARENT}-01-what-comes", ""),
        (f"cc-{ID}-{PARENT}-01.what", ""),
        (f"ff-{ID}-{PARENT}-01", ""),
        (f"00-{'0' * 32}-{PARENT}-01", ""),
        (f"00-{ID}-{'0' * 16}-01", ""),
        (SAMPLED.upper(), ""),
        (f"{SAMPLED}\n", ""),
        (f" {SAMPLED}", ""),
        ("", ""),
        (None, ""),
        ("00-" + "a" * 100_000, ""),
        (f"cc-{ID}-{PARENT}-01-" + "a" * 100_000, ""),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_traceparent_is_taken_as_the_recommendation_says(
    offered: str | None, accepted: str
) -> None:
    assert accept_traceparent(offered) == accepted


def test_a_stranger_goes_on_with_a_trace_but_has_nothing_sampled(kept: Kept) -> None:
    tracing.use("test", [kept], Sampler(0, 1))
    assert begun("id", SAMPLED) == Origin("id", PLAIN)
    assert begun("id", SAMPLED, trusted=True) == Origin("id", SAMPLED)
    assert begun("id", PLAIN, trusted=True) == Origin("id", PLAIN)


@pytest.mark.usefixtures("kept")
def test_a_request_is_sampled_whatever_a_stranger_says() -> None:
    assert begun("id", PLAIN) == Origin("id", SAMPLED)


def test_a_new_request_and_its_trace_have_one_id() -> None:
    id, traceparent = begun()
    assert trace_id_of(traceparent) == id.replace("-", "")
    assert traceparent.endswith("-00")  # this process sends spans nowhere
    own, other = begun("the-clients"), begun("the-clients")
    assert own.request_id == "the-clients"
    assert own.traceparent != other.traceparent
    assert re.fullmatch(r"[0-9a-f]{32}", trace_id_of(own.traceparent))


def test_nobody_is_called_by_the_name_of_no_request() -> None:
    assert begun("-").request_id != "-"
    assert tracing.origin_of("-", "").request_id != "-"


def test_a_share_is_sampled_and_no_more_than_so_many_a_second() -> None:
    now, chances = 0.0, iter([0.5, 0.05] * 500)
    sampler = Sampler(0.1, 2, clock=lambda: now, chance=lambda: next(chances))
    assert sum(sampler.takes() for _ in range(100)) == 20  # ten seconds' at once
    now = 1.0
    assert sum(sampler.takes() for _ in range(100)) == 2
    now = 1_000.0
    assert sum(sampler.takes() for _ in range(100)) == 20
    assert not any(Sampler(0, 100).takes() for _ in range(100))


def test_what_is_not_sampled_makes_no_span_and_passes_the_trace_on(kept: Kept) -> None:
    with context.request(id="r", traceparent=PLAIN):
        with tracing.part("nothing") as span:
            assert span is None
            assert context.trace.get() == PLAIN
        with tracing.parts("nothing", [Origin("r", PLAIN)]) as within:
            assert within == [Origin("r", PLAIN)]
    tracing.close()
    assert not kept.spans


def test_parts_lie_within_the_trace_and_each_other(kept: Kept) -> None:
    root = begun("r")
    first = tracing.start("root", root.traceparent)
    with context.request(id="r", traceparent=tracing.within(first, root.traceparent)):
        with tracing.part("outer", facts={"n": 1}), tracing.part("inner"):
            travels = context.origin()
        with pytest.raises(ValueError, match="x"), tracing.part("failing"):
            raise ValueError("x")
    tracing.end(first)
    with tracing.parts("together", [travels, Origin("other", PLAIN)]) as (mine, other):
        assert other == Origin("other", PLAIN)
        assert trace_id_of(mine.traceparent) == trace_id_of(root.traceparent)
        assert mine.traceparent != travels.traceparent
    tracing.close()
    by_name = {span.name: span for span in kept.spans}
    parents = {name: span.parent and span.parent.span_id for name, span in by_name.items()}
    ids = {name: span.context.span_id for name, span in by_name.items()}
    assert parents == {
        "root": None,
        "outer": ids["root"],
        "inner": ids["outer"],
        "failing": ids["root"],
        "together": ids["inner"],
    }
    assert {span.context.trace_id for span in kept.spans} == {
        int(trace_id_of(root.traceparent), 16)
    }
    assert by_name["failing"].status.description == "ValueError"
    assert dict(by_name["outer"].attributes or {}) == {"parterre.n": 1}


def test_a_process_that_sends_spans_nowhere_passes_a_sampled_trace_on() -> None:
    with context.request(id="r", traceparent=SAMPLED), tracing.part("nothing") as span:
        assert span is None
        assert context.trace.get() == SAMPLED


def test_messages_of_one_request_are_in_its_trace_and_those_of_several_in_none() -> None:
    with context.requests([Origin("a", SAMPLED), Origin("a", SAMPLED)]):
        assert context.origin() == Origin("a", SAMPLED)
    with context.requests([Origin("a", SAMPLED), Origin("b", PLAIN)]):
        assert not context.origin().is_known
        assert context.origins(2) == [Origin("a", SAMPLED), Origin("b", PLAIN)]


def test_files_of_spans_are_bounded_and_read_back_as_trees(tmp_path: Path) -> None:
    tracing.configure("shop", Traces(1, 1_000, "", tmp_path, 2 * 60_000))
    for number in range(400):
        root = begun(f"r{number}")
        span = tracing.start("POST /bookings", root.traceparent)
        within = tracing.within(span, root.traceparent)
        with context.request(id=f"r{number}", traceparent=within), tracing.part("inner"):
            pass
        tracing.end(span, {"booking_reference": f"PT-{number:08}", "hold_id": f"h{number}"})
        if not number % 50:
            assert tracing.flushed()
    tracing.close()
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["shop.jsonl", "shop.jsonl.1"]
    assert all(file.stat().st_size <= 60_000 for file in files)
    with (tmp_path / "shop.jsonl").open("ab") as file:
        file.write(b'{"resourceSpans": [{"resou')  # cut off
    (found,) = traces.find(traces.read(tmp_path), "PT-00000399")
    assert [span.name for span in found.spans] == ["POST /bookings", "inner"]
    assert [span.name for span in found.roots] == ["POST /bookings"]
    assert found.spans[1].parent_id == found.spans[0].id
    assert {span.process for span in found.spans} == {"shop"}
    assert traces.find(traces.read(tmp_path), found.id) == [found]
    assert traces.find(traces.read(tmp_path), "PT-00000000") == []


def test_a_line_of_a_file_is_otlp(tmp_path: Path) -> None:
    file = SpanFile(tmp_path / "made" / "shop.jsonl", 1_000_000)
    tracing.use("shop", [file], Sampler(1, 1))
    origin = begun()
    tracing.end(tracing.start("one", origin.traceparent), {"n": 2}, failed="why")
    tracing.close()
    (line,) = (tmp_path / "made" / "shop.jsonl").read_text().splitlines()
    (resource,) = json.loads(line)["resourceSpans"]
    (span,) = resource["scopeSpans"][0]["spans"]
    assert span["traceId"] == trace_id_of(origin.traceparent)
    assert span["status"] == {"code": 2, "message": "why"}
    assert span["attributes"] == [{"key": "parterre.n", "value": {"intValue": "2"}}]


def test_a_folder_that_cannot_be_written_costs_spans_and_nothing_else(tmp_path: Path) -> None:
    file = SpanFile(tmp_path / "shop.jsonl", 1_000_000)
    (tmp_path / "shop.jsonl").mkdir()
    assert file.export([]) is SpanExportResult.FAILURE


def span(trace: str, id: str, parent: str = "", name: str = "POST /x", **facts: str) -> traces.Span:
    return traces.Span(trace, id, parent, "gateway", name, int(id, 16), 10**9, False, facts)


def test_a_bookings_traces_are_found_by_what_else_it_is_called() -> None:
    told = [
        span("a" * 32, "1", name="POST /holds", hold_id="h"),
        span("b" * 32, "2", booking_reference="PT-1", hold_id="h"),
        span("b" * 32, "3", "2", booking_id="i"),
        span("c" * 32, "4", name="timer", booking_id="i"),
        span("d" * 32, "5", name="GET /bookings/{reference}", reference="PT-1"),
        span("e" * 32, "6", booking_reference="PT-2", hold_id="other"),
    ]
    assert [trace.id[0] for trace in traces.find(told, "PT-1")] == ["a", "b", "c"]
    assert [trace.id[0] for trace in traces.find(told, "PT-1", reads_too=True)] == list("abcd")
    assert [trace.id[0] for trace in traces.find(told, "h")] == ["a", "b"]


def test_a_tree_shows_what_lost_its_parent_too() -> None:
    lost = [span("a" * 32, "1"), span("a" * 32, "2", "gone", name="late\x1b[2J", reason="LATE")]
    (trace,) = traces.find(lost, "a" * 32)
    lines = [str(branch.label) for branch in traces.as_tree(trace).children]
    assert len(lines) == 2
    assert "reason=LATE" in lines[1]
    assert "\x1b" not in lines[1]
