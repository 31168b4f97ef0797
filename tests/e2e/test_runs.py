"""Whole runs of a small study, as a user types them: `polypaca run`, again, changed, killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from polypaca.core.manifest import MANIFEST

pytestmark = pytest.mark.slow

WORDS = {
    "en": ("Name the animal number", "The animal is the old cat of the house number", "."),
    "es": ("Nombra el animal número", "El animal es el gato viejo de la casa número", "."),
}
STUDY = """\
name: small
languages: {train: [en, es], test: [en, es]}
data: {instructions: "data.{language}.jsonl", validation: 4}
prompts: "prompts.{language}.jsonl"
models:
  - name: tiny
    tokenizer: TOKENIZER
    config: {model_type: gpt_neox, hidden_size: 32, num_hidden_layers: 1, num_attention_heads: 2,
             intermediate_size: 64}
methods:
  lora: {learning_rate: 1e-2, batch_size: 8, epochs: 1, evaluations: 2}
  full: {learning_rate: 1e-3, batch_size: 8, epochs: 1, evaluations: 2, recipes: [english]}
recipes: [monolingual, multilingual, downsampled, english]
systems: [{base: tiny}, {shuffle: english}]
generate: {max_new_tokens: 6, num_beams: 1}
analyze: {resamples: 100}
"""


# What two runs of one study do not have in common.
MEASURED = (
    "wall_seconds", "training_seconds", "tokens_per_second", "mfu", "matmul_flops_per_second",
    "peak_memory_bytes",
)  # fmt: skip


@pytest.fixture
def study(tmp_path: Path, tokenizer_file: Path) -> Path:
    for code, (ask, say, end) in WORDS.items():
        rows = [
            {"id": n, "instruction": f"{ask} {n}{end}", "input": "", "output": f"{say} {n}{end}"}
            for n in range(28)
        ]
        _write(tmp_path / f"data.{code}.jsonl", rows)
        prompts = [
            {"id": str(n), "prompt": f"{ask} {n}{end}", "reference": f"{say} {n}{end}"}
            for n in range(100, 104)
        ]
        _write(tmp_path / f"prompts.{code}.jsonl", prompts)
    path = tmp_path / "small.yaml"
    path.write_text(STUDY.replace("TOKENIZER", str(tokenizer_file)))
    return path


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def _command(study: Path, *arguments: str, verb: str = "run") -> list[str]:
    out = str(study.parent / "out")
    return [sys.executable, "-m", "polypaca.cli", verb, str(study), "--out", out, *arguments]


def _run(study: Path, *arguments: str, verb: str = "run") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        _command(study, *arguments, verb=verb),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def _made(result: subprocess.CompletedProcess[str], kind: str = "done") -> set[str]:
    """The tasks that a run says it did, or found unchanged."""
    lines = [line.split() for line in result.stdout.splitlines()]
    return {words[2].rstrip(":") for words in lines if len(words) > 2 and words[1] == kind}


def _numbers(study: Path) -> dict[str, Any]:
    """What the analysis says, without how long it took."""
    found = json.loads((study.parent / "out" / "analysis" / "analysis.json").read_text())
    for cell in found["ledger"]:
        for measured in MEASURED:
            cell.pop(measured, None)
    return dict(found)


def test_run_again_change_and_repair(study: Path) -> None:
    first = _run(study)
    assert first.returncode == 0, first.stdout + first.stderr
    out = study.parent / "out"
    assert (out / "report" / "index.html").is_file()
    assert str(out / "report" / "index.html") in first.stdout.replace("\n", "")
    assert (out / "cells/tiny.full.monolingual-en.s1/train/model/model.safetensors").is_file()
    assert len(_made(first)) == len(list(out.rglob(MANIFEST)))
    numbers = _numbers(study)

    again = _run(study)
    assert again.returncode == 0
    assert "nothing to do" in again.stdout
    assert _made(again) == set()

    plan = json.loads(_run(study, "methods.full.learning_rate=2e-3", "--dry-run", "--json").stdout)
    full = "tiny.full.monolingual-en.s1"
    assert set(plan["pending"]) == {
        f"cells/{full}/train",
        *(f"systems/{system}/{part}" for system in (full, f"{full}.shuffled")
          for part in ("responses", "verdicts", "gate")),
        "analysis", "report",
    }  # fmt: skip

    cell = "tiny.lora.monolingual-es.s1"
    (out / "cells" / cell / "train" / MANIFEST).unlink()
    repaired = _run(study)
    assert repaired.returncode == 0, repaired.stdout + repaired.stderr
    # The cell came out as before, and so did its answers: they need no judging again.
    follows = {f"systems/{cell}/verdicts", f"systems/{cell}/gate"}
    assert _made(repaired, "unchanged") == follows
    assert _made(repaired) == {
        f"cells/{cell}/train", f"systems/{cell}/responses", "analysis", "report"
    }  # fmt: skip
    assert _numbers(study) == numbers

    verified = subprocess.run(
        [sys.executable, "-m", "polypaca.cli", "verify", str(out)], capture_output=True, check=False
    )
    assert verified.returncode == 0, verified.stdout


def test_killed_runs_end_with_the_numbers_of_an_undisturbed_one(
    study: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    undisturbed = _run(study)
    assert undisturbed.returncode == 0, undisturbed.stdout + undisturbed.stderr
    numbers = _numbers(study)
    (study.parent / "out").rename(study.parent / "undisturbed")

    for seconds in (6.0, 14.0):
        process = subprocess.Popen(
            _command(study), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        process.wait()
    sealed = {path.parent for path in (study.parent / "out").rglob(MANIFEST)}
    assert sealed, "nothing was done before the kills: they came too early to test anything"
    last = _run(study)
    assert last.returncode == 0, last.stdout + last.stderr
    assert not {str(path.relative_to(study.parent / "out")) for path in sealed} & _made(last)
    assert _numbers(study) == numbers


def test_two_runs_on_one_folder_share_the_work(study: Path) -> None:
    processes = [
        subprocess.Popen(
            _command(study), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for _ in range(2)
    ]
    outputs = [process.communicate(timeout=400)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    done = [_made(subprocess.CompletedProcess([], 0, output)) for output in outputs]
    assert not done[0] & done[1]
    assert len(done[0] | done[1]) == len(list((study.parent / "out").rglob(MANIFEST)))


def test_a_failed_cell_leaves_the_others_going(study: Path) -> None:
    text = study.read_text()
    study.write_text(
        text.replace("  full: {", "  odd: {kind: lora, targets: [nothing]}\n  full: {")
    )
    result = _run(study, "methods.odd.recipes=[multilingual]")
    # The study names a module that is not there: the user's mistake, found only in training.
    assert result.returncode == 2, result.stdout + result.stderr
    assert "no module is called nothing" in result.stdout
    log = study.parent / "out" / "logs" / "cells.tiny.odd.multilingual.s1.train.log"
    assert str(log) in result.stdout.replace("\n", "")
    assert "UserError" in log.read_text()
    made = _made(result)
    assert "cells/tiny.lora.multilingual.s1/train" in made
    assert "systems/tiny.full.monolingual-en.s1/verdicts" in made
    assert "analysis" not in made
    assert "Traceback" not in result.stdout + result.stderr


def test_a_bad_row_stops_the_run_with_its_place(study: Path) -> None:
    path = study.parent / "data.es.jsonl"
    lines = path.read_text().splitlines()
    lines[6] = lines[6][:-1]
    path.write_text("\n".join(lines))
    result = _run(study)
    assert result.returncode == 2
    assert "data.es.jsonl:7" in result.stdout
    assert "on_bad_row" in result.stdout
    assert "Traceback" not in result.stdout + result.stderr
    # Rejected on record, it costs its source in every language.
    prepared = subprocess.run(
        [*_command(study, "data.on_bad_row=reject")[:3], "prepare", *_command(study)[4:],
         "data.on_bad_row=reject"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert prepared.returncode == 0, prepared.stdout + prepared.stderr
    rejected = (study.parent / "out" / "data" / "instructions" / "rejected.jsonl").read_text()
    assert json.loads(rejected)["line"] == 7


def test_interrupting_stops_all_processes_and_says_how_to_go_on(study: Path) -> None:
    process = subprocess.Popen(
        _command(study), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    time.sleep(8)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "the same command goes on from here" in errors
    time.sleep(1)
    assert not _workers(study.parent / "out")


def _workers(out: Path) -> list[str]:
    """Command lines of processes that work on a folder."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if entry.name.isdigit() and int(entry.name) != os.getpid() and f"{out}/.run" in line:
            found.append(line)
    return found


TOGETHER = ("--launch", "torchrun --standalone --nproc-per-node 2")


@pytest.mark.parametrize("sharding", ["none", "fsdp"])
def test_training_on_two_devices(study: Path, sharding: str) -> None:
    options = ["methods.lora.dropout=0.0", f"train.sharding={sharding}", "recipes=[english]"]
    options += ["systems=[]"]
    launched = _run(study, *options, *TOGETHER, verb="train")
    assert launched.returncode == 0, launched.stdout + launched.stderr
    cells = study.parent / "out" / "cells"
    together = {}
    for cell in ("tiny.lora.monolingual-en.s1", "tiny.full.monolingual-en.s1"):
        manifest = json.loads((cells / cell / "train" / MANIFEST).read_text())
        assert manifest["facts"]["processes"] == 2
        together[cell] = json.loads((cells / cell / "train" / "ledger.json").read_text())
    shutil.rmtree(study.parent / "out")
    assert _run(study, *options, verb="train").returncode == 0
    for cell, ledger in together.items():
        alone = json.loads((cells / cell / "train" / "ledger.json").read_text())
        assert ledger["validation_loss"] == pytest.approx(alone["validation_loss"], rel=1e-4)
        assert ledger["tokens"] == alone["tokens"]


def test_a_cell_that_fails_on_two_devices_says_why_and_leaves_the_others_going(
    study: Path,
) -> None:
    # One method's targets are wrong, which is found once the model is loaded.
    options = ["methods.lora.targets=[nowhere]", "recipes=[english]", "systems=[]"]
    result = _run(study, *options, *TOGETHER, verb="train")
    assert result.returncode == 2, result.stdout + result.stderr
    assert "no module is called nowhere" in result.stdout
    assert "cells/tiny.full.monolingual-en.s1/train" in _made(result)
    wrong = _run(study, "--launch", "torchrunn --nproc-per-node 2")
    assert wrong.returncode == 2
    assert "there is no command torchrunn" in wrong.stderr
