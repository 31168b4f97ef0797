from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from polypaca.core.files import read_jsonl, sha256_text, write_json, write_jsonl
from polypaca.core.records import GateResult, Prompt, Response, Verdict
from polypaca.core.results import Analysis, BudgetLedger, CellBudget, ScoredResponse
from polypaca.stages.analyze import analyze

LEDGER = {
    "examples": 10, "tokens": 100, "supervised_tokens": 50, "truncated_rows": 0,
    "dropped_rows": 0, "steps": 2,
    "best_step": 2, "validation_loss": 1.0, "wall_seconds": 1.0,
}  # fmt: skip

# Of cells that were trained since these figures are recorded.
TRAINING = {
    "parameters": 1000, "trained_parameters": 10, "flops": 400_000, "training_seconds": 0.5,
    "tokens_per_second": 200.0, "precision": "bfloat16", "matmul_flops_per_second": 10**9,
    "mfu": 0.0008, "peak_memory_bytes": 10**8, "micro_batch_tokens": 64,
    "activation_checkpointing": False, "packed": True,
}  # fmt: skip
HELD_OUT = {
    "en": {"rows": 2, "tokens": 4, "bytes": 16, "nats": 11.09, "bits_per_byte": 1.0},
    "es": {"rows": 0, "tokens": 0, "bytes": 0, "nats": 0.0, "bits_per_byte": float("nan")},
}


def _ignore(fraction: float, text: str) -> None:
    pass


def _system(name: str, kind: str, recipes: list[str], **more: Any) -> dict[str, Any]:
    return {
        "system": name, "model": "m", "method": "lora", "recipes": recipes,
        "mixture": "".join(recipes),
        "languages": ["en", "es"], "seed": 1, "budgets": 1.0, "tuned_on": ["en"], "kind": kind,
        **more,
    }  # fmt: skip


SYSTEMS = [
    _system(
        "m.lora.monolingual-en.s1", "cell", ["monolingual", "english"], mixture="monolingual-en"
    ),
    _system(
        "m.lora.monolingual-es.s1", "cell", ["monolingual"], mixture="monolingual-es",
        languages=["es"], tuned_on=["es"], budgets=None,  # the study gives an amount
    ),
    _system(
        "m.base", "base", [], mixture=None, method=None, seed=None, budgets=None, tuned_on=[]
    ),
]  # fmt: skip

# system -> language -> (rating, gate) of the two prompts
GIVEN = {
    "m.lora.monolingual-en.s1": {"en": [(3.0, 1), (2.0, 1)], "es": [(3.0, 0), (2.0, 0)]},
    "m.lora.monolingual-es.s1": {"es": [(2.0, 1), (2.0, 1)]},
    "m.base": {"en": [(1.0, 1), (1.0, 0)], "es": [(1.0, 0), (1.0, 0)]},
}


@pytest.fixture
def analysis(tmp_path: Path) -> tuple[Analysis, list[ScoredResponse]]:
    for code in ("en", "es"):
        rows = [Prompt(id=str(n), language=code, prompt=f"{code} {n}") for n in range(2)]
        write_jsonl(tmp_path / "prompts" / f"{code}.jsonl", rows)
    for system, by_language in GIVEN.items():
        keys = [
            ({"system": system, "prompt_id": str(n), "language": code}, pair)
            for code, pairs in by_language.items()
            for n, pair in enumerate(pairs)
        ]
        sha = sha256_text("x")
        write_jsonl(
            tmp_path / system / "r" / "responses.jsonl",
            [Response(**key, response="x", finish_reason="stop") for key, _ in keys],
        )
        write_jsonl(
            tmp_path / system / "v" / "verdicts.jsonl",
            [
                Verdict.model_validate(
                    {**key, "response_sha256": sha, "judge": "j", "rating": rating, "status": "ok"}
                )
                for key, (rating, _) in keys
            ],
        )
        write_jsonl(
            tmp_path / system / "g" / "gate.jsonl",
            [
                GateResult.model_validate(
                    {**key, "response_sha256": sha, "detector": "d", "detected": "en",
                     "confidence": 1.0, "gate": gate}
                )
                for key, (_, gate) in keys
            ],
        )  # fmt: skip
    cells = [s["system"] for s in SYSTEMS if s["kind"] == "cell"]
    for cell in cells:
        new = cell.endswith("-es.s1")
        write_json(tmp_path / cell / "train" / "ledger.json", LEDGER | (TRAINING if new else {}))
        if new:
            write_json(tmp_path / cell / "train" / "heldout.json", HELD_OUT)
    found = CellBudget(
        cell="m.lora.monolingual-es.s1", model="m", method="lora", recipes=["monolingual"], seed=1,
        budgets=1.0, examples=9, tokens=99, supervised_tokens=9, steps=1, flops=None,
        rows_by_language={"es": 9}, tokens_by_language={"es": 99}, cut_rows={}, dropped_rows={},
    )  # fmt: skip
    budgets = BudgetLedger(unit="examples", one_budget_rows=9, cells=[found], notes=["Unequal."])
    write_json(tmp_path / "budgets" / "ledger.json", budgets.model_dump())
    analyze(
        tmp_path / "analysis",
        budgets=tmp_path / "budgets", instructions=tmp_path / "none", translations={},
        prompts=tmp_path / "prompts",
        responses={s: tmp_path / s / "r" for s in GIVEN},
        verdicts={s: tmp_path / s / "v" for s in GIVEN},
        gate={s: tmp_path / s / "g" for s in GIVEN},
        cells={cell: tmp_path / cell / "train" for cell in cells},
        study="t", train_languages=["en", "es"], test_languages=["en", "es"], systems=SYSTEMS,
        recipes=["english", "monolingual"],
        generate={}, resamples=200, confidence=0.95, seed=1, progress=_ignore,
    )  # fmt: skip
    text = (tmp_path / "analysis" / "analysis.json").read_text()
    json.loads(text)
    scored = list(read_jsonl(tmp_path / "analysis" / "scores.jsonl", ScoredResponse))
    return Analysis.model_validate_json(text), scored


def test_rows_are_recipes_and_controls(analysis: tuple[Analysis, list[ScoredResponse]]) -> None:
    rows = {row.id: row for row in analysis[0].rows}
    assert list(rows) == ["m.lora.english", "m.lora.monolingual", "m.base"]
    # Two monolingual cells of one budget each; the English one is also the english recipe.
    assert rows["m.lora.monolingual"].budgets == 2
    assert rows["m.lora.english"].budgets == 1
    assert rows["m.base"].control


def test_numbers_by_hand(analysis: tuple[Analysis, list[ScoredResponse]]) -> None:
    totals = {
        (score.row, score.language or score.scope): (
            score.before and score.before.value,
            score.after and score.after.value,
            score.gate.value,
        )
        for score in analysis[0].scores
    }
    assert totals["m.lora.english", "en"] == (125, 125, 1)
    assert totals["m.lora.english", "es"] == (125, 0, 0)
    assert totals["m.lora.english", "seen"] == (125, 62.5, 0.5)
    # In Spanish, `monolingual` is the Spanish cell, not the English one.
    assert totals["m.lora.monolingual", "es"] == (100, 100, 1)
    assert totals["m.lora.monolingual", "seen"] == (112.5, 112.5, 1)
    assert totals["m.base", "en"] == (50, 25, 0.5)


def test_controls_are_compared_where_the_row_was_not_tuned(
    analysis: tuple[Analysis, list[ScoredResponse]],
) -> None:
    (control,) = [c for c in analysis[0].comparisons if c.scope == "transfer"]
    # Spanish alone, before the gate: (3 + 2)/2 against 1.
    assert (control.a, control.b, control.measure) == ("m.lora.english", "m.base", "before")
    assert control.difference.value == 75


def test_every_answer_is_there_to_read(
    analysis: tuple[Analysis, list[ScoredResponse]],
) -> None:
    scored = {(s.system, s.language, s.prompt_id): s for s in analysis[1]}
    assert len(scored) == 10
    answer = scored["m.lora.monolingual-en.s1", "es", "0"]
    assert (answer.rating, answer.gate, answer.score) == (3.0, 0, 0.0)


def test_what_training_recorded_is_in_the_analysis(
    analysis: tuple[Analysis, list[ScoredResponse]],
) -> None:
    before, since = analysis[0].ledger
    assert {key: getattr(since, key) for key in TRAINING} == TRAINING
    assert since.heldout["en"].bits_per_byte == 1
    assert since.heldout["es"].bits_per_byte is None
    assert {getattr(before, key) for key in TRAINING} == {None}
    assert before.heldout == {}
    assert (before.steps, before.budgets) == (2, 1)
