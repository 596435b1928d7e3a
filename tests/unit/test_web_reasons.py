"""The page has words for each reason that a booking ends by."""

from __future__ import annotations

import re
from pathlib import Path

from booking_service.saga import machine
from clients import node
from inventory_service.domain import states

_PAGE = node.ROOT / "web" / "pages" / "booking" / "page.js"
_CODE = re.compile(r'"([A-Z]+(?:_[A-Z]+)+)"')
# What the same modules say of other things.
_OTHERS = {"PARTIALLY_REFUNDED", "REQUIRES_ACTION", "PAID_LATE"}
_REFUSES = re.compile(r"Outcome.RESERVE_REFUSED, .*")
_OF_OTHERS = {"CANCELLED_BY_ORGANIZER", "EVENT_MOVED", "REFUNDED"}


def test_the_page_has_words_for_each_reason_of_a_booking() -> None:
    assert machine.__file__
    assert states.__file__
    saga = set(_CODE.findall(Path(machine.__file__).read_text()))
    refused = set(_CODE.findall("".join(_REFUSES.findall(Path(states.__file__).read_text()))))
    told = re.findall(r"^  ([A-Z_]+): \(\) =>", _PAGE.read_text(), re.MULTILINE)
    assert saga >= {"SEATS_NOT_SECURED", "CANCELLED_BY_CUSTOMER"}
    assert refused >= {"HOLD_RELEASED", "HOLD_NOT_ACTIVE"}
    late = set(machine._LATE_REASONS)  # what inventory calls them
    assert (saga - late - _OTHERS) | refused | _OF_OTHERS <= set(told)
