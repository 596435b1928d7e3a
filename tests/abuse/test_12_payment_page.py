"""Item 12: an organizer was given the customer's payment page, and could approve it.

Whoever has the page's address can approve the payment, so that the services tell nobody but the
customer, whoever else may see the booking or the payment.
"""

from __future__ import annotations

from parterre.payment.v1 import payment_pb2

from chassis.identity import Role
from chassis.ids import uuid7
from tests.component import test_payment as paying
from tests.component.booking.box import ADMIN, ASHA, ORGANIZER, Box, Payment
from tests.component.booking.conftest import box
from tests.component.conftest import Serve, make_database, serve, template

__all__ = ["box", "desk", "make_database", "open_desk", "sandbox", "serve", "template"]

PAGE = "https://wallet.example/1"
desk, open_desk, sandbox = paying.desk, paying.open_desk, paying.sandbox


async def test_a_bookings_page_is_told_to_its_customer_alone(box: Box) -> None:
    booking = await box.to_charging(payment_method="KHALTI", payment_token="")
    await box.paid(booking, Payment.OUTCOME_ACTION_REQUIRED, action_url=PAGE)

    assert (await box.get(booking)).payment.action_url == PAGE
    seen = [await box.get(booking, ADMIN, role=Role.ADMIN)]
    seen += (await box.organize("ListEventBookings", limit=10)).bookings
    seen += (await box.organize("ListEventBookings", ADMIN, Role.ADMIN, limit=10)).bookings
    assert [each.reference for each in seen] == [booking.reference] * 3
    for each in seen:
        assert (each.payment.status, each.payment.action_url) == ("REQUIRES_ACTION", "")
    assert PAGE not in str(await box.timeline(booking, ADMIN, role=Role.ADMIN))
    assert PAGE not in str(await box.cancel(booking, ADMIN, role=Role.ADMIN))


async def test_who_organizes_sees_the_page_of_what_they_buy_themselves(box: Box) -> None:
    booking = await box.to_charging(ORGANIZER, payment_method="KHALTI", payment_token="")
    await box.paid(booking, Payment.OUTCOME_ACTION_REQUIRED, action_url=PAGE)
    [own] = (await box.organize("ListEventBookings", limit=10)).bookings
    assert own.payment.action_url == PAGE
    assert (await box.get(booking, ASHA, role=Role.ADMIN)).payment.action_url == ""


async def test_a_payments_page_is_told_to_its_customer_alone(
    desk: paying.Desk, serve: Serve
) -> None:
    caller = await paying.served(serve, desk)
    payment = await paying.waiting_wallet(desk)
    request = payment_pb2.GetPaymentRequest(payment_id=payment.id)
    page = (await desk.charge(payment))["action_url"]

    assert page
    assert (await paying.shown(caller, payment)).action_url == page
    others = (await caller.as_person(str(uuid7()), "GetPayment", request, Role.ADMIN)).payment
    assert (others.status, others.action_url) == ("REQUIRES_ACTION", "")
