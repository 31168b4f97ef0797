"""What servers do wrong, over real sockets: nothing hangs, and nothing is lost but what failed."""

from __future__ import annotations

import random
import threading
import time
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

import pytest

from polypaca.core.errors import StageError
from polypaca.llm import pacing
from polypaca.llm.client import complete
from polypaca.llm.endpoint import Endpoint
from polypaca.llm.records import Failure, Reply, Request

from .mock_server import Answer, MockServer, serve

pytestmark = pytest.mark.slow  # servers ask to wait, and are waited for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MANY = 60


def requests(count: int = MANY) -> list[Request]:
    return [Request((("user", str(number)),), max_tokens=8) for number in range(count)]


def at(server: MockServer, **settings: Any) -> Endpoint:
    fixed = {"base_url": server.base_url, "model": "m", "api_key_env": None, "concurrency": 16}
    return Endpoint(**(fixed | settings))


def texts(outcomes: list[Reply | Failure]) -> list[str]:
    return [outcome.text if isinstance(outcome, Reply) else "-" for outcome in outcomes]


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits of our own are a tenth as long; those that a server asks for stay."""
    monkeypatch.setattr(pacing, "_FIRST_WAIT", 0.05)


def storm(admitted: int, window: float, headers: dict[str, str]) -> Callable[[int, str], Answer]:
    """A server that takes so many requests in each so many seconds, and turns the rest away."""
    lock = threading.Lock()
    taken: dict[int, int] = {}

    def answer(number: int, content: str) -> Answer:
        with lock:
            now = int(time.monotonic() / window)
            taken[now] = taken.get(now, 0) + 1
            is_admitted = taken[now] <= admitted
        return Answer(content) if is_admitted else Answer(status=429, headers=headers)

    return answer


@pytest.mark.parametrize(
    "headers", [{}, {"Retry-After": "1"}, {"retry-after-ms": "300"}], ids=["bare", "s", "ms"]
)
def test_a_storm_of_429_is_sat_out(headers: dict[str, str]) -> None:
    with serve(storm(12, 0.5, headers)) as server:
        outcomes = complete(requests(), at(server, max_retries=12))
    assert texts(outcomes) == [str(number) for number in range(MANY)]


def test_retry_after_holds_back_all_and_not_one(tmp_path: Path) -> None:
    arrivals: list[float] = []

    def answer(number: int, content: str) -> Answer:
        arrivals.append(time.monotonic())
        if number == 0:
            return Answer(status=429, headers={"Retry-After": "1"})
        return Answer(content, delay=0.1)

    with serve(answer) as server:
        begun = time.monotonic()
        outcomes = complete(requests(40), at(server, concurrency=4))
    assert texts(outcomes) == [str(number) for number in range(40)]
    # What was in flight when the first was turned away had gone out already.
    assert sum(arrival < begun + 0.9 for arrival in arrivals) <= 2 * 4


def test_a_date_in_retry_after_is_honoured() -> None:
    until = time.time() + 2

    def answer(number: int, content: str) -> Answer:
        headers = {"Retry-After": formatdate(until, usegmt=True)}
        return Answer(content) if number else Answer(status=503, headers=headers)

    with serve(answer) as server:
        assert texts(complete(requests(1), at(server))) == ["0"]
    assert time.time() >= int(until)


def test_a_server_that_asks_to_come_back_tomorrow_is_not_waited_for() -> None:
    def answer(number: int, content: str) -> Answer:
        if number < 2:
            return Answer(content)
        return Answer(status=429, headers={"Retry-After": "86400"})

    with serve(answer) as server:
        outcomes = complete(requests(), at(server, concurrency=2))
        assert len(server.requests) < 8
    failed = [outcome for outcome in outcomes if isinstance(outcome, Failure)]
    # Whichever two came first.
    assert len(outcomes) - len(failed) == 2
    # What was not sent any more has the same reason, or says why it was not.
    assert any("asks to wait 86400 s; run again then" in outcome.reason for outcome in failed)


def test_an_empty_purse_stops_at_once() -> None:
    body = b'{"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}}'

    def answer(number: int, content: str) -> Answer:
        return Answer(content) if number < 3 else Answer(status=429, body=body)

    with serve(answer) as server:
        outcomes = complete(requests(), at(server, concurrency=3))
        assert len(server.requests) < 10
    assert texts(outcomes)[:3] == ["0", "1", "2"]
    failure = outcomes[-1]
    assert isinstance(failure, Failure)
    assert "exceeded your quota" in failure.reason


def test_attempts_are_bounded_and_counted() -> None:
    with serve(lambda number, content: Answer(status=500)) as server:
        (outcome,) = complete(requests(1), at(server, max_retries=2))
        assert len(server.requests) == 3
    assert isinstance(outcome, Failure)
    assert outcome.status == 500
    assert outcome.reason.endswith(", tried 3 times")


def test_a_server_that_only_fails_is_given_up() -> None:
    def answer(number: int, content: str) -> Answer:
        return Answer(content) if number == 0 else Answer(status=500)

    with serve(answer) as server:
        outcomes = complete(requests(200), at(server, concurrency=4, max_retries=1))
        assert len(server.requests) < 40
    assert isinstance(outcomes[-1], Failure)
    assert outcomes[-1].reason.startswith("not sent: ")
    assert "answered 500" in outcomes[-1].reason


PASSING = [
    Answer(status=500),
    Answer(status=503, headers={"Retry-After": "0"}),
    Answer(status=429, headers={"Retry-After": "0"}),
    Answer(status=408),
    Answer("x" * 5000, reset=True),
    Answer(body=b'{"choices": [{"mess'),
    Answer(body=b""),
    Answer(body=b"<html>Bad gateway</html>"),
    Answer(body=b'{"error": {"message": "overloaded"}}'),
    Answer(body=b"[" * 100_000),
    Answer("late", delay=3),
]


@pytest.mark.parametrize("fault", PASSING, ids=[str(index) for index in range(len(PASSING))])
def test_a_fault_that_passes_is_overcome(fault: Answer) -> None:
    with serve(lambda number, content: Answer(content) if number else fault) as server:
        assert texts(complete(requests(1), at(server, timeout_seconds=1))) == ["0"]
        assert len(server.requests) == 2


@pytest.mark.parametrize("seed", [1, 2])
def test_all_faults_together(seed: int, tmp_path: Path) -> None:
    faults = random.Random(seed)

    def answer(number: int, content: str) -> Answer:
        return faults.choice(PASSING) if faults.random() < 0.3 else Answer(content)

    with serve(answer) as server:
        served = at(server, max_retries=12, timeout_seconds=0.5)
        outcomes = complete(requests(), served, cache=tmp_path)
        asked = len(server.requests)
        assert texts(outcomes) == [str(number) for number in range(MANY)]
        assert texts(complete(requests(), served, cache=tmp_path)) == texts(outcomes)
        assert len(server.requests) == asked


def test_bytes_that_trickle_for_ever_are_a_stall() -> None:
    # Each piece comes in time, and the answer as a whole never does.
    def answer(number: int, content: str) -> Answer:
        return Answer(content) if number else Answer("x" * 200, trickle=0.05)

    with serve(answer) as server:
        assert texts(complete(requests(1), at(server, timeout_seconds=0.5))) == ["0"]
        assert len(server.requests) == 2


def test_slow_first_answers_are_waited_for() -> None:
    # As of a server that still loads its model.
    begun = time.monotonic()

    def answer(number: int, content: str) -> Answer:
        is_loading = time.monotonic() - begun < 1
        return Answer(content, delay=3 if is_loading else 0)

    with serve(answer) as server:
        outcomes = complete(requests(8), at(server, timeout_seconds=0.4, concurrency=4))
    assert texts(outcomes) == [str(number) for number in range(8)]


def test_a_server_that_dies_half_way(tmp_path: Path) -> None:
    done: list[int] = []
    with serve(lambda number, content: Answer(content, delay=0.02)) as server:
        served = at(server, concurrency=2, max_retries=1)

        def progress(count: int) -> None:
            done.append(count)
            if count == 10:
                server.stop()

        outcomes = complete(requests(), served, cache=tmp_path, progress=progress)
    answered = sum(isinstance(outcome, Reply) for outcome in outcomes)
    assert 10 <= answered < 20
    assert len(list(tmp_path.rglob("*.json"))) == answered
    assert done[-1] == MANY
    assert isinstance(outcomes[-1], Failure)
    assert "cannot be reached" in outcomes[-1].reason
    with pytest.raises(StageError, match="is the server running"):
        complete(requests(), served, cache=tmp_path)


def test_requests_a_minute_hold_for_further_attempts_too() -> None:
    arrivals: list[float] = []

    def answer(number: int, content: str) -> Answer:
        arrivals.append(time.monotonic())
        return Answer(content) if number % 2 else Answer(status=500)

    with serve(answer) as server:
        served = at(server, requests_per_minute=1200, max_retries=20)
        begun = time.monotonic()
        complete(requests(10), served)
        complete(requests(10), served)
    assert len(arrivals) == 40
    # Twenty a second, over both calls.
    assert time.monotonic() - begun >= 39 * 0.05


def test_tokens_a_minute_are_what_was_used_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    # Estimated at 3,017 tokens a request and used 10: at 60,000 a minute 12 take 36 s or 0.2 s.
    many = [Request((("user", str(number)),), max_tokens=3000) for number in range(12)]
    waits: list[float] = []
    take = pacing.RateLimiter.try_acquire

    def noted(self: pacing.RateLimiter, tokens: int) -> float:
        waits.append(take(self, tokens))
        return waits[-1]

    monkeypatch.setattr(pacing.RateLimiter, "try_acquire", noted)
    with serve(lambda number, content: Answer(content)) as server:
        outcomes = complete(many, at(server, tokens_per_minute=60_000, concurrency=1))
    assert texts(outcomes) == [str(number) for number in range(12)]
    assert max(waits) < 1


def test_tokens_a_minute_slow_down_what_uses_them() -> None:
    with serve(lambda number, content: Answer(content)) as server:
        begun = time.monotonic()
        # Each uses 10 tokens: ten requests, 100 a second.
        complete(requests(10), at(server, tokens_per_minute=6000, concurrency=4))
    assert time.monotonic() - begun >= 0.8


def test_a_cancelled_wait_leaves_nothing_behind() -> None:
    with serve(lambda number, content: Answer(status=401)) as server:
        served = at(server, requests_per_minute=6)
        with pytest.raises(Exception, match="api_key_env"):
            complete(requests(), served)
        assert len(server.requests) == 1


@pytest.mark.parametrize("fault", [Answer("x", delay=1), Answer("x", reset=True)])
def test_a_prompt_that_is_never_answered_is_missing_alone_though_it_comes_first(
    fault: Answer,
) -> None:
    with serve(lambda number, content: fault if content == "0" else Answer(content)) as server:
        served = at(server, concurrency=1, max_retries=0, timeout_seconds=0.3)
        outcomes = complete(requests(5), served)
    assert texts(outcomes)[1:] == ["1", "2", "3", "4"]
    assert isinstance(outcomes[0], Failure)
    assert not outcomes[0].lasting
