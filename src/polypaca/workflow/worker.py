"""Runs the tasks of one job: `python -m polypaca.workflow.worker RUN_FOLDER JOB`.

Reads the run's frozen study and `plan.json`; writes the folders of its tasks, their logs, and the
events that the display shows. Ends with exit code 0 whatever its tasks did: manifests alone say
what is done.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
import time
from contextlib import ExitStack, contextmanager
from importlib import metadata
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polypaca import __version__
from polypaca.core.cache import cache_folder
from polypaca.core.disk import full_disk_message
from polypaca.core.errors import PolypacaError, StageError
from polypaca.core.manifest import State, begin, seal, state_of, verify
from polypaca.core.work import Context, SharedWork, SingleWork
from polypaca.study import load_study
from polypaca.training.speed import peak_memory
from polypaca.workflow import team
from polypaca.workflow.events import Event, EventWriter
from polypaca.workflow.fingerprints import Fingerprints
from polypaca.workflow.jobs import done_input, done_inputs
from polypaca.workflow.lease import lease
from polypaca.workflow.task_logs import (
    collect_notices,
    log_path,
    print_traceback,
    redirect_output,
    timestamp,
)
from polypaca.workflow.tasks import study_tasks

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from polypaca.core.manifest import Input
    from polypaca.core.work import Facts
    from polypaca.workflow.steps import Task

_RECORDED = (
    "torch",
    "transformers",
    "peft",
    "accelerate",
    "tokenizers",
    "numpy",
    "scipy",
    "sacrebleu",
    "openai",
    "fasttext-predict",
    "lingua-language-detector",
)


def main(run_folder: Path, job: str) -> None:
    """Run one job of a run."""
    plan = json.loads((run_folder / "plan.json").read_text(encoding="utf-8"))
    out = Path(plan["out"])
    study = load_study(run_folder / "study.resolved.yaml")
    fingerprints = Fingerprints(run_folder / "fingerprints.json")
    tasks = {task.id: task for task in study_tasks(study, out, fingerprints)}
    entry = plan["jobs"][job]
    threads = team.threads_per_process(entry["threads"])
    if not team.join():
        team.follow_leader(lambda task_id: _run_follower(out, tasks[task_id], threads))
        return
    emit = EventWriter(run_folder / "events" / f"{job}.jsonl")
    for shared, ids in groupby(entry["tasks"], key=lambda i: _shared(tasks[i])):
        chosen = [tasks[task_id] for task_id in ids]
        if shared:
            with _room_needed(out, chosen, emit):
                run_together(out, chosen, threads=threads, emit=emit)
            continue
        for task in chosen:
            with _room_needed(out, [task], emit):
                run_task(out, task, threads=threads, emit=emit)
    team.finish()


def _shared(task: Task) -> type[SharedWork[Any]] | None:
    """The class of the work, if it is done on several folders at once."""
    return type(task.work) if isinstance(task.work, SharedWork) else None


@contextmanager
def _room_needed(out: Path, tasks: Sequence[Task], emit: EventWriter) -> Iterator[None]:
    """Report a full disk that stopped something outside of a stage, such as a manifest."""
    try:
        yield
    except OSError as error:
        if full_disk_message(error, [out]) is None:
            raise
        for task in tasks:
            _emit_failed(out, task, error, emit)


def _run_follower(out: Path, task: Task, threads: int) -> None:
    """Run a task in a process of another rank than 0: it writes no events."""
    with redirect_output(out / log_path(task.id)):
        _run(out, task, threads, EventWriter(Path(os.devnull)))


def run_task(out: Path, task: Task, *, threads: int, emit: EventWriter) -> None:
    """Fill and seal one task's folder, unless that is done; failures are events, not raised."""
    with _leased(out, task, emit):
        inputs = _begin(out, task, emit)
        if inputs is None:
            return
        started = time.monotonic()
        with redirect_output(out / log_path(task.id)), collect_notices(task, emit) as noticed:
            try:
                team.start_task(task.id)
                facts = _run(out, task, threads, emit)
            except Exception as error:  # one failed cell leaves the others going
                print_traceback(error)
                _emit_failed(out, task, error, emit)
                if not team.is_alone():
                    # The others are in the middle of what failed; the launcher ends them.
                    raise SystemExit(_exit_code(error)) from error
                return
        _seal(out, task, inputs, facts, noticed(), threads, started, emit)


def run_together(out: Path, tasks: Sequence[Task], *, threads: int, emit: EventWriter) -> None:
    """Like `run_task`, for tasks of one step that works on all its folders in one call.

    Leases are taken in the order of the study, so two runs never wait for each other.
    """
    with ExitStack() as leases:
        left: dict[int, tuple[Task, dict[str, Input]]] = {}
        for task in tasks:
            leases.enter_context(_leased(out, task, emit))
            if (inputs := _begin(out, task, emit)) is not None:
                left[len(left)] = (task, inputs)
        if not left:
            return
        chosen = [task for task, _ in left.values()]
        for task in chosen[1:]:
            with (out / log_path(task.id)).open("a", encoding="utf-8") as file:
                file.write(f"--- {timestamp()}\nsee {log_path(chosen[0].id)}\n")
        started = time.monotonic()
        with (
            redirect_output(out / log_path(chosen[0].id)),
            collect_notices(chosen[0], emit) as noticed,
        ):
            try:
                for index, result in _run_all(out, chosen, threads, emit):
                    task, inputs = left[index]
                    if isinstance(result, Exception):
                        print_traceback(result)
                        _emit_failed(out, task, result, emit)
                    else:
                        _seal(out, task, inputs, result, noticed(), threads, started, emit)
                    del left[index]
            except Exception as error:  # noqa: BLE001 (an event for each task)
                print_traceback(error)
                for task, _ in left.values():
                    _emit_failed(out, task, error, emit)


@contextmanager
def _leased(out: Path, task: Task, emit: EventWriter) -> Iterator[None]:
    def waiting(owner: str) -> None:
        emit(Event(task.id, "waiting", f"another run ({owner}) is working on it"))

    path = out / ".run" / "leases" / f"{task.id.replace('/', '~')}.json"
    with lease(path, waiting=waiting):
        yield


def _begin(out: Path, task: Task, emit: EventWriter) -> dict[str, Input] | None:
    """Begin a task's folder and return its inputs; None where it is done, or inputs are missing.

    Inputs are hashed: what the task reads is what its manifest will record.
    """
    inputs = done_inputs(out, task)
    folder = out / task.id
    state = state_of(folder, task.identity, inputs, hashed=True)
    if inputs is not None and state is State.DONE:
        emit(Event(task.id, "unchanged"))
        return None
    missing = [source.id for source in task.dependencies if done_input(out, source) is None]
    if inputs is None or missing:
        emit(Event(task.id, "skipped", f"{', '.join(missing[:1])} is not done"))
        return None
    changed = [
        out / source.id / name
        for source in task.inputs.values()
        for name in verify(out / source.id)
    ]
    if changed:
        why = f"{changed[0]} differs from its manifest; run again to make it anew"
        emit(Event(task.id, "failed", why, exit_code=StageError.exit_code))
        return None
    if state is not State.PARTIAL:
        _move_aside(out, folder)
    begin(folder, task.identity, inputs)
    (out / log_path(task.id)).parent.mkdir(parents=True, exist_ok=True)
    emit(Event(task.id, "started"))
    return inputs


def _seal(
    out: Path,
    task: Task,
    inputs: Mapping[str, Input],
    facts: Facts,
    notices: Mapping[str, Any],
    threads: int,
    started: float,
    emit: EventWriter,
) -> None:
    seconds = time.monotonic() - started
    seal(
        out / task.id,
        stage=task.step,
        format_number=task.work.format_number,
        settings=task.recorded_settings,
        inputs=inputs,
        facts={**facts.recorded(), **notices, **_environment(threads, seconds)},
    )
    emit(Event(task.id, "done", facts.summary, 1.0, seconds))


def _emit_failed(out: Path, task: Task, error: Exception, emit: EventWriter) -> None:
    full = full_disk_message(error, [out / task.id, cache_folder()])
    code = StageError.exit_code if full else _exit_code(error)
    emit(Event(task.id, "failed", full or _first_line(error), exit_code=code))


def _exit_code(error: Exception) -> int:
    return error.exit_code if isinstance(error, PolypacaError) else 1


def _context(out: Path, task: Task, threads: int, emit: EventWriter) -> Context:
    def progress(fraction: float, text: str) -> None:
        emit(Event(task.id, "progress", text, fraction))

    return Context(out / task.id, threads, progress)


def _run(out: Path, task: Task, threads: int, emit: EventWriter) -> Facts:
    """Do a task's work."""
    assert isinstance(task.work, SingleWork)
    return task.work.run(_context(out, task, threads, emit))


def _run_all(
    out: Path, tasks: Sequence[Task], threads: int, emit: EventWriter
) -> Iterator[tuple[int, Facts | Exception]]:
    """Do the work of tasks of one kind together; yields results as they come."""
    works = [task.work for task in tasks if isinstance(task.work, SharedWork)]
    contexts = [_context(out, task, threads, emit) for task in tasks]
    return type(works[0]).run_all(list(zip(works, contexts, strict=True)))


def _move_aside(out: Path, folder: Path) -> None:
    """Keep the folder's old content, once: a mistake in a study should cost no checkpoint."""
    if not folder.exists():
        return
    aside = out / ".run" / "stale" / folder.relative_to(out)
    shutil.rmtree(aside, ignore_errors=True)
    aside.parent.mkdir(parents=True, exist_ok=True)
    folder.rename(aside)


def _first_line(error: Exception) -> str:
    text = str(error).strip().split("\n")[0] or type(error).__name__
    return text if isinstance(error, PolypacaError) else f"{type(error).__name__}: {text}"


def _environment(threads: int, seconds: float) -> dict[str, Any]:
    versions = {"polypaca": __version__, "python": platform.python_version()}
    for package in _RECORDED:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return {
        "versions": versions,
        "platform": platform.platform(),
        "host": platform.node(),
        "threads": threads,
        "wall_seconds": round(seconds, 3),
        "peak_memory_bytes": peak_memory("cpu"),
        "finished": timestamp(),
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
