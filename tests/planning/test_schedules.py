"""Warm-ups that do not end within their schedule, by hand arithmetic."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent

import pytest

from polypaca.planning.estimate import estimate
from polypaca.planning.schedules import schedule_notes
from polypaca.study import load_study

ROWS = 44


def _study(folder: Path, method: str, rows: int = ROWS) -> Path:
    for code in ("en", "es"):
        lines = [
            json.dumps({"id": f"r{n}", "instruction": f"Say {n}.", "output": f"It is {n}."}) + "\n"
            for n in range(rows)
        ]
        (folder / f"data.{code}.jsonl").write_text("".join(lines))
        (folder / f"prompts.{code}.jsonl").write_text('{"id": "p", "prompt": "Say it."}\n')
    path = folder / "study.yaml"
    path.write_text(
        dedent(f"""\
            name: warm
            languages: {{train: [en, es], test: [en, es]}}
            data: {{instructions: "./data.{{language}}.jsonl", validation: 4}}
            prompts: "./prompts.{{language}}.jsonl"
            models: [builtin:tiny-neox]
            methods: {{lora: {{batch_size: 10, epochs: 3, {method}}}}}
            recipes: [multilingual, downsampled]
            judge: {{kind: none}}
            """)
    )
    return path


# 40 rows make 4 batches, 80 make 8; three times over that is 12 and 24 steps.
@pytest.mark.parametrize(
    ("method", "said"),
    [
        ("warmup_steps: 11", None),
        ("warmup_steps: 12", "after 12 steps"),
        ("warmup_steps: 23", "after 12 steps"),
        ("warmup_steps: 24", "after 12 to 24 steps"),
        ("warmup_ratio: 0.5", None),
    ],
)
def test_a_warm_up_that_does_not_end_is_told_by_validate_and_plan(
    method: str, said: str | None, tmp_path: Path
) -> None:
    study = load_study(_study(tmp_path, method))
    notes = schedule_notes(study, tmp_path / "out")
    assert [note for note in estimate(study, tmp_path / "out").notes if "warm-up" in note] == notes
    if said is None:
        assert notes == []
    else:
        assert [said in note and note.startswith("methods.lora:") for note in notes] == [True]


def test_data_with_rows_enough_is_not_read(tmp_path: Path) -> None:
    study = load_study(_study(tmp_path, "warmup_steps: 1"))
    for code in ("en", "es"):
        (tmp_path / f"data.{code}.jsonl").write_text("no row at all " * 1000)
    assert schedule_notes(study, tmp_path / "out") == []


def test_data_that_cannot_be_read_is_said_to_be_unchecked(tmp_path: Path) -> None:
    study = load_study(_study(tmp_path, "warmup_steps: 100"))
    (tmp_path / "data.es.jsonl").write_text("no row at all\n")
    (note,) = schedule_notes(study, tmp_path / "out")
    assert note.startswith("could not check whether warm-ups end in time: ")
