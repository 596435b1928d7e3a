"""Tickets as things people keep: QR codes, a page to print, a date for the calendar."""

from __future__ import annotations

import hashlib
import io
import unicodedata
from collections.abc import Callable, Sequence
from datetime import UTC, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import segno
from icalendar import Calendar, Event
from parterre.booking.v1 import booking_pb2
from parterre.types.v1 import types_pb2

from presentation.amounts import format_amount
from presentation.moments import format_moment

if TYPE_CHECKING:
    from fpdf import FPDF

# Latin, Greek, Cyrillic and Devanagari (SIL Open Font License: fonts/OFL.txt). A letter of another
# script is printed as an empty box: seen to be missing, not left out.
_FONT = Path(__file__).parent / "fonts" / "NotoSans-Regular.ttf"
_FAMILY = "noto"
_WIDTH, _HEIGHT, _MARGIN = 148.0, 105.0, 8.0  # A6 across, millimetres
_QR_SIDE = 52.0
_TEXT_WIDTH = _WIDTH - _QR_SIDE - 3 * _MARGIN
_STATUSES = {"CONFIRMED": "CONFIRMED", "CANCELLING": "CANCELLED", "CANCELLED": "CANCELLED"}


class UnwantedError(Exception):
    """Printing stopped: whoever waited for it has given up."""


def qr_png(text: str) -> bytes:
    """A QR code (ISO/IEC 18004) of `text`, with error correction M, as a PNG."""
    picture = io.BytesIO()
    segno.make_qr(text, error="m").save(picture, kind="png", scale=6, border=4)
    return picture.getvalue()


def qr_svg(text: str) -> bytes:
    """The same as an SVG, dark on white, as large as whoever shows it likes."""
    picture = io.BytesIO()
    code = segno.make_qr(text, error="m")
    code.save(picture, kind="svg", scale=1, border=4, light="white", omitsize=True, nl=False)
    return picture.getvalue()


def fingerprint(tickets: Sequence[booking_pb2.Ticket]) -> bytes:
    """What printing them depends on: the booking, each ticket's version, all that a page says."""
    digest = hashlib.sha256()
    for ticket in tickets:
        said = ticket.SerializeToString(deterministic=True)
        digest.update(b"%d:" % len(said) + said)
    return digest.digest()


def tickets_pdf(
    tickets: Sequence[booking_pb2.Ticket], is_wanted: Callable[[], bool] = lambda: True
) -> bytes:
    """A page for each ticket; the text is shaped, so that every script it knows reads right.

    Raises:
        UnwantedError: `is_wanted`, asked before each page and the last step, said no.
    """
    # The library takes a second to load: whoever prints first pays it, not every start.
    from fpdf import FPDF  # noqa: PLC0415

    pdf = FPDF(unit="mm", format=(_HEIGHT, _WIDTH), orientation="landscape")
    pdf.set_auto_page_break(False)
    pdf.set_title(tickets[0].booking_reference)
    pdf.add_font(_FAMILY, fname=_FONT)
    pdf.set_text_shaping(True)
    for number, ticket in enumerate(tickets, 1):
        if not is_wanted():
            raise UnwantedError
        pdf.add_page()
        _draw_qr(pdf, ticket.token)
        pdf.set_xy(_MARGIN, _MARGIN)
        event = ticket.event
        for size, text, lines in (
            (16, event.title, 2),
            (10, format_moment(event.starts_at.ToDatetime(UTC), event.timezone), 1),
            (10, event.place, 2),
            (14, seat_name(ticket.line), 2),
            (10, f"{ticket.line.tier}, {_amount(ticket.line.price)}", 1),
            (12, ticket.attendee_name, 2),
        ):
            if text:
                _write(pdf, size, text, lines)
        pdf.set_xy(_MARGIN, _HEIGHT - _MARGIN - 4)
        pdf.set_font(_FAMILY, size=9)
        pdf.cell(_TEXT_WIDTH, 4, f"{ticket.booking_reference}  {number}/{len(tickets)}")
    if not is_wanted():
        raise UnwantedError
    return bytes(pdf.output())


def _write(pdf: FPDF, size: float, text: str, most_lines: int) -> None:
    """A paragraph of at most so many lines; what is longer is cut, visibly."""
    pdf.set_font(_FAMILY, size=size)
    height = size * 0.5
    lines = pdf.multi_cell(
        _TEXT_WIDTH, height, _printable(text), align="L", dry_run=True, output="LINES"
    )
    assert isinstance(lines, list)  # noqa: S101 - what was asked for as output
    kept = lines[:most_lines]
    if len(lines) > most_lines:
        kept[-1] = kept[-1][:-1].rstrip() + "…"
    for line in kept:
        pdf.set_x(_MARGIN)
        pdf.cell(_TEXT_WIDTH, height, line)
        pdf.ln(height)
    pdf.ln(1.5)


def _printable(text: str) -> str:
    """The text in composed letters, without controls."""
    composed = unicodedata.normalize("NFC", text)
    return "".join(each for each in composed if unicodedata.category(each) not in {"Cc", "Cs"})


def _draw_qr(pdf: FPDF, text: str) -> None:
    matrix = [bytes(row) for row in segno.make_qr(text, error="m").matrix]
    side = _QR_SIDE / (len(matrix) + 8)  # four modules of quiet on each side
    left, top = _WIDTH - _MARGIN - _QR_SIDE + 4 * side, _MARGIN + 4 * side
    pdf.set_fill_color(0)
    for y, row in enumerate(matrix):
        x = 0
        while x < len(row):
            run = 0
            while x + run < len(row) and row[x + run]:
                run += 1
            if run:
                pdf.rect(left + x * side, top + y * side, run * side, side, style="F")
            x += run or 1


def calendar_file(booking: booking_pb2.Booking) -> bytes:
    """The event as a date (RFC 5545); of a cancelled booking, as one that is off."""
    event = booking.event
    seats = ", ".join(seat_name(line) for line in booking.lines)
    date = Event()
    date.add("uid", f"{booking.id}@parterre")
    date.add("dtstamp", booking.created_at.ToDatetime(UTC))
    date.add("dtstart", event.starts_at.ToDatetime(UTC))
    if event.HasField("ends_at"):
        date.add("dtend", event.ends_at.ToDatetime(UTC))
    else:
        date.add("duration", timedelta(hours=2))
    date.add("summary", event.title)
    date.add("location", event.place)
    date.add("description", f"{booking.reference}\n{seats}")
    status = _STATUSES[booking.status]
    date.add("status", status)
    date.add("sequence", int(status == "CANCELLED"))
    calendar = Calendar()
    calendar.add("prodid", "-//Parterre//Parterre//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "CANCEL" if status == "CANCELLED" else "PUBLISH")
    calendar.add_component(date)
    return bytes(calendar.to_ical())


def has_date(booking: booking_pb2.Booking) -> bool:
    """Whether the booking is, or was, one that belongs in a calendar."""
    return booking.status in _STATUSES


def seat_name(line: types_pb2.Line) -> str:
    """A line's place in words: section, row and number, or how many stand."""
    if line.seat_id:
        return f"{line.section}, {line.row} {line.number}".replace(",  ", ", ")
    return line.section if line.quantity == 1 else f"{line.quantity} x {line.section}"


def _amount(money: types_pb2.Money) -> str:
    return format_amount(money.amount, money.currency)
