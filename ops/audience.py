"""Who bought what in the demo's last weeks, and what they thought of it, drawn by a seed. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from ops.programme import PastShow, Show

# As many as there are at most; addresses are `<name>@audience.parterre.example`.
NAMES = (
    "Maya", "Nabin", "Sunita", "Prakash", "Tashi", "Leela", "Arun", "Yuki", "Clara", "Oskar",
    "Farah", "Dev",
)  # fmt: skip
# The coupon of every event that is on sale.
COUPON = "FIRST-NIGHTS"
COUPON_PERCENT = 15
# How many days ago tickets of what is on sale were bought, and before the night of what is over.
_DAYS_AGO = (34, 27, 20, 15, 11, 8, 6, 4, 3, 0, 0)
_DAYS_BEFORE = (25, 18, 12, 7, 4)
_REVIEWS = (
    (5, "I laughed, I cried, I missed the last bus. Worth it."),
    (5, "Every seat sees everything. The sound is as warm as the tea."),
    (4, "Wonderful, though the interval queue has an act of its own."),
    (4, "Better than the recording, and the recording is good."),
    (3, "A strong second half. The first one was looking for its keys."),
    (5, ""),
    (2, "Too loud for row A. The ushers were very kind about it."),
)


@dataclass(frozen=True, slots=True)
class Purchase:
    """A booking that somebody made."""

    buyer: str  # of NAMES
    title: str
    quantity: int
    tier: int  # which of the event's, where tickets are counted
    with_coupon: bool
    days_ago: int
    is_cancelled: bool


@dataclass(frozen=True, slots=True)
class Opinion:
    """A review that somebody who was there wrote."""

    buyer: str
    title: str
    rating: int
    text: str


def purchases(
    seed: int, on_sale: Sequence[Show], over: Sequence[PastShow], buyers: int
) -> Sequence[Purchase]:
    """What the first `buyers` bought, the oldest first; each an event once at most."""
    chance = Random(seed)  # noqa: S311 - an audience, not a secret
    names = NAMES[:buyers]
    made = []
    for past in over:
        made += [
            _purchase(chance, name, past.show, past.days_ago + chance.choice(_DAYS_BEFORE))
            for name in names
            if chance.random() < 0.7
        ]
    for show in on_sale:
        if "sales_from" in show.body:
            continue  # not yet
        made += [
            _purchase(chance, name, show, chance.choice(_DAYS_AGO), is_on_sale=True)
            for name in names
            if chance.random() < 0.3
        ]
    return sorted(made, key=lambda purchase: -purchase.days_ago)


def _purchase(
    chance: Random, buyer: str, show: Show, days_ago: int, *, is_on_sale: bool = False
) -> Purchase:
    return Purchase(
        buyer,
        show.title,
        chance.choice((1, 2, 2, 2, 3, 4)),
        chance.randrange(len(show.body["tiers"])),
        with_coupon=is_on_sale and chance.random() < 0.2,
        days_ago=days_ago,
        # What is cancelled is cancelled today.
        is_cancelled=is_on_sale and days_ago == 0 and chance.random() < 0.2,
    )


def opinions(seed: int, bought: Sequence[Purchase], over: Sequence[PastShow]) -> Sequence[Opinion]:
    """What two in three of those who were there wrote."""
    chance = Random(seed + 1)  # noqa: S311 - an audience, not a secret
    titles = {past.show.title for past in over}
    return [
        Opinion(purchase.buyer, purchase.title, *chance.choice(_REVIEWS))
        for purchase in bought
        if purchase.title in titles and chance.random() < 0.67
    ]
