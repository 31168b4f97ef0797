"""Whether the time of some work grows with its size alone, on a machine of any speed."""

from __future__ import annotations

import time
from collections.abc import Callable

TIMES = 4
TRIES = 3


def grows_with_the_size_only(work: Callable[[int], object], size: int) -> bool:
    """Whether four times the size takes less than twice as long as in proportion.

    Work that grows with the square of its size takes sixteen times as long. Only this process's
    own time counts, and one good try of three is enough.
    """
    return any(
        _seconds(work, TIMES * size) < 2 * TIMES * _seconds(work, size) for _ in range(TRIES)
    )


def _seconds(work: Callable[[int], object], size: int) -> float:
    started = time.process_time()
    work(size)
    return time.process_time() - started
