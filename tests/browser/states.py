"""Every page in its states: what the API answers, who looks, what is done there, what is seen then.

Nothing of it is made for real: what is not said here the API answers as its description's examples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Page

from .examples import AWAY, EMPTY, MISSING, NEVER, Answer, Refusal, changed, each

EVENT = "0193c2a7-5a52-7b5c-9a55-0f1f3a0f6f01"
TIER = "0193c2a7-5a52-7b5c-9a55-0f1f3a0f6f04"
BOOKING = "/bookings/PT-7K2M9QXA"
LOADING = "Loading …"
RESTS = "A part of the box office is not available."
GONE = "Page not found"


@dataclass(frozen=True)
class State:
    """A page in a state."""

    name: str
    path: str
    shows: str
    answers: Mapping[str, Answer] = field(default_factory=dict)
    role: str | None = None
    act: Callable[[Page], Any] | None = None
    rare: bool = False  # looked at with what is slow


def press(*names: str) -> Callable[[Page], None]:
    """Presses these buttons, one after the other; of several that are called alike the last."""

    def act(page: Page) -> None:
        for name in names:
            page.get_by_role("button", name=name).last.click()

    return act


def open_tab(name: str) -> Callable[[Page], None]:
    return lambda page: page.get_by_role("tab", name=name).click()


def after(*acts: Callable[[Page], Any]) -> Callable[[Page], None]:
    def act(page: Page) -> None:
        for one in acts:
            one(page)

    return act


def fill(**fields: str) -> Callable[[Page], None]:
    """Types into fields, by the names that forms have for them."""

    def act(page: Page) -> None:
        for name, value in fields.items():
            page.locator(f"[name={name}]").last.fill(value)

    return act


def invalid(field: str) -> Refusal:
    return Refusal(422, "VALIDATION", ({"field": field, "message": "This is not possible."},))


def payment(status: str, **more: Any) -> dict[str, Any]:
    usual = {"id": EVENT, "method": "CARD", "action": None, "attempt": 1, "refused_because": None}
    return {**usual, "status": status, **more}


def booked(**changes: Any) -> Mapping[str, Answer]:
    return {"get_booking": changed(**{"tickets": [], **changes})}


_SEATS = changed(
    sections=[
        {
            "id": "0193c2a7-5a52-7b5c-9a55-0f1f3a0f6f03",
            "name": "Stalls",
            "kind": "SEATED",
            "tier_id": TIER,
            "rows": [
                {
                    "label": "A",
                    "seats": [
                        {"id": str(n), "number": str(n), "x": float(n), "y": 4.0}
                        for n in range(1, 9)
                    ],
                }
            ],
        }
    ],
    taken={"SOLD": ["1"], "HELD": ["2"]},
)
_HALL: Mapping[str, Answer] = {"get_seats": _SEATS, "list_holds": EMPTY}
_TAKEN = Refusal(409, "SEATS_UNAVAILABLE", facts={"seat_ids": ["3"]})
_OVER = changed(status="EXPIRED")
_ACTION = {"type": "REDIRECT", "url": "https://pay.example/1"}
_NEWS = {"status": "CONFIRMED", "payment": payment("CAPTURED")}
_TICKET = {
    "id": EVENT, "seat_id": "17", "section_id": TIER, "section": "Stalls", "row": "A",
    "number": "1", "tier_id": TIER, "tier": "Stalls", "status": "VALID", "attendee_name": "Asha",
    "price": {"amount": 150000, "currency": "NPR"}, "qr_url": "/api/v1/tickets/1/qr.png",
    "admitted_at": None, "gate": None, "token": "t.o.k.e.n",
}  # fmt: skip
_TERMS = {"until": "2026-11-20T12:00:00Z", "percent": 80, "because": "POLICY"}

# Pages that show what one operation answers: where it never answers, is away, and refuses.
_READS = (
    ("/", "list_events", None),
    (f"/events/{EVENT}", "get_event", None),
    (f"/events/{EVENT}/seats", "get_seats", None),
    ("/checkout/1", "get_hold", "CUSTOMER"),
    (BOOKING, "get_booking", "CUSTOMER"),
    ("/tickets", "list_bookings", "CUSTOMER"),
    ("/notifications", "list_notices", "CUSTOMER"),
    ("/account?tab=devices", "list_sessions", "CUSTOMER"),
    ("/account?tab=news", "get_preferences", "CUSTOMER"),
    ("/organizer", "organizer_dashboard", "ORGANIZER"),
    (f"/organizer/events/{EVENT}", "get_event", "ORGANIZER"),
    (f"/organizer/events/{EVENT}?tab=overview", "get_sales", "ORGANIZER"),
    (f"/organizer/events/{EVENT}?tab=bookings", "list_event_bookings", "ORGANIZER"),
    (f"/organizer/events/{EVENT}?tab=coupons", "list_coupons", "ORGANIZER"),
    (f"/organizer/events/{EVENT}?tab=blocks", "get_seats", "ORGANIZER"),
    ("/organizer/venues", "list_venues", "ORGANIZER"),
    ("/organizer/venues/1", "get_venue", "ORGANIZER"),
    ("/organizer/webhooks", "list_webhook_endpoints", "ORGANIZER"),
    ("/organizer/keys", "list_api_keys", "ORGANIZER"),
    ("/door", "list_own_events", "ORGANIZER"),
    ("/operator", "get_vitals", "ADMIN"),
    ("/operator?tab=users", "list_users", "ADMIN"),
    ("/operator?tab=audit", "list_audit", "ADMIN"),
)
# Nothing of these is shown before the answer is there; of the others lists are missing.
_WHOLE = {
    path for path, operation, _role in _READS if operation.startswith("get_") and "?" not in path
}
READING = [
    State(f"{path} {name}", path, words, {operation: answer}, role, rare=path not in _WHOLE)
    for name, words, answer in (("loads", LOADING, NEVER), ("failed", RESTS, AWAY))
    for path, operation, role in _READS
]
_LISTS = (
    ("/", "list_events", None, "No events found."),
    ("/tickets", "list_bookings", "CUSTOMER", "You have no upcoming tickets."),
    ("/notifications", "list_notices", "CUSTOMER", "No notifications yet."),
    ("/organizer", "list_own_events", "ORGANIZER", "No events yet."),
    (f"/organizer/events/{EVENT}?tab=coupons", "list_coupons", "ORGANIZER", "No coupons yet."),
    ("/organizer/venues", "list_venues", "ORGANIZER", "No venues yet."),
    ("/organizer/webhooks", "list_webhook_endpoints", "ORGANIZER", "No webhooks yet."),
    ("/organizer/keys", "list_api_keys", "ORGANIZER", "No keys yet."),
    ("/door", "list_own_events", "ORGANIZER", "You have no upcoming events."),
    ("/operator?tab=users", "list_users", "ADMIN", "No accounts found."),
    ("/operator?tab=audit", "list_audit", "ADMIN", "No entries."),
)
_REFUSED = (
    (f"/events/{EVENT}", "get_event", None),
    ("/checkout/1", "get_hold", "CUSTOMER"),
    (BOOKING, "get_booking", "CUSTOMER"),
    (f"/organizer/events/{EVENT}", "get_event", "ORGANIZER"),
    ("/organizer/venues/1", "get_venue", "ORGANIZER"),
)
_SHUT = (("/organizer", "CUSTOMER"), ("/operator", "ORGANIZER"))
EMPTY_OR_REFUSED = [
    *(
        State(f"{path} is empty", path, words, {op: EMPTY}, role)
        for path, op, role, words in _LISTS
    ),
    *(
        State(f"{path} is not there", path, GONE, {op: MISSING}, role)
        for path, op, role in _REFUSED
    ),
    *(
        State(f"{path} for a {role}", path, "may not see this page", {}, role)
        for path, role in _SHUT
    ),
    State("an unknown address", "/nowhere/at/all", GONE),
]

BUYING = [
    State("an event", f"/events/{EVENT}", "Organizer: Naach Ghar Ltd."),
    State("an event of somebody unknown", f"/events/{EVENT}", "The Tempest",
          {"get_event": changed(organizer=None)}),
    *(
        State(f"an event: {words}", f"/events/{EVENT}", words, {"get_event": changed(**what)})
        for words, what in (
            ("This event was cancelled.", {"status": "CANCELLED", "cancel_reason": "Rain."}),
            ("The time or place changed", {"moved": {
                "at": "2026-11-19T10:00:00Z", "cancel_until": "2026-11-26T10:00:00Z"}}),
            ("Sold out", {"availability": {"available": 0, "capacity": 2}}),
            ("Ended", {"status": "COMPLETED"}),
            ("On sale from", {"sales": {
                "open": False, "from": "2026-12-01T10:00:00Z", "to": "2027-03-01T13:15:00Z"}}),
            ("Sale closed", {"sales": {
                "open": False, "from": None, "to": "2026-11-01T13:15:00Z"}}),
        )
    ),
    State("the hall", f"/events/{EVENT}/seats", "How many tickets?", _HALL, "CUSTOMER"),
    State("best seats refused", f"/events/{EVENT}/seats", "Try fewer, another price",
          {**_HALL, "create_hold": Refusal(409, "NO_ADJACENT_SEATS")}, "CUSTOMER",
          press("Best 2 seats")),
    State("somebody was faster", f"/events/{EVENT}/seats", "Could not be held for you",
          {**_HALL, "create_hold": _TAKEN}, "CUSTOMER",
          after(open_tab("List"),
                lambda page: page.locator('button[aria-label*="seat 3:"]').click())),
    State("a hold that is over", f"/events/{EVENT}/seats", "The time to buy has run out",
          {"get_seats": _SEATS, "get_hold": _OVER}, "CUSTOMER",
          after(lambda page: page.get_by_role("button", name="More time").wait_for(),
                lambda page: page.route("**/api/v1/holds?*", lambda route: route.fulfill(
                    json={"items": [], "next_cursor": None})),
                lambda page: page.evaluate(
                    "() => document.dispatchEvent(new Event('visibilitychange'))"))),
    State("the checkout", "/checkout/1", "no money moves", {}, "CUSTOMER"),
    State("who sells, at the checkout", "/checkout/1", "Sold by Naach Ghar Ltd.", {}, "CUSTOMER"),
    State("the checkout before the methods come", "/checkout/1", "How to pay",
          {"list_payment_methods": NEVER}, "CUSTOMER"),
    State("the checkout without any method", "/checkout/1", "No way to pay is available",
          {"list_payment_methods": changed(items=[])}, "CUSTOMER"),
    State("the checkout whose methods failed", "/checkout/1", RESTS,
          {"list_payment_methods": AWAY}, "CUSTOMER"),
    State("the checkout by a wallet alone", "/checkout/1", "Continue to Khalti",
          {"list_payment_methods": changed(items=[
              {"method": "CARD", "flow": "TOKEN", "test": False, "test_cards": []},
              {"method": "KHALTI", "flow": "REDIRECT", "test": False, "test_cards": []}])},
          "CUSTOMER"),
    State("the checkout of a free order", "/checkout/1", "Free",
          {"quote_booking": lambda it: {**it, "total": {"amount": 0, "currency": "NPR"}}},
          "CUSTOMER"),
    State("a payment that is refused", "/checkout/1", "Very many people",
          {"create_booking": Refusal(503, "OVERLOADED")}, "CUSTOMER", press("Pay ")),
    State("names that are refused", "/checkout/1", "This is not possible.",
          {"create_booking": invalid("attendees.0.name")}, "CUSTOMER", press("Pay ")),
    State("an unknown coupon", "/checkout/1", "This event has no such coupon code.",
          {}, "CUSTOMER",
          after(lambda page: page.get_by_text("I have a coupon").click(),
                lambda page: page.route("**/bookings/quote", lambda route: route.fulfill(
                    status=404, json={"reason": "COUPON_UNKNOWN", "status": 404})),
                fill(coupon="NOPE"), press("Apply"))),
    State("the checkout of a hold that is over", "/checkout/1", "The time to buy has run out",
          {"get_hold": _OVER}, "CUSTOMER"),
    State("the checkout of a hold that was released", "/checkout/1", "were released",
          {"get_hold": changed(status="RELEASED")}, "CUSTOMER"),
    State("the checkout of a hold that is booked", "/checkout/1", "already booked",
          {"get_hold": changed(status="BOOKED")}, "CUSTOMER"),
]  # fmt: skip

BOOKINGS = [
    State("a booking that is being paid", BOOKING, "Your payment is being made.",
          {"get_booking": changed(tickets=[])}, "CUSTOMER"),
    State("a booking on the provider's page", BOOKING, "Pay with Khalti",
          booked(payment=payment("REQUIRES_ACTION", method="KHALTI", action=_ACTION)), "CUSTOMER"),
    State("a booking whose card is declined", BOOKING, "The bank declined the card.",
          booked(payment=payment("FAILED", refused_because="CARD_DECLINED")), "CUSTOMER"),
    State("giving a booking up", BOOKING, "Give up these tickets?",
          booked(payment=payment("FAILED", refused_because="CARD_DECLINED")), "CUSTOMER",
          press("Give up")),
    State("a booking that is confirmed", BOOKING, "Your booking is confirmed.",
          booked(**_NEWS, tickets=[_TICKET, {**_TICKET, "id": TIER, "status": "REVOKED"}],
                 cancellation=_TERMS), "CUSTOMER"),
    State("a ticket on the whole screen", BOOKING, "Turn up the brightness",
          booked(**_NEWS, tickets=[_TICKET]), "CUSTOMER", press("Show at the door")),
    State("cancelling a booking", BOOKING, "Cancel this booking?",
          booked(**_NEWS, cancellation=_TERMS), "CUSTOMER", press("Cancel the booking")),
    State("cancelling a booking too late", BOOKING, "It is too late to cancel",
          {**booked(**_NEWS, cancellation=_TERMS),
           "cancel_booking": Refusal(409, "CANCELLATION_CLOSED")}, "CUSTOMER",
          press("Cancel the booking", "Yes, cancel it")),
    *(
        State(f"a booking: {status} {reason}", BOOKING, words,
              booked(status=status, reason=reason, payment=payment(paid)), "CUSTOMER")
        for status, reason, paid, words in (
            ("CANCELLING", None, "CAPTURED", "is being cancelled"),
            ("CANCELLED", "EVENT_CANCELLED", "REFUNDED", "The event was cancelled."),
            ("FAILED", "SEATS_UNAVAILABLE", "VOIDED", "Nothing was booked."),
            ("EXPIRED", "PAYMENT_TIMED_OUT", "FAILED", "The time to pay ran out."),
            ("EXPIRED", "PAID_LATE_SEATS_GONE", "REFUNDED", "somebody else has the tickets"),
        )
    ),
    State("a booking whose history failed", BOOKING, RESTS,
          {**booked(**_NEWS), "get_timeline": AWAY}, "CUSTOMER"),
    State("my tickets, one waits for its payment", "/tickets", "Your tickets are held until",
          {"list_bookings": each(
              payment=payment("REQUIRES_ACTION"), expires_at="2026-11-20T10:15:00Z",
              event={"id": EVENT, "title": "The Tempest", "place": "Naach Ghar", "ends_at": None,
                     "starts_at": "2027-03-01T13:15:00Z", "timezone": "Asia/Kathmandu"})},
          "CUSTOMER"),
    State("notifications", "/notifications", "Your tickets for The Tempest", {}, "CUSTOMER"),
]  # fmt: skip

ACCOUNTS = [
    State("a wrong password", "/login", "The address or the password is wrong.",
          {"log_in": Refusal(401, "INVALID_CREDENTIALS")}, None,
          after(fill(email="a@parterre.example", password="not this one"),
                lambda page: page.locator("form").get_by_role("button", name="Log in").click())),
    State("a closed account", "/login", "The box office closed this account.",
          {"log_in": Refusal(403, "ACCOUNT_DISABLED")}, None,
          after(fill(email="a@parterre.example", password="not this one"),
                lambda page: page.locator("form").get_by_role("button", name="Log in").click())),
    State("an address that is refused", "/register", "This is not possible.",
          {"request_code": invalid("email")}, None,
          after(fill(email="a@parterre.example"), press("Send the code"))),
    State("too many codes", "/password-reset", "It is refused.",
          {"request_code": Refusal(429, "CODE_THROTTLED")}, None,
          after(fill(email="a@parterre.example"), press("Send the code"))),
    State("the profile", "/account", "I want to organize events", {}, "CUSTOMER"),
    State("the profile of an organizer", "/account", "Name of your business", {}, "ORGANIZER"),
    State("the profile of an organizer whose name waits", "/account", "Until then your events show",
          {"refresh": lambda it: {
              **it, "user": {**it["user"], "requested_business_name": "Rangashala & Sons"}}},
          "ORGANIZER"),
    State("a business's name that is refused", "/account", "This is not possible.",
          {"update_profile": invalid("business_name")}, "ORGANIZER", press("Save")),
    State("a profile that is refused", "/account", "This is not possible.",
          {"update_profile": invalid("phone")}, "CUSTOMER",
          press("Save")),
    State("a password that is refused", "/account?tab=password", "It is refused.",
          {"change_password": Refusal(403, "WRONG_PASSWORD")}, "CUSTOMER",
          after(fill(current_password="what it was", new_password="what it shall be"),
                press("Set the password"))),
]  # fmt: skip

ORGANIZING = [
    State("an organizer without a business's name", "/organizer", "Name your business", {},
          "ORGANIZER"),
    State("a draft", f"/organizer/events/{EVENT}", "Publish",
          {"get_event": changed(status="DRAFT")}, "ORGANIZER"),
    State("an event that is being published", f"/organizer/events/{EVENT}", "being prepared",
          {"get_event": changed(status="PUBLISHING")}, "ORGANIZER"),
    State("an event that was cancelled", f"/organizer/events/{EVENT}", "Cancelled: Rain.",
          {"get_event": changed(status="CANCELLED", cancel_reason="Rain.")}, "ORGANIZER"),
    State("a new event that is refused", "/organizer/events/new", "This is not possible.",
          {"create_event": invalid("title")}, "ORGANIZER",
          after(fill(title="Stories", location="Patan"),
                lambda page: page.get_by_label("Name").last.fill("All"),
                lambda page: page.get_by_label("Price in NPR").fill("1"),
                press("Create draft"))),
    State("a coupon that is refused", f"/organizer/events/{EVENT}?tab=coupons",
          "This is not possible.", {"create_coupon": invalid("code")}, "ORGANIZER",
          after(fill(code="EARLY", value="5"), press("Create coupon"))),
    State("a picture is wanted", f"/organizer/events/{EVENT}?tab=images", "No pictures yet.",
          {}, "ORGANIZER"),
    State("calling an event off", f"/organizer/events/{EVENT}?tab=end", "This can't be undone.",
          {}, "ORGANIZER", after(fill(reason="Rain."), press("Cancel event"))),
    State("a venue of somebody else", "/organizer/venues/1", "belongs to somebody else",
          {"get_venue": changed(owner_id=TIER)}, "ORGANIZER"),
    State("a venue without sections", "/organizer/venues/1", "No sections yet.",
          {"get_venue": changed(sections=[])}, "ORGANIZER"),
    State("removing a webhook", "/organizer/webhooks", "Remove the webhook?", {}, "ORGANIZER",
          press("Remove")),
    State("what a webhook was sent", "/organizer/webhooks", "Refresh", {}, "ORGANIZER",
          press("Deliveries")),
    State("a key that is refused", "/organizer/keys", "Choose at least one permission.", {},
          "ORGANIZER", after(fill(name="Scanner"), press("Create key"))),
    State("revoking a key", "/organizer/keys", "Revoke the key?", {}, "ORGANIZER",
          press("Revoke")),
]  # fmt: skip


def _scan(page: Page) -> None:
    page.get_by_label("Code").fill("t.o.k.e.n")
    page.keyboard.press("Enter")


DOORS_AND_OPERATING = [
    *(
        State(f"a door: {told}", f"/door/{EVENT}", told,
              {"check_in": lambda it, result=result: {**it, "result": result}}, "ORGANIZER", _scan)
        for result, told in (
            ("ADMITTED", "Admitted"),
            ("ALREADY_ADMITTED", "Already admitted"),
            ("REVOKED", "Void"),
            ("WRONG_EVENT", "Wrong event"),
        )
    ),
    State("a door: no ticket", f"/door/{EVENT}", "Not a ticket",
          {"check_in": Refusal(422, "INVALID_TICKET")}, "ORGANIZER", _scan),
    State("a door that may not check", f"/door/{EVENT}", "Can't check",
          {"check_in": Refusal(403, "FORBIDDEN")}, "ORGANIZER", _scan),
    State("a door without a camera", f"/door/{EVENT}", "The camera can't be used.", {},
          "ORGANIZER", press("Scan with the camera")),
    State("a door for nobody", f"/door/{EVENT}", "Log in to check tickets online", {}),
    State("services that do not answer", "/operator", "Operations",
          {"get_vitals": lambda it: {"services": [{**one, "answers": False, "figures": []}
                                                  for one in it["services"]]}}, "ADMIN"),
    State("a verdict that failed", "/operator", RESTS, {"get_verdict": AWAY}, "ADMIN"),
    State("closing an account", "/operator?tab=users", "Close this account?",
          {"list_users": each(id=TIER, disabled=False)}, "ADMIN", press("Close ")),
    State("the name of a business that waits", "/operator?tab=users", "Approve the name",
          {"list_users": each(id=TIER, disabled=False, role="ORGANIZER", business_name="Rangashala",
                              requested_business_name="Rangashala & Sons")}, "ADMIN"),
    State("a race", "/race", "Many buyers ask for one and the same seat"),
]  # fmt: skip

ALL = [
    *READING, *EMPTY_OR_REFUSED, *BUYING, *BOOKINGS, *ACCOUNTS, *ORGANIZING, *DOORS_AND_OPERATING,
]  # fmt: skip
