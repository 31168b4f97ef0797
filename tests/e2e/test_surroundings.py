"""Whole runs where things are not as one wishes: a full disk, no home, files that were changed."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from polypaca.core.manifest import MANIFEST

from .studies import polypaca, write_rows

pytestmark = pytest.mark.slow

STUDY = """\
name: small
languages: {train: [en, es], test: [en, es]}
data: {instructions: "data.{language}.jsonl", validation: 4, contaminated: keep, duplicates: keep}
prompts: "prompts.{language}.jsonl"
models:
  - name: tiny
    tokenizer: TOKENIZER
    config: {model_type: gpt_neox, hidden_size: 64, num_hidden_layers: 1, num_attention_heads: 2,
             intermediate_size: 128}
methods:
  full: {learning_rate: 1e-3, batch_size: 8, epochs: 1, evaluations: 2}
recipes: [downsampled]
generate: {max_new_tokens: 4, num_beams: 1}
judge: {kind: none}
"""


@pytest.fixture
def study(tmp_path: Path, tokenizer_file: Path) -> Path:
    for code in ("en", "es"):
        rows = [
            {"id": n, "instruction": f"{code} ask {n}.", "output": f"say {n}."} for n in range(28)
        ]
        prompts = [{"id": n, "prompt": f"{code} ask {n}."} for n in range(4)]
        for name, items in (("data", rows), ("prompts", prompts)):
            write_rows(tmp_path / f"{name}.{code}.jsonl", items)
    path = tmp_path / "small.yaml"
    path.write_text(STUDY.replace("TOKENIZER", str(tokenizer_file)))
    return path


def test_a_study_that_fills_its_disk_goes_on_when_there_is_room(
    study: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("POLYPACA_CACHE", str(tmp_path / "cache"))
    out = small_disk / "out"
    stuck = polypaca(study, out=out)
    said = stuck.stdout + stuck.stderr
    assert stuck.returncode == 1, said
    assert "the disk is full: " in said
    assert "make room and run again" in said
    assert "Traceback" not in said
    sealed = {path: path.stat().st_mtime_ns for path in out.rglob(MANIFEST)}
    assert out / "data" / "prompts" / MANIFEST in sealed

    # So full that not even a plan can be written down.
    with pytest.raises(OSError, match="No space left"):
        (small_disk / "fill").write_bytes(bytes(2**20))
    full = polypaca(study, out=out)
    assert full.returncode == 1
    assert "error: the disk is full: " in full.stderr
    assert "Traceback" not in full.stdout + full.stderr
    (small_disk / "fill").unlink()

    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    roomy = polypaca(study, out=out, verb="mix")
    assert roomy.returncode == 0, roomy.stdout + roomy.stderr
    assert (out / "mixtures" / "ledger" / MANIFEST).is_file()
    assert {path: path.stat().st_mtime_ns for path in sealed} == sealed


def _change(path: Path) -> None:
    """Zeros in the middle of a file; size and time stay."""
    stat, content = path.stat(), bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 40] = bytes(40)
    path.write_bytes(content)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def test_without_a_home_a_study_runs_and_what_was_changed_is_made_again(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/dev/null/x")
    monkeypatch.delenv("POLYPACA_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    out = tmp_path / "out"
    first = polypaca(study, out=out)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "set POLYPACA_CACHE to a writable folder" in first.stdout
    plan = json.loads(next((out / ".run" / "runs").glob("*/plan.json")).read_text())
    # The study has one cell and one base: neither has to share the machine.
    cores = len(os.sched_getaffinity(0))
    assert plan["jobs"]["train-tiny"]["threads"] == cores
    assert plan["jobs"]["generate-tiny"]["threads"] == cores

    trained = (out / "mixtures" / "downsampled.s1" / "train.jsonl").read_bytes()
    _change(out / "mixtures" / "downsampled.s1" / "train.jsonl")
    for rows in (out / ".run" / "cache" / "rows").glob("*/ids.npy"):
        _change(rows)
    again = polypaca(study, out=out)
    assert "nothing to do" in again.stdout
    changed = polypaca(study, "methods.full.learning_rate=2e-3", verb="train", out=out)
    assert changed.returncode == 0, changed.stdout + changed.stderr
    assert "done      mixtures/downsampled.s1" in changed.stdout
    assert (out / "mixtures" / "downsampled.s1" / "train.jsonl").read_bytes() == trained
    assert "notice    cells/tiny.full.downsampled.s1/train: damaged in the cache" in changed.stdout
    kept = json.loads((out / "cells/tiny.full.downsampled.s1/train" / MANIFEST).read_text())
    assert kept["facts"]["notices"]
