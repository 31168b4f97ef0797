"""Translation as a user runs it: `polypaca mix` on real rows, killed and typed again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from .studies import command, polypaca, study_text, wait_until, workers

pytestmark = [pytest.mark.slow, pytest.mark.data]

STUDY = """\
name: translated
languages: {train: [en, es], test: [en, es]}
data:
  instructions: alpaca.{language}.json
  on_bad_row: reject
  validation: 50
  translate: {source: en, engine: apertium}
prompts: {source: "DATA/prompts/test_{language}.jsonl", on_bad_row: repair}
MODELS
methods: {lora: {batch_size: 16, epochs: 1, max_length: 8192}}
recipes: [monolingual, multilingual, downsampled, english]
sweep: controls
judge: {kind: none}
"""


@pytest.fixture
def study(tmp_path: Path, data_folder: Path, tokenizer_file: Path) -> Path:
    if shutil.which("apertium") is None:
        pytest.skip("no Apertium: apt install apertium apertium-eng-spa")
    rows = json.loads((data_folder / "instructions" / "alpaca.en.json").read_text("utf-8"))
    (tmp_path / "alpaca.en.json").write_text(json.dumps(rows[:400]))
    path = tmp_path / "translated.yaml"
    path.write_text(study_text(STUDY, tokenizer_file).replace("DATA", str(data_folder)))
    return path


def _run(study: Path, verb: str, *words: str) -> subprocess.CompletedProcess[str]:
    return polypaca(study, *words, verb=verb, env=_environment(study))


def _environment(study: Path) -> dict[str, str]:
    return {**os.environ, "POLYPACA_CACHE": str(study.parent / "cache")}


def _shards(study: Path) -> dict[Path, int]:
    folder = study.parent / "cache" / "translations"
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*.jsonl")}


def test_killed_while_translating_and_typed_again(study: Path) -> None:
    process = subprocess.Popen(
        command(study, verb="translate"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env=_environment(study),
    )  # fmt: skip
    wait_until(lambda: len(_shards(study)) >= 2)
    process.send_signal(signal.SIGKILL)
    process.wait()
    # What the killed run started sees that it is gone.
    wait_until(lambda: not workers(study.parent / "out"))
    before = _shards(study)
    folder = study.parent / "out" / "translations" / "es"
    done = (folder / "manifest.json").exists()

    result = _run(study, "mix")
    assert result.returncode == 0, result.stdout + result.stderr
    after = _shards(study)
    assert not done, "it was killed too late to test anything"
    assert len(after) > len(before)
    assert {path: after[path] for path in before} == before
    facts = json.loads((folder / "manifest.json").read_text())["facts"]
    lines = len((folder / "rejected.jsonl").read_text().splitlines())
    assert facts["rows"] + lines == facts["source_rows"]
    assert sum(facts["rejected"].values()) == lines

    # What was translated stays so, whatever else the study changes.
    again = _run(study, "mix", "data.validation=60")
    assert again.returncode == 0, again.stdout + again.stderr
    assert _shards(study) == after

    plan = _run(study, "plan", "data.validation=60", "--json")
    found = json.loads(plan.stdout)
    assert found["counted"]
    cells = {cell["cell"]: cell for cell in found["cells"]}
    english, double = (cells[f"tiny.lora.{n}.s1"] for n in ("monolingual-en", "english-2"))
    assert english["examples"] == found["one_budget_rows"]
    assert double["examples"] == 2 * english["examples"]
    assert double["budgets"] == 2
    assert all(cell["flops"] and cell["steps"] and cell["tokens"] for cell in cells.values())
