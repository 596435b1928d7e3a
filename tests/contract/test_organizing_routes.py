"""Coupons, attendees, figures and the gate, as organizers see them."""

from __future__ import annotations

import csv
import io
from typing import Any

import httpx
import pytest
from parterre.booking.v1 import booking_pb2
from parterre.catalog.v1 import catalog_pb2
from parterre.inventory.v1 import inventory_pb2

from chassis.identity import Role
from tests.contract import samples
from tests.contract.conftest import Edge, RefusalError

COUPONS = f"/events/{samples.EVENT}/coupons"
OF_EVENT = f"/organizer/events/{samples.EVENT}"
Sales = booking_pb2.GetSalesResponse


async def test_a_coupon_is_made_and_its_limits_passed_on(edge: Edge) -> None:
    edge.booking.answers["CreateCoupon"] = booking_pb2.CreateCouponResponse(coupon=samples.coupon())
    body = {
        "code": "early-bird",
        "kind": "PERCENT",
        "value": 15,
        "usage_limit": 100,
        "valid_to": "2026-11-20T15:45:00+05:45",
    }
    answer = await edge.post(COUPONS, body, role=Role.ORGANIZER)
    assert (answer.status_code, answer.json()["used"]) == (201, 3)
    assert answer.json()["max_discount"] is None
    asked = edge.booking.asked.coupon
    assert (asked.code, asked.value, asked.usage_limit) == ("early-bird", 15, 100)
    assert not asked.HasField("per_customer_limit")
    assert asked.valid_to == samples.at()


@pytest.mark.parametrize(
    "change",
    [
        {"code": "x"},
        {"code": "no spaces"},
        {"kind": "GIFT"},
        {"value": 0},
        {"value": 1.5},
        {"usage_limit": 0},
        {"used": 0},
    ],
)
async def test_a_coupon_that_can_not_be_is_refused_at_the_door(
    edge: Edge, change: dict[str, Any]
) -> None:
    body = {"code": "EARLY-BIRD", "kind": "FIXED", "value": 5, **change}
    answer = await edge.post(COUPONS, body, role=Role.ORGANIZER)
    assert (answer.status_code, answer.json()["reason"]) == (422, "VALIDATION_FAILED")
    assert not edge.booking.calls


async def test_what_a_change_does_not_name_stays_and_null_takes_a_limit_away(edge: Edge) -> None:
    edge.booking.answers["UpdateCoupon"] = booking_pb2.UpdateCouponResponse(coupon=samples.coupon())
    body = {"active": False, "usage_limit": None, "max_discount": 500}
    await edge.call("PATCH", f"{COUPONS}/EARLY-BIRD", json=body, role=Role.ORGANIZER)
    asked = edge.booking.asked
    assert (asked.code, asked.active) == ("EARLY-BIRD", False)
    assert asked.HasField("usage_limit")
    assert (asked.usage_limit, asked.max_discount) == (0, 500)
    assert not asked.HasField("min_total")


async def test_a_code_that_can_not_be_one_is_a_coupon_that_is_not_there(edge: Edge) -> None:
    answer = await edge.call("PATCH", f"{COUPONS}/x", json={}, role=Role.ORGANIZER)
    assert (answer.status_code, answer.json()["reason"]) == (404, "COUPON_NOT_FOUND")


async def test_coupons_are_listed(edge: Edge) -> None:
    edge.booking.answers["ListCoupons"] = booking_pb2.ListCouponsResponse(
        coupons=[samples.coupon()], next_cursor="EARLY-BIRD"
    )
    body = (await edge.get(f"{COUPONS}?limit=1", role=Role.ORGANIZER)).json()
    assert (body["items"][0]["code"], body["next_cursor"]) == ("EARLY-BIRD", "EARLY-BIRD")


async def test_attendees_are_listed_by_status(edge: Edge) -> None:
    edge.booking.answers["ListEventBookings"] = booking_pb2.ListEventBookingsResponse(
        bookings=[samples.booking("CONFIRMED")]
    )
    answer = await edge.get(f"{OF_EVENT}/bookings?status=CONFIRMED", role=Role.ORGANIZER)
    assert answer.json()["items"][0]["attendees"][0]["name"] == "Asha"
    assert answer.json()["items"][0]["buyer"] is None
    assert (edge.booking.asked.status, edge.booking.asked.limit) == ("CONFIRMED", 20)


async def test_an_organizer_sees_who_went_in(edge: Edge) -> None:
    booking = samples.booking("CONFIRMED")
    ticket = samples.ticket("ADMITTED")
    ticket.token = ""
    booking.tickets.append(ticket)
    edge.booking.answers["ListEventBookings"] = booking_pb2.ListEventBookingsResponse(
        bookings=[booking]
    )
    answer = await edge.get(f"{OF_EVENT}/bookings?expand=tickets", role=Role.ORGANIZER)
    [shown] = answer.json()["items"]
    assert (shown["tickets"][0]["status"], shown["tickets"][0]["token"]) == ("ADMITTED", None)
    assert edge.booking.asked.with_tickets


async def test_bookings_of_an_event_that_changed_are_asked_for(edge: Edge) -> None:
    path = f"{OF_EVENT}/bookings?updated_since=2026-11-20T10:00:00Z"
    await edge.get(path, role=Role.ORGANIZER)
    assert edge.booking.asked.updated_since == samples.at()


@pytest.mark.parametrize("table", ["bookings", "bookings.csv"])
async def test_bookings_are_searched_by_their_buyers(edge: Edge, table: str) -> None:
    booking = samples.booking("CONFIRMED")
    booking.buyer.CopyFrom(booking_pb2.Buyer(name="Asha Rai", email="asha@parterre.example"))
    edge.booking.answers["ListEventBookings"] = booking_pb2.ListEventBookingsResponse(
        bookings=[booking]
    )
    answer = await edge.get(f"{OF_EVENT}/{table}?q=%20Asha", role=Role.ORGANIZER)
    assert edge.booking.asked.query == "Asha"
    if table == "bookings":
        [shown] = answer.json()["items"]
        assert shown["buyer"] == {"name": "Asha Rai", "email": "asha@parterre.example"}
    else:
        rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))
        assert {(row["buyer"], row["buyer_email"]) for row in rows} == {
            ("Asha Rai", "asha@parterre.example")
        }
        assert rows[0]["attendee"] == "Asha"


async def test_the_table_of_attendees_is_harmless_to_spreadsheets(edge: Edge) -> None:
    dangerous = samples.booking("CONFIRMED")
    dangerous.attendees[0].name = '=HYPERLINK("http://evil.example";"Prize")'
    dangerous.attendees[0].email = "+4420@example.test"
    dangerous.attendees.add(name="प्रकाश, श्रेष्ठ")
    edge.booking.answers["ListEventBookings"] = booking_pb2.ListEventBookingsResponse(
        bookings=[dangerous]
    )
    answer = await edge.get(f"{OF_EVENT}/bookings.csv", role=Role.ORGANIZER)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert "attachment" in answer.headers["content-disposition"]
    text = answer.content.decode("utf-8-sig")
    seat, standing, unnamed = csv.DictReader(io.StringIO(text, newline=""))
    assert seat["attendee"].startswith("'=HYPERLINK")
    assert seat["attendee_email"] == "'+4420@example.test"
    assert (seat["row"], seat["number"], seat["booking_total"]) == ("A", "1", "5096.25")
    assert (standing["attendee"], standing["number"]) == ("प्रकाश, श्रेष्ठ", "")
    assert (unnamed["attendee"], unnamed["tier"], unnamed["price"]) == ("", "Floor", "1500.00")
    assert [row["reference"] for row in (seat, standing, unnamed)] == [samples.REFERENCE] * 3
    # A column of amounts can be added up.
    assert [row["booking_total"] for row in (standing, unnamed)] == ["", ""]
    assert [row["booking_refunded"] for row in (seat, standing, unnamed)] == ["0.00", "", ""]


async def test_a_table_goes_on_page_by_page(edge: Edge) -> None:
    pages = {
        "": booking_pb2.ListEventBookingsResponse(
            bookings=[samples.booking()], next_cursor="second"
        ),
        "second": booking_pb2.ListEventBookingsResponse(bookings=[samples.booking()]),
    }
    edge.booking.answers["ListEventBookings"] = lambda request: pages[request.cursor]
    answer = await edge.get(f"{OF_EVENT}/bookings.csv", role=Role.ORGANIZER)
    assert [call.request.cursor for call in edge.booking.calls] == ["", "second"]
    assert len(answer.text.splitlines()) == 1 + 2 * 3


async def test_a_table_that_can_not_be_finished_does_not_look_whole(
    edge: Edge, refusal: type[RefusalError]
) -> None:
    def page(request: Any) -> Any:
        if request.cursor:
            return refusal("UNAVAILABLE", "OVERLOADED")
        return booking_pb2.ListEventBookingsResponse(next_cursor="second")

    edge.booking.answers["ListEventBookings"] = page
    with pytest.raises(httpx.RemoteProtocolError):
        await edge.get(f"{OF_EVENT}/bookings.csv", role=Role.ORGANIZER)


async def test_a_refused_table_is_a_problem(edge: Edge, refusal: type[RefusalError]) -> None:
    edge.booking.answers["ListEventBookings"] = refusal("NOT_FOUND", "EVENT_NOT_FOUND")
    answer = await edge.get(f"{OF_EVENT}/bookings.csv", role=Role.ORGANIZER)
    assert (answer.status_code, answer.json()["reason"]) == (404, "EVENT_NOT_FOUND")


async def test_sales_add_up(edge: Edge) -> None:
    edge.booking.answers["GetSales"] = Sales(
        currency="NPR",
        bookings=2,
        gross=1000,
        refunded=300,
        tickets=3,
        admitted=1,
        tiers=[Sales.Tier(tier_id=samples.TIER, name="Stalls", tickets=3, amount=900)],
        days=[Sales.Day(date="2026-11-21", tickets=4, gross=1000, refunded=300)],
        admission_minutes=5,
        admissions=[Sales.Admissions(begins_at=samples.at(), tickets=1)],
    )
    body = (await edge.get(f"{OF_EVENT}/sales", role=Role.ORGANIZER)).json()
    assert body["revenue"]["net"] == {"amount": 700, "currency": "NPR"}
    assert (body["tickets"], body["check_ins"]) == (3, 1)
    assert body["by_tier"][0]["tier"] == "Stalls"
    assert body["by_day"][0]["date"] == "2026-11-21"
    assert body["check_ins_over_time"] == {
        "minutes": 5,
        "stretches": [{"begins_at": "2026-11-20T10:00:00Z", "tickets": 1}],
    }


async def test_a_dashboard_is_composed_of_three_services(edge: Edge) -> None:
    edge.booking.answers["GetDashboard"] = booking_pb2.GetDashboardResponse(
        revenue=[booking_pb2.GetDashboardResponse.Revenue(currency="NPR", gross=9, refunded=2)],
        tickets=5,
        bookings={"CONFIRMED": 4},
        sagas={"CONFIRMED": 4},
    )
    edge.catalog.answers["CountEvents"] = catalog_pb2.CountEventsResponse(active=1, total=2)
    edge.inventory.answers["CountHolds"] = inventory_pb2.CountHoldsResponse(holds=3, places=6)
    own = (await edge.get("/organizer/dashboard", role=Role.ORGANIZER)).json()
    assert own["revenue"][0]["net"] == {"amount": 7, "currency": "NPR"}
    assert (own["tickets"], own["events"], own["holds"]) == (
        5,
        {"active": 1, "total": 2},
        {"holds": 3, "places": 6},
    )
    assert "sagas" not in own
    whole = (await edge.get("/admin/dashboard", role=Role.ADMIN)).json()
    assert whole["sagas"] == {"CONFIRMED": 4}
    assert [call.request.own_only for call in edge.booking.calls] == [True, False]


async def test_a_part_that_does_not_answer_is_null_and_the_rest_is_shown(
    edge: Edge, refusal: type[RefusalError]
) -> None:
    edge.booking.answers["GetDashboard"] = refusal("UNAVAILABLE", "OVERLOADED")
    edge.inventory.answers["CountHolds"] = ValueError("a bug")
    edge.catalog.answers["CountEvents"] = catalog_pb2.CountEventsResponse(active=1, total=2)
    body = (await edge.get("/admin/dashboard", role=Role.ADMIN)).json()
    assert body["events"] == {"active": 1, "total": 2}
    assert (body["revenue"], body["holds"], body["sagas"]) == (None, None, None)


async def test_a_scan_says_what_came_of_it(edge: Edge) -> None:
    edge.booking.answers["CheckIn"] = booking_pb2.CheckInResponse(
        result="ALREADY_ADMITTED",
        ticket=samples.ticket("ADMITTED"),
        admitted_at=samples.at(),
        gate="North",
    )
    body = {"token": "a.b", "gate": "South"}
    answer = await edge.post(f"/events/{samples.EVENT}/check-ins", body, role=Role.ORGANIZER)
    told = answer.json()
    assert (answer.status_code, told["result"], told["gate"]) == (200, "ALREADY_ADMITTED", "North")
    assert told["ticket"]["number"] == "1"
    assert "token" not in told["ticket"]
    assert (edge.booking.asked.token, edge.booking.asked.gate) == ("a.b", "South")


async def test_a_ticket_of_another_event_is_shown_to_nobody(edge: Edge) -> None:
    edge.booking.answers["CheckIn"] = booking_pb2.CheckInResponse(result="WRONG_EVENT")
    path = f"/events/{samples.EVENT}/check-ins"
    told = (await edge.post(path, {"token": "a.b"}, role=Role.ORGANIZER)).json()
    assert told == {"result": "WRONG_EVENT", "ticket": None, "admitted_at": None, "gate": None}


@pytest.mark.parametrize("body", [{}, {"token": "x" * 301}, {"token": "x", "gate": "y" * 51}])
async def test_what_can_not_be_a_scan_is_refused(edge: Edge, body: dict[str, str]) -> None:
    answer = await edge.post(f"/events/{samples.EVENT}/check-ins", body, role=Role.ORGANIZER)
    assert (answer.status_code, answer.json()["reason"]) == (422, "VALIDATION_FAILED")


# --- messages ------------------------------------------------------------------------------------


async def test_an_organizer_writes_to_those_who_go(edge: Edge) -> None:
    body = {"subject": " Doors at six ", "text": "Come early.\nWe do.", "preview": True}
    answer = await edge.post(f"/events/{samples.EVENT}/messages", body, role=Role.ORGANIZER)
    assert (answer.status_code, answer.json()["bookings"]) == (202, 312)
    asked = edge.notification.asked
    assert (asked.subject, asked.text, asked.preview) == (
        "Doors at six",
        "Come early.\nWe do.",
        True,
    )


async def test_enough_messages_of_a_day_say_when_to_come_back(
    edge: Edge, refusal: type[RefusalError]
) -> None:
    edge.notification.answers["MessageAttendees"] = refusal(
        "THROTTLED", "TOO_MANY_MESSAGES", retry_after="3600"
    )
    body = {"subject": "Doors", "text": "At six."}
    answer = await edge.post(f"/events/{samples.EVENT}/messages", body, role=Role.ORGANIZER)
    assert (answer.status_code, answer.json()["reason"]) == (429, "TOO_MANY_MESSAGES")
    assert answer.headers["Retry-After"] == "3600"


async def test_a_link_in_a_mail_is_looked_at_by_people_and_posted_by_programs(edge: Edge) -> None:
    path = "/api/v1/unsubscribe/abc"
    page = await edge.http.get(path, headers={"Accept": "text/html"})
    assert page.status_code == 200
    assert '<form method="post">' in page.text
    assert "form-action 'self'" in page.headers["Content-Security-Policy"]
    done = await edge.http.post(
        path,
        content=b"List-Unsubscribe=One-Click",
        headers={
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
        },
    )
    assert (done.status_code, done.json()["kind"]) == (200, "event_tomorrow")
    looked, switched = (call.request for call in edge.notification.calls)
    assert (looked.preview, switched.preview) == (True, False)
    assert switched.token == "abc"


async def test_a_draft_that_booking_has_not_heard_of_has_its_coupon_a_moment_later(
    edge: Edge, refusal: type[RefusalError]
) -> None:
    answers: list[Any] = [
        booking_pb2.CreateCouponResponse(coupon=samples.coupon()),
        refusal("UNAVAILABLE", "EVENT_NOT_READY"),
        refusal("UNAVAILABLE", "EVENT_NOT_READY"),
    ]
    edge.booking.answers["CreateCoupon"] = lambda _request: answers.pop()
    edge.catalog.answers["GetEvent"] = catalog_pb2.GetEventResponse(event=samples.event())
    body = {"code": "EARLY", "kind": "PERCENT", "value": 15}
    answer = await edge.post(COUPONS, body, role=Role.ORGANIZER)
    assert (answer.status_code, len(edge.booking.calls)) == (201, 3)


async def test_a_coupon_for_an_event_there_is_not_is_refused(
    edge: Edge, refusal: type[RefusalError]
) -> None:
    edge.booking.answers["CreateCoupon"] = refusal("UNAVAILABLE", "EVENT_NOT_READY")
    edge.catalog.answers["GetEvent"] = refusal("NOT_FOUND", "EVENT_NOT_FOUND")
    body = {"code": "EARLY", "kind": "PERCENT", "value": 15}
    answer = await edge.post(COUPONS, body, role=Role.ORGANIZER)
    assert (answer.status_code, answer.json()["reason"]) == (404, "EVENT_NOT_FOUND")
    assert len(edge.booking.calls) == 1
