"""What the gateway tells of each problem, out of docs/problems.md."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from clients.node import ROOT

PAGE = ROOT / "docs" / "problems.md"
DATA = ROOT / "gateway" / "problem_pages" / "reasons.json"
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_REASON = re.compile(r"`([A-Z][A-Z_]+)`")


def reasons(page: Path = PAGE) -> Iterator[dict[str, str]]:
    """The rows: reason, its subject (the heading above it), and what to do, without links."""
    subject = ""
    for line in page.read_text().splitlines():
        if line.startswith("## "):
            subject = line.removeprefix("## ").strip()
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        reason = _REASON.fullmatch(cells[0])
        if reason is not None and len(cells) == 4:
            yield {"reason": reason[1], "subject": subject, "advice": _LINK.sub(r"\1", cells[3])}


def data() -> str:
    """The file the gateway reads, a line for each reason."""
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in reasons())
    return f"[\n{lines}\n]\n"
