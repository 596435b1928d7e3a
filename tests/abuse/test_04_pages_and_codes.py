"""Issue 13, item 4: one customer's PDFs keep nobody's QR code waiting."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from parterre.booking.v1 import booking_pb2

from tests.contract import samples
from tests.contract.conftest import Edge

Healthy = Callable[[Edge], AbstractAsyncContextManager[None]]


async def test_forty_pdfs_of_one_customer_keep_nobody_waiting(
    edge: Edge, stays_healthy: Healthy
) -> None:
    many = [samples.ticket() for _ in range(10)]

    def tickets(request: booking_pb2.ListTicketsRequest) -> booking_pb2.ListTicketsResponse:
        for each in many:
            each.booking_reference = request.reference  # each booking's are its own
        return booking_pb2.ListTicketsResponse(tickets=many)

    edge.booking.answers["ListTickets"] = tickets
    edge.booking.answers["GetTicket"] = booking_pb2.GetTicketResponse(ticket=samples.ticket())
    await edge.get(f"/bookings/{samples.REFERENCE}/tickets.pdf")  # the library is loaded
    attacker = {"Authorization": f"Bearer {edge.keys.token()}"}
    async with stays_healthy(edge):
        references = [f"PT-0000000{each}" for each in "0123456789ABCDEFGHJKMNPQRSTVWXYZ"]
        asked = [
            asyncio.create_task(
                edge.get(f"/bookings/{references[n % 32]}/tickets.pdf", headers=attacker)
            )
            for n in range(40)
        ]
        began = time.perf_counter()
        code = await edge.get(f"/tickets/{samples.TICKET}/qr.png")
        took = time.perf_counter() - began
        pages = await asyncio.gather(*asked)
    assert (code.status_code, code.headers["content-type"]) == (200, "image/png")
    assert took < 5
    reasons = [page.json()["reason"] for page in pages if page.is_error]
    assert len(reasons) < 40
    assert set(reasons) == {"TOO_MANY_AT_ONCE"}
    printed = await edge.get(f"/bookings/{samples.REFERENCE}/tickets.pdf", headers=attacker)
    assert printed.status_code == 200


async def test_tickets_that_have_changed_are_printed_anew_and_others_are_not(edge: Edge) -> None:
    ticket = samples.ticket()
    edge.booking.answers["ListTickets"] = lambda _: booking_pb2.ListTicketsResponse(
        tickets=[ticket]
    )
    path = f"/bookings/{samples.REFERENCE}/tickets.pdf"
    first, again = (await edge.get(path)).content, (await edge.get(path)).content
    assert first == again  # a document of its own would have another time and id in it
    ticket.attendee_name = "Somebody Else"
    assert (await edge.get(path)).content != first
