"""Whole runs of a small study, as a user types them: `polypaca run`, again, changed, killed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from polypaca.core.manifest import MANIFEST

from .conftest import AFTER_THE_DATA, Finished
from .studies import command, copied, made, polypaca, wait_until, workers

pytestmark = pytest.mark.slow

# What two runs of one study do not have in common.
MEASURED = (
    "wall_seconds", "training_seconds", "tokens_per_second", "mfu", "matmul_flops_per_second",
    "peak_memory_bytes",
)  # fmt: skip


def _numbers(study: Path) -> dict[str, Any]:
    """What the analysis says, without how long it took."""
    found = json.loads((study.parent / "out" / "analysis" / "analysis.json").read_text())
    for cell in found["ledger"]:
        for measured in MEASURED:
            cell.pop(measured, None)
    return dict(found)


def _sealed(out: Path) -> list[Path]:
    return [path.parent for path in out.rglob(MANIFEST)]


def test_run_again_change_and_repair(finished: Finished, tmp_path: Path) -> None:
    path, first = finished
    out = path.parent / "out"
    assert (out / "report" / "index.html").is_file()
    assert str(out / "report" / "index.html") in first.replace("\n", "")
    assert (out / "cells/tiny.full.monolingual-en.s1/train/model/model.safetensors").is_file()
    assert len(made(first)) == len(list(out.rglob(MANIFEST)))

    # In another place, as it may have been moved.
    study = copied(path, tmp_path)
    out = study.parent / "out"
    again = polypaca(study)
    assert again.returncode == 0
    assert "nothing to do" in again.stdout
    assert made(again.stdout) == set()

    plan = polypaca(study, "methods.full.learning_rate=2e-3", "--dry-run", "--json")
    full = "tiny.full.monolingual-en.s1"
    assert set(json.loads(plan.stdout)["pending"]) == {
        f"cells/{full}/train",
        *(f"systems/{system}/{part}" for system in (full, f"{full}.shuffled")
          for part in ("responses", "verdicts", "gate")),
        "analysis", "report",
    }  # fmt: skip

    cell = "tiny.lora.monolingual-es.s1"
    (out / "cells" / cell / "train" / MANIFEST).unlink()
    repaired = polypaca(study)
    assert repaired.returncode == 0, repaired.stdout + repaired.stderr
    # The cell came out as before, and so did its answers: they need no judging again.
    follows = {f"systems/{cell}/verdicts", f"systems/{cell}/gate"}
    assert made(repaired.stdout, "unchanged") == follows
    assert made(repaired.stdout) == {
        f"cells/{cell}/train", f"systems/{cell}/responses", "analysis", "report"
    }  # fmt: skip
    assert _numbers(study) == _numbers(path)

    verified = subprocess.run(
        [sys.executable, "-m", "polypaca.cli", "verify", str(out)], capture_output=True, check=False
    )
    assert verified.returncode == 0, verified.stdout


def test_killed_runs_end_with_the_numbers_of_an_undisturbed_one(
    finished: Finished, tmp_path: Path
) -> None:
    study = copied(finished.study, tmp_path, "data", *AFTER_THE_DATA)
    out = study.parent / "out"
    # The first is killed among the data, the second while cells are trained.
    for done in ("data", "cells"):
        process = subprocess.Popen(
            command(study), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_until(partial(_sealed, out / done))
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "it was killed too late to test anything"
    sealed = {str(path.relative_to(out)) for path in _sealed(out)}
    last = polypaca(study)
    assert last.returncode == 0, last.stdout + last.stderr
    assert not sealed & made(last.stdout)
    assert _numbers(study) == _numbers(finished.study)


def test_two_runs_on_one_folder_share_the_work(mixed: Path) -> None:
    before = len(_sealed(mixed.parent / "out"))
    processes = [
        subprocess.Popen(
            command(mixed, "--jobs", "1"),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(2)
    ]
    outputs = [process.communicate(timeout=400)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    done = [made(output) for output in outputs]
    assert not done[0] & done[1]
    assert len(done[0] | done[1]) == len(_sealed(mixed.parent / "out")) - before


def test_a_failed_cell_leaves_the_others_going(mixed: Path) -> None:
    text = mixed.read_text()
    mixed.write_text(
        text.replace("  full: {", "  odd: {kind: lora, targets: [nothing]}\n  full: {")
    )
    result = polypaca(mixed, "methods.odd.recipes=[multilingual]", "systems=[]", "--jobs", "1")
    # The study names a module that is not there: the user's mistake, found only in training.
    assert result.returncode == 2, result.stdout + result.stderr
    assert "no module is called nothing" in result.stdout
    log = mixed.parent / "out" / "logs" / "cells.tiny.odd.multilingual.s1.train.log"
    assert str(log) in result.stdout.replace("\n", "")
    assert "UserError" in log.read_text()
    done = made(result.stdout)
    assert "cells/tiny.lora.multilingual.s1/train" in done
    assert "systems/tiny.full.monolingual-en.s1/verdicts" in done
    assert "analysis" not in done
    assert "Traceback" not in result.stdout + result.stderr


def test_a_bad_row_stops_the_run_with_its_place(finished: Finished, tmp_path: Path) -> None:
    study = copied(finished.study, tmp_path, "data", *AFTER_THE_DATA)
    path = study.parent / "data.es.jsonl"
    lines = path.read_text().splitlines()
    lines[6] = lines[6][:-1]
    path.write_text("\n".join(lines))
    result = polypaca(study, verb="mix")
    assert result.returncode == 2
    assert "data.es.jsonl:7" in result.stdout
    assert "on_bad_row" in result.stdout
    assert "Traceback" not in result.stdout + result.stderr
    # Rejected on record, it costs its source in every language.
    prepared = polypaca(study, "data.on_bad_row=reject", verb="prepare")
    assert prepared.returncode == 0, prepared.stdout + prepared.stderr
    rejected = (study.parent / "out" / "data" / "instructions" / "rejected.jsonl").read_text()
    assert json.loads(rejected)["line"] == 7


def test_interrupting_stops_all_processes_and_says_how_to_go_on(study: Path) -> None:
    out = study.parent / "out"
    process = subprocess.Popen(
        command(study), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    wait_until(lambda: any("polypaca.workflow.worker" in line for line in workers(out)))
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "run the same command to continue from here" in errors
    wait_until(lambda: not workers(out), seconds=30)
