"""Tickets to print: what the pages say, in whatever script, and that they always can be printed."""

from __future__ import annotations

import pypdfium2
import pytest
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st
from parterre.booking.v1 import booking_pb2
from parterre.catalog.v1 import catalog_pb2

from presentation.pdf import TypesettingError, compose, tickets_pdf, typeset
from tests.contract import samples

PIXELS = 1.5  # a point


def pages_of(file: bytes) -> list[str]:
    """What each page says, lines joined."""
    document = pypdfium2.PdfDocument(file)
    try:
        return [
            " ".join(page.get_textpage().get_text_bounded().split())
            for page in (document[number] for number in range(len(document)))
        ]
    finally:
        document.close()


def ink_of(file: bytes) -> int:
    """How many pixels of the first page are dark."""
    document = pypdfium2.PdfDocument(file)
    try:
        picture = document[0].render(scale=PIXELS).to_pil().convert("L")
        return sum(picture.histogram()[:128])
    finally:
        document.close()


def ticket(**said: str) -> booking_pb2.Ticket:
    made = samples.ticket()
    made.event.starts_at.CopyFrom(samples.at("2027-03-01T13:15:00Z"))
    made.event.timezone = "Asia/Kathmandu"
    made.attendee_name = said.get("attendee", "Asha")
    made.event.title = said.get("title", "The Tempest")
    made.event.place = said.get("place", "Naach Ghar")
    return made


def event(**said: str) -> catalog_pb2.Event:
    made = samples.event()
    made.draft.doors_at.CopyFrom(samples.at("2027-03-01T12:15:00Z"))
    made.draft.terms = said.get("terms", "")
    return made


def test_a_page_says_all_that_a_visitor_needs() -> None:
    booking = samples.booking("CONFIRMED")
    booking.price.discount, booking.price.fees, booking.refunded_amount = 5_000, 1_200, 700
    [page] = pages_of(
        tickets_pdf([ticket()], booking, event(terms="No flash.\nNo food."), "Naach Ghar Ltd.")
    )
    for said in (
        "The Tempest",
        "Monday, 1 March 2027, 19:00 Nepal Time",
        "Doors open: 18:00",
        "Naach Ghar Jamal, Kathmandu, Nepal",
        "Stalls, A 1",
        "Stalls, NPR 1,500.00",
        "Asha",
        "Naach Ghar Ltd.",
        samples.REFERENCE,
        "Tickets NPR 4,500.00",
        "Discount -NPR 50.00",
        "Tax NPR 596.25",
        "Fees NPR 12.00",
        "Paid NPR 5,096.25",
        "Given back NPR 7.00",
        "No flash. No food.",
        "1 / 1",
    ):
        assert said in page.replace("\xa0", " ")


@pytest.mark.parametrize("a_token", ["A" * 62 + "." + "b" * 86, "x" * 300], ids=len)
def test_the_code_on_the_page_is_the_ticket(a_token: str) -> None:
    printed = ticket()
    printed.token = a_token
    document = pypdfium2.PdfDocument(tickets_pdf([printed]))
    try:
        [code] = zxingcpp.read_barcodes(document[0].render(scale=PIXELS).to_pil())
    finally:
        document.close()
    assert (code.text, code.ec_level) == (a_token, "M")


def test_the_page_of_somebody_who_did_not_pay_says_nothing_of_payment() -> None:
    [page] = pages_of(tickets_pdf([ticket()], None, event()))
    assert "Paid" not in page
    assert "5,096.25" not in page


def test_what_costs_nothing_says_so() -> None:
    booking = samples.booking("CONFIRMED")
    booking.price.Clear()
    booking.price.currency = "NPR"
    assert "Nothing to pay" in pages_of(tickets_pdf([ticket()], booking))[0]


def test_a_page_in_nepali_is_in_nepali() -> None:
    [page] = pages_of(tickets_pdf([ticket()], samples.booking("CONFIRMED"), event(), language="ne"))
    assert "2027 मार्च 1" in page
    assert "Paid" not in page


def test_doors_of_another_day_are_told_with_the_day() -> None:
    early = event()
    early.draft.doors_at.CopyFrom(samples.at("2027-02-28T12:15:00Z"))
    [page] = pages_of(tickets_pdf([ticket()], None, early))
    assert "Doors open: Sunday, 28 February 2027, 18:00 Nepal Time" in page


def test_a_revoked_ticket_says_so_and_has_no_code() -> None:
    good, revoked = ticket(), ticket()
    revoked.status = "REVOKED"
    first, second = pages_of(tickets_pdf([good, revoked]))
    assert "revoked" not in first
    assert "This ticket is revoked. It admits nobody." in second
    assert ink_of(tickets_pdf([revoked])) < ink_of(tickets_pdf([good])) / 2


def test_a_cancelled_event_says_so_and_why() -> None:
    off = event()
    off.status, off.cancel_reason = "CANCELLED", "The roof leaks."
    assert (
        "This event is cancelled. The roof leaks."
        in pages_of(tickets_pdf([ticket()], None, off))[0]
    )


@pytest.mark.parametrize(
    ("moved_at", "is_told"), [("2026-12-01T00:00:00Z", True), ("2026-11-19T00:00:00Z", False)]
)
def test_an_event_moved_after_the_booking_says_so(moved_at: str, is_told: bool) -> None:
    moved = event()
    moved.moved.at.CopyFrom(samples.at(moved_at))
    [page] = pages_of(tickets_pdf([ticket()], samples.booking("CONFIRMED"), moved))
    assert ("The time or place of this event was changed on" in page) is is_told


@pytest.mark.parametrize(
    "name",
    [
        "Zoë Ñandú Škvorecký",
        "Ελένη",
        "Саша",
        "नेपाल",
        "محمد",
        "שלום",
        "กรุงเทพมหานคร",
        "王小明",
        "東京の夜",
        "김민수",
        "தமிழ்",
        "ქართული",
        "🎉",
    ],
)
def test_letters_of_any_script_are_drawn_and_can_be_copied_from_the_page(name: str) -> None:
    [page] = pages_of(tickets_pdf([ticket(attendee=name)]))
    # Which way a reader of PDFs lists letters that run to the left is its own affair.
    assert name in page or name[::-1] in page
    nothing = ink_of(tickets_pdf([ticket(attendee="")]))
    assert ink_of(tickets_pdf([ticket(attendee=name)])) > nothing + 20 * len(name)


@pytest.mark.parametrize("name", ["𒀀𒀁𒀂", "\ue000\ue001\ue002"])
def test_letters_that_no_font_has_are_seen_to_be_missing(name: str) -> None:
    nothing = ink_of(tickets_pdf([ticket(attendee="")]))
    assert ink_of(tickets_pdf([ticket(attendee=name)])) > nothing + 50


LONG = [
    "word " * 100,
    "x" * 500,
    "W" * 500,
    "นี่คือข้อความที่ยาวมาก" * 20,
    "夜" * 500,
    "مرحبا" * 90,
    "Z" + "\u0301" * 300,
    "👩‍👩‍👧" * 60,
    "a\u200d" * 200,
]


@pytest.mark.parametrize("text", LONG)
def test_however_long_a_text_is_a_ticket_is_one_page_with_its_end(text: str) -> None:
    made = ticket(title=text, attendee=text, place=text)
    made.line.section = made.line.tier = text
    made.status = "REVOKED"
    off = event(terms=text * 30)
    off.status = "CANCELLED"
    off.cancel_reason = off.venue.address = off.venue.city = text
    pages = pages_of(tickets_pdf([made, made], samples.booking("CONFIRMED"), off, text))
    assert len(pages) == 2
    assert "Paid NPR 5,096.25" in pages[1].replace("\xa0", " ")
    assert pages[1].endswith("2 / 2")


def test_what_is_cut_ends_in_an_ellipsis() -> None:
    assert "…" in pages_of(tickets_pdf([ticket(title="word " * 100)]))[0]
    assert "…" in pages_of(tickets_pdf([ticket()], None, event(terms="word " * 900)))[0]
    assert "…" not in pages_of(tickets_pdf([ticket()], None, event(terms="word " * 100)))[0]


def test_text_is_text_and_no_instruction_to_the_typesetter() -> None:
    name = '#panic("x") $x^2$ *b* \\u{41} "'
    assert name in pages_of(tickets_pdf([ticket(attendee=name)]))[0]


@settings(max_examples=40, deadline=None)
@given(st.text(st.characters(codec="utf-8"), max_size=80))
def test_any_text_can_be_printed(text: str) -> None:
    made = ticket(title=text, attendee=text, place=text)
    assert len(pages_of(tickets_pdf([made], None, event(terms=text)))) == 1


def test_equal_tickets_are_equal_bytes() -> None:
    said = compose([ticket()], None, event())
    assert said == compose([ticket()], None, event())
    assert typeset(said) == typeset(said)
    assert said != compose([ticket(attendee="Bikram")], None, event())


def test_a_failure_of_the_typesetter_is_an_error_of_ours() -> None:
    with pytest.raises(TypesettingError):
        typeset(b'{"tickets": []}')
