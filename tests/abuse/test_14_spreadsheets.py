"""Item 14: what an organizer opens in a spreadsheet must run nothing that a buyer wrote."""

from __future__ import annotations

import csv
import io

import pytest
from parterre.booking.v1 import booking_pb2

from chassis.identity import Role
from tests.contract import samples
from tests.contract.conftest import Edge

TABLE = f"/organizer/events/{samples.EVENT}/bookings.csv"
MARK = "\ufeff"
FORMULA = "=+-@\uff1d\uff0b\uff0d\uff20"


async def table(edge: Edge, *names: str) -> str:
    booking = samples.booking("CONFIRMED")
    booking.buyer.CopyFrom(booking_pb2.Buyer(name=names[0], email="+4420@example.test"))
    del booking.attendees[:]
    booking.attendees.add(seat_id="17", name=names[0])
    for name in names[1:]:
        booking.attendees.add(name=name)
    edge.booking.answers["ListEventBookings"] = booking_pb2.ListEventBookingsResponse(
        bookings=[booking]
    )
    answer = await edge.get(TABLE, role=Role.ORGANIZER)
    return answer.content.decode()


def cells(text: str, **dialect: str) -> list[list[str]]:
    assert text.startswith(MARK)
    return list(csv.reader(io.StringIO(text.removeprefix(MARK), newline=""), **dialect))


@pytest.mark.parametrize("first", f'{FORMULA}\t\r\n,;|"')
@pytest.mark.parametrize("before", ["", " ", "\u00a0\u3000 "])
async def test_no_cell_begins_as_a_formula_or_ends_the_one_before(
    edge: Edge, first: str, before: str
) -> None:
    name = f"{before}{first}=1+1"
    columns, row, *_standing = cells(await table(edge, name))
    attendee = row[columns.index("attendee")]
    assert attendee[0] == "'"
    assert attendee.replace("'", "") == name


@pytest.mark.parametrize("separator", ",;|\t")
async def test_no_formula_begins_where_a_spreadsheet_splits_at_another_separator(
    edge: Edge, separator: str
) -> None:
    text = await table(edge, f"Asha{separator} =1+1", "Bina", "@SUM(1;=2)")
    for other in ",;|\t":
        for row in cells(text, delimiter=other):
            for cell in row:
                assert cell.strip(' "')[:1] not in {*FORMULA}, (other, cell)


async def test_every_cell_is_quoted_and_names_stay_as_they_are(edge: Edge) -> None:
    text = await table(edge, "O'Neill-Ševčík", "प्रकाश श्रेष्ठ")
    body = text.removeprefix(MARK)
    for line in body.splitlines():
        assert line.startswith('"')
        assert line.endswith('"')
        assert line.count('"') == 2 * 16
    columns, seat, standing, _unnamed = cells(text)
    place = columns.index("attendee")
    assert (seat[place], standing[place]) == ("O'Neill-Ševčík", "प्रकाश श्रेष्ठ")
