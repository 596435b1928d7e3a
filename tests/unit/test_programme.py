"""The demo's programme: what a seed and a day make of it."""

from __future__ import annotations

import io
from datetime import date, datetime, timedelta

import pytest
from PIL import Image

from ops.posters import poster
from ops.programme import Show, first_shows, halls, shows

TODAY = date(2026, 11, 21)


def moment(show: Show, name: str) -> datetime:
    return datetime.fromisoformat(show.body[name])


def test_the_same_seed_and_day_give_the_same_programme_and_another_seed_another() -> None:
    assert shows(1, TODAY) == shows(1, TODAY)
    assert shows(1, TODAY) != shows(2, TODAY)
    assert {show.title for show in shows(1, TODAY)} == {show.title for show in shows(2, TODAY)}


def test_there_are_forty_events_of_every_category_in_many_cities() -> None:
    programme = shows(1, TODAY)
    assert (
        len({show.title for show in programme} | {each.title for each in first_shows(TODAY)}) == 43
    )
    assert len({show.body["category"] for show in programme}) == 10
    assert len({show.hall.venue["city"] for show in programme if show.hall}) >= 6
    assert {show.kind for show in programme} == {"SEATED", "STANDING", "COUNTED"}


@pytest.mark.parametrize("seed", range(20))
def test_every_event_can_be_put_on_sale(seed: int) -> None:
    programme = shows(seed, TODAY)
    for show in (*programme, *first_shows(TODAY)):
        assert moment(show, "starts_at").date() > TODAY + timedelta(days=8)
        assert moment(show, "starts_at") < moment(show, "ends_at")
        if "sales_from" in show.body:
            assert moment(show, "sales_from") < moment(show, "starts_at")
        assert all(tier["price"] >= 0 for tier in show.body["tiers"])
        if show.hall:
            covered = [name for tier in show.body["tiers"] for name in tier["sections"]]
            assert sorted(covered) == sorted(part["name"] for part in show.hall.sections)
    assert 0 < sum("sales_from" in show.body for show in programme) < len(programme) / 2


def test_the_halls_are_as_large_as_they_are_said_to_be() -> None:
    places = {
        hall.name: sum(
            part.get("capacity", 0) + sum(row["seats"] for row in part.get("rows", ()))
            for part in hall.sections
        )
        for hall in halls()
    }
    assert places["Himal Arena"] == 20_000
    assert places["Basantapur Theatre"] == 1175
    assert places["Purple Lotus"] == 500


def test_a_poster_is_a_small_picture_and_always_the_same() -> None:
    drawn = poster("A title that is longer than any title of an event should ever be", "Patan")
    assert drawn == poster(
        "A title that is longer than any title of an event should ever be", "Patan"
    )
    assert Image.open(io.BytesIO(drawn)).size == (1600, 900)
    assert len(drawn) < 200_000
