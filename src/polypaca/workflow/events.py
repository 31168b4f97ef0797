"""What workers tell the run that started them: one JSON object a line, one file a job."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Kind = Literal["started", "progress", "waiting", "done", "unchanged", "failed", "skipped"]
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
    """Appends events to a file; progress is thinned out."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a", encoding="utf-8", buffering=1)
        self._last_progress = 0.0

    def __call__(self, event: Event) -> None:
        """Append one event."""
        if event.kind == "progress":
            now = time.monotonic()
            if now - self._last_progress < MIN_SECONDS_BETWEEN_PROGRESS:
                return
            self._last_progress = now
        self._file.write(json.dumps(asdict(event)) + "\n")


class EventReader:
    """Follows the event files of a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._offsets: dict[Path, int] = {}

    def new(self) -> Iterator[Event]:
        """The events since the last call; a line still being written waits for the next."""
        for path in sorted(self._folder.glob("*.jsonl")):
            with path.open("rb") as file:
                file.seek(self._offsets.get(path, 0))
                data = file.read()
            whole = data[: data.rfind(b"\n") + 1]
            self._offsets[path] = self._offsets.get(path, 0) + len(whole)
            for line in whole.splitlines():
                yield Event(**json.loads(line))
