"""The command line as a user meets it: exit codes, words, no tracebacks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import polypaca

STUDIES = Path(__file__).parent.parent / "studies"
TINY, PAPER = str(STUDIES / "tiny.yaml"), str(STUDIES / "paper.yaml")


def _polypaca(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "polypaca.cli", *arguments],
        capture_output=True, text=True, cwd=cwd, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def test_the_version() -> None:
    assert _polypaca("--version").stdout == f"polypaca {polypaca.__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["validate", "nowhere.yaml"],
        ["run", TINY, "--jobs", "0"],
        ["run", TINY, "methods.lora.rank=0"],
        ["frobnicate"],
        ["plan"],
        ["plan", TINY, "--gpu", "a100-80bg"],
        ["plan", TINY, "--price", "2"],
        ["verify", "nowhere"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_wrong_input_is_exit_code_2_and_no_traceback(arguments: list[str], tmp_path: Path) -> None:
    result = _polypaca(*arguments, cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr
    assert "Traceback" not in result.stderr
    assert not list(tmp_path.iterdir())


def test_validate_counts_cells_and_systems() -> None:
    result = _polypaca("validate", TINY, "--json")
    assert result.returncode == 0
    found = json.loads(result.stdout)
    assert found["study"] == "tiny"
    assert found["systems"] > found["cells"] > 4


def test_plan_has_the_budgets_of_the_question() -> None:
    result = _polypaca("plan", TINY, "--json")
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["recipe_budgets"] == {
        "monolingual": 4.0, "multilingual": 4.0, "downsampled": 1.0, "english": 1.0,
    }  # fmt: skip
    cells = {cell["cell"]: cell for cell in found["cells"]}
    rows = found["one_budget_rows"]
    one, four = cells["tiny-neox.lora.downsampled.s1"], cells["tiny-neox.lora.multilingual.s1"]
    assert four["examples"] == 4 * one["examples"] > rows


def test_plan_as_a_table_names_every_cell() -> None:
    result = _polypaca("plan", TINY)
    assert "tiny-neox.lora.monolingual-zh.s1" in result.stdout
    assert "monolingual 4, multilingual 4, downsampled 1, english 1" in " ".join(
        result.stdout.split()
    )


def test_plan_prices_the_papers_grid_offline_and_writes_nothing(tmp_path: Path) -> None:
    result = _polypaca("plan", PAPER, "--gpu", "a100-80gb", "--price", "2", cwd=tmp_path)
    lines = result.stdout.splitlines()
    assert sum(".s1 " in line for line in lines) == 168
    assert any("168 cells, 336 budgets in total" in line for line in lines)
    assert any("30,450 responses" in line for line in lines)
    (cell,) = (line.split() for line in lines if "llama-7b.lora.multilingual.s1" in line[:32])
    assert cell[1] == "~2,284,200"
    assert all(part.startswith("~") for part in (cell[2], cell[4], cell[6], cell[7]))
    assert cell[3] == "9"
    assert not list(tmp_path.iterdir())


def test_an_unknown_gpu_is_told_the_nearest() -> None:
    result = _polypaca("plan", TINY, "--gpu", "a100-80bg")
    assert "unknown GPU 'a100-80bg'; did you mean a100-80gb?" in result.stderr


def test_a_dry_run_says_what_and_why_and_does_nothing(tmp_path: Path) -> None:
    result = _polypaca("run", TINY, "--dry-run", cwd=tmp_path)
    assert result.returncode == 0
    assert "cells/tiny-neox.lora.multilingual.s1/train: not made yet" in result.stdout
    assert not list(tmp_path.iterdir())


def test_a_stage_verb_stops_after_its_stage(tmp_path: Path) -> None:
    result = _polypaca("mix", TINY, "--dry-run", "--json", cwd=tmp_path)
    stages = {task.split("/")[0] for task in json.loads(result.stdout)["pending"]}
    assert stages == {"data", "bases", "translations", "lengths", "mixtures"}


@pytest.mark.slow
def test_a_missing_key_or_reference_is_known_before_anything_runs(tmp_path: Path) -> None:
    judge = "judge={kind: llm, model: m, api_key_env: POLYPACA_NO_SUCH_KEY}"
    result = _polypaca("run", TINY, judge, "--yes", cwd=tmp_path)
    assert result.returncode == 2
    assert "POLYPACA_NO_SUCH_KEY" in result.stderr
    for code in ("en", "es", "de", "zh", "no"):
        (tmp_path / f"p.{code}.jsonl").write_text('{"id": "7", "prompt": "Why?"}\n')
    prompts = f"prompts={tmp_path}/p.{{language}}.jsonl"
    result = _polypaca("run", TINY, prompts, cwd=tmp_path)
    assert result.returncode == 2
    assert "judge: {kind: none}" in result.stderr
    assert not (tmp_path / "out").exists()


def test_money_is_spent_only_after_a_yes(tmp_path: Path) -> None:
    judge = "judge={kind: llm, model: m, base_url: 'http://127.0.0.1:9/v1', api_key_env: null}"
    result = _polypaca("run", TINY, judge, cwd=tmp_path)
    assert result.returncode == 2
    assert "may cost money: add --yes" in result.stderr
    assert not (tmp_path / "out").exists()
