"""Runs the tasks of one job: `python -m polypaca.workflow.worker RUN_FOLDER JOB`.

Reads the run's frozen study and `plan.json`; writes the folders of its tasks, their logs, and the
events that the display shows. Ends with exit code 0 whatever its tasks did: manifests alone say
what is done.
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import shutil
import sys
import time
import traceback
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
from polypaca.study import load_study
from polypaca.training import distributed
from polypaca.training.speed import peak_memory
from polypaca.workflow.events import Event, EventWriter
from polypaca.workflow.fingerprints import Fingerprints
from polypaca.workflow.jobs import current, inputs_now
from polypaca.workflow.lease import lease
from polypaca.workflow.steps import STEPS, Task
from polypaca.workflow.task_logs import log_of, notices, now, output_to, print_traceback
from polypaca.workflow.tasks import tasks_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import ModuleType

    from polypaca.core.manifest import Input

_GRACE_SECONDS = 5.0
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
    tasks = {task.id: task for task in tasks_of(study, fingerprints)}
    entry = plan["jobs"][job]
    # Processes that a launcher started on one machine share its cores.
    threads = max(1, entry["threads"] // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
    distributed.join()
    if not distributed.is_main():
        _help(out, tasks, threads)
        return
    tell = EventWriter(run_folder / "events" / f"{job}.jsonl")
    for step, ids in groupby(entry["tasks"], key=lambda task_id: tasks[task_id].step):
        chosen = [tasks[task_id] for task_id in ids]
        if STEPS[step].together:
            with _room_needed(out, chosen, tell):
                run_together(out, chosen, threads=threads, tell=tell)
            continue
        for task in chosen:
            with _room_needed(out, [task], tell):
                run_task(out, task, threads=threads, tell=tell)
    distributed.agree(None)
    distributed.leave()


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


def _help(out: Path, tasks: Mapping[str, Task], threads: int) -> None:
    """What a process other than rank 0 does: its part of each task that rank 0 takes up."""
    silent = EventWriter(Path(os.devnull))
    while (task_id := distributed.agree(None)) is not None:
        task = tasks[task_id]
        with output_to(out / log_of(task_id)):
            try:
                _call(out, out / task_id, task, threads, silent)
            except Exception:
                traceback.print_exc()
                # Rank 0 has most likely met the same and tells of it, if it is left the time.
                time.sleep(_GRACE_SECONDS)
                raise
    distributed.leave()


def run_task(out: Path, task: Task, *, threads: int, tell: EventWriter) -> None:
    """Fill and seal one task's folder, unless that is done; failures are told, not raised."""
    with _leased(out, task, tell):
        inputs = _begin(out, task, tell)
        if inputs is None:
            return
        started = time.monotonic()
        with output_to(out / log_of(task.id)), notices(task, tell) as said:
            try:
                distributed.agree(task.id)
                facts = _call(out, out / task.id, task, threads, tell)
            except Exception as error:  # one failed cell leaves the others going
                print_traceback(error)
                _tell_failed(out, task, error, tell)
                if distributed.world_size() > 1:
                    # The others are in the middle of what failed; the launcher ends them.
                    raise SystemExit(_exit_code(error)) from error
                return
        _seal(out, task, inputs, {**facts, **said()}, threads, started, tell)


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
                for index, result in _call_together(out, chosen, threads, tell):
                    task, inputs = left[index]
                    if isinstance(result, Exception):
                        print_traceback(result)
                        _tell_failed(out, task, result, tell)
                    else:
                        _seal(out, task, inputs, {**result, **said()}, threads, started, tell)
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
    facts: Mapping[str, Any],
    threads: int,
    started: float,
    tell: EventWriter,
) -> None:
    seconds = time.monotonic() - started
    seal(
        out / task.id,
        stage=task.step,
        format_number=STEPS[task.step].format,
        settings=task.recorded_settings,
        inputs=inputs,
        facts={**facts, **_facts(threads, seconds)},
    )
    tell(Event(task.id, "done", str(facts.get("summary", "")), 1.0, seconds))


def _tell_failed(out: Path, task: Task, error: Exception, tell: EventWriter) -> None:
    full = full_disk(error, [out / task.id, cache_folder()])
    code = StageError.exit_code if full else _exit_code(error)
    tell(Event(task.id, "failed", full or _first_line(error), exit_code=code))


def _exit_code(error: Exception) -> int:
    return error.exit_code if isinstance(error, PolypacaError) else 1


def _call(out: Path, folder: Path, task: Task, threads: int, tell: EventWriter) -> dict[str, Any]:
    """Call the task's stage function with plain keyword arguments."""
    function, _ = _function_of(task)

    def progress(fraction: float, text: str) -> None:
        tell(Event(task.id, "progress", text, fraction))

    facts = function(folder, **_arguments(out, task), threads=threads, progress=progress)
    return dict(facts or {})


def _call_together(
    out: Path, tasks: Sequence[Task], threads: int, tell: EventWriter
) -> Iterator[tuple[int, dict[str, Any] | Exception]]:
    """Call the stage function of tasks that it does together; results come as it yields them."""
    function, module = _function_of(tasks[0])

    def progress(index: int, fraction: float, text: str) -> None:
        tell(Event(tasks[index].id, "progress", text, fraction))

    parts = [module.Part(folder=out / task.id, **_arguments(out, task)) for task in tasks]
    yield from function(parts, threads=threads, progress=progress)


def _function_of(task: Task) -> tuple[Callable[..., Any], ModuleType]:
    name, function = STEPS[task.step].function.split(":")
    module = importlib.import_module(f"polypaca.stages.{name}")
    return getattr(module, function), module


def _arguments(out: Path, task: Task) -> dict[str, Any]:
    """The keyword arguments that a task's stage function takes, but for folder and progress."""
    inputs: dict[str, Any] = {}
    for role, source in task.inputs.items():
        key, _, item = role.partition("/")
        if item:
            inputs.setdefault(key, {})[item] = out / source.id
        else:
            inputs[key] = out / source.id
    options = {
        key: out / value if isinstance(value, Path) else value
        for key, value in task.options.items()
    }
    return {**inputs, **task.settings, **options}


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


def _facts(threads: int, seconds: float) -> dict[str, Any]:
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
