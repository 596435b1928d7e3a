"""Writes the pages of docs/ that are made from the code: `python -m ops.diagrams [--check]`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from booking_service.saga import (
    ALERT_AFTER_RESENDS,
    ENDINGS,
    TABLE,
    Happening,
    Rule,
    State,
)
from notification_service.domain import KINDS, Lane
from ops.metrics import metrics_page

_DOCS = Path(__file__).parents[1] / "docs"
# What stands between these on a page is made from the code.
_FROM, _TO = "<!-- from here on: made by `make docs` -->\n", "<!-- up to here -->\n"
_INTRODUCTION = f"""\
# The saga of a booking

Made from `booking_service/saga/table.py` by `make docs`; `make check` fails when it is stale.

A booking goes from a hold to tickets, or back without keeping anything. Each state asks something
of inventory or payment and waits for the answer. The seats are reserved first, by RPC, before the
booking is written: a booking that is new is seen from CHARGING on, or from CONFIRMED where nothing
is to pay. The charge decides; what follows it can't be refused. A deadline means *unknown*, never
*failed*: whatever may be in flight is given back too. A step back has no failure edge. What has to
be done is sent again, after 2 s, doubling to a minute, until it is answered; after
{ALERT_AFTER_RESENDS} times an operator is called. What is not listed for a state is ignored, and
noted in the booking's timeline. Why the steps come in this order is in
[ADR 0018](adr/0018-reserve-charge-confirm-sell.md).
"""


_SENT = {
    Lane.URGENT: "at once, past all others",
    Lane.USUAL: "at once",
    Lane.MANY: "paced, in slices",
}


def saga_page() -> str:
    """docs/saga.md, whole."""
    return "\n".join([_INTRODUCTION, *_diagram(), "", *_table(), ""])


def _diagram() -> Iterator[str]:
    yield "```mermaid"
    yield "stateDiagram-v2"
    yield f"    [*] --> {State.SECURING}"
    for state, row in TABLE.items():
        # One arrow for all that leads the same way.
        arrows: dict[State, list[str]] = {}
        for happening, rules in row.on.items():
            for rule in rules:
                if rule.to:
                    arrows.setdefault(rule.to, []).append(_label(happening, rule))
        for to, labels in arrows.items():
            yield f"    {state} --> {to}: {', '.join(labels)}"
    for state in State:
        if state in ENDINGS:
            yield f"    {state} --> [*]"
    yield "```"


def _label(happening: Happening, rule: Rule) -> str:
    return f"{happening} ({rule.when})" if rule.when else happening.value


def _table() -> Iterator[str]:
    yield "| state | asks | waits | what happens |"
    yield "|---|---|---|---|"
    for state, row in TABLE.items():
        told = [f"{happening}: {_told(rules)}" for happening, rules in row.on.items()]
        asks = row.asks.name if row.asks else "-"
        yield f"| {state} | {asks} | {row.waits} | {'<br>'.join(told) or '-'} |"


def _told(rules: Sequence[Rule]) -> str:
    return "; ".join(f"{_effect(rule)}{f' if {rule.when}' if rule.when else ''}" for rule in rules)


def _effect(rule: Rule) -> str:
    if rule.refuse:
        return f"refused, {rule.refuse}"
    if rule.send_again:
        return "sends again"
    if rule.answered:
        return "stays, and waits no more"
    if rule.gives_up:
        return "stays, and ends as given up"
    return f"→ {rule.to}" if rule.to else "stays"


def notifications_page() -> str:
    """docs/notifications.md, whole: as it is, with its table anew."""
    before, rest = (_DOCS / "notifications.md").read_text().split(_FROM)
    _old, after = rest.split(_TO)
    return "".join([before, _FROM, *(f"{line}\n" for line in _facts()), _TO, after])


def _facts() -> Iterator[str]:
    """Every fact that people are told, and how."""
    yield "| fact | kind | tells | by mail | the mail can be switched off | in the app |"
    yield "|---|---|---|---|---|---|"
    for kind in KINDS.values():
        off = "no" if kind.is_essential else "yes"
        app = "yes" if kind.in_app else "no"
        yield (
            f"| {kind.fact} | `{kind.name}` | {kind.tells} | {_SENT[kind.lane]} | {off} | {app} |"
        )


def main() -> None:
    """Writes the pages; under --check only compares them, and exits with 1 where one is stale."""
    parser = argparse.ArgumentParser(prog="ops.diagrams", description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say whether they are current")
    check = parser.parse_args().check
    pages = {
        "saga.md": saga_page(),
        "notifications.md": notifications_page(),
        "metrics.md": metrics_page(),
    }
    for name, page in pages.items():
        file = _DOCS / name
        if not check:
            file.write_text(page)
        elif not file.exists() or file.read_text() != page:
            sys.exit(f"docs/{name} is stale: run make docs")


if __name__ == "__main__":
    main()
