"""The gRPC server and client: who may call, what a failure looks like, deadlines."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, nullcontext
from typing import Any, NamedTuple

import grpc
import jwt
import psycopg
import pytest
from cryptography.hazmat.primitives import serialization
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.message_factory import GetMessageClass
from parterre.booking.v1 import booking_pb2, booking_pb2_grpc
from parterre.catalog.v1 import catalog_pb2, catalog_pb2_grpc
from parterre.notification.v1 import notification_pb2, notification_pb2_grpc
from parterre.options.v1 import options_pb2
from parterre.types.v1 import types_pb2

from chassis import context
from chassis.database import PoolTimeoutError
from chassis.errors import RemoteError, ServiceError
from chassis.grpc_server import (
    UndeclaredAccessError,
    access_of,
    customer_of,
    permits,
    service_handler,
)
from chassis.identity import LEEWAY_SECONDS, Identity, Role, TokenVerifier
from chassis.ids import uuid7
from chassis.refusals import read_refusal, write_refusal
from chassis.scopes import SCOPES

from .conftest import Caller, Serve, TestKeys

SERVICE = notification_pb2.DESCRIPTOR.services_by_name["NotificationService"]
REQUEST = notification_pb2.ListMailboxRequest()
REPLY = notification_pb2.ListMailboxResponse()


class HandlerCallDetails(NamedTuple):
    """What gRPC looks a handler up by."""

    method: str
    invocation_metadata: tuple[Any, ...] = ()


class Servicer(notification_pb2_grpc.NotificationServiceServicer):
    """Does whatever the test says where the mailbox is asked for."""

    def __init__(self, work: Callable[[], Awaitable[None]]) -> None:
        self._work = work
        self.calls = 0

    async def ListMailbox(self, _request: Any, _context: Any) -> Any:  # noqa: N802 - the proto's name
        self.calls += 1
        await self._work()
        return REPLY


async def nothing() -> None:
    """An RPC's work that does nothing."""


async def served(serve: Serve, work: Callable[[], Awaitable[None]] = nothing) -> Caller:
    stub = notification_pb2_grpc.NotificationServiceStub
    return await serve("notification", SERVICE, Servicer(work), stub)


def raising(error: Exception) -> Callable[[], Awaitable[None]]:
    async def work() -> None:
        raise error

    return work


async def test_a_domain_errors_reason_and_metadata_reach_the_caller(serve: Serve) -> None:
    error = ServiceError("STATE", "SEATS_UNAVAILABLE", "Gone.", seat_ids='["7"]')
    caller = await served(serve, raising(error))
    with pytest.raises(RemoteError) as refused:
        await caller.as_gateway("ListMailbox", REQUEST)
    assert refused.value.code == grpc.StatusCode.FAILED_PRECONDITION
    assert (refused.value.reason, refused.value.detail) == ("SEATS_UNAVAILABLE", "Gone.")
    assert refused.value.metadata == {"seat_ids": '["7"]'}


async def test_an_unexpected_error_tells_nothing_of_itself(serve: Serve) -> None:
    caller = await served(serve, raising(ValueError("table seat_secret is broken")))
    with pytest.raises(RemoteError) as failed:
        await caller.as_gateway("ListMailbox", REQUEST)
    assert (failed.value.code, failed.value.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    assert "secret" not in failed.value.detail


async def test_an_exhausted_pool_is_overload_with_a_time_to_come_back(serve: Serve) -> None:
    caller = await served(serve, raising(PoolTimeoutError()))
    with pytest.raises(RemoteError) as refused:
        await caller.as_gateway("ListMailbox", REQUEST)
    assert (refused.value.reason, refused.value.metadata) == ("OVERLOADED", {"retry_after": "1"})


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("53100", "OVERLOADED"),  # the disk is full
        ("40P01", "OVERLOADED"),  # a deadlock that was tried again in vain
        ("57P01", "SERVICE_UNAVAILABLE"),  # the server is being stopped
    ],
)
async def test_what_the_database_could_not_do_is_a_clean_error(
    serve: Serve, state: str, reason: str
) -> None:
    caller = await served(serve, raising(psycopg.errors.lookup(state)("of seat_secret")))
    with pytest.raises(RemoteError) as failed:
        await caller.as_gateway("ListMailbox", REQUEST)
    assert failed.value.reason == reason
    assert "secret" not in failed.value.detail


async def test_a_call_whose_deadline_passed_on_its_way_is_refused_before_any_work() -> None:
    calls = 0

    class Late:
        """The call as gRPC gives it to a server: no time is left."""

        def __init__(self) -> None:
            self.told: tuple[Any, ...] = ()

        def invocation_metadata(self) -> tuple[Any, ...]:
            return ()

        def trailing_metadata(self) -> tuple[Any, ...]:
            return ()

        def time_remaining(self) -> float:
            return -0.1

        async def abort(self, *told: Any) -> None:
            self.told = told
            raise grpc.aio.AbortError

    async def work() -> None:
        nonlocal calls
        calls += 1

    handler = service_handler(
        SERVICE, Servicer(work), TokenVerifier("notification", TestKeys(), {})
    )
    method = f"/{SERVICE.full_name}/ListMailbox"
    serving = handler.service(HandlerCallDetails(method))
    call = Late()
    with pytest.raises(grpc.aio.AbortError):
        await serving.unary_unary(REQUEST, call)
    assert call.told[0] == grpc.StatusCode.DEADLINE_EXCEEDED
    assert calls == 0


async def test_another_services_refusal_is_passed_on_and_its_absence_is_unavailability(
    serve: Serve,
) -> None:
    refusal = RemoteError(grpc.StatusCode.NOT_FOUND, "HOLD_NOT_FOUND", "No such hold.", {})
    absence = RemoteError(grpc.StatusCode.UNAVAILABLE, "", "connection refused to 10.0.0.3", {})
    for error, reason in ((refusal, "HOLD_NOT_FOUND"), (absence, "SERVICE_UNAVAILABLE")):
        caller = await served(serve, raising(error))
        with pytest.raises(RemoteError) as told:
            await caller.as_gateway("ListMailbox", REQUEST)
        assert told.value.reason == reason
        assert "10.0.0.3" not in told.value.detail


async def test_people_may_not_call_what_is_the_gateways(serve: Serve) -> None:
    caller = await served(serve)
    with pytest.raises(RemoteError) as refused:
        await caller.as_person(str(uuid7()), "ListMailbox", REQUEST, Role.ADMIN)
    assert refused.value.reason == "FORBIDDEN"


async def test_a_call_that_takes_too_long_is_ended_at_its_deadline(serve: Serve) -> None:
    ended = asyncio.Event()

    async def for_ever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    caller = await served(serve, for_ever)
    with context.request(id="test", seconds=0.3), pytest.raises(RemoteError) as late:
        await caller.client.call(caller.stub.ListMailbox, REQUEST)
    assert late.value.code == grpc.StatusCode.DEADLINE_EXCEEDED
    await asyncio.wait_for(ended.wait(), 5)


async def test_no_call_is_made_once_the_deadline_has_passed(serve: Serve) -> None:
    servicer = Servicer(nothing)
    stub = notification_pb2_grpc.NotificationServiceStub
    caller = await serve("notification", SERVICE, servicer, stub)
    with context.request(id="test", seconds=-1), pytest.raises(RemoteError) as late:
        await caller.client.call(caller.stub.ListMailbox, REQUEST)
    assert late.value.code == grpc.StatusCode.DEADLINE_EXCEEDED
    assert servicer.calls == 0


async def test_a_callee_knows_the_callers_identity_request_id_and_deadline(serve: Serve) -> None:
    seen: list[object] = []

    async def look() -> None:
        seen.extend((context.caller().subject, context.request_id.get(), context.seconds_left()))

    caller = await served(serve, look)
    with context.request(id="req-42", seconds=3):
        await caller.client.call(caller.stub.ListMailbox, REQUEST)
    subject, id, left = seen
    assert (subject, id) == ("gateway", "req-42")
    assert isinstance(left, float)
    assert 0 < left <= 3


def claims(**changes: Any) -> dict[str, Any]:
    return {
        "iss": "parterre-auth",
        "aud": "parterre",
        "sub": "somebody",
        "role": "CUSTOMER",
        "sid": "session",
        "nbf": 0,
        "exp": 4_000_000_000,
        **changes,
    }


async def test_a_good_token_is_verified_once_and_remembered() -> None:
    keys = TestKeys()
    verifier = TokenVerifier("booking", keys, {})
    token = keys.sign(claims())
    first = await verifier.verify(token)
    assert first is await verifier.verify(token)
    assert (first.subject, first.role) == ("somebody", Role.CUSTOMER)


@pytest.mark.parametrize(
    ("changes", "headers"),
    [
        ({"aud": "another"}, {}),
        ({"iss": "another"}, {}),
        ({"exp": 1}, {}),
        ({"nbf": 4_000_000_000 - 1}, {}),
        ({"role": "EMPEROR"}, {}),
        ({}, {"typ": "rt+jwt"}),
        ({}, {"typ": "svc+jwt"}),
        ({}, {"kid": "unknown"}),
    ],
)
async def test_a_token_that_is_not_exactly_right_is_refused(
    changes: dict[str, Any], headers: dict[str, Any]
) -> None:
    keys = TestKeys()
    verifier = TokenVerifier("booking", keys, {})
    with pytest.raises(ServiceError) as refused:
        await verifier.verify(keys.sign(claims(**changes), **headers))
    assert refused.value.reason == "INVALID_TOKEN"


async def test_unsigned_and_symmetric_tokens_are_refused() -> None:
    keys = TestKeys()
    public = await keys.key("test")
    assert public is not None
    pem = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    headers = {"typ": "at+jwt", "kid": "test"}
    verifier = TokenVerifier("booking", keys, {})
    for token in (
        jwt.encode(claims(), None, algorithm="none", headers=headers),
        jwt.encode(claims(), pem, algorithm="HS256", headers=headers),
        "not.a.token",
        "",
    ):
        with pytest.raises(ServiceError) as refused:
            await verifier.verify(token)
        assert refused.value.reason == "INVALID_TOKEN"


async def test_clocks_may_differ_by_the_leeway_and_no_more() -> None:
    keys = TestKeys()
    verifier = TokenVerifier("booking", keys, {})
    now = int(time.time())
    assert LEEWAY_SECONDS <= 60
    within, beyond = LEEWAY_SECONDS // 2, LEEWAY_SECONDS + 60
    await verifier.verify(keys.sign(claims(exp=now - within)))
    await verifier.verify(keys.sign(claims(nbf=now + within)))
    for changes in ({"exp": now - beyond}, {"nbf": now + beyond}):
        with pytest.raises(ServiceError) as refused:
            await verifier.verify(keys.sign(claims(**changes)))
        assert refused.value.reason == "INVALID_TOKEN"


async def test_a_remembered_token_expires_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = TestKeys()
    verifier = TokenVerifier("booking", keys, {})
    now = time.time()
    token = keys.sign(claims(exp=int(now) + 60))
    await verifier.verify(token)
    monkeypatch.setattr("chassis.identity.time.time", lambda: now + 120)
    with pytest.raises(ServiceError):
        await verifier.verify(token)


class Collector(catalog_pb2_grpc.CatalogServiceServicer):
    """Takes a request in parts."""

    async def AddImage(self, parts: Any, _context: Any) -> Any:  # noqa: N802 - the proto's name
        sizes = [len(part.chunk) async for part in parts]
        return catalog_pb2.AddImageResponse(image=catalog_pb2.Image(widths=sizes))


async def in_parts(caller: Caller, role: Role, sizes: list[int]) -> list[int]:
    async def parts() -> AsyncIterator[catalog_pb2.AddImageRequest]:
        for size in sizes:
            yield catalog_pb2.AddImageRequest(chunk=bytes(size))

    identity = Identity("somebody", role, "", caller.keys.access("somebody", role), 4_000_000_000)
    with context.request(id="test", identity=identity, seconds=10):
        reply = await caller.client.call(caller.stub.AddImage, parts())
    return list(reply.image.widths)


async def test_a_request_in_parts_is_guarded_and_bounded_as_a_whole(serve: Serve) -> None:
    service = catalog_pb2.DESCRIPTOR.services_by_name["CatalogService"]
    caller = await serve("catalog", service, Collector(), catalog_pb2_grpc.CatalogServiceStub)
    for sizes in ([], [1, 2_000_000, 3], [4_000_000, 4_000_000]):
        assert await in_parts(caller, Role.ORGANIZER, sizes) == sizes
    # Refused while large parts are on their way, one may not hear why: gRPC cuts the stream.
    for role, sizes, reason in (
        (Role.ORGANIZER, [3_000_000] * 3, "BODY_TOO_LARGE"),
        (Role.CUSTOMER, [3], "FORBIDDEN"),
    ):
        with pytest.raises(RemoteError) as refused:
            await in_parts(caller, role, sizes)
        assert refused.value.reason == reason


BOOKING = booking_pb2.DESCRIPTOR.services_by_name["BookingService"]
Part = booking_pb2.CreateBookingsResponse


def part(place: int) -> Part:
    return Part(results=[Part.Result(place=place)])


class Teller:
    """Answers in parts: two at once, then whatever the test says, then a third."""

    def __init__(self, work: Callable[[], Awaitable[None]] = nothing) -> None:
        self._work = work
        self.seen: list[object] = []
        self.ended = asyncio.Event()

    def __getattr__(self, _name: str) -> Any:
        """The RPCs that nobody calls here."""
        return None

    async def CreateBookings(  # noqa: N802 - the proto's name
        self, _request: Any, _context: Any
    ) -> AsyncGenerator[Part]:
        self.seen += [context.caller().subject, context.request_id.get()]
        try:
            yield part(0)
            yield part(1)
            await self._work()
            yield part(2)
        finally:
            self.ended.set()


async def answered_in_parts(caller: Caller, seen: list[int], *, seconds: float = 10) -> None:
    parts = caller.client.parts(
        caller.stub.CreateBookings, booking_pb2.CreateBookingsRequest(), seconds=seconds
    )
    async with aclosing(parts):
        async for each in parts:
            seen.extend(result.place for result in each.results)


async def telling(serve: Serve, teller: Teller) -> Caller:
    return await serve("booking", BOOKING, teller, booking_pb2_grpc.BookingServiceStub)


async def test_an_answer_in_parts_comes_as_it_is_ready(serve: Serve) -> None:
    door = asyncio.Event()

    async def wait() -> None:
        await door.wait()

    teller = Teller(wait)
    seen: list[int] = []
    with context.request(id="req-42", seconds=30):
        asking = asyncio.create_task(answered_in_parts(await telling(serve, teller), seen))
        async with asyncio.timeout(30):
            while seen != [0, 1]:
                await asyncio.sleep(0.001)
        assert not asking.done()
        door.set()
        await asking
    assert seen == [0, 1, 2]
    assert teller.seen == ["gateway", "req-42"]


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (ServiceError("STATE", "HOLD_EXPIRED", "Gone."), "FAILED_PRECONDITION", "HOLD_EXPIRED"),
        (ValueError("table saga_secret is broken"), "INTERNAL", "INTERNAL"),
    ],
)
async def test_what_ends_an_answer_in_the_middle_comes_after_its_parts(
    serve: Serve, error: Exception, code: str, reason: str
) -> None:
    seen: list[int] = []
    caller = await telling(serve, Teller(raising(error)))
    with pytest.raises(RemoteError) as failed:
        await answered_in_parts(caller, seen)
    assert seen == [0, 1]
    assert (failed.value.code.name, failed.value.reason) == (code, reason)
    assert "secret" not in failed.value.detail


async def for_ever() -> None:
    await asyncio.Event().wait()


async def test_an_answer_in_parts_has_one_deadline_for_all(serve: Serve) -> None:
    teller = Teller(for_ever)
    seen: list[int] = []
    caller = await telling(serve, teller)
    with pytest.raises(RemoteError) as late:
        await answered_in_parts(caller, seen, seconds=0.3)
    assert late.value.code == grpc.StatusCode.DEADLINE_EXCEEDED
    assert seen == [0, 1]
    await asyncio.wait_for(teller.ended.wait(), 5)


async def test_who_leaves_off_ends_the_call(serve: Serve) -> None:
    teller = Teller(for_ever)
    caller = await telling(serve, teller)
    parts = caller.client.parts(
        caller.stub.CreateBookings, booking_pb2.CreateBookingsRequest(), seconds=10
    )
    assert (await anext(parts)).results[0].place == 0
    await parts.aclose()
    await asyncio.wait_for(teller.ended.wait(), 5)


async def test_an_answer_in_parts_is_not_everybodys_to_ask_for(serve: Serve) -> None:
    teller = Teller()
    caller = await telling(serve, teller)
    token = caller.keys.access("somebody", Role.ADMIN)
    identity = Identity("somebody", Role.ADMIN, "", token, 4_000_000_000)
    seen: list[int] = []
    with (
        context.request(id="test", identity=identity, seconds=10),
        pytest.raises(RemoteError) as refused,
    ):
        await answered_in_parts(caller, seen)
    assert (refused.value.reason, seen, teller.seen) == ("FORBIDDEN", [], [])


@pytest.mark.parametrize(
    ("error", "code", "reason", "metadata"),
    [
        (
            ServiceError("STATE", "SEATS_UNAVAILABLE", "Gone.", seat_ids='["7"]'),
            grpc.StatusCode.FAILED_PRECONDITION,
            "SEATS_UNAVAILABLE",
            {"seat_ids": '["7"]'},
        ),
        (PoolTimeoutError(), grpc.StatusCode.UNAVAILABLE, "OVERLOADED", {"retry_after": "1"}),
        (ValueError("of seat_secret"), grpc.StatusCode.INTERNAL, "INTERNAL", {}),
    ],
)
def test_an_items_refusal_is_read_as_the_error_a_call_of_its_own_would_raise(
    error: Exception, code: grpc.StatusCode, reason: str, metadata: dict[str, str]
) -> None:
    refusal = types_pb2.Refusal()
    write_refusal(refusal, error, method="parterre.v1.Make", request_id="req-1")
    read = read_refusal(types_pb2.Refusal.FromString(refusal.SerializeToString()))
    assert (read.code, read.reason, read.metadata) == (code, reason, metadata)
    assert "secret" not in read.detail


def test_a_refusal_of_a_kind_unknown_here_is_an_error_all_the_same() -> None:
    assert read_refusal(types_pb2.Refusal(code=99)).code is grpc.StatusCode.UNKNOWN


def test_an_rpc_that_does_not_say_who_may_call_it_is_refused() -> None:
    file = descriptor_pb2.FileDescriptorProto(name="undeclared.proto", package="undeclared")
    file.message_type.add(name="Nothing")
    rpc = file.service.add(name="Careless").method.add(name="Anything")
    rpc.input_type = rpc.output_type = ".undeclared.Nothing"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    service = pool.FindServiceByName("undeclared.Careless")
    with pytest.raises(UndeclaredAccessError):
        access_of(service.methods[0])


@pytest.mark.parametrize(
    ("access", "allowed"),
    [
        (options_pb2.ACCESS_UNSPECIFIED, set()),
        (
            options_pb2.ACCESS_ANYONE,
            {"gateway", "booking", "notification", "CUSTOMER", "ORGANIZER", "ADMIN"},
        ),
        (options_pb2.ACCESS_CUSTOMER, {"CUSTOMER", "ORGANIZER", "ADMIN"}),
        (options_pb2.ACCESS_ORGANIZER, {"ORGANIZER", "ADMIN"}),
        (options_pb2.ACCESS_ADMIN, {"ADMIN"}),
        (options_pb2.ACCESS_GATEWAY, {"gateway"}),
        (options_pb2.ACCESS_BOOKING, {"booking"}),
        (options_pb2.ACCESS_NOTIFICATION, {"notification"}),
    ],
)
def test_access_is_what_the_contract_says(access: int, allowed: set[str]) -> None:
    processes = ("gateway", "booking", "notification")
    callers = {name: Identity(name, None, "", "", 0) for name in processes}
    callers |= {role.name: Identity("somebody", role, "", "", 0) for role in Role}
    assert {name for name, who in callers.items() if permits(access, who)} == allowed


class Gate:
    """Counts who gets in."""

    def __init__(self) -> None:
        self.let_in: list[str] = []

    def __getattr__(self, name: str) -> Any:
        method = BOOKING.methods_by_name[name]

        async def answer(_request: Any, _context: Any) -> Any:
            self.let_in.append(name)
            return GetMessageClass(method.output_type)()

        async def parts(_request: Any, _context: Any) -> AsyncGenerator[Any]:
            self.let_in.append(name)
            yield GetMessageClass(method.output_type)()

        return parts if method.server_streaming else answer


EVENT = "01a21a3b-859b-745c-bc0c-f2c330ff4c82"


@pytest.mark.parametrize(
    ("scopes", "confined_to", "event_id", "is_let_in"),
    [
        (["check-ins:write"], "", EVENT, True),
        (["sales:read", "check-ins:write"], "", EVENT, True),
        (["check-ins:write"], EVENT, EVENT, True),
        (["check-ins:write"], EVENT.upper(), EVENT.upper(), True),
        (["check-ins:write"], EVENT, "01a21a3b-859b-745c-bc0c-f2c4f2da513d", False),
        (["check-ins:write"], EVENT, "", False),
        (["check-ins:read", "check-ins", "*", "write"], "", EVENT, False),
        (["sales:read"], "", EVENT, False),
        ([], "", EVENT, False),
    ],
)
async def test_a_keys_token_opens_what_its_scopes_and_its_object_open(
    serve: Serve, scopes: list[str], confined_to: str, event_id: str, is_let_in: bool
) -> None:
    gate = Gate()
    caller = await serve("booking", BOOKING, gate, booking_pb2_grpc.BookingServiceStub)
    claims = {"confined_to": confined_to} if confined_to else {}
    token = caller.keys.for_api_key("somebody", *scopes, **claims)
    identity = Identity("somebody", Role.ORGANIZER, "", token, 4_000_000_000)
    check_in = booking_pb2.CheckInRequest(event_id=event_id)
    with context.request(id="test", identity=identity, seconds=10):
        if is_let_in:
            await caller.client.call(caller.stub.CheckIn, check_in)
        else:
            with pytest.raises(RemoteError) as refused:
                await caller.client.call(caller.stub.CheckIn, check_in)
            assert refused.value.code is grpc.StatusCode.PERMISSION_DENIED
            assert refused.value.reason == "INSUFFICIENT_SCOPE"
    assert bool(gate.let_in) is is_let_in


async def test_a_gates_key_gets_in_nowhere_else(serve: Serve) -> None:
    gate = Gate()
    caller = await serve("booking", BOOKING, gate, booking_pb2_grpc.BookingServiceStub)
    token = caller.keys.for_api_key("somebody", "check-ins:write")
    identity = Identity("somebody", Role.ORGANIZER, "", token, 4_000_000_000)
    for method in BOOKING.methods:
        request, call = GetMessageClass(method.input_type)(), getattr(caller.stub, method.name)
        with (
            context.request(id="test", identity=identity, seconds=10),
            nullcontext() if method.name == "CheckIn" else pytest.raises(RemoteError) as refused,
        ):
            if method.server_streaming:
                async with aclosing(caller.client.parts(call, request)) as parts:
                    await anext(parts)
            else:
                await caller.client.call(call, request)
        assert refused is None or refused.value.code is grpc.StatusCode.PERMISSION_DENIED
    assert gate.let_in == ["CheckIn"]


async def test_an_item_of_a_call_that_comes_with_a_keys_token_is_nobodys() -> None:
    keys = TestKeys()
    token = keys.for_api_key(str(uuid7()), *SCOPES)
    with pytest.raises(ServiceError) as refused:
        await customer_of(TokenVerifier("booking", keys, {}), token)
    assert refused.value.reason == "INSUFFICIENT_SCOPE"


async def test_a_keys_token_is_no_persons_and_a_persons_no_keys() -> None:
    keys = TestKeys()
    verifier = TokenVerifier("booking", keys, {})
    person = await verifier.verify(keys.sign(claims(scope="sales:read")))
    assert (person.scopes, person.is_key, person.account) == (None, False, "somebody")
    key = await verifier.verify(keys.sign(claims(scope="sales:read"), typ="ak+jwt"))
    assert (key.scopes, key.is_key, key.account) == (frozenset({"sales:read"}), True, "session")
    assert key.subject == "somebody"
    with pytest.raises(ServiceError) as refused:
        await verifier.verify(keys.sign(claims(), typ="ak+jwt"))
    assert refused.value.reason == "INVALID_TOKEN"


async def test_a_request_in_parts_says_its_object_at_once(serve: Serve) -> None:
    service = catalog_pb2.DESCRIPTOR.services_by_name["CatalogService"]
    caller = await serve("catalog", service, Collector(), catalog_pb2_grpc.CatalogServiceStub)

    async def add_to(event_id: str, **claims: str) -> None:
        async def parts() -> AsyncIterator[catalog_pb2.AddImageRequest]:
            yield catalog_pb2.AddImageRequest(event_id=event_id)
            yield catalog_pb2.AddImageRequest(chunk=b"x")

        token = caller.keys.for_api_key("somebody", "events:write", **claims)
        identity = Identity("somebody", Role.ORGANIZER, "", token, 4_000_000_000)
        with context.request(id="test", identity=identity, seconds=10):
            await caller.client.call(caller.stub.AddImage, parts())

    await add_to(EVENT)
    await add_to(EVENT, confined_to=EVENT)
    with pytest.raises(RemoteError) as refused:
        await add_to(str(uuid7()), confined_to=EVENT)
    assert refused.value.reason == "INSUFFICIENT_SCOPE"
