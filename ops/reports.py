"""What the operator's commands print. Each returns the command's exit code (see `verdicts`)."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Coroutine, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, TypeVar

import psycopg
from aio_pika.exceptions import AMQPError
from parterre.messages.v1 import messages_pb2
from rich.console import Console

from ops import dead_letters as letters
from ops import recording, terminal
from ops import timeline as timelines
from ops.fsck import Check, Finding, check_all, clock_of
from ops.terminal import as_text, iso, money, show, show_any
from ops.verdicts import UNKNOWN, WELL, WRONG, untold

T = TypeVar("T")


class _BrokerAwayError(Exception):
    """The broker can't be asked."""


def fsck(
    reader_url: str, amqp_url: str, *, watch: float | None, recorded: bool, as_json: bool
) -> int:
    """Checks I1 to I10, once or every `watch` seconds until interrupted.

    What was found is `recorded` for the operator's page; where it can't be, stderr says so.
    """
    console = terminal.console()
    if watch is not None:
        # A container's first process is not ended by a signal that it does not handle.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    while True:
        began = time.perf_counter()
        try:
            began_at = clock_of(reader_url)
            findings, standby = _findings(reader_url, amqp_url, console, quiet=as_json)
        except (psycopg.Error, _BrokerAwayError) as error:
            code = untold(error)
        else:
            seconds = time.perf_counter() - began
            code = _print_findings(findings, standby, console, as_json=as_json)
            if recorded:
                _record(amqp_url, recording.checked(findings, began_at, seconds))
        if watch is None:
            return code
        try:
            time.sleep(watch)
        except KeyboardInterrupt:
            return WELL


def _record(amqp_url: str, message: messages_pb2.InvariantsChecked) -> None:
    try:
        _ask(recording.record(amqp_url, message))
    except _BrokerAwayError as error:
        terminal.console(stderr=True).print(f"The operator's page is not told: {error}")


def _findings(
    reader_url: str, amqp_url: str, console: Console, *, quiet: bool
) -> tuple[Sequence[Finding], str | None]:
    """What was found, and up to when a standby has followed, where it is one."""
    standby: list[str] = []

    def follows(as_of: datetime | None) -> None:
        standby.append(iso(as_of) if as_of else "before it was started")

    if quiet or not console.is_terminal:
        found = list(check_all(reader_url, on_a_standby=follows))
    else:
        with console.status("") as status:

            def tell(check: Check) -> None:
                status.update(f"{check.invariant} {check.title}")

            found = list(check_all(reader_url, before_each=tell, on_a_standby=follows))
    began = time.perf_counter()
    waiting = {queue: n for queue, n in _ask(letters.counts(amqp_url)).items() if n}
    shown = [{"queue": queue, "letters": n} for queue, n in waiting.items()]
    check = Check("I9", "no message was given up", "")
    found.append(Finding(check, sum(waiting.values()), shown, time.perf_counter() - began))
    return found, next(iter(standby), None)


def _print_findings(
    findings: Sequence[Finding], standby: str | None, console: Console, *, as_json: bool
) -> int:
    violations = sum(finding.violations for finding in findings)
    if as_json:
        rows = [
            {
                "invariant": finding.check.invariant,
                "title": finding.check.title,
                "violations": finding.violations,
                "shown": finding.shown,
                "seconds": round(finding.seconds, 3),
            }
            for finding in findings
        ]
        seen = {"standby_as_of": standby} if standby else {}
        print(as_text({"violations": violations, **seen, "checks": rows}))
    else:
        shown = [
            (
                finding.check.invariant,
                finding.check.title,
                str(finding.violations or "-"),
                f"{finding.seconds:.2f}",
            )
            for finding in findings
        ]
        broken = [bool(finding.violations) for finding in findings]
        columns = ("", "Promise", "Violations", "Seconds")
        show(console, columns, shown, right="  rr", red=broken)
        for finding in findings:
            for row in finding.shown:
                what = ", ".join(f"{name}={value}" for name, value in row.items())
                console.print(f"{finding.check.invariant} {finding.check.title}: {what}")
        if any(finding.shown for finding in findings):
            console.print("Amounts are in minor units.")
        if standby:
            console.print(f"This is a standby, which shows what was written up to {standby}.")
        verdict = f"{violations} violations" if violations else "All of it holds."
        console.print(verdict, style="red" if violations else "green")
    return WRONG if violations else WELL


def timeline(reader_url: str, reference: str, *, as_json: bool) -> int:
    """Prints what happened to one booking."""
    console = terminal.console()
    try:
        found = timelines.timeline_of(reader_url, reference)
    except psycopg.Error as error:
        return untold(error)
    if found is None:
        console.print(f"There is no booking {reference}.", style="red")
        return WRONG
    summary, moments = found
    if as_json:
        moments_as_json = [asdict(moment) for moment in moments]
        print(as_text({**summary, "timeline": moments_as_json}))
        return WELL
    ending = " ".join(filter(None, (summary["state"], summary["reason"])))
    total = money(summary["total"], summary["currency"])
    console.print(f"{summary['reference']} for {summary['title']}: {ending}, {total}")
    for name in ("booking_id", "customer_id", "event_id", "hold_id", "payment_id"):
        console.print(f"  {name} {summary[name]}")
    rows = [(iso(each.at), each.where, each.what, each.detail) for each in moments]
    show(console, ("At", "Where", "What", "Detail"), rows)
    return WELL


def list_dead_letters(amqp_url: str, queue: str | None, *, as_json: bool) -> int:
    """Prints the messages that were given up."""
    console = terminal.console()
    if queue is not None and queue not in letters.queues():
        return _no_such_queue(queue, console)
    try:
        found = _ask(letters.letters(amqp_url, queue=queue))
    except _BrokerAwayError as error:
        return untold(error)
    if as_json:
        print(as_text([asdict(letter) for letter in found]))
        return WELL
    rows = [(each.queue, each.id, each.type.rpartition(".")[2]) for each in found]
    show_any(console, ("Queue", "Message id", "Type"), rows)
    return WELL


def show_dead_letter(amqp_url: str, message_id: str) -> int:
    """Prints one message that was given up, whole."""
    console = terminal.console()
    try:
        found = _ask(letters.letters(amqp_url))
    except _BrokerAwayError as error:
        return untold(error)
    for letter in found:
        if letter.id == message_id:
            print(as_text(asdict(letter), indent=2))
            return WELL
    console.print(f"No dead letter has the id {message_id}.", style="red")
    return WRONG


def replay_dead_letters(amqp_url: str, queue: str, message_ids: Sequence[str] | None) -> int:
    """Sends messages that were given up to their queue again."""
    console = terminal.console()
    if queue not in letters.queues():
        return _no_such_queue(queue, console)
    try:
        sent = _ask(letters.replay(amqp_url, queue, message_ids or None))
    except _BrokerAwayError as error:
        console.print(f"Not all was sent: {error}", style="red")
        return UNKNOWN
    console.print(f"{sent} sent to {queue} again.")
    return WELL if sent or not message_ids else WRONG


def _no_such_queue(queue: str, console: Console) -> int:
    console.print(f"There is no queue {queue}; there are {', '.join(letters.queues())}.")
    return UNKNOWN


def _ask(question: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(question)
    except (AMQPError, OSError, TimeoutError) as error:
        raise _BrokerAwayError(f"the broker did not answer ({error!r})") from error
