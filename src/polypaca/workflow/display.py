"""What a person sees while a run is at work: live bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from polypaca.workflow.steps import STAGES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console

    from polypaca.workflow.events import Event
    from polypaca.workflow.run import Plan

_LOG_SECONDS = 60.0  # between two lines on one task's progress
_LINES = 8  # running tasks on a terminal
_ENDED = ("done", "unchanged", "failed", "skipped")


@contextmanager
def display(plan: Plan, console: Console) -> Iterator[Callable[[Event], None]]:
    """Show the events of a run on `console`; yields the function that takes them."""
    if not console.is_terminal:
        said: dict[str, float] = {}
        yield lambda event: _plain(event, console, said)
        return
    from rich.live import Live

    view = _Live(plan)

    def note(event: Event) -> None:
        if event.kind == "notice":
            _plain(event, console, {})  # above the bars
        else:
            view.note(event)

    with Live(get_renderable=view.render, console=console, refresh_per_second=5):
        yield note


def _plain(event: Event, console: Console, said: dict[str, float]) -> None:
    """One line an event, and of a task's progress one a minute, so that a log stays short."""
    now = time.monotonic()
    if event.kind == "skipped":
        return
    if event.kind == "progress" and now - said.setdefault(event.task, now) < _LOG_SECONDS:
        return
    if event.kind != "notice":
        said[event.task] = now
    seconds = f" in {event.seconds:.1f} s" if event.kind == "done" else ""
    text = f": {event.text}" if event.text else ""
    line = f"{time.strftime('%H:%M:%S')} {event.kind:<9} {event.task}{seconds}{text}"
    console.print(line, soft_wrap=True, markup=False, highlight=False)


class _Live:
    """The state behind the live display: one bar a stage, one line a running task."""

    def __init__(self, plan: Plan) -> None:
        self._stage = {task.id: task.stage for job in plan.jobs for task in job.tasks}
        self._ended: dict[str, Event] = {}
        self._running: dict[str, Event] = {}
        self._started = time.monotonic()

    def note(self, event: Event) -> None:
        if event.kind in _ENDED:
            self._running.pop(event.task, None)
            self._ended[event.task] = event
        else:
            self._running[event.task] = event

    def render(self) -> Any:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        bars = Table.grid(padding=(0, 2))
        for stage in STAGES:
            ids = [task for task, own in self._stage.items() if own == stage]
            if not ids:
                continue
            part = sum(e.fraction for t, e in self._running.items() if self._stage[t] == stage)
            ended = [self._ended[task] for task in ids if task in self._ended]
            failed = sum(event.kind in ("failed", "skipped") for event in ended)
            style = "red" if failed else "green" if len(ended) == len(ids) else "cyan"
            bars.add_row(
                stage,
                ProgressBar(total=len(ids), completed=len(ended) + part, width=30),
                Text(f"{len(ended)}/{len(ids)}", style=style),
                Text(f"{failed} failed" if failed else "", style="red"),
            )
        # Tasks that are done together are many, and one of them tells how far they are.
        telling = sorted(self._running.values(), key=lambda event: event.kind != "progress")
        lines = [
            Text(f"  {event.task}  {event.text}", style="dim", overflow="ellipsis", no_wrap=True)
            for event in telling[:_LINES]
        ]
        if len(telling) > _LINES:
            lines.append(Text(f"  and {len(telling) - _LINES} more with them", style="dim"))
        minutes, seconds = divmod(int(time.monotonic() - self._started), 60)
        return Group(bars, *lines, Text(f"  {minutes}:{seconds:02d}", style="dim"))
