"""What each RPC of the services replies in a story that is going well.

A reply is made of `samples`: of every message in it that has one. What a fake was not told to
answer, it answers like this, so that every answer of the gateway has the shape of a real one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from google.protobuf.message import Message
from parterre.auth.v1 import auth_pb2
from parterre.booking.v1 import booking_pb2
from parterre.catalog.v1 import catalog_pb2
from parterre.inventory.v1 import inventory_pb2
from parterre.notification.v1 import notification_pb2
from parterre.payment.v1 import payment_pb2

from tests.contract import samples
from tests.contract.samples import at

# By the message's full name.
_MADE: Mapping[str, Callable[[], Message]] = {
    made.DESCRIPTOR.full_name: make
    for make, made in (
        (make, make())
        for make in (
            samples.user,
            samples.tokens,
            samples.session,
            samples.managed_user,
            samples.audit_entry,
            samples.venue,
            samples.section,
            samples.event,
            samples.image,
            samples.review,
            samples.hold,
            samples.price,
            samples.booking,
            samples.ticket,
            samples.coupon,
            samples.payment,
            samples.block,
            samples.timeline_entry,
            samples.mail,
            samples.device,
            samples.api_key,
            samples.webhook_endpoint,
            samples.webhook_delivery,
        )
    )
}
_WHOLE: Mapping[str, Callable[[], Message]] = {
    reply.DESCRIPTOR.full_name: lambda reply=reply: reply  # type: ignore[misc]  # bound at once
    for reply in (
        auth_pb2.RequestCodeResponse(otp_id="7f1c2b1e-53c5-4b8e-9d0e-0c5d6a1f2e3b"),
        auth_pb2.GetOrganizerResponse(name="Bina Rai", business_name="Naach Ghar Ltd."),
        auth_pb2.CreateApiKeyResponse(api_key=samples.api_key(), key="ptk_7Zk2Qm…"),
        catalog_pb2.CountEventsResponse(active=2, total=5),
        samples.read(samples.event()),
        catalog_pb2.GetImageResponse(content=b"RIFF\x1a\x00\x00\x00WEBPVP8L"),
        catalog_pb2.WriteReviewResponse(review=samples.review(), created=True),
        inventory_pb2.CountHoldsResponse(holds=3, places=7),
        booking_pb2.QuoteBookingResponse(lines=samples.lines(), price=samples.price()),
        booking_pb2.ListTicketKeysResponse(
            keys=[
                booking_pb2.ListTicketKeysResponse.TicketKey(
                    key_id="2026-11", public_key=bytes(range(32))
                )
            ]
        ),
        payment_pb2.DescribeCardTokensResponse(
            methods=[
                payment_pb2.DescribeCardTokensResponse.Method(
                    method="CARD",
                    test=True,
                    test_cards=[
                        payment_pb2.DescribeCardTokensResponse.TestCard(
                            token="tok_ok", name="A good card"
                        )
                    ],
                ),
                payment_pb2.DescribeCardTokensResponse.Method(method="KHALTI", test=True),
                payment_pb2.DescribeCardTokensResponse.Method(method="ESEWA", test=True),
            ]
        ),
        booking_pb2.GetSalesResponse(
            currency="NPR",
            bookings=2,
            gross=1019250,
            refunded=100,
            tickets=6,
            admitted=1,
            discounts=0,
            tax=119250,
            tiers=[
                booking_pb2.GetSalesResponse.Tier(
                    tier_id=samples.TIER, name="Stalls", tickets=6, amount=900000
                )
            ],
            days=[
                booking_pb2.GetSalesResponse.Day(
                    date="2026-11-20", tickets=6, gross=1019250, refunded=100
                )
            ],
            admission_minutes=1,
            admissions=[
                booking_pb2.GetSalesResponse.Admissions(
                    begins_at=at("2027-03-01T12:50:00Z"), tickets=1
                )
            ],
        ),
        booking_pb2.GetDashboardResponse(
            revenue=[
                booking_pb2.GetDashboardResponse.Revenue(
                    currency="NPR", gross=1019250, refunded=100
                )
            ],
            tickets=6,
            sagas={"CONFIRMED": 2},
            bookings={"CONFIRMED": 2},
        ),
        booking_pb2.GetVerdictResponse(
            verdict=booking_pb2.Verdict(
                began_at=at("2026-11-20T03:00:00Z"),
                milliseconds=2140,
                version="0.1.0",
                checks=38,
                findings=[
                    booking_pb2.Verdict.Finding(
                        invariant="I4", title="no hold outlives its expiry", violations=2
                    )
                ],
            )
        ),
        booking_pb2.CreateBookingsResponse(
            results=[booking_pb2.CreateBookingsResponse.Result(booking=samples.booking())]
        ),
        booking_pb2.CheckInResponse(
            result="ADMITTED",
            ticket=samples.ticket("ADMITTED"),
            admitted_at=at("2027-03-01T12:50:00Z"),
            gate="North",
        ),
        payment_pb2.ReceiveWebhooksResponse(results=[payment_pb2.ReceiveWebhooksResponse.Result()]),
        notification_pb2.ListMailboxResponse(mails=[samples.mail()]),
        notification_pb2.MessageAttendeesResponse(
            message_id=samples.SESSION,
            subject="Doors at six",
            text="Doors at six\n\nThe organizer of The Tempest writes:\n\n> Come early.\n",
            html="<!DOCTYPE html>…",
            bookings=312,
            messages_left=2,
        ),
        notification_pb2.ListNoticesResponse(notices=[samples.notice()], unread=1),
        notification_pb2.ReadNoticeResponse(notice=samples.notice()),
        notification_pb2.CountUnreadNoticesResponse(unread=1),
        notification_pb2.GetPreferencesResponse(preferences=samples.preferences()),
        notification_pb2.SetPreferencesResponse(preferences=samples.preferences()),
        notification_pb2.CreateWebhookEndpointResponse(
            endpoint=samples.webhook_endpoint(), secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw…"
        ),
        notification_pb2.RotateWebhookSecretResponse(
            endpoint=samples.webhook_endpoint(), secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw…"
        ),
        notification_pb2.UnsubscribeResponse(
            kind="event_tomorrow", tells="an event is on the next day"
        ),
    )
}


def reply(kind: type[Message]) -> Message:
    """A reply of that kind."""
    made = _WHOLE.get(kind.DESCRIPTOR.full_name)
    if made is not None:
        return made()
    result = kind()
    for field in kind.DESCRIPTOR.fields:
        part = _MADE.get(field.message_type.full_name) if field.message_type else None
        if part is None:
            continue
        if field.is_repeated:
            getattr(result, field.name).append(part())
        else:
            getattr(result, field.name).CopyFrom(part())
    return result
