"""`Prefer: wait=N` as RFC 7240 writes it, and `Accept` as RFC 9110 does."""

from __future__ import annotations

import pytest

from gateway.preferences import applied, language_of, prefers_json, wait_of


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [
        (["wait=10"], 10),
        (["wait=0"], 0),
        (["wait=20"], 20),
        (["wait=21"], 20),
        (["wait=999999999"], 20),
        (["WAIT = 5"], 5),
        (['wait="5"'], 5),
        (["wait=5; foo=bar"], 5),
        (["respond-async, wait=5"], 5),
        (["respond-async", "wait=5"], 5),
        (['note="a, wait=9", wait=5'], 5),
        (['note="a \\", wait=9", wait=5'], 5),
        (["wait=5, wait=9"], 5),
        (["wait=5", "wait=9"], 5),
    ],
)
def test_the_wait_is_read_and_cut_to_the_most(prefer: list[str], seconds: int) -> None:
    assert wait_of(prefer) == seconds


@pytest.mark.parametrize(
    "prefer",
    [
        [],
        [""],
        ["wait"],
        ["wait="],
        ["wait=-1"],
        ["wait=1.5"],
        ["wait=soon"],
        ["wait=9999999999"],
        ["wait=\u0665"],
        ['wait="5'],
        ["awaiting=5"],
        ["respond-async"],
        ['note="wait=5"'],
        ["," * 5000 + "wait=5"],
        # The first of two counts, and is nonsense.
        ["wait=soon, wait=5"],
    ],
)
def test_what_is_malformed_is_as_if_it_were_not_there(prefer: list[str]) -> None:
    assert wait_of(prefer) is None


def test_what_was_followed_is_said() -> None:
    assert applied(20) == {"Preference-Applied": "wait=20"}
    assert applied(None) == {}


@pytest.mark.parametrize(
    "accept",
    [
        ["application/json"],
        ["Application/JSON; charset=utf-8"],
        ["application/*"],
        ["text/html;q=0.5, application/json"],
        ["text/html; q=0", "*/*"],
        ["application/json, text/plain, */*"],
        ["*/*;q=0.9, text/html;q=0.8"],
        ["text/html;q=nonsense, application/json;q=0.001"],
    ],
)
def test_json_is_given_to_whom_likes_it_better(accept: list[str]) -> None:
    assert prefers_json(accept)


@pytest.mark.parametrize(
    "accept",
    [
        [],
        [""],
        ["*/*"],
        ["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"],
        ["text/html, application/json"],
        ["application/json;q=0"],
        ["application/json;q=0.9, text/*"],
        ["image/png"],
        [";;;,,,;q=", "=;"],
    ],
)
def test_everybody_else_gets_the_page(accept: list[str]) -> None:
    assert not prefers_json(accept)


@pytest.mark.parametrize(
    ("accept", "language"),
    [
        ([], "en"),
        (["ne"], "ne"),
        (["ne-NP, en;q=0.8"], "ne"),
        (["fr, NE;q=0.4"], "ne"),
        (["en;q=0.3", "ne;q=0.7"], "ne"),
        (["en, ne"], "en"),
        (["ne;q=0"], "en"),
        (["*"], "en"),
        (["ne;q=nonsense, ,;=,-"], "en"),
        (["," * 10_000 + "ne"], "en"),
    ],
)
def test_the_language_that_is_liked_best_is_spoken(accept: list[str], language: str) -> None:
    assert language_of(accept) == language
