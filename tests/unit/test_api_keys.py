"""How API keys are written, and what the contract says that they open."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from google.protobuf.descriptor import MethodDescriptor
from hypothesis import given
from hypothesis import strategies as st
from parterre.options.v1 import options_pb2

from auth_service.domain import InvalidApiKeyWishError, parse_api_key_wish
from chassis import api_keys
from chassis.grpc_server import access_of
from chassis.scopes import SCOPES, confining_field, scopes_of
from chassis.sealing import Seal
from gateway.scopes import Scope
from tests.contract.conftest import SERVICES

RPCS: Mapping[str, MethodDescriptor] = {
    f"{name}.{method.name}": method
    for name, service in SERVICES.items()
    for method in service.methods
}
# What there are scopes for; all else is for people and processes. A key that is confined to an
# event can do nothing of the second kind.
OF_AN_EVENT = """
catalog.GetEvent events:read
catalog.ListReviews events:read
inventory.ListBlocks events:read
catalog.UpdateEvent events:write
catalog.PublishEvent events:write
catalog.CancelEvent events:write
catalog.DeleteEvent events:write
catalog.AddImage events:write
catalog.DeleteImage events:write
inventory.BlockSeats events:write
inventory.UnblockSeats events:write
inventory.SetCapacity events:write
booking.ListEventBookings bookings:read
booking.ListCoupons coupons:read
booking.CreateCoupon coupons:write
booking.UpdateCoupon coupons:write
booking.CheckIn check-ins:write
booking.GetSales sales:read
"""
OF_NO_EVENT = """
catalog.ListEvents events:read
catalog.ListVenues events:read
catalog.GetVenue events:read
catalog.GetImage events:read
catalog.CreateEvent events:write
catalog.CreateVenue events:write
catalog.UpdateVenue events:write
catalog.AddSection events:write
catalog.UpdateSection events:write
catalog.DeleteSection events:write
booking.GetBooking bookings:read
booking.GetTimeline bookings:read
booking.CancelBooking bookings:write
payment.CreateRefund bookings:write
catalog.CountEvents sales:read
inventory.CountHolds sales:read
booking.GetDashboard sales:read
notification.CreateWebhookEndpoint webhooks:write
notification.ListWebhookEndpoints webhooks:write
notification.UpdateWebhookEndpoint webhooks:write
notification.DeleteWebhookEndpoint webhooks:write
notification.RotateWebhookSecret webhooks:write
notification.TestWebhookEndpoint webhooks:write
notification.ListWebhookDeliveries webhooks:write
notification.ResendWebhookDelivery webhooks:write
"""


def test_the_contract_says_what_every_rpc_asks_of_a_key() -> None:
    declared = {
        f"{name} {' '.join(sorted(scopes_of(method)))}": bool(confining_field(method))
        for name, method in RPCS.items()
        if scopes_of(method)
    }
    expected = dict.fromkeys(OF_AN_EVENT.strip().splitlines(), True)
    assert declared == expected | dict.fromkeys(OF_NO_EVENT.strip().splitlines(), False)


def test_no_key_buys_or_changes_an_account() -> None:
    for name, method in RPCS.items():
        if name.startswith(("auth.", "notification.")) or "Hold" in name or "Payment" in name:
            is_other = name == "inventory.CountHolds" or "Webhook" in name
            assert is_other or not scopes_of(method), name
    assert not scopes_of(RPCS["booking.CreateBookings"])


def test_what_only_processes_may_call_no_scope_opens() -> None:
    for name, method in RPCS.items():
        if access_of(method) >= options_pb2.ACCESS_GATEWAY:
            assert not scopes_of(method), name


def test_the_gateway_knows_the_contracts_scopes() -> None:
    assert [scope.value for scope in Scope] == list(SCOPES)


def test_a_new_key_is_whole_long_enough_and_never_the_same() -> None:
    keys = {api_keys.new_key() for _ in range(1000)}
    assert len(keys) == 1000
    for key in keys:
        assert api_keys.is_whole(key)
        assert len(key) == 42
        assert api_keys.shown_of(key) == key[:8]


def test_a_mistyped_key_is_not_whole() -> None:
    key = api_keys.new_key()
    for place in range(len(api_keys.PREFIX), len(key)):
        other = "a" if key[place] != "a" else "b"
        assert not api_keys.is_whole(key[:place] + other + key[place + 1 :])
    for wrong in (key[:-1], key + "0", key.upper(), f" {key}", f"{key}\n", key[4:], ""):
        assert not api_keys.is_whole(wrong)


@given(st.text(max_size=100))
def test_no_text_is_a_key_by_chance(text: str) -> None:
    assert not api_keys.is_whole(text)
    assert not api_keys.is_whole(api_keys.PREFIX + text)


def test_a_wish_names_every_field_that_is_wrong() -> None:
    with pytest.raises(InvalidApiKeyWishError) as refused:
        parse_api_key_wish(
            name=" ", scopes=["all:all"], event_id="x", expires_at=None, known_scopes=SCOPES
        )
    assert set(refused.value.metadata) == {"name", "scopes", "event_id"}
    wish = parse_api_key_wish(
        name=" North  gate ",
        scopes=["check-ins:write", "check-ins:write"],
        event_id="",
        expires_at=None,
        known_scopes=SCOPES,
    )
    assert (wish.scopes, wish.event_id) == (("check-ins:write",), None)


def test_what_is_sealed_is_read_under_the_same_pepper_alone() -> None:
    sealed = Seal(b"one" * 11).seal("ptk_secret")
    assert "secret" not in sealed
    assert Seal(b"one" * 11).open(sealed) == "ptk_secret"
    assert Seal(b"two" * 11).open(sealed) is None
    assert Seal(b"one" * 11).open("ptk_secret") is None
