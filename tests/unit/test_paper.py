"""Tickets as things people keep, and how many are drawn at once."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fontTools.ttLib import TTFont
from parterre.types.v1 import types_pb2

from catalog_service.codes import CURRENCIES
from gateway import paper
from gateway.press import Press
from gateway.problems import ProblemError
from notification_service.domain import format_amount
from tests.contract import samples

FONT = Path(paper.__file__).parent / "fonts" / "NotoSans-Regular.ttf"


@pytest.mark.parametrize(
    ("minor", "currency", "written"),
    [
        (125_000, "NPR", "NPR 1,250.00"),
        (5, "EUR", "EUR 0.05"),
        (1_500, "JPY", "JPY 1,500"),
        (1_234, "KWD", "KWD 1.234"),
        (1_234, "IQD", "IQD 1.234"),
        (1_500, "UGX", "UGX 1,500"),
        (0, "NPR", "NPR 0.00"),
    ],
)
def test_amounts_are_written_with_their_currencys_digits(
    minor: int, currency: str, written: str
) -> None:
    assert paper.amount(types_pb2.Money(amount=minor, currency=currency)) == written


@pytest.mark.parametrize("currency", sorted(CURRENCIES))
def test_a_ticket_and_a_mail_write_an_amount_alike(currency: str) -> None:
    ticket = paper.amount(types_pb2.Money(amount=125_000, currency=currency))
    assert ticket == format_amount(125_000, currency)


def test_times_are_the_events_own_and_utc_where_its_zone_is_not_known() -> None:
    starts = datetime(2026, 12, 12, 13, 15, tzinfo=UTC)
    assert paper.local_time(starts, "Asia/Kathmandu") == "2026-12-12 19:00 Asia/Kathmandu"
    assert paper.local_time(starts, "Mars/Olympus") == "2026-12-12 13:15 UTC"


@pytest.mark.parametrize("name", ["प्रकाश श्रेष्ठ", "Zoë Ñandú Škvorecký", "Ελένη", "Саша"])
def test_the_font_has_every_letter_of_the_names_it_promises(name: str) -> None:
    letters = TTFont(FONT).getBestCmap()
    assert not [letter for letter in name if ord(letter) not in letters]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "प्रकाश श्रेष्ठ",
        "王小明",
        "\u202eevil\u0000\ud800",
        "é" * 5,
        "word " * 60,
        "x" * 100,
        "👩‍👩‍👧",
    ],
)
def test_any_name_and_title_can_be_printed(name: str) -> None:
    ticket = samples.ticket()
    ticket.attendee_name = name.encode("utf-8", "ignore").decode()
    ticket.event.title = (name or "x").encode("utf-8", "ignore").decode() * 3
    printed = paper.tickets_pdf([ticket])
    assert printed.count(b"/Type /Page\n") == 1  # nothing runs over to a second


async def test_only_a_few_are_drawn_at_once_and_what_waits_has_an_end() -> None:
    press = Press(at_once=2, most_waiting=3)
    may_end = threading.Event()
    lock, running, most = threading.Lock(), 0, 0

    def draw() -> int:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        may_end.wait(30)
        with lock:
            running -= 1
        return 1

    drawn = [asyncio.create_task(press.make(draw)) for _ in range(5)]
    await asyncio.sleep(0)
    with pytest.raises(ProblemError, match="moment"):
        await press.make(draw)
    may_end.set()
    assert sum(await asyncio.gather(*drawn)) == 5
    assert most <= 2
    assert await press.make(draw) == 1  # there is room again
