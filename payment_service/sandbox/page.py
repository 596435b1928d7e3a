"""The hosted page: where a customer approves a wallet payment, or a card's extra step.

Plain HTML and one stylesheet; it needs no script and allows none.
"""

from decimal import Decimal
from html import escape
from pathlib import Path
from string import Template
from urllib.parse import urlencode, urlsplit

from iso4217 import Currency
from starlette.responses import HTMLResponse, Response

from payment_service.sandbox.domain import APPROVED, Charge, Choice, Method, Status

SAFE_HEADERS = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}

_CSS = Path(__file__).with_name("page.css").read_bytes()
_FRAME = Template(Path(__file__).with_name("page.html").read_text(encoding="utf-8"))
_NAMES = {Method.CARD: "Card check", Method.KHALTI: "Khalti", Method.ESEWA: "eSewa"}
_RESULTS = {Choice.APPROVE: "approved", Choice.REFUSE: "refused", Choice.ABANDON: "abandoned"}


def origin(address: str) -> str:
    """Scheme, host and port of an http(s) address; ValueError for any other.

    Strict, for it goes into a Content-Security-Policy and the address into a Location.
    """
    parts = urlsplit(address)
    host = (parts.hostname or "").strip("[]")
    if (
        parts.scheme not in {"http", "https"}
        or not host
        or not all(letter.isascii() and (letter.isalnum() or letter in ".-:_") for letter in host)
        or parts.username is not None
        or not (address.isascii() and address.isprintable() and " " not in address)
    ):
        raise ValueError("return_url must be an http or https address")
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port else "")


def return_address(charge: Charge, choice: Choice) -> str | None:
    """Where the customer goes next; it says what was chosen, and only the API says what is so."""
    if charge.order.return_url is None:
        return None
    parts = urlsplit(charge.order.return_url)
    added = urlencode({"charge": charge.id, "result": _RESULTS[choice]})
    query = f"{parts.query}&{added}" if parts.query else added
    return parts._replace(query=query).geturl()


def show(charge: Charge, *, status: int = 200) -> Response:
    """The page of a charge: its three buttons, or what became of it."""
    order = charge.order
    if charge.status is Status.REQUIRES_ACTION:
        told = "Sandbox payment. No money moves."
        rest = (
            f'<form method="post" action="?t={escape(charge.page_token)}">'
            '<button class="approve" name="action" value="approve">Approve</button>'
            '<button class="refuse" name="action" value="refuse">Refuse</button>'
            '<button class="abandon" name="action" value="abandon">Walk away</button>'
            "</form>"
        )
    else:
        told = _outcome(charge.status)
        back = escape(order.return_url or "")
        rest = f'<p><a href="{back}">Back to the shop</a></p>' if back else ""
    content = (
        f'<p class="method">{_NAMES[order.method]}</p>'
        f"<h1>{escape(_amount(order.amount, order.currency))}</h1>"
        f'<p class="reference">Reference {escape(order.reference)}</p>'
        f'<p role="status">{told}</p>{rest}'
    )
    # Browsers hold the redirect after a form to form-action too.
    target = f" {origin(order.return_url)}" if order.return_url else ""
    return _html(content, method=order.method, status=status, form_target=f"'self'{target}")


def closed(choice: Choice) -> Response:
    """What a customer sees who has nowhere to return to."""
    return _html(
        f'<h1>Payment {_RESULTS[choice]}</h1><p role="status">You may close this page.</p>'
    )


def not_found() -> Response:
    return _html("<h1>No such payment</h1><p>The address is wrong or incomplete.</p>", status=404)


def stylesheet() -> Response:
    return Response(
        _CSS,
        media_type="text/css",
        headers={"Cache-Control": "max-age=3600", "X-Content-Type-Options": "nosniff"},
    )


def _outcome(status: Status) -> str:
    if status in APPROVED:
        return "This payment was approved."
    if status is Status.DECLINED:
        return "This payment was refused."
    return "The shop has withdrawn this payment."


def _amount(minor: int, currency: str) -> str:
    try:
        digits = Currency(currency).exponent
    except ValueError:
        digits = None
    return f"{currency} {Decimal(minor).scaleb(-(2 if digits is None else digits)):,f}"


def _html(
    content: str,
    *,
    method: Method = Method.CARD,
    status: int = 200,
    form_target: str = "'none'",
) -> Response:
    policy = (
        f"default-src 'none'; style-src 'self'; form-action {form_target};"
        " frame-ancestors 'none'; base-uri 'none'"
    )
    return HTMLResponse(
        _FRAME.substitute(method=method.lower(), content=content),
        status,
        headers={
            **SAFE_HEADERS,
            "Content-Security-Policy": policy,
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
        },
    )
