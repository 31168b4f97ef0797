"""Krippendorff's alpha: agreement of any number of raters, with missing ratings.

Krippendorff, Computing Krippendorff's Alpha-Reliability (2011),
https://repository.upenn.edu/asc_papers/43; Content Analysis (2004), ch. 11.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from polypaca.core.results import Result

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

Metric = Literal["interval", "ordinal"]


class Alpha(Result):
    """Krippendorff's alpha with its interval; None where all ratings are equal, or none pairs."""

    value: float | None
    low: float | None
    high: float | None
    items: int
    ratings: int


def alpha_interval(
    ratings: Array,
    metric: Metric = "interval",
    *,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 1,
    groups: NDArray[np.int64] | None = None,
) -> Alpha:
    """Alpha with a percentile bootstrap interval over items.

    Alpha is 1 - observed disagreement / disagreement expected by chance; 1 is perfect, 0 chance.

    Args:
        ratings: shape (items, raters), NaN where there is none. Items with fewer than two ratings
            say nothing of agreement and are left out.
        metric: `interval` squares differences, `ordinal` those of ranks.
        confidence: such as 0.95.
        resamples: of the bootstrap.
        seed: of the bootstrap.
        groups: items with one number are drawn together, such as all answers to one prompt; None
            draws each by itself.
    """
    kept = _pairable(ratings)
    own = np.arange(len(ratings)) if groups is None else np.asarray(groups)
    names, member = np.unique(own[_is_pairable(ratings)], return_inverse=True)
    value = _alpha(kept, np.ones(len(kept)), metric)
    count = int((~np.isnan(kept)).sum())
    if value is None or len(names) < 2:
        return Alpha(value=value, low=None, high=None, items=len(kept), ratings=count)
    generator = np.random.default_rng(seed)
    drawn = generator.multinomial(len(names), np.full(len(names), 1 / len(names)), size=resamples)
    found = [_alpha(kept, weights[member].astype(np.float64), metric) for weights in drawn]
    # A resample of equal ratings alone has no alpha: there is no disagreement in it.
    values = [1.0 if alpha is None else alpha for alpha in found]
    tail = (1 - confidence) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return Alpha(
        value=value,
        low=min(float(low), value),
        high=max(float(high), value),
        items=len(kept),
        ratings=count,
    )


def _is_pairable(ratings: Array) -> NDArray[np.bool_]:
    kept: NDArray[np.bool_] = (~np.isnan(ratings)).sum(axis=1) > 1
    return kept


def _pairable(ratings: Array) -> Array:
    kept: Array = ratings[_is_pairable(ratings)]
    return kept


def _alpha(ratings: Array, weights: Array, metric: Metric) -> float | None:
    """Alpha of items that count `weights` times."""
    if not len(ratings):
        return None
    if metric == "ordinal":
        ratings = _ranks(ratings, weights)
    present = ~np.isnan(ratings)
    filled = np.where(present, ratings, 0.0)
    sizes, sums, squares = present.sum(axis=1), filled.sum(axis=1), (filled**2).sum(axis=1)
    # Over the ordered pairs of a set, (a - b)^2 sums to 2 (n sum a^2 - (sum a)^2).
    within = 2 * (sizes * squares - sums**2) / (sizes - 1)
    count = float(weights @ sizes)
    mean = float(weights @ sums) / count
    spread = float(weights @ np.where(present, (ratings - mean) ** 2, 0.0).sum(axis=1))
    expected = 2 * count * spread / (count - 1)
    if spread <= 1e-12 * count:
        return None
    return 1 - float(weights @ within) / expected


def _ranks(ratings: Array, weights: Array) -> Array:
    """Ratings as mid-ranks among all: their differences are those of the ordinal metric.

    The ordinal metric counts the ratings from one value to another, each end by half.
    """
    present = ~np.isnan(ratings)
    values, place = np.unique(ratings[present], return_inverse=True)
    each = np.broadcast_to(weights[:, None], ratings.shape)[present]
    counts = np.bincount(place, weights=each, minlength=len(values))
    ranks = np.full(ratings.shape, np.nan)
    ranks[present] = (np.cumsum(counts) - counts / 2)[place]
    return ranks
