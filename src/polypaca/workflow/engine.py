"""The one module that knows the workflow engine, Snakemake.

`start` writes a throw-away workflow whose only declared outputs are stamps (Snakemake deletes
declared outputs that it believes unfinished, so no artifact is ever declared to it) and runs it
in a process of its own: `python -m polypaca.workflow.engine RUN_FOLDER`.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from polypaca.core.files import write_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polypaca.workflow.jobs import Job

# Libraries that start threads of their own read these before they load.
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
LOG = "engine.log"
_LOG_END = 1 << 14  # bytes at the end of a log that are searched for its last error
_LONGEST_ERROR = 300  # characters
_LINES_OF_AN_ERROR = 4
_ERROR = re.compile(r"[\w.]*(?:Error|Exception)\b")  # the last line of a traceback
# What Snakemake logs after the error.
_AFTER_ERROR = re.compile(
    r"Shutting down|Complete log|Exiting because|Removing output|At least one job|WorkflowError:$"
)


def write_workflow(
    run_folder: Path, jobs: Sequence[Job], threads: dict[str, int], launch: str = ""
) -> None:
    """Write the run's Snakefile: one shell rule per job, chained by stamps.

    `launch` is the command that starts a module on several devices; it starts training jobs.
    """
    rules = [f"rule all:\n    input: {[_stamp(job.id) for job in jobs]!r}\n"]
    for number, job in enumerate(jobs):
        variables = " ".join(f"{name}={threads[job.id]}" for name in _THREAD_VARIABLES)
        if all(task.stage != "prepare" for task in job.tasks):
            # `prepare` has downloaded everything: later jobs need no network, and use none.
            variables += " HF_HUB_OFFLINE=1"
        training = all(task.stage == "train" for task in job.tasks)
        launcher = launcher_command(launch) if training and launch else [sys.executable]
        worker = shlex.join([*launcher, "-m", "polypaca.workflow.worker"])
        arguments = shlex.join([str(run_folder), job.id])
        log = shlex.quote(str(run_folder / f"{job.id}.log"))
        # A failed job must not keep independent ones from running: its manifests are missing, and
        # that is what counts. The stamp says that it was tried.
        command = (
            f"code=0; {variables} TOKENIZERS_PARALLELISM=false {worker} {arguments} "
            f"> {log} 2>&1 || code=$?; echo $code > {shlex.quote(_stamp(job.id))}"
        )
        rules.append(
            f"rule job_{number}:\n"
            f"    input: {[_stamp(name) for name in job.after]!r}\n"
            f"    output: {_stamp(job.id)!r}\n"
            f"    threads: {threads[job.id]}\n"
            f"    shell: {command.replace('{', '{{').replace('}', '}}')!r}\n"
        )
    write_text(run_folder / "Snakefile", "\n".join(rules))


def launcher_command(launch: str) -> list[str]:
    """A launch command as words; `torchrun` and `accelerate` are those of this environment."""
    modules = {
        "torchrun": "torch.distributed.run",
        "accelerate": "accelerate.commands.accelerate_cli",
    }
    command: list[str] = []
    for word in shlex.split(launch):
        command += [sys.executable, "-m", modules[word]] if word in modules else [word]
    return command


def start(run_folder: Path, cores: int) -> subprocess.Popen[bytes]:
    """Start the engine on a run's workflow; it and its jobs end when this process does."""
    with (run_folder / LOG).open("wb") as log:
        return subprocess.Popen(  # noqa: S603
            [
                sys.executable,
                "-m",
                "polypaca.workflow.engine",
                str(run_folder),
                str(cores),
                str(os.getpid()),
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # a process group of its own, so that it can be ended whole
        )


def stop(engine: subprocess.Popen[bytes]) -> None:
    """End the engine and all its jobs."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(engine.pid, sign)
        except ProcessLookupError:
            break
        try:
            engine.wait(timeout=5)
        except subprocess.TimeoutExpired:
            continue


def failed_jobs(run_folder: Path) -> dict[str, int]:
    """Jobs whose process failed, with its exit code."""
    codes = {}
    for path in (run_folder / "stamps").glob("*"):
        text = path.read_text(encoding="utf-8").strip()
        if text not in ("", "0"):
            codes[path.name] = int(text)
    return codes


def last_error(log: Path) -> str:
    """The error that a log ends with, or else its last line; empty where there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _LOG_END))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    lines = [line for line in lines if line.strip() and not _AFTER_ERROR.match(line)]
    errors = [number for number, line in enumerate(lines) if _ERROR.match(line)]
    last = lines[errors[-1] :][:_LINES_OF_AN_ERROR] if errors else lines[-1:]
    return " ".join(line.strip() for line in last)[:_LONGEST_ERROR]


def _stamp(job: str) -> str:
    return f"stamps/{job}"


def _execute(run_folder: Path, cores: int) -> None:
    from snakemake.api import (
        OutputSettings,
        ResourceSettings,
        SnakemakeApi,
    )
    from snakemake.settings.types import ExecutionSettings, SharedFSUsage, StorageSettings

    # Snakemake's source cache would be in the home folder, which may not be writable.
    storage = StorageSettings(shared_fs_usage=SharedFSUsage.all() - {SharedFSUsage.SOURCE_CACHE})
    with SnakemakeApi(OutputSettings(nocolor=True, enable_file_logging=False)) as api:
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=cores),
            storage_settings=storage,
            snakefile=run_folder / "Snakefile",
            workdir=run_folder,
        )
        workflow.dag().execute_workflow(
            execution_settings=ExecutionSettings(keep_going=True, lock=False, latency_wait=15)
        )


def _end_with(parent: int) -> None:
    """End this process group when the run that started it is gone, however it went."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    threading.Thread(target=_end_with, args=(int(sys.argv[3]),), daemon=True).start()
    (Path(sys.argv[1]) / "stamps").mkdir(exist_ok=True)
    _execute(Path(sys.argv[1]), int(sys.argv[2]))
