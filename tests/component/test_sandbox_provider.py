"""The sandbox provider as a merchant meets it: the real process, over HTTP alone."""

import asyncio
import json
import os
import re
import signal
import socket
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import httpx
import pytest
from cryptography.hazmat.primitives import hashes, hmac

from payment_service.sandbox.webhooks import pause_seconds

API_KEY = "sk_sandbox_test_canary"
WEBHOOK_SECRET = "whsec_test_canary"
SHOP = "https://shop.example/return?order=7"


# --- the process, and a merchant's end of the webhooks ---------------------------------------


TAKEN = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
OVERLOADED = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"


@dataclass
class Receiver:
    """Answers webhooks with `answer`, nothing cuts the connection, and keeps what came."""

    url: str = ""
    answer: bytes = TAKEN
    received: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = {
                    name.lower(): value for name, _, value in (h.partition(": ") for h in head[1:])
                }
                body = await reader.readexactly(int(headers["content-length"]))
                async with self._news:
                    self.received.append((headers, body))
                    self._news.notify_all()
                if not self.answer:
                    return
                writer.write(self.answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def events(self, charge_id: str) -> list[dict[str, Any]]:
        events = [json.loads(body) for _, body in self.received]
        return [event for event in events if event["data"]["charge_id"] == charge_id]

    def statuses(self, charge_id: str) -> list[str]:
        return [event["data"]["status"] for event in self.events(charge_id)]

    async def until(self, happened: Callable[[], bool]) -> None:
        async with asyncio.timeout(20), self._news:
            await self._news.wait_for(happened)


@dataclass
class Sandbox:
    process: asyncio.subprocess.Process
    http: httpx.AsyncClient
    log: Path

    async def charge(
        self, token: str | None = "tok_ok", *, key: str | None = None, **fields: Any
    ) -> httpx.Response:
        body = {"amount": 1000, "currency": "NPR", "method": "CARD", "reference": "booking"}
        body |= {"token": token} if token else {}
        return await self.post("/v1/charges", body | fields, key=key or uuid4().hex)

    async def wallet(self, method: str = "KHALTI", **fields: Any) -> dict[str, Any]:
        response = await self.charge(None, method=method, **fields)
        assert response.status_code == 201, response.text
        return dict(response.json())

    async def captured(self, amount: int = 1000) -> str:
        charge_id = (await self.charge(amount=amount)).json()["id"]
        assert (await self.post(f"/v1/charges/{charge_id}/capture")).status_code == 200
        return str(charge_id)

    async def post(
        self, path: str, body: object = None, *, key: str | None = None
    ) -> httpx.Response:
        headers = {"Idempotency-Key": key} if key else {}
        return await self.http.post(path, json={} if body is None else body, headers=headers)

    async def refund(self, charge_id: str, amount: int, key: str) -> httpx.Response:
        return await self.post(f"/v1/charges/{charge_id}/refunds", {"amount": amount}, key=key)

    async def get(self, charge_id: str) -> dict[str, Any]:
        response = await self.http.get(f"/v1/charges/{charge_id}")
        assert response.status_code == 200, response.text
        return dict(response.json())

    async def by_key(self, key: str) -> list[dict[str, Any]]:
        response = await self.http.get("/v1/charges", params={"idempotency_key": key})
        assert response.status_code == 200, response.text
        return list(response.json()["items"])

    async def choose(self, action_url: str, action: str) -> httpx.Response:
        async with httpx.AsyncClient(trust_env=False) as browser:
            return await browser.post(action_url, data={"action": action})

    async def logged(self, event: str) -> None:
        give_up = time.monotonic() + 20
        while f'"{event}"' not in self.log.read_text():
            assert time.monotonic() < give_up, f"never logged: {event}"
            await asyncio.sleep(0.02)

    async def fault(self, mode: str, **fields: int) -> None:
        response = await self.http.put("/v1/faults", json={"mode": mode} | fields)
        assert response.status_code == 200, response.text


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def running(
    database: Path, *, webhook_url: str = "", **settings: str
) -> AsyncIterator[Sandbox]:
    port = free_port()
    log = database.with_suffix(f".{port}.log")
    environment = {
        "SANDBOX_PORT": str(port),
        "SANDBOX_DATABASE": str(database),
        "SANDBOX_API_KEY": API_KEY,
        "SANDBOX_WEBHOOK_URL": webhook_url,
        "SANDBOX_WEBHOOK_SECRET": WEBHOOK_SECRET,
        **settings,
    }
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "payment_service.sandbox",
            env={k: v for k, v in os.environ.items() if not k.startswith("SANDBOX_")} | environment,
            stdout=output,
            stderr=output,
        )
    client = httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}",
        headers={"Authorization": f"Bearer {API_KEY}"},
        timeout=20,
        trust_env=False,
    )
    try:
        async with client:
            await answers(client, process, log)
            yield Sandbox(process, client, log)
    finally:
        if process.returncode is None:
            process.terminate()
            await asyncio.wait_for(process.wait(), 20)


async def answers(
    client: httpx.AsyncClient, process: asyncio.subprocess.Process, log: Path
) -> None:
    give_up = time.monotonic() + 30
    while time.monotonic() < give_up and process.returncode is None:
        try:
            if (await client.get("/healthz")).status_code == 200:
                return
        except httpx.TransportError:
            await asyncio.sleep(0.05)
    pytest.fail(f"the sandbox does not answer: {process.returncode}, {log}")


@pytest.fixture(scope="module")
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    async with server:
        yield receiver


@pytest.fixture(scope="module")
async def sandbox(
    tmp_path_factory: pytest.TempPathFactory, receiver: Receiver
) -> AsyncIterator[Sandbox]:
    database = tmp_path_factory.mktemp("sandbox") / "sandbox.db"
    async with running(
        database, webhook_url=receiver.url, SANDBOX_WEBHOOK_LATE_SECONDS="0.5"
    ) as sandbox:
        yield sandbox


@pytest.fixture
async def faulty(sandbox: Sandbox) -> AsyncIterator[Sandbox]:
    yield sandbox
    await sandbox.fault("none")


def code(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


# --- card tokens -----------------------------------------------------------------------------


async def test_it_is_measured_from_the_start_for_whoever_has_the_key(sandbox: Sandbox) -> None:
    labels = 'method="GET",route="/v1/balance",status="2xx"'
    before = (await sandbox.http.get("/metrics")).text
    await sandbox.http.get("/v1/balance")
    after = (await sandbox.http.get("/metrics")).text

    assert f"parterre_sandbox_answers_total{{{labels}}} 0.0" in before
    assert f"parterre_sandbox_answers_total{{{labels}}} 1.0" in after
    assert len(after) < 50_000
    nobodys = await sandbox.http.get("/metrics", headers={"Authorization": "Bearer wrong"})
    assert nobodys.status_code == 401


async def test_a_good_card_is_authorized_then_captured_once(sandbox: Sandbox) -> None:
    made = await sandbox.charge(reference="PT-1", key="good-card")
    assert made.status_code == 201
    charge = made.json()
    assert re.fullmatch(r"ch_[0-9a-f]{24}", charge["id"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", charge["created_at"])
    assert charge == {
        "id": charge["id"],
        "idempotency_key": "good-card",
        "reference": "PT-1",
        "amount": 1000,
        "currency": "NPR",
        "method": "CARD",
        "status": "AUTHORIZED",
        "captured_amount": 0,
        "refunded_amount": 0,
        "decline_code": None,
        "action_url": None,
        "created_at": charge["created_at"],
        "refunds": [],
    }
    first, second = [await sandbox.post(f"/v1/charges/{charge['id']}/capture") for _ in range(2)]
    assert first.status_code == second.status_code == 200
    assert first.json() == second.json() == await sandbox.get(charge["id"])
    assert (first.json()["status"], first.json()["captured_amount"]) == ("CAPTURED", 1000)


@pytest.mark.parametrize(
    ("token", "decline_code"),
    [("tok_declined", "card_declined"), ("tok_insufficient_funds", "insufficient_funds")],
)
async def test_a_declined_card_says_why_and_takes_nothing(
    sandbox: Sandbox, token: str, decline_code: str
) -> None:
    made = await sandbox.charge(token)
    assert made.status_code == 201
    charge = made.json()
    assert (charge["status"], charge["decline_code"]) == ("DECLINED", decline_code)
    for step in ("capture", "void"):
        refused = await sandbox.post(f"/v1/charges/{charge['id']}/{step}")
        assert code(refused) == (409, "invalid_state")


async def unanswered(sandbox: Sandbox, token: str, key: str) -> None:
    body = {"amount": 1000, "currency": "NPR", "method": "CARD", "reference": "booking"}
    with pytest.raises(httpx.ReadTimeout):
        await sandbox.http.post(
            "/v1/charges",
            json=body | {"token": token},
            headers={"Idempotency-Key": key},
            timeout=0.5,
        )


async def test_a_slow_card_keeps_the_caller_waiting_and_is_authorized(sandbox: Sandbox) -> None:
    await unanswered(sandbox, "tok_slow", uuid4().hex)
    answer = await sandbox.charge("tok_slow")
    assert (answer.status_code, answer.json()["status"]) == (201, "AUTHORIZED")


async def test_a_charge_whose_answer_is_lost_is_found_by_look_up_and_by_the_same_key(
    sandbox: Sandbox,
) -> None:
    key = uuid4().hex
    await unanswered(sandbox, "tok_timeout_charged", key)
    (found,) = await sandbox.by_key(key)
    assert found["status"] == "AUTHORIZED"
    again = await sandbox.charge("tok_timeout_charged", key=key)
    assert (again.status_code, again.json()) == (200, found)
    assert again.headers["idempotent-replayed"] == "true"


async def test_a_charge_that_never_arrived_is_not_found_however_often_it_is_tried(
    sandbox: Sandbox,
) -> None:
    key = uuid4().hex
    for _ in range(2):
        await unanswered(sandbox, "tok_timeout_not_charged", key)
        assert await sandbox.by_key(key) == []


async def test_an_error_once_records_nothing_and_the_same_key_succeeds(sandbox: Sandbox) -> None:
    key = uuid4().hex
    assert code(await sandbox.charge("tok_error_500_once", key=key)) == (500, "internal")
    assert await sandbox.by_key(key) == []
    second = await sandbox.charge("tok_error_500_once", key=key)
    assert (second.status_code, second.json()["status"]) == (201, "AUTHORIZED")


async def test_a_capture_that_fails_leaves_a_hold_to_void(sandbox: Sandbox) -> None:
    charge_id = (await sandbox.charge("tok_capture_fails")).json()["id"]
    for _ in range(2):
        failed = await sandbox.post(f"/v1/charges/{charge_id}/capture")
        assert code(failed) == (402, "capture_failed")
    assert (await sandbox.get(charge_id))["status"] == "AUTHORIZED"
    voided = await sandbox.post(f"/v1/charges/{charge_id}/void")
    assert (voided.status_code, voided.json()["status"]) == (200, "VOIDED")


async def test_a_card_step_authorizes_on_approval_and_is_captured_later(sandbox: Sandbox) -> None:
    charge = (await sandbox.charge("tok_action_required")).json()
    assert charge["status"] == "REQUIRES_ACTION"
    assert code(await sandbox.post(f"/v1/charges/{charge['id']}/capture")) == (409, "invalid_state")
    await sandbox.choose(charge["action_url"], "approve")
    approved = await sandbox.get(charge["id"])
    assert (approved["status"], approved["action_url"]) == ("AUTHORIZED", None)
    captured = await sandbox.post(f"/v1/charges/{charge['id']}/capture")
    assert captured.json()["status"] == "CAPTURED"


async def test_a_late_card_settles_and_says_so_by_webhook(
    sandbox: Sandbox, receiver: Receiver
) -> None:
    made = (await sandbox.charge("tok_webhook_late")).json()
    assert made["status"] == "PENDING"
    await receiver.until(lambda: "AUTHORIZED" in receiver.statuses(made["id"]))
    assert (await sandbox.get(made["id"]))["status"] == "AUTHORIZED"


async def test_a_pending_card_stays_so_until_its_time_even_across_a_restart(
    tmp_path: Path, receiver: Receiver
) -> None:
    database = tmp_path / "sandbox.db"
    hour = {"SANDBOX_WEBHOOK_LATE_SECONDS": "3600"}
    async with running(database, webhook_url=receiver.url, **hour) as sandbox:
        due, early, voided = [
            (await sandbox.charge("tok_webhook_late")).json()["id"] for _ in range(3)
        ]
        refused = await sandbox.post(f"/v1/charges/{due}/capture")
        assert code(refused) == (409, "invalid_state")
        assert (await sandbox.post(f"/v1/charges/{voided}/void")).status_code == 200
        sandbox.process.kill()
        await sandbox.process.wait()
    with closing(sqlite3.connect(database)) as memory, memory:
        memory.execute(
            "UPDATE charges SET settles_ms = settles_ms - 3600000 WHERE id != ?", (early,)
        )
    async with running(database, webhook_url=receiver.url, **hour) as sandbox:
        assert (await sandbox.get(due))["status"] == "AUTHORIZED"
        assert (await sandbox.get(early))["status"] == "PENDING"
        assert (await sandbox.get(voided))["status"] == "VOIDED"
        await receiver.until(lambda: "AUTHORIZED" in receiver.statuses(due))


async def test_a_duplicated_webhook_comes_twice_with_one_event_id(
    sandbox: Sandbox, receiver: Receiver
) -> None:
    charge = (await sandbox.charge("tok_webhook_duplicated")).json()
    assert charge["status"] == "AUTHORIZED"
    await receiver.until(lambda: len(receiver.events(charge["id"])) == 2)
    first, second = receiver.events(charge["id"])
    assert first == second


# --- charges that are captured at once -----------------------------------------------------------


@pytest.mark.parametrize(
    ("token", "status", "decline_code"),
    [
        ("tok_ok", "CAPTURED", None),
        ("tok_declined", "DECLINED", "card_declined"),
        ("tok_insufficient_funds", "DECLINED", "insufficient_funds"),
        ("tok_slow", "CAPTURED", None),
        ("tok_capture_fails", "DECLINED", "capture_failed"),
    ],
)
async def test_a_card_captured_at_once_is_told_by_one_event(
    sandbox: Sandbox, receiver: Receiver, token: str, status: str, decline_code: str | None
) -> None:
    answer = await sandbox.charge(token, capture=True)
    charge = answer.json()
    assert (answer.status_code, charge["status"]) == (201, status)
    assert charge["decline_code"] == decline_code
    assert charge["captured_amount"] == (1000 if status == "CAPTURED" else 0)
    await receiver.until(lambda: bool(receiver.events(charge["id"])))
    again = await sandbox.post(f"/v1/charges/{charge['id']}/capture")
    assert again.status_code == (200 if status == "CAPTURED" else 409)
    assert receiver.statuses(charge["id"]) == [status]


async def test_a_lost_answer_and_an_error_once_are_captured_at_once_too(sandbox: Sandbox) -> None:
    lost, failed = uuid4().hex, uuid4().hex
    with pytest.raises(httpx.ReadTimeout):
        await sandbox.http.post(
            "/v1/charges",
            json={
                "amount": 1000,
                "currency": "NPR",
                "method": "CARD",
                "token": "tok_timeout_charged",
                "reference": "booking",
                "capture": True,
            },
            headers={"Idempotency-Key": lost},
            timeout=0.5,
        )
    (found,) = await sandbox.by_key(lost)
    again = await sandbox.charge("tok_timeout_charged", key=lost, capture=True)
    assert (found["status"], again.json()) == ("CAPTURED", found)
    first, second = [
        await sandbox.charge("tok_error_500_once", key=failed, capture=True) for _ in range(2)
    ]
    assert (first.status_code, second.json()["status"]) == (500, "CAPTURED")


async def test_what_waits_is_captured_when_it_is_decided_even_across_a_restart(
    tmp_path: Path, receiver: Receiver
) -> None:
    database = tmp_path / "sandbox.db"
    async with running(database, SANDBOX_WEBHOOK_LATE_SECONDS="3600") as sandbox:
        page, refused, pending = [
            (await sandbox.charge(token, capture=True)).json()
            for token in ("tok_action_required", "tok_action_required", "tok_webhook_late")
        ]
        wallet = await sandbox.wallet(capture=True)
        assert [each["status"] for each in (page, pending, wallet)] == [
            "REQUIRES_ACTION",
            "PENDING",
            "REQUIRES_ACTION",
        ]
        page_path = urlsplit(page["action_url"])
        refused_path = urlsplit(refused["action_url"])
    with closing(sqlite3.connect(database)) as memory, memory:
        memory.execute("UPDATE charges SET settles_ms = 0 WHERE settles_ms IS NOT NULL")
    async with running(database, webhook_url=receiver.url) as sandbox:
        for path, action in ((page_path, "approve"), (refused_path, "refuse")):
            await sandbox.http.post(f"{path.path}?{path.query}", data={"action": action})
        await receiver.until(lambda: bool(receiver.events(page["id"])))
        assert receiver.statuses(page["id"]) == ["CAPTURED"]
        assert [(await sandbox.get(each["id"]))["status"] for each in (pending, page, refused)] == [
            "CAPTURED",
            "CAPTURED",
            "DECLINED",
        ]


async def test_a_file_of_before_is_read_on(tmp_path: Path) -> None:
    database = tmp_path / "sandbox.db"
    key = uuid4().hex
    async with running(database) as sandbox:
        made = (await sandbox.charge(key=key)).json()
    with closing(sqlite3.connect(database)) as memory, memory:
        memory.execute("ALTER TABLE charges DROP COLUMN capture")
    async with running(database) as sandbox:
        assert await sandbox.by_key(key) == [made]
        assert (await sandbox.charge(key=key)).json() == made
        assert (await sandbox.charge(capture=True)).json()["status"] == "CAPTURED"


# --- idempotency and input -------------------------------------------------------------------


async def test_one_key_sent_twenty_times_at_once_makes_one_charge(sandbox: Sandbox) -> None:
    key = uuid4().hex
    answers = await asyncio.gather(*(sandbox.charge(key=key) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1


async def test_a_key_with_another_body_is_refused(sandbox: Sandbox) -> None:
    key = uuid4().hex
    await sandbox.charge(key=key)
    for other in (
        {"amount": 1001},
        {"reference": "other"},
        {"return_url": SHOP},
        {"capture": True},
    ):
        refused = await sandbox.charge(key=key, **other)
        assert code(refused) == (409, "idempotency_key_reused")


@pytest.mark.parametrize(
    "fields",
    [
        {"amount": 0},
        {"amount": -5},
        {"amount": 10.0},
        {"amount": "10"},
        {"amount": True},
        {"amount": 10**13},
        {"currency": "npr"},
        {"method": "CASH"},
        {"method": "KHALTI"},  # a token is for cards
        {"token": None},
        {"reference": ""},
        {"surprise": 1},
        {"return_url": "javascript:alert(1)"},
        {"return_url": "https://user@shop.example/"},
        {"return_url": "https://shop.example;script-src/"},
        {"return_url": "https://shop.example/\r\nX: y"},
        {"return_url": "https://shop.example:99999/"},
    ],
)
async def test_input_that_makes_no_sense_is_refused(
    sandbox: Sandbox, fields: dict[str, Any]
) -> None:
    refused = await sandbox.charge(**fields)
    assert code(refused) == (422, "invalid_request")
    assert "tok_ok" not in refused.text


async def test_an_unknown_token_is_refused(sandbox: Sandbox) -> None:
    assert code(await sandbox.charge("tok_no_such")) == (422, "unknown_token")


@pytest.mark.parametrize("key", ["", "x" * 256, "with space"])
async def test_a_charge_and_a_refund_need_a_usable_idempotency_key(
    sandbox: Sandbox, key: str
) -> None:
    for path in ("/v1/charges", "/v1/charges/ch_x/refunds"):
        refused = await sandbox.http.post(path, json={}, headers={"Idempotency-Key": key})
        assert code(refused) == (422, "invalid_request")


async def test_a_body_that_is_too_long_or_no_json_is_refused(sandbox: Sandbox) -> None:
    headers = {"Idempotency-Key": uuid4().hex}
    too_long = await sandbox.http.post("/v1/charges", content=b" " * 65_537, headers=headers)
    assert code(too_long) == (413, "body_too_large")
    no_json = await sandbox.http.post("/v1/charges", content=b"{", headers=headers)
    assert code(no_json) == (422, "invalid_request")


@pytest.mark.parametrize("header", ["", "Bearer wrong", API_KEY, f"Basic {API_KEY}"])
async def test_nothing_of_the_api_answers_without_the_key(sandbox: Sandbox, header: str) -> None:
    for method, path in [
        ("POST", "/v1/charges"),
        ("GET", "/v1/charges"),
        ("GET", "/v1/charges/ch_x"),
        ("POST", "/v1/charges/ch_x/capture"),
        ("POST", "/v1/charges/ch_x/void"),
        ("POST", "/v1/charges/ch_x/refunds"),
        ("GET", "/v1/balance"),
        ("GET", "/v1/faults"),
        ("PUT", "/v1/faults"),
    ]:
        refused = await sandbox.http.request(method, path, headers={"Authorization": header})
        assert code(refused) == (401, "unauthorized")


async def test_what_does_not_exist_is_said_in_the_same_shape(sandbox: Sandbox) -> None:
    assert code(await sandbox.http.get("/v1/charges/ch_none")) == (404, "not_found")
    assert code(await sandbox.post("/v1/charges/ch_none/capture")) == (404, "not_found")
    assert code(await sandbox.http.get("/v1/nothing")) == (404, "not_found")
    assert code(await sandbox.http.delete("/v1/charges/ch_none")) == (405, "method_not_allowed")


# --- void and refund -------------------------------------------------------------------------


async def test_a_voided_hold_stays_voided_and_cannot_be_captured(sandbox: Sandbox) -> None:
    charge_id = (await sandbox.charge()).json()["id"]
    for _ in range(2):
        assert (await sandbox.post(f"/v1/charges/{charge_id}/void")).json()["status"] == "VOIDED"
    assert code(await sandbox.post(f"/v1/charges/{charge_id}/capture")) == (409, "invalid_state")


async def test_captured_money_is_refunded_not_voided(sandbox: Sandbox) -> None:
    charge_id = await sandbox.captured()
    assert code(await sandbox.post(f"/v1/charges/{charge_id}/void")) == (409, "already_captured")
    part = await sandbox.refund(charge_id, 300, key := uuid4().hex)
    assert part.status_code == 201
    assert (await sandbox.get(charge_id))["status"] == "PARTIALLY_REFUNDED"
    assert code(await sandbox.refund(charge_id, 701, uuid4().hex)) == (
        409,
        "refund_exceeds_capture",
    )
    again = await sandbox.refund(charge_id, 300, key)
    assert (again.status_code, again.json()) == (200, part.json())
    assert again.headers["idempotent-replayed"] == "true"
    assert code(await sandbox.refund(charge_id, 301, key)) == (409, "idempotency_key_reused")
    rest = await sandbox.refund(charge_id, 700, uuid4().hex)
    charge = await sandbox.get(charge_id)
    assert (charge["status"], charge["refunded_amount"]) == ("REFUNDED", 1000)
    assert charge["refunds"] == [part.json(), rest.json()]
    again = await sandbox.post(f"/v1/charges/{charge_id}/capture")
    assert (again.status_code, again.json()) == (200, charge)


async def test_money_that_was_not_captured_cannot_be_refunded(sandbox: Sandbox) -> None:
    charge_id = (await sandbox.charge()).json()["id"]
    refused = await sandbox.refund(charge_id, 1, uuid4().hex)
    assert code(refused) == (409, "refund_exceeds_capture")


async def test_twenty_refunds_at_once_never_exceed_the_capture(sandbox: Sandbox) -> None:
    charge_id = await sandbox.captured(1000)
    answers = await asyncio.gather(
        *(sandbox.refund(charge_id, 150, uuid4().hex) for _ in range(20))
    )
    assert sorted(answer.status_code for answer in answers) == [201] * 6 + [409] * 14
    charge = await sandbox.get(charge_id)
    assert charge["refunded_amount"] == sum(r["amount"] for r in charge["refunds"]) == 900


async def test_one_refund_key_sent_twenty_times_at_once_refunds_once(sandbox: Sandbox) -> None:
    charge_id = await sandbox.captured(1000)
    key = uuid4().hex
    answers = await asyncio.gather(*(sandbox.refund(charge_id, 50, key) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]
    assert (await sandbox.get(charge_id))["refunded_amount"] == 50


async def test_capture_and_void_at_once_agree_on_one_outcome(sandbox: Sandbox) -> None:
    charge_id = (await sandbox.charge()).json()["id"]
    answers = await asyncio.gather(
        *(sandbox.post(f"/v1/charges/{charge_id}/{step}") for step in ("capture", "void") * 10)
    )
    status = (await sandbox.get(charge_id))["status"]
    told = {answer.json()["status"] for answer in answers if answer.status_code == 200}
    assert status in {"CAPTURED", "VOIDED"}
    assert told == {status}


# --- look-up, list, balance ------------------------------------------------------------------


async def test_the_balance_and_the_list_add_up(tmp_path: Path) -> None:
    async with running(tmp_path / "sandbox.db") as sandbox:
        captured = [await sandbox.captured(1000 + n) for n in range(5)]
        await sandbox.refund(captured[0], 400, uuid4().hex)
        await sandbox.charge(amount=7)  # a hold is not money yet
        euro = (await sandbox.charge(amount=9, currency="EUR")).json()["id"]
        await sandbox.post(f"/v1/charges/{euro}/capture")
        assert (await sandbox.http.get("/v1/balance")).json() == {
            "EUR": {"captured": 9, "refunded": 0, "net": 9},
            "NPR": {"captured": 5010, "refunded": 400, "net": 4610},
        }
        listed: list[dict[str, Any]] = []
        page: dict[str, Any] = {"next_cursor": None}
        while not listed or page["next_cursor"]:
            cursor = {"cursor": page["next_cursor"]} if page["next_cursor"] else {}
            page = (await sandbox.http.get("/v1/charges", params={"limit": 3} | cursor)).json()
            assert len(page["items"]) <= 3
            listed += page["items"]
        assert [charge["id"] for charge in listed[:5]] == captured
        assert len(listed) == 7
        assert sum(c["captured_amount"] for c in listed if c["currency"] == "NPR") == 5010


async def test_refunds_are_listed_since_then_page_by_page(tmp_path: Path) -> None:
    async with running(tmp_path / "sandbox.db") as sandbox:
        charge_id = await sandbox.captured(1000)
        made = [
            (await sandbox.refund(charge_id, amount, uuid4().hex)).json() for amount in (1, 2, 3)
        ]
        first = (await sandbox.http.get("/v1/refunds?limit=2")).json()
        rest = await sandbox.http.get(f"/v1/refunds?limit=2&cursor={first['next_cursor']}")
        assert [*first["items"], *rest.json()["items"]] == made
        assert rest.json()["next_cursor"] is None
        for path in ("charges", "refunds"):
            for since, count in ((0, 1 if path == "charges" else 3), (4_000_000_000, 0)):
                page = (await sandbox.http.get(f"/v1/{path}?since={since}")).json()
                assert len(page["items"]) == count
        assert code(await sandbox.http.get("/v1/refunds?cursor=re_none")) == (404, "not_found")


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=101", "limit=x", "since=-1", "since=now", "status=CAPTURED"],
)
@pytest.mark.parametrize("path", ["charges", "refunds"])
async def test_a_list_that_cannot_be_meant_is_refused(
    sandbox: Sandbox, path: str, query: str
) -> None:
    assert code(await sandbox.http.get(f"/v1/{path}?{query}")) == (422, "invalid_request")


async def test_a_key_is_looked_up_alone(sandbox: Sandbox) -> None:
    both = await sandbox.http.get("/v1/charges?idempotency_key=k&limit=1")
    assert code(both) == (422, "invalid_request")


# --- webhooks --------------------------------------------------------------------------------


async def test_every_change_is_told_once_and_signed(sandbox: Sandbox, receiver: Receiver) -> None:
    charge_id = await sandbox.captured()
    await sandbox.post(f"/v1/charges/{charge_id}/capture")
    await sandbox.refund(charge_id, 1000, uuid4().hex)
    await receiver.until(lambda: len(receiver.events(charge_id)) == 3)
    assert sorted(receiver.statuses(charge_id)) == ["AUTHORIZED", "CAPTURED", "REFUNDED"]
    for headers, body in receiver.received:
        signature = re.fullmatch(r"t=(\d+),v1=([0-9a-f]{64})", headers["sandbox-signature"])
        assert signature is not None
        mac = hmac.HMAC(WEBHOOK_SECRET.encode(), hashes.SHA256())
        mac.update(signature[1].encode() + b"." + body)
        mac.verify(bytes.fromhex(signature[2]))
    event = receiver.events(charge_id)[0]
    key = (await sandbox.get(charge_id))["idempotency_key"]
    assert re.fullmatch(r"evt_[0-9a-f]{24}", event["id"])
    assert event == {
        "id": event["id"],
        "type": "charge.updated",
        "created": event["created"],
        "data": {
            "charge_id": charge_id,
            "idempotency_key": key,
            "status": event["data"]["status"],
        },
    }
    assert abs(event["created"] - time.time()) < 300


@pytest.mark.parametrize(
    "answer",
    [
        OVERLOADED,
        b"",
        b"what?\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x" * 70_000,
        b"HTTP/1.1 307 Temporary Redirect\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
    ],
    ids=["503", "cut", "nonsense", "endless", "redirect"],
)
async def test_a_webhook_that_is_not_taken_is_tried_again_with_the_same_event(
    sandbox: Sandbox, receiver: Receiver, answer: bytes
) -> None:
    receiver.answer = answer
    charge_id = (await sandbox.charge()).json()["id"]
    await receiver.until(lambda: len(receiver.events(charge_id)) == 2)
    receiver.answer = TAKEN
    await receiver.until(lambda: len(receiver.events(charge_id)) == 3)
    assert len({event["id"] for event in receiver.events(charge_id)}) == 1


async def test_a_webhook_is_given_up_after_its_twentieth_try(
    tmp_path: Path, receiver: Receiver
) -> None:
    database = tmp_path / "sandbox.db"
    async with running(database, webhook_url=f"http://127.0.0.1:{free_port()}/hook") as sandbox:
        last, last_but_one = [(await sandbox.charge()).json()["id"] for _ in range(2)]
    with closing(sqlite3.connect(database)) as memory, memory:
        memory.execute(
            "UPDATE webhooks SET due_ms = 0, tries = iif(charge_id = ?, 19, 18)", (last,)
        )
    receiver.answer = OVERLOADED
    async with running(database, webhook_url=receiver.url) as sandbox:
        await sandbox.logged("webhook given up")
        await sandbox.logged("webhook put off")
    receiver.answer = TAKEN
    with closing(sqlite3.connect(database)) as memory:
        left = memory.execute("SELECT charge_id, tries FROM webhooks").fetchall()
    assert left == [(last_but_one, 19)]


def test_retries_come_later_each_time_up_to_half_a_minute() -> None:
    assert [pause_seconds(tries, 0.0) for tries in (1, 2, 3, 7, 20)] == [0.5, 1, 2, 30, 30]
    assert pause_seconds(1, 0.999) > 0.25


async def test_a_crash_forgets_no_charge_and_no_webhook(tmp_path: Path, receiver: Receiver) -> None:
    database = tmp_path / "sandbox.db"
    nobody = f"http://127.0.0.1:{free_port()}/hook"
    key = uuid4().hex
    once = uuid4().hex
    async with running(database, webhook_url=nobody) as sandbox:
        charge_id = await sandbox.captured()
        await sandbox.refund(charge_id, 100, key)
        await sandbox.charge("tok_error_500_once", key=once)
        before = await sandbox.get(charge_id)
        sandbox.process.kill()
        await sandbox.process.wait()
    async with running(database, webhook_url=receiver.url) as sandbox:
        assert await sandbox.get(charge_id) == before
        assert (await sandbox.refund(charge_id, 100, key)).status_code == 200
        assert (await sandbox.charge("tok_error_500_once", key=once)).status_code == 201
        await receiver.until(lambda: len(receiver.events(charge_id)) >= 3)
        assert set(receiver.statuses(charge_id)) == {
            "AUTHORIZED",
            "CAPTURED",
            "PARTIALLY_REFUNDED",
        }


async def test_a_stop_is_clean_even_while_answers_are_withheld(tmp_path: Path) -> None:
    async with running(tmp_path / "sandbox.db") as sandbox:
        key = uuid4().hex
        held = asyncio.create_task(sandbox.charge("tok_timeout_charged", key=key))
        give_up = time.monotonic() + 20
        while not await sandbox.by_key(key) and time.monotonic() < give_up:
            await asyncio.sleep(0.02)
        sandbox.process.send_signal(signal.SIGTERM)
        with pytest.raises(httpx.TransportError):
            await held
        assert await asyncio.wait_for(sandbox.process.wait(), 20) == 0
        assert "Traceback" not in sandbox.log.read_text()


async def test_the_log_is_json_without_secrets(tmp_path: Path, receiver: Receiver) -> None:
    async with running(tmp_path / "sandbox.db", webhook_url=receiver.url) as sandbox:
        await sandbox.charge(key="key-canary")
        charge = await sandbox.wallet(return_url=SHOP)
        await sandbox.choose(charge["action_url"], "approve")
        await sandbox.refund(charge["id"], 1, uuid4().hex)
        await sandbox.charge("tok_no_such")
        page_token = charge["action_url"].partition("t=")[2]
        sandbox.process.terminate()
        await sandbox.process.wait()
        log = sandbox.log.read_text()
    events = [json.loads(line)["event"] for line in log.splitlines()]
    assert {"charge made", "customer chose to approve", "charge refunded"} <= set(events)
    for secret in (API_KEY, WEBHOOK_SECRET, page_token, "tok_", "key-canary", "shop.example"):
        assert secret not in log


async def test_without_an_api_key_it_does_not_start_and_tells_no_other_secret() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "payment_service.sandbox",
        env={"SANDBOX_PORT": "1", "SANDBOX_WEBHOOK_SECRET": WEBHOOK_SECRET},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    told, _ = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 1
    assert b"api_key" in told
    assert WEBHOOK_SECRET.encode() not in told


# --- the hosted page -------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["KHALTI", "ESEWA"])
async def test_an_approved_wallet_is_charged_at_once_and_sends_the_customer_back(
    sandbox: Sandbox, method: str, receiver: Receiver
) -> None:
    charge = await sandbox.wallet(method, return_url=SHOP)
    assert charge["status"] == "REQUIRES_ACTION"
    answer = await sandbox.choose(charge["action_url"], "approve")
    assert answer.status_code == 303
    back = urlsplit(answer.headers["location"])
    assert (back.scheme, back.netloc, back.path) == ("https", "shop.example", "/return")
    assert parse_qs(back.query) == {
        "order": ["7"],
        "charge": [charge["id"]],
        "result": ["approved"],
    }
    paid = await sandbox.get(charge["id"])
    assert (paid["status"], paid["captured_amount"]) == ("CAPTURED", 1000)
    again = await sandbox.choose(charge["action_url"], "approve")
    assert again.headers["location"] == answer.headers["location"]
    assert await sandbox.get(charge["id"]) == paid
    await receiver.until(lambda: "CAPTURED" in receiver.statuses(charge["id"]))


async def test_a_refused_wallet_is_declined_and_stays_so(sandbox: Sandbox) -> None:
    charge = await sandbox.wallet(return_url=SHOP)
    answer = await sandbox.choose(charge["action_url"], "refuse")
    assert parse_qs(urlsplit(answer.headers["location"]).query)["result"] == ["refused"]
    assert (await sandbox.choose(charge["action_url"], "approve")).status_code == 409
    declined = await sandbox.get(charge["id"])
    assert (declined["status"], declined["decline_code"]) == ("DECLINED", "refused_by_customer")
    assert declined["captured_amount"] == 0


async def test_walking_away_changes_nothing_and_the_customer_may_come_back(
    sandbox: Sandbox,
) -> None:
    charge = await sandbox.wallet(return_url=SHOP)
    answer = await sandbox.choose(charge["action_url"], "abandon")
    assert parse_qs(urlsplit(answer.headers["location"]).query)["result"] == ["abandoned"]
    assert await sandbox.get(charge["id"]) == charge
    await sandbox.choose(charge["action_url"], "approve")
    assert (await sandbox.get(charge["id"]))["status"] == "CAPTURED"


async def test_without_a_return_address_the_customer_may_close_the_page(sandbox: Sandbox) -> None:
    charge = await sandbox.wallet()
    answer = await sandbox.choose(charge["action_url"], "approve")
    assert answer.status_code == 200
    assert "You may close this page" in answer.text


async def test_a_forged_page_token_opens_and_decides_nothing(sandbox: Sandbox) -> None:
    charge = await sandbox.wallet(return_url=SHOP)
    card = (await sandbox.charge()).json()
    address, _, token = charge["action_url"].partition("?t=")
    for forged in (address, f"{address}?t=", f"{address}?t={token[:-1]}", f"{address}?t=%F0%9F"):
        assert (await sandbox.http.get(forged)).status_code == 404
        assert (await sandbox.choose(forged, "approve")).status_code == 404
    assert (await sandbox.http.get(f"/pay/{card['id']}?t={token}")).status_code == 404
    assert await sandbox.get(charge["id"]) == charge


async def test_a_decision_the_page_does_not_offer_changes_nothing(sandbox: Sandbox) -> None:
    charge = await sandbox.wallet()
    for action in ("", "capture"):
        assert (await sandbox.choose(charge["action_url"], action)).status_code == 422
    many = "&".join(f"a{n}=1" for n in range(50))
    assert (await sandbox.http.post(charge["action_url"], content=many)).status_code == 422
    assert await sandbox.get(charge["id"]) == charge


async def test_the_customer_may_approve_a_wallet_after_a_void_was_refused(
    sandbox: Sandbox,
) -> None:
    charge = await sandbox.wallet()
    assert code(await sandbox.post(f"/v1/charges/{charge['id']}/void")) == (409, "not_voidable")
    await sandbox.choose(charge["action_url"], "approve")
    assert code(await sandbox.post(f"/v1/charges/{charge['id']}/void")) == (409, "already_captured")
    assert (await sandbox.refund(charge["id"], 1000, uuid4().hex)).status_code == 201
    assert (await sandbox.get(charge["id"]))["status"] == "REFUNDED"


async def test_a_voided_card_step_can_no_longer_be_approved(sandbox: Sandbox) -> None:
    charge = (await sandbox.charge("tok_action_required", return_url=SHOP)).json()
    assert (await sandbox.post(f"/v1/charges/{charge['id']}/void")).json()["status"] == "VOIDED"
    answer = await sandbox.choose(charge["action_url"], "approve")
    assert answer.status_code == 409
    assert "withdrawn" in answer.text
    assert (await sandbox.get(charge["id"]))["status"] == "VOIDED"


async def test_the_page_escapes_runs_no_script_and_lets_the_form_return_to_the_shop(
    sandbox: Sandbox,
) -> None:
    charge = await sandbox.wallet(
        "ESEWA", amount=123456, reference="<script>x</script>", return_url="http://127.0.0.1:80/b"
    )
    shown = await sandbox.http.get(charge["action_url"])
    assert shown.status_code == 200
    assert "NPR 1,234.56" in shown.text
    assert "eSewa" in shown.text
    assert not re.search(r"<script|<style|style=|onclick", shown.text)
    assert [a for a in ("approve", "refuse", "abandon") if f'value="{a}"' in shown.text] == [
        "approve",
        "refuse",
        "abandon",
    ]
    policy = dict(
        part.strip().split(" ", 1) for part in shown.headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["form-action"] == "'self' http://127.0.0.1:80"
    assert (shown.headers["cache-control"], shown.headers["referrer-policy"]) == (
        "no-store",
        "no-referrer",
    )
    sheet = re.search(r'href="([^"]+\.css)"', shown.text)
    assert sheet is not None
    style = await sandbox.http.get(shown.url.join(sheet[1]))
    assert (style.status_code, style.headers["content-type"]) == (200, "text/css; charset=utf-8")


# --- faults ----------------------------------------------------------------------------------


async def test_a_provider_that_is_down_cuts_every_connection_until_healed(faulty: Sandbox) -> None:
    await faulty.fault("down")
    for _ in range(2):
        with pytest.raises(httpx.TransportError):
            await faulty.charge()
    assert (await faulty.http.get("/v1/balance")).status_code == 200
    await faulty.fault("none")
    assert (await faulty.charge()).status_code == 201


async def test_a_fault_with_a_count_heals_by_itself(faulty: Sandbox) -> None:
    key = uuid4().hex
    await faulty.fault("error_500", remaining=2)
    assert [(await faulty.charge(key=key)).status_code for _ in range(3)] == [500, 500, 201]
    fault = (await faulty.http.get("/v1/faults")).json()
    assert fault == {"mode": "none", "latency_ms": 0, "remaining": None}


async def test_a_hanging_provider_does_nothing_and_never_answers(faulty: Sandbox) -> None:
    key = uuid4().hex
    await faulty.fault("hang", remaining=1)
    await unanswered(faulty, "tok_ok", key)
    assert await faulty.by_key(key) == []


async def test_a_malformed_answer_hides_a_charge_that_was_made(faulty: Sandbox) -> None:
    key = uuid4().hex
    await faulty.fault("malformed", latency_ms=1, remaining=1)
    garbled = await faulty.charge(key=key)
    assert garbled.status_code == 201
    with pytest.raises(ValueError, match=r"JSON|Expecting|Unterminated"):
        garbled.json()
    (found,) = await faulty.by_key(key)
    assert found["status"] == "AUTHORIZED"


async def test_a_fault_that_does_not_exist_is_refused(faulty: Sandbox) -> None:
    for wrong in ({"mode": "sulk"}, {"mode": "hang", "remaining": 0}, {"latency_ms": 5}):
        refused = await faulty.http.put("/v1/faults", json=wrong)
        assert code(refused) == (422, "invalid_request")
