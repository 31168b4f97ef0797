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
from polypaca.core.disk import full_disk
from polypaca.core.errors import PolypacaError, StageError
from polypaca.core.manifest import State, begin, seal, state_of, verify
from polypaca.core.work import Context, SharedWork, SingleWork
from polypaca.study import load_study
from polypaca.training.speed import peak_memory
from polypaca.workflow import team
from polypaca.workflow.events import Event, EventWriter
from polypaca.workflow.fingerprints import Fingerprints
from polypaca.workflow.jobs import current, inputs_now
from polypaca.workflow.lease import lease
from polypaca.workflow.task_logs import log_of, notices, now, output_to, print_traceback
from polypaca.workflow.tasks import tasks_of

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
    tasks = {task.id: task for task in tasks_of(study, out, fingerprints)}
    entry = plan["jobs"][job]
    threads = team.threads_each(entry["threads"])
    if not team.join():
        team.follow(lambda task_id: _help(out, tasks[task_id], threads))
        return
    tell = EventWriter(run_folder / "events" / f"{job}.jsonl")
    for shared, ids in groupby(entry["tasks"], key=lambda i: _shared(tasks[i])):
        chosen = [tasks[task_id] for task_id in ids]
        if shared:
            with _room_needed(out, chosen, tell):
                run_together(out, chosen, threads=threads, tell=tell)
            continue
        for task in chosen:
            with _room_needed(out, [task], tell):
                run_task(out, task, threads=threads, tell=tell)
    team.dismiss()


def _shared(task: Task) -> type[SharedWork[Any]] | None:
    """The kind of work, if it is done on several folders at once."""
    return type(task.work) if isinstance(task.work, SharedWork) else None


@contextmanager
def _room_needed(out: Path, tasks: Sequence[Task], tell: EventWriter) -> Iterator[None]:
    """Tell of a full disk that was met outside of a stage, such as in writing a manifest."""
    try:
        yield
    except OSError as error:
        if full_disk(error, [out]) is None:
            raise
        for task in tasks:
            _tell_failed(out, task, error, tell)


def _help(out: Path, task: Task, threads: int) -> None:
    """What a process that does not lead does of a task."""
    with output_to(out / log_of(task.id)):
        _run(out, task, threads, EventWriter(Path(os.devnull)))


def run_task(out: Path, task: Task, *, threads: int, tell: EventWriter) -> None:
    """Fill and seal one task's folder, unless that is done; failures are told, not raised."""
    with _leased(out, task, tell):
        inputs = _begin(out, task, tell)
        if inputs is None:
            return
        started = time.monotonic()
        with output_to(out / log_of(task.id)), notices(task, tell) as said:
            try:
                team.begin(task.id)
                facts = _run(out, task, threads, tell)
            except Exception as error:  # one failed cell leaves the others going
                print_traceback(error)
                _tell_failed(out, task, error, tell)
                if not team.is_alone():
                    # The others are in the middle of what failed; the launcher ends them.
                    raise SystemExit(_exit_code(error)) from error
                return
        _seal(out, task, inputs, facts, said(), threads, started, tell)


def run_together(out: Path, tasks: Sequence[Task], *, threads: int, tell: EventWriter) -> None:
    """Like `run_task`, for tasks of one step that works on all its folders in one call.

    Leases are taken in the order of the study, so two runs never wait for each other.
    """
    with ExitStack() as leases:
        left: dict[int, tuple[Task, dict[str, Input]]] = {}
        for task in tasks:
            leases.enter_context(_leased(out, task, tell))
            if (inputs := _begin(out, task, tell)) is not None:
                left[len(left)] = (task, inputs)
        if not left:
            return
        chosen = [task for task, _ in left.values()]
        for task in chosen[1:]:
            with (out / log_of(task.id)).open("a", encoding="utf-8") as file:
                file.write(f"--- {now()}\nsee {log_of(chosen[0].id)}\n")
        started = time.monotonic()
        with output_to(out / log_of(chosen[0].id)), notices(chosen[0], tell) as said:
            try:
                for index, result in _run_all(out, chosen, threads, tell):
                    task, inputs = left[index]
                    if isinstance(result, Exception):
                        print_traceback(result)
                        _tell_failed(out, task, result, tell)
                    else:
                        _seal(out, task, inputs, result, said(), threads, started, tell)
                    del left[index]
            except Exception as error:  # noqa: BLE001 (told for each task, not hidden)
                print_traceback(error)
                for task, _ in left.values():
                    _tell_failed(out, task, error, tell)


@contextmanager
def _leased(out: Path, task: Task, tell: EventWriter) -> Iterator[None]:
    def waiting(owner: str) -> None:
        tell(Event(task.id, "waiting", f"another run ({owner}) is at it"))

    path = out / ".run" / "leases" / f"{task.id.replace('/', '~')}.json"
    with lease(path, waiting=waiting):
        yield


def _begin(out: Path, task: Task, tell: EventWriter) -> dict[str, Input] | None:
    """Begin a task's folder, and tell so; None where there is nothing to do, or to do it from.

    Its inputs are hashed: what it reads is what its manifest will say.
    """
    inputs = inputs_now(out, task)
    folder = out / task.id
    state = state_of(folder, task.identity, inputs, hashed=True)
    if inputs is not None and state is State.DONE:
        tell(Event(task.id, "unchanged"))
        return None
    missing = [source.id for source in task.before if current(out, source) is None]
    if inputs is None or missing:
        tell(Event(task.id, "skipped", f"{', '.join(missing[:1])} is not there"))
        return None
    changed = [
        out / source.id / name
        for source in task.inputs.values()
        for name in verify(out / source.id)
    ]
    if changed:
        why = f"{changed[0]} is not what its manifest says; run again: it is made anew"
        tell(Event(task.id, "failed", why, exit_code=StageError.exit_code))
        return None
    if state is not State.PARTIAL:
        _move_aside(out, folder)
    begin(folder, task.identity, inputs)
    (out / log_of(task.id)).parent.mkdir(parents=True, exist_ok=True)
    tell(Event(task.id, "started"))
    return inputs


def _seal(
    out: Path,
    task: Task,
    inputs: Mapping[str, Input],
    facts: Facts,
    notices: Mapping[str, Any],
    threads: int,
    started: float,
    tell: EventWriter,
) -> None:
    seconds = time.monotonic() - started
    seal(
        out / task.id,
        stage=task.step,
        format_number=task.work.format_number,
        settings=task.recorded_settings,
        inputs=inputs,
        facts={**facts.recorded(), **notices, **_circumstances(threads, seconds)},
    )
    tell(Event(task.id, "done", facts.summary, 1.0, seconds))


def _tell_failed(out: Path, task: Task, error: Exception, tell: EventWriter) -> None:
    full = full_disk(error, [out / task.id, cache_folder()])
    code = StageError.exit_code if full else _exit_code(error)
    tell(Event(task.id, "failed", full or _first_line(error), exit_code=code))


def _exit_code(error: Exception) -> int:
    return error.exit_code if isinstance(error, PolypacaError) else 1


def _context(out: Path, task: Task, threads: int, tell: EventWriter) -> Context:
    def progress(fraction: float, text: str) -> None:
        tell(Event(task.id, "progress", text, fraction))

    return Context(out / task.id, threads, progress)


def _run(out: Path, task: Task, threads: int, tell: EventWriter) -> Facts:
    """Do a task's work."""
    assert isinstance(task.work, SingleWork)
    return task.work.run(_context(out, task, threads, tell))


def _run_all(
    out: Path, tasks: Sequence[Task], threads: int, tell: EventWriter
) -> Iterator[tuple[int, Facts | Exception]]:
    """Do the work of tasks of one kind in one go; results come as it yields them."""
    works = [task.work for task in tasks if isinstance(task.work, SharedWork)]
    contexts = [_context(out, task, threads, tell) for task in tasks]
    return type(works[0]).run_all(list(zip(works, contexts, strict=True)))


def _move_aside(out: Path, folder: Path) -> None:
    """Keep what a folder held, once; a mistake in a study should cost no checkpoint."""
    if not folder.exists():
        return
    aside = out / ".run" / "stale" / folder.relative_to(out)
    shutil.rmtree(aside, ignore_errors=True)
    aside.parent.mkdir(parents=True, exist_ok=True)
    folder.rename(aside)


def _first_line(error: Exception) -> str:
    text = str(error).strip().split("\n")[0] or type(error).__name__
    return text if isinstance(error, PolypacaError) else f"{type(error).__name__}: {text}"


def _circumstances(threads: int, seconds: float) -> dict[str, Any]:
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
        "finished": now(),
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
