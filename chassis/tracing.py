"""Traces: what one request led to, process by process (W3C Trace Context, OpenTelemetry).

Every request has a trace, whose id its lines in the logs show; a few are sampled, by chance, where
they begin. Only what is part of a sampled one makes spans: of any other there is nothing but the
header that travels along. The spans go to a collector (OTLP) or into files; a process that sends
them nowhere passes the traces of others on.

The spans are made here and by nobody else's interceptors: those cost 300 µs a call, sampled or not.
"""

from __future__ import annotations

import logging
import random
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    Tracer,
    set_span_in_context,
)

from chassis import context
from chassis.context import Origin, accept_request_id
from chassis.version import VERSION

__all__ = ["Span", "SpanKind"]

# What a span's attributes of ours begin with.
PREFIX = "parterre."
_SAMPLED = "1"
# A version after 00 may say more (W3C Trace Context, 3.2).
_TRACEPARENT = re.compile(
    r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.{0,100})?"
)
# Stands for a root's parent until the root has a span, or for good where there are no spans.
_NO_PARENT = "0000000000000001"
# How long spans gather before they are sent.
_GATHER_SECONDS = 2.0
_MOST_WAITING = 4096  # spans; what is more is dropped
_CLOSE_SECONDS = 3.0
_BURST_SECONDS = 10
_EXPORT_SECONDS = 5.0


class Sampler:
    """Says of what begins here whether it is traced."""

    def __init__(
        self,
        ratio: float,
        per_second: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """A share `ratio` of all, `per_second` at most, and those of ten seconds at once."""
        self._ratio = ratio
        self._per_second = per_second
        self._most = max(1.0, per_second * _BURST_SECONDS)
        self._clock = clock
        self._chance = chance
        self._room = self._most
        self._at = clock()

    def takes(self) -> bool:
        """Whether this one is traced."""
        if not self._ratio or self._chance() >= self._ratio:
            return False
        now = self._clock()
        self._room = min(self._most, self._room + (now - self._at) * self._per_second)
        self._at = now
        if self._room < 1:
            return False
        self._room -= 1
        return True


class _Ids(RandomIdGenerator):
    """A root's trace id is the one that its request has already."""

    def __init__(self) -> None:
        self.trace_id = 0

    def generate_trace_id(self) -> int:
        return self.trace_id


class _Tracing:
    """Where this process's spans go."""

    def __init__(self) -> None:
        self.ids = _Ids()
        self.sampler = Sampler(0, 1)
        self.provider: TracerProvider | None = None
        self.tracer: Tracer | None = None


# One for the process, as its log and its metrics are.
_tracing = _Tracing()


@dataclass(frozen=True, slots=True)
class Traces:
    """Where a process's spans go: to a collector, into files, both; neither: there are none."""

    ratio: float  # of what begins here
    per_second: float  # of that, at most
    otlp_url: str  # OTLP over gRPC, http:// for plain text or https://; empty: no collector
    folder: Path | None
    folder_bytes: int  # half for the process's file, half for the one before it


def configure(process: str, traces: Traces) -> None:
    """Has this process's spans sent where they are to go."""
    exporters: list[SpanExporter] = []
    if traces.folder is not None:
        exporters.append(SpanFile(traces.folder / f"{process}.jsonl", traces.folder_bytes // 2))
    if traces.otlp_url:
        # An import that costs memory, where nobody needs it.
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (  # noqa: PLC0415
            OTLPSpanExporter,
        )

        exporters.append(OTLPSpanExporter(traces.otlp_url, timeout=_EXPORT_SECONDS))
    use(process, exporters, Sampler(traces.ratio if exporters else 0, traces.per_second))


def use(process: str, exporters: Sequence[SpanExporter], sampler: Sampler) -> None:
    """Has this process's spans exported so, and those of what begins here sampled so."""
    _tracing.sampler = sampler
    if not exporters:
        return
    provider = TracerProvider(
        sampler=ALWAYS_ON,  # of what is not sampled no span is begun at all
        resource=Resource({"service.name": process, "service.version": VERSION}),
        shutdown_on_exit=False,
        id_generator=_tracing.ids,
    )
    for exporter in exporters:
        provider.add_span_processor(
            BatchSpanProcessor(
                exporter,
                max_queue_size=_MOST_WAITING,
                schedule_delay_millis=_GATHER_SECONDS * 1000,
            )
        )
    _tracing.provider = provider
    _tracing.tracer = provider.get_tracer("parterre", VERSION)


def flushed() -> bool:
    """Sends what has gathered now; whether that went well."""
    return _tracing.provider is None or _tracing.provider.force_flush()


def close() -> None:
    """Sends what has gathered, within three seconds, and ends."""
    provider, _tracing.provider, _tracing.tracer = _tracing.provider, None, None
    _tracing.sampler = Sampler(0, 1)
    if provider is not None:
        # A collector that does not answer must not hold a stop up.
        ending = threading.Thread(target=provider.shutdown, daemon=True)
        ending.start()
        ending.join(_CLOSE_SECONDS)


def accept_traceparent(offered: str | None) -> str:
    """The offered header, in the form of version 00; empty where it is none."""
    found = _TRACEPARENT.fullmatch(offered) if offered else None
    if found is None:
        return ""
    version, trace_id, span_id, flags, more = found.groups()
    if version == "00" and more:
        return ""
    return f"00-{trace_id}-{span_id}-0{int(flags, 16) & 1}"


def origin_of(request_id: str | None, traceparent: str | None) -> Origin:
    """The origin that a call, a message, or one of several items came with.

    What came without one, from a version before or from somebody else, has one of its own.
    """
    known = accept_traceparent(traceparent)
    return Origin(accept_request_id(request_id), known or aside().traceparent)


def begun(request_id: str | None = None, offered: str = "", *, trusted: bool = False) -> Origin:
    """The origin of what begins in this process: a request, or work that nobody asked for.

    `offered` is a stranger's trace (of `accept_traceparent`): it is gone on with, but that it be
    sampled is believed only where it is `trusted`.
    """
    id = accept_request_id(request_id)
    if offered:
        is_sampled = _tracing.sampler.takes()
        if trusted and offered[-1] == _SAMPLED:
            is_sampled = _tracing.tracer is not None
        return Origin(id, f"{offered[:-1]}{int(is_sampled)}")
    # Ours are UUIDv7, whose last 62 bits are random, as a trace's id wants (level 2, 3.2.2.4).
    trace_id = (id if id != request_id else accept_request_id(None)).replace("-", "")
    return Origin(id, f"00-{trace_id}-{_NO_PARENT}-0{int(_tracing.sampler.takes())}")


def aside() -> Origin:
    """The origin of work that is done for several requests at once, and is in the trace of none."""
    id = accept_request_id(None)
    return Origin(id, f"00-{id.replace('-', '')}-{_NO_PARENT}-00")


def trace_id_of(traceparent: str) -> str:
    """The trace's id, 32 hexadecimal digits; empty where there is no trace."""
    return traceparent[3:35]


def start(
    name: str,
    traceparent: str,
    kind: SpanKind = SpanKind.INTERNAL,
    attributes: Mapping[str, str | int | float | bool] | None = None,
) -> Span | None:
    """Begins a span, which the caller ends; None where the trace is not sampled."""
    tracer = _tracing.tracer
    if traceparent[-1:] != _SAMPLED or tracer is None:
        return None
    trace_id = int(traceparent[3:35], 16)
    parent = Context()
    if traceparent[36:52] == _NO_PARENT:
        _tracing.ids.trace_id = trace_id
    else:
        span_id = int(traceparent[36:52], 16)
        flags = TraceFlags(TraceFlags.SAMPLED)
        caller = SpanContext(trace_id, span_id, is_remote=True, trace_flags=flags)
        parent = set_span_in_context(NonRecordingSpan(caller), parent)
    return tracer.start_span(name, parent, kind, attributes)


def within(span: Span | None, traceparent: str) -> str:
    """The traceparent of what is part of `span`; where there is no span, of what it would be of."""
    if span is None:
        return traceparent
    made = span.get_span_context()
    return f"00-{made.trace_id:032x}-{made.span_id:016x}-01"


def end(span: Span | None, facts: Mapping[str, object] | None = None, *, failed: str = "") -> None:
    """Ends a span, with what is to be told of it; `failed`: why it came to nothing."""
    if span is None:
        return
    for key, value in (facts or {}).items():
        known = value if isinstance(value, str | int | float | bool) else str(value)
        span.set_attribute(PREFIX + key, known)
    if failed:
        span.set_status(StatusCode.ERROR, failed)
    span.end()


@contextmanager
def part(
    name: str,
    kind: SpanKind = SpanKind.INTERNAL,
    facts: Mapping[str, object] | None = None,
) -> Iterator[Span | None]:
    """Runs the block as a part of the current trace, with a span of its own where it is sampled."""
    current = context.trace.get()
    span = start(name, current, kind)
    if span is None:
        yield None
        return
    token = context.trace.set(within(span, current))
    failed = ""
    try:
        yield span
    except BaseException as error:
        failed = type(error).__name__
        raise
    finally:
        context.trace.reset(token)
        end(span, facts, failed=failed)


@contextmanager
def parts(
    name: str, origins: Sequence[Origin], kind: SpanKind = SpanKind.SERVER
) -> Iterator[Sequence[Origin]]:
    """Runs the block as a part of several traces at once: something done for several requests.

    Gives their origins as they are within it, in their order.
    """
    spans = [start(name, each.traceparent, kind) for each in origins]
    if not any(spans):
        yield origins
        return
    failed = ""
    try:
        yield [
            Origin(each.request_id, within(span, each.traceparent))
            for each, span in zip(origins, spans, strict=True)
        ]
    except BaseException as error:
        failed = type(error).__name__
        raise
    finally:
        for each, span in zip(origins, spans, strict=True):
            end(span, {"request_id": each.request_id, "together": len(spans)}, failed=failed)


class SpanFile(SpanExporter):
    """Writes spans to a file, a batch a line: OTLP's JSON, as collectors read it too.

    A file that is full becomes the one before (`.1`), whose content is forgotten.
    """

    def __init__(self, path: Path, most_bytes: int) -> None:
        from opentelemetry.exporter.otlp.json.common.trace_encoder import (  # noqa: PLC0415
            encode_spans,
        )

        self._encode = encode_spans
        self._path = path
        self._most_bytes = most_bytes
        path.parent.mkdir(parents=True, exist_ok=True)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Writes a batch."""
        line = orjson.dumps(self._encode(spans).to_dict()) + b"\n"
        try:
            size = self._path.stat().st_size if self._path.exists() else 0
            if size and size + len(line) > self._most_bytes:
                self._path.replace(self._path.with_suffix(f"{self._path.suffix}.1"))
            with self._path.open("ab") as file:
                file.write(line)
        except OSError as error:
            logging.getLogger(__name__).warning("spans not written: %s", error)
            return SpanExportResult.FAILURE
        return SpanExportResult.SUCCESS
