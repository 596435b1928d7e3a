"""What each problem means and what to do, for whoever follows a problem's `type`.

`reasons.json` is made from docs/problems.md by `make docs`, so that an installed package has it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from types import MappingProxyType

from gateway.description.problems import MEMBERS
from gateway.problems import REASONS, type_of

_OWN = Path(__file__).parent
_CODE = re.compile(r"`([^`]*)`")
_STYLE = (_OWN / "page.css").read_text()
# The page is one file: its style is let in by its hash, and nothing else is.
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
HEADERS = MappingProxyType(
    {
        "Content-Security-Policy": (
            f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        ),
        "Cache-Control": "public, max-age=3600",
        "Vary": "Accept, Accept-Encoding",
    }
)


@dataclass(frozen=True, slots=True)
class Explanation:
    """A row of docs/problems.md; `advice` is plain text, with code in backticks."""

    reason: str
    status: int
    title: str
    subject: str
    advice: str

    @property
    def members(self) -> Mapping[str, str]:
        """What a problem of this reason says besides, and what that is (RFC 9457, 3.2)."""
        of_reason = MEMBERS.get(self.reason, {})
        return {name: schema["description"] for name, schema in of_reason.items()}

    @property
    def type(self) -> str:
        """What a problem of this reason names as its type: where the page is."""
        return type_of(self.reason)


def explanations() -> Mapping[str, Explanation]:
    """Every reason's, by the last part of its type, in the order of docs/problems.md."""
    rows = json.loads((_OWN / "reasons.json").read_text())
    return MappingProxyType(
        {
            type_of(row["reason"]).rpartition("/")[2]: Explanation(
                row["reason"], *REASONS[row["reason"]], row["subject"], row["advice"]
            )
            for row in rows
        }
    )


def page(it: Explanation) -> str:
    """One reason's page."""
    return whole(
        it.title,
        f'<p class="status">{it.status}</p>'
        f"<h1>{escape(it.title)}</h1>"
        f"<p><code>{escape(it.reason)}</code></p>"
        f"<p>{_text(it.advice)}</p>"
        f"{_retry(it.status)}"
        f"{_members(it.members)}"
        '<p class="more"><a href="/problems">All problems</a></p>',
    )


def index(them: Iterable[Explanation]) -> str:
    """The list of all, subject by subject."""
    by_subject: dict[str, list[Explanation]] = {}
    for it in them:
        by_subject.setdefault(it.subject, []).append(it)
    parts = [
        f"<h2>{escape(subject)}</h2><table>{''.join(map(_row, rows))}</table>"
        for subject, rows in by_subject.items()
    ]
    return whole(
        "Problems",
        "<h1>Problems</h1>"
        "<p>Every refusal is <code>application/problem+json</code> (RFC 9457): <code>reason</code>"
        " is stable and for programs, <code>title</code> and <code>detail</code> are for people,"
        " and <code>request_id</code> is what to quote when you ask us.</p>" + "".join(parts),
    )


def _row(it: Explanation) -> str:
    return (
        f'<tr><td class="number">{it.status}</td>'
        f'<td><a href="{it.type}">{escape(it.title)}</a></td>'
        f"<td><code>{escape(it.reason)}</code></td></tr>"
    )


def _retry(status: int) -> str:
    if status not in {429, 503}:
        return ""
    return "<p>The header <code>Retry-After</code> says after how many seconds to try again.</p>"


def _members(members: Mapping[str, str]) -> str:
    if not members:
        return ""
    rows = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{_text(description)}</td></tr>"
        for name, description in members.items()
    )
    return f"<h2>What the problem says besides</h2><table>{rows}</table>"


def _text(advice: str) -> str:
    return _CODE.sub(r"<code>\1</code>", escape(advice))


def whole(title: str, body: str) -> str:
    """A page with that body, which is HTML; `title` is text."""
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(title)} · Parterre</title><style>{_STYLE}</style></head>"
        f"<body><main>{body}</main></body></html>"
    )
