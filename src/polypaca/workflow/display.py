"""The progress display of a run: live bars on a terminal, plain lines elsewhere."""

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
_BAR = 30  # columns of a bar, where there is room
_ENDED = ("done", "unchanged", "failed", "skipped")


@contextmanager
def display(plan: Plan, console: Console) -> Iterator[Callable[[Event], None]]:
    """Show the events of a run on `console`; yields the function that takes them."""
    if not console.is_terminal:
        printed: dict[str, float] = {}
        yield lambda event: _print_event(event, console, printed)
        return
    from rich.live import Live

    view = _LiveView(plan, console)

    def show(event: Event) -> None:
        if event.kind == "notice":
            _print_event(event, console, {})  # above the bars
        else:
            view.update(event)

    with Live(get_renderable=view.render, console=console, refresh_per_second=5):
        yield show


def _print_event(event: Event, console: Console, printed: dict[str, float]) -> None:
    """Print a line per event, but of a task's progress one a minute, so that a log stays short.

    `printed` keeps when each task last had a line.
    """
    now = time.monotonic()
    if event.kind == "skipped":
        return
    if event.kind == "progress" and now - printed.setdefault(event.task, now) < _LOG_SECONDS:
        return
    if event.kind != "notice":
        printed[event.task] = now
    seconds = f" in {event.seconds:.1f} s" if event.kind == "done" else ""
    text = f": {event.text}" if event.text else ""
    line = f"{time.strftime('%H:%M:%S')} {event.kind:<9} {event.task}{seconds}{text}"
    console.print(line, soft_wrap=True, markup=False, highlight=False)


def clipped(line: str, room: int) -> str:
    """A line cut to the room there is, before a word, so that no number is cut."""
    from rich.cells import cell_len

    if cell_len(line) <= room:
        return line
    while line.strip() and cell_len(line) > room - 2:
        line = line.rstrip()
        line = line[: line.rfind(" ") + 1] if " " in line else ""
    return f"{line.rstrip()} …"[:room]


class _LiveView:
    """The state of the live display: one bar per stage, one line per running task."""

    def __init__(self, plan: Plan, console: Console) -> None:
        self._console = console
        self._stage = {task.id: task.stage for job in plan.jobs for task in job.tasks}
        self._ended: dict[str, Event] = {}
        self._running: dict[str, Event] = {}
        self._started = time.monotonic()

    def update(self, event: Event) -> None:
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

        stages = []
        for stage in STAGES:
            ids = [task for task in self._stage if self._stage[task] == stage]
            if not ids:
                continue
            running = sum(e.fraction for t, e in self._running.items() if self._stage[t] == stage)
            ended = [self._ended[task] for task in ids if task in self._ended]
            failed = sum(event.kind in ("failed", "skipped") for event in ended)
            style = "red" if failed else "green" if len(ended) == len(ids) else "cyan"
            count, faults = f"{len(ended)}/{len(ids)}", f"{failed} failed" if failed else ""
            stages.append((stage, len(ids), len(ended) + running, count, style, faults))
        # Counts stay whole: on a small terminal the bars are shorter, or none.
        around = max(len(s[0]) for s in stages) + max(len(s[3]) for s in stages)
        around += max(len(s[5]) for s in stages) + 3 * 2
        width = min(_BAR, self._console.width - around)
        bars = Table.grid(padding=(0, 2 if width > 0 else 1))
        for stage, total, done, count, style, faults in stages:
            bar = [ProgressBar(total=total, completed=done, width=width)] if width > 0 else []
            counts = [Text(count, style=style), Text(faults, style="red")]
            bars.add_row(Text(stage), *bar, *counts)
        # Of tasks that are worked on together, only one reports progress: it comes first.
        running_tasks = sorted(self._running.values(), key=lambda event: event.kind != "progress")
        room = self._console.width
        lines = [
            Text(clipped(f"  {event.task}  {event.text}", room), style="dim")
            for event in running_tasks[:_LINES]
        ]
        if len(running_tasks) > _LINES:
            more = f"  and {len(running_tasks) - _LINES} more"
            lines.append(Text(clipped(more, room), style="dim"))
        minutes, seconds = divmod(int(time.monotonic() - self._started), 60)
        return Group(bars, *lines, Text(f"  {minutes}:{seconds:02d}", style="dim"))
