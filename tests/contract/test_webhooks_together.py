"""Webhooks that come at the same moment: one call behind the gateway, to each an answer."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import grpc
import httpx
import pytest
from parterre.payment.v1 import payment_pb2
from parterre.types.v1 import types_pb2

from gateway import webhooks
from gateway.webhooks import Webhook, Webhooks
from tests.contract.conftest import Edge, RefusalError, grown

Result = payment_pb2.ReceiveWebhooksResponse.Result


def verdict(webhook: Webhook) -> Result:
    """A webhook is stored, unless its body says that it is forged."""
    if webhook.body != b"forged":
        return Result()
    code = grpc.StatusCode.UNAUTHENTICATED.value[0]
    return Result(refusal=types_pb2.Refusal(code=code, reason="INVALID_SIGNATURE"))


def send(edge: Edge, body: bytes, provider: str = "sandbox") -> asyncio.Task[httpx.Response]:
    path = f"/webhooks/payments/{provider}"
    return asyncio.create_task(edge.call("POST", path, role=None, content=body))


@pytest.fixture
def at_the_desk(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The bodies that wait for their turn, and payment_service answers each by `verdict`."""
    seen: list[bytes] = []
    receive = Webhooks.receive

    async def noted(desk: Webhooks, webhook: Webhook) -> None:
        # Nobody is overtaken, however slow the machine is.
        patient = replace(webhooks.LIMITS, slow_seconds=60)
        monkeypatch.setattr(desk._batcher, "_limits", patient)
        seen.append(webhook.body)
        await receive(desk, webhook)

    def answer(request: Any) -> payment_pb2.ReceiveWebhooksResponse:
        return payment_pb2.ReceiveWebhooksResponse(results=map(verdict, request.webhooks))

    monkeypatch.setattr(Webhooks, "receive", noted)
    edge.payment.answers["ReceiveWebhooks"] = answer
    return seen


async def together(
    edge: Edge, at_the_desk: list[bytes], *bodies: bytes
) -> list[asyncio.Task[httpx.Response]]:
    """All wait while the first is under way."""
    edge.payment.may_answer.clear()
    tasks = [send(edge, b"first")]
    await grown(edge.payment.calls, 1)
    for n, body in enumerate(bodies):
        tasks.append(send(edge, body))
        await grown(at_the_desk, n + 2)
    return tasks


async def test_those_that_come_together_are_handed_on_in_one_call_and_answered_one_by_one(
    edge: Edge, at_the_desk: list[bytes]
) -> None:
    tasks = await together(edge, at_the_desk, b"second", b"forged", b"third")
    edge.payment.may_answer.set()
    answers = [await task for task in tasks]
    assert [answer.status_code for answer in answers] == [200, 200, 401, 200]
    assert answers[2].json()["reason"] == "INVALID_SIGNATURE"
    first, others = edge.payment.calls
    assert first.identity.subject == others.identity.subject == "gateway"
    assert [webhook.body for webhook in others.request.webhooks] == [b"second", b"forged", b"third"]
    assert [webhook.request_id for webhook in others.request.webhooks] == [
        answer.headers["x-request-id"] for answer in answers[1:]
    ]


async def test_a_call_that_fails_is_a_problem_to_each_and_a_provider_comes_again(
    edge: Edge, at_the_desk: list[bytes], refusal: type[RefusalError]
) -> None:
    tasks = await together(edge, at_the_desk, b"second", b"third")
    edge.payment.answers["ReceiveWebhooks"] = refusal("UNAVAILABLE", "OVERLOADED", retry_after="2")
    edge.payment.may_answer.set()
    for task in tasks:
        answer = await task
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert len(edge.payment.calls) == 2
