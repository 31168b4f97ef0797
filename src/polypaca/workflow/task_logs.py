"""Logs of tasks: what they print goes to a file, their notices to the display as well."""

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

_NOTICES_SHOWN = 5


def log_path(task_id: str) -> str:
    """The log file of a task, relative to the study's output folder."""
    return f"logs/{task_id.replace('/', '.')}.log"


@contextmanager
def redirect_output(log: Path) -> Iterator[None]:
    """Send everything that this process prints, libraries in C included, to a log file."""
    _flush()
    saved = os.dup(1), os.dup(2)
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        try:
            print(f"--- {timestamp()}", flush=True)  # noqa: T201
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
def collect_notices(task: Task, write_event: EventWriter) -> Iterator[Callable[[], dict[str, Any]]]:
    """Show the first notices of a task, log all; yields a function that gives them as facts."""
    texts: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            texts.append(record.getMessage())
            with suppress(OSError):
                print(texts[-1], file=sys.stderr, flush=True)  # noqa: T201
            if len(texts) <= _NOTICES_SHOWN:
                write_event(Event(task.id, "notice", texts[-1]))
            elif len(texts) == _NOTICES_SHOWN + 1:
                more = f"there are more notices in {log_path(task.id)}"
                write_event(Event(task.id, "notice", more))

    logger, handler = logging.getLogger(LOGGER), Handler()
    logger.addHandler(handler)
    try:
        yield lambda: {"notices": texts} if texts else {}
    finally:
        logger.removeHandler(handler)


def print_traceback(error: Exception) -> None:
    """Print a traceback, if the disk has room for it."""
    with suppress(OSError):
        traceback.print_exception(error)


def timestamp() -> str:
    """The time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
