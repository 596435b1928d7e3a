"""Nothing secret reaches the logs: canaries are planted and looked for in a process's output."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

CANARY = "canary-5d41402a"
PROGRAM = """
import json, logging, sys
from chassis import logs
from chassis.context import request

logs.configure("test")
log = logs.get_logger("x")
with request(id="req-1"):
    for fields in json.loads(sys.argv[1]):
        log.warning("something", **fields)
        logging.getLogger("some.library").warning("%s", fields.get("detail", ""))
    try:
        raise ValueError(sys.argv[2])
    except ValueError as error:
        log.error("failed", exc_info=error)
"""


def logged(*fields: dict[str, Any], error: str = "") -> list[dict[str, Any]]:
    """What a process that logs these fields, and fails with that error, prints."""
    argv = [sys.executable, "-c", PROGRAM, json.dumps(fields), error]
    out = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    return [json.loads(line) for line in out.splitlines()]


def test_a_line_is_json_with_utc_time_process_and_request_id() -> None:
    line = logged({"seats": 2})[0]
    assert (line["event"], line["seats"], line["process"]) == ("something", 2, "test")
    assert line["request_id"] == "req-1"
    assert line["timestamp"].endswith("Z")


def test_secrets_are_masked_wherever_they_stand() -> None:
    planted: list[dict[str, Any]] = [
        {"password": CANARY},
        {"new_password": CANARY},
        {"payment_token": CANARY},
        {"body": {"otp": CANARY, "deep": [{"authorization": CANARY}]}},
        {"email": f"{CANARY}@example.org"},
        {"detail": f"mail to {CANARY}@example.org failed"},
        {"detail": f"card tok_{CANARY.replace('-', '_')} refused"},
        {"path": f"/events/ptk_{CANARY.replace('-', '_')}"},
        {"url": f"postgresql://parterre:{CANARY}@127.0.0.1/db"},
        {"header": f"Bearer eyJhbGciOi.{CANARY}.sig-{CANARY}"},
    ]
    lines = logged(*planted, error=f"no such user {CANARY}@example.org")
    assert len(lines) == 2 * len(planted) + 1
    for fields, line in zip(planted, lines[::2], strict=False):
        text = json.dumps(line)
        assert CANARY not in text, fields
        assert CANARY.replace("-", "_") not in text, fields
        assert "[redacted]" in text, fields
    assert CANARY not in json.dumps(lines)
