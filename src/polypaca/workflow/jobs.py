"""What is pending and why, and how pending tasks share processes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from polypaca.core.manifest import Input, State, made_from, read_manifest, state_of, verify

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from polypaca.workflow.steps import Group, Task


@dataclass(frozen=True)
class Job:
    """Tasks that run one after another in one process."""

    id: str
    tasks: tuple[Task, ...]
    after: tuple[str, ...]  # ids of the jobs that must have ended
    all_cores: bool


def current(out: Path, task: Task, known: dict[str, Input | None] | None = None) -> Input | None:
    """What the task's folder holds; None unless it is done for what its own inputs hold now.

    Manifests are believed; `pending` looks at the files. `known` remembers what was found.
    """
    known = {} if known is None else known
    if task.id not in known:
        manifest, inputs = read_manifest(out / task.id), inputs_now(out, task, known)
        done = manifest and inputs is not None and made_from(manifest, task.identity, inputs)
        known[task.id] = manifest.as_input() if manifest and done else None
    return known[task.id]


def inputs_now(
    out: Path, task: Task, known: dict[str, Input | None] | None = None
) -> dict[str, Input] | None:
    """What the task's inputs hold; None unless all of them are done."""
    known = {} if known is None else known
    found = {role: current(out, source, known) for role, source in task.inputs.items()}
    held = {role: source for role, source in found.items() if source is not None}
    return held if len(held) == len(found) else None


def pending(out: Path, tasks: Sequence[Task]) -> dict[str, str]:
    """The tasks to run, in order, each with the reason.

    What is done is looked at by size and mtime, but for what a task that runs would read: that is
    hashed, and made again where it is not what its manifest says.
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
        state = state_of(out / task.id, task.identity, inputs_now(out, task, known))
        if state is State.DONE and task.id in damaged:
            state = State.DAMAGED
        if state is not State.DONE:
            reasons[task.id] = state.value
            continue
        redone = [source.id for source in task.inputs.values() if source.id in reasons]
        if redone:
            reasons[task.id] = f"follows from {redone[0]}"
    return reasons


def jobs_of(
    tasks: Sequence[Task], reasons: Mapping[str, str], processes: int, *, launched: bool = False
) -> list[Job]:
    """Deal the pending tasks out to jobs, each group over at most `processes` of them.

    Tasks of one group do not depend on one another, but for those that run in one job anyway. Where
    training is `launched` on several devices, each cell is a job of its own and has the machine to
    itself: processes that train together end together.
    """
    groups: dict[Group, list[Task]] = {}
    for task in tasks:
        if task.id in reasons:
            groups.setdefault(task.group, []).append(task)
    job_of: dict[str, str] = {}
    jobs = []
    for group, members in groups.items():
        together = launched and group.splits
        parts = len(members) if together else _parts(group, len(members), processes)
        for number, part in enumerate(_deal(members, parts), start=1):
            job = f"{group.name}-{number}" if parts > 1 else group.name
            sources = {source.id for task in part for source in task.before}
            job_of.update((task.id, job) for task in part)
            after = sorted({job_of[source] for source in sources if source in job_of} - {job})
            all_cores = together or any(task.all_cores for task in part)
            jobs.append(Job(job, tuple(part), tuple(after), all_cores))
    return jobs


def threads_of(
    tasks: Sequence[Task], jobs: Sequence[Job], processes: int, cores: int
) -> dict[str, int]:
    """Threads of each job, of the pending ones, in a study that has all these tasks.

    Numbers may depend on the threads, so these depend on the machine, on `processes` and on the
    study's own shape, and not on what happens to be pending: the jobs that a stage of the whole
    study has at once share the cores.
    """
    shape: dict[str, dict[Group, int]] = {}
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


def _parts(group: Group, tasks: int, processes: int) -> int:
    return min(processes, tasks) if group.splits else 1


def _deal(tasks: Sequence[Task], parts: int) -> list[list[Task]]:
    """Up to `parts` piles of about the same cost, each in the order of the study."""
    piles: list[list[Task]] = [[] for _ in range(min(parts, len(tasks)))]
    costs = [0.0] * len(piles)
    for task in sorted(tasks, key=lambda task: -task.cost):
        least = costs.index(min(costs))
        piles[least].append(task)
        costs[least] += task.cost
    order = {task.id: index for index, task in enumerate(tasks)}
    return [sorted(pile, key=lambda task: order[task.id]) for pile in piles]
