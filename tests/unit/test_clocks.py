"""Only the database's clock expires anything: who reads another one is listed here, with why."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
CODE = (
    "auth_service",
    "booking_service",
    "catalog_service",
    "chassis",
    "gateway",
    "inventory_service",
    "notification_service",
    "payment_service",
)
# Functions that tell the time of day; monotonic clocks only measure how long something took.
TIME_OF_DAY = {
    ("time", "time"),
    ("time", "time_ns"),
    ("datetime", "now"),
    ("datetime", "utcnow"),
    ("datetime", "today"),
    ("date", "today"),
}
READERS = {
    "chassis/consumer.py": "a line in the log says how long a message waited",
    "chassis/identity.py": "tokens expire by every process's clock, with a leeway (RFC 7519)",
    "gateway/site/documents.py": "search engines are told whether a closed sale is still to come",
}


def reads_the_time_of_day(source: str) -> bool:
    return any(
        isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name | ast.Attribute)
        and (getattr(node.value, "id", None) or getattr(node.value, "attr", None), node.attr)
        in TIME_OF_DAY
        for node in ast.walk(ast.parse(source))
    )


def test_no_decision_is_made_by_an_applications_clock() -> None:
    files = [file for folder in CODE for file in sorted((ROOT / folder).rglob("*.py"))]
    assert len(files) > 100
    # Worlds of their own.
    others = {ROOT / "payment_service/sandbox", ROOT / "notification_service/catcher"}
    found = {
        str(file.relative_to(ROOT))
        for file in files
        if others.isdisjoint(file.parents) and reads_the_time_of_day(file.read_text())
    }
    assert found == READERS.keys()


def test_a_reader_of_the_clock_is_noticed() -> None:
    for source in ("import time\ntime.time()", "now = datetime.datetime.now(UTC)", "date.today()"):
        assert reads_the_time_of_day(source)
    assert not reads_the_time_of_day("time.monotonic(); row.now; datetime.fromtimestamp(0)")
