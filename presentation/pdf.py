"""Tickets to print: a page for each.

`compose` says in words what the pages say; it is quick, and equal pages are equal bytes. `typeset`
draws them (Typst: shaping, direction, line breaking and fallback fonts are its own), off the event
loop: some milliseconds a page, more where a font is read for the first time.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC
from pathlib import Path
from typing import Any

import orjson
import typst
from google.protobuf.timestamp_pb2 import Timestamp
from parterre.booking.v1 import booking_pb2
from parterre.catalog.v1 import catalog_pb2
from parterre.types.v1 import types_pb2

from presentation.amounts import format_amount
from presentation.fonts import families, font_book
from presentation.moments import at_place, format_clock, format_moment
from presentation.places import address, seat_name
from presentation.plain import many_lines, one_line
from presentation.qr import qr_svg

_TEMPLATE = Path(__file__).with_name("ticket.typ")
# The typesetter keeps what it laid out for so many documents to come: 1 MB each of those that say
# so little, some 100 MB of a large one. So many empty ones, half a millisecond each, make it
# forget.
_REMEMBERED = 11
_LITTLE = 4096  # bytes, composed: four tickets, or one with long terms
# More than a page has room for.
_LONGEST = {"line": 500, "terms": 4000}
_SCRIPTS = {
    "ARABIC": "ar", "HEBREW": "he", "DEVANAGARI": "ne", "THAI": "th", "HANGUL": "ko",
    "HIRAGANA": "ja", "KATAKANA": "ja", "CJK": "zh",
}  # fmt: skip
# Letters between which a line may break without a space: the typesetter knows where.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\ua4cf\uf900-\ufaff\U00020000-\U0003ffff"
_LONG_WORD = re.compile(rf"[^\s{_UNSPACED}]{{25,}}")
_LONGEST_WORD = 12
_WORDS = {
    "en": {
        "doors": "Doors open: {}",
        "ticket": "Ticket",
        "attendee": "Name",
        "organizer": "Organizer",
        "booking": "Booking",
        "paid_for": "Booking {}",
        "subtotal": "Tickets",
        "discount": "Discount",
        "tax": "Tax",
        "fees": "Fees",
        "total": "Paid",
        "free": "Nothing to pay",
        "refunded": "Given back",
        "revoked": "This ticket is revoked. It admits nobody.",
        "admitted": "Admitted: {}",
        "cancelled": "This event is cancelled.",
        "moved": "The time or place of this event was changed on {}. This page says how it is now.",
    },
    "ne": {
        "doors": "ढोका खुल्ने समय: {}",
        "ticket": "टिकट",
        "attendee": "नाम",
        "organizer": "आयोजक",
        "booking": "बुकिङ",
        "paid_for": "बुकिङ {}",
        "subtotal": "टिकटहरू",
        "discount": "छुट",
        "tax": "कर",
        "fees": "शुल्क",
        "total": "भुक्तानी गरिएको",
        "free": "केही तिर्नु पर्दैन",
        "refunded": "फिर्ता गरिएको",
        "revoked": "यो टिकट रद्द गरिएको छ। यसबाट प्रवेश पाइँदैन।",
        "admitted": "प्रवेश: {}",
        "cancelled": "यो कार्यक्रम रद्द गरिएको छ।",
        "moved": "यस कार्यक्रमको समय वा स्थान {} मा परिवर्तन गरिएको हो। यस पानामा अहिलेको विवरण छ।",
    },
}


class TypesettingError(Exception):
    """The typesetter failed: a fault of its own or of the template, never of what people wrote."""


def tickets_pdf(
    tickets: Sequence[booking_pb2.Ticket],
    booking: booking_pb2.Booking | None = None,
    event: catalog_pb2.Event | None = None,
    organizer: str = "",
    language: str = "en",
) -> bytes:
    """`compose` and `typeset` in one."""
    return typeset(compose(tickets, booking, event, organizer, language))


def compose(
    tickets: Sequence[booking_pb2.Ticket],
    booking: booking_pb2.Booking | None = None,
    event: catalog_pb2.Event | None = None,
    organizer: str = "",
    language: str = "en",
) -> bytes:
    """What the pages of one booking's tickets say, for `typeset`.

    A page says no more than is told here.

    Args:
        tickets: one at least.
        booking: what was paid; None for somebody who did not pay it.
        event: its address, doors and terms, and whether it is cancelled.
        organizer: the name of who sells it; empty: unsaid.
        language: of the labels, amounts and times: en or ne.
    """
    words = _words(language)
    said = {
        "title": tickets[0].booking_reference,
        "tickets": [
            _page(each, booking=booking, event=event, organizer=organizer, language=language)
            for each in tickets
        ],
        "heading": _text(words["paid_for"].format(tickets[0].booking_reference)),
        "paid": _paid(booking, language) if booking is not None else [],
        "terms": _text(event.draft.terms if event is not None else "", "terms"),
    }
    return orjson.dumps(said)


def typeset(composed: bytes) -> bytes:
    """Draws what `compose` says, as a tagged PDF with the letters it needs.

    For a thread: it lets go of the interpreter while it works.

    Raises:
        TypesettingError: the typesetter failed.
    """
    said: dict[str, Any] = orjson.loads(composed)
    for ticket in said["tickets"]:
        token = ticket.pop("token")
        ticket["code"] = qr_svg(token).decode() if token else ""
    said["fonts"] = {language: families(language) for language in ("en", "ja", "ko")}
    compiler = typst.Compiler(_TEMPLATE, font_paths=font_book())
    try:
        drawn = compiler.compile(sys_inputs={"said": orjson.dumps(said).decode()}, timestamp=0)
    except BaseException as error:
        # A panic is no Exception, and would get past whoever answers for failures.
        raise TypesettingError from error
    assert isinstance(drawn, bytes)  # noqa: S101 - one document, and no file to write it to
    for _ in range(_REMEMBERED if len(composed) > _LITTLE else 0):
        typst.Compiler(b"", font_paths=font_book()).compile(b"")
    return drawn


def _page(
    ticket: booking_pb2.Ticket,
    *,
    booking: booking_pb2.Booking | None,
    event: catalog_pb2.Event | None,
    organizer: str,
    language: str,
) -> dict[str, Any]:
    words = _words(language)
    booked = ticket.event
    zone = booked.timezone
    is_good = ticket.status != "REVOKED"
    notices = []
    if not is_good:
        notices.append(words["revoked"])
    doors = ""
    if event is not None:
        if event.status == "CANCELLED":
            notices.append(" ".join(filter(None, (words["cancelled"], event.cancel_reason))))
        elif event.HasField("moved") and _came_after(event.moved.at, booking):
            notices.append(words["moved"].format(_moment(event.moved.at, zone, language)))
        if event.draft.HasField("doors_at"):
            doors = words["doors"].format(_doors(event.draft.doors_at, booked, language))
    rows = [
        (words["ticket"], f"{ticket.line.tier}, {_amount(ticket.line.price, language)}"),
        (words["attendee"], ticket.attendee_name),
        (words["organizer"], organizer),
        (words["booking"], ticket.booking_reference),
    ]
    if ticket.HasField("admitted_at"):
        notices.append(words["admitted"].format(_moment(ticket.admitted_at, zone, language)))
    return {
        "notices": [_text(each) for each in notices[:2]],
        "event": _text(booked.title),
        "when": _text(_moment(booked.starts_at, zone, language)),
        "doors": _text(doors),
        "place": _text(booked.place),
        "address": _text(address(event, language) if event is not None else ""),
        "seat": _text(seat_name(ticket.line)),
        "rows": [{"label": _text(a), "value": _text(b)} for a, b in rows if b],
        "token": ticket.token if is_good else "",
        "reference": ticket.booking_reference,
    }


def _words(language: str) -> Mapping[str, str]:
    return _WORDS.get(language, _WORDS["en"])


def _paid(booking: booking_pb2.Booking, language: str) -> list[dict[str, Any]]:
    words = _words(language)
    price = booking.price
    rows = [
        ("subtotal", price.subtotal),
        ("discount", -price.discount),
        ("tax", price.tax),
        ("fees", price.fees),
    ]
    shown = [(words[name], amount) for name, amount in rows if amount]
    shown.append((words["total" if price.total else "free"], price.total))
    if booking.refunded_amount:
        shown.append((words["refunded"], booking.refunded_amount))
    return [
        {"label": _text(label), "value": _text(format_amount(amount, price.currency, language))}
        for label, amount in shown
    ]


def _doors(at: Timestamp, booked: booking_pb2.BookedEvent, language: str) -> str:
    doors, starts = (each.ToDatetime(UTC) for each in (at, booked.starts_at))
    days = {at_place(each, booked.timezone).date() for each in (doors, starts)}
    if len(days) == 1:
        return format_clock(doors, booked.timezone)
    return format_moment(doors, booked.timezone, language)


def _came_after(change: Timestamp, booking: booking_pb2.Booking | None) -> bool:
    return booking is None or change.ToDatetime() > booking.created_at.ToDatetime()


def _moment(at: Timestamp, timezone: str, language: str) -> str:
    return format_moment(at.ToDatetime(UTC), timezone, language)


def _amount(money: types_pb2.Money, language: str) -> str:
    return format_amount(money.amount, money.currency, language)


def _text(text: str, kind: str = "line") -> dict[str, str]:
    """A text as it can be set, and its language, as far as its letters tell."""
    most = _LONGEST[kind]
    cut = text if len(text) <= most else f"{text[:most]}…"
    kept = (many_lines if kind == "terms" else one_line)(cut)
    return {"text": _LONG_WORD.sub(_broken, kept), "lang": _language(kept)}


def _broken(word: re.Match[str]) -> str:
    """A word that is longer than words are, so that it can go on in the next line."""
    parts: list[str] = []
    since = 0
    for each in word[0]:
        if since >= _LONGEST_WORD and unicodedata.category(each)[0] not in "MC":
            parts.append("\u200b")
            since = 0
        parts.append(each)
        since += 1
    return "".join(parts)


def _language(text: str) -> str:
    """The language of the first letter's script, for direction and the shapes of letters."""
    scripts = [
        unicodedata.name(each, "").partition(" ")[0] for each in text[:200] if each.isalpha()
    ]
    first = next((_SCRIPTS.get(each, "en") for each in scripts), "en")
    if first == "zh":  # kana or hangul tell whose Han characters they are
        return next(
            (_SCRIPTS[each] for each in scripts if _SCRIPTS.get(each) in {"ja", "ko"}), "zh"
        )
    return first
