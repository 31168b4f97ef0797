"""`polypaca run`: plan from the manifests, run the engine, return the outcome."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from polypaca.core.cache import cache_folder
from polypaca.core.disk import disk_full_now
from polypaca.core.errors import UserError
from polypaca.core.files import write_json
from polypaca.study.load import save_study
from polypaca.workflow import engine
from polypaca.workflow.events import Event, EventReader
from polypaca.workflow.fingerprints import Fingerprints
from polypaca.workflow.jobs import Job, deal_jobs, done_input, job_threads, pending_tasks
from polypaca.workflow.lease import is_live, lease
from polypaca.workflow.steps import STAGES, Task
from polypaca.workflow.task_logs import log_path
from polypaca.workflow.tasks import study_tasks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from polypaca.core.manifest import Input
    from polypaca.study import Study

_KEPT_RUNS = 10
_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Plan:
    """What a run would do, and why."""

    out: Path
    tasks: Sequence[Task]
    reasons: Mapping[str, str]  # pending task -> why
    jobs: Sequence[Job]
    threads: Mapping[str, int]  # job -> threads
    cores: int
    launch: str = ""  # the command that starts training on several devices


@dataclass(frozen=True)
class Outcome:
    """What a run did."""

    made: list[str]
    exit_code: int = 0  # 1 a stage failed, 2 the user's input was wrong
    failed: dict[str, str] = field(default_factory=dict)  # task -> what went wrong and the log
    skipped: dict[str, str] = field(default_factory=dict)  # task -> what it depends on


def make_plan(
    study: Study,
    out: Path,
    *,
    until: str = "report",
    processes: int | None = None,
    launch: str = "",
) -> tuple[Plan, Fingerprints]:
    """Plan the stages up to `until` from what the manifests in `out` say.

    `processes` jobs run at once (default: one a core, one in all where there is a GPU), and the
    cores are divided among them. `launch`, such as `torchrun --nproc-per-node 8`, starts each
    cell's training on several devices.
    """
    if launch and shutil.which(engine.launcher_command(launch)[0]) is None:
        command = launch.split(maxsplit=1)[0]
        raise UserError(f"--launch {launch}: command not found: {command}")
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    processes = processes or (1 if any(Path("/dev").glob("nvidia[0-9]*")) else cores)
    fingerprints = Fingerprints(out / ".run" / "fingerprints.json")
    stages = STAGES[: STAGES.index(until) + 1]
    tasks = [task for task in study_tasks(study, out, fingerprints) if task.stage in stages]
    reasons = pending_tasks(out, tasks)
    jobs = deal_jobs(tasks, reasons, processes, launched=bool(launch))
    threads = job_threads(tasks, jobs, processes, cores)
    return Plan(out, tasks, reasons, jobs, threads, cores, launch), fingerprints


def execute(
    study: Study, plan: Plan, fingerprints: Fingerprints, show: Callable[[Event], None]
) -> Outcome:
    """Run the pending jobs of a plan; `show` gets every event.

    Raises:
        UserError: if a run of a different study is still using the same folder.
        KeyboardInterrupt: passed on, after all jobs were stopped.
    """
    runs = plan.out / ".run" / "runs"
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    run_folder = (runs / f"{stamp}-{os.getpid()}").resolve()
    try:
        run_folder.mkdir(parents=True)
    except OSError as error:
        raise UserError(f"{plan.out} cannot be written to: {error.strerror}") from error
    save_study(study, run_folder / "study.resolved.yaml")
    fingerprints.save()
    fingerprints.save(run_folder / "fingerprints.json")
    write_json(
        run_folder / "plan.json",
        {
            "out": str(plan.out.resolve()),
            "reasons": dict(plan.reasons),
            "jobs": {
                job.id: {"tasks": [task.id for task in job.tasks], "threads": plan.threads[job.id]}
                for job in plan.jobs
            },
        },
    )
    engine.write_workflow(run_folder, plan.jobs, dict(plan.threads), plan.launch)
    last_events: dict[str, Event] = {}

    def note(event: Event) -> None:
        if event.kind != "notice":
            last_events[event.task] = event
        show(event)

    with lease(run_folder / "lease.json"):
        _refuse_other_study(runs, run_folder)
        save_study(study, plan.out / "study.resolved.yaml")
        _follow(run_folder, plan.cores, note)
    _delete_old(runs)
    return _outcome(plan, last_events, run_folder)


def _follow(run_folder: Path, cores: int, note: Callable[[Event], None]) -> None:
    """Run the engine to its end, passing events on as they come."""
    reader = EventReader(run_folder / "events")
    process = engine.start(run_folder, cores)
    try:
        while process.poll() is None:
            for event in reader.new_events():
                note(event)
            time.sleep(_POLL_SECONDS)
    finally:
        engine.stop(process)
        for event in reader.new_events():
            note(event)


def _outcome(plan: Plan, last_events: Mapping[str, Event], run_folder: Path) -> Outcome:
    exit_codes = engine.failed_jobs(run_folder)
    # The disk itself is looked at: on a full one no job could write why it ended.
    full = disk_full_now([plan.out, cache_folder()])
    codes = [event.exit_code for event in last_events.values() if event.kind == "failed"]
    outcome = Outcome([], exit_code=2 if 2 in codes else 0)
    known: dict[str, Input | None] = {}
    for job in plan.jobs:
        for task in job.tasks:
            event = last_events.get(task.id)
            if done_input(plan.out, task, known) is not None:
                if event and event.kind == "done":
                    outcome.made.append(task.id)
            elif event and event.kind == "failed":
                outcome.failed[task.id] = f"{event.text}; see {plan.out / log_path(task.id)}"
            elif event and event.kind == "skipped":
                outcome.skipped[task.id] = event.text
            elif event:
                why = full or f"its process {_exit_text(exit_codes.get(job.id, 0))}"
                outcome.failed[task.id] = f"{why}; see {plan.out / log_path(task.id)}"
            else:
                outcome.failed[task.id] = _not_started(run_folder, job.id, full)
    if outcome.failed and not outcome.exit_code:
        return replace(outcome, exit_code=1)
    return outcome


def _not_started(run_folder: Path, job: str, full: str | None) -> str:
    log = run_folder / f"{job}.log"
    log = log if log.exists() else run_folder / engine.LOG
    reason = full or engine.last_error(log)
    return f"was not started{f': {reason}' if reason else ''}; see {log}"


def _exit_text(code: int) -> str:
    if not code:
        return "was stopped"
    if code > 128:
        hint = ", perhaps because memory ran out" if code == 137 else ""
        return f"was killed by signal {code - 128}{hint}"
    return f"ended with exit code {code}"


def _refuse_other_study(runs: Path, run_folder: Path) -> None:
    text = (run_folder / "study.resolved.yaml").read_text(encoding="utf-8")
    for other in runs.iterdir():
        frozen = other / "study.resolved.yaml"
        if other == run_folder or not frozen.exists() or not is_live(other / "lease.json"):
            continue
        if frozen.read_text(encoding="utf-8") != text:
            raise UserError(
                f"a run of a different study is still using {runs.parent.parent}; "
                "wait for it to finish, or give this one another --out"
            )


def _delete_old(runs: Path) -> None:
    for old in sorted(runs.iterdir())[:-_KEPT_RUNS]:
        if not is_live(old / "lease.json"):
            shutil.rmtree(old, ignore_errors=True)
