"""News in the app, as clients see them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from parterre.notification.v1 import notification_pb2

from chassis.ids import uuid7
from tests.contract import samples
from tests.contract.conftest import Edge, RefusalError, grown, running_gateway
from tests.contract.streams import Event, events_of

STREAM = "/api/v1/notifications/stream"


@asynccontextmanager
async def following(edge: Edge, token: str = "") -> AsyncIterator[AsyncIterator[Event]]:
    """The events of a person's stream of unread notices."""
    headers = {"Authorization": f"Bearer {token or edge.keys.token()}"}
    async with edge.http.stream("GET", STREAM, headers=headers) as answer:
        assert answer.status_code == 200, await answer.aread()
        yield events_of(answer)


async def test_notices_come_in_pages_with_how_many_are_unread(edge: Edge) -> None:
    answer = await edge.get("/notifications", params={"unread": "true", "limit": 5})
    body = answer.json()
    assert body["unread"] == 1
    assert body["next_cursor"] is None
    [notice] = body["items"]
    assert notice["kind"] == "booking_confirmed"
    assert notice["booking_reference"] == samples.REFERENCE
    assert (notice["event_id"], notice["read_at"]) == (None, None)
    asked = edge.notification.calls[-1].request
    assert (asked.unread, asked.limit, asked.cursor) == (True, 5, "")
    again = {"If-None-Match": answer.headers["etag"]}
    unchanged = await edge.get("/notifications", headers=again)
    assert (unchanged.status_code, unchanged.content) == (304, b"")


async def test_a_notice_is_marked_as_read_and_one_that_cannot_be_is_not_found(edge: Edge) -> None:
    id = str(uuid7())
    answer = await edge.post(f"/notifications/{id}/read", headers={"Idempotency-Key": "k"})
    assert answer.status_code == 200
    asked = edge.notification.calls[-1].request
    assert (asked.notice_id, asked.idempotency_key) == (id, "k")
    missing = await edge.post("/notifications/nothing/read")
    assert (missing.status_code, missing.json()["reason"]) == (404, "NOTICE_NOT_FOUND")
    done = await edge.post("/notifications/read-all")
    assert (done.status_code, done.content) == (204, b"")


async def test_preferences_are_read_and_replaced(edge: Edge) -> None:
    shown = (await edge.get("/users/me/notification-preferences")).json()
    assert shown["items"][0] == {
        "kind": "booking_confirmed",
        "tells": "a booking is confirmed",
        "channel": "MAIL",
        "wanted": True,
        "essential": True,
    }
    wish = {"kind": "event_tomorrow", "channel": "APP", "wanted": False}
    answer = await edge.put("/users/me/notification-preferences", {"items": [wish]})
    assert answer.status_code == 200
    [asked] = edge.notification.calls[-1].request.preferences
    assert (asked.kind, asked.channel, asked.wanted) == ("event_tomorrow", "APP", False)

    wrong: list[dict[str, Any]] = [
        {**wish, "channel": "PIGEON"},
        {**wish, "kind": "gossip"},
        {**wish, "wanted": "no"},
        {"kind": "event_tomorrow", "channel": "APP"},
    ]
    for each in wrong:
        answer = await edge.put("/users/me/notification-preferences", {"items": [each]})
        assert (answer.status_code, answer.json()["reason"]) == (422, "VALIDATION_FAILED")
    edge.notification.answers["SetPreferences"] = RefusalError(
        "INVALID", "INVALID_PREFERENCE", **{"items.0.wanted": "Must be true: …"}
    )
    answer = await edge.put("/users/me/notification-preferences", {"items": [wish]})
    assert answer.json()["errors"] == [{"field": "items.0.wanted", "message": "Must be true: …"}]


async def test_a_stream_tells_how_many_are_unread_at_first_and_when_that_changes() -> None:
    async with running_gateway(stream_heartbeat_seconds=0.05) as edge:
        answers = edge.notification.answers
        answers["CountUnreadNotices"] = notification_pb2.CountUnreadNoticesResponse(unread=2)
        async with following(edge) as events:
            assert (await anext(events))[1:] == ("unread", {"unread": 2})
            assert edge.notification.calls[-1].identity.role is None  # in the gateway's own name
            # Without a broker to hear of it, it is asked at each heartbeat, and told if it changed.
            answers["CountUnreadNotices"] = notification_pb2.CountUnreadNoticesResponse(unread=3)
            assert (await anext(events))[1:] == ("unread", {"unread": 3})
            # A service that is away does not end the stream.
            answers["CountUnreadNotices"] = RefusalError("UNAVAILABLE", "SERVICE_UNAVAILABLE")
            asked = len(edge.notification.calls)
            await grown(edge.notification.calls, asked + 2)
            answers["CountUnreadNotices"] = notification_pb2.CountUnreadNoticesResponse(unread=0)
            assert (await anext(events))[1:] == ("unread", {"unread": 0})


async def test_streams_of_notices_count_with_all_others_of_a_person(edge: Edge) -> None:
    token = edge.keys.token()
    async with AsyncExitStack() as stack:
        own = [await stack.enter_async_context(following(edge, token)) for _ in range(3)]
        for events in own:
            await anext(events)
        answer = await edge.get(
            "/notifications/stream", headers={"Authorization": f"Bearer {token}"}
        )
        assert (answer.status_code, answer.json()["reason"]) == (429, "TOO_MANY_STREAMS")
