"""What is believed of a provider's answer about a charge."""

from __future__ import annotations

from typing import Any

import pytest

from payment_service.domain import Charge, Unknown
from payment_service.providers.sandbox import _charge

BODY = {
    "id": "ch_1",
    "status": "REQUIRES_ACTION",
    "captured_amount": 0,
    "idempotency_key": "charge:1:1",
    "action_url": "https://wallet.example/1",
}


def test_a_page_that_a_browser_can_show_is_passed_on() -> None:
    answer = _charge(BODY, "charge:1:1")
    assert isinstance(answer, Charge)
    assert answer.action_url == "https://wallet.example/1"


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "//evil", 7, ["x"]])
def test_what_is_no_page_is_not(url: Any) -> None:
    assert isinstance(_charge({**BODY, "action_url": url}, "charge:1:1"), Unknown)
