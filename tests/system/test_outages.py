"""What customers see while a database, the broker or a service is away, and how soon all is well.

Everything that processes say to the database and the broker, and a gateway to the services, goes
through links that can be cut or go silent. `make outages` keeps what was measured of a commit, and
writes it into docs/reliability.md once all of it is there, from one run or from several.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import make_url

from deploy.local import read_run
from deploy.plan import SERVICES
from deploy.postgres import Postgres
from deploy.rabbitmq import RabbitMQ
from ops.client import Client
from ops.fsck import check_all
from ops.seed import Account, newest_code, register

from .beside import beside
from .conftest import Breakable, new_system
from .link import FarLink, Link, can_be_far
from .patience import publish_an_event, somebody, tickets_of, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reliability.md"
BEGINS, ENDS = "<!-- outages -->\n", "<!-- /outages -->\n"
AWAY = ("database", "broker", *SERVICES)
# How long something is away; a silence must outlast what finds it out.
AWAY_SECONDS: Mapping[str, float] = {"cut": 8.0, "silent": 35.0}
# What is promised, whatever is away.
SLOWEST_SECONDS = 6.5
WELL_SECONDS = 30.0
_STABLE_SECONDS = 2.0
_PAUSE_SECONDS = 0.25
_CLIENT_SECONDS = 60.0
# What is begun at once, and may end when all is well again.
_MAY_WAIT = ("a code by mail", "a purchase")
# What took no longer than this was only under way when the fault ended.
_UNDER_WAY_SECONDS = 2.0


@dataclass(frozen=True)
class Answer:
    """What one request, or one purchase from hold to confirmation, came to."""

    sent: float
    seconds: float
    status: int
    reason: str = ""
    retry_after: str | None = None


@dataclass
class Asked:
    """What somebody does again and again, and what became of it."""

    what: str
    answers: list[Answer] = field(default_factory=list)

    def between(self, begin: float, end: float) -> Sequence[Answer]:
        return [each for each in self.answers if begin <= each.sent < end]


class House:
    """A system whose every tie can be cut, with a gateway in front of all of them."""

    def __init__(self, system: Breakable, gateway: str, links: Mapping[str, Link]) -> None:
        self.system = system
        self.gateway = gateway
        self.links = links


def behind(url: str, link: Link) -> str:
    """The address of a server, by way of the link."""
    host, _, port = link.address.rpartition(":")
    return make_url(url).set(host=host, port=int(port)).render_as_string(hide_password=False)


def port_of(address: str) -> int:
    return int(address.rpartition(":")[2])


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("outages")
    made = new_system(folder)
    made.home.mkdir(mode=0o700)
    link = FarLink if can_be_far() else Link
    with ExitStack() as stack:
        postgres = stack.enter_context(Postgres(made.home / "postgres"))
        rabbitmq = stack.enter_context(RabbitMQ(made.home / "rabbitmq"))
        links = {
            "database": stack.enter_context(link(postgres.port)),
            "broker": stack.enter_context(link(rabbitmq.port)),
        }
        environment = {
            **made.environment,
            "DATABASE_URL": behind(postgres.admin_url, links["database"]),
            "AMQP_URL": behind(rabbitmq.url, links["broker"]),
        }
        system = Breakable(made.home, environment, folder)
        up = system.command("up", "--detach")
        assert up.returncode == 0, up.stdout + up.stderr
        stack.callback(_down, system)
        for name in SERVICES:
            links[name] = stack.enter_context(link(port_of(system.run["rpc"][name])))
        # Of the calls between services the one that a purchase needs goes through a link, too.
        booking = stack.enter_context(
            beside(
                system,
                "booking",
                otherwise={"BOOKING_INVENTORY_ADDRESS": links["inventory"].address},
            )
        )
        links["booking"] = stack.enter_context(link(port_of(booking.address)))
        addresses = {f"GATEWAY_{name.upper()}_ADDRESS": links[name].address for name in SERVICES}
        gateway = stack.enter_context(beside(system, "gateway", otherwise=addresses))
        yield House(system, gateway.gateway, links)


def _down(system: Breakable) -> None:
    if read_run(system.home):
        down = system.command("down")
        assert down.returncode == 0, down.stdout + down.stderr


class Visitor:
    """Somebody who does one thing again and again, with an account of their own."""

    def __init__(self, house: House, event: Mapping[str, Any]) -> None:
        email = f"{secrets.token_hex(6)}@parterre.example"
        self.account = Account("CUSTOMER", email, secrets.token_urlsafe(12))
        self.client = Client(house.gateway)
        register(self.client, self.account)
        self.client.log_in(self.account.email, self.account.password)
        self.event = event
        self.key = secrets.token_hex(8)
        self.held: str | None = None  # what is to be booked
        self.mailbox = Client(house.system.gateway)  # which has all that is away
        self.http = self.client._http
        self.http.timeout = httpx.Timeout(_CLIENT_SECONDS)

    def ask(self, method: str, path: str, body: Any = None, key: str = "") -> httpx.Response:
        headers = {"Idempotency-Key": key} if key else {}
        return self.http.request(method, f"/api/v1{path}", json=body, headers=headers)

    def get(self, path: str) -> httpx.Response:
        return self.ask("GET", path)

    def log_in(self) -> httpx.Response:
        return self.ask(
            "POST",
            "/auth/login",
            {"email": self.account.email, "password": self.account.password},
        )

    def ask_for_a_code(self) -> httpx.Response:
        """The answer, once the mail is there."""
        email = f"{secrets.token_hex(6)}@parterre.example"
        answer = self.ask("POST", "/auth/otp", {"email": email, "purpose": "REGISTER"})
        if answer.is_success:
            newest_code(self.mailbox, email, seconds=_CLIENT_SECONDS)
        return answer

    def hold(self) -> httpx.Response:
        answer = self._hold()
        if answer.status_code == httpx.codes.CREATED:
            self.ask("DELETE", f"/holds/{answer.json()['id']}")
        return answer

    def _hold(self) -> httpx.Response:
        """As a good client: with the same key until the answer is known."""
        answer = self.ask("POST", "/holds", tickets_of(dict(self.event)), self.key)
        if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
            self.key = secrets.token_hex(8)
        return answer

    def buy(self) -> httpx.Response:
        """The answer of the step that is refused, else of the purchase, once confirmed.

        What was refused is where the next one goes on.
        """
        answer: httpx.Response | None = None
        if self.held is None:
            answer = self._hold()
            if answer.is_error:
                return answer
            self.held = answer.json()["id"]
        card = {"payment_method": "CARD", "payment_token": "tok_ok"}
        answer = self.ask("POST", "/bookings", {"hold_id": self.held, **card}, self.held)
        if answer.is_error:
            return answer
        self.held = None
        while answer.is_success and answer.json()["status"] == "PENDING":
            time.sleep(0.1)
            answer = self.get(f"/bookings/{answer.json()['reference']}")
        return answer


def doings(event: Mapping[str, Any]) -> Mapping[str, Callable[[Visitor], httpx.Response]]:
    """What customers do, in the order of the page."""
    id = event["id"]
    return {
        "events": lambda who: who.get("/events?limit=10"),
        "an event": lambda who: who.get(f"/events/{id}"),
        "its seats": lambda who: who.get(f"/events/{id}/seats"),
        "logging in": Visitor.log_in,
        "a code by mail": Visitor.ask_for_a_code,
        "one's account": lambda who: who.get("/auth/me"),
        "one's bookings": lambda who: who.get("/bookings"),
        "notices": lambda who: who.get("/notifications"),
        "a hold": Visitor.hold,
        "a purchase": Visitor.buy,
    }


@pytest.fixture
def event(house: House) -> dict[str, Any]:
    with somebody(house.system.gateway, "ORGANIZER") as organizer:
        return publish_an_event(
            organizer,
            max_per_customer=100,
            tiers=[{"name": "Floor", "price": 50_000, "capacity": 10_000}],
        )


@pytest.fixture
def visitors(house: House, event: dict[str, Any]) -> Iterator[Mapping[str, Visitor]]:
    made = {what: Visitor(house, event) for what in doings(event)}
    yield made
    for visitor in made.values():
        visitor.http.close()
        visitor.mailbox.__exit__()


@contextmanager
def crowd(
    event: Mapping[str, Any], visitors: Mapping[str, Visitor]
) -> Iterator[Mapping[str, Asked]]:
    """Everything is asked for again and again until the block ends."""
    asked = {what: Asked(what) for what in visitors}
    over = threading.Event()

    def go_on(what: str, do: Callable[[Visitor], httpx.Response]) -> None:
        while not over.is_set():
            sent = time.monotonic()
            answer = do(visitors[what])
            problem = answer.json() if answer.is_error else {}
            asked[what].answers.append(
                Answer(
                    sent,
                    time.monotonic() - sent,
                    answer.status_code,
                    problem.get("reason", ""),
                    answer.headers.get("Retry-After"),
                )
            )
            time.sleep(_PAUSE_SECONDS * (4 if what in _MAY_WAIT else 1))

    with ThreadPoolExecutor(len(asked)) as pool:
        running = [pool.submit(go_on, what, do) for what, do in doings(event).items()]
        try:
            yield asked
        finally:
            over.set()
        for each in running:
            each.result(2 * _CLIENT_SECONDS)


@dataclass(frozen=True)
class Measured:
    """A row of the page."""

    away: str
    how: str
    answered: Sequence[str]
    refused: Sequence[str]
    refusals: Sequence[str]
    slowest_seconds: float
    waits: Sequence[str]  # what was begun, and ended once all was well
    well_seconds: float

    def row(self) -> str:
        cells = [
            self.away,
            self.how,
            ", ".join(self.answered) or "-",
            ", ".join(self.refused) or "-",
            ", ".join(self.refusals) or "-",
            f"{self.slowest_seconds:.1f} s",
            f"{self.well_seconds:.1f} s",
        ]
        return f"| {' | '.join(cells)} |\n"


def measured(
    away: str, how: str, asked: Mapping[str, Asked], began: float, ended: float
) -> Measured:
    """What was seen of something that was away from `began` to `ended`."""
    answered, refused, waits = [], [], []
    refusals: set[str] = set()
    slowest, well = 0.0, 0.0
    for what, each in asked.items():
        meanwhile = each.between(began, ended)
        bad = [answer for answer in each.answers if answer.status >= 400]
        refusals |= {
            f"{answer.status} `{answer.reason}` ({answer.retry_after or 'no Retry-After'})"
            for answer in bad
        }
        if what in _MAY_WAIT and any(
            answer.sent + answer.seconds > ended
            and answer.seconds > _UNDER_WAY_SECONDS
            and answer.status < 400
            for answer in meanwhile
        ):
            waits.append(what)
        else:
            slowest = max([slowest, *(answer.seconds for answer in meanwhile)])
        if any(answer.status >= 400 for answer in meanwhile):
            refused.append(what)
        elif what in waits:
            refused.append(f"{what} (waits)")
        else:
            answered.append(what)
        for answer in each.answers:
            done = answer.sent + answer.seconds
            if done > ended and (answer.status >= 400 or answer.sent < ended):
                well = max(well, done - ended)
    return Measured(away, how, answered, refused, sorted(refusals), slowest, waits, well)


def keep(found: Measured) -> None:
    """Keeps a row with those of the same commit, and writes the page once all are there."""
    told = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
    commit = subprocess.run(told, check=True, capture_output=True, text=True).stdout.strip()
    file = ROOT / ".cache" / "outages" / f"{commit}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    kept = json.loads(file.read_text()) if file.exists() else {}
    kept[f"{found.away} {found.how}"] = asdict(found)
    file.write_text(json.dumps(kept))
    wanted = [f"{away} {how}" for away in AWAY for how in AWAY_SECONDS]
    lacking = [each for each in wanted if each not in kept]
    if lacking:
        sys.stdout.write(f"Not measured at this commit yet: {', '.join(lacking)}\n")
    else:
        write([Measured(**kept[each]) for each in wanted])


def write(rows: Sequence[Measured]) -> None:
    head, _, rest = PAGE.read_text().partition(BEGINS)
    _, _, tail = rest.partition(ENDS)
    table = (
        "| away | how | still answered | refused | with | slowest answer | all is well after |\n"
        "|---|---|---|---|---|--:|--:|\n" + "".join(row.row() for row in rows)
    )
    PAGE.write_text(f"{head}{BEGINS}{table}{ENDS}{tail}")


@pytest.mark.parametrize("how", AWAY_SECONDS)
@pytest.mark.parametrize("away", AWAY)
def test_while_it_is_away_everybody_is_answered_in_time_and_after_it_all_is_well(
    house: House,
    event: dict[str, Any],
    visitors: Mapping[str, Visitor],
    capsys: pytest.CaptureFixture[str],
    away: str,
    how: str,
) -> None:
    with crowd(event, visitors) as asked:
        until(lambda: all(answered_well(each) for each in asked.values()))
        link = house.links[away]
        with link.cut() if how == "cut" else link.silent():
            began = time.monotonic()
            time.sleep(AWAY_SECONDS[how])
            ended = time.monotonic()
        until(lambda: time.monotonic() > ended + _STABLE_SECONDS
              and all(stable(each, ended) for each in asked.values()))  # fmt: skip
    found = measured(away, how, asked, began, ended)
    with capsys.disabled():
        sys.stdout.write(f"\n{found.row()}")
    for each in asked.values():
        wrong = [
            answer
            for answer in each.answers
            if answer.status >= 400 and not (answer.status == 503 and answer.retry_after)
        ]
        assert (each.what, wrong) == (each.what, [])
    assert found.slowest_seconds < SLOWEST_SECONDS
    assert found.well_seconds < WELL_SECONDS
    wrongs = check_all(house.system.run["database"]["reader"])
    assert [(one.check.title, one.shown) for one in wrongs if one.violations] == []
    if os.environ.get("RECORD_OUTAGES"):
        with capsys.disabled():
            keep(found)


def answered_well(asked: Asked) -> bool:
    return bool(asked.answers) and asked.answers[-1].status < 400


def stable(asked: Asked, since: float) -> bool:
    """Whether nothing has been refused for a while."""
    recent = [each for each in asked.answers if each.sent > max(since, time.monotonic() - 5)]
    return len(recent) >= 2 and all(each.status < 400 for each in recent[-4:])
