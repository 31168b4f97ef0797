"""Scores, averages and paired differences of rows, from per-prompt arrays."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Literal

import numpy as np

from polypaca.core.results import TOTAL_PROMPTS, Comparison, RowLabel, Scope, Score
from polypaca.stats.bootstrap import mean_interval, proportion_interval

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

Measure = Literal["after", "before", "gate"]


@dataclass(frozen=True)
class Answers:
    """One row's answers in one language, one entry a prompt, averaged over seeds."""

    rating: Array  # before the gate, 1..3; NaN where there is none
    gate: Array  # 0..1
    score: Array  # rating x gate; NaN where there is no rating
    rated: int
    failed: int

    def of(self, measure: Measure) -> Array:
        """The per-prompt values of a measure."""
        return {"after": self.score, "before": self.rating, "gate": self.gate}[measure]


# row id -> language -> answers
Table = dict[str, dict[str, Answers]]


def merge_seeds(parts: Sequence[tuple[Array, Array]]) -> Answers:
    """Average (rating, gate) arrays of several seeds, prompt by prompt.

    A prompt counts where any seed has a rating for it.
    """
    ratings = np.stack([rating for rating, _ in parts])
    gates = np.stack([gate for _, gate in parts])
    present = ~np.isnan(ratings)
    return Answers(
        rating=_nanmean(ratings),
        gate=_nanmean(gates),
        score=_nanmean(ratings * gates),
        rated=int(present.sum()),
        failed=int((~present & ~np.isnan(gates)).sum()),
    )


def scores(
    row: str,
    by_language: Mapping[str, Answers],
    scopes: Sequence[tuple[Scope, str | None, Sequence[str]]],
    weights: Array,
    *,
    confidence: float,
    rated: bool,
) -> Iterator[Score]:
    """A row's score in each scope that it has answers for in every language."""
    for scope, language, languages in scopes:
        if not languages or any(code not in by_language for code in languages):
            continue
        chosen = [by_language[code] for code in languages]
        known = rated and all(answers.rated for answers in chosen)
        prompts = min(int((~np.isnan(answers.gate)).sum()) for answers in chosen)

        def total(values: list[Array]) -> object:
            return mean_interval(values, weights, confidence, TOTAL_PROMPTS)

        yield Score.model_validate(
            {
                "row": row,
                "scope": scope,
                "language": language,
                "prompts": prompts,
                "rated": sum(answers.rated for answers in chosen),
                "failed": sum(answers.failed for answers in chosen) if rated else 0,
                "before": total([a.rating for a in chosen]) if known else None,
                "after": total([a.score for a in chosen]) if known else None,
                "robustness": total([a.rating - a.score for a in chosen]) if known else None,
                "gate": proportion_interval(
                    float(np.mean([np.nanmean(a.gate) for a in chosen])), prompts, confidence
                ),
            }
        )


def scope_list(
    train: Sequence[str], test: Sequence[str]
) -> list[tuple[Scope, str | None, Sequence[str]]]:
    """The scopes of a study: each test language, the seen ones, the unseen ones, and all."""
    seen = [code for code in test if code in train]
    unseen = [code for code in test if code not in train]
    scopes: list[tuple[Scope, str | None, Sequence[str]]] = [
        ("language", code, [code]) for code in test
    ]
    scopes += [("seen", None, seen), ("unseen", None, unseen), ("all", None, list(test))]
    return [scope for scope in scopes if scope[2]]


def comparison(
    a: str,
    b: str,
    table: Table,
    scope: Scope,
    language: str | None,
    languages: Sequence[str],
    measure: Measure,
    weights: Array,
    *,
    confidence: float,
) -> Comparison | None:
    """The paired difference a - b over the prompts that both have; None where there is none."""
    shared = [code for code in languages if code in table[a] and code in table[b]]
    if not shared or len(shared) < len(languages):
        return None
    columns = [table[a][code].of(measure) - table[b][code].of(measure) for code in shared]
    if any(np.isnan(column).all() for column in columns):
        return None
    scale = 1.0 if measure == "gate" else TOTAL_PROMPTS
    return Comparison(
        a=a,
        b=b,
        scope=scope,
        language=language,
        measure=measure,
        difference=mean_interval(columns, weights, confidence, scale),
        prompts=int(max((~np.isnan(column)).sum() for column in columns)),
    )


def recipe_pairs(rows: Sequence[RowLabel]) -> Iterator[tuple[RowLabel, RowLabel]]:
    """Every two recipes of one model and method."""
    for a, b in combinations([row for row in rows if row.recipe and not row.control], 2):
        if (a.model, a.method) == (b.model, b.method):
            yield a, b


def _nanmean(values: Array) -> Array:
    present = ~np.isnan(values)
    counts = present.sum(axis=0)
    sums = np.where(present, values, 0.0).sum(axis=0)
    means: Array = np.full(values.shape[1], np.nan)
    np.divide(sums, counts, out=means, where=counts > 0)
    return means
