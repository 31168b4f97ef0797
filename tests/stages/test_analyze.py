from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from polypaca.core.errors import StageError
from polypaca.core.files import read_jsonl, sha256_text, write_json, write_jsonl
from polypaca.core.folders import (
    CellFolder,
    GateFolder,
    InstructionsFolder,
    LedgerFolder,
    PairsFolder,
    PromptsFolder,
    ResponsesFolder,
    VerdictsFolder,
)
from polypaca.core.manifest import seal
from polypaca.core.records import GateResult, PairVerdict, Prompt, Response, Verdict
from polypaca.core.results import Analysis, BudgetLedger, CellBudget, ScoredResponse
from polypaca.core.systems import SystemKind, SystemLabel
from polypaca.core.work import Context
from polypaca.generation.contract import Generate
from polypaca.stages.analyze import AnalyzeStudy
from polypaca.stats.settings import Statistics

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


SYSTEMS = [
    SystemLabel(
        "m.lora.monolingual-en.s1", "cell", "m", "lora", seed=1, budgets=1.0, tuned_on=("en",),
        answers_for={"monolingual": ("en",), "english": ("en", "es")},
    ),
    SystemLabel(
        "m.lora.monolingual-es.s1", "cell", "m", "lora", seed=1, tuned_on=("es",),
        answers_for={"monolingual": ("es",)}, budgets=None,  # the study gives an amount
    ),
    SystemLabel("m.base", "base", "m"),
]  # fmt: skip

# system -> language -> (rating, gate) of the two prompts
GIVEN = {
    "m.lora.monolingual-en.s1": {"en": [(3.0, 1), (2.0, 1)], "es": [(3.0, 0), (2.0, 0)]},
    "m.lora.monolingual-es.s1": {"es": [(2.0, 1), (2.0, 1)]},
    "m.base": {"en": [(1.0, 1), (1.0, 0)], "es": [(1.0, 0), (1.0, 0)]},
}


@pytest.fixture
def inputs(tmp_path: Path) -> dict[str, Any]:
    """What the stage is called with, on files as earlier stages write them."""
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
    cells = [label.system for label in SYSTEMS if label.kind == "cell"]
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
    return {
        "budgets": LedgerFolder(tmp_path / "budgets"),
        "instructions": InstructionsFolder(tmp_path / "none"), "translations": {},
        "prompts": PromptsFolder(tmp_path / "prompts"),
        "responses": {s: ResponsesFolder(tmp_path / s / "r") for s in GIVEN},
        "verdicts": {s: VerdictsFolder(tmp_path / s / "v") for s in GIVEN},
        "gate": {s: GateFolder(tmp_path / s / "g") for s in GIVEN},
        "cells": {cell: CellFolder(tmp_path / cell / "train") for cell in cells},
        "study": "t", "systems": SYSTEMS,
        "train_languages": ["en", "es"], "test_languages": ["en", "es"],
        "recipes": ["english", "monolingual"],
        "judges": ["j"], "compared": {}, "generate": Generate(),
        "statistics": Statistics(resamples=200),
    }  # fmt: skip


def _analyze(inputs: dict[str, Any], **more: Any) -> tuple[Analysis, list[ScoredResponse]]:
    folder = inputs["prompts"].path.parent / "analysis"
    AnalyzeStudy(**{**inputs, **more}).run(Context(folder))
    text = (folder / "analysis.json").read_text()
    json.loads(text)
    scored = list(read_jsonl(folder / "scores.jsonl", ScoredResponse))
    return Analysis.model_validate_json(text), scored


@pytest.fixture
def analysis(inputs: dict[str, Any]) -> tuple[Analysis, list[ScoredResponse]]:
    return _analyze(inputs)


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


def test_how_given_rows_were_matched_is_said(inputs: dict[str, Any]) -> None:
    folder = inputs["instructions"].path
    folder.mkdir()
    facts = {
        "rows": {"en": 9, "es": 8}, "matched_by": "id", "shared_sources": 7, "further_turns": 0,
        "no_input": {"en": 2, "es": 1},
        "columns_not_read": {"en": ["lang", "topic"], "es": ["topic"]},
    }  # fmt: skip
    seal(folder, stage="prepare", format_number=1, settings={}, inputs={}, facts=facts)
    assert _analyze(inputs)[0].data_notes == [
        "Rows were matched by their ids: 7 are in all 2 languages.",
        "3 inputs such as <noinput> were read as empty.",
        "Columns of the data that were not read: lang, topic.",
    ]


def test_controls_are_compared_where_the_row_was_not_tuned(
    analysis: tuple[Analysis, list[ScoredResponse]],
) -> None:
    (control,) = [c for c in analysis[0].comparisons if c.scope == "transfer"]
    # Spanish alone, before the gate: (3 + 2)/2 against 1.
    assert (control.a, control.b, control.measure) == ("m.lora.english", "m.base", "before")
    assert control.difference.value == 75
    # Two prompts cannot show anything: of four patterns of signs two are as far from 0.
    assert (control.family, control.p, control.p_adjusted, control.shown) == (
        "controls", 0.5, 0.5, False,
    )  # fmt: skip
    assert any("with no difference shown to the control" in note for note in analysis[0].notes)


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


def test_the_headline_is_tested_and_says_what_it_rests_on(inputs: dict[str, Any]) -> None:
    found, _ = _analyze(inputs, statistics=Statistics(resamples=200, margin=5.0))
    (headline,) = [c for c in found.comparisons if c.family == "headline"]
    # English: (3 + 2)/2 and 0; one model a language: the same and 2.
    assert (headline.a, headline.b) == ("m.lora.english", "m.lora.monolingual")
    assert (headline.difference.value, headline.languages) == (-50, ["en", "es"])
    assert headline.margin is not None
    assert not headline.shown
    assert "for these checkpoints; training variance unknown" in found.sentence
    assert "no difference shown to English alone" in found.sentence
    assert found.signature["tests"].endswith("margin of 5 points")


def test_unseen_languages_are_in_the_headline_and_its_tests(inputs: dict[str, Any]) -> None:
    found, _ = _analyze(inputs, train_languages=["en"])
    headline = [c.scope for c in found.comparisons if c.family == "headline"]
    assert set(headline) == {"seen", "unseen"}
    assert "In Spanish, which nothing was tuned on, " in found.sentence
    seen, _ = _analyze(inputs)
    assert "unseen" not in seen.sentence
    assert "which nothing was tuned on" not in seen.sentence


def _rewrite(path: Path, record: type[Any], change: Any) -> None:
    write_jsonl(path, [change(row) for row in list(read_jsonl(path, record))])


def test_failed_verdicts_are_counted_and_never_scored(
    inputs: dict[str, Any], tmp_path: Path
) -> None:
    cell = "m.lora.monolingual-es.s1"

    def fail(row: Verdict) -> Verdict:
        first = row.prompt_id == "0"
        return row.model_copy(update={"status": "failed"} if first else {})

    _rewrite(tmp_path / cell / "v" / "verdicts.jsonl", Verdict, fail)
    found, scored = _analyze(inputs)
    assert [s.score for s in scored if s.system == cell] == [None, 2.0]
    (score,) = [s for s in found.scores if (s.row, s.language) == ("m.lora.monolingual", "es")]
    assert (score.failed, score.prompts, score.of) == (1, 1, 2)
    assert score.after is not None
    assert score.after.value == 100
    assert any("1 answer has no rating" in note for note in found.notes)
    assert any("m.lora.monolingual in es (1 of 2)" in note for note in found.notes)


def test_what_the_gate_says_beside_its_verdict_is_kept(
    inputs: dict[str, Any], tmp_path: Path
) -> None:
    cell = "m.lora.monolingual-es.s1"

    def undetermined(row: GateResult) -> GateResult:
        code = {"reason": "undetermined", "detected": None}
        lines: dict[str, Any] = {"line_gate": int(row.prompt_id), "word_gate": 1}
        return row.model_copy(update={**lines, **(code if row.prompt_id == "0" else {})})

    _rewrite(tmp_path / cell / "g" / "gate.jsonl", GateResult, undetermined)
    found, scored = _analyze(inputs)
    answer = next(s for s in scored if s.system == cell and s.prompt_id == "0")
    assert (answer.reason, answer.line_gate, answer.word_gate) == ("undetermined", 0, 1)
    (score,) = [s for s in found.scores if (s.row, s.language) == ("m.lora.monolingual", "es")]
    assert score.line_gate is not None
    assert score.word_gate is not None
    assert score.strict is not None
    assert (score.line_gate.value, score.word_gate.value, score.strict.value) == (0.5, 1, 50)
    assert any("counted 0: 50.0" in note for note in found.notes)


def test_words_count_where_the_lines_are_in_the_language(
    inputs: dict[str, Any], tmp_path: Path
) -> None:
    cell = "m.lora.monolingual-es.s1"

    def mixed(row: GateResult) -> GateResult:
        # The first answer fails by line, and by word too: that is no second failure.
        passes = int(row.prompt_id)
        return row.model_copy(update={"line_gate": passes, "word_gate": passes})

    _rewrite(tmp_path / cell / "g" / "gate.jsonl", GateResult, mixed)
    found, scored = _analyze(inputs)
    (score,) = [s for s in found.scores if (s.row, s.language) == ("m.lora.monolingual", "es")]
    assert score.line_gate is not None
    assert score.word_gate is not None
    assert (score.line_gate.value, score.word_gate.value) == (0.5, 1.0)
    # Every answer keeps what was found of it.
    assert [s.word_gate for s in scored if s.system == cell] == [0, 1]


def test_ratings_beyond_the_scale_stop_the_stage(inputs: dict[str, Any]) -> None:
    def judged(scale: list[float]) -> None:
        for folder in inputs["verdicts"].values():
            seal(folder.path, stage="judge", format_number=1, settings={}, inputs={},
                 facts={"scale": scale})  # fmt: skip

    judged([1.0, 2.0])
    with pytest.raises(StageError, match="is rated 3, outside the scale of 1 to 2"):
        _analyze(inputs)
    judged([0.0, 5.0])
    found, _ = _analyze(inputs)
    assert found.top == 250
    assert "of 250 over" in found.sentence


def test_a_verdict_on_another_text_stops_the_stage(inputs: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "m.base" / "v" / "verdicts.jsonl"
    other = sha256_text("what was answered before")
    _rewrite(path, Verdict, lambda row: row.model_copy(update={"response_sha256": other}))
    with pytest.raises(StageError, match=r"m\.base.*no record of the answer to prompt 0 in en"):
        _analyze(inputs)


def test_another_judges_verdict_on_another_text_stops_the_stage_too(
    inputs: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "m.base" / "v" / "verdicts.jsonl"
    other = {"second": {"m.base": VerdictsFolder(tmp_path / "other")}}
    write_jsonl(tmp_path / "other" / "verdicts.jsonl", read_jsonl(path, Verdict))
    _analyze(inputs, judges=["j", "second"], opinions=other)
    changed = {"response_sha256": sha256_text("what was answered before")}
    _rewrite(
        tmp_path / "other" / "verdicts.jsonl", Verdict, lambda row: row.model_copy(update=changed)
    )
    with pytest.raises(StageError, match=r"other: no record of the answer to prompt 0 in en"):
        _analyze(inputs, judges=["j", "second"], opinions=other)


def test_a_pair_that_was_compared_in_other_words_stops_the_stage(
    inputs: dict[str, Any], tmp_path: Path
) -> None:
    english, spanish = "m.lora.monolingual-en.s1", "m.lora.monolingual-es.s1"
    sha = sha256_text("x")
    pair = PairVerdict(
        system_a=english, system_b=spanish, prompt_id="0", language="es", judge="j",
        response_sha256_a=sha, response_sha256_b=sha, a_first="a", b_first="a", outcome="a",
        explanations=["Better."], status="ok",
    )  # fmt: skip
    rows = ("m.lora.english", "m.lora.monolingual")
    more: dict[str, Any] = {
        "pairs": {"p": PairsFolder(tmp_path / "pair")}, "compared": {"p": rows}
    }  # fmt: skip
    write_jsonl(tmp_path / "pair" / "pairs.jsonl", [pair])
    assert _analyze(inputs, **more)[0].preferences
    other = pair.model_copy(update={"response_sha256_b": sha256_text("another")})
    write_jsonl(tmp_path / "pair" / "pairs.jsonl", [other])
    with pytest.raises(StageError, match=r"pair: no record of the answer .*monolingual-es"):
        _analyze(inputs, **more)


def test_an_answer_without_a_verdict_stops_the_stage(
    inputs: dict[str, Any], tmp_path: Path
) -> None:
    write_jsonl(tmp_path / "m.base" / "v" / "verdicts.jsonl", [])
    with pytest.raises(StageError, match=r"m\.base.*no record of the answer to prompt 0 in en"):
        _analyze(inputs)


@pytest.mark.parametrize("kind", ["model", "served", "given"])
def test_systems_that_were_not_trained_here_stand_beside_the_recipes(
    inputs: dict[str, Any], kind: SystemKind
) -> None:
    systems = [*SYSTEMS[:2], replace(SYSTEMS[2], kind=kind, name="Some chat model")]
    found, _ = _analyze(inputs, systems=systems)
    row = found.rows[-1]
    assert (row.id, row.name, row.control, row.method) == ("m.base", "Some chat model", False, None)
    compared = [c for c in found.comparisons if c.b == "m.base"]
    assert {c.a for c in compared} == {"m.lora.english", "m.lora.monolingual"}
    assert {c.family for c in compared if c.scope == "seen"} == {"systems"}
    assert all(c.p_adjusted is None for c in compared if c.scope != "seen")
