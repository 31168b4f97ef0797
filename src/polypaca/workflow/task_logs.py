"""What tasks print and notice: into their logs, and to whoever watches the run."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from polypaca.core.notices import LOGGER
from polypaca.workflow.events import Event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from polypaca.workflow.events import EventWriter
    from polypaca.workflow.steps import Task

_NOTICES_TOLD = 5


def log_of(task_id: str) -> str:
    """Where a task's output goes, relative to the study's output folder."""
    return f"logs/{task_id.replace('/', '.')}.log"


@contextmanager
def output_to(log: Path) -> Iterator[None]:
    """Send everything that this process prints, libraries in C included, to a log file."""
    _flush()
    saved = os.dup(1), os.dup(2)
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        try:
            print(f"--- {now()}", flush=True)  # noqa: T201
            yield
        finally:
            _flush()
            for target, descriptor in enumerate(saved, start=1):
                os.dup2(descriptor, target)
                os.close(descriptor)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # a full disk
            stream.flush()


@contextmanager
def notices(task: Task, tell: EventWriter) -> Iterator[Callable[[], dict[str, Any]]]:
    """Tell the first notices of a task, and log all; yields what gives them as facts."""
    texts: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            texts.append(record.getMessage())
            with suppress(OSError):
                print(texts[-1], file=sys.stderr, flush=True)  # noqa: T201
            if len(texts) <= _NOTICES_TOLD:
                tell(Event(task.id, "notice", texts[-1]))
            elif len(texts) == _NOTICES_TOLD + 1:
                tell(Event(task.id, "notice", f"and more; see {log_of(task.id)}"))

    logger, handler = logging.getLogger(LOGGER), Handler()
    logger.addHandler(handler)
    try:
        yield lambda: {"notices": texts} if texts else {}
    finally:
        logger.removeHandler(handler)


def print_traceback(error: Exception) -> None:
    """Into the log, if there is room for it."""
    with suppress(OSError):
        traceback.print_exception(error)


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
