"""The processes that a launcher started for one job: rank 0 leads, the others do as it does."""

from __future__ import annotations

import os
import time
import traceback
from typing import TYPE_CHECKING

from polypaca.training import distributed

if TYPE_CHECKING:
    from collections.abc import Callable

_GRACE_SECONDS = 5.0


def join() -> bool:
    """Meet the other processes, if there are any; returns whether this one leads."""
    distributed.join()
    return distributed.is_main()


def threads_each(threads: int) -> int:
    """Threads of one process: those that were started on one machine share its cores."""
    return max(1, threads // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))


def begin(task_id: str) -> None:
    """As the leader: have the others begin a task with this process."""
    distributed.broadcast(task_id)


def is_alone() -> bool:
    """Whether there are no others."""
    return distributed.world_size() == 1


def dismiss() -> None:
    """As the leader: let the others go; there is no more to do."""
    distributed.broadcast(None)
    distributed.leave()


def follow(work_on: Callable[[str], None]) -> None:
    """As one of the others: do this process's part of each task that the leader begins."""
    while (task_id := distributed.broadcast(None)) is not None:
        try:
            work_on(task_id)
        except Exception:
            traceback.print_exc()
            # The leader has most likely met the same and tells of it, if it is left the time.
            time.sleep(_GRACE_SECONDS)
            raise
    distributed.leave()
