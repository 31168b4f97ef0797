"""Intervals by resampling prompts.

One matrix of resampling weights serves every score and difference of an analysis, so that all of
them are resampled jointly: translations of one prompt, and all systems' answers to it, stay
together (paired bootstrap; Efron & Tibshirani, An Introduction to the Bootstrap, 1993, ch. 13).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from polypaca.core.results import Interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


def resampling_weights(prompts: int, resamples: int, seed: int) -> Array:
    """How often each prompt is drawn: shape (resamples, prompts), each row sums to `prompts`."""
    generator = np.random.default_rng(seed)
    return generator.multinomial(prompts, np.full(prompts, 1 / prompts), size=resamples).astype(
        np.float64
    )


def resampled_means(values: Array, weights: Array) -> Array:
    """The mean of `values` (one a prompt, NaN where missing) in each resample.

    A resample that drew missing prompts alone is NaN.
    """
    present = ~np.isnan(values)
    sums = weights @ np.where(present, values, 0.0)
    counts = weights @ present.astype(np.float64)
    means: Array = np.full(len(weights), np.nan)
    np.divide(sums, counts, out=means, where=counts > 0)
    return means


def mean_interval(
    columns: list[Array], weights: Array, confidence: float, scale: float
) -> Interval:
    """`scale` times the mean over columns of each column's mean, with a percentile interval.

    A column holds one value a prompt (NaN where missing) for one language.

    Raises:
        ValueError: if a column holds no value at all.
    """
    point = scale * float(np.mean([_mean(column) for column in columns]))
    means = scale * np.mean([resampled_means(column, weights) for column in columns], axis=0)
    tail = (1 - confidence) / 2
    low, high = np.nanquantile(means, [tail, 1 - tail])
    return Interval(value=point, low=float(low), high=float(high))


def proportion_interval(share: float, count: int, confidence: float) -> Interval:
    """Wilson's score interval for a share of `count` trials (Wilson 1927, JASA 22:209-212).

    For a mean of per-prompt shares it is conservative: among values in [0, 1] with one mean,
    those that are all 0 or 1 vary the most.
    """
    from statistics import NormalDist

    z = NormalDist().inv_cdf((1 + confidence) / 2)
    centre = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = (
        z
        / (1 + z * z / count)
        * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    )
    return Interval(value=share, low=max(0.0, centre - half), high=min(1.0, centre + half))


def _mean(values: Array) -> float:
    present = values[~np.isnan(values)]
    if not len(present):
        raise ValueError("no value to average")
    return float(present.mean())
