from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polypaca.core.manifest import MANIFEST, begin, seal
from polypaca.stages.prepare import PrepareBase
from polypaca.workflow.jobs import deal_jobs, done_input, done_inputs, job_threads, pending_tasks
from polypaca.workflow.steps import Task

from .works import Stand, task


def _tasks() -> list[Task]:
    data = task("data", "prepare", group="prepare", settings={"rows": 1})
    base = task("base", "prepare", group="base-m", all_cores=True)
    cells = [
        task(
            f"cell{n}", "train", {"data": data, "base": base}, group="train-m", cost=cost,
            settings={"n": n},
        )
        for n, cost in enumerate([1.0, 4.0, 1.0, 1.0])
    ]  # fmt: skip
    answers = [
        task(f"answers{n}", "generate", {"checkpoint": cell}, group="generate-m")
        for n, cell in enumerate(cells)
    ]
    report = task("report", "report", {f"r/{a.id}": a for a in answers}, group="analyze")
    return [data, base, *cells, *answers, report]


def _settings(one: Task) -> dict[str, Any]:
    assert isinstance(one.work, Stand)
    return one.work.settings


def _make(out: Path, tasks: list[Task], text: str = "x") -> None:
    for one in tasks:
        inputs = done_inputs(out, one)
        assert inputs is not None
        begin(out / one.id, one.identity, inputs)
        (out / one.id / "file").write_text(f"{text} {one.id}")
        seal(
            out / one.id, stage=one.step, format_number=one.work.format_number,
            settings=one.recorded_settings, inputs=inputs, facts={},
        )  # fmt: skip


def test_everything_is_pending_first_and_nothing_when_it_is_done(tmp_path: Path) -> None:
    tasks = _tasks()
    assert list(pending_tasks(tmp_path, tasks)) == [task.id for task in tasks]
    _make(tmp_path, tasks)
    assert pending_tasks(tmp_path, tasks) == {}


def test_a_changed_setting_makes_what_follows_from_it_pending(tmp_path: Path) -> None:
    tasks = _tasks()
    _make(tmp_path, tasks)
    _settings(tasks[3])["n"] = 99
    reasons = pending_tasks(tmp_path, tasks)
    assert list(reasons) == ["cell1", "answers1", "report"]
    assert reasons["cell1"] == "its settings or inputs changed"


def test_a_deleted_manifest_makes_that_cell_and_what_follows_pending(tmp_path: Path) -> None:
    tasks = _tasks()
    _make(tmp_path, tasks)
    (tmp_path / "cell2" / MANIFEST).unlink()
    reasons = pending_tasks(tmp_path, tasks)
    assert list(reasons) == ["cell2", "answers2", "report"]
    # Made again with the same content, it leaves its followers as they are.
    _make(tmp_path, [tasks[4]])
    assert pending_tasks(tmp_path, tasks) == {}
    (tmp_path / "cell2" / MANIFEST).unlink()
    _make(tmp_path, [tasks[4]], "other weights in")
    assert list(pending_tasks(tmp_path, tasks)) == ["answers2", "report"]


def test_what_came_out_the_same_for_other_reasons_redoes_nothing(tmp_path: Path) -> None:
    tasks = _tasks()
    _make(tmp_path, tasks)
    _settings(tasks[0])["rows"] = 2
    assert next(iter(pending_tasks(tmp_path, tasks))) == "data"
    _make(tmp_path, tasks[:1])
    assert pending_tasks(tmp_path, tasks) == {}


def test_what_stands_between_a_change_and_a_task_counts(tmp_path: Path) -> None:
    tasks = _tasks()
    _make(tmp_path, tasks)
    _settings(tasks[0])["rows"] = 2
    _make(tmp_path, tasks[:1], "other rows in")
    # The answers' own inputs, the cells, hold what they held: but are not done for the new rows.
    assert done_inputs(tmp_path, tasks[6]) is None
    assert done_input(tmp_path, tasks[2]) is None
    assert set(pending_tasks(tmp_path, tasks)) == {task.id for task in tasks[2:]}


def _edit(path: Path) -> None:
    """Other bytes, as many, of the same time."""
    stat, content = path.stat(), path.read_bytes()
    path.write_bytes(content[:-1] + b"!")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def test_what_a_task_would_read_is_hashed(tmp_path: Path) -> None:
    tasks = _tasks()
    _make(tmp_path, tasks)
    _edit(tmp_path / "data" / "file")
    # Nothing runs, nothing is read: that would take time on each call. `verify` reads all.
    assert pending_tasks(tmp_path, tasks) == {}
    _settings(tasks[3])["n"] = 99
    reasons = pending_tasks(tmp_path, tasks)
    assert reasons["data"] == "a file of it was changed or removed"
    assert reasons["cell1"] == "its settings or inputs changed"
    assert reasons["cell0"] == "depends on data"
    # What none of them reads is not hashed.
    assert "base" not in reasons


def test_what_is_made_again_reads_hashed_inputs_too(tmp_path: Path) -> None:
    first = task("first", "prepare", group="prepare")
    second = task("second", "translate", {"first": first}, group="translate")
    third = task("third", "mix", {"second": second}, group="mix")
    tasks = [first, second, third]
    _make(tmp_path, tasks)
    _edit(tmp_path / "first" / "file")
    _edit(tmp_path / "second" / "file")
    (tmp_path / "third" / MANIFEST).unlink()
    assert list(pending_tasks(tmp_path, tasks)) == ["first", "second", "third"]


def test_a_guard_comes_first_and_redoes_nothing_that_is_done(tmp_path: Path) -> None:
    check = task("check", "mix", group="mix", settings={"limit": 1})
    cell = task("cell", "train", guards=(check,), group="train-m")
    jobs = {
        job.id: job for job in deal_jobs([check, cell], pending_tasks(tmp_path, [check, cell]), 1)
    }
    assert jobs["train-m"].after == ("mix",)
    _make(tmp_path, [check, cell])
    assert pending_tasks(tmp_path, [check, cell]) == {}
    _settings(check)["limit"] = 2
    assert list(pending_tasks(tmp_path, [check, cell])) == ["check"]


def test_where_files_lie_changes_nothing_and_what_is_in_them_does() -> None:
    here, there = PrepareBase(source="/x"), PrepareBase(source="/y")
    assert here.identity({"sha256": {"en": "a"}}) == there.identity({"sha256": {"en": "a"}})
    assert here.identity({"sha256": {"en": "a"}}) != here.identity({"sha256": {"en": "b"}})


def test_jobs_share_processes_and_divide_the_cost(tmp_path: Path) -> None:
    tasks = _tasks()
    jobs = {job.id: job for job in deal_jobs(tasks, pending_tasks(tmp_path, tasks), processes=2)}
    assert [task.id for task in jobs["train-m-1"].tasks] == ["cell1"]
    assert [task.id for task in jobs["train-m-2"].tasks] == ["cell0", "cell2", "cell3"]
    assert jobs["train-m-1"].after == ("base-m", "prepare")
    # One process loads the base model and serves all of its systems.
    assert jobs["analyze"].after == ("generate-m",)
    assert jobs["base-m"].all_cores
    assert not jobs["train-m-1"].all_cores
    alone = deal_jobs(tasks, pending_tasks(tmp_path, tasks), processes=1)
    assert len([job for job in alone if job.id.startswith("train")]) == 1


def test_done_tasks_are_in_no_job(tmp_path: Path) -> None:
    tasks = _tasks()
    _make(tmp_path, tasks[:4])
    jobs = deal_jobs(tasks, pending_tasks(tmp_path, tasks), processes=1)
    assert [task.id for task in jobs[0].tasks] == ["cell2", "cell3"]
    assert jobs[0].after == ()


def test_each_cell_that_is_launched_on_several_devices_is_a_job_of_its_own() -> None:
    tasks = _tasks()
    reasons = dict.fromkeys((task.id for task in tasks), "")
    jobs = deal_jobs(tasks, reasons, 1, launched=True)
    training = [job for job in jobs if job.tasks[0].stage == "train"]
    assert [len(job.tasks) for job in training] == [1, 1, 1, 1]
    # With all cores each, so that they come one after another.
    assert all(job.all_cores for job in training)
    assert [len(job.tasks) for job in jobs if job.id.startswith("generate")] == [4]


def _study(cells: list[int], judged: bool = True) -> list[Task]:
    """So many cells of each base model, and what comes before and after."""
    made = []
    for model, count in enumerate(cells):
        base = task(f"base{model}", "prepare", group=f"base-{model}", all_cores=True)
        trained = [
            task(f"cell{model}.{n}", "train", {"base": base}, group=f"train-{model}")
            for n in range(count)
        ]
        answers = [
            task(f"answers{c.id}", "generate", {"c": c}, group=f"generate-{model}",
                 all_cores=True)
            for c in trained
        ]  # fmt: skip
        made += [base, *trained, *answers]
    answered = [t for t in made if t.stage == "generate"]
    gates = [task(f"gate{t.id}", "judge", {"a": t}, group="gate") for t in answered]
    judging = [task(f"judge{t.id}", "judge", {"a": t}, group="judge") for t in answered if judged]
    return [*made, *gates, *judging]


def _threads(tasks: list[Task], some: set[str], processes: int, cores: int) -> dict[str, int]:
    """Threads by task."""
    jobs = deal_jobs(tasks, dict.fromkeys(some, ""), processes)
    threads = job_threads(tasks, jobs, processes, cores)
    return {task.id: threads[job.id] for job in jobs for task in job.tasks}


@pytest.mark.parametrize(
    ("cells", "processes", "cores", "expected"),
    [
        ([1], 2, 2, 2),  # the study has one cell: it gets the machine
        ([2], 2, 2, 1),
        ([1, 1], 2, 2, 1),  # cells of two bases are trained at once
        ([3], 16, 16, 5),
        ([40], 16, 16, 1),
        ([40], 4, 16, 4),
        ([40], 1, 16, 16),
        ([1], 8, 2, 2),
        ([5], 8, 2, 1),
    ],
)
def test_the_jobs_that_a_stage_has_at_once_share_the_cores(
    cells: list[int], processes: int, cores: int, expected: int
) -> None:
    tasks = _study(cells)
    threads = _threads(tasks, {task.id for task in tasks}, processes, cores)
    assert {threads[task.id] for task in tasks if task.stage == "train"} == {expected}
    # Answers of a base, its adapters and its fully tuned models come one after another.
    assert {threads[task.id] for task in tasks if task.stage == "generate"} == {cores}
    # The judge and the gate work side by side.
    both = max(1, cores // min(processes, 2))
    assert {threads[task.id] for task in tasks if task.stage == "judge"} == {both}


@given(
    cells=st.lists(st.integers(1, 5), min_size=1, max_size=3),
    processes=st.integers(1, 8),
    cores=st.integers(1, 16),
    data=st.data(),
)
def test_threads_do_not_depend_on_what_is_pending(
    cells: list[int], processes: int, cores: int, data: st.DataObject
) -> None:
    tasks = _study(cells)
    everything = {task.id for task in tasks}
    some = data.draw(st.sets(st.sampled_from(sorted(everything)), min_size=1))
    of_all = _threads(tasks, everything, processes, cores)
    assert _threads(tasks, some, processes, cores) == {task: of_all[task] for task in some}


def test_a_stage_with_one_job_has_all_cores_whatever_else_the_study_lacks() -> None:
    tasks = _study([1], judged=False)
    assert _threads(tasks, {"gateanswerscell0.0"}, 4, 4) == {"gateanswerscell0.0": 4}
