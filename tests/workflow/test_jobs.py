from __future__ import annotations

from pathlib import Path

from polypaca.core.manifest import MANIFEST, begin, seal
from polypaca.workflow.jobs import current, inputs_now, jobs_of, pending
from polypaca.workflow.steps import STEPS, Task


def _tasks() -> list[Task]:
    data = Task("data", "instructions", {"rows": 1}, group="prepare")
    base = Task("base", "base", {}, group="base-m", all_cores=True)
    cells = [
        Task(
            f"cell{n}", "train", {"n": n}, {"data": data, "base": base}, group="train-m", cost=cost
        )
        for n, cost in enumerate([1.0, 4.0, 1.0, 1.0])
    ]
    answers = [
        Task(f"answers{n}", "generate", {}, {"checkpoint": cell}, group="generate-m")
        for n, cell in enumerate(cells)
    ]
    report = Task("report", "report", {}, {f"r/{a.id}": a for a in answers}, group="analyze")
    return [data, base, *cells, *answers, report]


def _make(out: Path, tasks: list[Task], text: str = "x") -> None:
    for task in tasks:
        inputs = inputs_now(out, task)
        assert inputs is not None
        begin(out / task.id, task.identity, inputs)
        (out / task.id / "file").write_text(f"{text} {task.id}")
        seal(
            out / task.id, stage=task.step, format_number=STEPS[task.step].format,
            settings=task.recorded_settings, inputs=inputs, facts={},
        )  # fmt: skip


def test_everything_is_pending_first_and_nothing_when_it_is_done(tmp_path: Path) -> None:
    tasks = _tasks()
    assert list(pending(tmp_path, tasks)) == [task.id for task in tasks]
    _make(tmp_path, tasks)
    assert pending(tmp_path, tasks) == {}


def test_a_changed_setting_makes_what_follows_from_it_pending(tmp_path: Path) -> None:
    tasks = _tasks()
    _make(tmp_path, tasks)
    tasks[3].settings["n"] = 99
    reasons = pending(tmp_path, tasks)
    assert list(reasons) == ["cell1", "answers1", "report"]
    assert reasons["cell1"] == "its settings or inputs changed"


def test_a_deleted_manifest_makes_that_cell_and_what_follows_pending(tmp_path: Path) -> None:
    tasks = _tasks()
    _make(tmp_path, tasks)
    (tmp_path / "cell2" / MANIFEST).unlink()
    reasons = pending(tmp_path, tasks)
    assert list(reasons) == ["cell2", "answers2", "report"]
    # Made again with the same content, it leaves its followers as they are.
    _make(tmp_path, [tasks[4]])
    assert pending(tmp_path, tasks) == {}
    (tmp_path / "cell2" / MANIFEST).unlink()
    _make(tmp_path, [tasks[4]], "other weights in")
    assert list(pending(tmp_path, tasks)) == ["answers2", "report"]


def test_what_came_out_the_same_for_other_reasons_redoes_nothing(tmp_path: Path) -> None:
    tasks = _tasks()
    _make(tmp_path, tasks)
    tasks[0].settings["rows"] = 2
    assert next(iter(pending(tmp_path, tasks))) == "data"
    _make(tmp_path, tasks[:1])
    assert pending(tmp_path, tasks) == {}


def test_what_stands_between_a_change_and_a_task_counts(tmp_path: Path) -> None:
    tasks = _tasks()
    _make(tmp_path, tasks)
    tasks[0].settings["rows"] = 2
    _make(tmp_path, tasks[:1], "other rows in")
    # The answers' own inputs, the cells, hold what they held: but are not done for the new rows.
    assert inputs_now(tmp_path, tasks[6]) is None
    assert current(tmp_path, tasks[2]) is None
    assert set(pending(tmp_path, tasks)) == {task.id for task in tasks[2:]}


def test_a_guard_comes_first_and_redoes_nothing_that_is_done(tmp_path: Path) -> None:
    check = Task("check", "mix", {"limit": 1}, group="mix")
    cell = Task("cell", "train", {}, guards=(check,), group="train-m")
    jobs = {job.id: job for job in jobs_of([check, cell], pending(tmp_path, [check, cell]), 1)}
    assert jobs["train-m"].after == ("mix",)
    _make(tmp_path, [check, cell])
    assert pending(tmp_path, [check, cell]) == {}
    check.settings["limit"] = 2
    assert list(pending(tmp_path, [check, cell])) == ["check"]


def test_where_files_lie_changes_nothing_and_what_is_in_them_does() -> None:
    here = Task("data", "instructions", {}, pins={"sha256": {"en": "a"}}, options={"source": "/x"})
    there = Task("data", "instructions", {}, pins={"sha256": {"en": "a"}}, options={"source": "/y"})
    other = Task("data", "instructions", {}, pins={"sha256": {"en": "b"}}, options={"source": "/x"})
    assert here.identity == there.identity != other.identity


def test_jobs_share_processes_and_divide_the_cost(tmp_path: Path) -> None:
    tasks = _tasks()
    jobs = {job.id: job for job in jobs_of(tasks, pending(tmp_path, tasks), processes=2)}
    assert [task.id for task in jobs["train-m-1"].tasks] == ["cell1"]
    assert [task.id for task in jobs["train-m-2"].tasks] == ["cell0", "cell2", "cell3"]
    assert jobs["train-m-1"].after == ("base-m", "prepare")
    # One process loads the base model and serves all of its systems.
    assert jobs["analyze"].after == ("generate-m",)
    assert jobs["base-m"].all_cores
    assert not jobs["train-m-1"].all_cores
    alone = jobs_of(tasks, pending(tmp_path, tasks), processes=1)
    assert len([job for job in alone if job.id.startswith("train")]) == 1


def test_done_tasks_are_in_no_job(tmp_path: Path) -> None:
    tasks = _tasks()
    _make(tmp_path, tasks[:4])
    jobs = jobs_of(tasks, pending(tmp_path, tasks), processes=1)
    assert [task.id for task in jobs[0].tasks] == ["cell2", "cell3"]
    assert jobs[0].after == ()


def test_each_cell_that_is_launched_on_several_devices_is_a_job_of_its_own() -> None:
    tasks = _tasks()
    reasons = dict.fromkeys((task.id for task in tasks), "")
    jobs = jobs_of(tasks, reasons, 1, launched=True)
    training = [job for job in jobs if job.tasks[0].stage == "train"]
    assert [len(job.tasks) for job in training] == [1, 1, 1, 1]
    # With all cores each, so that they come one after another.
    assert all(job.all_cores for job in training)
    assert [len(job.tasks) for job in jobs if job.id.startswith("generate")] == [4]
