"""What organizers see of their events: attendees, figures that always add up, dashboards."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from parterre.booking.v1 import booking_pb2
from parterre.messages.v1 import messages_pb2

from booking_service import loops, messaging
from booking_service.domain import Line
from booking_service.storage import tickets
from chassis.identity import Role
from chassis.ids import uuid7
from tests.component.conftest import MakeDatabase

from .box import ADMIN, ASHA, BIKRAM, ORGANIZER, Box, Payment, Seats, refused

TOTAL = 135_600


async def sales(box: Box) -> Any:
    """An event's figures, the same before and after they are folded."""
    before = await box.organize("GetSales")
    while await loops.fold_once(box.database):
        pass
    assert await box.organize("GetSales") == before
    return before


async def recomputed(box: Box) -> dict[str, int]:
    """The same figures from the bookings and tickets themselves."""
    async with box.database.transaction() as session:
        row = await session.one(
            """
            SELECT count(*) FILTER (WHERE minted) AS bookings,
                   coalesce(sum(booking.total) FILTER (WHERE paid), 0)::bigint AS gross,
                   coalesce(sum(saga.refunded) FILTER (WHERE paid), 0)::bigint AS refunded,
                   coalesce(sum(booking.discount) FILTER (WHERE paid), 0)::bigint AS discounts,
                   coalesce(sum(booking.tax - CASE WHEN booking.total = 0 THEN 0 ELSE
                                    round(booking.tax::numeric * saga.refunded / booking.total)
                                END) FILTER (WHERE paid), 0)::bigint AS tax,
                   (SELECT count(*) FROM ticket WHERE event_id = :event_id
                                                  AND status <> 'REVOKED') AS tickets,
                   (SELECT count(*) FROM ticket WHERE event_id = :event_id
                                                  AND admitted_at IS NOT NULL) AS admitted
              FROM booking JOIN saga USING (booking_id),
                   LATERAL (SELECT state IN ('CONFIRMED', 'REFUNDING', 'RESTOCKING', 'CANCELLED')
                                AS paid,
                            EXISTS (SELECT FROM ticket
                                     WHERE ticket.booking_id = booking.booking_id) AS minted) AS it
             WHERE booking.event_id = :event_id
            """,
            event_id=box.event_id,
        )
    return row._asdict()


async def test_figures_follow_every_way_a_booking_can_go(box: Box) -> None:
    await box.coupon()

    async def holds_true() -> Any:
        shown, truth = await sales(box), await recomputed(box)
        assert {name: getattr(shown, name) for name in truth} == truth
        assert sum(tier.tickets for tier in shown.tiers) == shown.tickets
        assert sum(day.gross for day in shown.days) == shown.gross
        assert sum(day.refunded for day in shown.days) == shown.refunded
        return shown

    await holds_true()
    plain = await box.to_confirmed()
    [ticket, *_] = await box.tickets(plain)
    await box.scan(ticket)
    await box.scan(ticket)
    shown = await holds_true()
    assert (shown.bookings, shown.gross, shown.tickets, shown.admitted) == (1, TOTAL, 4, 1)
    assert [(tier.name, tier.tickets, tier.amount) for tier in shown.tiers] == [
        ("Best", 2, 100_000),
        ("Standing", 2, 20_000),
    ]
    assert [day.date for day in shown.days] == [
        datetime.now(UTC).astimezone(ZoneInfo("Asia/Kathmandu")).date().isoformat()
    ]
    await box.let_time_pass(plain)  # its Sell is sent again
    await box.seats(plain, Seats.OUTCOME_SOLD)
    assert await holds_true() == shown
    cheap = await box.to_charging(coupon_code="SAVE-10")
    await box.refunded(cheap, 22_040, 122_040)  # told before the charge
    await holds_true()
    await box.paid(cheap, Payment.OUTCOME_CHARGED)
    assert (await holds_true()).refunded == 22_040
    await box.cancel(cheap)
    await box.to_cancelled(cheap)
    assert (await holds_true()).refunded == 72_040
    failed = await box.create(ASHA, box.hold())
    await box.to_failed(failed)
    late = await box.to_expired()
    await holds_true()
    await box.paid(late, Payment.OUTCOME_PAID_LATE)
    await holds_true()
    await box.seats(late, Seats.OUTCOME_RECLAIMED)
    assert (await holds_true()).bookings == 3
    await box.cancel(plain, ORGANIZER, role=Role.ORGANIZER)
    await box.to_cancelled(plain)
    shown = await holds_true()
    assert (shown.tickets, shown.admitted, shown.discounts) == (4, 1, 12_000)
    free = await box.create(ASHA, box.hold(price=0))
    assert (await holds_true()).bookings == 4
    await box.cancel(free)
    await box.to_cancelled(free)
    await holds_true()
    gone = await box.to_expired()
    await box.cancel(late, ORGANIZER, role=Role.ORGANIZER)
    await box.to_cancelled(late)
    await box.paid(gone, Payment.OUTCOME_PAID_LATE)
    await box.seats(gone, Seats.OUTCOME_RECLAIM_REFUSED, "SEATS_UNAVAILABLE")
    await box.to_rest(gone)
    shown = await holds_true()
    # A payment that went back before it was a sale is none.
    assert (shown.bookings, shown.gross) == (4, 2 * TOTAL + 122_040)


async def test_admissions_are_counted_by_the_minute(box: Box) -> None:
    nobody = await box.organize("GetSales")
    assert (nobody.admission_minutes, list(nobody.admissions)) == (1, [])
    bookings = [await box.to_confirmed(), await box.to_confirmed()]
    scanned = [ticket for booking in bookings for ticket in await box.tickets(booking)][:5]
    for ticket in scanned:
        await box.scan(ticket)
    await box.scan(scanned[0])  # again
    for at, ids in (
        ("2026-11-20 18:14:59.9+05:45", [scanned[0].id]),
        ("2026-11-20 18:15:00+05:45", [scanned[1].id, scanned[2].id]),
        ("2026-11-20 18:19:59+05:45", [scanned[3].id]),
        ("2026-11-21 00:00:00+05:45", [scanned[4].id]),
    ):
        async with box.database.transaction() as session:
            await session.execute(
                "UPDATE ticket SET admitted_at = CAST(:at AS timestamptz)"
                " WHERE ticket_id = ANY(CAST(:ids AS uuid[]))",
                at=datetime.fromisoformat(at),
                ids=ids,
            )
    await box.cancel(bookings[0], ORGANIZER, role=Role.ORGANIZER)  # who came had come
    await box.to_cancelled(bookings[0])

    shown = await sales(box)
    assert shown.admission_minutes == 1
    assert [(it.begins_at.ToJsonString(), it.tickets) for it in shown.admissions] == [
        ("2026-11-20T12:29:00Z", 1),
        ("2026-11-20T12:30:00Z", 2),
        ("2026-11-20T12:34:00Z", 1),
        ("2026-11-20T18:15:00Z", 1),
    ]
    assert sum(it.tickets for it in shown.admissions) == shown.admitted
    async with box.database.transaction() as session:
        await session.execute("SET LOCAL enable_seqscan = off")
        plan = await session.all(f"EXPLAIN {tickets.ADMISSIONS}", event_id=box.event_id, limit=9)
    assert any("ticket_admissions" in row[0] for row in plan)


async def test_tax_follows_what_goes_back_share_by_share(box: Box) -> None:
    booking = await box.to_sold()  # 120,000 and 15,600 tax
    assert (await sales(box)).tax == 15_600
    for refunded, left in ((1, 15_600), (13, 15_599), (TOTAL // 2, 7_800), (TOTAL - 1, 0)):
        await box.refunded(booking, refunded)
        assert (await sales(box)).tax == left
    await box.refunded(booking, 1)  # heard late
    await box.refunded(booking, TOTAL)
    shown = await sales(box)
    assert (shown.gross - shown.refunded, shown.tax) == (0, 0)


async def test_a_booking_refunded_at_once_leaves_no_tax(box: Box) -> None:
    hold = box.hold(lines=[Line("", "p", "Pit", "", "", "u", "Standing", 1, 10_000)])
    booking = await box.create(ASHA, hold)
    await box.paid(booking, Payment.OUTCOME_CHARGED)
    assert (await sales(box)).tax == 1_300
    await box.cancel(booking, ORGANIZER, role=Role.ORGANIZER)
    await box.to_cancelled(booking)
    shown = await sales(box)
    assert (shown.gross, shown.refunded, shown.tax) == (11_300, 11_300, 0)


async def test_figures_folded_by_many_at_once_while_others_sell_are_whole(
    box: Box, make_database: MakeDatabase
) -> None:
    other = await make_database("booking", encode=messaging.encode, like=box.database)
    bookings = [await box.to_charging() for _ in range(30)]
    await asyncio.gather(
        *(box.paid(booking, Payment.OUTCOME_CHARGED) for booking in bookings),
        *(loops.fold_once(place) for place in [box.database, other] * 10),
    )
    shown = await sales(box)
    assert (shown.bookings, shown.gross, shown.tickets) == (30, 30 * TOTAL, 120)
    async with box.database.transaction() as session:
        assert await session.scalar("SELECT count(*) FROM sale_entry") == 0
        assert await session.scalar("SELECT count(*) FROM sale_total") == 3  # whole, and two tiers


async def test_a_zone_that_is_not_known_here_stops_no_booking(box: Box) -> None:
    await box.publish(timezone="Mars/Olympus", version=2)
    booking = await box.to_confirmed()
    assert (await box.get(booking)).status == "CONFIRMED"
    assert [day.date for day in (await sales(box)).days] == [datetime.now(UTC).date().isoformat()]


async def test_attendees_are_listed_to_the_organizer_page_by_page(box: Box) -> None:
    bookings = [await box.create(who, box.hold(who)) for who in (ASHA, BIKRAM, ASHA)]
    await box.to_failed(bookings[1])
    first = await box.organize("ListEventBookings", limit=2)
    last = await box.organize("ListEventBookings", limit=2, cursor=first.next_cursor)
    seen = [booking.reference for booking in (*first.bookings, *last.bookings)]
    assert seen == [booking.reference for booking in reversed(bookings)]
    assert last.next_cursor == ""
    failed = await box.organize("ListEventBookings", limit=9, status="FAILED")
    assert [booking.customer_id for booking in failed.bookings] == [BIKRAM]
    for bad in ({"limit": 0}, {"limit": 101}, {"limit": 1, "status": "LOST"}):
        assert await refused(box.organize("ListEventBookings", **bad)) == "INVALID_FILTER"
    bad_cursor = box.organize("ListEventBookings", limit=1, cursor="!")
    assert await refused(bad_cursor) == "INVALID_CURSOR"


def told(who: str, name: str, email: str, version: int = 1) -> messages_pb2.UserChanged:
    return messages_pb2.UserChanged(user_id=who, name=name, email=email, version=version)


async def test_an_organizer_sees_who_bought_as_they_call_themselves_now(box: Box) -> None:
    unknown = await box.create(ADMIN, box.hold(ADMIN))
    booking = await box.create(ASHA, box.hold(ASHA))
    await box.hears(told(ASHA, "Asha", "asha@old.example"))
    await box.hears(told(ASHA, "Asha Rai", "asha@new.example", 3))
    await box.hears(told(ASHA, "Asha R.", "asha@between.example", 2))  # heard late
    await box.hears(told(BIKRAM, "Bikram", "bikram@example.org"))  # who bought nothing

    [known, nobody] = (await box.organize("ListEventBookings", limit=9)).bookings
    assert (known.id, nobody.id) == (booking.id, unknown.id)
    assert (known.buyer.name, known.buyer.email) == ("Asha Rai", "asha@new.example")
    assert not nobody.HasField("buyer")
    request = booking_pb2.ListBookingsRequest(limit=9)
    [own] = (await box.caller.as_person(ASHA, "ListBookings", request)).bookings
    assert not own.HasField("buyer")
    for who, role in ((ORGANIZER, Role.ORGANIZER), (ADMIN, Role.ADMIN)):
        assert not (await box.get(booking, who, role=role)).HasField("buyer")


async def test_bookings_are_found_by_their_buyer_or_reference(box: Box) -> None:
    people = [(ASHA, "Āsha Rai", "asha@example.org"), (BIKRAM, "Οδυσσεύς 100%", "b_k@example.org")]
    bookings = {}
    for who, name, email in people:
        await box.hears(told(who, name, email))
        bookings[who] = await box.create(who, box.hold(who))
    reference = bookings[BIKRAM].reference
    typed = reference[3:].lower().replace("0", "o").replace("1", "l")
    elsewhere = uuid7()
    await box.publish(event_id=str(elsewhere))

    for query, found in (
        ("asha", [ASHA]),
        ("RAI asha", [ASHA]),
        ("example.org", [BIKRAM, ASHA]),
        ("ΟΔΥΣΣΕΥΣ", [BIKRAM]),
        ("100%", [BIKRAM]),
        ("b_k@", [BIKRAM]),
        ("b%k", []),
        ("asha bikram", []),
        (reference, [BIKRAM]),
        (f"pt {typed[:4]}-{typed[4:]}", [BIKRAM]),
        (typed, [BIKRAM]),
        (reference[:-1], []),
    ):
        page = await box.organize("ListEventBookings", limit=9, query=query)
        assert [booking.customer_id for booking in page.bookings] == found, query
        other = await box.organize(
            "ListEventBookings", limit=9, query=query, event_id=str(elsewhere)
        )
        assert list(other.bookings) == []
    first = await box.organize("ListEventBookings", limit=1, query="example")
    last = await box.organize(
        "ListEventBookings", limit=1, query="example", cursor=first.next_cursor
    )
    assert [it.customer_id for it in (*first.bookings, *last.bookings)] == [BIKRAM, ASHA]
    for bad in ("x" * 101, "a\x00b"):
        call = box.organize("ListEventBookings", limit=1, query=bad)
        assert await refused(call) == "INVALID_FILTER"


async def test_people_who_are_told_of_at_once_are_kept_as_they_are_now(
    box: Box, make_database: MakeDatabase
) -> None:
    other = await make_database("booking", encode=messaging.encode, like=box.database)
    await box.create(ASHA, box.hold(ASHA))
    versions = [
        told(who, f"Name {version}", f"{version}@example.org", version)
        for version in range(1, 21)
        for who in (ASHA, BIKRAM)
    ]
    await asyncio.gather(
        *(box.hears(each, place) for each in versions for place in (box.database, other))
    )
    [booking] = (await box.organize("ListEventBookings", limit=9)).bookings
    assert booking.buyer.name == "Name 20"


@pytest.mark.parametrize("method", ["ListEventBookings", "GetSales"])
async def test_an_event_is_its_organizers_and_admins_business(box: Box, method: str) -> None:
    facts = {"limit": 1} if method == "ListEventBookings" else {}
    assert await refused(box.organize(method, who=BIKRAM, **facts)) == "EVENT_NOT_FOUND"
    elsewhere = box.organize(method, event_id=str(uuid7()), **facts)
    assert await refused(elsewhere) == "EVENT_NOT_FOUND"
    assert await refused(box.organize(method, event_id="x", **facts)) == "EVENT_NOT_FOUND"
    await box.organize(method, who=ADMIN, role=Role.ADMIN, **facts)


async def test_dashboards_add_up_over_events(box: Box) -> None:
    async def dashboard(who: str, role: Role, *, own_only: bool) -> Any:
        request = booking_pb2.GetDashboardRequest(own_only=own_only)
        return await box.caller.as_person(who, "GetDashboard", request, role=role)

    await box.to_confirmed()
    await box.to_charging()
    cancelled = await box.to_confirmed()
    await box.cancel(cancelled)
    await box.to_cancelled(cancelled)
    await box.to_failed(await box.to_charging())
    sold = await box.to_sold()
    await box.cancel(sold)  # and what is sold counts as what is still to be sold
    await box.to_cancelled(sold)
    box.event_id = uuid7()
    await box.publish(organizer_id=BIKRAM, currency="EUR")
    await box.to_confirmed()

    own = await dashboard(ORGANIZER, Role.ORGANIZER, own_only=True)
    assert [(it.currency, it.gross, it.refunded) for it in own.revenue] == [
        ("NPR", 3 * TOTAL, TOTAL)
    ]
    assert own.tickets == 4
    assert own.bookings == {"CONFIRMED": 1, "PENDING": 1, "CANCELLED": 2, "FAILED": 1}
    assert not own.sagas
    nothing = await dashboard(ASHA, Role.ORGANIZER, own_only=True)
    assert (len(nothing.revenue), nothing.tickets, len(nothing.bookings)) == (0, 0, 0)
    whole = await dashboard(ADMIN, Role.ADMIN, own_only=False)
    assert {it.currency: it.gross for it in whole.revenue} == {"NPR": 3 * TOTAL, "EUR": TOTAL}
    assert whole.sagas == {"CONFIRMED": 2, "CHARGING": 1, "CANCELLED": 2, "FAILED": 1}
    assert await refused(dashboard(ORGANIZER, Role.ORGANIZER, own_only=False)) == "FORBIDDEN"
