"""The processes that a launcher started for one job: rank 0 leads, the others follow it."""

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
    """Join the process group, if there is one; returns whether this process leads."""
    distributed.join()
    return distributed.is_main()


def threads_per_process(threads: int) -> int:
    """Threads of one process: those that were started on one machine share its cores."""
    return max(1, threads // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))


def start_task(task_id: str) -> None:
    """As the leader: let the others start a task with this process."""
    distributed.broadcast(task_id)


def is_alone() -> bool:
    """Whether there are no other processes."""
    return distributed.world_size() == 1


def finish() -> None:
    """As the leader: end the job in all processes."""
    distributed.broadcast(None)
    distributed.leave()


def follow_leader(work_on: Callable[[str], None]) -> None:
    """As a follower: work on each task that the leader starts, until it ends the job."""
    while (task_id := distributed.broadcast(None)) is not None:
        try:
            work_on(task_id)
        except Exception:
            traceback.print_exc()
            # The leader has most likely met the same error: it gets the time to report it.
            time.sleep(_GRACE_SECONDS)
            raise
    distributed.leave()
