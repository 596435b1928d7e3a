"""The demo's audience: what a seed makes of it."""

from __future__ import annotations

from datetime import date

from ops.audience import NAMES, opinions, purchases
from ops.programme import past_shows, shows

TODAY = date(2026, 11, 21)
ON_SALE, OVER = shows(1, TODAY), past_shows(TODAY)


def test_the_same_seed_gives_the_same_audience_and_another_seed_another() -> None:
    bought = purchases(1, ON_SALE, OVER, 12)
    assert bought == purchases(1, ON_SALE, OVER, 12)
    assert bought != purchases(2, ON_SALE, OVER, 12)
    assert opinions(1, bought, OVER) == opinions(1, bought, OVER)


def test_everybody_goes_to_an_event_once_and_only_to_what_is_or_was_on_sale() -> None:
    bought = purchases(1, ON_SALE, OVER, len(NAMES))
    assert len({(each.buyer, each.title) for each in bought}) == len(bought) > 100
    not_yet = {show.title for show in ON_SALE if "sales_from" in show.body}
    assert not not_yet & {each.title for each in bought}
    assert {each.buyer for each in purchases(1, ON_SALE, OVER, 3)} <= set(NAMES[:3])
    assert purchases(1, ON_SALE, OVER, 0) == []


def test_the_oldest_is_bought_first_and_none_after_its_night() -> None:
    bought = purchases(1, ON_SALE, OVER, len(NAMES))
    days = [each.days_ago for each in bought]
    assert days == sorted(days, reverse=True)
    assert days[0] > 30
    nights = {past.show.title: past.days_ago for past in OVER}
    assert all(each.days_ago > nights.get(each.title, -1) for each in bought)
    assert not any(each.is_cancelled or each.with_coupon for each in bought if each.title in nights)
    assert any(each.is_cancelled for each in bought)
    assert any(each.with_coupon for each in bought)


def test_only_who_was_there_has_an_opinion() -> None:
    bought = purchases(1, ON_SALE, OVER, len(NAMES))
    were_there = {(each.buyer, each.title) for each in bought}
    said = opinions(1, bought, OVER)
    assert {each.title for each in said} == {past.show.title for past in OVER}
    assert {(each.buyer, each.title) for each in said} <= were_there
    assert all(1 <= each.rating <= 5 for each in said)
