"""What is pending and why, and how pending tasks share processes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from polypaca.core.manifest import Input, State, made_from, read_manifest, state_of, verify

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from polypaca.workflow.steps import ProcessGroup, Task


@dataclass(frozen=True)
class Job:
    """Tasks that run one after another in one process."""

    id: str
    tasks: tuple[Task, ...]
    after: tuple[str, ...]  # ids of the jobs that must have ended
    all_cores: bool


def done_input(out: Path, task: Task, known: dict[str, Input | None] | None = None) -> Input | None:
    """A task's folder as an input of others; None unless it is done for its own current inputs.

    Manifests are trusted; `pending_tasks` checks the files. `known` caches results between calls.
    """
    known = {} if known is None else known
    if task.id not in known:
        manifest, inputs = read_manifest(out / task.id), done_inputs(out, task, known)
        done = manifest and inputs is not None and made_from(manifest, task.identity, inputs)
        known[task.id] = manifest.as_input() if manifest and done else None
    return known[task.id]


def done_inputs(
    out: Path, task: Task, known: dict[str, Input | None] | None = None
) -> dict[str, Input] | None:
    """A task's inputs by role; None unless all of them are done."""
    known = {} if known is None else known
    inputs = {role: done_input(out, source, known) for role, source in task.inputs.items()}
    done = {role: source for role, source in inputs.items() if source is not None}
    return done if len(done) == len(inputs) else None


def pending_tasks(out: Path, tasks: Sequence[Task]) -> dict[str, str]:
    """The tasks to run, in order, each with the reason.

    Done folders are checked by the size and mtime of their files. Those that a pending task would
    read are hashed, and are pending themselves where they differ from their manifest.
    """
    damaged: set[str] = set()
    hashed: set[str] = set()
    while True:
        reasons = _pending(out, tasks, damaged)
        read = {
            source.id for task in tasks if task.id in reasons for source in task.inputs.values()
        }
        new = read - reasons.keys() - hashed
        if not new:
            return reasons
        hashed |= new
        damaged |= {source for source in new if verify(out / source)}


def _pending(out: Path, tasks: Sequence[Task], damaged: Collection[str]) -> dict[str, str]:
    reasons: dict[str, str] = {}
    known: dict[str, Input | None] = {}
    for task in tasks:
        state = state_of(out / task.id, task.identity, done_inputs(out, task, known))
        if state is State.DONE and task.id in damaged:
            state = State.DAMAGED
        if state is not State.DONE:
            reasons[task.id] = state.value
            continue
        redone = [source.id for source in task.inputs.values() if source.id in reasons]
        if redone:
            reasons[task.id] = f"depends on {redone[0]}"
    return reasons


def deal_jobs(
    tasks: Sequence[Task], reasons: Mapping[str, str], processes: int, *, launched: bool = False
) -> list[Job]:
    """Distribute the pending tasks over jobs, each group over at most `processes` of them.

    Tasks of one group do not depend on one another, except where they run in one job anyway. Where
    training is `launched` on several devices, each cell is a job of its own and has the machine to
    itself: processes that train together end together.
    """
    groups: dict[ProcessGroup, list[Task]] = {}
    for task in tasks:
        if task.id in reasons:
            groups.setdefault(task.group, []).append(task)
    job_of: dict[str, str] = {}
    jobs = []
    for group, members in groups.items():
        together = launched and group.splits
        parts = len(members) if together else _parts(group, len(members), processes)
        for number, part in enumerate(_balanced(members, parts), start=1):
            job = f"{group.name}-{number}" if parts > 1 else group.name
            sources = {source.id for task in part for source in task.dependencies}
            job_of.update((task.id, job) for task in part)
            after = sorted({job_of[source] for source in sources if source in job_of} - {job})
            all_cores = together or any(task.all_cores for task in part)
            jobs.append(Job(job, tuple(part), tuple(after), all_cores))
    return jobs


def job_threads(
    tasks: Sequence[Task], jobs: Sequence[Job], processes: int, cores: int
) -> dict[str, int]:
    """Threads of each pending job, in a study that has all these tasks.

    Numbers may depend on the threads, so these depend on the machine, on `processes` and on the
    study's own shape, and not on what happens to be pending: the jobs that a stage of the whole
    study has at once share the cores.
    """
    shape: dict[str, dict[ProcessGroup, int]] = {}
    for task in tasks:
        if not task.all_cores:
            groups = shape.setdefault(task.stage, {})
            groups[task.group] = groups.get(task.group, 0) + 1
    at_once = {
        stage: sum(_parts(group, count, processes) for group, count in groups.items())
        for stage, groups in shape.items()
    }
    return {
        job.id: cores
        if job.all_cores
        else max(1, cores // min(processes, at_once[job.tasks[0].stage]))
        for job in jobs
    }


def _parts(group: ProcessGroup, tasks: int, processes: int) -> int:
    return min(processes, tasks) if group.splits else 1


def _balanced(tasks: Sequence[Task], parts: int) -> list[list[Task]]:
    """Split tasks into up to `parts` lists of about the same cost, each in the order given."""
    shares: list[list[Task]] = [[] for _ in range(min(parts, len(tasks)))]
    costs = [0.0] * len(shares)
    for task in sorted(tasks, key=lambda task: -task.cost):
        least = costs.index(min(costs))
        shares[least].append(task)
        costs[least] += task.cost
    order = {task.id: index for index, task in enumerate(tasks)}
    return [sorted(share, key=lambda task: order[task.id]) for share in shares]
