from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from polypaca.workflow.display import clipped, display
from polypaca.workflow.events import Event, EventReader, EventWriter
from polypaca.workflow.jobs import Job
from polypaca.workflow.run import Plan

from .works import task

TASKS = (task("cells/a/train", "train"), task("cells/b/train", "train"))
PLAN = Plan(Path("out"), TASKS, {}, [Job("train", TASKS, (), False)], {"train": 1}, 2)
EVENTS = [
    Event("cells/a/train", "started"),
    Event("cells/a/train", "progress", "step 5/10", 0.5),
    Event("cells/b/train", "failed", "no [module] is there", exit_code=2),
    Event("cells/a/train", "done", "10 steps", 1.0, 3.2),
]


def _shown(*, terminal: bool, events: list[Event], width: int = 80) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=width, color_system=None)
    with display(PLAN, console) as show:
        for event in events:
            show(event)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_log_gets_plain_lines() -> None:
    lines = _shown(terminal=False, events=EVENTS).splitlines()
    assert len(lines) == 3
    assert "\x1b" not in "".join(lines)
    assert lines[0].endswith("started   cells/a/train")
    # Words in brackets are no markup.
    assert lines[1].endswith("failed    cells/b/train: no [module] is there")
    assert lines[2].endswith("done      cells/a/train in 3.2 s: 10 steps")


def test_a_log_gets_a_line_of_progress_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 10.0, 59.0, 61.0, 100.0, 122.0])
    monkeypatch.setattr("polypaca.workflow.display.time.monotonic", lambda: next(clock))
    events = [Event("cells/a/train", "started"), *(
        Event("cells/a/train", "progress", f"row {n}") for n in range(5)
    )]  # fmt: skip
    lines = _shown(terminal=False, events=events).splitlines()
    assert [line.split(": ", 1)[1] for line in lines[1:]] == ["row 2", "row 4"]


def test_a_terminal_gets_a_bar_a_stage_and_what_is_running() -> None:
    running = _shown(terminal=True, events=EVENTS[:3])
    assert "train" in running
    assert "1/2" in running
    assert "1 failed" in running
    assert "cells/a/train  step 5/10" in running
    ended = _shown(terminal=True, events=EVENTS)
    assert "2/2" in ended


@pytest.mark.parametrize("width", [16, 24, 40, 60])
def test_on_a_small_terminal_counts_stay_whole(width: int) -> None:
    shown = _shown(terminal=True, events=EVENTS[:3], width=width)
    assert "1/2" in shown
    assert "failed" in shown


@given(st.text("ab 0123456789./界", max_size=60), st.integers(4, 40))
def test_a_line_is_cut_before_a_word(line: str, room: int) -> None:
    cut = clipped(line, room)
    assert cell_len(cut) <= room
    assert cut == line or set(cut.removesuffix("…").split()) <= set(line.split())


def test_events_reach_the_run_line_by_line(tmp_path: Path) -> None:
    tell = EventWriter(tmp_path / "job.jsonl")
    reader = EventReader(tmp_path)
    tell(EVENTS[0])
    assert list(reader.new_events()) == [EVENTS[0]]
    assert list(reader.new_events()) == []
    with (tmp_path / "job.jsonl").open("a") as file:
        file.write('{"task": "half')
    assert list(reader.new_events()) == []
    (tmp_path / "other.jsonl").write_text("")
    second = EventWriter(tmp_path / "second.jsonl")
    second(EVENTS[3])
    assert list(reader.new_events()) == [EVENTS[3]]


def test_tasks_that_are_done_together_do_not_fill_the_terminal() -> None:
    tasks = tuple(task(f"systems/{n}/responses", "generate") for n in range(30))
    plan = Plan(Path("out"), tasks, {}, [Job("g", tasks, (), False)], {"g": 1}, 2)
    console = Console(file=io.StringIO(), force_terminal=True, width=80, height=50)
    with display(plan, console) as show:
        for one in tasks:
            show(Event(one.id, "started"))
        show(Event("systems/29/responses", "progress", "40/900 answers", 0.1))
    assert isinstance(console.file, io.StringIO)
    last = console.file.getvalue().split("systems/29/responses  40/900 answers")[-1]
    assert "and 22 more" in last
