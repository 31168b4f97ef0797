"""A study that never was: four training languages, one unseen, two methods, two controls."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from polypaca.core.results import (
    Analysis,
    BudgetLedger,
    CellBudget,
    CellCost,
    Comparison,
    HeldOutLoss,
    Interval,
    RowLabel,
    Score,
    ScoredResponse,
)

TRAIN = ["en", "es", "ar", "zh"]
TEST = [*TRAIN, "no"]
NAMES = {"en": "English", "es": "Spanish", "ar": "Arabic", "zh": "Chinese", "no": "Norwegian"}
MODEL = "tiny-neox"
OLD_CELL = f"{MODEL}.full.downsampled.s1"
# Quality before the gate (total) and pass rate outside English, per recipe.
RECIPES = {
    "monolingual": (118.0, 0.99, 4.0),
    "multilingual": (126.5, 0.98, 4.0),
    "downsampled": (109.0, 0.95, 1.0),
    "english": (88.0, 0.07, 1.0),
}
CONTROLS = {"untuned base": (58.0, 0.30), "shuffled answers": (61.5, 0.96)}
HOSTILE = (
    "</script><script>window.pwned = 1; alert(1)</script>",
    '<img src=x onerror="window.pwned = 1">',
    "الجواب: عاصمة فرنسا هي باريس، وهي مدينة كبيرة.",
    "法国的首都是巴黎。它位于塞纳河畔。\u2028新的一行 & <b>不是粗体</b>",
    "w" * 700,
)


def interval(value: float, spread: float, top: float) -> Interval:
    return Interval(value=value, low=max(0.0, value - spread), high=min(top, value + spread))


def make_score(row: str, scope: str, language: str | None, before: float, share: float) -> Score:
    after = before * share
    return Score.model_validate(
        {
            "row": row,
            "scope": scope,
            "language": language,
            "prompts": 24,
            "rated": 24,
            "failed": 0,
            "before": interval(before, 6.3, 150),
            "after": interval(after, 2 + 0.06 * after, 150),
            "robustness": interval(before - after, 0.3 + 0.05 * (before - after), 150),
            "gate": interval(share, 0.04, 1),
        }
    )


def row_scores(row: RowLabel, quality: float, share: float) -> list[Score]:
    """One row's scores in each language that it was tested in, and their averages."""
    dice = random.Random(row.id)
    tested = TRAIN if row.recipe == "monolingual" else TEST
    points = {}
    for language in tested:
        passing = 1.0 if language == "en" and row.recipe else share
        points[language] = (quality + dice.uniform(-9, 9), min(1.0, passing))
    scores = [make_score(row.id, "language", lang, *point) for lang, point in points.items()]
    for scope, languages in (("seen", TRAIN), ("unseen", ["no"])):
        found = [points[language] for language in languages if language in points]
        if found:
            before = sum(point[0] for point in found) / len(found)
            after = sum(point[0] * point[1] for point in found) / len(found)
            scores.append(make_score(row.id, scope, None, before, after / before))
    return scores


def make_rows() -> list[RowLabel]:
    rows = [
        RowLabel(
            id=f"{MODEL}.{method}.{recipe}",
            model=MODEL,
            method=method,
            recipe=recipe,
            name=recipe,
            control=False,
            budgets=budgets,
            systems=(
                [f"{MODEL}.{method}.monolingual-{language}.s1" for language in TRAIN]
                if recipe == "monolingual"
                else [f"{MODEL}.{method}.{'monolingual-en' if recipe == 'english' else recipe}.s1"]
            ),
            answers_in=(
                {f"{MODEL}.{method}.monolingual-{code}.s1": [code] for code in TRAIN}
                if recipe == "monolingual"
                else {}
            ),
            seeds=[1],
        )
        for method in ("lora", "full")
        for recipe, (_, _, budgets) in RECIPES.items()
        if method == "lora" or recipe in ("multilingual", "downsampled")
    ]
    rows += [
        RowLabel(
            id=f"{MODEL}.{name.replace(' ', '-')}",
            model=MODEL,
            method=None,
            recipe=None,
            name=name,
            control=True,
            budgets=None,
            systems=[f"{MODEL}.{name.replace(' ', '-')}"],
            seeds=[],
        )
        for name in CONTROLS
    ]
    return rows


def make_ledger(rows: list[RowLabel]) -> list[CellCost]:
    cells = dict.fromkeys(s for row in rows if not row.control for s in row.systems)
    return [_cost(cell, number) for number, cell in enumerate(cells)]


def _cost(cell: str, number: int) -> CellCost:
    """One cell's cost; OLD_CELL was trained before such figures were recorded."""
    times = 4 if ".multilingual" in cell else 1
    recorded: dict[str, Any] = {}
    if cell != OLD_CELL:
        recorded = {
            "parameters": 1_050_624,
            "trained_parameters": 24_576 if ".lora." in cell else 1_050_624,
            "flops": (4 if ".lora." in cell else 6) * 1_050_624 * 321_077 * times,
            "training_seconds": 28.2 * times,
            "tokens_per_second": 11_385.7 + number,
            "precision": "float32",
            "matmul_flops_per_second": 93.1e9 + number * 1e8,
            "mfu": 0.5142,
            "peak_memory_bytes": 812 * 2**20,
            "micro_batch_tokens": 2048,
            "activation_checkpointing": False,
            "packed": True,
            "heldout": {code: _loss(cell, code) for code in TRAIN},
        }
    return CellCost(
        cell=cell,
        examples=2000 * times,
        tokens=321_077 * times,
        supervised_tokens=160_038 * times,
        steps=120 * times,
        budgets=float(times),
        validation_loss=0.731 + 0.01 * number,
        wall_seconds=31.7 * times,
        **recorded,
    )


def _loss(cell: str, code: str) -> HeldOutLoss:
    """Lower where the cell was tuned on the language; of Arabic not all cells read as much."""
    tuned = ".monolingual-" not in cell or f"-{code}" in cell
    size = 4321 + (code == "ar" and ".full." in cell)
    bits = (0.71 if tuned else 2.46) + random.Random(cell + code).uniform(0, 0.2)
    return HeldOutLoss(
        rows=60, tokens=1200, bytes=size, nats=bits * math.log(2) * size, bits_per_byte=bits
    )


def make_budgets(rows: list[RowLabel]) -> BudgetLedger:
    cells = dict.fromkeys(s for row in rows if not row.control for s in row.systems)
    return BudgetLedger(
        unit="examples", one_budget_rows=1000, cells=[_budget(cell) for cell in cells], notes=[]
    )


def _budget(cell: str) -> CellBudget:
    own = [code for code in TRAIN if ".monolingual-" not in cell or f"-{code}" in cell]
    return CellBudget(
        cell=cell, model=MODEL, method=cell.split(".")[1], recipes=["any"], seed=1, budgets=1.0,
        examples=2000, tokens=321_000, supervised_tokens=160_000, steps=120, flops=7.7e11,
        rows_by_language=dict.fromkeys(own, 1000), tokens_by_language=dict.fromkeys(own, 160_500),
        cut_rows={}, dropped_rows={},
    )  # fmt: skip


def make_analysis(rated: bool = True) -> Analysis:
    """The whole analysis; with `rated=False` as `judge: none` leaves it."""
    rows = make_rows()
    scores: list[Score] = []
    for row in rows:
        quality, share = CONTROLS[row.name] if row.control else RECIPES[str(row.recipe)][:2]
        scores += row_scores(row, quality, share)
    if not rated:
        nothing = {"before": None, "after": None, "robustness": None, "rated": 0}
        scores = [score.model_copy(update=nothing) for score in scores]
    winner, loser = f"{MODEL}.lora.multilingual", f"{MODEL}.lora.downsampled"
    return Analysis(
        study="tiny",
        sentence=(
            "One multilingual model scores highest over the four training languages (124.9 of 150 "
            "with LoRA), at the price of four budgets; English alone loses most of its "
            "non-English points at the gate."
            if rated
            else "Every recipe but English alone answers in the language of the prompt; quality "
            "was not judged."
        ),
        notes=[
            "The ratings come from the reference judge, which compares with a reference answer.",
            "24 prompts per language: differences smaller than about 8 points are noise.",
        ][: 2 if rated else 0],
        confidence=0.95,
        rated=rated,
        train_languages=TRAIN,
        test_languages=TEST,
        language_names=NAMES,
        rows=rows,
        scores=scores,
        comparisons=[
            Comparison(
                a=winner,
                b=loser,
                scope="seen",
                language=None,
                measure="after" if rated else "gate",
                difference=(
                    Interval(value=19.2, low=12.8, high=25.3)
                    if rated
                    else Interval(value=0.03, low=-0.01, high=0.06)
                ),
                prompts=24,
            )
        ],
        ledger=make_ledger(rows),
        budgets=make_budgets(rows),
        signature={
            "polypaca": "0.1.0",
            "judge": {"kind": "reference", "metric": "chrF++"} if rated else {"kind": "none"},
            "gate": {"detector": "lid176"},
            "bootstrap": {"resamples": 2000, "seed": 0, "level": 0.95},
            "seeds": [1],
            "<b>key</b>": "</table><script>window.pwned = 1</script>",
        },
    )


LONG_NAMES = {
    "untuned base": "untuned base of organisation/model-family-8B-v0.3, WWWWWWWWWWW",
    "shuffled answers": "english, answers shuffled · tiny-neox · lora",
    "monolingual": "контрольная модель без дообучения",
    "english": "对照组：未经指令微调的基础模型和另一些很长的名字",
}


def with_long_names(analysis: Analysis) -> Analysis:
    """The same with names such as studies have, and worse."""
    rows = [
        row.model_copy(update={"name": LONG_NAMES.get(row.name, row.name)}) for row in analysis.rows
    ]
    return analysis.model_copy(update={"rows": rows})


def make_responses(rated: bool = True, prompts: int = 5) -> list[ScoredResponse]:
    """All systems' answers to five prompts; the five hostile texts go round."""
    responses: list[ScoredResponse] = []
    for place, row in enumerate(make_rows()):
        # English is the monolingual-en checkpoint under a second name: its answers come once.
        for system in dict.fromkeys(row.systems):
            languages = [system.split("-")[-1][:2]] if ".monolingual-" in system else TEST
            if system.endswith("monolingual-en.s1"):
                languages = TEST if row.recipe == "english" else []
            for language in languages:
                for number in range(prompts):
                    wrong = row.recipe == "english" and language != "en"
                    text = HOSTILE[(number + place) % len(HOSTILE)]
                    responses.append(
                        ScoredResponse(
                            system=system,
                            prompt_id=f"p{number:03d}",
                            language=language,
                            prompt=(
                                f"ما هي عاصمة البلد رقم {number}؟"
                                if language == "ar"
                                else f"[{language}] What is the capital of country {number}? <i>"
                            ),
                            response=text,
                            rating=(1.0 if row.control else 2.5) if rated else None,
                            explanation=(
                                "chrF++ 61.2 against the <u>Spanish</u> reference." if rated else ""
                            ),
                            status="ok" if rated else "unrated",
                            detected="en" if wrong else language,
                            gate=0 if wrong else 1,
                            score=(0.0 if wrong else 2.5) if rated else None,
                        )
                    )
    return responses


@pytest.fixture(scope="session")
def analysis() -> Analysis:
    return make_analysis()


@pytest.fixture(scope="session")
def unrated() -> Analysis:
    return make_analysis(rated=False)


@pytest.fixture(scope="session")
def responses() -> list[ScoredResponse]:
    return make_responses()
