"""Organizers' webhooks at the gateway: what notification_service is asked, and how it is shown."""

from __future__ import annotations

from chassis.identity import Role
from tests.contract import samples
from tests.contract.conftest import Edge, RefusalError

PATH = "/webhook-endpoints"
NEW = {"url": "https://hooks.example.org/parterre", "facts": ["booking.confirmed"]}


async def test_the_secret_is_shown_where_it_is_made_and_nowhere_else(edge: Edge) -> None:
    made = await edge.post(PATH, NEW, role=Role.ORGANIZER)
    assert made.status_code == 201
    assert made.json()["secret"].startswith("whsec_")
    assert edge.notification.asked.url == NEW["url"]
    rotated = await edge.post(f"{PATH}/{samples.ENDPOINT}/rotate-secret", role=Role.ORGANIZER)
    assert rotated.json()["secret"].startswith("whsec_")
    listed = await edge.get(PATH, role=Role.ORGANIZER)
    assert "secret" not in listed.json()["items"][0]


async def test_a_change_says_only_what_is_to_change(edge: Edge) -> None:
    path = f"{PATH}/{samples.ENDPOINT}"
    answer = await edge.patch(path, {"enabled": False}, role=Role.ORGANIZER)
    assert answer.status_code == 200
    asked = edge.notification.asked
    assert asked.HasField("is_enabled")
    assert not asked.is_enabled
    assert not asked.HasField("url")
    assert list(asked.facts) == []


async def test_what_is_wrong_with_a_url_is_told_by_its_field(
    edge: Edge, refusal: type[RefusalError]
) -> None:
    edge.notification.answers["CreateWebhookEndpoint"] = refusal(
        "INVALID", "INVALID_WEBHOOK_ENDPOINT", url="Must be https."
    )
    answer = await edge.post(PATH, {**NEW, "url": "http://a.example/"}, role=Role.ORGANIZER)
    assert (answer.status_code, answer.json()["reason"]) == (422, "INVALID_WEBHOOK_ENDPOINT")
    assert answer.json()["errors"] == [{"field": "url", "message": "Must be https."}]


async def test_deliveries_show_the_last_answer_and_are_asked_for_by_status(edge: Edge) -> None:
    path = f"{PATH}/{samples.ENDPOINT}/deliveries"
    answer = await edge.get(f"{path}?status=WAITING", role=Role.ORGANIZER)
    [delivery] = answer.json()["items"]
    assert (delivery["answer_status"], delivery["duration_ms"]) == (500, 87)
    assert edge.notification.asked.status == "WAITING"
    refused = await edge.get(f"{path}?status=LATE", role=Role.ORGANIZER)
    assert refused.status_code == 422


async def test_what_can_be_no_id_is_not_there(edge: Edge) -> None:
    answer = await edge.delete(f"{PATH}/nonsense", role=Role.ORGANIZER)
    assert (answer.status_code, answer.json()["reason"]) == (404, "WEBHOOK_ENDPOINT_NOT_FOUND")
    answer = await edge.post(f"{PATH}/{samples.ENDPOINT}/deliveries/x/resend", role=Role.ORGANIZER)
    assert (answer.status_code, answer.json()["reason"]) == (404, "WEBHOOK_DELIVERY_NOT_FOUND")
