"""The whole story, played through the public API; every claim is checked."""

from __future__ import annotations

import json
import os
import secrets
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console

from ops.client import Client, ProblemError
from ops.seed import Account, register
from ops.terminal import iso, money, show

_SHOWN_SECONDS = 5.0
_ENDS_SECONDS = 60.0
_WAIT = 10  # seconds the API itself waits before it answers


class UntrueError(Exception):
    """Something the story claims did not come true."""


def check(claim: str, true: object) -> None:
    """Goes on if the claim is true.

    Raises:
        UntrueError: it is not.
    """
    if not true:
        raise UntrueError(claim)


@dataclass
class Stage:
    """Who plays, and where."""

    run_file: Path
    gateway: str
    event_id: str
    asha: Client
    bikram: Client
    console: Console

    def say(self, line: str) -> None:
        """Tells the audience."""
        self.console.print(f"  {line}")

    def seats_become(self, seat_ids: Sequence[str], status: str) -> bool:
        """Whether the public map shows the seats so; a change is there within a quarter second."""

        def so(body: Any) -> bool:
            shown = {id: status for status, ids in body["taken"].items() for id in ids}
            return {shown.get(id, "AVAILABLE") for id in seat_ids} == {status}

        try:
            self.asha.wait_for(f"/events/{self.event_id}/seats", so, seconds=_SHOWN_SECONDS)
        except TimeoutError:
            return False
        return True

    def hold_best(self, who: Client, quantity: int) -> dict[str, Any]:
        """Holds so many adjacent seats, the best there are."""
        hold: dict[str, Any] = who.post(
            "/holds", {"event_id": self.event_id, "best_available": {"quantity": quantity}}
        )
        return hold

    def book(self, who: Client, hold: dict[str, Any], token: str) -> str:
        """Books a hold with a card; gives the reference."""
        reference: str = who.post(
            "/bookings",
            {"hold_id": hold["id"], "payment_method": "CARD", "payment_token": token},
            key=secrets.token_hex(8),
        )["reference"]
        return reference

    def until(self, who: Client, reference: str, good: Callable[[Any], bool]) -> dict[str, Any]:
        """The booking once `good` says so of it."""
        booking: dict[str, Any] = who.wait_for(
            f"/bookings/{reference}", good, seconds=_ENDS_SECONDS, wait=_WAIT
        )
        return booking

    def until_ended(self, who: Client, reference: str) -> dict[str, Any]:
        """The booking once it has ended, one way or the other."""
        return self.until(who, reference, lambda booking: booking["status"] != "PENDING")

    def until_refused(self, who: Client, reference: str) -> dict[str, Any]:
        """The booking once its card was refused and it waits for another."""
        return self.until(
            who,
            reference,
            lambda booking: (
                booking["status"] == "PENDING" and booking["payment"]["status"] == "FAILED"
            ),
        )

    def mail_about(self, who: Client, reference: str) -> dict[str, Any]:
        """The newest mail about a booking, in the local mailbox; it takes a second at most.

        Raises:
            TimeoutError: none came.
        """
        page: dict[str, Any] = who.wait_for(
            "/dev/mailbox",
            lambda page: any(reference in mail["body"] for mail in page["items"]),
            seconds=_SHOWN_SECONDS,
            to=who.get("/auth/me")["email"],
        )
        found: dict[str, Any] = next(mail for mail in page["items"] if reference in mail["body"])
        return found

    def show_timeline(self, who: Client, reference: str) -> None:
        """Prints every step of a booking."""
        rows = [
            (
                iso(datetime.fromisoformat(entry["at"])),
                entry["state"],
                entry["step"],
                entry["outcome"],
                str(entry["attempt"]),
                entry["detail"] or "",
            )
            for entry in who.get(f"/bookings/{reference}/timeline")["items"]
        ]
        self.say(f"{reference}:")
        show(self.console, ("At", "State", "Step", "Outcome", "Try", "Detail"), rows)


def seats_of(hold: dict[str, Any]) -> list[str]:
    """The ids of the seats a hold has."""
    return [line["seat_id"] for line in hold["lines"] if line["seat_id"]]


def buys_two_adjacent_seats(stage: Stage) -> None:
    """A customer buys two adjacent seats and is shown the tickets."""
    hold = stage.hold_best(stage.asha, 2)
    first, second = hold["lines"]
    check("both seats are in one row", first["row"] == second["row"])
    check("they are neighbours", abs(int(first["number"]) - int(second["number"])) == 1)
    reference = stage.book(stage.asha, hold, "tok_ok")
    booking = stage.until_ended(stage.asha, reference)
    check("the booking is confirmed", booking["status"] == "CONFIRMED")
    total = booking["price"]["total"]
    stage.say(f"{reference}: {money(total['amount'], total['currency'])} paid.")
    tickets = stage.asha.get(f"/bookings/{reference}/tickets")
    check("there is a ticket for each seat", len(tickets) == 2)
    check("the seats are sold", stage.seats_become(seats_of(hold), "SOLD"))
    mail = stage.mail_about(stage.asha, reference)
    check("the tickets come by mail", f"{reference}.pdf" in mail["attachments"])
    for ticket in tickets:
        stage.say(
            f"{ticket['section']}, row {ticket['row']}, seat {ticket['number']}:"
            f" {ticket['status']}, {ticket['token'][:32]}..."
        )
    stage.show_timeline(stage.asha, reference)


def tries_another_card(stage: Stage) -> None:
    """A declined card leaves the seats with the customer, who tries another and gets the ticket."""
    hold = stage.hold_best(stage.bikram, 2)
    reference = stage.book(stage.bikram, hold, "tok_declined")
    booking = stage.until_refused(stage.bikram, reference)
    check("the seats are still theirs", stage.seats_become(seats_of(hold), "HELD"))
    stage.say(f"{reference}: the first card was declined; the seats stay.")
    stage.bikram.post(
        "/payments",
        {"booking_reference": reference, "method": "CARD", "payment_token": "tok_ok"},
        key=secrets.token_hex(8),
    )
    booking = stage.until_ended(stage.bikram, reference)
    check("the second card confirms it", booking["status"] == "CONFIRMED")
    tickets = stage.bikram.get(f"/bookings/{reference}/tickets")
    check("there are two tickets", len(tickets) == 2)
    stage.show_timeline(stage.bikram, reference)


def gives_up(stage: Stage) -> None:
    """Another gives up after a declined card, and the seats are free at once."""
    hold = stage.hold_best(stage.bikram, 2)
    reference = stage.book(stage.bikram, hold, "tok_declined")
    stage.until_refused(stage.bikram, reference)
    stage.bikram.post(f"/bookings/{reference}/cancel", key=secrets.token_hex(8))
    booking = stage.until_ended(stage.bikram, reference)
    check("the booking ended without a ticket", booking["status"] == "FAILED")
    check("the seats are free", stage.seats_become(seats_of(hold), "AVAILABLE"))
    again = stage.asha.post("/holds", {"event_id": stage.event_id, "seat_ids": seats_of(hold)})
    stage.say("The seats are free at once: somebody else holds them already.")
    stage.asha.delete(f"/holds/{again['id']}")
    stage.show_timeline(stage.bikram, reference)


def race_for_one_seat(stage: Stage) -> None:
    """Two customers race for one seat, and exactly one gets it."""
    probe = stage.hold_best(stage.asha, 1)
    stage.asha.delete(f"/holds/{probe['id']}")
    wanted = {"event_id": stage.event_id, "seat_ids": seats_of(probe)}

    def try_for_it(who: Client) -> tuple[Client, dict[str, Any] | ProblemError]:
        try:
            return who, who.post("/holds", wanted)
        except ProblemError as error:
            return who, error

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(try_for_it, (stage.asha, stage.bikram)))
    won = [(who, hold) for who, hold in outcomes if isinstance(hold, dict)]
    lost = [error for _, error in outcomes if isinstance(error, ProblemError)]
    check("exactly one has it", len(won) == 1)
    check("the other was told", [error.reason for error in lost] == ["SEATS_UNAVAILABLE"])
    winner, hold = won[0]
    stage.say(f"{'Asha' if winner is stage.asha else 'Bikram'} was faster; the other got a 409.")
    reference = stage.book(winner, hold, "tok_ok")
    check("the winner buys it", stage.until_ended(winner, reference)["status"] == "CONFIRMED")
    stage.show_timeline(winner, reference)


def survives_a_crash(stage: Stage) -> None:
    """The booking service is killed while a payment runs, restarts, and the booking ends well."""
    hold = stage.hold_best(stage.asha, 2)
    reference = stage.book(stage.asha, hold, "tok_slow")
    pid = json.loads(stage.run_file.read_text())["pids"]["booking"]
    stage.asha.wait_for(
        f"/bookings/{reference}/timeline",
        lambda page: page["items"][-1]["state"] == "CHARGING",
        seconds=_ENDS_SECONDS,
    )
    os.kill(pid, signal.SIGKILL)
    stage.say(f"{reference}: the booking service (process {pid}) was killed while it was paid.")
    booking = stage.until_ended(stage.asha, reference)
    check("the booking ended well", booking["status"] == "CONFIRMED")
    back = json.loads(stage.run_file.read_text())["pids"]["booking"]
    check("the service was started again", back != pid)
    stage.say(f"It runs again (process {back}), and the booking is confirmed.")
    stage.show_timeline(stage.asha, reference)


STORIES: tuple[Callable[[Stage], None], ...] = (
    buys_two_adjacent_seats,
    tries_another_card,
    gives_up,
    race_for_one_seat,
    survives_a_crash,
)


# Those that nobody has to be near the processes for.
FROM_AFAR = tuple(story for story in STORIES if story is not survives_a_crash)


def play(
    run_file: Path, console: Console, stories: Sequence[Callable[[Stage], None]] = STORIES
) -> int:
    """Plays the stories on the system `run_file` speaks of; 0 only if all of it came true."""
    failures = 0
    with stage_for(run_file, console) as stage:
        for number, story in enumerate(stories, start=1):
            console.print(f"{number}. {story.__doc__}", style="bold")
            try:
                story(stage)
            except (UntrueError, ProblemError, TimeoutError, httpx.HTTPError) as error:
                failures += 1
                console.print(f"  Not so: {error!r}", style="red")
            else:
                console.print("  It came true.\n", style="green")
    if failures:
        console.print(f"{failures} of {len(stories)} stories failed.", style="red")
    else:
        console.print(f"All {len(stories)} stories came true.", style="bold green")
    return 1 if failures else 0


@contextmanager
def stage_for(run_file: Path, console: Console) -> Iterator[Stage]:
    """Two fresh customers in front of the first seated event."""
    run = json.loads(run_file.read_text())
    event = next(event for event in run["events"] if event["kind"] == "SEATED")
    with ExitStack() as stack:

        def customer(name: str) -> Client:
            # New people each time: a person may buy only so many seats of one event.
            email = f"{name}.{secrets.token_hex(4)}@parterre.example"
            account = Account("CUSTOMER", email, secrets.token_urlsafe(12))
            client = stack.enter_context(Client(run["gateway"]))
            register(client, account)
            return client.log_in(account.email, account.password)

        asha, bikram = customer("asha"), customer("bikram")
        yield Stage(run_file, run["gateway"], event["id"], asha, bikram, console)
