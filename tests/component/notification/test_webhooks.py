"""Webhooks: organizers' endpoints, and what reaches them, once it is known, signed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from parterre.catalog.v1 import catalog_pb2
from parterre.messages.v1 import messages_pb2
from parterre.notification.v1 import notification_pb2, notification_pb2_grpc
from parterre.types.v1 import types_pb2
from standardwebhooks.webhooks import Webhook

from chassis.database import Database
from chassis.errors import RemoteError
from chassis.identity import Role
from chassis.ids import uuid7
from chassis.lifecycle import background
from chassis.sealing import Seal
from chassis.timestamps import timestamp
from notification_service.calling import Caller as Outside
from notification_service.deliverer import DELIVERIES, SWITCHED_OFF, Deliverer
from notification_service.domain import webhooks
from notification_service.figures import (
    WEBHOOKS_OVERDUE_SECONDS,
    WEBHOOKS_WAITING,
    read_webhooks,
)
from notification_service.payloads import Payloads
from notification_service.rpc import SERVICE, NotificationServicer
from tests.component.conftest import Caller, MakeDatabase, Serve

from .conftest import (
    COMPOSER,
    KEY,
    SEAL,
    STARTS_AT,
    FakeBookings,
    FakeEvents,
    ended,
    handle,
    mailed,
    scalar,
    user,
)
from .webhook_receiver import Receiver, receiving

ORGANIZER, OTHER = str(uuid7()), str(uuid7())
EVENT = str(uuid7())


@dataclass
class Box:
    """The service, with a receiver of webhooks beside it."""

    database: Database
    caller: Caller
    receiver: Receiver
    bookings: FakeBookings = field(default_factory=FakeBookings)
    events: FakeEvents = field(default_factory=FakeEvents)

    async def ask(self, rpc: str, who: str = ORGANIZER, **fields: Any) -> Any:
        request = getattr(notification_pb2, f"{rpc}Request")(**fields)
        return await self.caller.as_person(who, rpc, request, Role.ORGANIZER)

    async def endpoint(
        self, path: str = "ok", facts: Sequence[str] = webhooks.FACTS, **more: Any
    ) -> tuple[str, str]:
        """Makes one: its id, and its secret."""
        made = await self.ask(
            "CreateWebhookEndpoint", url=self.receiver.url(path), facts=facts, **more
        )
        return made.endpoint.id, made.secret

    async def deliveries(self, endpoint_id: str, status: str = "") -> Sequence[Any]:
        reply = await self.ask(
            "ListWebhookDeliveries", endpoint_id=endpoint_id, limit=100, status=status
        )
        found: Sequence[Any] = reply.deliveries
        return found

    async def settled(self, endpoint_id: str, status: str, count: int = 1) -> Sequence[Any]:
        """Waits until so many deliveries stand so."""
        async with asyncio.timeout(20):
            while len(found := await self.deliveries(endpoint_id, status)) < count:
                await asyncio.sleep(0.02)
        return found

    async def tried(self, endpoint_id: str) -> Any:
        """Waits until the newest delivery was tried and put off."""
        async with asyncio.timeout(20):
            while not (newest := (await self.deliveries(endpoint_id))[0]).duration_ms and not (
                newest.error or newest.answer_status
            ):
                await asyncio.sleep(0.02)
        return newest

    async def run(self, sql: str) -> None:
        async with self.database.transaction() as session:
            await session.execute(sql)

    @asynccontextmanager
    async def sending(self, seal: Seal = SEAL, seconds: float = 0.5) -> AsyncIterator[None]:
        deliverer = Deliverer(
            self.database,
            Payloads(self.bookings, self.events),
            Outside(allows_loopback=True, seconds=seconds),
            seal,
        )
        async with background("webhooks", deliverer.run):
            yield


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was put off and is due again is sent at once."""
    monkeypatch.setattr("notification_service.deliverer._POLL_SECONDS", 0.05)


@pytest.fixture
async def box(make_database: MakeDatabase, serve: Serve) -> AsyncIterator[Box]:
    database = await make_database("notification")
    servicer = NotificationServicer(
        database,
        FakeBookings(),
        COMPOSER,
        key=KEY,
        messages_per_day=2,
        catcher=None,
        seal=SEAL,
        allows_loopback=True,
    )
    caller = await serve(
        "notification", SERVICE, servicer, notification_pb2_grpc.NotificationServiceStub
    )
    async with receiving() as receiver:
        yield Box(database, caller, receiver)


def confirmed(booking_id: str = "", version: int = 1, **changed: Any) -> messages_pb2.BookingEnded:
    message = ended(str(uuid7()), "CONFIRMED", booking_id=booking_id, version=version)
    message.organizer_id = ORGANIZER
    message.event_id = EVENT
    for name, value in changed.items():
        setattr(message, name, value)
    return message


def published(version: int = 1) -> messages_pb2.EventPublished:
    return messages_pb2.EventPublished(
        event_id=EVENT,
        organizer_id=ORGANIZER,
        title="The Tempest",
        place="Hall",
        starts_at=timestamp(STARTS_AT),
        timezone="UTC",
        version=version,
    )


def every_fact(booking_id: str, ticket_id: str) -> list[Any]:
    return [
        confirmed(booking_id),
        confirmed(booking_id, 2, status="CANCELLED", reason="CANCELLED_BY_CUSTOMER"),
        messages_pb2.TicketAdmitted(
            ticket_id=ticket_id,
            booking_id=booking_id,
            booking_reference="PT-ABCD1234",
            event_id=EVENT,
            organizer_id=ORGANIZER,
            gate="North",
            at=timestamp(STARTS_AT),
        ),
        messages_pb2.MoneyReturned(
            refund_id=str(uuid7()),
            payment_id=str(uuid7()),
            booking_id=booking_id,
            booking_reference="PT-ABCD1234",
            customer_id=str(uuid7()),
            event_id=EVENT,
            organizer_id=ORGANIZER,
            amount=types_pb2.Money(amount=1000, currency="NPR"),
            refunded_amount=1000,
            captured_amount=125_000,
            reason="A kindness",
            at=timestamp(STARTS_AT),
        ),
        published(1),
        published(2),
        messages_pb2.EventCancelled(event_id=EVENT, reason="Ill", organizer_id=ORGANIZER),
    ]


async def test_every_fact_arrives_signed_with_its_object_and_comes_again_never(box: Box) -> None:
    booking_id = str(uuid7())
    box.bookings.confirm(booking_id)
    ticket = box.bookings.shown[booking_id].tickets[0]
    box.events.events[EVENT] = catalog_pb2.Event(id=EVENT, status="PUBLISHED")
    _id, secret = await box.endpoint()
    for fact in [*every_fact(booking_id, ticket.id)] * 2:
        await handle(box.database, fact)
    async with box.sending():
        received = await box.receiver.until("ok", len(webhooks.FACTS))
    told = {each["type"]: each["data"] for each in map(_verified(secret), received)}
    assert set(told) == set(webhooks.FACTS)
    assert len({each.headers["webhook-id"] for each in received}) == len(received)
    assert told["booking.cancelled"]["reason"] == "CANCELLED_BY_CUSTOMER"
    for name in ("booking.confirmed", "booking.cancelled", "payment.refunded"):
        assert told[name]["booking_id"] == told[name]["booking"]["id"] == booking_id
    assert told["payment.refunded"]["amount"] == {"amount": 1000, "currency": "NPR"}
    assert told["ticket.admitted"]["ticket"]["id"] == ticket.id
    for name in ("event.published", "event.changed", "event.cancelled"):
        assert told[name]["event"]["id"] == EVENT
    assert told["event.cancelled"]["reason"] == "Ill"
    # Who has a ticket's token gets in.
    assert not any(ticket.token.encode() in each.body for each in received)


def _verified(secret: str) -> Any:
    return lambda each: Webhook(secret).verify(each.body, dict(each.headers))


async def test_only_chosen_facts_go_and_only_to_their_organizer(box: Box) -> None:
    chosen, _secret = await box.endpoint("ok", ["event.published"])
    made = await box.ask(
        "CreateWebhookEndpoint", OTHER, url=box.receiver.url("ok/other"), facts=webhooks.FACTS
    )
    await handle(box.database, published())
    await handle(box.database, confirmed())
    assert [each.fact for each in await box.deliveries(chosen)] == ["event.published"]
    reply = await box.ask("ListWebhookDeliveries", OTHER, endpoint_id=made.endpoint.id, limit=100)
    assert list(reply.deliveries) == []


async def test_a_booking_that_ended_otherwise_is_no_fact(box: Box) -> None:
    id, _secret = await box.endpoint()
    await handle(box.database, confirmed(status="EXPIRED"), confirmed(organizer_id=""))
    assert await box.deliveries(id) == []


async def test_of_two_versions_that_come_out_of_order_the_newer_is_told(box: Box) -> None:
    id, _secret = await box.endpoint()
    for version in (2, 1, 3, 3):
        await handle(box.database, published(version))
    told = [each.fact for each in await box.deliveries(id)]
    assert told == ["event.changed", "event.published"]


async def test_what_fails_is_shown_and_sent_again_the_same(box: Box) -> None:
    booking_id = str(uuid7())
    box.bookings.confirm(booking_id)
    id, secret = await box.endpoint("closed")
    await handle(box.database, confirmed(booking_id))
    async with box.sending():
        await box.receiver.until("closed")
        shown = await box.tried(id)
        assert (shown.status, shown.attempts, shown.answer_status) == ("WAITING", 1, 500)
        assert shown.answer == "no\ufffdpe!"
        assert 3 < shown.next_try_at.seconds - shown.tried_at.seconds < 9
        box.bookings.confirm(booking_id, title="Another since")
        box.receiver.open.set()
        await box.run("UPDATE webhook_delivery SET due_at = clock_timestamp()")
        [done] = await box.settled(id, "DELIVERED")
    first, second = box.receiver.at("closed")
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == done.id
    assert _verified(secret)(second)["data"]["booking"]["event"]["title"] == "The Tempest"


@pytest.mark.parametrize(
    ("path", "status", "error"),
    [
        ("broken", 500, ""),
        ("redirect", 307, ""),
        ("hang", 0, "TIMEOUT"),
        ("close", 0, "NO_HTTP_ANSWER"),
    ],
)
async def test_each_fault_is_tried_again(box: Box, path: str, status: int, error: str) -> None:
    id, _secret = await box.endpoint(path)
    await box.ask("TestWebhookEndpoint", endpoint_id=id)
    async with box.sending():
        shown = await box.tried(id)
    assert (shown.status, shown.answer_status, shown.error) == ("WAITING", status, error)
    assert shown.HasField("next_try_at")


async def test_an_endpoint_that_hangs_holds_up_nobody_else(box: Box) -> None:
    """All that may be under way at once is its own, and others are sent to all the same."""
    slow, _secret = await box.endpoint("hang")
    others = [(await box.endpoint(f"ok/{number}"))[0] for number in range(10)]
    for _ in range(30):
        await handle(box.database, *[confirmed() for _ in range(10)])
    async with box.sending(seconds=10):
        async with asyncio.timeout(25):
            for number in range(10):
                await box.receiver.until(f"ok/{number}", 300)
        assert len(box.receiver.at("hang")) == 4
    assert await box.deliveries(slow, "DELIVERED") == []
    for id in others:
        await box.settled(id, "DELIVERED", 100)  # a page


async def test_two_processes_send_each_fact_once(box: Box, make_database: MakeDatabase) -> None:
    await box.endpoint()
    second = Box(await make_database("notification", like=box.database), box.caller, box.receiver)
    for _ in range(10):
        await handle(box.database, *[confirmed() for _ in range(10)])
    async with box.sending(), second.sending():
        received = await box.receiver.until("ok", 100)
        await asyncio.sleep(0.2)  # for one too many
    assert len({each.headers["webhook-id"] for each in received}) == len(box.receiver.at("ok"))


async def test_what_can_not_be_asked_for_now_is_not_the_endpoints_fault(box: Box) -> None:
    id, _secret = await box.endpoint()
    box.bookings.is_down = True
    await handle(box.database, confirmed())
    async with box.sending():
        shown = await box.tried(id)
        assert (shown.status, shown.error) == ("WAITING", "NOT_WRITTEN")
        [endpoint] = (await box.ask("ListWebhookEndpoints", limit=10)).endpoints
        assert not endpoint.HasField("failing_since")
        box.bookings.is_down = False
        await box.run("UPDATE webhook_delivery SET due_at = clock_timestamp()")
        await box.settled(id, "DELIVERED")


async def test_after_a_day_it_is_given_up_and_can_be_sent_anew_by_hand(box: Box) -> None:
    id, _secret = await box.endpoint("closed")
    await box.ask("TestWebhookEndpoint", endpoint_id=id)
    await box.run("UPDATE webhook_delivery SET attempts = 9")
    async with box.sending():
        [given_up] = await box.settled(id, "GIVEN_UP")
        assert not given_up.HasField("next_try_at")
        box.receiver.open.set()
        again = await box.ask("ResendWebhookDelivery", endpoint_id=id, delivery_id=given_up.id)
        assert (again.delivery.status, again.delivery.attempts) == ("WAITING", 0)
        await box.settled(id, "DELIVERED")
    ids = {each.headers["webhook-id"] for each in box.receiver.at("closed")}
    assert ids == {given_up.id}


async def test_an_endpoint_that_fails_for_days_is_disabled_and_its_owner_told_once(
    box: Box,
) -> None:
    id, _secret = await box.endpoint("broken")
    await handle(box.database, user(ORGANIZER))
    for _ in range(3):
        await box.ask("TestWebhookEndpoint", endpoint_id=id)
    await box.run(
        "UPDATE webhook_endpoint SET failing_since = clock_timestamp() - interval '3 days'"
    )
    async with box.sending():
        async with asyncio.timeout(20):
            while await mailed(box.database) != ["webhook_disabled"]:
                await asyncio.sleep(0.02)
    [endpoint] = (await box.ask("ListWebhookEndpoints", limit=10)).endpoints
    assert endpoint.status == "FAILING"
    await handle(box.database, confirmed())
    assert {each.fact for each in await box.deliveries(id)} == {webhooks.TEST}
    with pytest.raises(RemoteError) as refused:
        await box.ask("TestWebhookEndpoint", endpoint_id=id)
    assert refused.value.reason == "WEBHOOK_ENDPOINT_DISABLED"
    changed = await box.ask("UpdateWebhookEndpoint", endpoint_id=id, is_enabled=True)
    assert changed.endpoint.status == "ENABLED"
    assert not changed.endpoint.HasField("failing_since")


async def test_an_endpoint_that_says_it_is_gone_is_disabled_at_once(box: Box) -> None:
    id, _secret = await box.endpoint("gone")
    await box.ask("TestWebhookEndpoint", endpoint_id=id)
    async with box.sending():
        await box.tried(id)
    [endpoint] = (await box.ask("ListWebhookEndpoints", limit=10)).endpoints
    assert endpoint.status == "GONE"
    assert await mailed(box.database) == ["webhook_disabled"]
    letter = COMPOSER.compose(
        "webhook_disabled",
        "en",
        {"name": "Asha", "link": "", "url": "https://a.example", "is_gone": True},
    )
    assert "410 Gone" in letter.text
    assert "https://a.example" in letter.text


async def test_what_waits_is_shown_and_what_was_delivered_counted(box: Box) -> None:
    before = counted()
    await box.endpoint("ok")
    failing, _secret = await box.endpoint("broken")
    gone, _secret = await box.endpoint("gone")
    await handle(box.database, confirmed())
    await box.run("UPDATE webhook_delivery SET due_at = due_at - interval '1 hour'")
    async with box.database.transaction() as session:
        await read_webhooks(session)
    assert WEBHOOKS_WAITING._value.get() == 3
    assert WEBHOOKS_OVERDUE_SECONDS._value.get() >= 3600

    async with box.sending():
        await box.tried(failing)
        await box.tried(gone)
        async with asyncio.timeout(20):
            while sum(counted().values()) - sum(before.values()) < 4:
                await asyncio.sleep(0.02)
    assert {name: now - before[name] for name, now in counted().items()} == {
        "delivered": 1,
        "failed": 2,
        "not_written": 0,
        "failing": 0,
        "gone": 1,
    }
    async with box.database.transaction() as session:
        await read_webhooks(session)
    assert WEBHOOKS_WAITING._value.get() == 1  # the one for who is gone is not waited for
    assert WEBHOOKS_OVERDUE_SECONDS._value.get() < 60


def counted() -> dict[str, float]:
    outcomes = {name: DELIVERIES.labels(name) for name in ("delivered", "failed", "not_written")}
    whys = {why: SWITCHED_OFF.labels(why) for why in ("failing", "gone")}
    return {name: counter._value.get() for name, counter in (outcomes | whys).items()}


async def test_while_a_secret_is_changed_both_sign(box: Box) -> None:
    id, old = await box.endpoint()
    rotated = await box.ask("RotateWebhookSecret", endpoint_id=id)
    assert rotated.secret != old
    assert rotated.endpoint.HasField("old_secret_until")
    await box.ask("TestWebhookEndpoint", endpoint_id=id)
    async with box.sending():
        [first] = await box.receiver.until("ok")
        await box.run(
            "UPDATE webhook_endpoint SET old_secret_until = clock_timestamp() - interval '1 s'"
        )
        await box.ask("TestWebhookEndpoint", endpoint_id=id)
        _first, second = await box.receiver.until("ok", 2)
    assert _verified(old)(first) == _verified(rotated.secret)(first)
    assert json.loads(first.body)["type"] == webhooks.TEST
    _verified(rotated.secret)(second)
    with pytest.raises(Exception, match="No matching signature"):
        _verified(old)(second)


async def test_a_secret_is_kept_sealed_and_without_its_key_nothing_is_sent(box: Box) -> None:
    id, secret = await box.endpoint(idempotency_key="once")
    assert (await box.endpoint(idempotency_key="once")) == (id, secret)
    rows = await scalar(
        box.database,
        "SELECT string_agg(webhook_endpoint::text, '') FROM webhook_endpoint",
    )
    stored = await scalar(box.database, "SELECT reply FROM idempotency")
    assert secret not in rows
    assert secret.encode() not in bytes(stored)
    await box.ask("TestWebhookEndpoint", endpoint_id=id)
    async with box.sending(Seal(b"another")):
        shown = await box.tried(id)
    assert shown.error == "SECRET_LOST"
    assert box.receiver.requests == []


async def test_of_endpoints_made_at_once_no_more_than_the_limit_come_to_be(box: Box) -> None:
    outcomes = await asyncio.gather(
        *(box.endpoint() for _ in range(webhooks.MAX_ENDPOINTS + 5)), return_exceptions=True
    )
    refused = [each for each in outcomes if isinstance(each, RemoteError)]
    assert [each.reason for each in refused] == ["TOO_MANY_WEBHOOK_ENDPOINTS"] * 5
    [id, *_others] = [each[0] for each in outcomes if not isinstance(each, BaseException)]
    await box.ask("DeleteWebhookEndpoint", endpoint_id=id)
    await box.endpoint()


async def test_tests_are_counted(box: Box) -> None:
    id, _secret = await box.endpoint()
    outcomes = await asyncio.gather(
        *(box.ask("TestWebhookEndpoint", endpoint_id=id) for _ in range(webhooks.MAX_TESTS + 3)),
        return_exceptions=True,
    )
    refused = [each.reason for each in outcomes if isinstance(each, RemoteError)]
    assert refused == ["TOO_MANY_WEBHOOK_TESTS"] * 3


async def test_another_persons_endpoint_is_not_there(box: Box) -> None:
    id, _secret = await box.endpoint()
    made = await box.ask("TestWebhookEndpoint", endpoint_id=id)
    delivery_id = made.delivery.id
    for rpc, fields in [
        ("UpdateWebhookEndpoint", {"url": "https://evil.example/"}),
        ("DeleteWebhookEndpoint", {}),
        ("RotateWebhookSecret", {}),
        ("TestWebhookEndpoint", {}),
        ("ListWebhookDeliveries", {"limit": 10}),
        ("ResendWebhookDelivery", {"delivery_id": delivery_id}),
    ]:
        with pytest.raises(RemoteError) as refused:
            await box.ask(rpc, OTHER, endpoint_id=id, **fields)
        assert refused.value.reason == "WEBHOOK_ENDPOINT_NOT_FOUND", rpc
        with pytest.raises(RemoteError) as refused:
            await box.ask(rpc, endpoint_id="nonsense", **fields)
        assert refused.value.reason == "WEBHOOK_ENDPOINT_NOT_FOUND", rpc
    assert list((await box.ask("ListWebhookEndpoints", OTHER, limit=10)).endpoints) == []
    with pytest.raises(RemoteError) as refused:
        await box.ask("ResendWebhookDelivery", endpoint_id=id, delivery_id=str(uuid7()))
    assert refused.value.reason == "WEBHOOK_DELIVERY_NOT_FOUND"


async def test_customers_and_strangers_have_no_endpoints(box: Box) -> None:
    request = notification_pb2.CreateWebhookEndpointRequest(
        url="https://hooks.example.org/", facts=["event.changed"]
    )
    with pytest.raises(RemoteError) as refused:
        await box.caller.as_person(str(uuid7()), "CreateWebhookEndpoint", request, Role.CUSTOMER)
    assert refused.value.reason == "FORBIDDEN"
    with pytest.raises(RemoteError) as refused:
        await box.caller.as_gateway("CreateWebhookEndpoint", request)
    assert refused.value.reason in {"FORBIDDEN", "NOT_AUTHENTICATED"}


async def test_lists_come_in_pages_newest_first(box: Box) -> None:
    ids = [(await box.endpoint())[0] for _ in range(3)]
    first = await box.ask("ListWebhookEndpoints", limit=2)
    second = await box.ask("ListWebhookEndpoints", limit=2, cursor=first.next_cursor)
    assert [each.id for each in (*first.endpoints, *second.endpoints)] == ids[::-1]
    assert second.next_cursor == ""
    with pytest.raises(RemoteError) as refused:
        await box.ask("ListWebhookEndpoints", limit=2, cursor="x")
    assert refused.value.reason == "INVALID_CURSOR"
    with pytest.raises(RemoteError) as refused:
        await box.ask("ListWebhookDeliveries", endpoint_id=ids[0], limit=2, status="LATE")
    assert refused.value.reason == "INVALID_FILTER"


async def test_what_is_disabled_or_deleted_is_sent_nothing(box: Box) -> None:
    id, _secret = await box.endpoint()
    await handle(box.database, confirmed())
    changed = await box.ask("UpdateWebhookEndpoint", endpoint_id=id, is_enabled=False)
    assert changed.endpoint.status == "DISABLED"
    gone, _secret = await box.endpoint("ok/gone")
    await handle(box.database, confirmed())
    await box.ask("DeleteWebhookEndpoint", endpoint_id=gone)
    await handle(box.database, confirmed())
    witness, _secret = await box.endpoint("ok/witness")
    await box.ask("TestWebhookEndpoint", endpoint_id=witness)
    async with box.sending():
        await box.settled(witness, "DELIVERED")
        assert {each.path for each in box.receiver.requests} == {"/ok/witness"}
        await box.ask("UpdateWebhookEndpoint", endpoint_id=id, is_enabled=True)
        assert len(await box.settled(id, "DELIVERED")) == 1  # that which had waited


async def test_who_may_no_longer_organize_is_sent_nothing_until_they_may_again(box: Box) -> None:
    def told(version: int, *, may_organize: bool | None) -> messages_pb2.UserChanged:
        return messages_pb2.UserChanged(
            user_id=ORGANIZER,
            email="asha@example.org",
            name="Asha",
            version=version,
            may_organize=may_organize,
        )

    id, _secret = await box.endpoint()
    # The version before does not say whether they may; then the same version is told of again.
    await handle(box.database, told(3, may_organize=None))
    await handle(box.database, confirmed())  # waits
    await handle(box.database, told(3, may_organize=False))
    await handle(box.database, confirmed())
    await handle(box.database, told(2, may_organize=True))  # heard late
    witness = (
        await box.ask(
            "CreateWebhookEndpoint",
            who=OTHER,
            url=box.receiver.url("ok/witness"),
            facts=webhooks.FACTS,
        )
    ).endpoint.id
    await box.ask("TestWebhookEndpoint", who=OTHER, endpoint_id=witness)
    async with box.database.transaction() as session:
        await read_webhooks(session)
    assert WEBHOOKS_WAITING._value.get() == 1  # the witness's
    async with box.sending():
        async with asyncio.timeout(20):
            while not box.receiver.requests:
                await asyncio.sleep(0.02)
        assert {each.path for each in box.receiver.requests} == {"/ok/witness"}
        assert [each.status for each in await box.deliveries(id)] == ["WAITING"]
        await handle(box.database, told(4, may_organize=True))
        assert len(await box.settled(id, "DELIVERED")) == 1  # that which had waited
