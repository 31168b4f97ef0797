"""Events that workers report to the run that started them: JSON lines, one file per job."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Kind = Literal["started", "progress", "waiting", "done", "unchanged", "failed", "skipped", "notice"]
MIN_SECONDS_BETWEEN_PROGRESS = 0.3


@dataclass(frozen=True)
class Event:
    """Something that happened to a task."""

    task: str
    kind: Kind
    text: str = ""
    fraction: float = 0.0
    seconds: float = 0.0
    exit_code: int = 0  # of the error that a task failed with


class EventWriter:
    """Appends events to a file, progress at intervals; on a full disk events are lost."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab", buffering=0)
        self._torn = False
        self._last_progress = 0.0

    def __call__(self, event: Event) -> None:
        """Append one event."""
        if event.kind == "progress":
            now = time.monotonic()
            if now - self._last_progress < MIN_SECONDS_BETWEEN_PROGRESS:
                return
            self._last_progress = now
        line = ("\n" if self._torn else "") + json.dumps(asdict(event)) + "\n"
        try:
            self._torn = (self._file.write(line.encode()) or 0) < len(line)
        except OSError:
            self._torn = True


class EventReader:
    """Follows the event files of a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._offsets: dict[Path, int] = {}

    def new_events(self) -> Iterator[Event]:
        """The events since the last call; a line still being written waits for the next."""
        for path in sorted(self._folder.glob("*.jsonl")):
            with path.open("rb") as file:
                file.seek(self._offsets.get(path, 0))
                data = file.read()
            whole = data[: data.rfind(b"\n") + 1]
            self._offsets[path] = self._offsets.get(path, 0) + len(whole)
            for line in whole.splitlines():
                # A full disk may cut an event off.
                with suppress(ValueError):
                    yield Event(**json.loads(line))
