"""Scores of rows, in each language and averaged over languages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from polypaca.core.results import TOTAL_PROMPTS, Score
from polypaca.stats.intervals import Sample, intervals
from polypaca.stats.proportions import share_interval
from polypaca.stats.seeds import seeds_interval

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from polypaca.core.results import Interval, Scope, Seeds
    from polypaca.stats.answers import Answers, Array, Measure, Seed, Table
    from polypaca.stats.intervals import Resampling

TOTALS: tuple[Measure, ...] = ("before", "after", "robustness", "strict")
SHARES: tuple[Measure, ...] = ("gate", "line_gate", "word_gate")

ScopeLanguages = tuple["Scope", str | None, "Sequence[str]"]


def study_scopes(train: Sequence[str], test: Sequence[str]) -> list[ScopeLanguages]:
    """The scopes of a study: each test language, the seen ones, the unseen ones, and all."""
    seen = [code for code in test if code in train]
    unseen = [code for code in test if code not in train]
    scopes: list[ScopeLanguages] = [("language", code, [code]) for code in test]
    scopes += [("seen", None, seen), ("unseen", None, unseen), ("all", None, list(test))]
    return [scope for scope in scopes if scope[2]]


def scores(
    table: Table, scopes: Sequence[ScopeLanguages], drawn: Resampling, *, top: float, rated: bool
) -> list[Score]:
    """Every row's score in each scope that it has answers for in every language.

    Args:
        table: the answers.
        scopes: what to average over.
        drawn: the weights of the intervals.
        top: of the judge's scale; ratings are 0..top.
        rated: false where no answer has a rating: there are no totals then.
    """
    places: dict[tuple[str, int, Measure], int] = {}
    samples: list[Sample] = []
    for row, by_language in table.items():
        for number, (_, _, languages) in enumerate(scopes):
            chosen = _answers(by_language, languages)
            for measure in TOTALS if chosen and rated else ():
                if measure == "strict" and not sum(a.undetermined for a in chosen):
                    continue
                sample = Sample(_columns(chosen, measure), 0.0, top, TOTAL_PROMPTS)
                if not sample.empty:
                    places[row, number, measure] = len(samples)
                    samples.append(sample)
    totals = intervals(samples, drawn)
    found = []
    for row, by_language in table.items():
        for number, scope in enumerate(scopes):
            chosen = _answers(by_language, scope[2])
            if chosen:
                own: dict[Measure, Interval] = {
                    measure: totals[places[row, number, measure]]
                    for measure in TOTALS
                    if (row, number, measure) in places
                }
                found.append(_score(row, scope, chosen, own, drawn.confidence, rated=rated))
    return found


def _answers(by_language: Mapping[str, Answers], languages: Sequence[str]) -> list[Answers]:
    """The answers in all the languages; none if one is missing."""
    if any(code not in by_language for code in languages):
        return []
    return [by_language[code] for code in languages]


def _columns(chosen: Sequence[Answers], measure: Measure) -> Array:
    return np.stack([answers.prompt_values(measure) for answers in chosen], axis=1)


def _score(
    row: str,
    scope: ScopeLanguages,
    chosen: Sequence[Answers],
    totals: Mapping[Measure, Interval],
    confidence: float,
    *,
    rated: bool,
) -> Score:
    known = "after" in totals
    present = ~np.isnan(_columns(chosen, "after" if known else "gate"))
    shares = {measure: _share(chosen, measure, confidence) for measure in SHARES}
    assert shares["gate"] is not None  # every answer has a gate
    measures: tuple[Measure, ...] = ("before", "after", "robustness") if known else ()
    by_seed = {measure: _seeds(chosen, measure, confidence) for measure in (*measures, "gate")}
    return Score(
        row=row,
        scope=scope[0],
        language=scope[1],
        prompts=int(present.sum(axis=0).min()),
        of=len(present),
        rated=sum(answers.rated for answers in chosen),
        failed=sum(answers.failed for answers in chosen) if rated else 0,
        undetermined=sum(answers.undetermined for answers in chosen) if rated else 0,
        before=totals.get("before"),
        after=totals.get("after"),
        robustness=totals.get("robustness"),
        strict=totals.get("strict"),
        gate=shares["gate"],
        line_gate=shares["line_gate"],
        word_gate=shares["word_gate"],
        seeds={measure: seeds for measure, seeds in by_seed.items() if seeds},
    )


def _share(chosen: Sequence[Answers], measure: Measure, confidence: float) -> Interval | None:
    """The share that passes, over as many prompts as the language with the fewest has."""
    columns = _columns(chosen, measure)
    counts = (~np.isnan(columns)).sum(axis=0)
    if not counts.all():
        return None
    share = float(np.nanmean(columns, axis=0).mean())
    return share_interval(min(1.0, share), int(counts.min()), confidence)


def _seeds(chosen: Sequence[Answers], measure: Measure, confidence: float) -> Seeds | None:
    scale = 1.0 if measure == "gate" else float(TOTAL_PROMPTS)
    means = {}
    for seed in common_seeds(chosen):
        mean = seed_mean([answers.prompt_values_of_seed(measure, seed) for answers in chosen])
        if seed is not None and mean is not None:
            means[seed] = scale * mean
    prompts = chosen[0].values[measure].shape[1]
    return seeds_interval(means, confidence, resolution(measure, prompts, len(chosen)))


def seed_mean(columns: Sequence[Array | None]) -> float | None:
    """The mean over languages of one seed's means; None if it lacks a language."""
    present = [column for column in columns if column is not None and not np.isnan(column).all()]
    if len(present) < len(columns):
        return None
    return float(np.mean([np.nanmean(column) for column in present]))


def common_seeds(*rows: Sequence[Answers]) -> list[Seed]:
    """The seeds that all answers have; untrained systems have every seed."""
    trained = [answers.seeds for chosen in rows for answers in chosen if answers.seeds != (None,)]
    if not trained:
        return []
    return [seed for seed in trained[0] if all(seed in seeds for seeds in trained)]


def resolution(measure: Measure, prompts: int, languages: int) -> float:
    """What half a point, or one passage of the gate, on one answer moves a score by."""
    step = 1.0 if measure == "gate" else TOTAL_PROMPTS / 2
    return step / (prompts * languages)
