"""How fast a server is asked: rate limits, pauses that it asks for, and waiting between attempts.

The openai package's own retries know none of this: each request would wait for itself alone, and
its further attempts would pass no limit.
"""

from __future__ import annotations

import random
import threading
import time
from email.utils import parsedate_to_datetime
from functools import cache
from math import isfinite
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from polypaca.llm.endpoint import Endpoint

_FIRST_WAIT, _LAST_WAIT = 0.5, 30.0  # seconds


class RateLimiter:
    """Spaces attempts evenly so that no minute has more requests or tokens than are allowed.

    Within any minute at most one request, and its tokens, come on top. Safe between threads.
    """

    def __init__(
        self,
        requests_per_minute: float | None,
        tokens_per_minute: float | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """None is no limit; `clock` tells seconds."""
        self._seconds_per_request = 60 / requests_per_minute if requests_per_minute else 0.0
        self._seconds_per_token = 60 / tokens_per_minute if tokens_per_minute else 0.0
        self._clock = clock
        self._next_request = self._next_token = self._paused_until = clock()
        self._lock = threading.Lock()

    def try_acquire(self, tokens: int) -> float:
        """Take leave to send so many tokens now: 0, or else the seconds to wait and ask again."""
        with self._lock:
            now = self._clock()
            ready = max(self._next_request, self._next_token, self._paused_until)
            if ready > now:
                return ready - now
            self._next_request = now + self._seconds_per_request
            self._next_token = now + tokens * self._seconds_per_token
            return 0.0

    def correct_tokens(self, estimated: int, used: int) -> None:
        """Tell how many tokens it was in the end."""
        with self._lock:
            self._next_token += (used - estimated) * self._seconds_per_token

    def pause(self, seconds: float) -> None:
        """Let nothing pass for so long; a longer pause that holds already stays."""
        with self._lock:
            self._paused_until = max(self._paused_until, self._clock() + seconds)


def rate_limiter(endpoint: Endpoint) -> RateLimiter:
    """The limiter of this served model, one for all calls of the process."""
    return _limiter(
        endpoint.base_url.rstrip("/"),
        endpoint.model,
        endpoint.requests_per_minute,
        endpoint.tokens_per_minute,
    )


@cache
def _limiter(
    base_url: str, model: str, requests_per_minute: float | None, tokens_per_minute: float | None
) -> RateLimiter:
    return RateLimiter(requests_per_minute, tokens_per_minute)


class RequestWindow:
    """How many requests may be in flight: fewer after a server says that it is too many.

    Halved where it says so, widened by one for as many answers as fit into it: additive increase,
    multiplicative decrease, as in TCP (RFC 5681, section 3.1).
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with all that is allowed."""
        self._most, self._clock = most, clock
        self._size = float(most)
        self._cut_at = clock()
        self.in_flight = 0

    @property
    def is_full(self) -> bool:
        """Whether nothing more may be sent until something comes back."""
        return self.in_flight >= max(1, int(self._size))

    def grow(self) -> None:
        """Tell that an answer came."""
        self._size = min(float(self._most), self._size + 1 / self._size)

    def shrink(self, sent_at: float) -> None:
        """Tell that a request was too many; those sent before the last cut tell nothing new."""
        if sent_at >= self._cut_at:
            self._size = max(1.0, self._size / 2)
            self._cut_at = self._clock()


def backoff(attempt: int) -> float:
    """Seconds to wait after attempt number `send`, from 0: doubling, half of it by chance."""
    longest = min(_LAST_WAIT, _FIRST_WAIT * 2.0 ** min(attempt, 30))
    return longest * random.uniform(0.5, 1)  # noqa: S311


def retry_after(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """The seconds that a server asks to wait, at least 0, or None where it says nothing usable.

    Reads `retry-after-ms`, then `Retry-After` in seconds or as an HTTP date (RFC 9110, section
    10.2.3).

    Args:
        headers: of its answer; names are looked up in lower case.
        now: seconds since 1970; the time by default.
    """
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) * unit
        except ValueError:
            continue
        if isfinite(seconds):
            return max(0.0, seconds)
    try:
        date = parsedate_to_datetime(headers.get("retry-after", ""))
        return max(0.0, date.timestamp() - (time.time() if now is None else now))
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
