from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from polypaca.workflow import engine
from polypaca.workflow.jobs import Job


@pytest.mark.slow
def test_a_job_that_dies_lets_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In place of the worker: a process that kills itself in one job and works in the others.
    fake = tmp_path / "worker"
    fake.write_text(
        f"#!{sys.executable}\n"
        "import os, sys\n"
        "os.kill(os.getpid(), 9) if sys.argv[-1] == 'first' else print('ran', sys.argv[-1])\n"
    )
    fake.chmod(0o755)
    run = tmp_path / "run"
    run.mkdir()
    with monkeypatch.context() as patched:
        patched.setattr(sys, "executable", str(fake))
        jobs = [Job("first", (), (), False), Job("second", (), ("first",), False)]
        engine.write_workflow(run, jobs, {"first": 1, "second": 2})
    process = engine.start(run, 2)
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    assert process.poll() == 0, (run / "engine.log").read_text()
    assert engine.failed_jobs(run) == {"first": 137}
    assert "ran second" in (run / "second.log").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("home", ["/dev/null/x", "/proc/nowhere"])
def test_no_home_folder_is_needed(
    home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", home)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    engine.write_workflow(tmp_path, [Job("only", (), (), False)], {"only": 1})
    assert engine.start(tmp_path, 1).wait(60) == 0, (tmp_path / engine.LOG).read_text()
    assert (tmp_path / "stamps" / "only").is_file()


@pytest.mark.slow
def test_the_engines_last_words_say_why_it_ended(tmp_path: Path) -> None:
    (tmp_path / "Snakefile").write_text("rule all:\n    input: 'never made'\n")
    assert engine.start(tmp_path, 1).wait(60) != 0
    words = engine.last_error(tmp_path / engine.LOG)
    assert "Missing input files for rule all" in words
    assert "never made" in words
    assert engine.last_error(tmp_path / "no.log") == ""


def test_last_words_are_the_error_before_the_farewell(tmp_path: Path) -> None:
    log = tmp_path / "engine.log"
    log.write_text("x\n" * 20_000 + "OSError: [Errno 5] broken\n\nShutting down, this might take\n")
    assert engine.last_error(log) == "OSError: [Errno 5] broken"


def test_launchers_are_those_of_this_environment() -> None:
    own = [sys.executable, "-m", "torch.distributed.run"]
    assert engine.launcher_command("torchrun --nproc-per-node 8") == [*own, "--nproc-per-node", "8"]
    several = engine.launcher_command("srun --nodes 2 torchrun --nnodes 2 --rdzv-id 'a b'")
    assert several == ["srun", "--nodes", "2", *own, "--nnodes", "2", "--rdzv-id", "a b"]
