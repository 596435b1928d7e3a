"""Amounts in the browser count the digits that ISO 4217 says, as amounts everywhere do."""

from __future__ import annotations

import json

from iso4217 import Currency

from clients import node
from presentation.amounts import minor_digits

MODULE = node.ROOT / "web" / "core" / "format.js"


def test_browsers_count_the_digits_of_every_currency_as_iso_4217_does() -> None:
    codes = [currency.code for currency in Currency if currency.exponent is not None]
    program = f"""
        globalThis.document = {{ documentElement: {{ lang: "en", dataset: {{}} }} }};
        const {{ digits }} = await import({json.dumps(MODULE.as_uri())});
        const codes = {json.dumps(codes)};
        console.log(JSON.stringify(Object.fromEntries(codes.map((it) => [it, digits(it)]))));
    """
    told = json.loads(node.run("node", "--input-type=module", "--eval", program))
    assert told == {code: minor_digits(code) for code in codes}
