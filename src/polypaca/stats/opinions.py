"""How far several judges agree on the same answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from polypaca.core.results import JudgeAgreement
from polypaca.stats.alpha import alpha_interval
from polypaca.stats.correlations import correlation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from polypaca.stats.answers import Array

Key = tuple[str, str, str]  # system, language, prompt id


def agreement(
    ratings: Mapping[str, Mapping[Key, float]],
    languages: Sequence[str],
    *,
    confidence: float,
    resamples: int,
    seed: int,
) -> list[JudgeAgreement]:
    """Krippendorff's alpha of all judges together, and what each pair of them has in common.

    Ratings are brought to a scale of 0..1 by the caller where judges have different scales. All
    answers to one prompt are resampled together. Rows of one language, then all languages.

    Args:
        ratings: by judge, of every answer that it rated.
        languages: those to tell apart.
        confidence: of the interval of alpha.
        resamples: of its bootstrap.
        seed: of its bootstrap.
    """
    judges = list(ratings)
    keys = sorted(set().union(*(ratings[judge] for judge in judges)))
    found = []
    for language in [*languages, None]:
        own = [key for key in keys if language in (None, key[1])]
        if not own:
            continue
        table = np.array([[ratings[j].get(key, np.nan) for j in judges] for key in own])
        prompts = np.unique([key[2] for key in own], return_inverse=True)[1]
        alpha = alpha_interval(
            table, confidence=confidence, resamples=resamples, seed=seed, groups=prompts
        )
        systems = np.array([key[0] for key in own])
        for second in range(1, len(judges)):
            both = table[:, [0, second]]
            both = both[~np.isnan(both).any(axis=1)]
            found.append(
                JudgeAgreement(
                    first=judges[0],
                    second=judges[second],
                    language=language,
                    answers=len(both),
                    equal=float((both[:, 0] == both[:, 1]).mean()) if len(both) else None,
                    difference=float((both[:, 1] - both[:, 0]).mean()) if len(both) else None,
                    systems_pearson=_pearson(table[:, [0, second]], systems, confidence),
                    alpha=alpha.value,
                    # Equal ends mean that all prompts are alike: nothing was resampled.
                    alpha_low=alpha.low if alpha.low != alpha.high else None,
                    alpha_high=alpha.high if alpha.low != alpha.high else None,
                )
            )
    return found


def _pearson(ratings: Array, systems: NDArray[np.str_], confidence: float) -> float | None:
    """Correlation of the systems' mean ratings; None with fewer than three, or equal ones."""
    means = []
    for system in np.unique(systems):
        own = ratings[systems == system]
        own = own[~np.isnan(own).any(axis=1)]
        if len(own):
            means.append(own.mean(axis=0))
    # Sums in another order differ in the last bits, and equal means have no correlation.
    table = np.round(np.array(means).reshape(-1, 2), 12)
    return correlation("pearson", table[:, 0].tolist(), table[:, 1].tolist(), confidence).value
