"""`polypaca run`: plan from manifests, start the engine if need be, tell the outcome."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from polypaca.core.cache import cache_folder
from polypaca.core.disk import full_now
from polypaca.core.errors import UserError
from polypaca.core.files import write_json
from polypaca.study.load import save_study
from polypaca.workflow import engine
from polypaca.workflow.events import Event, EventReader
from polypaca.workflow.fingerprints import Fingerprints
from polypaca.workflow.jobs import Job, current, jobs_of, pending, threads_of
from polypaca.workflow.lease import is_live, lease
from polypaca.workflow.steps import STAGES, Task
from polypaca.workflow.task_logs import log_of
from polypaca.workflow.tasks import tasks_of

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
    skipped: dict[str, str] = field(default_factory=dict)  # task -> what it waited for


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
    if launch and shutil.which(engine.launcher_of(launch)[0]) is None:
        raise UserError(f"--launch {launch}: there is no command {launch.split(maxsplit=1)[0]}")
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    processes = processes or (1 if any(Path("/dev").glob("nvidia[0-9]*")) else cores)
    fingerprints = Fingerprints(out / ".run" / "fingerprints.json")
    wanted = STAGES[: STAGES.index(until) + 1]
    tasks = [task for task in tasks_of(study, out, fingerprints) if task.stage in wanted]
    reasons = pending(out, tasks)
    jobs = jobs_of(tasks, reasons, processes, launched=bool(launch))
    threads = threads_of(tasks, jobs, processes, cores)
    return Plan(out, tasks, reasons, jobs, threads, cores, launch), fingerprints


def execute(
    study: Study, plan: Plan, fingerprints: Fingerprints, show: Callable[[Event], None]
) -> Outcome:
    """Run the pending jobs of a plan; `show` is told of every event.

    Raises:
        UserError: if a run of a different study is at work in the same folder.
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
    told: dict[str, Event] = {}

    def note(event: Event) -> None:
        if event.kind != "notice":
            told[event.task] = event
        show(event)

    with lease(run_folder / "lease.json"):
        _refuse_other_study(runs, run_folder)
        save_study(study, plan.out / "study.resolved.yaml")
        _follow(run_folder, plan.cores, note)
    _forget_old(runs)
    return _outcome(plan, told, run_folder)


def _follow(run_folder: Path, cores: int, note: Callable[[Event], None]) -> None:
    """Run the engine to its end, passing events on as they come."""
    reader = EventReader(run_folder / "events")
    process = engine.start(run_folder, cores)
    try:
        while process.poll() is None:
            for event in reader.new():
                note(event)
            time.sleep(_POLL_SECONDS)
    finally:
        engine.stop(process)
        for event in reader.new():
            note(event)


def _outcome(plan: Plan, told: Mapping[str, Event], run_folder: Path) -> Outcome:
    died = engine.died(run_folder)
    # Asked of the disk itself: on a full one nobody could write down why a job ended.
    full = full_now([plan.out, cache_folder()])
    codes = [event.exit_code for event in told.values() if event.kind == "failed"]
    outcome = Outcome([], exit_code=2 if 2 in codes else 0)
    known: dict[str, Input | None] = {}
    for job in plan.jobs:
        for task in job.tasks:
            event = told.get(task.id)
            if current(plan.out, task, known) is not None:
                if event and event.kind == "done":
                    outcome.made.append(task.id)
            elif event and event.kind == "failed":
                outcome.failed[task.id] = f"{event.text}; see {plan.out / log_of(task.id)}"
            elif event and event.kind == "skipped":
                outcome.skipped[task.id] = event.text
            elif event:
                how = full or f"its process {_how_it_died(died.get(job.id, 0))}"
                outcome.failed[task.id] = f"{how}; see {plan.out / log_of(task.id)}"
            else:
                outcome.failed[task.id] = _not_reached(run_folder, job.id, full)
    if outcome.failed and not outcome.exit_code:
        return replace(outcome, exit_code=1)
    return outcome


def _not_reached(run_folder: Path, job: str, full: str | None) -> str:
    log = run_folder / f"{job}.log"
    log = log if log.exists() else run_folder / engine.LOG
    said = full or engine.last_words(log)
    return f"was not reached{f': {said}' if said else ''}; see {log}"


def _how_it_died(code: int) -> str:
    if not code:
        return "was stopped"
    if code > 128:
        hint = ", perhaps for want of memory" if code == 137 else ""
        return f"was killed by signal {code - 128}{hint}"
    return f"ended with exit code {code}"


def _refuse_other_study(runs: Path, mine: Path) -> None:
    text = (mine / "study.resolved.yaml").read_text(encoding="utf-8")
    for other in runs.iterdir():
        frozen = other / "study.resolved.yaml"
        if other == mine or not frozen.exists() or not is_live(other / "lease.json"):
            continue
        if frozen.read_text(encoding="utf-8") != text:
            raise UserError(
                f"a run of a different study is at work in {runs.parent.parent}; "
                "wait for it, or give this one another --out"
            )


def _forget_old(runs: Path) -> None:
    for old in sorted(runs.iterdir())[:-_KEPT_RUNS]:
        if not is_live(old / "lease.json"):
            shutil.rmtree(old, ignore_errors=True)
