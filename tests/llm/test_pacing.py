from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polypaca.llm.endpoint import Endpoint
from polypaca.llm.pacing import RateLimiter, RequestWindow, backoff, rate_limiter, retry_after


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def send(limits: RateLimiter, clock: Clock, tokens: int) -> float:
    """Wait as told until a request may go; returns when it went."""
    while wait := limits.try_acquire(tokens):
        clock.now += wait
    return clock.now


def test_requests_are_spaced_evenly() -> None:
    clock = Clock()
    limits = RateLimiter(120, None, clock)
    times = [send(limits, clock, 999) for _ in range(5)]
    assert [later - earlier for earlier, later in pairwise(times)] == pytest.approx([0.5] * 4)


def test_tokens_space_requests_by_their_size() -> None:
    clock = Clock()
    limits = RateLimiter(None, 6000, clock)  # a hundred a second
    times = [send(limits, clock, tokens) for tokens in (100, 50, 200, 1)]
    assert [time - 1000 for time in times] == pytest.approx([0, 1, 1.5, 3.5])


def test_what_was_estimated_too_high_is_given_back() -> None:
    clock = Clock()
    limits = RateLimiter(None, 6000, clock)
    send(limits, clock, 500)
    assert limits.try_acquire(1) == pytest.approx(5.0)
    limits.correct_tokens(500, 200)
    assert limits.try_acquire(1) == pytest.approx(2.0)
    limits.correct_tokens(100, 200)
    assert limits.try_acquire(1) == pytest.approx(3.0)


def test_without_limits_nothing_waits() -> None:
    limits = RateLimiter(None, None, Clock())
    assert [limits.try_acquire(10**9) for _ in range(9)] == [0.0] * 9


def test_time_that_was_not_used_is_not_saved_up() -> None:
    clock = Clock()
    limits = RateLimiter(60, None, clock)
    send(limits, clock, 1)
    clock.now += 100
    assert send(limits, clock, 1) == 1100
    assert limits.try_acquire(1) == pytest.approx(1.0)


def test_a_pause_holds_for_all_and_a_shorter_one_does_not_end_it() -> None:
    clock = Clock()
    limits = RateLimiter(None, None, clock)
    limits.pause(5)
    limits.pause(2)
    assert limits.try_acquire(1) == pytest.approx(5.0)
    clock.now += 5
    assert limits.try_acquire(1) == 0.0


@given(
    st.integers(1, 1000),
    st.integers(100, 100_000),
    st.lists(st.integers(1, 5000), min_size=1, max_size=80),
)
def test_no_minute_has_more_than_allowed(requests: int, tokens: int, sizes: list[int]) -> None:
    clock = Clock()
    limits = RateLimiter(requests, tokens, clock)
    sent = [(send(limits, clock, size), size) for size in sizes]
    for index, (begin, _) in enumerate(sent):
        minute = [size for time, size in sent[index:] if time < begin + 60 - 1e-6]
        assert len(minute) <= requests + 1
        assert sum(minute[:-1]) <= tokens + 1e-6


def test_one_served_model_has_one_limiter() -> None:
    one = Endpoint(base_url="http://h/v1", model="m", api_key_env=None, requests_per_minute=60)
    same = Endpoint(
        base_url="http://h/v1/", model="m", api_key_env=None, requests_per_minute=60, concurrency=2
    )
    other = Endpoint(base_url="http://h/v1", model="n", api_key_env=None, requests_per_minute=60)
    assert rate_limiter(one) is rate_limiter(same)
    assert rate_limiter(one) is not rate_limiter(other)


def test_a_window_is_halved_once_for_all_that_was_in_flight_and_grows_back() -> None:
    clock = Clock()
    window = RequestWindow(8, clock)
    window.in_flight = 8
    assert window.is_full
    clock.now = 1001.0
    for _ in range(8):
        window.shrink(sent_at=1000.0)
    window.in_flight = 4
    assert window.is_full
    window.in_flight = 3
    assert not window.is_full
    for _ in range(5):
        window.grow()
    window.in_flight = 4
    assert not window.is_full
    for _ in range(100):
        window.grow()
    window.in_flight = 7
    assert not window.is_full
    window.in_flight = 8
    assert window.is_full


def test_a_window_never_closes() -> None:
    clock = Clock()
    window = RequestWindow(1, clock)
    for _ in range(9):
        window.shrink(clock.now)
        clock.now += 1
    assert not window.is_full


@given(st.integers(0, 10_000))
def test_waiting_doubles_within_bounds(attempt: int) -> None:
    longest = min(30.0, 0.5 * 2.0 ** min(attempt, 100))
    assert longest / 2 <= backoff(attempt) <= longest


def test_waits_differ() -> None:
    assert len({backoff(3) for _ in range(20)}) > 10


NOW = 784_111_777.0  # Sun, 06 Nov 1994 08:49:37 GMT, RFC 9110's own example


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after": "Sun, 06 Nov 1994 08:49:47 GMT"}, 10.0),
        ({"retry-after": "Sun, 06 Nov 1994 08:49:30 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": ""}, None),
        ({}, None),
    ],
)
def test_retry_after_in_all_its_forms(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, NOW) == seconds


@given(st.text(max_size=40))
def test_any_header_is_a_number_of_seconds_or_nothing(value: str) -> None:
    seconds = retry_after({"retry-after": value})
    assert seconds is None or 0 <= seconds < float("inf")
