"""The demo's audience: what it buys, where it is let in, what it writes. Through the public API."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from ops.audience import COUPON, COUPON_PERCENT, NAMES, Purchase, opinions, purchases
from ops.client import Client, ProblemError
from ops.programme import PastShow, Show
from ops.rewinding import Rewinding

Told = Callable[[str], None]
# Gives somebody signed in, registered where they are not yet.
Enter = Callable[[str], Client]

# Somebody else may have bought the last places, or the time is over.
_TOO_LATE = 409
_WAIT_SECONDS = 20


class House:
    """What is on and over in one programme, and whoever goes there."""

    def __init__(
        self, promoter: Client, enter: Enter, rewinding: Rewinding | None, told: Told
    ) -> None:
        self._promoter = promoter
        self._enter = enter
        self._rewinding = rewinding
        self._told = told

    def lives(
        self,
        seed: int,
        ids: Mapping[str, str],
        on_sale: Sequence[Show],
        over: Sequence[PastShow],
        buyers: int,
    ) -> None:
        """Sees that all was bought, admitted and reviewed; `ids` are the events' by title.

        Raises:
            ProblemError: the API refused what is not merely too late.
            psycopg.Error: by the rewinding.
        """
        shows = {show.title: show for show in (*on_sale, *(past.show for past in over))}
        bought = purchases(seed, on_sale, over, buyers)
        with self._audience(NAMES[:buyers]) as audience:
            has = {name: _bookings_of(client) for name, client in audience.items()}
            wanted = [each for each in bought if ids[each.title] not in has[each.buyer]]
            for title in {each.title for each in wanted if each.with_coupon}:
                self._offer_coupon(ids[title])
            for days_ago, group in groupby(wanted, lambda each: each.days_ago):
                made = [
                    self._buy(audience[each.buyer], each, shows[each.title], ids[each.title])
                    for each in group
                ]
                if self._rewinding and days_ago:
                    self._rewinding.bookings([each for each in made if each], days_ago)
            for past in over:
                self._take_place(past, ids[past.show.title], audience)
            said = {past.show.title: self._authors_at(ids[past.show.title]) for past in over}
            for each in opinions(seed, bought, over):
                if each.buyer not in said[each.title]:
                    _review(audience[each.buyer], ids[each.title], each.rating, each.text)

    def _authors_at(self, event_id: str) -> set[str]:
        return {each["author"] for each in self._promoter.pages(f"/events/{event_id}/reviews")}

    @contextmanager
    def _audience(self, names: Sequence[str]) -> Iterator[Mapping[str, Client]]:
        with ExitStack() as stack:
            yield {name: stack.enter_context(self._enter(name)) for name in names}

    def _offer_coupon(self, event_id: str) -> None:
        coupon = {"code": COUPON, "kind": "PERCENT", "value": COUPON_PERCENT}
        _unless_too_late(lambda: self._promoter.post(f"/events/{event_id}/coupons", coupon))

    def _buy(self, buyer: Client, purchase: Purchase, show: Show, event_id: str) -> str | None:
        """The booking's reference; None where there was nothing left."""
        self._told(f"{show.title}: {purchase.buyer}")
        wanted = {"event_id": event_id, **_places(buyer, purchase, show, event_id)}
        hold = _unless_too_late(lambda: buyer.post("/holds", wanted))
        if hold is None:
            return None
        body: dict[str, Any] = {"hold_id": hold["id"]}
        if purchase.with_coupon:
            body["coupon_code"] = COUPON
        if hold["total"]["amount"]:
            body |= {"payment_method": "CARD", "payment_token": "tok_ok"}
        booking = buyer.call(
            "POST", "/bookings", json=body, headers={"Prefer": f"wait={_WAIT_SECONDS}"}
        )
        reference: str = booking["reference"]
        if purchase.is_cancelled:
            reason = {"reason": "I can't come."}
            _unless_too_late(lambda: buyer.post(f"/bookings/{reference}/cancel", reason))
        return reference

    def _take_place(self, past: PastShow, event_id: str, audience: Mapping[str, Client]) -> None:
        """Lets in who came, all but the last, and has the event been when it was to be."""
        event = self._promoter.get(f"/events/{event_id}")
        is_to_come = _starts(past.show.body) - _starts(event) < timedelta(days=past.days_ago)
        if self._rewinding is None or not is_to_come:
            return
        for name, client in list(audience.items())[:-1]:
            for reference in _bookings_of(client, event_id).values():
                self._told(f"{past.show.title}: {name} comes")
                for ticket in client.get(f"/bookings/{reference}/tickets"):
                    scan = {"token": ticket["token"], "gate": "Main"}
                    self._promoter.post(f"/events/{event_id}/check-ins", scan)
        self._rewinding.event(event_id, past.days_ahead + past.days_ago, past.days_ahead)


def _starts(event: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(event["starts_at"])


def _bookings_of(client: Client, event_id: str = "") -> Mapping[str, str]:
    """What somebody has: references by the event's id."""
    return {
        booking["event"]["id"]: booking["reference"]
        for booking in client.pages("/bookings")
        if event_id in {"", booking["event"]["id"]}
    }


def _places(buyer: Client, purchase: Purchase, show: Show, event_id: str) -> dict[str, Any]:
    if show.kind == "SEATED":
        return {"best_available": {"quantity": purchase.quantity}}
    standing = _standing_of(show)
    names = [
        tier["name"]
        for tier in show.body["tiers"]
        if show.hall is None or set(tier["sections"]) <= standing
    ]
    name = names[purchase.tier % len(names)]
    tiers = buyer.get(f"/events/{event_id}")["tiers"]
    [tier_id] = [tier["id"] for tier in tiers if tier["name"] == name]
    return {"general": [{"tier_id": tier_id, "quantity": purchase.quantity}]}


def _standing_of(show: Show) -> set[str]:
    sections = show.hall.sections if show.hall else []
    return {section["name"] for section in sections if section["kind"] == "STANDING"}


def _review(buyer: Client, event_id: str, rating: int, text: str) -> None:
    """Writes a review, unless its writer got no ticket in the end."""
    try:
        buyer.post(f"/events/{event_id}/reviews", {"rating": rating, "text": text})
    except ProblemError as error:
        if error.reason != "NOT_AN_ATTENDEE":
            raise


def _unless_too_late(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except ProblemError as error:
        if error.status != _TOO_LATE:
            raise
        return None
