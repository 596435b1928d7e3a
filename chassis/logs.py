"""Structured logs: one JSON object a line, UTC, with request and trace, secrets taken out.

A name that promises a secret loses its value; text that looks like a token, a code's mail address
or a card token is masked wherever it stands.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson
import structlog

from chassis.context import NO_REQUEST, origins, request_id, trace

Logger = structlog.typing.FilteringBoundLogger

_SECRET_NAME = re.compile(
    r"password|secret|token|authorization|cookie|otp|api_?key|service_?key|^code$|^email$|^to$",
    re.IGNORECASE,
)
# A client's text is searched with it: nothing is looked at twice, so that a long one costs no more
# than its length. Each kind begins where the text before can't be a part of it, and gives back
# nothing of what it took.
_SECRET_TEXT = re.compile(
    r"eyJ[\w.-]*+"  # a JWT, and what begins like one
    r"|\btok_\w++"  # a card token
    r"|\bptk_\w++"  # an API key
    r"|(?<![\w.+-])[\w.+-]++@[\w-]++\.[\w.-]++"  # a mail address
    r"|(?<=://)[^/\s:@]++:[^/\s@]++(?=@)"  # user and password in an address
)
# What never holds a secret.
_PLAIN = frozenset({int, float, bool, UUID, type(None)})
_MASK = "[redacted]"


@lru_cache(maxsize=4096)
def is_secret(name: str) -> bool:
    """Whether what has this name is never shown."""
    return bool(_SECRET_NAME.search(name))


def redact(value: Any, *, name: str = "") -> Any:
    """`value` without secrets; recursive over dicts and lists."""
    if name and value is not None and is_secret(name):
        return _MASK
    if isinstance(value, str):
        return _SECRET_TEXT.sub(_MASK, value) if _is_marked(value) else value
    if isinstance(value, dict):
        return {key: redact(item, name=str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redact(item) for item in value]
    return value


def _is_marked(text: str) -> bool:
    """Whether text may hold a secret: to look costs a tenth of searching every id and path.

    It was half of what a line costs while the marks were gone through in a loop.
    """
    return "@" in text or "tok_" in text or "ptk_" in text or "eyJ" in text


def _redact_event(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    for key, value in event.items():
        # As `redact` does, without calling it for the many that are no secret.
        if key != "event" and is_secret(key):
            event[key] = redact(value, name=key)
        elif type(value) is str:
            if _is_marked(value):
                event[key] = redact(value)
        elif type(value) not in _PLAIN:
            event[key] = redact(value)
    return event


def _add_origin(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Which request and trace a line is of; of a process's own doings there is none."""
    if "request_id" in event:
        return event
    id = request_id.get()
    if id != NO_REQUEST:
        event["request_id"] = id
        if traceparent := trace.get():
            event.setdefault("trace_id", traceparent[3:35])
    elif several := origins():
        event["request_ids"] = [each.request_id for each in several]
    return event


def _rendered(event: Any, **_options: Any) -> bytes:
    return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS)


def configure(process: str, level: str = "INFO") -> None:
    """Sends every log line of this process, libraries' too, to stdout as JSON."""

    def name_process(
        _logger: Any, _method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        event["process"] = process
        return event

    shared: list[structlog.types.Processor] = [
        _add_origin,
        structlog.processors.format_exc_info,
        _redact_event,
        # What these add holds no secret.
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        name_process,
    ]
    # Our own lines do not go through the standard library's logging: it would make a record of
    # each, only for it to be taken apart again.
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer(serializer=_rendered)],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.BytesLoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    logging.captureWarnings(True)  # noqa: FBT003 - its only parameter
    root.setLevel(level)
    # Chatty, and their lines say nothing ours do not: a lost broker is reported where it is missed.
    for library in ("httpx", "httpcore", "uvicorn", "alembic"):
        logging.getLogger(library).setLevel(logging.WARNING)
    for library in ("aio_pika", "aiormq"):
        logging.getLogger(library).setLevel(logging.CRITICAL)


def get_logger(name: str) -> Logger:  # noqa: ARG001 - a line says what happened, not where
    """A logger for the module `name`."""
    logger: Logger = structlog.get_logger()
    return logger
