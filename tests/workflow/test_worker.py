from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from polypaca.core.errors import UserError
from polypaca.core.manifest import begin, read_manifest, seal
from polypaca.core.notices import notice
from polypaca.workflow import worker
from polypaca.workflow.events import Event, EventReader, EventWriter
from polypaca.workflow.steps import Task

from .works import StandTogether, task

SOURCE = task("mixtures/m", "mix")
TASK = task("cells/c/train", "train", {"mixture": SOURCE})


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A folder in which the task's input is done."""
    folder = tmp_path / SOURCE.id
    begin(folder, SOURCE.identity, {})
    (folder / "train.jsonl").write_text("rows\n")
    seal(folder, stage=SOURCE.step, format_number=1, settings={}, inputs={}, facts={})
    return tmp_path


def _run(out: Path, does: Callable[[Path], None]) -> list[Event]:
    todo = task(TASK.id, "train", TASK.inputs, does=does)
    worker.run_task(out, todo, threads=1, emit=EventWriter(out / "events" / "job.jsonl"))
    return list(EventReader(out / "events").new_events())


def _work(folder: Path) -> None:
    (folder / "adapter").write_text("trained")


def test_a_task_does_not_read_what_is_not_what_its_manifest_says(
    out: Path,
) -> None:
    path = out / SOURCE.id / "train.jsonl"
    stat = path.stat()
    path.write_text("rowz\n")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    (event,) = _run(out, _work)
    assert (event.kind, event.exit_code) == ("failed", 1)
    assert f"{path} differs from its manifest" in event.text
    assert not (out / TASK.id).exists()


def test_a_done_folder_is_hashed_before_it_is_left_alone(
    out: Path,
) -> None:
    assert [event.kind for event in _run(out, _work)] == ["started", "done"]
    path = out / TASK.id / "adapter"
    stat = path.stat()
    path.write_text("trainee")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    kinds = [event.kind for event in _run(out, _work)]
    assert kinds[2:] == ["started", "done"]
    assert path.read_text() == "trained"
    assert [event.kind for event in _run(out, _work)][4:] == ["unchanged"]


def test_notices_are_told_logged_and_kept(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def work(folder: Path) -> None:
        for number in range(9):
            notice(f"shard {number} was damaged")
        _work(folder)

    events = _run(out, work)
    told = [event.text for event in events if event.kind == "notice"]
    assert told[0] == "shard 0 was damaged"
    assert told[5:] == ["there are more notices in logs/cells.c.train.log"]
    assert events[-1].kind == "done"
    manifest = read_manifest(out / TASK.id)
    assert manifest is not None
    assert len(manifest.facts["notices"]) == 9
    assert "shard 8 was damaged" in capsys.readouterr().err  # where a job's output goes to the log
    notice("nobody's")
    assert len(list(EventReader(out / "events").new_events())) == len(events)


def test_a_task_that_fails_is_told_with_its_exit_code_and_stays_unsealed(out: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").write_text("half")
        raise UserError("targets: no module is called so")

    events = _run(out, fail)
    assert [event.kind for event in events] == ["started", "failed"]
    assert (events[1].text, events[1].exit_code) == ("targets: no module is called so", 2)
    assert read_manifest(out / TASK.id) is None
    # What was begun is there for the next run, which ends it.
    assert [event.kind for event in _run(out, _work)] == ["started", "failed", "started", "done"]
    assert (out / TASK.id / "half").exists()


def test_a_task_whose_input_is_missing_is_skipped(out: Path) -> None:
    (out / SOURCE.id / "manifest.json").unlink()
    (event,) = _run(out, _work)
    assert (event.kind, event.text) == ("skipped", f"{SOURCE.id} is not done")


def _together(out: Path, work: StandTogether) -> dict[str, list[str]]:
    tasks = [Task(f"systems/{name}", work, {"mixture": SOURCE}) for name in "abc"]
    emit = EventWriter(out / "events" / "job.jsonl")
    worker.run_together(out, tasks, threads=1, emit=emit)
    kinds: dict[str, list[str]] = {}
    for event in EventReader(out / "events").new_events():
        kinds.setdefault(event.task[-1], []).append(event.kind)
    return kinds


def test_of_tasks_that_are_done_together_one_that_fails_leaves_the_others(out: Path) -> None:
    kinds = _together(out, StandTogether(fails=("b",)))
    assert kinds == {
        "a": ["started", "done"], "b": ["started", "failed"], "c": ["started", "done"]
    }  # fmt: skip
    # The next run does what is left, and nothing else.
    assert _together(out, StandTogether())["b"] == ["started", "failed", "started", "done"]


def test_what_breaks_for_all_fails_all_that_are_left(out: Path) -> None:
    kinds = _together(out, StandTogether(breaks=True))
    assert kinds == {
        "a": ["started", "failed"], "b": ["started", "failed"], "c": ["started", "done"]
    }  # fmt: skip
    assert read_manifest(out / "systems" / "a") is None
    assert "see logs/systems.a.log" in (out / "logs" / "systems.c.log").read_text()
