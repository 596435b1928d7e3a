"""The rate limiter, with the time passed in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.edge import network_of
from gateway.rates import RateLimiter


def test_a_burst_is_allowed_and_then_one_for_each_interval() -> None:
    limiter = RateLimiter(per_second=10, burst=3)
    assert [limiter.hit("a", 100.0).allowed for _ in range(4)] == [True, True, True, False]
    assert not limiter.hit("a", 100.05).allowed
    assert limiter.hit("a", 100.1).allowed
    assert not limiter.hit("a", 100.1).allowed


def test_callers_do_not_share_a_limit() -> None:
    limiter = RateLimiter(per_second=1, burst=1)
    assert limiter.hit("a", 0.0).allowed
    assert limiter.hit("b", 0.0).allowed
    assert not limiter.hit("a", 0.0).allowed


def test_a_refusal_says_when_the_next_is_allowed() -> None:
    limiter = RateLimiter(per_second=0.1, burst=2)
    first = limiter.hit("a", 0.0)
    limiter.hit("a", 0.0)
    refused = limiter.hit("a", 0.0)
    assert (first.limit, first.remaining, first.reset_seconds) == (2, 1, 10)
    assert (refused.allowed, refused.remaining, refused.retry_seconds) == (False, 0, 10)
    assert limiter.hit("a", 0.0 + refused.retry_seconds).allowed


def test_refused_requests_cost_nothing() -> None:
    limiter = RateLimiter(per_second=1, burst=1)
    assert limiter.hit("a", 0.0).allowed
    for _ in range(100):
        assert not limiter.hit("a", 0.5).allowed
    assert limiter.hit("a", 1.0).allowed


@given(
    st.lists(st.floats(min_value=0, max_value=5), min_size=1, max_size=60),
    st.integers(min_value=1, max_value=5),
    st.integers(min_value=1, max_value=20),
)
def test_no_window_allows_more_than_burst_and_rate(
    pauses: list[float], rate: int, burst: int
) -> None:
    limiter = RateLimiter(rate, burst)
    now = 0.0
    allowed = []
    for pause in pauses:
        now += pause
        if limiter.hit("a", now).allowed:
            allowed.append(now)
    for first in range(len(allowed)):
        for last in range(first, len(allowed)):
            span = allowed[last] - allowed[first]
            assert last - first + 1 <= burst + rate * span + 1e-3


def test_an_ipv6_subscriber_is_one_caller_and_an_ipv4_address_another() -> None:
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff:2") == "2001:db8::/64"
    assert network_of("2001:db8:0:1::1") != network_of("2001:db8::1")
    assert network_of("192.0.2.1") == "192.0.2.1"
    assert network_of("fe80::1%eth0") == "fe80::/64"
    assert network_of("::nonsense::") == "::nonsense::"
